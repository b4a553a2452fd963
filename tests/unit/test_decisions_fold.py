"""The decisions log as a fold: who may do what to a decision, and what any log leads to."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bus.ids import LEAD, PERSON
from bus.messages import DecisionExplained
from bus.run_stream import Record
from team.state import Decision, Decisions, DecisionState
from team.state.decision import (
    DECISION_MOVES,
    LEAD_RANK,
    MEMBER_RANK,
    OBJECTIONS_MAX,
    PERSON_RANK,
    rank_of,
    why_no_objection,
    why_no_reply,
)
from tests.support.builders import a_record, an_evidence, decisions_of
from tests.support.decisions import (
    AREAS,
    PLACE,
    PLACES,
    a_decision,
    all_of,
    challenges,
    decides,
    explains,
    logs,
    proposes,
    rebuts,
    rules,
    withdraws,
)

S = DecisionState

# --- every state and every input ---------------------------------------------------

STORIES: dict[DecisionState, list[Record]] = {
    S.proposed: [proposes(1), challenges(2)],
    S.in_force: [decides(1)],
    S.contested: [decides(1), challenges(2)],
    S.upheld: [decides(1), rules(2)],
    S.superseded: [decides(1), decides(2, "ada", 1)],
    S.withdrawn: [decides(1), withdraws(2)],
}
"""How ada's decision 1 comes into each state."""

Input = Callable[[str], Record]
INPUTS: dict[str, Input] = {
    "challenge": lambda by: challenges(9, by),
    "rebut": lambda by: rebuts(9, by),
    "uphold": lambda by: rules(9, by),
    "supersede": lambda by: rules(9, by, 1, "superseded"),
    "withdraw": lambda by: rules(9, by, 1, "withdrawn"),
}
"""The inputs of the table; who rules makes the last three."""
PAIRS = list(product(STORIES, INPUTS))


def after(state: DecisionState, said: Record) -> tuple[Decisions, Decisions]:
    """The log before and after somebody said something of decision 1."""
    return decisions_of(*STORIES[state]), decisions_of(*STORIES[state], said)


def state_after(state: DecisionState, said: Record) -> DecisionState | None:
    """Where decision 1 stands then; nothing if there was no move."""
    before, now = after(state, said)
    if len(now.anomalies) == len(before.anomalies):
        return a_decision(now, 1).state
    assert now.history == before.history
    assert now.changes == before.changes
    assert now.head_seqs[PLACE] == said.seq
    return None


def test_each_story_leads_to_its_state() -> None:
    for state, story in STORIES.items():
        decisions = decisions_of(*story)

        assert a_decision(decisions, 1).state is state
        assert not decisions.anomalies


def test_the_table_names_every_input_and_leads_to_every_state() -> None:
    assert {name for _, name in DECISION_MOVES} == set(INPUTS)
    assert set(DECISION_MOVES.values()) == set(DecisionState)


@pytest.mark.parametrize(("state", "name"), PAIRS)
def test_every_pair_in_the_table_moves_so_and_every_other_pair_does_not(
    state: DecisionState, name: str
) -> None:
    """The input comes from who may give it: its author answers, a person does all else."""
    by = "ada" if name == "rebut" else PERSON

    assert state_after(state, INPUTS[name](by)) is DECISION_MOVES.get((state, name))


A, M, L, P = "ada", "cleo", LEAD, PERSON
ACTS: dict[str, tuple[Input, dict[DecisionState, str]]] = {
    # Who may, by state: a - its author, m - another member, l - the lead, p - a person.
    "challenge": (
        INPUTS["challenge"],
        {S.proposed: "mlp", S.in_force: "mlp", S.contested: "mlp", S.upheld: "p"},
    ),
    "rebut": (INPUTS["rebut"], {S.proposed: "a", S.contested: "a"}),
    "rule": (
        INPUTS["uphold"],
        {S.proposed: "lp", S.in_force: "lp", S.contested: "lp", S.upheld: "lp"},
    ),
    "overrule": (
        INPUTS["supersede"],
        {S.proposed: "lp", S.in_force: "lp", S.contested: "lp", S.upheld: "lp"},
    ),
    "strike": (
        INPUTS["withdraw"],
        {S.proposed: "lp", S.in_force: "lp", S.contested: "lp", S.upheld: "lp"},
    ),
    "withdraw": (
        lambda by: withdraws(9, by),
        {S.proposed: "alp", S.in_force: "alp", S.contested: "alp", S.upheld: "lp"},
    ),
    "replace": (
        lambda by: decides(9, by, 1),
        {S.in_force: "alp", S.contested: "alp", S.upheld: "lp"},
    ),
    "decide": (
        lambda by: decides(9, by),
        {S.proposed: "alp", S.withdrawn: "amlp"},
    ),
}


