"""A member dies at each step of each write and read: the run ends as if it had not.

The points are in the client of the bus (`bus.kill_points`), so what dies is the real thing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.kill_points import POINTS, VARIABLE
from bus.messages import FindingSubmitted, MemberJoined
from tests.support.cli import GOAL, Cli, as_team, assert_nothing_twice

DIES_AT = {"write": 2, "batch": 4, "feed": 5}
"""At which passage of each kind of point: late enough for the member to be at work."""
RARE = "batch.between"


@pytest.mark.slow
@pytest.mark.parametrize("member", ["ada", "lead"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_member_that_dies_at_a_point_is_started_again_and_nothing_is_lost_or_doubled(
    cli: Cli, lanes: list[Path], point: str, member: str
) -> None:
    """Once, in the middle of its work, by SIGKILL."""
    number = 1 if point == RARE else DIES_AT[point.partition(".")[0]]
    planned = {VARIABLE: f"{point}@{member}#{number}"}

    done = cli.run("run", "research", GOAL, *as_team(lanes), "--run", "r", "-q", **planned)

    assert done.returncode == 0, done.stderr
    records = await cli.records("r")
    joined = [
        record.body.incarnation
        for record in records
        if isinstance(record.body, MemberJoined) and record.subject.names[0] == member
    ]
    assert max(joined) == 2, "it was never killed, or more than once"
    assert_nothing_twice(records)
    findings = [r.subject.names[0] for r in records if isinstance(r.body, FindingSubmitted)]
    assert sorted(findings) == ["t1", "t2", "t3"]
