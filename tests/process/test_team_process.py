"""A run with three lanes as real processes: apart from each other, and hard to kill."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import msgspec

from bus.messages import (
    FindingSubmitted,
    Mail,
    MemberJoined,
    ResultPublished,
    TurnActed,
    TurnReplied,
)
from bus.run_stream import Record
from tests.support.cli import GOAL, Cli, as_team, assert_nothing_twice, is_alive, until_gone
from tests.support.sources import CANARIES

SLOW = {"PEERTEAM_REHEARSAL_LATENCY_MS": "150"}


async def test_each_member_is_a_process_and_sees_only_its_own_lane(
    cli: Cli, lanes: list[Path]
) -> None:
    """Isolation: no word of another lane's sources is in a member's journal or request."""
    done, shown = cli.team_run(lanes, "--run", "apart")

    assert done.returncode == 0, done.stderr
    pids = {member["pid"] for member in shown["members"]}
    researchers = [m for m in shown["members"] if m["role"] == "researcher"]
    assert len(researchers) == 3
    assert len(pids) == len(shown["members"]) == 5
    records = await cli.records("apart")
    for member in researchers:
        journal = _journal_text(records, member["name"])
        lane = member["works_on"]
        assert CANARIES[lane] in journal
        for other, canary in CANARIES.items():
            assert other == lane or canary not in journal


async def test_a_verifier_sees_claims_and_evidence_but_no_reasoning(
    cli: Cli, lanes: list[Path]
) -> None:
    """The skeptic's transcript holds no contract, no mail, no author of what it judges."""
    _, shown = cli.team_run(lanes, "--run", "fresh")

    journal = _journal_text(await cli.records("fresh"), "vera")
    assert "guide.md" in journal
    for told in ('"ada', '"bea', '"cleo', "<mail", "objective", "Conceded", "revised_after"):
        assert told not in journal, told
    assert shown["status"] == "admitted"


async def test_an_exchange_between_peers_changes_a_finding(cli: Cli, lanes: list[Path]) -> None:
    """Peers talk to each other, not through the lead, and the result says what changed."""
    _, shown = cli.team_run(lanes)

    letters = shown["messages"]["letters"]
    assert {"question", "challenge", "rebuttal"} <= {letter["kind"] for letter in letters}
    assert all("lead" not in (letter["author"], letter["to"]) for letter in letters)
    assert shown["changed_by_peers"]
    challenges = {letter["id"] for letter in letters if letter["kind"] == "challenge"}
    claims = [claim for finding in shown["findings"] for claim in finding["claims"]]
    assert challenges & {claim.get("revised_after") for claim in claims}
    answered = [x for x in letters if x["receipt"].startswith("answered")]
    assert {x["kind"] for x in answered} >= {"question", "challenge"}


async def test_a_killed_teammate_is_started_again_and_nothing_is_done_twice(
    cli: Cli, lanes: list[Path]
) -> None:
    """`kill -9` in the middle of a turn: the run is admitted, no call is paid twice."""

    def is_second_turn(record: Record) -> bool:
        body = record.body
        is_bea = record.subject.author == "bea"
        return is_bea and isinstance(body, TurnReplied) and body.turn == 2

    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "kill", "-q", **SLOW) as team:
        await cli.until("kill", is_second_turn)
        joined = await cli.until("kill", lambda r: _has_joined(r, "bea"))
        assert isinstance(joined.body, MemberJoined)
        os.kill(joined.body.pid, signal.SIGKILL)
        _, errors = team.communicate(timeout=60)

    assert team.returncode == 0, errors
    records = await cli.records("kill")
    assert_nothing_twice(records)
    assert [r.body.incarnation for r in records if _has_joined(r, "bea")] == [1, 2]
    assert _findings(records) == {"t1": 1, "t2": 1, "t3": 1}
    _assert_no_letter_twice(records)


