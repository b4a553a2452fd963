"""Planned faults that pass: each meets what it should, once, and the call then goes through."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from team.agent.briefing import CUT_OFF_SAID
from team.agent.models.call import Caller, Reply
from team.agent.models.rehearsal.brain import compose
from team.agent.models.rehearsal.faults import ONCE, parse_faults
from team.agent.models.rehearsal.transport import RehearsalTransport, request_problem
from team.agent.models.steady import SteadyTransport
from team.errors import ModelBusyError, ModelReplyError
from tests.support.cassettes import calling
from tests.support.rehearsed import a_request
from tests.unit.test_rehearsal import as_request


async def once(caller: Caller, body: dict[str, Any]) -> Reply:
    return await caller._once(as_request(body), print)


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("rate-limit", ModelBusyError, "429 rate_limit_error"),
        ("error-once", ModelBusyError, "overloaded_error in mid-answer"),
        ("cut-once", ModelReplyError, "the stream ended before the message did"),
        ("stall", ModelBusyError, "fell silent"),
    ],
)
async def test_a_fault_that_passes_meets_the_first_try_of_each_call(
    fault: str, error: type[Exception], said: str
) -> None:
    assert fault in ONCE
    model = SteadyTransport(RehearsalTransport(parse_faults(fault)), 0.05)
    first, second = a_request(), a_request()
    second["messages"][0]["content"].append({"type": "text", "text": "More."})
    async with calling(model) as caller:
        for body in (first, second):
            with pytest.raises(error, match=said):
                await once(caller, body)
            assert (await once(caller, body)).calls


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    async with calling(RehearsalTransport(parse_faults("rate-limit"))) as caller:
        with pytest.raises(ModelBusyError) as caught:
            await once(caller, a_request())

    assert caught.value.retry_after_s == 1.0


async def test_an_empty_body_is_no_answer() -> None:
    async with calling(RehearsalTransport(parse_faults("empty"))) as caller:
        for _ in range(2):
            with pytest.raises(ModelReplyError):
                await once(caller, a_request())


def test_a_truncated_call_comes_once_and_is_made_again_whole() -> None:
    """What it was told of the call that was not run does not count as an answer to it."""
    faults, body = parse_faults("truncated-tool"), a_request()
    cut = compose(body, faults)
    body["messages"] += [
        {"role": "assistant", "content": cut.blocks},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": block["id"],
                    "content": f"list_sources was not run: {CUT_OFF_SAID}",
                    "is_error": True,
                }
                for block in cut.blocks
            ],
        },
    ]
    again = compose(body, faults)

    assert cut.stop_reason == "max_tokens"
    assert cut.blocks[-1]["input"] == {}
    assert request_problem(body) is None
    assert again.stop_reason == "tool_use"
    names = [[block["name"] for block in composed.blocks] for composed in (cut, again)]
    assert names[0] == names[1]
    assert msgspec.json.encode(again.blocks) != msgspec.json.encode(cut.blocks)
