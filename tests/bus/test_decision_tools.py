"""The tools of the decisions log on a real stream: what is refused, what is shown, what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from bus.ids import LEAD, PERSON
from bus.messages import (
    DecisionChallenged,
    DecisionExplained,
    DecisionProposed,
    DecisionRecorded,
    DecisionRuled,
)
from bus.run_stream import Entry, RunStream
from bus.subjects import build
from team.agent.tools.base import Tool
from team.agent.tools.decision_tools import (
    FOUND_MAX,
    ChallengeDecision,
    ReadDecision,
    RebutChallenge,
    RecordDecision,
    SearchDecisions,
    WithdrawDecision,
)
from team.agent.tools.ruling_tools import SubmitRuling
from team.agent.world import World
from team.state.decision import STATEMENT_CHARACTERS_MAX
from tests.support.builders import opens_context
from tests.support.decisions import (
    CONTEXT,
    CURSORS,
    PLACE,
    Scripted,
    a_decision,
    a_world,
    an_agent,
    an_assignment,
    call_tool,
    decided,
    record_by_tool,
    send,
    whole_log,
)

# --- recording -------------------------------------------------------------------------


async def test_a_decision_is_recorded_and_its_reasons_travel_apart(
    stream: RunStream, ada: World
) -> None:
    answer = await record_by_tool(
        ada,
        rationale="Rows move.",
        alternatives=["Offsets."],
        evidence=[{"source": "guide.md", "locator": "L1", "quote": "Pages are cut by cursor."}],
    )

    assert not answer.is_error
    decision = (await whole_log(stream)).in_force(*PLACE)
    assert decision is not None
    assert (decision.statement, decision.author, decision.rationale) == (CURSORS, "ada", "")
    why = await ada.log.explain(decision)
    assert (why.rationale, why.alternatives) == ("Rows move.", ("Offsets.",))
    assert why.evidence[0].quote == "Pages are cut by cursor."
    shown = await call_tool(ada, ReadDecision(ada), area="api", key="paging")
    for part in (CURSORS, "Rows move.", "Offsets.", "Pages are cut by cursor.", "in force"):
        assert part in shown.content


async def test_a_key_that_is_decided_is_answered_with_what_holds(
    stream: RunStream, ada: World
) -> None:
    revision = await decided(stream)

    answer = await record_by_tool(ada, statement="Lists have offsets.")

    assert answer.is_error
    assert f"api/paging r{revision} (bea): {CURSORS}" in answer.content
    assert "challenge_decision (it is bea's)" in answer.content
    assert [one.revision for one in answer.told] == [revision]
    assert not answer.entries


async def test_to_supersede_anothers_decision_is_refused_with_the_way_to_challenge(
    stream: RunStream, ada: World
) -> None:
    revision = await decided(stream)

    answer = await record_by_tool(ada, statement="Lists have offsets.", supersedes=revision)

    assert answer.is_error
    assert "challenge it with challenge_decision" in answer.content
    assert not answer.entries
    assert len((await whole_log(stream)).history[PLACE]) == 1


async def test_what_stood_before_the_run_says_where_and_who_may_replace_it(
    stream: RunStream, ada: World
) -> None:
    await decided(stream, PERSON, standing="docs/1.md")

    answer = await record_by_tool(ada, statement="Lists have offsets.")

    assert answer.is_error
    assert "it stands in docs/1.md: only a person may replace it" in answer.content


async def test_an_author_replaces_its_own_by_naming_its_revision(
    stream: RunStream, ada: World
) -> None:
    revision = await decided(stream, "ada")
    refused = await record_by_tool(ada, statement="Lists have offsets.")

    answer = await record_by_tool(ada, statement="Lists have offsets.", supersedes=revision)

    assert f"record it with supersedes={revision}" in refused.content
    assert not answer.is_error
    assert a_decision(await whole_log(stream), revision).replaced_by is not None


async def test_to_supersede_where_nothing_is_decided_is_refused(ada: World) -> None:
    answer = await record_by_tool(ada, supersedes=3)

    assert "api/paging is not decided: leave `supersedes` out" in answer.content
    assert not answer.entries


async def test_a_near_duplicate_is_shown_and_nothing_is_stored_until_it_is_said_to_be_distinct(
    stream: RunStream, ada: World
) -> None:
    revision = await decided(stream)
    says = "We use cursors for the pagination of list endpoints."

    shown = await record_by_tool(ada, key="lists", statement=says)

    assert shown.is_error
    assert f"api/paging r{revision} (bea): {CURSORS}" in shown.content
    assert "add distinct_from: api/paging" in shown.content
    assert [one.revision for one in shown.told] == [revision]
    assert ("api", "lists") not in (await whole_log(stream)).history

    stored = await record_by_tool(ada, key="lists", statement=says, distinct_from=["api/paging"])

    assert not stored.is_error
    made = (await whole_log(stream)).in_force("api", "lists")
    assert made is not None
    assert made.distinct_from == ("api/paging",)


async def test_what_is_about_something_else_or_of_another_area_is_recorded_at_once(
    stream: RunStream, ada: World
) -> None:
    await decided(stream)

    assert not (await record_by_tool(ada, key="times", statement="Times are UTC.")).is_error
    assert not (await record_by_tool(ada, area="ui", key="lists")).is_error


@pytest.mark.parametrize(
    "evidence",
    [
        {"source": "guide.md", "locator": "L1", "quote": "Pages are cut by offset."},
        {"source": "guide.md", "locator": "L9", "quote": "Pages are cut by cursor."},
        {"source": "nowhere.md", "locator": "L1", "quote": "Pages are cut by cursor."},
        {"source": "guide.md", "locator": "the top", "quote": "Pages are cut by cursor."},
    ],
)
async def test_false_evidence_is_refused_wherever_it_is_shown(
    stream: RunStream, ada: World, evidence: dict[str, str]
) -> None:
    revision = await decided(stream)
    mine = await send(stream, "ada", DecisionRecorded(statement="UTC."), ("api", "times"))
    body = DecisionChallenged(revision=mine, reason="no")
    await send(stream, "bea", body, ("api", "times"))

    answers = [
        await record_by_tool(ada, key="other", statement="Errors are JSON.", evidence=[evidence]),
        await call_tool(
            ada, ChallengeDecision(ada), area="api", key="paging", reason="no", evidence=[evidence]
        ),
        await call_tool(
            ada, RebutChallenge(ada), area="api", key="times", reason="no", evidence=[evidence]
        ),
    ]

    for answer in answers:
        assert answer.is_error
        assert "the evidence does not hold" in answer.content
        assert not answer.entries
    assert not a_decision(await whole_log(stream), revision).objections


@pytest.mark.parametrize(
    "given",
    [
        {"statement": ""},
        {"statement": "  "},
        {"statement": "One.\nTwo."},
        {"statement": "One.\n"},
        {"statement": "One.\rTwo."},
        {"statement": "x" * (STATEMENT_CHARACTERS_MAX + 1)},
        {"area": "api.v1"},
        {"area": "api\n"},
        {"key": ""},
        {"key": "*"},
        {"key": "paging\n"},
        {"key": "x" * 65},
        {"rationale": "x" * 4_001},
        {"alternatives": ["x"] * 11},
        {"evidence": [{"source": "a", "locator": "L1", "quote": "q"}] * 6},
        {"supersedes": "1"},
    ],
    ids=str,
)
async def test_what_does_not_fit_is_an_answer_and_never_an_exception(
    stream: RunStream, ada: World, given: dict[str, Any]
) -> None:
    """A model may write anything: its member goes on."""
    answer = await record_by_tool(ada, **given)

    assert answer.is_error
    assert not (await whole_log(stream)).history


async def test_a_member_goes_on_whatever_name_its_model_gives(ada: World) -> None:
    """Else its process dies, is started again, runs the same call, and dies again."""
    given = {"area": "api\n", "key": "paging", "statement": CURSORS}
    script = [[("record_decision", given)]]

    tool = RecordDecision(ada, CONTEXT)
    outcome = await an_agent(ada, Scripted(*script)).work(an_assignment(tool))

    assert outcome.returned


@pytest.mark.parametrize(
    "tool", [ReadDecision, ChallengeDecision, RebutChallenge, WithdrawDecision]
)
async def test_an_odd_name_is_not_decided_for_any_tool(ada: World, tool: type[Tool[Any]]) -> None:
    reason = {} if tool is ReadDecision else {"reason": "no"}

    answer = await call_tool(ada, tool(ada), area="api\n", key="paging\n", **reason)

    assert answer.is_error


# --- proposals -----------------------------------------------------------------------------


async def test_in_some_areas_members_only_propose_and_the_lead_decides(stream: RunStream) -> None:
    ada, lead = [await a_world(stream, me, proposed=("api",)) for me in ("ada", LEAD)]
    for world in (ada, lead):
        await world.journal.commit(opens_context(CONTEXT))

    answer = await record_by_tool(ada)
    elsewhere = await record_by_tool(ada, area="ui")
    by_lead = await record_by_tool(lead, key="times", statement="Times are UTC.")

    assert "the lead rules on it" in answer.content
    log = await whole_log(stream)
    assert log.in_force(*PLACE) is None
    assert log.proposal(*PLACE) is not None
    assert log.in_force("ui", "paging") is not None
    assert log.in_force("api", "times") is not None
    assert not elsewhere.is_error
    assert not by_lead.is_error


async def test_what_another_has_proposed_is_shown_and_not_proposed_twice(
    stream: RunStream,
) -> None:
    await send(stream, "bea", DecisionProposed(statement=CURSORS))

    for proposed in (("api",), ()):
        answer = await record_by_tool(await a_world(stream, "ada", proposed=proposed))

        assert answer.is_error
        assert "It is proposed already, and to be ruled on" in answer.content


# --- searching and reading -------------------------------------------------------------------


async def test_a_search_finds_what_holds_by_its_words_and_says_how_much_more_there_is(
    stream: RunStream, ada: World
) -> None:
    entries = [
        Entry(
            subject=build(stream.run, "decision", area, f"k{n}", author="bea"),
            body=DecisionRecorded(statement=f"Pool {n} holds {n} connections."),
        )
        for n, area in enumerate(["api", "data"] * 10)
    ]
    await stream.commit(entries)
    search = SearchDecisions(ada)

    everywhere = await call_tool(ada, search, query="How many connections may a pool hold?")
    in_one = await call_tool(ada, search, query="pool 7", area="data")
    all_of_one = await call_tool(ada, search, query="", area="api")
    nothing = await call_tool(ada, search, query="zebra")

    assert len(everywhere.told) == FOUND_MAX
    assert "and 10 more: narrow the words or the area" in everywhere.content
    assert in_one.content.startswith("data/k7 ")
    assert {told.area for told in in_one.told} == {"data"}
    assert len(all_of_one.told) == FOUND_MAX
    assert all_of_one.told[0].key == "k18"
    assert "None of 20 decisions in force has these words" in nothing.content
    assert not nothing.is_error


async def test_a_decision_is_read_with_its_dispute_and_its_past(
    stream: RunStream, ada: World
) -> None:
    first = await decided(stream)
    await send(stream, "bea", DecisionRecorded(statement="Tokens.", supersedes=first))
    second = (await whole_log(stream)).head_seqs[PLACE]
    await send(stream, "cleo", DecisionChallenged(revision=second, reason="slow", instead="Keys."))
    ruled = DecisionRuled(revision=second, outcome="upheld", reason="fast enough")
    await send(stream, LEAD, ruled)

    answer = await call_tool(ada, ReadDecision(ada), area="api", key="paging")

    for part in (
        "State: upheld.",
        "Objection of cleo: slow Instead: Keys.",
        "Ruling of lead: upheld: fast enough",
        f"earlier: api/paging r{first} (bea): {CURSORS}: superseded",
    ):
        assert part in answer.content
    assert [one.revision for one in answer.told] == [second]


async def test_the_reasons_of_a_decision_are_those_of_its_author_and_its_first(
    stream: RunStream, ada: World
) -> None:
    """Anybody may write beside it; whoever reads it, and rules on it, is shown the author's."""
    await record_by_tool(ada, rationale="Rows move.")
    decision = (await whole_log(stream)).in_force(*PLACE)
    assert decision is not None
    for author, why in (("mallory", "Ada is wrong."), ("ada", "On second thought.")):
        subject = build(stream.run, "rationale", *PLACE, author=author)
        body = DecisionExplained(rationale=why)
        await stream.append(Entry(subject=subject, body=body, cause=decision.id))

    assert (await ada.log.explain(decision)).rationale == "Rows move."


