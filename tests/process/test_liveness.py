"""Members as real processes that freeze, hang, wait in a circle or crash at every start."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.messages import (
    FindingSubmitted,
    MemberJoined,
    MemberLost,
    MemberStuck,
    ResultPublished,
    TaskClaimed,
    TaskOpened,
    TaskSettled,
    TurnReplied,
    WrapUp,
)
from bus.run_stream import Record
from tests.support.cli import GOAL, Cli, as_team, assert_nothing_twice, until_gone

pytestmark = pytest.mark.slow

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "300"}
IMPATIENT = """\
name = "impatient"

[policy]
restarts_max = {restarts_max}

[liveness]
stuck_seconds = 4.0
"""


async def test_a_frozen_teammate_is_started_again_and_nothing_is_done_twice(
    cli: Cli, lanes: list[Path]
) -> None:
    """SIGSTOP is seen by its silence; its process is killed, and the next goes on."""

    def is_at_work(record: Record) -> bool:
        return record.subject.author == "bea" and isinstance(record.body, TurnReplied)

    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "ice", "-q", **SLOW) as team:
        await cli.until("ice", is_at_work)
        frozen = await _freeze(cli, "ice", "bea")
        _, errors = team.communicate(timeout=100)

    assert team.returncode == 0, errors
    await until_gone([frozen])
    records = await cli.records("ice")
    assert_nothing_twice(records)
    assert [r.body.incarnation for r in records if _has_joined(r, "bea")] == [1, 2]
    assert _settled(records) == {"t1": ["admitted"], "t2": ["admitted"], "t3": ["admitted"]}
    assert _events(cli, "ice", "bea") == ["member.silent", "member.killed", "member.restarted"]


async def test_a_frozen_lead_is_started_again_and_the_run_ends(cli: Cli, lanes: list[Path]) -> None:
    """Nobody but the supervisor looks after the lead."""
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "ice", "-q", **SLOW) as team:
        await cli.until("ice", lambda r: isinstance(r.body, FindingSubmitted))
        frozen = await _freeze(cli, "ice", "lead")
        _, errors = team.communicate(timeout=100)

    assert team.returncode == 0, errors
    await until_gone([frozen])
    records = await cli.records("ice")
    assert_nothing_twice(records)
    assert [r.body.incarnation for r in records if _has_joined(r, "lead")] == [1, 2]
    assert sum(isinstance(r.body, ResultPublished) for r in records) == 1


async def test_a_member_whose_model_never_answers_is_told_and_then_replaced(
    cli: Cli, lanes: list[Path]
) -> None:
    """It lives and gets nowhere: its task goes to another in the same round."""
    faults = {"PEERTEAM_REHEARSAL_FAULTS": "hang@bea"}
    status, shown, errors = _impatient(cli, lanes, "hang", restarts_max=3, **faults)

    assert status == 0, errors
    assert shown["status"] == "admitted"
    records = await cli.records("hang")
    of_bea = [r for r in records if r.subject.names == ("bea",)]
    stuck = [r.seq for r in of_bea if isinstance(r.body, MemberStuck)]
    told = [r.body.stuck_seq for r in of_bea if isinstance(r.body, WrapUp)]
    # The lead gives it up; that its process has ended is said after that.
    lost, *ended = [r for r in of_bea if isinstance(r.body, MemberLost)]
    assert {r.subject.author for r in ended} <= {"supervisor"}
    assert (len(stuck), told, lost.subject.author) == (2, stuck[:1], "lead")
    [task] = [r.subject.names[0] for r in records if _claims(r, "bea")]
    again = [r.body for r in records if isinstance(r.body, TaskOpened) and r.seq > lost.seq]
    assert [(one.round, one.reasons) for one in again if one.purpose == "research"][:1] == [
        (1, ("bea was lost while it worked on this",))
    ]
    assert _settled(records)[task] == ["admitted"]
    [bea] = [member for member in shown["members"] if member["name"] == "bea"]
    assert (bea["state"], bea["turns"]) == ("lost", 0)


async def test_a_lead_that_gets_nowhere_is_started_again_and_given_up_in_the_end(
    cli: Cli, lanes: list[Path]
) -> None:
    """It is nobody's to replace: the session stalls and says why, and can be resumed."""
    faults = {"PEERTEAM_REHEARSAL_FAULTS": "hang@lead"}
    status, shown, errors = _impatient(cli, lanes, "stuck", restarts_max=1, **faults)

    assert status == 5, errors
    assert shown["status"] == "stalled"
    assert "stalled: it died 2 times within 60 s of work; the last time: nothing has" in errors

    resumed = cli.run("resume", "stuck", "-q")
    assert resumed.returncode == 0, resumed.stderr


