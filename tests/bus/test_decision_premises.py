"""Premises on a real stream: what a member may rest its work on, and what is kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from bus.ids import LEAD
from bus.messages import (
    Claim,
    DecisionRecorded,
    DecisionTold,
    DecisionWithdrawn,
    FindingSubmitted,
    Premise,
    TaskClaimed,
    TurnActed,
    TurnReplied,
)
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from team.agent.tools.decision_tools import (
    ReadDecision,
    RecordDecision,
    SearchDecisions,
)
from team.agent.tools.return_tools import SubmitFinding
from team.agent.world import World
from team.sources import Library
from tests.support.builders import opens, opens_context, replies
from tests.support.decisions import (
    CONTEXT,
    Scripted,
    a_decision,
    a_world,
    an_agent,
    an_assignment,
    call_tool,
    decided,
    premise,
    record_by_tool,
    send,
    whole_log,
)


async def is_told(world: World, *revisions: int) -> None:
    """The digest shows decisions to the context."""
    log = await world.log.read()
    told = tuple(
        DecisionTold(area=d.area, key=d.key, revision=d.seq, seq=d.changed_seq)
        for d in (a_decision(log, revision) for revision in revisions)
    )
    turn = len(world.journal.transcripts[CONTEXT].turns) + 1
    await world.journal.commit(replies(turn, told=told))


# --- of a decision -----------------------------------------------------------------------


async def test_a_decision_may_rest_on_one_that_was_shown(stream: RunStream, ada: World) -> None:
    revision = await decided(stream)
    await is_told(ada, revision)

    answer = await record_by_tool(
        ada, key="size", statement="Fifty rows.", relied_on=[{"area": "api", "key": "paging"}]
    )

    assert not answer.is_error
    made = (await whole_log(stream)).in_force("api", "size")
    assert made is not None
    assert made.relied_on == (Premise(area="api", key="paging", revision=revision),)


@pytest.mark.parametrize("names_revision", [False, True])
async def test_a_decision_may_not_rest_on_one_that_was_never_shown(
    stream: RunStream, ada: World, names_revision: bool
) -> None:
    """Whether or not it guesses the revision."""
    revision = await decided(stream)
    named = {"area": "api", "key": "paging"} | ({"revision": revision} if names_revision else {})

    answer = await record_by_tool(ada, key="size", statement="Fifty rows.", relied_on=[named])

    assert answer.is_error
    assert "you were never shown api/paging: read it first" in answer.content
    assert not answer.entries


async def test_a_decision_may_not_rest_on_one_that_has_fallen(
    stream: RunStream, ada: World
) -> None:
    revision = await decided(stream)
    await is_told(ada, revision)
    await send(stream, "bea", DecisionWithdrawn(revision=revision, reason="no use"))

    answer = await record_by_tool(
        ada, key="size", statement="Fifty rows.", relied_on=[{"area": "api", "key": "paging"}]
    )

    assert answer.is_error
    assert "it can't rest on api/paging any more" in answer.content
    assert "withdrawn by bea: no use" in answer.content


async def test_what_a_tool_has_shown_may_be_relied_on(stream: RunStream, ada: World) -> None:
    """Searched for and read; what was only counted was not shown."""
    await decided(stream)
    read = ReadDecision(ada)
    script = [[("read_decision", {"area": "api", "key": "paging"})]]
    await an_agent(ada, Scripted(*script)).work(an_assignment(read))

    premises = ada.premises(CONTEXT, [Premise(area="api", key="paging")], await ada.log.read())

    assert not isinstance(premises, str)


async def test_a_decision_that_has_fallen_with_another_is_read_as_fallen(
    stream: RunStream, ada: World
) -> None:
    """Who relied on it now would be refused: it is told so where it looks."""
    base = ("api", "base")
    under = await send(stream, "bea", DecisionRecorded(statement="Rows are kept."), base)
    await decided(stream, relied_on=(premise(under, base),))
    await send(stream, "bea", DecisionWithdrawn(revision=under, reason="no use"), base)

    read = await call_tool(ada, ReadDecision(ada), area="api", key="paging")
    found = await call_tool(ada, SearchDecisions(ada), query="cursor pagination")

    assert "withdrawn by bea: no use" in read.content
    assert "api/paging" not in found.content or "fallen" in found.content


# --- of a finding ------------------------------------------------------------------------


@pytest.fixture
async def at_work(stream: RunStream, library: Library) -> AsyncIterator[World]:
    """Ada listens and has claimed task t1."""
    world = await a_world(stream, "ada", areas=["api"], library=library)
    subject = build(stream.run, "task", "t1", author=LEAD)
    head = await stream.append(Entry(subject=subject, body=opens(offered_to="ada")))
    await world.inbox.reached(
        await stream.append(world.entry("task", "t1", body=TaskClaimed(), expect=head))
    )
    yield world
    await world.inbox.stop()


def submits(*premises: dict[str, Any], **claim: Any) -> dict[str, Any]:
    evidence = {"source": "guide.md", "locator": "L1", "quote": "Pages are cut by cursor."}
    made = {"id": "c1", "text": "Cursors.", "confidence": "high", "evidence": [evidence]} | claim
    return {"summary": "It is so.", "claims": [made], "relied_on": list(premises)}


PAGING = {"area": "api", "key": "paging"}


async def test_a_finding_records_the_decisions_that_the_journal_says_were_in_context(
    stream: RunStream, at_work: World
) -> None:
    """Digest, search, read and the member's own; not what it was never shown."""
    ada = at_work
    shown = await decided(stream)
    read = await send(stream, "bea", DecisionRecorded(statement="UTC."), ("data", "times"))
    await send(stream, "bea", DecisionRecorded(statement="Never seen."), ("ui", "colour"))
    await ada.inbox.reached(shown)
    task = ada.state.board.tasks["t1"]
    tools = (RecordDecision(ada, CONTEXT), ReadDecision(ada), SubmitFinding(ada, task))
    script = [
        [
            ("record_decision", {"area": "api", "key": "size", "statement": "Fifty rows."}),
            ("read_decision", {"area": "data", "key": "times"}),
        ],
        [("submit_finding", submits(PAGING))],
    ]

    outcome = await an_agent(ada, Scripted(*script)).work(
        an_assignment(*tools, ends_with="submit_finding")
    )

    assert outcome.answer is not None
    bodies = [r.body async for r in stream.read()]
    finding = next(body for body in bodies if isinstance(body, FindingSubmitted))
    told = [t for body in bodies if isinstance(body, TurnReplied) for t in body.told]
    told += [t for b in bodies if isinstance(b, TurnActed) for o in b.outcomes for t in o.told]
    own = (await whole_log(stream)).in_force("api", "size")
    assert own is not None
    journal = {Premise(area=t.area, key=t.key, revision=t.revision) for t in told}
    assert set(finding.in_context) == journal | {own.as_premise()}
    assert {p.revision for p in finding.in_context} == {shown, read, own.seq}
    assert finding.relied_on == (Premise(area="api", key="paging", revision=shown),)