@pytest.mark.parametrize("author", [A, M, L, P])
@pytest.mark.parametrize(("state", "act"), list(product(STORIES, ACTS)))
def test_only_who_has_the_authority_may(state: DecisionState, act: str, author: str) -> None:
    """Members are equals; a ruling binds them; the lead outranks them, a person the lead."""
    said, allowed = ACTS[act]
    may = {A: "a", M: "m", L: "l", P: "p"}[author] in allowed.get(state, "")

    assert (state_after(state, said(author)) is not None) is may


PERSONS = {
    S.in_force: [decides(1, PERSON)],
    S.contested: [decides(1, PERSON), challenges(2)],
    S.upheld: [decides(1), rules(2, PERSON)],
}


@pytest.mark.parametrize("act", ["rule", "overrule", "strike", "withdraw", "replace"])
@pytest.mark.parametrize("state", PERSONS)
def test_what_a_person_has_settled_only_a_person_can_undo(state: DecisionState, act: str) -> None:
    for author, may in ((A, False), (M, False), (L, False), (P, True)):
        decisions = decisions_of(*PERSONS[state], ACTS[act][0](author))

        assert bool(decisions.anomalies) is not may, author
        assert a_decision(decisions, 1).holds is (not may or act == "rule")


def test_a_persons_decision_waits_for_a_person() -> None:
    decisions = decisions_of(decides(1, PERSON), challenges(2))

    assert decisions.ruler_of(a_decision(decisions, 1)) == PERSON
    members = decisions_of(decides(1), challenges(2))
    assert members.ruler_of(a_decision(members, 1)) == LEAD


@pytest.mark.parametrize(
    ("author", "rank"),
    [("ada", MEMBER_RANK), ("gate", MEMBER_RANK), (LEAD, LEAD_RANK), (PERSON, PERSON_RANK)],
)
def test_ranks_are_those_of_the_author(author: str, rank: int) -> None:
    assert rank_of(author) == rank


@pytest.mark.parametrize(
    "said",
    [
        a_record(9, "decision", *PLACE, author=PERSON),
        challenges(9, PERSON, 7),
        challenges(9, PERSON, 1, place=("api", "sorting")),
        withdraws(9, PERSON, 1, place=("data", "paging")),
        rules(9, PERSON, 0),
        rules(9, PERSON, 1, "superseded", says=""),
        rules(9, PERSON, 1, "upheld", says="And more."),
        rules(9, PERSON, 1, "withdrawn", says="And more."),
        decides(9, PERSON, 2),
        decides(9, PERSON, 1, place=("api", "sorting")),
        proposes(9, PERSON),
    ],
    ids=lambda record: str(record.body),
)
def test_what_does_not_fit_changes_nothing_but_the_head(said: Record) -> None:
    """Unreadable, of another key, of no revision, or at odds with itself."""
    before = decisions_of(decides(1))

    decisions = decisions_of(decides(1), said)

    assert len(decisions.anomalies) == 1
    assert (decisions.history, decisions.changes) == (before.history, before.changes)
    assert decisions.head_seqs[said.subject.names[0], said.subject.names[1]] == 9


# --- objections and answers ----------------------------------------------------------


def test_an_objection_is_kept_with_its_author_and_what_it_would_have_instead() -> None:
    decisions = decisions_of(decides(1), challenges(2, reason="slow", instead="Cursors."))

    (objection,) = a_decision(decisions, 1).objections

    assert (objection.seq, objection.author, objection.reason) == (2, "bea", "slow")
    assert objection.instead == "Cursors."
    assert decisions.in_force(*PLACE) == a_decision(decisions, 1)
    assert decisions.involving["bea"] == [1]


def test_a_member_objects_once_and_a_person_as_often_as_there_is_room() -> None:
    twice = decisions_of(decides(1), challenges(2), challenges(3))
    person = decisions_of(decides(1), challenges(2, PERSON), challenges(3, PERSON))

    assert len(twice.anomalies) == 1
    assert not person.anomalies


