"""A member's world: what its filter list covers, and whom it never hears of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import subjects
from bus.errors import InvalidNameError
from bus.subjects import NAMES_OF_KIND, Subject
from team.rules.world import lead_filters, teammate_filters
from tests.support.builders import RUN

NAMES = ["ada", "bea", "lead", "vera", "t1", "t2", "v-t1-1-1", "api", "paging"]
names = st.sampled_from(NAMES)


def covers(pattern: str, subject: str) -> bool:
    """Whether a NATS filter covers a subject: `*` is one token, `>` all that follow."""
    wanted, given_ = pattern.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == ">":
            return len(given_) > place
        if place >= len(given_) or token not in ("*", given_[place]):
            return False
    return len(wanted) == len(given_)


def is_sent(filters: tuple[str, ...], subject: Subject) -> bool:
    return any(covers(pattern, str(subject)) for pattern in filters)


@st.composite
def any_subject(draw: st.DrawFn) -> Subject:
    """A subject of the run: any kind, any names, any author."""
    kind = draw(st.sampled_from(sorted(NAMES_OF_KIND)))
    given_ = [draw(names) for _ in NAMES_OF_KIND[kind]]
    return subjects.build(RUN, kind, *given_, author=draw(names))


@given(subject=any_subject(), tasks=st.sets(names, max_size=3), areas=st.sets(names, max_size=3))
def test_a_teammate_is_sent_its_own_world_and_nothing_of_anothers(
    subject: Subject, tasks: set[str], areas: set[str]
) -> None:
    """Its mail, control, tasks and areas; who is in the team; what the run is. No more."""
    filters = teammate_filters(RUN, "ada", sorted(tasks), sorted(areas))

    may_see = {
        "spec": True,
        "member": True,
        "mail": subject.names[:1] == ("ada",),
        "control": subject.names[:1] == ("ada",),
        "task": set(subject.names) <= tasks,
        "decision": set(subject.names[:1]) <= areas,
    }
    assert is_sent(filters, subject) is may_see.get(subject.kind, False)


@pytest.mark.parametrize(
    "subject",
    [
        subjects.journal(RUN, "bea"),
        subjects.journal(RUN, "ada"),
        subjects.usage(RUN, "bea"),
        subjects.mail(RUN, "bea", "lead"),
        subjects.mail(RUN, "bea", "ada"),
        subjects.control(RUN, "bea", "lead"),
        subjects.finding(RUN, "t2", "bea"),
        subjects.finding(RUN, "t1", "bea"),
        subjects.verdict(RUN, "t1", "vera"),
        subjects.task(RUN, "t2", "lead"),
        subjects.decision(RUN, "data", "x", "bea"),
        subjects.result(RUN),
    ],
    ids=str,
)
def test_a_teammate_is_never_sent(subject: Subject) -> None:
    filters = teammate_filters(RUN, "ada", ["t1"], ["api"])

    assert not is_sent(filters, subject)


@given(subject=any_subject())
def test_the_lead_is_sent_all_but_journals_reasons_and_others_mail(subject: Subject) -> None:
    is_others_mail = subject.kind == "mail" and subject.names[0] != "lead"
    hidden = subject.kind in ("journal", "rationale") or is_others_mail

    assert is_sent(lead_filters(RUN), subject) is not hidden


@given(subject=any_subject())
def test_no_filter_reaches_into_another_run(subject: Subject) -> None:
    other = Subject("r2", subject.kind, subject.names, subject.author)

    assert not is_sent(lead_filters(RUN), other)
    assert not is_sent(teammate_filters(RUN, "ada", NAMES, NAMES), other)


@pytest.mark.parametrize("bad", ["*", ">", "a.b", "", "a b"])
def test_a_name_that_would_widen_the_world_is_refused(bad: str) -> None:
    for name, tasks, areas in ((bad, [], []), ("ada", [bad], []), ("ada", [], [bad])):
        with pytest.raises(InvalidNameError):
            teammate_filters(RUN, name, tasks, areas)


def test_a_filter_stands_once_in_the_list() -> None:
    """JetStream refuses a consumer whose filters overlap."""
    filters = teammate_filters(RUN, "ada", ["t1", "t1"], ["api", "api"])

    assert len(set(filters)) == len(filters)
