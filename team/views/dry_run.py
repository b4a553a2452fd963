"""What a run would do and cost, as text for people."""

from __future__ import annotations

from typing import Final

from team.policy import Approvals, Policy
from team.rules.estimate import Estimate, Guess
from team.runtime.dry_run import DryLane, DryRun
from team.views.columns import columns
from team.views.lines import one_line, size_text

SKIPPED_SHOWN: Final = 3
THOUSAND: Final = 1_000
MILLION: Final = 1_000_000


def dry_run_text(dry: DryRun) -> str:
    """All that `team run --dry-run` prints."""
    policy = f"policy {dry.policy}" if dry.policy else "no policy of a project"
    lines = [
        "dry run: no model was called and no run was opened",
        f"goal: {dry.goal}",
        f"team: {dry.team}; {policy}; {dry.decisions} standing decisions",
        "",
        *_sources(dry),
        "",
        f"triage: {dry.mode}; {'; '.join(dry.triage)}",
        "plan (made by code from the goal's words; the lead may plan otherwise):",
        *_indented([_lane(lane) for lane in dry.lanes]),
        *(f"  to be mended: {problem}" for problem in dry.plan_problems),
        "",
        "members:",
        *_indented(
            [
                (m.seat, f"{m.count} × {m.role}", m.model + ("" if m.has_price else ", no price"))
                for m in dry.members
            ]
        ),
        "",
        *_limits(dry.limits, dry.approve),
        "",
        *estimate_lines(dry),
        *(f"warning: {line}" for line in dry.warnings),
        *([f"'team run' would refuse this: {dry.refused}"] if dry.refused is not None else []),
    ]
    return "\n".join(lines)


def estimate_lines(dry: DryRun) -> list[str]:
    """The estimate, by purpose and in all."""
    known = dry.estimate
    rows: list[tuple[str, ...]] = [("", "low", "likely", "high", "model")]
    rows += [
        (p.purpose, *(_guess(one) for one in (p.low, p.likely, p.high)), p.model)
        for p in known.parts
    ]
    rows.append(("the run", *(_guess(one) for one in (known.low, known.likely, known.high)), ""))
    lines = ["estimate (a model of turns and growing contexts, no promise):", *_indented(rows)]
    if known.is_likely_cut:
        lines.append("  the limits are below what is likely: expect a partial result")
    if dry.provider == "rehearsal":
        return [*lines, "  the rehearsal model costs nothing"]
    own = f"; the policy's own for {', '.join(dry.own_prices)}" if dry.own_prices else ""
    lines.append(f"  prices: {dry.price_table}{own}")
    if known.likely.usd is None:
        lines.append("  dollars are unknown: set [models.prices] in peerteam.toml")
    if not dry.has_key:
        lines.append(
            "  there is no key: 'team run' would use the rehearsal model, which costs nothing"
        )
    return lines


def in_short(estimate: Estimate) -> str:
    """The estimate in one line."""
    low, likely, high = (_guess(g) for g in (estimate.low, estimate.likely, estimate.high))
    return f"about {likely}, between {low} and {high}"


def _guess(guess: Guess) -> str:
    return f"{_thousands(guess.tokens)} {_dollars(guess.usd)}"


def _dollars(usd: float | None) -> str:
    return "$?" if usd is None else f"${usd:,.2f}"


def _thousands(tokens: int) -> str:
    if tokens < THOUSAND:
        return str(tokens)
    return f"{tokens / MILLION:.1f}M" if tokens >= MILLION else f"{tokens / THOUSAND:.0f}k"


def _sources(dry: DryRun) -> list[str]:
    found = dry.sources
    lines = [
        f"sources: {found.documents} documents, {size_text(found.size_bytes)}, "
        f"about {found.tokens:,} tokens"
    ]
    lines += _indented([(g.name, f"{g.files} files", f"{g.tokens:,} tokens") for g in found.groups])
    shown = found.skipped[:SKIPPED_SHOWN]
    lines += [f"  left out: {line}" for line in shown]
    if len(found.skipped) > len(shown):
        lines.append(f"  left out: {len(found.skipped) - len(shown)} more")
    return lines


def _lane(lane: DryLane) -> tuple[str, ...]:
    dollars = "" if lane.usd_max is None else f", ${lane.usd_max:.2f}"
    after = f"after {', '.join(lane.depends_on)}; " if lane.depends_on else ""
    return (
        lane.task,
        f"{lane.source_tokens:,} tokens of sources",
        f"{lane.turns_max} turns, {lane.tokens_max:,} tokens{dollars} at most",
        f"{after}{one_line(lane.title, 60)}: {one_line(lane.objective, 100)}",
    )


def _limits(limits: Policy, approve: Approvals) -> list[str]:
    dollars = "none" if limits.run_dollars_max is None else f"${limits.run_dollars_max:,.2f}"
    asked = [name for name in ("plan", "result") if getattr(approve, name)]
    asked += [f"decisions in {area}" for area in approve.areas]
    if approve.over_dollars is not None:
        asked.append(f"more than ${approve.over_dollars:,.2f}")
    return [
        f"limits of the run: {limits.run_tokens_max:,} tokens, dollars: {dollars}, "
        f"{limits.run_seconds_max:,.0f} s; {limits.reserve_share:.0%} kept for the lead",
        f"a person is asked for: {', '.join(asked) or 'nothing'}",
    ]


def _indented(rows: list[tuple[str, ...]]) -> list[str]:
    return [f"  {line}" for line in columns(rows)]
