"""A whole run is recorded into one file, and replayed: the same stream, and no model."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from bus import subjects
from bus.ids import PERSON
from bus.messages import (
    Challenge,
    DecisionChallenged,
    DecisionExplained,
    DecisionRecorded,
    DecisionRuled,
    Note,
    Question,
    TaskClaimed,
    TurnReplied,
)
from bus.run_stream import Entry, Record, RunStream
from team.runtime import person
from tests.support.cli import Cli
from tests.support.conventions import ARGUMENTS, lay_out
from tests.support.conventions import GOAL as TWO_LANES
from tests.support.messages_api import KEY, messages_api
from tests.support.recorded import GOAL, lay_out_four, stream_of

pytestmark = pytest.mark.timeout(1_500)
BAD_INPUT, CANCELLED, INTERRUPTED = 2, 6, 130
REPLAYS = 5
PATIENCE_S = 400.0
"""A machine under load gives the same stream, only later."""


@pytest.fixture
def patient(cli: Cli) -> Cli:
    cli.patience_s = PATIENCE_S
    return cli


async def _ended(process: Popen[str]) -> tuple[int, str]:
    _, said = await asyncio.to_thread(process.communicate)
    return process.returncode, said


def _claimed_by(member: str) -> Callable[[Record], bool]:
    return lambda r: isinstance(r.body, TaskClaimed) and r.subject.author == member


async def _say(stream: RunStream, to: str, body: Note | Question) -> None:
    await stream.append(Entry(subject=subjects.mail(stream.run, to, PERSON), body=body))


@pytest.mark.slow
async def test_members_that_race_do_so_in_the_same_order_in_each_replay(patient: Cli) -> None:
    """Mail, challenges, rulings, and a person who writes and decides in the middle of it."""
    arguments = lay_out_four(patient.cwd)
    run = ("run", "research", GOAL, *arguments, "--quiet")
    slow = {"PEERTEAM_REHEARSAL_LATENCY_MS": "120"}
    with patient.start(*run, "--run", "first", "--record", "tape", **slow) as process:
        await patient.until("first", _claimed_by("ada"))
        async with patient.bus() as connection:
            stream = RunStream(connection, "first")
            await _say(stream, "ada", Note(text="Leave out what is older than 1998."))
            await _say(stream, "lead", Question(text="How is it going?"))
            name = person.parse_name("units/wind")
            why = DecisionExplained(rationale="The sensors say so.")
            await person.decide(stream, name, "Wind is in metres per second.", why)
        code, said = await _ended(process)
    assert code == 0, said
    records = await patient.records("first")
    recorded = await stream_of(patient, "first")
    met = {type(record.body) for record in records}
    assert {Challenge, DecisionChallenged, DecisionRecorded, DecisionRuled} <= met
    assert len({r.subject.author for r in records if isinstance(r.body, TurnReplied)}) >= 6

    for number in range(REPLAYS):
        name = f"replay{number}"
        other = {"PEERTEAM_REHEARSAL_LATENCY_MS": str(number * 500)}
        done = await asyncio.to_thread(
            patient.run, *run, "--run", name, "--replay", "tape", **other
        )
        assert done.returncode == 0, done.stderr
        assert f"replayed: {len(records)} messages are the same" in done.stderr
        assert await stream_of(patient, name) == recorded


@pytest.mark.slow
async def test_a_replay_calls_no_model_and_needs_no_key(patient: Cli) -> None:
    """Recorded over HTTP; in the replay the provider is there, and hears nothing."""
    lay_out(patient.cwd)
    run = ("run", "quiet", TWO_LANES, *ARGUMENTS, "--model", "m1", "--quiet")
    async with messages_api() as api:
        given = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY}
        done = await asyncio.to_thread(
            patient.run, *run, "--run", "live", "--record", "tape", **given
        )
        assert done.returncode == 0, done.stderr
        asked = len(api.requests)
        with_key = await asyncio.to_thread(
            patient.run, *run, "--run", "again", "--replay", "tape", **given
        )
        assert with_key.returncode == 0, with_key.stderr
        assert len(api.requests) == asked > 0
    without = await asyncio.to_thread(patient.run, *run, "--run", "offline", "--replay", "tape")

    assert without.returncode == 0, without.stderr
    assert await stream_of(patient, "offline") == await stream_of(patient, "live")
    with zipfile.ZipFile(patient.cwd / "tape") as packed:
        assert all(KEY.encode() not in packed.read(name) for name in packed.namelist())


@pytest.mark.slow
async def test_a_cancel_comes_at_the_same_instant_again(patient: Cli) -> None:
    """It cuts model calls short; those are replayed as far as they came."""
    arguments = lay_out_four(patient.cwd)
    run = ("run", "research", GOAL, *arguments, "--quiet")
    slow = {"PEERTEAM_REHEARSAL_LATENCY_MS": "400"}
    with patient.start(*run, "--run", "first", "--record", "tape", **slow) as process:
        await patient.until("first", _claimed_by("bea"))
        await asyncio.to_thread(patient.run, "cancel", "first", "--why", "enough")
        code, said = await _ended(process)
    assert code == CANCELLED, said

    done = await asyncio.to_thread(patient.run, *run, "--run", "again", "--replay", "tape")

    assert done.returncode == CANCELLED, done.stderr
    assert await stream_of(patient, "again") == await stream_of(patient, "first")


@pytest.mark.slow
async def test_what_has_changed_since_is_said_and_the_first_difference_named(patient: Cli) -> None:
    """A recording is never overwritten, and never stretched to fit."""
    lay_out(patient.cwd)
    run = ("run", "quiet", TWO_LANES, *ARGUMENTS, "--quiet")
    done = patient.run(*run, "--run", "first", "--record", "tape")
    assert done.returncode == 0, done.stderr
    again = patient.run(*run, "--record", "tape")
    assert again.returncode == BAD_INPUT
    assert "a recording is not overwritten" in again.stderr

    role = patient.cwd / "roles" / "quiet.md"
    role.write_text(role.read_text().replace("Work on your lane.", "Work on your own lane."))
    done = patient.run(*run, "--run", "other", "--replay", "tape")
    assert done.returncode == BAD_INPUT
    assert "stale: role quiet is not what it was when the run was recorded" in done.stderr
    assert 'recorded "' in done.stderr
    assert "Work on your lane." in done.stderr
    assert "Work on your own lane." in done.stderr

    guide = patient.cwd / "guide" / "station.md"
    guide.write_text(guide.read_text().replace("every hour", "every day"))
    for arguments, reason in (
        (run, "--source: guide/station.md: it has changed since the run was recorded"),
        (("run", "quiet", "Another goal?", *ARGUMENTS), "the recording is of another goal"),
    ):
        done = patient.run(*arguments, "--run", "never", "--replay", "tape")
        assert done.returncode == BAD_INPUT
        assert reason in done.stderr
    runs = {row["run"] for row in json.loads(patient.run("ps", "--json").stdout)}
    assert runs == {"first", "other"}


@pytest.mark.slow
async def test_a_run_that_was_stopped_is_not_replayed(patient: Cli) -> None:
    """What was recorded until then is kept; why it can't be replayed is said at once."""
    arguments = lay_out_four(patient.cwd)
    run = ("run", "research", GOAL, *arguments, "--quiet")
    slow = {"PEERTEAM_REHEARSAL_LATENCY_MS": "300"}
    with patient.start(*run, "--run", "first", "--record", "tape", **slow) as process:
        await patient.until("first", _claimed_by("ada"))
        process.send_signal(2)
        code, said = await _ended(process)
    assert code == INTERRUPTED, said

    done = await asyncio.to_thread(patient.run, *run, "--run", "again", "--replay", "tape")

    assert done.returncode == BAD_INPUT
    assert "without a result; only a run that went from its start to its result" in done.stderr


