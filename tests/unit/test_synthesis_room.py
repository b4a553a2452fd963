"""From which claims an answer is written, where not all fit into one context."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.codec import MESSAGE_BYTES_MAX, body_size
from bus.messages import ContextOpened
from team.agent.briefing import Briefing, opening
from team.agent.tools.return_tools import RESULT_BYTES_MAX, SubmitSynthesis
from team.members.synthesis import _citable
from team.rules.synthesis import AdmittedClaim, Section, Sentence, Synthesis
from team.rules.synthesis_gate import NOTHING
from team.rules.synthesis_room import CLAIMS_BYTES_MAX, room_for
from tests.support.builders import a_claim, an_admitted, an_evidence

WINDOW = 200_000


def claims(lanes: int, each: int, characters: int = 900) -> list[AdmittedClaim]:
    """So many lanes with so many claims, whose text and quote are so long."""
    return [
        an_admitted(f"t{lane}.c{n}", a_long(f"c{n}", characters))
        for lane in range(lanes)
        for n in range(each)
    ]


def a_long(claim_id: str, characters: int) -> AdmittedClaim:
    text = 'Pools say "no". ' * (characters // 16)
    return a_claim(claim_id, text=text, evidence=(an_evidence(text),))


def test_claims_that_fit_are_shown_whole() -> None:
    few = claims(3, 5)

    room = room_for(few, WINDOW)

    assert room.claims == tuple(few)
    assert not room.left_out


def test_where_there_is_less_room_they_are_shown_without_their_evidence() -> None:
    many = claims(5, 30)

    room = room_for(many, WINDOW)

    assert [one.ref for one in room.claims] == [one.ref for one in many]
    assert not any(one.claim.evidence for one in room.claims)
    assert not room.left_out


def test_four_hundred_long_claims_are_cut_evenly_and_the_rest_is_said_to_be_missing() -> None:
    many = claims(10, 40)

    room = room_for(many, WINDOW)

    shown = [sum(one.task == f"t{lane}" for one in room.claims) for lane in range(10)]
    assert max(shown) - min(shown) <= 1
    assert 0 < sum(shown) < 400
    assert room.left_out[0] == (
        f"lane t0: {40 - shown[0]} of 40 admitted claims had no room in the answer"
    )
    assert len(room.left_out) == 10


def test_what_the_lead_begins_with_fits_into_a_message_whatever_was_admitted() -> None:
    """The lead died on it at each start, when it did not."""
    room = room_for(claims(20, 40, 1_900), 10_000_000)
    briefing = Briefing(
        kind="synthesis", me="lead", claims=_citable(room.claims, NOTHING), missing=room.left_out
    )

    opened = ContextOpened(
        context="synthesis:9",
        system="x" * 8_000,
        opening=opening(briefing),
        tools=("submit_synthesis",),
        model="m1",
    )

    assert body_size(opened) < MESSAGE_BYTES_MAX


@given(
    st.integers(1, 8),
    st.integers(1, 12),
    st.integers(16, 4_000),
    st.integers(1_000, 400_000),
)
def test_no_claim_is_lost_without_a_word(
    lanes: int, each: int, characters: int, window: int
) -> None:
    many = claims(lanes, each, characters)

    room = room_for(many, window)

    refs = [one.ref for one in room.claims]
    assert refs == [one.ref for one in many if one.ref in set(refs)]
    lost = sum(int(line.split(": ")[1].split(" of ")[0]) for line in room.left_out)
    assert len(refs) + lost == len(many)


async def test_an_answer_that_would_not_fit_into_a_message_is_sent_back() -> None:
    many = claims(10, 40)
    cites = tuple(one.ref for one in many)
    sentence = Sentence(text=many[0].claim.text, cites=cites)
    answer = Synthesis(title="All", sections=(Section(heading="All", sentences=(sentence,)),))

    given_back = await SubmitSynthesis(tuple(many), NOTHING).run(answer)

    assert given_back.is_error
    assert f"at most {RESULT_BYTES_MAX}; cite fewer claims" in given_back.content
    assert CLAIMS_BYTES_MAX < RESULT_BYTES_MAX < MESSAGE_BYTES_MAX
