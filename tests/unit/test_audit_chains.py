"""The chain of every claim, and the result that rests on it: each hole has its code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.ids import GATE, LEAD
from bus.messages import (
    ConflictRaised,
    ConflictRuled,
    DecisionRecorded,
    DecisionWithdrawn,
    Judgement,
    MemberSeated,
    Premise,
    TaskClaimed,
    TaskSettled,
    VerdictGiven,
)
from team.audit import AuditReport, Chain, audit
from team.codes import audit as codes
from team.codes import limits
from team.policy import GateRules
from team.sources import Library
from tests.support.audited import (
    LANE_TOOLS,
    LINES,
    Change,
    Tale,
    a_sound_run,
    a_spec,
    change,
    leave_out,
    write_library,
)
from tests.support.builders import a_claim, a_contract, a_judgement, a_record, a_verdict, opens


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chains").resolve()


@pytest.fixture(scope="module")
def library(folder: Path) -> Iterator[Library]:
    with Library.open(write_library(folder)) as opened:
        yield opened


def codes_of(report: AuditReport) -> set[str]:
    return {breach.code for breach in report.breaches}


def chain(report: AuditReport, ref: str) -> Chain:
    return next(chain for chain in report.chains if chain.ref == ref)


def edited(**fields: Any) -> Change:
    """The first claim of the finding, with some fields as given."""

    def changed(body: Any) -> Any:
        first, *others = body.claims
        return msgspec.structs.replace(
            body, claims=(msgspec.structs.replace(first, **fields), *others)
        )

    return changed


def quoting(quote: str, source: str | None = None) -> Change:
    def changed(body: Any) -> Any:
        [one] = body.claims[0].evidence
        evidence = msgspec.structs.replace(one, quote=quote, source=source or one.source)
        return edited(evidence=(evidence,))(body)

    return changed


def text(edit: Callable[[str], str]) -> Change:
    return lambda body: msgspec.structs.replace(body, text=edit(body.text))


def citing(**fields: Any) -> Change:
    """The result's first citation, with some fields as given."""

    def changed(body: Any) -> Any:
        first, *others = body.citations
        citations = (msgspec.structs.replace(first, **fields), *others)
        return msgspec.structs.replace(body, citations=citations)

    return changed


def conflict(*, ruled: Any = None, other: str = "t1.c2") -> Callable[[Tale], None]:
    def added(tale: Tale) -> None:
        raised = ConflictRaised(first="t1.c1", second=other, reason="ten, or twenty")
        tale.tell("conflict", "k1", author=GATE, body=raised)
        if ruled is not None:
            tale.tell("conflict", "k1", body=ConflictRuled(stands=ruled, reason="so it is"))

    return added


def decision(*, withdrawn: bool) -> Callable[[Tale], None]:
    """The decision that the first claim rests on: the eleventh record."""

    def added(tale: Tale) -> None:
        recorded = DecisionRecorded(statement="Count open connections only.")
        seq = tale.tell("decision", "team", "count", author="ada", body=recorded)
        assert seq == DECIDED
        if withdrawn:
            body = DecisionWithdrawn(revision=seq, reason="it was wrong")
            tale.tell("decision", "team", "count", author="ada", body=body)

    return added


DECIDED = 11
RESTS = edited(relied_on=(Premise(area="team", key="count", revision=DECIDED),))


def lost_lane(*, said: bool) -> tuple[dict[str, Change], dict[str, Callable[[Tale], None]]]:
    def added(tale: Tale) -> None:
        tale.tell("task", "t2", body=opens("timeouts"))
        tale.tell("task", "t2", body=TaskSettled(state="failed", reasons=("no turns",)))

    missing = ("timeouts: failed: no turns",) if said else ()
    return {"result": change(status="partial", missing=missing)}, {"triaged": added}


def judged_by(member: str) -> Callable[[Tale], None]:
    def added(tale: Tale) -> None:
        body = a_verdict(tale.seqs["finding"], a_judgement(claim="c1"))
        tale.tell("verdict", "t1", author=member, body=body)

    return added