def test_objections_to_one_revision_are_bounded() -> None:
    authors = [f"m{n}" for n in range(OBJECTIONS_MAX + 1)]
    records = [challenges(n, author) for n, author in enumerate(authors, start=2)]

    decisions = decisions_of(decides(1), *records)

    decision = a_decision(decisions, 1)
    assert [o.author for o in decision.objections] == authors[:OBJECTIONS_MAX]
    assert len(decisions.anomalies) == 1
    assert "objections already" in (why_no_objection("zoe", decision) or "")


def test_each_objection_is_answered_at_most_once() -> None:
    decisions = decisions_of(
        decides(1), rebuts(2), challenges(3), rebuts(4), rebuts(5), challenges(6, "cleo"), rebuts(7)
    )

    decision = a_decision(decisions, 1)
    assert [reply.seq for reply in decision.replies] == [4, 7]
    assert [line.split(":")[0] for line in decisions.anomalies] == ["2", "5"]
    assert "you have answered" in (why_no_reply("ada", decision) or "")
    assert "only ada" in (why_no_reply("bea", decision) or "")


def test_a_ruling_ends_objections_of_members_but_not_of_a_person() -> None:
    ruled = decisions_of(decides(1), challenges(2), rules(3))
    again = decisions_of(decides(1), challenges(2), rules(3), challenges(4, PERSON))

    assert "lead has ruled on it: so be it" in (
        why_no_objection("cleo", a_decision(ruled, 1)) or ""
    )
    assert a_decision(again, 1).state is S.contested
    assert a_decision(again, 1).ruling is None


# --- proposals, rulings, standing ----------------------------------------------------


def test_a_proposal_holds_only_once_it_is_ruled_so() -> None:
    proposed, ruled = decisions_of(proposes(1)), decisions_of(proposes(1), rules(2))

    assert proposed.in_force(*PLACE) is None
    assert proposed.proposal(*PLACE) == a_decision(proposed, 1)
    assert proposed.disputes() == [a_decision(proposed, 1)]
    assert ruled.in_force(*PLACE) == a_decision(ruled, 1)
    assert ruled.proposal(*PLACE) is None
    assert a_decision(ruled, 1).rank == LEAD_RANK


def test_what_held_holds_until_the_proposal_in_its_place_is_ruled_in() -> None:
    pending = decisions_of(decides(1), proposes(2, "bea", 1))
    ruled = decisions_of(decides(1), proposes(2, "bea", 1), rules(3, revision=2))

    assert pending.in_force(*PLACE) == a_decision(pending, 1)
    assert a_decision(ruled, 1).replaced_by == 2
    assert ruled.in_force(*PLACE) == a_decision(ruled, 2)


def test_a_proposal_over_a_persons_decision_is_no_way_around_the_person() -> None:
    story = [decides(1, PERSON), proposes(2, "bea", 1)]

    by_lead = decisions_of(*story, rules(3, LEAD, 2))
    by_person = decisions_of(*story, rules(3, PERSON, 2))

    assert by_lead.in_force(*PLACE) == a_decision(by_lead, 1)
    assert by_person.in_force(*PLACE) == a_decision(by_person, 2)


@pytest.mark.parametrize(
    ("author", "may"), [("ada", True), ("bea", False), (LEAD, True), (PERSON, True)]
)
@pytest.mark.parametrize("says_so", [proposes, decides])
def test_a_proposal_is_displaced_only_by_who_may_replace_it(
    says_so: Callable[..., Record], author: str, may: bool
) -> None:
    """Members are equals: none ends what another has put forward."""
    decisions = decisions_of(proposes(1), says_so(2, author))

    assert (a_decision(decisions, 1).state is S.superseded) is may
    assert bool(decisions.anomalies) is not may


def test_a_ruling_in_place_of_a_decision_makes_the_next_revision() -> None:
    decisions = decisions_of(decides(1), challenges(2), rules(3, LEAD, 1, "superseded", says="B."))

    old, new = a_decision(decisions, 1), a_decision(decisions, 3)

    assert (old.state, old.replaced_by) == (S.superseded, 3)
    assert (new.state, new.statement, new.author, new.rank) == (S.in_force, "B.", LEAD, LEAD_RANK)
    assert new.ruling is not None
    assert new.ruling.reason == "so be it"
    assert decisions.end_of(old) == "was superseded by 3 of lead: B."
    assert not decisions.disputes()


