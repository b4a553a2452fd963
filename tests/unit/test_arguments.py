"""What the SDK is given for a request: by what whoever answers can do, and no word changed."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from team.agent.models.abilities import FIRST_PARTY, PORTABLE, Abilities
from team.agent.models.arguments import MARKS_MAX, arguments
from team.agent.models.call import Request
from tests.support.prompt_cache import PromptCache, blocks_of

texts = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4)


def said(role: str, words: list[str]) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": word} for word in words]}


@st.composite
def requests(draw: st.DrawFn) -> Request:
    turns = draw(st.lists(st.tuples(texts, texts), max_size=5))
    messages = [said("user", draw(texts))]
    for reply, more in turns:
        messages += [said("assistant", reply), said("user", more)]
    return Request(
        model="m1",
        system=draw(st.sampled_from(["", "Work."])),
        messages=messages,
        tools=[{"name": "look", "input_schema": {"type": "object"}}],
        max_tokens=100,
        effort=draw(st.sampled_from([None, "low"])),
        cache=draw(st.sampled_from(["5m", "1h", "off"])),
    )


@given(request=requests())
def test_marks_change_no_word_and_are_few_enough(request: Request) -> None:
    before = copy.deepcopy(request.messages)

    given = arguments(request, FIRST_PARTY, "m1")

    plain = arguments(request, PORTABLE, "m1")
    assert [b.data for b in blocks_of(given)] == [b.data for b in blocks_of(plain)]
    marks = [block.mark for block in blocks_of(given) if block.mark]
    assert len(marks) <= MARKS_MAX
    assert set(marks) == (set() if request.cache == "off" else {request.cache})
    assert PromptCache().problem(given) is None
    assert request.messages == before


@given(request=requests())
def test_a_mark_stands_where_the_next_call_will_look_for_it(request: Request) -> None:
    """The end of a call is marked in it, and in the one that follows it."""
    given = arguments(request, Abilities(cache=True), "m1")
    if request.cache == "off":
        return

    messages = given["messages"]
    assert "cache_control" in messages[-1]["content"][-1]
    assert "cache_control" in messages[0]["content"][0]
    if len(messages) > 2:
        assert "cache_control" in messages[-3]["content"][-1]
    assert not any("cache_control" in b for m in messages[1::2] for b in m["content"])


@given(request=requests())
def test_whoever_is_not_known_gets_the_basic_fields_only(request: Request) -> None:
    given = arguments(request, PORTABLE, "m1")

    assert set(given) == {"model", "max_tokens", "system", "messages", "tools"}
    assert "cache_control" not in str(given)