# --- disputes -----------------------------------------------------------------------------------


async def test_a_challenge_says_how_long_the_decision_holds_and_by_whom_it_is_ruled_on(
    stream: RunStream, ada: World
) -> None:
    revision = await decided(stream)
    await send(stream, PERSON, DecisionRecorded(statement="UTC."), ("api", "times"))

    answer = await call_tool(ada, ChallengeDecision(ada), area="api", key="paging", reason="slow")
    persons = await call_tool(ada, ChallengeDecision(ada), area="api", key="times", reason="local")

    assert "it holds until the lead has ruled" in answer.content
    assert "it holds until a person has ruled" in persons.content
    objection = a_decision(await whole_log(stream), revision).objections[0]
    assert (objection.author, objection.reason) == ("ada", "slow")


async def test_a_member_may_not_challenge_its_own_or_twice_or_what_was_ruled(
    stream: RunStream, ada: World
) -> None:
    revision = await decided(stream)
    await send(stream, "ada", DecisionRecorded(statement="UTC."), ("api", "times"))
    challenge = ChallengeDecision(ada)
    await call_tool(ada, challenge, area="api", key="paging", reason="slow")

    twice = await call_tool(ada, challenge, area="api", key="paging", reason="slow")
    own = await call_tool(ada, challenge, area="api", key="times", reason="slow")
    none = await call_tool(ada, challenge, area="api", key="nothing", reason="slow")
    ruled = DecisionRuled(revision=revision, outcome="upheld", reason="fast enough")
    await send(stream, LEAD, ruled)
    after = await call_tool(ada, challenge, area="api", key="paging", reason="slow")

    assert "you have challenged it already" in twice.content
    assert "it is your own" in own.content
    assert "is not decided" in none.content
    assert "lead has ruled on it: fast enough" in after.content
    assert all(answer.is_error for answer in (twice, own, none, after))