async def test_a_killed_lead_is_started_again_and_the_run_ends(cli: Cli, lanes: list[Path]) -> None:
    """The lead has no state but the stream."""
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "lead", "-q", **SLOW) as team:
        await cli.until("lead", lambda r: isinstance(r.body, FindingSubmitted))
        joined = await cli.until("lead", lambda r: _has_joined(r, "lead"))
        assert isinstance(joined.body, MemberJoined)
        os.kill(joined.body.pid, signal.SIGKILL)
        _, errors = team.communicate(timeout=60)

    assert team.returncode == 0, errors
    records = await cli.records("lead")
    assert_nothing_twice(records)
    assert [r.body.incarnation for r in records if _has_joined(r, "lead")] == [1, 2]
    assert sum(isinstance(r.body, ResultPublished) for r in records) == 1


async def test_ctrl_c_stops_every_process_and_resume_finishes_the_run(
    cli: Cli, lanes: list[Path]
) -> None:
    """Ctrl-C goes to the whole process group, as from a terminal."""
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "stop", **SLOW) as team:
        await cli.until("stop", lambda r: isinstance(r.body, TurnActed))
        os.killpg(team.pid, signal.SIGINT)
        _, errors = team.communicate(timeout=60)
    before = await cli.records("stop")

    assert team.returncode == 130, errors
    assert "team resume stop" in errors
    assert "Traceback" not in errors
    await until_gone(_pids(before))
    assert _status(cli, "stop") == "stopped"

    resumed = cli.run("resume", "stop", "--json")

    assert resumed.returncode == 0, resumed.stderr
    records = await cli.records("stop")
    assert [record.id for record in records[: len(before)]] == [record.id for record in before]
    assert_nothing_twice(records)


async def test_no_process_outlives_a_killed_command_and_the_run_can_be_resumed(
    cli: Cli, lanes: list[Path]
) -> None:
    """`kill -9` of the command itself: its members end by themselves."""
    with cli.start(
        "run", "research", GOAL, *as_team(lanes), "--run", "orphan", "-q", **SLOW
    ) as team:
        await cli.until("orphan", lambda r: isinstance(r.body, FindingSubmitted | Mail))
        records = await cli.records("orphan")
        assert any(is_alive(pid) for pid in _pids(records))
        team.kill()
        team.wait(60)
        await until_gone(_pids(await cli.records("orphan")))

    resumed = cli.run("resume", "orphan", "-q")

    assert resumed.returncode == 0, resumed.stderr
    assert_nothing_twice(await cli.records("orphan"))


async def test_only_one_of_two_that_resume_at_once_takes_the_run(
    cli: Cli, lanes: list[Path]
) -> None:
    """Two supervisors would start every member twice; the second is told so."""
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "two", "-q", **SLOW) as team:
        await cli.until("two", lambda r: isinstance(r.body, TurnActed))
        os.killpg(team.pid, signal.SIGINT)
        team.communicate(timeout=60)
    await until_gone(_pids(await cli.records("two")))

    with cli.start("resume", "two", "-q", **SLOW) as one, cli.start("resume", "two", "-q") as other:
        ends = [process.communicate(timeout=60)[1] for process in (one, other)]
        codes = sorted([one.returncode, other.returncode])

    assert codes == [0, 2], ends
    assert any("it is running" in errors for errors in ends)
    assert_nothing_twice(await cli.records("two"))


async def test_a_person_cannot_write_to_a_verifier(cli: Cli, lanes: list[Path]) -> None:
    """Fresh eyes take no mail: it is not in their filter list, and the sender is told."""
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "eyes", "-q", **SLOW) as team:
        await cli.until("eyes", lambda r: _has_joined(r, "vera"))
        said = cli.run("say", "eyes", "vera", "Uphold everything.")
        team.communicate(timeout=60)

    assert said.returncode == 2
    assert "no member 'vera' that takes mail" in said.stderr
    assert team.returncode == 0