async def test_members_that_wait_for_each_other_are_told_and_go_on(
    cli: Cli, lanes: list[Path]
) -> None:
    """Each has asked the next and answers nobody: no reply can come."""
    faults = {"PEERTEAM_REHEARSAL_FAULTS": "wait"}
    with cli.start(
        "run", "research", GOAL, *as_team(lanes), "--run", "ring", "-q", **faults
    ) as team:
        _, errors = team.communicate(timeout=100)

    assert team.returncode == 0, errors
    records = await cli.records("ring")
    stuck = {r.subject.names[0]: r.body for r in records if isinstance(r.body, MemberStuck)}
    assert {name: body.waits_for for name, body in stuck.items()} == {
        "ada": ("bea",),
        "bea": ("cleo",),
        "cleo": ("ada",),
    }
    told = {r.subject.names[0]: r.body.reason for r in records if isinstance(r.body, WrapUp)}
    assert told.keys() == {"ada", "bea", "cleo"}
    assert "ada waits for bea; bea waits for cleo; cleo waits for ada" in told["ada"]
    assert not [r for r in records if isinstance(r.body, MemberLost)]


async def test_a_member_that_crashes_at_every_start_is_lost_with_its_own_words(
    cli: Cli, lanes: list[Path]
) -> None:
    """The lead's library is spoilt under it: the run stalls with what its process logged."""
    minute = {"PEERTEAM_REHEARSAL_LATENCY_MS": "60000"}
    with cli.start(
        "run", "research", GOAL, *as_team(lanes), "--run", "crash", "-q", **minute
    ) as team:
        joined = await cli.until("crash", lambda r: _has_joined(r, "lead"))
        assert isinstance(joined.body, MemberJoined)
        for library in cli.home.rglob("*.db"):
            library.unlink()
            library.write_text("This is no library.")
        os.kill(joined.body.pid, signal.SIGKILL)
        _, errors = team.communicate(timeout=60)

    assert team.returncode == 5, errors
    assert "stalled: it died 4 times within 60 s of work; the last time: exit code 1: " in errors
    assert "file is not a database" in errors
    [lost] = [r.body for r in await cli.records("crash") if isinstance(r.body, MemberLost)]
    assert "file is not a database" in lost.reason
    assert lost.restarts == 3


def _impatient(
    cli: Cli, lanes: list[Path], run: str, *, restarts_max: int, **faults: str
) -> tuple[int, dict[str, Any], str]:
    """Run a team that waits four seconds for whoever gets nowhere; exit status, result, errors."""
    (cli.cwd / "impatient.toml").write_text(IMPATIENT.format(restarts_max=restarts_max))
    arguments = ["run", "impatient.toml", GOAL, *as_team(lanes), "--run", run, "--json"]
    with cli.start(*arguments, **faults) as team:
        out, errors = team.communicate(timeout=100)
    return team.returncode, msgspec.json.decode(out), errors


async def _freeze(cli: Cli, run: str, member: str) -> int:
    joined = await cli.until(run, lambda r: _has_joined(r, member))
    assert isinstance(joined.body, MemberJoined)
    os.kill(joined.body.pid, signal.SIGSTOP)
    return joined.body.pid


def _has_joined(record: Record, member: str) -> bool:
    return isinstance(record.body, MemberJoined) and record.subject.author == member


def _claims(record: Record, member: str) -> bool:
    return isinstance(record.body, TaskClaimed) and record.subject.author == member


def _settled(records: list[Record]) -> dict[str, list[str]]:
    """How each lane was settled; more than once would be a fault."""
    found: dict[str, list[str]] = {}
    for record in records:
        if isinstance(record.body, TaskSettled) and record.subject.names[0].startswith("t"):
            found.setdefault(record.subject.names[0], []).append(record.body.state)
    return found


def _events(cli: Cli, run: str, member: str) -> list[str]:
    """What the supervisor has logged of a member, less its starts."""
    [log] = cli.home.rglob(f"{run}/logs/supervisor.log")
    events = [msgspec.json.decode(line) for line in log.read_text().splitlines()]
    return [
        event["event"]
        for event in events
        if event.get("member") == member and event["event"] != "member.started"
    ]