def planted(body: Any) -> Any:
    canary = a_claim("c3", "Pools never close a connection.")
    return msgspec.structs.replace(body, material=(*body.material, canary))


def refuting_it(body: VerdictGiven) -> VerdictGiven:
    """Each claim upheld, the planted one refuted."""
    judgements = tuple(
        msgspec.structs.replace(j, outcome="refuted" if j.claim == "c3" else "upheld")
        for j in body.judgements
    )
    return msgspec.structs.replace(body, judgements=judgements)


HOLES: dict[str, tuple[Callable[[Path], Tale], Callable[[Path], Tale]]] = {
    codes.NOT_ADMITTED: (
        lambda folder: a_sound_run({"result": citing(ref="t9.c1")}, folder=folder),
        lambda folder: a_sound_run(folder=folder),
    ),
    codes.NOT_GATED: (
        lambda folder: a_sound_run({"exact": leave_out}, folder=folder),
        lambda folder: a_sound_run(folder=folder),
    ),
    f"{codes.NOT_GATED} against a refusal": (
        lambda folder: a_sound_run(
            {"exact": change(judgements=(a_judgement("unsure", check="quotes"),))}, folder=folder
        ),
        lambda folder: a_sound_run(
            {"exact": change(judgements=(a_judgement("upheld", check="quotes"),))}, folder=folder
        ),
    ),
    codes.NOT_VERIFIED: (
        lambda folder: a_sound_run({"verdict": leave_out}, folder=folder),
        lambda folder: a_sound_run(folder=folder),
    ),
    f"{codes.NOT_VERIFIED} by enough": (
        lambda folder: a_sound_run(folder=folder, spec=a_spec(gate=GateRules(verifiers=2))),
        lambda folder: a_sound_run(
            folder=folder, spec=a_spec(gate=GateRules(verifiers=2, upheld_min=1))
        ),
    ),
    f"{codes.NOT_VERIFIED} by one who passed a canary": (
        lambda folder: a_sound_run({"verify": planted}, folder=folder),
        lambda folder: a_sound_run({"verify": planted, "verdict": refuting_it}, folder=folder),
    ),
    codes.OWN_JUDGE: (
        lambda folder: a_sound_run(after={"exact": judged_by("ada")}, folder=folder),
        lambda folder: a_sound_run(after={"exact": judged_by("vera")}, folder=folder),
    ),
    codes.QUOTE: (
        lambda folder: a_sound_run({"finding": quoting("At most ninety.")}, folder=folder),
        lambda folder: a_sound_run(
            {"finding": quoting(LINES[0].replace(" ", "  "))}, folder=folder
        ),
    ),
    codes.OUTSIDE: (
        lambda folder: a_sound_run(
            {"finding": quoting(LINES[0], str(folder / "secret/key.md"))}, folder=folder
        ),
        lambda folder: a_sound_run(
            {"finding": quoting(LINES[0], str(folder / "docs/pool.md"))}, folder=folder
        ),
    ),
    f"{codes.OUTSIDE} that the contract avoids": (
        lambda folder: a_sound_run(
            {"task": change(contract=a_contract(tools=LANE_TOOLS, sources_avoided=("docs",)))},
            folder=folder,
        ),
        lambda folder: a_sound_run(
            {"task": change(contract=a_contract(tools=LANE_TOOLS, sources_avoided=("secret",)))},
            folder=folder,
        ),
    ),
    codes.NO_EVIDENCE: (
        lambda folder: a_sound_run({"finding": edited(evidence=())}, folder=folder),
        lambda folder: a_sound_run(folder=folder),
    ),
    codes.STRUCK: (
        lambda folder: a_sound_run(after={"exact": conflict()}, folder=folder),
        lambda folder: a_sound_run(after={"exact": conflict(other="t9.c1")}, folder=folder),
    ),
    f"{codes.STRUCK} by the ruling": (
        lambda folder: a_sound_run(after={"exact": conflict(ruled="second")}, folder=folder),
        lambda folder: a_sound_run(after={"exact": conflict(ruled="both")}, folder=folder),
    ),
    codes.UNCITED: (
        lambda folder: a_sound_run(
            {"result": text(lambda t: t.replace(" [1]", ""))}, folder=folder
        ),
        lambda folder: a_sound_run(
            {"result": text(lambda t: f"{t}\n## What is missing\n\n- timeouts\n")}, folder=folder
        ),
    ),
    f"{codes.UNCITED} at all": (
        lambda folder: a_sound_run({"result": change(citations=(), text="")}, folder=folder),
        lambda folder: a_sound_run(
            {"result": change(status="rejected", citations=(), text="")}, folder=folder
        ),
    ),
    codes.ALTERED: (
        lambda folder: a_sound_run({"result": citing(quote="At most ninety.")}, folder=folder),
        lambda folder: a_sound_run(folder=folder),
    ),
    f"{codes.ALTERED} number": (
        lambda folder: a_sound_run(
            {"result": text(lambda t: t.replace("[2]", "[7]"))}, folder=folder
        ),
        lambda folder: a_sound_run(
            {"result": text(lambda t: t.replace("most.", r"most \[7\].", 1))}, folder=folder
        ),
    ),
    codes.FALLEN: (
        lambda folder: a_sound_run(
            {"finding": RESTS}, {"claimed": decision(withdrawn=True)}, folder=folder
        ),
        lambda folder: a_sound_run(
            {"finding": RESTS}, {"claimed": decision(withdrawn=False)}, folder=folder
        ),
    ),
    codes.UNSAID: (
        lambda folder: a_sound_run(*lost_lane(said=False), folder=folder),
        lambda folder: a_sound_run(*lost_lane(said=True), folder=folder),
    ),
    codes.UNSETTLED: (
        lambda folder: a_sound_run({"settled t1": leave_out}, folder=folder),
        lambda folder: a_sound_run(*lost_lane(said=True), folder=folder),
    ),
    f"{codes.UNSETTLED} and called whole": (
        lambda folder: a_sound_run({}, lost_lane(said=True)[1], folder=folder),
        lambda folder: a_sound_run({"settled t1": leave_out, "result": leave_out}, folder=folder),
    ),
    limits.SOURCE: (
        lambda folder: a_sound_run({"read": reading(folder / "secret/key.md")}, folder=folder),
        lambda folder: a_sound_run({"read": reading(folder / "docs/pool.md")}, folder=folder),
    ),
}


