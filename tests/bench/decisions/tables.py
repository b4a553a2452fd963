"""What was measured, as Markdown for docs/decisions-log.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tests.bench.decisions import cells, contradiction, latency, recall, sending, throughput

_COLUMNS: Final = {
    "all": "relevant",
    "in a named area": "in area",
    "outside": "outside",
    "plain": "plain",
    "hard": "hard",
    "hard, in area": "in area, hard",
    "dev": "dev",
    "held-out": "held-out",
    "irrelevant": "irrelevant",
    "near misses": "near miss",
}


def of_tokens(figures: cells.Figures) -> str:
    """Tokens by number of decisions and members, then what a digest costs to make."""
    pooled = [
        (cells.WAYS[one.way], _count(one.mean), _count(one.p99), _count(one.most))
        for one in figures.pooled
    ]
    openings = [
        (
            _count(one.decisions),
            _count(one.held),
            f"{one.index_ms:.1f} ms",
            f"{one.digest_ms:.1f} ms",
        )
        for one in figures.openings
    ]
    parts = [
        _token_table(figures.cells),
        f"The log grows with the team, {cells.TEAM_DECISIONS} decisions a member:",
        _token_table(figures.teams),
        f"All member-turns of the first table together, {figures.turns} turns a member:",
        _table(("way", "mean", "p99", "max"), pooled),
        "Share of the decisions in its areas that our digests told a member:",
        _digest_table(figures, lambda cell: f"{cell.told:.0%}"),
        "CPU time of one digest of ours (p50 / p99):",
        _digest_table(figures, lambda cell: f"{cell.cpu_p50_ms:.1f} / {cell.cpu_p99_ms:.1f} ms"),
        "The first digest of a context that was sent a whole log, the lead's for instance:",
        _table(("decisions", "of which hold", "index", "digest"), openings),
    ]
    return "\n\n".join(parts)


def of_recall(outcomes: Sequence[recall.Outcome]) -> str:
    """Shares of the decisions that entered, by setting and way."""
    parts: list[str] = []
    for setting, turns in recall.SETTINGS.items():
        label = f"{setting}, {turns} turn{'s' * (turns > 1)}"
        found = [one for one in outcomes if one.setting == setting]
        columns = {**_COLUMNS, "precision": "precision"}
        head = (label, *columns, "tokens")
        rows = [(*_shares(one, columns.values()), _count(one.tokens)) for one in found]
        parts += [_table(head, rows), _searched(found[0])]
        seen = [
            one for one in found if one.share(f"relevant{recall.OR_NAMED}") > one.share("relevant")
        ]
        names = [f"{name}{recall.OR_NAMED}" for name in _COLUMNS.values()]
        if seen:
            table = _table((label, *_COLUMNS), [_shares(one, names) for one in seen])
            parts += ["Told, or at least named by area and key:", table]
    return "\n\n".join(parts)


def _shares(one: recall.Outcome, names: Iterable[str]) -> tuple[str, ...]:
    return (one.way, *(f"{one.share(name):.2f}" for name in names))


def of_latency(figures: latency.Figures) -> str:
    """Latency by way, then decisions per second."""
    floor = figures.ways[-1]
    ways = [
        (
            sending.WAYS[way.way],
            f"{way.p50_ms:.2f} ms",
            f"{way.p99_ms:.1f} ms",
            f"{way.p50_ms / floor.p50_ms:.2f}",
            f"{way.acknowledged_p50_ms:.2f} ms",
            f"{way.digest_p50_ms:.2f} ms" if way.digest_p50_ms else "",
        )
        for way in figures.ways
    ]
    head = ("a decision", "p50", "p99", "p50 over floor", "until stored", "of which the digest")
    told = (
        f"{figures.committed:,} decisions committed, {figures.told:,} told, "
        f"{figures.told_again:,} told a second time."
    )
    return "\n\n".join([_table(head, ways), told, _rate_table(figures.rates)])


def of_contradiction(outcomes: Sequence[contradiction.Outcome]) -> str:
    """How each run ended: what its result states, and what that took."""
    head = (
        "run",
        "status",
        "the result states",
        "rulings",
        "rejected",
        "findings",
        "turns",
        "tokens",
    )
    rows = [
        (
            contradiction.WAYS[one.way][0],
            one.status,
            " and ".join(choice.removeprefix("temperatures are in ") for choice in one.stated),
            str(one.rulings),
            str(one.rejected),
            str(one.findings),
            str(one.turns),
            _count(one.tokens),
        )
        for one in outcomes
    ]
    return _table(head, rows)


def _token_table(all_cells: Sequence[cells.Cell]) -> str:
    names = [f"{name}: mean / p99 / max" for name in cells.WAYS.values()]
    rows: list[list[str]] = []
    for places in dict.fromkeys((cell.decisions, cell.members) for cell in all_cells):
        found = [cell for cell in all_cells if (cell.decisions, cell.members) == places]
        sizes = [_counts(cell.mean, cell.p99, cell.most) for cell in found]
        whole = _counts(*(cell.whole for cell in found))
        rows.append([_count(places[0]), _members(found[0]), *sizes, whole])
    return _table(("decisions", "members", *names, "a whole context, each way"), rows)


def _members(cell: cells.Cell) -> str:
    is_all = cell.measured == cell.members
    return f"{cell.members}" if is_all else f"{cell.members} ({cell.measured} measured)"


def _digest_table(figures: cells.Figures, text_of: Callable[[cells.Cell], str]) -> str:
    """One thing about our digests, by number of decisions and of members."""
    ours = [cell for cell in figures.cells if cell.way == "ours"]
    rows: dict[int, list[str]] = {cell.decisions: [_count(cell.decisions)] for cell in ours}
    for cell in ours:
        rows[cell.decisions].append(text_of(cell))
    teams = dict.fromkeys(f"{cell.members} members" for cell in ours)
    return _table(("decisions", *teams), rows.values())


def _searched(ours: recall.Outcome) -> str:
    return (
        f"In a named area our digest tells {ours.share('in area, plain'):.2f} of the plain and "
        f"{ours.share('in area, hard'):.2f} of the hard. Of the {ours.reached.of:,} relevant ones "
        "that it did not tell, one `search_decisions` with the contract's objective finds "
        f"{ours.reached.value:.0%}: {ours.share('with a search'):.2f} in all."
    )


def _rate_table(rates: Sequence[throughput.Rate]) -> str:
    head = ("writers", "decisions/s", "bare batch of two", "ratio", "bare publish", "ratio")
    rows = [
        (
            rate.writers,
            _count(rate.per_s),
            _count(rate.batch_per_s),
            f"{rate.per_s / rate.batch_per_s:.2f}",
            _count(rate.raw_per_s),
            f"{rate.per_s / rate.raw_per_s:.2f}",
            f"{rate.conflicts:.1f} ({rate.raw_conflicts:.1f})",
        )
        for rate in rates
    ]
    return _table((*head, "conflicts for each (bare publish)"), rows)


def _counts(*values: float) -> str:
    return " / ".join(map(_count, values))


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