@pytest.mark.slow
async def test_a_replay_that_was_stopped_is_interrupted_and_never_taken_up(patient: Cli) -> None:
    """It does not count as one that differs, and no model goes on with it."""
    arguments = lay_out_four(patient.cwd)
    run = ("run", "research", GOAL, *arguments, "--quiet")
    done = await asyncio.to_thread(patient.run, *run, "--run", "first", "--record", "tape")
    assert done.returncode == 0, done.stderr

    with patient.start(*run, "--run", "again", "--replay", "tape") as process:
        await patient.until("again", _claimed_by("ada"))
        process.send_signal(2)
        code, said = await _ended(process)
    named = await asyncio.to_thread(patient.run, "resume", "again")
    newest = await asyncio.to_thread(patient.run, "resume", "--last")

    assert code == INTERRUPTED, said
    assert "team resume" not in said
    assert named.returncode == newest.returncode == BAD_INPUT
    assert "run 'again': it is a replay, which no model may go on with" in named.stderr
    assert "there is no run to take up" in newest.stderr


def test_a_file_that_is_no_recording_is_refused_before_a_run_starts(
    cli: Cli, tmp_path: Path
) -> None:
    arguments = lay_out_four(cli.cwd)
    (tmp_path / "text").write_text("not a tape")
    with zipfile.ZipFile(tmp_path / "foreign", "w") as other:
        other.writestr("x.txt", "x")
    for name, reason in (
        ("none", "there is no such file"),
        ("text", "it is no whole recording"),
        ("foreign", "it holds no stream.jsonl"),
    ):
        done = cli.run("run", "research", GOAL, *arguments, "--replay", str(tmp_path / name))
        assert done.returncode == BAD_INPUT
        assert reason in done.stderr
    assert not (cli.home / "runs").exists()
