"""The rehearsal model in a context that turns have left: it recalls, and goes on."""

from __future__ import annotations

from typing import Any

import msgspec

from team.agent.earlier import Earlier, EarlierCall, earlier_text
from team.agent.models.rehearsal.brain import RECALLS_MAX, compose
from team.agent.models.rehearsal.conversation import read_request
from tests.support.builders import calls
from tests.support.rehearsed import PAGE, RESEARCH, SENTENCE, a_request


def a_compacted_request(*calls_made: EarlierCall, recalled: str | None = None) -> dict[str, Any]:
    """Ada's request once her first turn has left, and perhaps come back."""
    earlier = earlier_text(Earlier(upto=1, calls=calls_made))
    request = a_request(RESEARCH, earlier)
    request["tools"].append({"name": "recall", "input_schema": {"type": "object"}})
    if recalled is not None:
        call = calls("r1", "recall", turn=1, call=2)
        result = {"type": "tool_result", "tool_use_id": "r1", "content": recalled}
        request["messages"] += [
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    return request


SEARCHED = EarlierCall(
    turn=1, call=2, tool="search_sources", input={"query": "pools"}, gave="== do…", characters=900
)


def test_it_recalls_what_it_has_read_and_can_not_see_any_more() -> None:
    listed = msgspec.structs.replace(SEARCHED, call=1, tool="list_sources", input={})

    blocks = compose(a_compacted_request(listed, SEARCHED)).blocks

    assert [(b["name"], b["input"]) for b in blocks] == [("recall", {"turn": 1, "call": 2})]


def test_what_it_has_recalled_is_to_it_as_if_it_had_never_left() -> None:
    page = f'turn 1, call 2: search_sources {{"query":"pools"}}\n{PAGE}'

    blocks = compose(a_compacted_request(SEARCHED, recalled=page)).blocks

    assert [b["name"] for b in blocks] != ["recall"]
    situation = read_request(a_compacted_request(SEARCHED, recalled=page))
    assert situation is not None
    assert [p.lines[0] for p in situation.passages] == [SENTENCE]
    assert [call.tool for call in situation.done] == ["search_sources"]


def test_it_does_not_recall_for_ever() -> None:
    request = a_compacted_request(SEARCHED)
    told = earlier_text(Earlier(upto=9, calls=(SEARCHED,), recalls=RECALLS_MAX))
    request["messages"][0]["content"][1]["text"] = told

    assert "recall" not in [b["name"] for b in compose(request).blocks]


def test_orders_and_mail_that_left_still_count() -> None:
    mail = '<mail id="q1" from="bea" kind="question">\nDoes it hold?\n</mail>'
    order = "Wrap up: time is nearly over."
    text = earlier_text(Earlier(upto=2, told=(order,), mail=(mail,)))

    situation = read_request(a_request(RESEARCH, text))

    assert situation is not None
    assert situation.is_wrapping_up
    assert [one.id for one in situation.unanswered] == ["q1"]