def test_standing_decisions_are_a_persons_and_say_where_they_come_from() -> None:
    decisions = decisions_of(decides(1, PERSON, standing="docs/decisions/0001.md"))

    standing = a_decision(decisions, 1)

    assert standing.standing == "docs/decisions/0001.md"
    assert decisions.ruler_of(standing) == PERSON


def test_nobody_but_a_person_can_make_a_decision_look_as_if_it_stood_before_the_run() -> None:
    """It would be shown as one that only a person may replace."""
    assert a_decision(decisions_of(decides(1, "ada", standing="docs/x.md")), 1).standing == ""


# --- reasons -------------------------------------------------------------------------


def test_only_the_author_explains_a_decision_and_only_once() -> None:
    decisions = decisions_of(
        decides(1),
        explains(2, "bea", why="mine now"),
        explains(3, why="because"),
        explains(4, why="on second thought"),
        explains(5, revision=9),
    )

    assert a_decision(decisions, 1).rationale == "because"
    assert not decisions.anomalies
    assert decisions.head_seqs[PLACE] == 1


def test_reasons_without_a_rationale_are_not_written_over_either() -> None:
    """Alternatives or evidence alone are an explanation."""
    decisions = decisions_of(
        decides(1),
        explains(2, why="", alternatives=("Offsets.",), evidence=(an_evidence(),)),
        explains(3, why="", alternatives=("Nothing else.",)),
    )

    assert a_decision(decisions, 1).alternatives == ("Offsets.",)


def test_a_message_that_takes_anothers_id_does_not_take_its_reasons() -> None:
    """The id within an envelope is whatever its author wrote there."""
    thief = decides(2, "bea", place=("api", "other"))
    assert thief.envelope is not None
    envelope = msgspec.structs.replace(thief.envelope, id="m1")

    decisions = decisions_of(
        decides(1), msgspec.structs.replace(thief, envelope=envelope), explains(3)
    )

    assert a_decision(decisions, 1).rationale == "because"


# --- looking things up ---------------------------------------------------------------


def test_what_is_in_force_comes_oldest_first_and_by_area() -> None:
    decisions = decisions_of(
        decides(1, place=("api", "b")),
        decides(2, "bea", place=("api", "a")),
        decides(3, place=("data", "x")),
        decides(4, "ada", 1, place=("api", "b")),
    )

    assert [d.name for d in decisions.all_in_force()] == ["api/a", "data/x", "api/b"]
    assert [d.name for d in decisions.all_in_force(("data",))] == ["data/x"]
    assert decisions.all_in_force(()) == []


def test_an_unknown_key_or_revision_is_nothing() -> None:
    decisions = decisions_of(decides(1))

    assert decisions.in_force("api", "other") is None
    assert decisions.revision(99) is None


# --- any interleaving ----------------------------------------------------------------

any_log = given(log=logs())
# Two keys, so that each has a long life.
long_lives = given(log=logs(places=PLACES[:2]))
often = settings(max_examples=300)


def without_reasons(decision: Decision) -> Decision:
    """What a member knows that is not sent the reasons."""
    return msgspec.structs.replace(decision, rationale="", alternatives=(), evidence=())


@often
@any_log
def test_any_interleaving_folds_to_one_state_for_who_reads_it_at_once_or_in_pieces(
    log: list[Record],
) -> None:
    """Asking in between changes nothing."""
    at_once, in_pieces = decisions_of(*log), Decisions()
    for record in log:
        in_pieces.apply(record)
        for decision in in_pieces.all_in_force():
            in_pieces.fall_of(decision.as_premise())
        in_pieces.disputes()

    for name in ("history", "head_seqs", "changes", "involving", "anomalies"):
        assert getattr(at_once, name) == getattr(in_pieces, name)


@often
@given(log=logs(), areas=st.sets(st.sampled_from(AREAS)))
def test_a_member_that_is_sent_some_areas_knows_them_as_everybody_does(
    log: list[Record], areas: set[str]
) -> None:
    """Its consumer leaves out other areas and all reasons."""
    whole = decisions_of(*log)
    sent = [r for r in log if r.subject.kind == "decision" and r.subject.names[0] in areas]

    part = decisions_of(*sent)

    shared = {key: history for key, history in whole.history.items() if key[0] in areas}
    assert part.history == {k: [without_reasons(d) for d in h] for k, h in shared.items()}
    assert part.head_seqs == {k: seq for k, seq in whole.head_seqs.items() if k[0] in areas}
    known = {d.seq for history in shared.values() for d in history}
    assert part.changes == [change for change in whole.changes if change[1] in known]
    assert part.disputes() == [without_reasons(d) for d in whole.disputes() if d.area in areas]