async def test_only_the_author_answers_a_challenge_and_takes_its_decision_back(
    stream: RunStream, ada: World
) -> None:
    revision = await decided(stream)
    await send(stream, "cleo", DecisionChallenged(revision=revision, reason="slow"))
    bea = await a_world(stream, "bea")
    given = {"area": "api", "key": "paging", "reason": "hm"}

    assert "only bea can answer" in (await call_tool(ada, RebutChallenge(ada), **given)).content
    assert "not yours to withdraw" in (await call_tool(ada, WithdrawDecision(ada), **given)).content
    assert not (await call_tool(bea, RebutChallenge(bea), **given)).is_error
    assert not (await call_tool(bea, WithdrawDecision(bea), **given)).is_error
    assert (await whole_log(stream)).in_force(*PLACE) is None


async def test_a_ruling_says_what_holds_if_and_only_if_something_else_does(
    stream: RunStream,
) -> None:
    revision = await decided(stream)
    await send(stream, "cleo", DecisionChallenged(revision=revision, reason="slow"))
    lead = await a_world(stream, LEAD)
    ruling = SubmitRuling(lead, revision)

    for given in ({"outcome": "superseded"}, {"outcome": "upheld", "statement": "Tokens."}):
        refused = await call_tool(lead, ruling, reason="so", **given)
        assert refused.is_error
        assert refused.answer is None
    done = await call_tool(lead, ruling, outcome="superseded", reason="so", statement="Tokens.")
    again = await call_tool(lead, ruling, outcome="upheld", reason="so")

    assert done.answer is not None
    current = (await whole_log(stream)).in_force(*PLACE)
    assert current is not None
    assert (current.statement, current.author) == ("Tokens.", LEAD)
    assert "Nothing is left to rule on" in again.content
    assert again.answer is not None
    assert not again.entries