@pytest.mark.parametrize("where", ["finding", "claim"])
async def test_a_fallen_premise_is_refused_at_submit_with_what_fell(
    stream: RunStream, at_work: World, where: str
) -> None:
    ada = at_work
    revision = await decided(stream)
    await ada.journal.commit(opens_context(CONTEXT))
    await is_told(ada, revision)
    await send(stream, "bea", DecisionRecorded(statement="Offsets.", supersedes=revision))
    given = submits(PAGING) if where == "finding" else submits(relied_on=[PAGING])

    answer = await call_tool(ada, SubmitFinding(ada, ada.state.board.tasks["t1"]), **given)

    assert answer.is_error
    assert ("claim c1: " in answer.content) is (where == "claim")
    assert f"api/paging revision {revision}, which was superseded by" in answer.content
    assert not answer.entries


@pytest.mark.parametrize("revision", [0, 1])
async def test_a_premise_that_was_never_shown_is_refused_at_submit(
    stream: RunStream, at_work: World, revision: int
) -> None:
    """The gate would refuse it: that costs a round."""
    ada = at_work
    made = await decided(stream)
    await ada.journal.commit(opens_context(CONTEXT))
    named = PAGING | {"revision": made if revision else 0}

    answer = await call_tool(ada, SubmitFinding(ada, ada.state.board.tasks["t1"]), **submits(named))

    assert answer.is_error
    assert "you were never shown api/paging" in answer.content


async def test_a_premise_without_a_revision_is_the_newest_that_was_shown(
    stream: RunStream, at_work: World
) -> None:
    ada = at_work
    first = await decided(stream)
    await ada.journal.commit(opens_context(CONTEXT))
    await is_told(ada, first)
    second = await send(stream, "bea", DecisionRecorded(statement="Offsets.", supersedes=first))
    await is_told(ada, second)

    answer = await call_tool(
        ada, SubmitFinding(ada, ada.state.board.tasks["t1"]), **submits(PAGING)
    )

    assert answer.answer is not None
    finding = msgspec.json.decode(answer.answer, type=FindingSubmitted)
    assert finding.relied_on[0].revision == second


# --- a long log --------------------------------------------------------------------------


async def test_a_log_of_a_thousand_decisions_still_answers_and_a_turn_costs_no_more(
    stream: RunStream, library: Library
) -> None:
    entries = [
        Entry(
            subject=build(stream.run, "decision", f"area{n % 10}", f"k{n}", author="bea"),
            body=DecisionRecorded(statement=f"Part {n} keeps its thing{n} in store{n % 50}."),
        )
        for n in range(1_000)
    ]
    for start in range(0, 1_000, 250):
        await stream.commit(entries[start : start + 250])
    ada = await a_world(stream, "ada", areas=[f"area{n}" for n in range(10)], library=library)
    await ada.journal.commit(opens_context(CONTEXT))
    news = ada.decisions.digest(
        ada.journal.transcripts[CONTEXT], ada.state.decisions, "Where is thing777 kept?"
    )

    search = await call_tool(ada, SearchDecisions(ada), query="thing777")
    read = await call_tool(ada, ReadDecision(ada), area="area7", key="k777")
    near = await record_by_tool(
        ada, area="area7", statement="The thing777 of part 777 is in store27."
    )
    new = await record_by_tool(ada, area="area7", statement="Uploads go to object storage.")

    assert search.content.startswith("area7/k777 ")
    assert "Part 777 keeps" in read.content
    assert "Nearly the same holds already:\narea7/k777" in near.content
    assert not new.is_error
    assert len(news.text) <= 400 * 3.5
    assert "thing777" in news.text
    assert len((await whole_log(stream)).all_in_force()) == 1_001
    await ada.inbox.stop()


async def test_a_claim_names_its_premises_apart_from_the_finding(
    stream: RunStream, at_work: World
) -> None:
    """So that a fall touches that claim only."""
    ada = at_work
    revision = await decided(stream)
    await ada.journal.commit(opens_context(CONTEXT))
    await is_told(ada, revision)

    answer = await call_tool(
        ada, SubmitFinding(ada, ada.state.board.tasks["t1"]), **submits(relied_on=[PAGING])
    )

    assert answer.answer is not None
    finding = msgspec.json.decode(answer.answer, type=FindingSubmitted)
    claim: Claim = finding.claims[0]
    assert finding.relied_on == ()
    assert claim.relied_on == (Premise(area="api", key="paging", revision=revision),)
