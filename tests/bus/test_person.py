"""What a person does with decisions from outside a run, on a real stream."""

from __future__ import annotations

import asyncio

import pytest

from bus.ids import PERSON
from bus.messages import DecisionExplained, DecisionProposed, DecisionRecorded
from bus.run_stream import Entry, RunStream
from bus.subjects import decision as decision_subject
from team.agent.decision_log import WholeLog
from team.errors import NearDecisionError, StateError
from team.runtime import person
from team.runtime.person import Name

PAGING = Name(area="api", key="paging")
NO_REASON = DecisionExplained()


async def _member_says(
    stream: RunStream, body: DecisionRecorded | DecisionProposed, author: str = "ada"
) -> int:
    subject = decision_subject(stream.run, PAGING.area, PAGING.key, author)
    return await stream.append(Entry(subject=subject, body=body))


async def test_of_many_that_decide_at_once_one_is_stored_and_the_others_are_told(
    stream: RunStream,
) -> None:
    """Nobody overwrites in the dark what was stored a moment before."""
    statements = [f"Pages have {n} rows." for n in (10, 20, 30, 40)]

    done = await asyncio.gather(
        *(person.decide(stream, PAGING, s, NO_REASON) for s in statements), return_exceptions=True
    )

    refused = [one for one in done if isinstance(one, StateError)]
    assert len(refused) == len(statements) - 1
    assert all("was changed meanwhile: api/paging r" in str(error) for error in refused)
    log = await WholeLog(stream).read()
    assert [d.author for d in log.history["api", "paging"]] == [PERSON]
    assert not log.anomalies


async def test_a_persons_decision_says_what_it_replaced_a_proposal_too(stream: RunStream) -> None:
    proposed = await _member_says(stream, DecisionProposed(statement="Use offsets."))

    acted = await person.decide(
        stream, PAGING, "Use cursors.", DecisionExplained(rationale="They are stable.")
    )

    assert acted.before is not None
    assert acted.before.seq == proposed
    log = WholeLog(stream)
    held = (await log.read()).in_force("api", "paging")
    assert held is not None
    assert (held.seq, held.author) == (acted.seq, PERSON)
    assert (await log.explain(held)).rationale == "They are stable."


async def test_what_is_nearly_the_same_is_shown_and_nothing_is_stored(stream: RunStream) -> None:
    statement = "List endpoints return an opaque cursor, never an offset."
    await _member_says(stream, DecisionRecorded(statement=statement))
    other = Name(area="api", key="lists")
    again = "All list endpoints return opaque cursors, never offsets."

    with pytest.raises(NearDecisionError, match="api/paging r1 "):
        await person.decide(stream, other, again, NO_REASON)
    assert await stream.last_seq() == 1

    acted = await person.decide(stream, other, again, NO_REASON, is_distinct=True)
    held = (await WholeLog(stream).read()).revision(acted.seq)
    assert held is not None
    assert held.distinct_from == ("api/paging",)


async def test_a_person_rules_on_a_members_decision_and_challenges_none_of_a_persons(
    stream: RunStream,
) -> None:
    await _member_says(stream, DecisionRecorded(statement="Use offsets."))

    ruled = await person.rule(stream, PAGING, "superseded", "They skip rows.", "Use cursors.")

    held = (await WholeLog(stream).read()).in_force("api", "paging")
    assert held is not None
    assert (held.seq, held.statement) == (ruled.seq, "Use cursors.")
    with pytest.raises(StateError, match="a person decided it"):
        await person.challenge(stream, PAGING, "Really?")
    with pytest.raises(StateError, match="api/sorting is not decided"):
        await person.rule(stream, Name(area="api", key="sorting"), "upheld", "Yes.")
