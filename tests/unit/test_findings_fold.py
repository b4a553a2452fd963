"""Findings and what was judged of them: by whom, and on which of them."""

from __future__ import annotations

import pytest

from bus.ids import GATE
from bus.messages import FindingNoted
from team.state import Findings
from tests.support.builders import a_claim, a_finding, a_judgement, a_record, a_verdict


def findings_of_ada() -> Findings:
    """Two findings of ada's for `t1`, at 1 and 2."""
    findings = Findings()
    for seq in (1, 2):
        body = a_finding(a_claim(f"c{seq}"), round=seq)
        findings.apply(a_record(seq, "finding", "t1", author="ada", body=body))
    return findings


def test_the_latest_finding_is_the_newest_of_the_task() -> None:
    findings = findings_of_ada()

    latest = findings.latest("t1")

    assert latest is not None
    assert (latest.seq, latest.member, latest.finding.round) == (2, "ada", 2)
    assert findings.latest("t2") is None


def test_a_verdict_counts_for_the_finding_it_names_only() -> None:
    findings = findings_of_ada()

    findings.apply(a_record(3, "verdict", "t1", author="vera", body=a_verdict(1)))

    first, second = findings.submissions["t1"]
    assert first.judged_by("vera") == (a_judgement(),)
    assert second.judgements == ()


def test_a_finding_has_no_say_in_itself() -> None:
    findings = findings_of_ada()

    findings.apply(a_record(3, "verdict", "t1", author="ada", body=a_verdict(2)))

    latest = findings.latest("t1")
    assert latest is not None
    assert latest.judgements == ()


@pytest.mark.parametrize(("task", "seq"), [("t1", 99), ("t2", 1)])
def test_a_verdict_on_no_finding_changes_nothing(task: str, seq: int) -> None:
    findings = findings_of_ada()
    before = [list(s) for s in findings.submissions.values()]

    findings.apply(a_record(3, "verdict", task, author="vera", body=a_verdict(seq)))

    assert [list(s) for s in findings.submissions.values()] == before


def test_unsure_is_an_objection() -> None:
    findings = findings_of_ada()
    judgements = (a_judgement("upheld"), a_judgement("unsure"), a_judgement("refuted"))

    findings.apply(a_record(3, "verdict", "t1", author="vera", body=a_verdict(2, *judgements)))

    latest = findings.latest("t1")
    assert latest is not None
    assert [j.outcome for j in latest.objections] == ["unsure", "refuted"]


def test_the_judgements_of_several_authors_are_kept_apart() -> None:
    findings = findings_of_ada()
    for seq, author in ((3, GATE), (4, "vera"), (5, "walt"), (6, "vera")):
        findings.apply(a_record(seq, "verdict", "t1", author=author, body=a_verdict(2)))

    latest = findings.latest("t1")

    assert latest is not None
    assert [by for by, _ in latest.judgements] == [GATE, "vera", "walt", "vera"]
    assert len(latest.judged_by("vera")) == 2


def test_upheld_by_gives_the_newest_finding_that_one_author_upheld_throughout() -> None:
    """What came in later, or was upheld in part only, does not stand in for it."""
    findings = findings_of_ada()
    half = (a_judgement("upheld"), a_judgement("refuted"))
    findings.apply(a_record(3, "verdict", "t1", author=GATE, body=a_verdict(1)))
    findings.apply(a_record(4, "verdict", "t1", author=GATE, body=a_verdict(2, *half)))
    findings.apply(a_record(5, "finding", "t1", author="bea", body=a_finding()))

    upheld = findings.upheld_by(GATE, "t1")

    assert upheld is not None
    assert upheld.seq == 1
    assert findings.upheld_by("vera", "t1") is None
    assert findings.upheld_by(GATE, "t2") is None


def test_notes_are_kept_by_task_in_order() -> None:
    findings = Findings()
    for seq, text in enumerate(("first", "second"), start=1):
        findings.apply(a_record(seq, "finding", "t1", author="ada", body=FindingNoted(text=text)))

    assert findings.notes == {"t1": ["first", "second"]}
    assert findings.latest("t1") is None


def test_a_record_that_cannot_be_read_changes_nothing() -> None:
    findings = findings_of_ada()

    findings.apply(a_record(3, "finding", "t1", author="ada"))

    latest = findings.latest("t1")
    assert latest is not None
    assert latest.seq == 2