async def test_a_cancel_ends_a_model_call_in_flight(cli: Cli, lanes: list[Path]) -> None:
    """Every call takes a minute; the run ends as soon as a person says so."""
    minute = {"PEERTEAM_REHEARSAL_LATENCY_MS": "60000"}
    with cli.start(
        "run", "research", GOAL, *as_team(lanes), "--run", "end", "--json", **minute
    ) as team:
        await cli.until("end", lambda r: _has_joined(r, "lead"))
        cancelled = cli.run("cancel", "end", "--why", "wrong goal")
        out, errors = team.communicate(timeout=50)

    assert cancelled.returncode == 0, cancelled.stderr
    assert team.returncode == 6, errors
    shown = msgspec.json.decode(out)
    assert shown["status"] == "cancelled"
    assert shown["missing"] == ["wrong goal"]
    assert not [r for r in await cli.records("end") if isinstance(r.body, TurnReplied)]


async def test_a_persons_word_enters_the_next_turn_of_the_member_it_was_sent_to(
    cli: Cli, lanes: list[Path]
) -> None:
    """`team say` is mail like any other: labelled, and with a receipt."""
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "say", "-q", **SLOW) as team:
        await cli.until("say", lambda r: _has_joined(r, "ada"))
        said = cli.run("say", "say", "ada", "Leave <b>Windows</b> out.")
        team.communicate(timeout=60)

    assert said.returncode == 0, said.stderr
    assert team.returncode == 0
    records = await cli.records("say")
    added = [
        text
        for record in records
        if record.subject.author == "ada" and isinstance(record.body, TurnReplied)
        for text in record.body.added
    ]
    assert any('from="person"' in text and "&lt;b&gt;" in text for text in added)
    shown = msgspec.json.decode(cli.run("show", "say", "--json").stdout)
    receipts = [x["receipt"] for x in shown["messages"]["letters"] if x["author"] == "person"]
    assert len(receipts) == 1
    assert receipts[0].startswith("in context at turn")


async def test_the_lead_answers_a_persons_question_while_it_waits(
    cli: Cli, lanes: list[Path]
) -> None:
    """The lead has a mailbox like everyone else, and a context of its own to answer from."""
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "ask", "-q", **SLOW) as team:
        await cli.until("ask", lambda r: _has_joined(r, "ada"))
        asked = cli.run("say", "ask", "lead", "Who speaks of cancel?", "--ask", "--json")
        team.communicate(timeout=60)

    assert asked.returncode == 0, asked.stderr
    assert team.returncode == 0
    question = msgspec.json.decode(asked.stdout)["id"]
    answers = [
        record.body
        for record in await cli.records("ask")
        if record.subject.author == "lead" and isinstance(record.body, Mail)
    ]
    assert [answer.in_reply_to for answer in answers] == [question]


def _journal_text(records: list[Record], member: str) -> str:
    """All that a member's context ever held: prompts, tool results, mail, replies."""
    kept = [r for r in records if r.subject.kind == "journal" and r.subject.author == member]
    assert kept
    return msgspec.json.encode([record.body for record in kept]).decode()


def _has_joined(record: Record, member: str) -> bool:
    return isinstance(record.body, MemberJoined) and record.subject.author == member


def _findings(records: list[Record]) -> dict[str, int]:
    found: dict[str, int] = {}
    for record in records:
        if isinstance(record.body, FindingSubmitted):
            task = record.subject.names[0]
            found[task] = found.get(task, 0) + 1
    return found


def _assert_no_letter_twice(records: list[Record]) -> None:
    letters: list[Any] = [
        (r.subject.author, r.subject.names, r.body) for r in records if isinstance(r.body, Mail)
    ]
    assert all(letters.count(letter) == 1 for letter in letters)


def _pids(records: list[Record]) -> list[int]:
    return [record.body.pid for record in records if isinstance(record.body, MemberJoined)]


def _status(cli: Cli, run: str) -> str:
    shown: str = msgspec.json.decode(cli.run("show", run, "--json").stdout)["status"]
    return shown
