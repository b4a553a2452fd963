"""What a model thought goes back word for word, or not at all."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from team.agent.thinking import THINKING, has_thinking, sent_back, without_thinking

THOUGHT = {"type": "thinking", "thinking": "Which?", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "eA=="}
SAID = {"type": "text", "text": "So."}
CALL = {"type": "tool_use", "id": "a", "name": "note", "input": {}}

replies = st.lists(st.sampled_from([THOUGHT, HIDDEN, SAID, CALL]), max_size=6)


@given(blocks=replies)
def test_a_reply_goes_back_as_it_came_up_to_the_last_word_it_says(
    blocks: list[dict[str, Any]],
) -> None:
    back = sent_back(blocks, follows_what_it_followed=True)

    assert blocks[: len(back)] == back
    assert all(block["type"] in THINKING for block in blocks[len(back) :])
    assert not back or back[-1]["type"] not in THINKING


@given(blocks=replies)
def test_behind_another_beginning_all_but_the_thinking_goes_back(
    blocks: list[dict[str, Any]],
) -> None:
    back = sent_back(blocks, follows_what_it_followed=False)

    assert back == [block for block in blocks if block in (SAID, CALL)]


def test_messages_lose_their_thinking_and_nothing_else() -> None:
    user = {"role": "user", "content": [SAID]}
    messages = [user, {"role": "assistant", "content": [THOUGHT, HIDDEN, SAID, CALL]}]

    bare = without_thinking(messages)

    assert bare == [user, {"role": "assistant", "content": [SAID, CALL]}]
    assert (has_thinking(messages), has_thinking(bare)) == (True, False)
    assert len(messages[1]["content"]) == 4
