"""Search by the provider: when it is asked for, what is kept of it, and that a pause goes on."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest

from bus.messages import TurnReplied, UsageSpent
from bus.run_stream import RunStream
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.web.search import SEARCH_TYPE, domains_of, search_tools
from team.policy import WebRules
from team.tool_names import RECALL
from tests.support.builders import a_budget, a_contract
from tests.support.decisions import a_world, an_assignment

RULES = WebRules(hosts=("docs.python.org", "*.ietf.org"), searches_max=3)
CONTRACT = a_contract(sources=("docs", "web:docs.python.org", "web:*.ietf.org"))
RESULT = {
    "type": "web_search_result",
    "url": "https://docs.python.org/3/",
    "title": "Queues",
    "encrypted_content": "EqgfCioIARgBIiQ3YTAwMjY1Mi1mZjM5LTQ1NGUtODgxNC1kNjNjNTk1ZWI3Y",
    "page_age": None,
}
FOUND: list[dict[str, Any]] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [RESULT]},
]


class Provider(httpx2.AsyncBaseTransport):
    """Searches in the first reply and pauses; ends the turn in the second."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer the next turn."""
        self.asked.append(msgspec.json.decode(await request.aread()))
        is_first = len(self.asked) == 1
        blocks = FOUND if is_first else [{"type": "text", "text": "Done."}]
        stop, searches = ("pause_turn", 2) if is_first else ("end_turn", 0)
        events = [*_begun(), *_blocks(blocks), *_ended(stop, searches)]
        content = b"".join(
            f"event: {one['type']}\ndata: ".encode() + msgspec.json.encode(one) + b"\n\n"
            for one in events
        )
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content)


def _begun() -> list[dict[str, Any]]:
    usage = {"input_tokens": 7, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5"}
    empty = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    return [{"type": "message_start", "message": message | empty}]


def _blocks(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        deltas: list[dict[str, Any]] = []
        start = dict(block)
        if block["type"] == "server_tool_use":
            start["input"] = {}
            said = msgspec.json.encode(block["input"]).decode()
            deltas = [{"type": "input_json_delta", "partial_json": said}]
        if block["type"] == "text":
            start["text"] = ""
            deltas = [{"type": "text_delta", "text": block["text"]}]
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
        events.append({"type": "content_block_stop", "index": index})
    return events


def _ended(stop: str, searches: int) -> list[dict[str, Any]]:
    used = {"web_search_requests": searches, "web_fetch_requests": 0}
    usage = {"output_tokens": 9} | ({"server_tool_use": used} if searches else {})
    delta = {"stop_reason": stop, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}]


@pytest.mark.parametrize("is_first_party", [True, False])
async def test_what_a_search_found_is_kept_word_for_word_and_a_pause_goes_on(
    stream: RunStream, monkeypatch: pytest.MonkeyPatch, is_first_party: bool
) -> None:
    """A stand-in of the provider is not asked to search."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    if is_first_party:
        monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    else:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://stand-in.invalid")
    world, provider = await a_world(stream), Provider()
    caller = Caller("anthropic", provider)
    agent = Agent(world, world.journal, caller, on_text=lambda _: None, on_state=lambda *_: None)
    searches = search_tools(RULES, CONTRACT, {"fetch"})

    outcome = await agent.work(an_assignment(searches=searches, model="claude-sonnet-5-5"))

    assert outcome.returned
    first, second = provider.asked
    sent = [tool for tool in first["tools"] if tool["name"] != RECALL]
    if not is_first_party:
        assert not sent
        return
    assert sent == list(searches)
    assert second["tools"] == first["tools"]
    assert second["messages"][-1] == {"role": "assistant", "content": FOUND}
    bodies = [record.body async for record in stream.read()]
    replied = next(body for body in bodies if isinstance(body, TurnReplied))
    assert msgspec.json.decode(replied.content) == FOUND
    spent = [body.tokens.web_searches for body in bodies if isinstance(body, UsageSpent)]
    assert spent == [2, 0]


def test_a_search_is_within_the_hosts_of_the_contract() -> None:
    (tool,) = search_tools(RULES, CONTRACT, {"fetch"})

    assert tool["type"] == SEARCH_TYPE
    assert tool["max_uses"] == 3
    assert tool["allowed_domains"] == ["docs.python.org", "ietf.org"]
    (anywhere,) = search_tools(RULES, a_contract(sources=("web:*",)), {"fetch"})
    assert "allowed_domains" not in anywhere
    hosts = (
        "wiki.corp:8080",
        "localhost",
        "10.0.0.7",
        "*",
        "a.*.org",
        "python.org",
        "*.python.org",
    )
    assert domains_of(hosts) == ["python.org"]
    assert domains_of(["*.münchen.de"]) == ["xn--mnchen-3ya.de"]


@pytest.mark.parametrize(
    ("rules", "contract", "tools"),
    [
        (WebRules(hosts=RULES.hosts), CONTRACT, {"fetch"}),
        (RULES, CONTRACT, {"read_source"}),
        (RULES, a_contract(sources=("docs",)), {"fetch"}),
        (RULES, a_contract(sources=("web:wiki.corp:8080",)), {"fetch"}),
        (
            RULES,
            a_contract(sources=CONTRACT.sources, budget=a_budget(usd_max=1.0)),
            {"fetch"},
        ),
    ],
)
def test_without_policy_host_or_tool_or_under_a_limit_in_dollars_nothing_is_searched(
    rules: WebRules, contract: Any, tools: set[str]
) -> None:
    assert search_tools(rules, contract, tools) == ()
