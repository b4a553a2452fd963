"""What each member's process holds (PSS), in the same starts as `ready`."""

from __future__ import annotations

from tests.bench.kit import Report, Row, median, row
from tests.bench.starts import Memory, Starts, all_starts


def rows_of(size: int, starts: Starts) -> list[Row]:
    """The figures of one size."""
    case = f"{size} teammates" if size > 1 else "1 teammate"
    forked = median([held for floor in starts.floors for held in floor.pss_mib])
    cold = median(starts.cold_pss)
    rows: list[Row] = []
    moments = {
        "all ready": [team.at_ready for team in starts.teams],
        "first finding": [team.at_work for team in starts.teams],
    }
    for moment, seen in moments.items():
        each = median([held for memory in seen for held in memory.members])
        rows += [
            row(case, f"a member, {moment}", "MiB", each, cold, "a Python with the SDK"),
            row(case, f"a member, {moment}", "MiB", each, forked, "fork, connect"),
            row(case, f"all processes, {moment}", "MiB", median([_all(one) for one in seen])),
        ]
    return rows


def _all(memory: Memory) -> float:
    return sum(memory.members) + memory.others


def run(*, is_quick: bool) -> Report:
    """Read the starts."""
    found = all_starts(is_quick=is_quick)
    return Report(
        name="memory",
        how=(
            "Proportional set size of the processes of `team run`, when the last worker is\n"
            "ready and when the first finding is submitted, several turns later. All processes\n"
            "are lead, workers, verifier, forkserver and command, without the NATS server."
        ),
        rows=tuple(line for size, starts in found.items() for line in rows_of(size, starts)),
        notes=("the floor's Pythons share pages too: as many run at once as there are teammates",),
    )
