"""Who ends a turn without a call is told so once, and then has not returned; a cut is no end."""

from __future__ import annotations

import pytest

from bus.messages import TurnReplied
from team.agent import endings, stops
from team.agent.journal import Transcript, Turn
from tests.support.builders import opens_context, replies, says
from tests.support.decisions import an_assignment

TO_RETURN = an_assignment(ends_with="give_back")


def a_transcript(*replied: TurnReplied) -> Transcript:
    turns = [Turn(replied=one) for one in replied]
    return Transcript(opened=opens_context(), at=0.0, turns=turns)


@pytest.mark.parametrize("stop", sorted(stops.UNENDED))
def test_a_turn_that_was_cut_off_or_paused_is_no_idle_one(stop: str) -> None:
    transcript = a_transcript(
        replies(1, says("And then"), stop_reason=stop), replies(2, says("Done."))
    )

    assert endings.ended_by_reply(TO_RETURN, transcript) is None
    [nudge] = endings.nudge(TO_RETURN, transcript)
    assert nudge.startswith("Nobody reads your text.")


def test_the_second_idle_turn_ends_it() -> None:
    transcript = a_transcript(
        replies(1, says("Done.")),
        replies(2, says("And then"), stop_reason=stops.CUT_OFF),
        replies(3, says("Done.")),
    )

    outcome = endings.ended_by_reply(TO_RETURN, transcript)

    assert outcome is not None
    assert outcome.reason == "it never called give_back"
