"""The subject grammar: built and parsed back, and nothing unsafe gets in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import subjects
from bus.errors import InvalidNameError, InvalidSubjectError
from bus.subjects import NAMES_OF_KIND, Subject, build, parse

SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
OWN_KINDS = ("journal", "usage", "refusal")

tokens = st.from_regex(SAFE, fullmatch=True)
unsafe = st.text().filter(lambda text: not SAFE.fullmatch(text))
few = st.sampled_from(["a", "A", "a-b", "lead"])
kinds = st.sampled_from(sorted(NAMES_OF_KIND))


@st.composite
def any_subjects(
    draw: st.DrawFn,
    of: st.SearchStrategy[str] = kinds,
    parts: st.SearchStrategy[str] = tokens,
) -> Subject:
    kind = draw(of)
    names = [draw(parts) for _ in NAMES_OF_KIND[kind]]
    return build(draw(parts), kind, *names, author=draw(parts))


def matches(pattern: str, subject: str) -> bool:
    """Whether NATS would deliver the subject to a subscription on the pattern."""
    wanted, given_ = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(given_) >= len(wanted) and matches(
            ".".join(wanted[:-1]), ".".join(given_[: len(wanted) - 1])
        )
    return len(wanted) == len(given_) and all(
        one in ("*", other) for one, other in zip(wanted, given_, strict=True)
    )


@given(any_subjects())
def test_subject_survives_the_way_to_text_and_back(subject: Subject) -> None:
    assert parse(str(subject)) == subject


@given(
    st.lists(st.one_of(tokens, kinds, st.just("run"), st.text(max_size=4)), max_size=7),
    st.booleans(),
)
def test_any_text_is_the_subject_it_parses_to_or_is_refused(parts: list[str], led: bool) -> None:
    """Nothing else is ever raised, so one bad subject can't end a reader."""
    text = ".".join(["run", *parts] if led else parts)

    try:
        subject = parse(text)
    except (InvalidSubjectError, InvalidNameError):
        return

    assert str(subject) == text


@given(any_subjects(), st.data())
def test_unsafe_token_is_refused_wherever_it_stands(subject: Subject, data: st.DataObject) -> None:
    parts = [subject.run, *subject.names, subject.author]
    at = data.draw(st.integers(0, len(parts) - 1))
    parts[at] = data.draw(unsafe)
    run, *names, author = parts

    with pytest.raises(InvalidNameError):
        build(run, subject.kind, *names, author=author)
    with pytest.raises((InvalidNameError, InvalidSubjectError)):
        parse(".".join(("run", run, subject.kind, *names, author)))


@given(any_subjects(), tokens)
def test_wrong_number_of_names_is_refused(subject: Subject, extra: str) -> None:
    with pytest.raises(InvalidSubjectError):
        build(subject.run, subject.kind, *subject.names, extra, author=subject.author)
    if subject.names:
        with pytest.raises(InvalidSubjectError):
            build(subject.run, subject.kind, *subject.names[1:], author=subject.author)


@given(tokens.filter(lambda kind: kind not in NAMES_OF_KIND))
def test_unknown_kind_is_refused(kind: str) -> None:
    with pytest.raises(InvalidSubjectError):
        build("r1", kind, author="ada")
    with pytest.raises(InvalidSubjectError):
        subjects.pattern("r1", kind)


@given(any_subjects(kinds.filter(lambda kind: kind not in OWN_KINDS)), tokens)
def test_key_covers_all_authors_of_one_thing(subject: Subject, other: str) -> None:
    """Compare and set over the key is then the same race for everybody."""
    by_other = build(subject.run, subject.kind, *subject.names, author=other)

    assert matches(subject.key, str(subject))
    assert matches(subject.key, str(by_other))
    assert by_other.key == subject.key


@given(any_subjects(st.sampled_from(["task", "decision"]), few), any_subjects(parts=few))
def test_key_covers_nothing_else(subject: Subject, other: Subject) -> None:
    same = (other.run, other.kind, other.names) == (subject.run, subject.kind, subject.names)

    assert matches(subject.key, str(other)) == same


@given(any_subjects(st.sampled_from(sorted(OWN_KINDS))))
def test_key_of_what_only_its_author_writes_is_the_subject(subject: Subject) -> None:
    assert subject.key == str(subject)


@given(any_subjects(), st.data())
def test_pattern_narrows_by_first_names(subject: Subject, data: st.DataObject) -> None:
    kept = subject.names[: data.draw(st.integers(0, len(subject.names)))]
    names = ["*" if data.draw(st.booleans()) else name for name in kept]

    pattern = subjects.pattern(subject.run, subject.kind, *names)

    assert matches(pattern, str(subject))
    assert matches(subjects.everything(subject.run), str(subject))


@given(any_subjects(parts=few), any_subjects(parts=few))
def test_pattern_lets_no_other_run_kind_or_name_through(one: Subject, other: Subject) -> None:
    pattern = subjects.pattern(one.run, one.kind, *one.names)

    same = (other.run, other.kind, other.names) == (one.run, one.kind, one.names)
    assert matches(pattern, str(other)) == same
    assert matches(subjects.everything(one.run), str(other)) == (other.run == one.run)


