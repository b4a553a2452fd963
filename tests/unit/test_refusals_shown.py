"""What was refused and what is left of a run, as people and programs see it."""

from __future__ import annotations

import msgspec

from bus.ids import LEAD
from bus.messages import ActRefused, TokenCounts
from team.views.lines import log_line, story_line
from team.views.run_object import run_object
from team.views.text import show_text, summary_text
from tests.support.builders import Story, a_record, a_story, a_usage

REFUSED = ActRefused(
    code="P201", what="tool note", reason="you have no tool 'note'", context="task:t1:1", turn=2
)


def a_refused_story(**policy: float) -> Story:
    story = a_story(**policy)
    story.seat("ada")
    story.tell("refusal", author="ada", body=REFUSED)
    story.tell("usage", author=LEAD, body=a_usage(context="plan", cost_usd=0.5, input=1_000))
    return story


def test_a_refusal_is_a_line_of_the_story_and_of_the_log() -> None:
    record = next(r for r in a_refused_story().records if r.body == REFUSED)

    for line in (story_line(record), log_line(record)):
        assert line is not None
        assert line.endswith("is refused tool note (P201): you have no tool 'note'")


def test_the_log_counts_what_answers_took_that_broke_off() -> None:
    lost = TokenCounts(input=3_000, output=2)
    usage = msgspec.structs.replace(a_usage(cost_usd=0.0), lost=lost)

    line = log_line(a_record(1, "usage", author="ada", body=usage))

    assert "3002 tokens (3002 in answers that broke off), $0.0000" in line


def test_refusals_are_in_the_result_object_and_in_what_show_prints() -> None:
    shown = run_object("r1", a_refused_story().state, is_live=False)

    [row] = shown.refusals
    assert (row.member, row.code, row.what, row.turn) == ("ada", "P201", "tool note", 2)
    assert "refused:\n  P201  ada  tool note  task:t1:1" in show_text(shown)


def test_what_is_left_of_tokens_and_dollars_is_said() -> None:
    story = a_refused_story(run_tokens_max=10_000, run_dollars_max=2.0)
    shown = run_object("r1", story.state, is_live=False)

    assert shown.usage.tokens is not None
    assert (shown.usage.tokens.limit, shown.usage.tokens.left) == (10_000, 9_000)
    said = summary_text(shown)
    assert "tokens of the run: spent 1,000, granted 1,000, left to grant 9,000 of 10,000" in said
    assert "dollars of the run: spent $0.5000, granted $0.5000, left to grant $1.5000 of $2" in said


def test_a_run_without_a_limit_in_dollars_says_nothing_of_it() -> None:
    assert "dollars of the run" not in summary_text(
        run_object("r1", a_refused_story().state, is_live=False)
    )
