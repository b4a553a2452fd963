"""What a run cost, as markup: by member, by purpose, by lane, and by which prices."""

from __future__ import annotations

from team.views.markup import Html, el, joined, muted, table
from team.views.run_object import MemberRow, RunObject
from team.views.usage import LaneRow, TokensRow, UsageRow, money, usage_lines

_TOKENS = ("#fresh", "#from cache", "#to cache", "#written", "#cost")


def costs(shown: RunObject) -> Html:
    """What each member, purpose and lane took, and all of them."""
    if not shown.members:
        return muted("No member was recruited.")
    usage = shown.usage
    parts = [_members(shown), *_purposes(usage), *_lanes(usage)]
    parts += [muted(line) for line in usage_lines(usage, shown.model)]
    parts.append(
        muted(
            "Tokens, counted by the provider."
            if not usage.is_estimated
            else "Tokens are estimated, not counted by a provider."
        )
    )
    return joined(parts, "\n")


def _members(shown: RunObject) -> Html:
    usage = shown.usage
    whole = _numbers(
        usage.calls,
        usage.fresh_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
    )
    total = ("all", "", *whole, money(usage.cost_usd), "")
    rows = [*(_member(row) for row in shown.members), tuple(el("b", cell) for cell in total)]
    return table(("member", "role", "#turns", *_TOKENS, "in the end"), rows, name="costs")


def _member(row: MemberRow) -> tuple[str, ...]:
    again = f" (process {row.incarnation})" if row.incarnation > 1 else ""
    again += f" (compacted {row.compactions}×)" if row.compactions else ""
    numbers = _numbers(
        row.turns,
        row.fresh_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.output_tokens,
    )
    return (
        row.name + again,
        joined([row.role, el("span", f" {row.works_on}", class_="muted") if row.works_on else ""]),
        *numbers,
        money(row.cost_usd),
        row.ended or "has not left",
    )


def _purposes(usage: UsageRow) -> list[Html]:
    rows = [(row.purpose, *_cells(row)) for row in usage.by_purpose]
    return [table(("for", "#turns", *_TOKENS), rows, name="purposes")] if rows else []


def _lanes(usage: UsageRow) -> list[Html]:
    heads = ("lane, with its checks", "#turns", *_TOKENS, "#claims", "#for a claim")
    rows = [_lane(row) for row in usage.by_lane]
    return [table(heads, rows, name="lanes")] if rows else []


def _lane(row: LaneRow) -> tuple[str, ...]:
    each = money(row.usd_per_claim) if row.claims else ""
    return (f"{row.task} {row.title}", *_cells(row), str(row.claims), each)


def _cells(row: TokensRow) -> tuple[str, ...]:
    numbers = _numbers(
        row.calls,
        row.fresh_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.output_tokens,
    )
    return (*numbers, money(row.cost_usd))


def _numbers(*counts: int) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in counts)