@often
@long_lives
def test_of_one_key_at_most_one_revision_holds_and_at_most_one_is_proposed(
    log: list[Record],
) -> None:
    decisions = Decisions()
    for record in log:
        decisions.apply(record)
        for key, history in decisions.history.items():
            holding = [d for d in history if d.holds]
            pending = [d for d in history if d.state is S.proposed]

            assert len(holding) <= 1
            assert decisions.in_force(*key) == (holding[0] if holding else None)
            assert len(pending) <= 1
            assert decisions.proposal(*key) == (pending[0] if pending else None)


FIXED = (
    *("area", "key", "seq", "id", "author", "at", "statement", "supersedes"),
    *("relied_on", "distinct_from", "standing"),
)


@often
@long_lives
def test_nothing_that_was_said_is_lost_or_changed_and_every_change_is_listed(
    log: list[Record],
) -> None:
    decisions, before = Decisions(), dict[int, Decision]()
    for record in log:
        listed = len(decisions.changes)
        decisions.apply(record)
        now = {d.seq: d for d in all_of(decisions)}

        for seq, was in before.items():
            assert all(getattr(now[seq], name) == getattr(was, name) for name in FIXED)
            assert now[seq].objections[: len(was.objections)] == was.objections
            assert now[seq].replies[: len(was.replies)] == was.replies
        changed = {
            seq
            for seq, decision in now.items()
            if seq not in before or without_reasons(before[seq]) != without_reasons(decision)
        }
        assert {revision for _, revision in decisions.changes[listed:]} == changed
        assert {seq for seq, _ in decisions.changes[listed:]} <= {record.seq}
        assert {now[seq].changed_seq for seq in changed} <= {record.seq}
        before = now
    assert [seq for seq, _ in decisions.changes] == sorted(seq for seq, _ in decisions.changes)


@often
@long_lives
def test_every_step_in_a_life_is_one_of_the_table(log: list[Record]) -> None:
    steps = {(before, after) for (before, _), after in DECISION_MOVES.items()}
    decisions, before = Decisions(), dict[int, DecisionState]()
    for record in log:
        decisions.apply(record)
        now = {d.seq: d.state for d in all_of(decisions)}

        assert {now[seq] for seq in now.keys() - before.keys()} <= {S.proposed, S.in_force}
        assert {(before[s], now[s]) for s in before if before[s] is not now[s]} <= steps
        before = now


@often
@long_lives
@example(log=[proposes(1), decides(2, "bea")])
def test_nobody_ends_a_decision_of_who_outranks_it_and_no_member_that_of_another(
    log: list[Record],
) -> None:
    decisions, before = Decisions(), dict[int, Decision]()
    for record in log:
        decisions.apply(record)
        now, author = {d.seq: d for d in all_of(decisions)}, record.subject.author

        for seq, was in before.items():
            is_ended = now[seq].state in (S.superseded, S.withdrawn) and now[seq] != was
            is_own = was.author == author and was.rank == rank_of(author)
            assert not is_ended or is_own or rank_of(author) >= max(was.rank, LEAD_RANK)
            assert now[seq].rank >= was.rank
        before = now


@often
@long_lives
def test_disputes_are_bounded(log: list[Record]) -> None:
    for decision in all_of(decisions_of(*log)):
        assert len(decision.objections) <= OBJECTIONS_MAX
        assert len(decision.replies) <= len(decision.objections)
        assert decision.author not in {o.author for o in decision.objections}
        members = [o.author for o in decision.objections if o.author != PERSON]
        assert len(set(members)) == len(members)


@often
@any_log
def test_reasons_are_the_authors_first(log: list[Record]) -> None:
    said: dict[str, str] = {}
    made = {record.id: record.subject.author for record in log}
    for record in log:
        cause = record.envelope.cause or "" if record.envelope else ""
        is_authors = made.get(cause) == record.subject.author
        if isinstance(record.body, DecisionExplained) and is_authors:
            is_later = record.seq > int(cause.removeprefix("m"))
            said |= {cause: record.body.rationale} if is_later and cause not in said else {}

    for decision in all_of(decisions_of(*log)):
        assert decision.rationale == said.get(decision.id, "")
