"""The audit as a whole: the same stream, the same bytes; what is printed; what it can be given."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import ActRefused
from bus.run_stream import Record
from team.audit import DETECTORS, AuditReport, Event, Seen, audit
from team.audit.likeness import canonical, near_twins
from team.audit.report import MODE_CODES, MODE_OF_BREACH
from team.codes import RULES
from team.views.audit import audit_text
from tests.support.audited import Tale, a_sound_run, change, leave_out
from tests.support.builders import a_budget, a_contract, a_record
from tests.support.paper_team import PaperTeam

STEPS = tuple(a_sound_run().seqs)


def bytes_of(report: AuditReport) -> bytes:
    return msgspec.json.encode(report)


# ------------------------------------------------------------------ same stream, same bytes


@given(left_out=st.sets(st.sampled_from(STEPS)), cut=st.integers(0, 40))
def test_whatever_is_left_out_the_audit_ends_and_says_the_same_each_time(
    left_out: set[str], cut: int
) -> None:
    """Streams with holes, and runs that are still going on; a stream may begin anywhere."""
    records = a_sound_run(dict.fromkeys(left_out, leave_out)).records

    for part in (records[:cut], records[cut:]):
        first = audit(part)

        assert bytes_of(audit(list(part))) == bytes_of(first)
        assert "A114" not in {breach.code for breach in first.breaches}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4))
def test_whoever_wrote_what_the_audit_ends(swaps: list[tuple[int, int]]) -> None:
    """Messages under other subjects than their own: nothing makes it fail."""
    records = list(a_sound_run().records)
    for one, other in swaps:
        a, b = records[one], records[other]
        records[one] = msgspec.structs.replace(a, envelope=b.envelope)
        records[other] = msgspec.structs.replace(b, envelope=a.envelope)

    assert bytes_of(audit(records)) == bytes_of(audit(records))


def test_the_report_goes_there_and_back_as_json() -> None:
    report = audit(a_sound_run({"verdict": leave_out}).records)

    assert msgspec.json.decode(bytes_of(report), type=AuditReport) == report


def test_a_team_that_keeps_to_the_rules_passes_no_limit() -> None:
    """The team on paper has no journals: what is seen of it is its board and its verdicts."""
    team = PaperTeam()
    team.lead()
    for task in ("t1", "t2"):
        team.work(task)
    team.lead()
    for task in ("t1", "t2"):
        team.judge(task)
    team.lead()

    report = audit(team.story.records)

    assert report.status == "admitted"
    assert {breach.code for breach in report.breaches} == {"A109"}  # its result has no text


def test_a_run_that_goes_on_is_audited_as_far_as_it_got() -> None:
    tale = a_sound_run()

    report = audit(tale.records[: tale.seqs["exact"]])

    assert report.status == ""
    assert report.breaches == ()
    assert report.chains == ()


# ------------------------------------------------------------------ signs and refusals


def test_a_sign_is_no_breach() -> None:
    report = audit(a_sound_run({"finding": change(open_questions=("On Windows?",))}).records)

    assert report.is_clean
    assert "M2.2" in {sign.code for sign in report.signs}


def test_what_was_refused_before_it_was_done_is_counted_and_no_breach() -> None:
    def refused(tale: Tale) -> None:
        body = ActRefused(code="P105", what="read_source", reason="10 of 10 are used")
        tale.tell("refusal", author="ada", body=body)

    report = audit(a_sound_run(after={"look": refused}).records)

    assert report.is_clean
    assert [(one.code, one.count) for one in report.refusals] == [("P105", 1)]
    assert [(row.code, row.signs) for row in report.modes if row.signs] == [("M1.5", 1)]


def test_every_breach_and_mode_is_in_the_catalogue() -> None:
    assert {*MODE_CODES, *MODE_OF_BREACH, *MODE_OF_BREACH.values()} <= RULES.keys()


# ------------------------------------------------------------------ what is printed


def test_the_text_has_breaches_before_signs_and_names_rule_record_and_member() -> None:
    contract = a_contract(tools=("read_source",), budget=a_budget())
    changes = {
        "task": change(contract=contract),
        "finding": change(open_questions=("On Windows?",)),
    }
    tale = a_sound_run(changes)

    text = audit_text(audit(tale.records), with_chains=False)

    assert text.startswith("r1: 1 breach, ")
    assert text.index("Breaches") < text.index("Signs") < text.index("Failure modes")
    assert RULES["P201"].says in text
    assert f"#{tale.seqs['look !']}  ada: task:t1:1: it ran search_sources" in text
    assert "2 chains are whole, 0 have a hole" in text
    assert "by ada" not in text


def test_a_broken_chain_is_printed_and_every_chain_if_asked_for() -> None:
    report = audit(a_sound_run({"verdict": leave_out}).records)
    sound = audit(a_sound_run().records)

    assert "hole: A103" in audit_text(report, with_chains=False)
    assert "vera: verification upheld" not in audit_text(sound, with_chains=False)
    assert "vera: verification upheld" in audit_text(sound, with_chains=True)


def test_a_clean_run_says_so() -> None:
    text = audit_text(audit(a_sound_run().records), with_chains=False)

    assert text.splitlines()[0] == "r1: clean, 1 sign; admitted, 37 records"
    assert "no quote was read again" in text


# ------------------------------------------------------------------ traces of others


def test_detectors_that_need_a_journal_see_nothing_in_a_trace_without_one() -> None:
    """The traces of other systems have neither (docs/failure-modes.md)."""
    trace = tuple(
        Event(seq=seq, agent="planner", kind="said", text=f"step {seq}") for seq in range(1, 9)
    )

    assert [one for detector in DETECTORS.values() for one in detector(Seen(trace=trace))] == []


def test_a_repeat_in_a_changed_world_is_none() -> None:
    def looks(world: int) -> list[Any]:
        trace = tuple(
            Event(
                seq=seq,
                agent="ada",
                kind="called",
                tool="read_decision",
                effect="reads",
                arguments="{}",
                world=seq * world,
            )
            for seq in range(1, 5)
        )
        return list(DETECTORS["M1.3"](Seen(trace=trace)))

    assert len(looks(world=0)) == 1
    assert looks(world=1) == []


def test_arguments_are_the_same_in_any_order_and_spacing() -> None:
    assert canonical(b'{"b": "x  y", "a": 1}') == canonical('{"a":1,"b":"x y"}')
    assert canonical("query = 'a'\n") == "query = 'a'"


@given(st.lists(st.text(alphabet="ab \n", max_size=30), max_size=8))
def test_every_text_is_in_one_group_of_near_twins(texts: list[str]) -> None:
    groups = near_twins(texts)

    assert sorted(place for group in groups for place in group) == list(range(len(texts)))


def test_a_record_that_cannot_be_read_hides_nothing_else() -> None:
    tale = a_sound_run({"verdict": leave_out})
    unread: Record = a_record(tale.last_seq + 1, "journal", author="ada")

    report = audit([*tale.records, unread])

    assert {breach.code for breach in report.breaches} == {"A100", "A103"}