def reading(path: Path) -> Change:
    def changed(body: Any) -> Any:
        [call] = msgspec.json.decode(body.content)
        content = msgspec.json.encode([call | {"input": {"source": str(path)}}])
        return msgspec.structs.replace(body, content=msgspec.Raw(content))

    return changed


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_in_a_chain_is_a_breach_under_its_code(
    name: str, folder: Path, library: Library
) -> None:
    broken, _ = HOLES[name]

    assert name[:4] in codes_of(audit(broken(folder).records, library))


@pytest.mark.parametrize("name", HOLES)
def test_what_is_in_order_has_none(name: str, folder: Path, library: Library) -> None:
    _, whole = HOLES[name]

    assert name[:4] not in codes_of(audit(whole(folder).records, library))


@pytest.mark.parametrize("name", ["result", "M3.3"])
def test_a_part_that_fails_is_a_breach(name: str) -> None:
    def fails(*_: object) -> Any:
        raise ZeroDivisionError

    [breach] = audit(a_sound_run().records, parts={name: fails}).breaches

    assert breach.code == codes.FAILED


def test_a_library_that_fails_is_a_breach_and_no_chain_is_whole(folder: Path) -> None:
    """The sources can't be read: nothing is known of any quote."""
    library = Library.open(write_library(folder))
    library.close()

    report = audit(a_sound_run(folder=folder).records, library)

    assert codes.FAILED in codes_of(report)
    assert report.chains == ()


def test_every_code_of_the_audit_has_a_case() -> None:
    audited = {name[:4] for name in HOLES} | {codes.UNREADABLE, codes.FAILED}

    assert {rule.code for rule in codes.BREACHES} <= audited


