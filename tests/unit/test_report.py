"""The report page: complete, well formed, and nothing of what it shows is ever markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import GATE
from bus.messages import (
    ApprovalAsked,
    Challenge,
    Citation,
    Claim,
    DecisionChallenged,
    DecisionRecorded,
    DecisionRuled,
    Evidence,
    FindingSubmitted,
    Judgement,
    Question,
    ResultPublished,
    TaskClaimed,
    TaskSettled,
    TaskSubmitted,
    VerdictGiven,
)
from team.state import RunState
from team.views.report import report_page
from team.views.run_object import Status, run_object
from tests.support.builders import Story, a_story, compacts, opens

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>]]>&amp;"
_VOID = {"meta", "br", "hr", "img", "link", "col", "path", "line", "circle", "rect", "polygon"}


class Page(HTMLParser):
    """A page taken apart: its tags in balance, its ids, its links, its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that opens."""
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """A tag closes the last that is open."""
        if tag not in _VOID:
            assert self.open, tag
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += data


def _told(text: str, status: str = "admitted") -> Story:
    """A run in which everything that can be written says `text`."""
    story = a_story()
    story.seat("ada")
    story.seat("bea")
    task = opens(text, offered_to="ada")
    story.tell("task", "t1", body=task)
    story.tell("task", "t1", author="ada", body=TaskClaimed())
    asked = story.tell("mail", "bea", author="ada", body=Question(text=text, about=text))
    objection = Challenge(text=text, in_reply_to=f"m{asked}")
    challenge = story.tell("mail", "ada", author="bea", body=objection)
    decided = story.tell(
        "decision", "api", "k", author="ada", body=DecisionRecorded(statement=text)
    )
    objected = DecisionChallenged(revision=decided, reason=text, instead=text)
    story.tell("decision", "api", "k", author="bea", body=objected)
    story.tell(
        "decision",
        "api",
        "k",
        body=DecisionRuled(revision=decided, outcome="upheld", reason=text),
    )
    evidence = Evidence(source=f"/src/{text}", locator="L1", quote=text)
    claim = Claim(
        id="c1",
        text=text,
        confidence="high",
        evidence=(evidence,),
        revised_after=f"m{challenge}",
    )
    finding = FindingSubmitted(summary=text, claims=(claim,), open_questions=(text,))
    seq = story.tell("finding", "t1", author="ada", body=finding)
    story.tell("task", "t1", author="ada", body=TaskSubmitted())
    upheld = Judgement(check="quotes", outcome="upheld", reason=text, claim="c1")
    verdict = VerdictGiven(finding_seq=seq, judgements=(upheld,))
    story.tell("verdict", "t1", author=GATE, body=verdict)
    story.tell("task", "t1", body=TaskSettled(state="admitted", reasons=(text,)))
    citation = Citation(
        ref="t1.c1", claim=text, member="ada", source=f"/src/{text}", locator="L1", quote=text
    )
    line = " ".join(text.split())
    written = (
        f"# {line}\n\n## {line}\n\n- {line} [1]\n\n## Evidence\n\n[1] /src L1 (ada): “{line}”\n"
    )
    result = ResultPublished(
        status=status, text=written, citations=(citation,), missing=(text, text)
    )
    story.tell("result", body=result)
    return story


def _page(state: RunState) -> str:
    return report_page(run_object("r1", state, is_live=False), state)


def test_whatever_a_run_says_stays_text() -> None:
    """Goals, sources, quotes, mail and reasons come from anywhere."""
    html = _page(_told(EVIL).state)
    page = Page(html)

    assert "script" not in page.tags
    assert "img" not in page.tags
    assert "<script" not in html.lower()
    assert "alert(1)" in page.text
    assert not page.open


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_any_text_gives_a_page_in_balance(text: str) -> None:
    """No text can open or close anything."""
    page = Page(_page(_told(text).state))

    assert not page.open
    assert "script" not in page.tags


def test_every_link_in_the_page_leads_somewhere_and_ids_are_unique() -> None:
    """Citations, replies and claims point to each other."""
    page = Page(_page(_told("Pools are bounded by ten.").state))

    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert inside
    assert set(inside) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_nothing_is_loaded_from_anywhere() -> None:
    """The page stands alone and says so to the browser."""
    html = _page(_told("Pools are bounded by ten.").state)

    assert "Content-Security-Policy" in html
    assert "default-src 'none'" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)


@pytest.mark.parametrize("status", ["admitted", "partial", "rejected", "cancelled"])
def test_the_status_and_what_is_missing_are_said_first(status: str) -> None:
    """A reader sees what the answer lacks before the answer."""
    text = Page(_page(_told("Pools are bounded by ten.", status).state)).text

    assert text.index(status) < text.index("Evidence")


def test_a_run_that_waits_for_a_person_has_a_page_that_says_so() -> None:
    story = a_story()
    story.tell("approval", "plan", body=ApprovalAsked(what="plan", text="lanes"))

    page = Page(_page(story.state))

    assert not page.open
    assert "The run waits for a person" in page.text


@pytest.mark.parametrize("status", get_args(Status))
def test_every_way_in_which_a_run_may_stand_has_a_page(status: Status) -> None:
    state = RunState()
    shown = msgspec.structs.replace(run_object("r1", state, is_live=False), status=status)

    assert Page(report_page(shown, state)).text.count(status) >= 1


def test_a_run_without_members_or_result_has_a_page_too() -> None:
    """`team show` may be asked at any time."""
    page = Page(_page(RunState()))

    assert not page.open
    assert "stopped" in page.text


def test_how_often_turns_have_left_a_members_contexts_is_counted() -> None:
    story = a_story()
    story.seat("ada")
    for upto in (1, 3):
        story.tell("journal", author="ada", body=compacts(upto))

    members = {row.name: row for row in run_object("r1", story.state, is_live=False).members}

    assert (members["ada"].compactions, members["lead"].compactions) == (2, 0)
    assert "ada (compacted 2×)" in _page(story.state)
    assert "lead (compacted" not in _page(story.state)
