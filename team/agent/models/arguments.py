"""A request as the Messages API is sent it: which fields, and where its cache may break in.

A context only grows, so each call begins with what the call before it sent: tools, system
prompt, opening, turns. Marks say up to where a provider may keep that; they change no word
of what the model reads. Whoever answers but is no known provider gets the basic fields only.

Source: docs/context.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from team.agent.models.abilities import Abilities
from team.agent.models.pictures import with_bytes

if TYPE_CHECKING:
    from team.agent.models.call import Request

Keep = Literal["5m", "1h", "off"]
"""For how long a provider is to keep what a call has read; each use begins that time anew."""

MARKS_MAX: Final = 4
"""How many marks the API takes in one request."""


def arguments(request: Request, can: Abilities, model: str) -> dict[str, Any]:
    """What the SDK is given for a request; the request itself is left as it is.

    Args:
        request: The request.
        can: What may be asked for.
        model: The name that whoever answers has for the model.
    """
    given: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens,
        "system": request.system,
        "messages": with_bytes(request.messages, request.pictures),
        "tools": [*request.tools, *request.searches] if can.search else request.tools,
    }
    if can.effort and request.effort:
        given["output_config"] = {"effort": request.effort}
    if can.cache and request.cache != "off":
        given |= _marked(
            request.system, given["messages"], {"type": "ephemeral", "ttl": request.cache}
        )
    return given


def _marked(system: str, sent: list[dict[str, Any]], mark: dict[str, str]) -> dict[str, Any]:
    """The parts of a request that carry marks, at most `MARKS_MAX` in all.

    - After the system prompt: what all members of a role share, tools included.
    - After the opening: what is left when turns leave the context.
    - Where the call before this one ended: it is found there however much a turn has added;
      a provider looks back only about twenty blocks from a mark.
    - At the end: for the next call.
    """
    messages = list(sent)
    last = len(messages) - 1
    places = {(0, 0), (last - 2, -1), (last, -1)}
    for at, block in places:
        if at >= 0 and messages[at]["role"] == "user":
            messages[at] = _with_mark(messages[at], block, mark)
    if not system:
        return {"messages": messages}
    prompt = [{"type": "text", "text": system, "cache_control": mark}]
    return {"system": prompt, "messages": messages}


def _with_mark(message: dict[str, Any], block: int, mark: dict[str, str]) -> dict[str, Any]:
    content = list(message["content"])
    content[block] = content[block] | {"cache_control": mark}
    return message | {"content": content}