def test_what_cannot_be_read_is_a_breach() -> None:
    tale = a_sound_run()
    tale.records.append(a_record(tale.last_seq + 1, "task", "t1"))

    [breach] = audit(tale.records).breaches

    assert breach.code == codes.UNREADABLE
    assert breach.seqs == (tale.last_seq,)


def test_a_stream_that_nobody_opened_is_a_breach() -> None:
    assert codes_of(audit([])) == {codes.UNREADABLE}


def test_a_chain_names_each_of_its_links(folder: Path, library: Library) -> None:
    tale = a_sound_run(after={"exact": conflict(ruled="both")}, folder=folder)

    found = chain(audit(tale.records, library), "t1.c1")

    assert (found.producer, found.round, found.finding_seq) == ("ada", 1, tale.seqs["finding"])
    assert found.settled_seq == tale.seqs["settled t1"]
    assert [(link.is_checked, link.problem) for link in found.evidence] == [(True, "")]
    assert {(v.member, v.outcome) for v in found.verdicts} == {
        ("gate", "upheld"),
        ("vera", "upheld"),
    }
    assert [(r.conflict, r.other, r.may_be_cited) for r in found.rulings] == [("k1", "t1.c2", True)]
    assert found.citations == (1,)
    assert found.holes == ()


def test_without_the_sources_a_quote_is_not_read_again_and_the_audit_says_so() -> None:
    report = audit(a_sound_run({"finding": quoting("At most ninety.")}).records)

    assert codes.QUOTE not in codes_of(report)
    assert [sign.what for sign in report.signs if sign.code == codes.QUOTE] == [
        "the run's sources are not at hand: no quote was read again"
    ]


def test_a_verdict_of_an_earlier_round_counts_for_a_claim_that_has_not_changed(
    folder: Path, library: Library
) -> None:
    """Only what was changed is verified again (docs/how-a-run-goes.md)."""
    assert codes_of(audit(carried(folder).records, library)) == set()


def test_it_does_not_count_for_one_that_has_changed(folder: Path, library: Library) -> None:
    report = audit(carried(folder, text="Twelve connections at most.").records, library)

    assert chain(report, "t1.c1").holes == (codes.NOT_VERIFIED,)


def carried(folder: Path, **fields: Any) -> Tale:
    """A second round whose first claim was upheld in the first one."""
    sound = a_sound_run(folder=folder).finding

    def first_round(tale: Tale) -> None:
        seq = tale.tell("finding", "t1", author="ada", body=sound)
        opened = opens(
            "verify",
            purpose="verify",
            role="skeptic",
            subject_task="t1",
            subject_seq=seq,
            material=sound.claims,
            offered_to="vera",
        )
        tale.tell("task", "v-0", body=opened)
        tale.tell("task", "v-0", author="vera", body=TaskClaimed())
        said = tuple(
            Judgement(check="verification", outcome=outcome, reason="r", claim=claim)
            for claim, outcome in (("c1", "upheld"), ("c2", "refuted"))
        )
        tale.tell(
            "verdict", "t1", author="vera", body=VerdictGiven(finding_seq=seq, judgements=said)
        )
        tale.tell("task", "v-0", body=TaskSettled(state="failed"))

    def without_c1(body: Any) -> Any:
        judgements = tuple(j for j in body.judgements if j.claim != "c1")
        return msgspec.structs.replace(body, judgements=judgements)

    changes = {"finding": edited(**fields), "verdict": without_c1, "v return": change()}
    return a_sound_run(changes, {"read !": first_round}, folder=folder)


def test_a_seat_that_somebody_else_laid_out_gives_nobody_a_say() -> None:
    def added(tale: Tale) -> None:
        body = MemberSeated(role="skeptic", filters=())
        tale.tell("member", "walt", author="ada", body=body)
        judged_by("walt")(tale)

    report = audit(a_sound_run({"verdict": leave_out}, {"exact": added}).records)

    assert chain(report, "t1.c1").holes == (codes.NOT_VERIFIED,)
    assert LEAD not in {breach.member for breach in report.breaches}