@given(unsafe.filter(lambda text: text != "*"))
def test_pattern_refuses_unsafe_names(name: str) -> None:
    """Above all `>` and dots, which would widen what a member is sent."""
    with pytest.raises(InvalidNameError):
        subjects.pattern("r1", "mail", name)
    with pytest.raises(InvalidNameError):
        subjects.pattern(name, "mail")
    with pytest.raises(InvalidNameError):
        subjects.everything(name)


def test_pattern_refuses_more_names_than_the_kind_has() -> None:
    with pytest.raises(InvalidSubjectError):
        subjects.pattern("r1", "mail", "ada", "bob")


def test_each_kind_has_a_builder_of_its_own() -> None:
    built = [
        subjects.spec("r"),
        subjects.result("r"),
        subjects.member("r", "ada", "lead"),
        subjects.task("r", "t1", "ada"),
        subjects.mail("r", "ada", "bob"),
        subjects.control("r", "ada", "person"),
        subjects.decision("r", "api", "paging", "ada"),
        subjects.rationale("r", "api", "paging", "ada"),
        subjects.finding("r", "t1", "ada"),
        subjects.verdict("r", "t1", "bob"),
        subjects.conflict("r", "c1", "gate"),
        subjects.approval("r", "plan", "person"),
        subjects.refusal("r", "ada"),
        subjects.snapshot("r", "s1", "ada"),
        subjects.journal("r", "ada"),
        subjects.usage("r", "ada"),
    ]

    assert {subject.kind for subject in built} == set(NAMES_OF_KIND)
    assert [str(subject) for subject in built] == [
        "run.r.spec.lead",
        "run.r.result.lead",
        "run.r.member.ada.lead",
        "run.r.task.t1.ada",
        "run.r.mail.ada.bob",
        "run.r.control.ada.person",
        "run.r.decision.api.paging.ada",
        "run.r.rationale.api.paging.ada",
        "run.r.finding.t1.ada",
        "run.r.verdict.t1.bob",
        "run.r.conflict.c1.gate",
        "run.r.approval.plan.person",
        "run.r.refusal.ada",
        "run.r.snapshot.s1.ada",
        "run.r.journal.ada",
        "run.r.usage.ada",
    ]


@given(tokens, tokens)
def test_core_subjects_are_built_and_parsed_back(run: str, name: str) -> None:
    assert subjects.parse_core(subjects.live(run, name)) == ("live", run, name)
    assert subjects.parse_core(subjects.beat(run, name)) == ("beat", run, name)
    assert matches(subjects.live(run), subjects.live(run, name))
    assert matches(subjects.beat("*"), subjects.beat(run, name))
    assert not matches(subjects.live(run), subjects.beat(run, name))


@given(st.one_of(st.text(), st.lists(st.text(max_size=4), max_size=4).map(".".join)))
def test_any_other_text_is_no_core_subject(text: str) -> None:
    """With the kind in front as well."""
    for given_ in (text, f"beat.{text}"):
        try:
            kind, run, name = subjects.parse_core(given_)
        except (InvalidSubjectError, InvalidNameError):
            continue
        assert given_ == f"{kind}.{run}.{name}"


@given(unsafe.filter(lambda text: text != "*"))
def test_core_subjects_and_streams_refuse_unsafe_names(name: str) -> None:
    builders = (subjects.live, subjects.beat, subjects.stream_name, subjects.artifact_stream_name)
    for builder in (*builders, subjects.artifacts):
        with pytest.raises(InvalidNameError):
            builder(name)
    with pytest.raises(InvalidNameError):
        subjects.artifact_chunk("r1", name, 0)


@given(tokens, tokens, st.integers(min_value=0, max_value=2000))
def test_chunks_of_an_artifact_stand_under_its_hash(run: str, sha256: str, number: int) -> None:
    chunk = subjects.artifact_chunk(run, sha256, number)

    assert matches(subjects.artifact_chunk(run, sha256, None), chunk)
    assert matches(subjects.artifacts(run), chunk)
    assert not matches(subjects.everything(run), chunk)


@pytest.mark.parametrize(
    ("pattern", "is_covered"),
    [
        ("run.r1.mail.ada.bea", True),
        ("run.r1.mail.*.bea", True),
        ("run.r1.mail.ada.*", True),
        ("run.r1.>", True),
        ("run.r1.mail.ada.bea.>", False),
        ("run.r1.mail.ada", False),
        ("run.r1.mail.*", False),
        ("run.r1.mail.bea.*", False),
        ("run.r2.>", False),
    ],
)
def test_a_filter_covers_what_the_server_would_send(pattern: str, is_covered: bool) -> None:
    assert subjects.matches("run.r1.mail.ada.bea", pattern) == is_covered


def test_a_subject_or_filter_can_be_put_under_another_run() -> None:
    """Only the run is another; what is of a third run is told apart."""
    for text in ("run.r1.mail.ada.bea", "run.r1.decision.api.*.*", "art.r1.abc.0", "run.r1.>"):
        assert subjects.under(text, "r2") == text.replace("r1", "r2")
    assert subjects.is_of("run.r1.mail.ada.*", "r1")
    assert not subjects.is_of("run.r11.mail.ada.*", "r1")
    with pytest.raises(InvalidNameError):
        subjects.under("run.r1.mail.ada.bea", "r.2")
