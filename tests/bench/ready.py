"""From command to all teammates ready, in parts, beside two ways to start processes."""

from __future__ import annotations

from tests.bench.kit import Report, Row, median, row
from tests.bench.starts import Starts, all_starts


def rows_of(size: int, starts: Starts) -> list[Row]:
    """The figures of one size."""
    case = f"{size} teammates" if size > 1 else "1 teammate"
    teams = starts.teams
    ready = median([team.ready for team in teams])
    forking = median([team.joined - team.seated for team in teams])
    floor = median([one.fork_s for one in starts.floors])
    parts = {
        "command to run opened": [team.opened for team in teams],
        "… to lead ready (preload)": [team.lead_joined - team.opened for team in teams],
        "… to seats, less model": [t.seated - t.lead_joined - t.plan_s for t in teams],
    }
    return [
        row(case, "command to all ready", "s", ready, median(starts.cold_s), "cold imports"),
        row(case, "command to all ready", "s", ready, median(starts.forked_s), "fork, connect"),
        *(row(case, what, "s", median(values)) for what, values in parts.items()),
        row(case, "… to all ready", "s", forking, floor, "fork, connect, warm"),
    ]


def run(*, is_quick: bool) -> Report:
    """Read the starts."""
    found = all_starts(is_quick=is_quick)
    return Report(
        name="ready",
        how=(
            "`team run` on the rehearsal model from a cold shell, without a server yet, until\n"
            "each worker's member.joined is stored; the plan's model time is subtracted. Floors:\n"
            "as many Pythons at once that import the SDK (cold imports); one Python that imports\n"
            "it in a forkserver, forks as many and lets each connect (fork, connect)."
        ),
        rows=tuple(line for size, starts in found.items() for line in rows_of(size, starts)),
        notes=(
            f"medians of {len(next(iter(found.values())).teams)} starts of each size",
            "a verifier is started among the workers and not waited for",
        ),
    )
