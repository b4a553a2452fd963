"""What a run took, for programs and for people: tokens by kind, dollars, and what is left."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import asdict

from team.rules.grants import Account, accounts
from team.rules.spending import (
    LaneSpent,
    by_lane,
    by_purpose,
    cache_share,
    stopped_for,
    usd_per_claim,
)
from team.state import RunState, Spent


class AllowanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of the run: what was granted of it, spent, and is left to grant.

    Each is null where there is no limit or the amount is not known. `unsettled` is what calls
    may have taken beyond what was spent, at most.
    """

    limit: float | None
    granted: float | None
    spent: float | None
    left: float | None
    unsettled: float | None = 0.0

    @property
    def remains(self) -> float | None:
        """What is certainly not spent; nothing if that is not known."""
        if self.limit is None or self.spent is None or self.unsettled is None:
            return None
        return max(0.0, self.limit - self.spent - self.unsettled)


class TokensRow(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by kind, and dollars; `cost_usd` is null where a price is unknown.

    `fresh_tokens`, `cache_read_tokens` and `cache_write_tokens` are the tokens read;
    `lost_tokens` are those, read or written, of tries whose answer broke off.
    """

    calls: int
    fresh_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    lost_tokens: int
    cost_usd: float | None


class PurposeRow(TokensRow, frozen=True, kw_only=True):
    """What was spent for one purpose."""

    purpose: str


class LaneRow(TokensRow, frozen=True, kw_only=True):
    """What one lane took: work and checks; `checks_usd` are the dollars of its verifiers.

    `usd_per_claim` is null where no claim was admitted or a price is unknown.
    """

    task: str
    title: str
    claims: int
    checks_usd: float | None
    usd_per_claim: float | None


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent; `cost_usd` is null where a price is unknown.

    `input_tokens` are all tokens read: fresh, from the cache and written to it. `cache_share`
    is the share of them that came from the cache, null if none were read. `price_table` is
    empty where nothing is paid; `own_prices` are the models whose price the policy sets.
    `unsettled_tokens` and `unsettled_usd` are what calls that nobody has settled may have taken
    beyond all that, at most: calls under way, or whose member was killed.
    `stopped_for` says of what there was too little, of a run that ended without all of it.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    is_estimated: bool
    tokens: AllowanceRow | None
    dollars: AllowanceRow | None
    fresh_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_share: float | None
    lost_tokens: int
    web_searches: int
    claims: int
    usd_per_claim: float | None
    by_purpose: tuple[PurposeRow, ...]
    by_lane: tuple[LaneRow, ...]
    price_table: str
    own_prices: tuple[str, ...]
    stopped_for: Literal["dollars", "tokens"] | None
    unsettled_tokens: int = 0
    unsettled_usd: float | None = 0.0


def usage_row(state: RunState) -> UsageRow:
    """What a run took, as it stands."""
    spent, found, lanes = state.ledger.total, accounts(state), by_lane(state)
    claims, rest = sum(lane.claims for lane in lanes), state.ledger.unsettled
    spec = state.spec
    return UsageRow(
        calls=spent.calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_usd=spent.cost_usd,
        is_estimated=spent.is_estimated,
        tokens=_allowance(found[0]) if found else None,
        dollars=_allowance(found[1]) if found else None,
        fresh_tokens=fresh_tokens(spent),
        cache_read_tokens=spent.cache_read_tokens,
        cache_write_tokens=spent.cache_write_tokens,
        cache_share=cache_share(spent),
        lost_tokens=spent.lost_tokens,
        web_searches=spent.web_searches,
        claims=claims,
        usd_per_claim=usd_per_claim(spent, claims),
        by_purpose=tuple(
            PurposeRow(purpose=purpose, **asdict(tokens_row(part)))
            for purpose, part in by_purpose(state).items()
        ),
        by_lane=tuple(_lane(lane) for lane in lanes),
        price_table=spec.price_table if spec is not None else "",
        own_prices=tuple(sorted(spec.project.models.prices)) if spec is not None else (),
        stopped_for=stopped_for(state),
        unsettled_tokens=rest.unsettled_tokens,
        unsettled_usd=rest.unsettled_usd,
    )


def fresh_tokens(spent: Spent) -> int:
    """Tokens read that neither came from the cache nor went into it."""
    return spent.input_tokens - spent.cache_read_tokens - spent.cache_write_tokens


def tokens_row(spent: Spent) -> TokensRow:
    """A sum of calls by kind of token."""
    return TokensRow(
        calls=spent.calls,
        fresh_tokens=fresh_tokens(spent),
        cache_read_tokens=spent.cache_read_tokens,
        cache_write_tokens=spent.cache_write_tokens,
        output_tokens=spent.output_tokens,
        lost_tokens=spent.lost_tokens,
        cost_usd=spent.cost_usd,
    )


def _lane(lane: LaneSpent) -> LaneRow:
    total = lane.total
    return LaneRow(
        task=lane.task,
        title=lane.title,
        claims=lane.claims,
        checks_usd=lane.checks.cost_usd,
        usd_per_claim=usd_per_claim(total, lane.claims),
        **asdict(tokens_row(total)),
    )


def _allowance(account: Account) -> AllowanceRow:
    return AllowanceRow(
        limit=account.limit,
        granted=account.granted,
        spent=account.spent,
        left=account.left,
        unsettled=account.unsettled,
    )


# --- as text -----------------------------------------------------------------------


def money(cost_usd: float | None) -> str:
    """Dollars, or that they are not known."""
    return "unknown" if cost_usd is None else f"${cost_usd:.4f}"


def usage_lines(usage: UsageRow, model: str) -> list[str]:
    """What a run took, in a few lines: dollars, tokens by kind, for a claim, by which prices."""
    estimated = ", estimated" if usage.is_estimated else ""
    lines = [
        f"cost: {money(usage.cost_usd)} ({usage.input_tokens:,} tokens read, "
        f"{usage.output_tokens:,} written{estimated}; model {model})"
    ]
    if usage.cache_read_tokens or usage.cache_write_tokens:
        lines.append(
            f"cache: {_percent(usage.cache_share)} of what was read came from it "
            f"({usage.fresh_tokens:,} tokens fresh, {usage.cache_read_tokens:,} from the cache, "
            f"{usage.cache_write_tokens:,} written to it)"
        )
    if usage.lost_tokens:
        lines.append(f"in vain: {usage.lost_tokens:,} tokens, in tries whose answer broke off")
    if usage.unsettled_tokens or usage.unsettled_usd:
        lines.append(
            f"not settled: up to {usage.unsettled_tokens:,} tokens, {money(usage.unsettled_usd)}, "
            "of calls that have not said what they took"
        )
    if usage.claims and usage.price_table:
        lines.append(f"for a claim: {money(usage.usd_per_claim)} ({usage.claims} admitted)")
    return lines + prices_lines(usage)


def prices_lines(usage: UsageRow) -> list[str]:
    """By which prices it was counted; nothing where nothing is paid."""
    if not usage.price_table:
        return []
    own = f"; the policy's own for {', '.join(usage.own_prices)}" if usage.own_prices else ""
    return [f"prices: {usage.price_table}{own}"]


def remains(usage: UsageRow) -> list[str]:
    """What is left of the run's tokens and dollars, a line for each that is limited."""
    lines: list[str] = []
    for unit, row in (("tokens", usage.tokens), ("dollars", usage.dollars)):
        if row is None or row.limit is None:
            continue
        said = [f"{name} {_amount(unit, value)}" for name, value in _named(row)]
        lines.append(f"{unit} of the run: {', '.join(said)} of {_amount(unit, row.limit)}")
    return lines


def stop_lines(usage: UsageRow) -> list[str]:
    """What a limit on money has stopped: how much was left of it, and how to go on."""
    row = usage.dollars if usage.stopped_for == "dollars" else usage.tokens
    if usage.stopped_for is None or row is None:
        return []
    unit, option = usage.stopped_for, {"dollars": "--budget", "tokens": "--max-tokens"}
    field = f"run_{unit}_max"
    said = "how much was left is not known"
    if row.limit is not None and row.remains is not None:
        left, limit = _amount(unit, row.remains), _amount(unit, row.limit)
        said = f"{left} of {limit} were not spent"
    return [
        f"stopped for want of {unit}: {said}; the next call or grant might have passed a limit",
        f"what is missing needs a new run with more: {option[unit]}, or {field} of team and policy",
    ]


def spent_line(state: RunState) -> str:
    """One line while a run goes on: what was spent, and what remains of the run's limits."""
    total = state.ledger.total
    share = cache_share(total)
    cached = f", {_percent(share)} of input from the cache" if share else ""
    parts = [f"{total.calls} calls", f"{total.tokens:,} tokens{cached}", money(total.cost_usd)]
    left = [
        _amount(unit, remains) + (" tokens" if unit == "tokens" else "")
        for unit, account in zip(("tokens", "dollars"), accounts(state) or (), strict=False)
        if (remains := _allowance(account).remains) is not None
    ]
    return " · ".join([*parts, *([f"{' and '.join(left)} remain"] if left else [])])


def tokens_table(usage: UsageRow) -> list[tuple[str, ...]]:
    """By purpose and by lane, as rows of text with their heads; nothing without a call."""
    if not usage.by_purpose:
        return []
    heads = ("", "calls", "fresh", "from cache", "to cache", "written", "cost", "")
    purposes = [(row.purpose, *_cells(row), "") for row in usage.by_purpose]
    lanes = [(row.task, *_cells(row), lane_words(row)) for row in usage.by_lane]
    return [heads, *purposes, *lanes]


def lane_words(row: LaneRow) -> str:
    """Which lane this is, and what a claim of it cost."""
    each = f", {money(row.usd_per_claim)} each" if row.claims and row.cost_usd != 0 else ""
    claims = f"{row.claims} claim{'' if row.claims == 1 else 's'} admitted{each}"
    return f"{row.title}: {claims}"


def _cells(row: TokensRow) -> tuple[str, ...]:
    counts = (
        row.calls,
        row.fresh_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.output_tokens,
    )
    return (*(f"{count:,}" for count in counts), money(row.cost_usd))


def _percent(share: float | None) -> str:
    return "nothing" if share is None else f"{share:.0%}"


def _named(row: AllowanceRow) -> list[tuple[str, float | None]]:
    rest = [("not settled", row.unsettled)] if row.unsettled else []
    return [("spent", row.spent), *rest, ("granted", row.granted), ("left to grant", row.left)]


def _amount(unit: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if unit == "tokens" else money(value)
