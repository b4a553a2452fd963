"""What of an answer may be believed: whole tool inputs, names for calls, counts above 0."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from bus.messages import TokenCounts
from team.rules.limits import tokens_of

DELTAS: Final = frozenset({"text_delta", "thinking_delta", "signature_delta", "citations_delta"})
"""Parts of an answer that the SDK puts together, beside the inputs of tools."""

_NOTHING: Final = b"[]"
_CLEAN: Final = frozenset({"end_turn", "tool_use", "stop_sequence"})
"""Reasons to stop with which every tool call must be whole."""


def problem_of_calls(
    blocks: Sequence[dict[str, Any]], inputs: Mapping[int, str], stop_reason: str
) -> str | None:
    """Why the tool calls of an answer can't be believed; nothing if they can.

    Args:
        blocks: Its content.
        inputs: The inputs that came in pieces, put together, by the number of their block.
        stop_reason: Why the model stopped; if it was cut off, the last call is not whole.
    """
    if stop_reason in _CLEAN:
        for index, text in inputs.items():
            given = _decoded(text) if text else {}
            if not isinstance(given, dict):
                return "the input of a tool call is no whole JSON object"
            if given and not blocks[index].get("input"):  # the SDK skips blocks it does not know
                return f"the input of a {blocks[index]['type']} block could not be read"
    calls = [block for block in blocks if block["type"] == "tool_use"]
    ids = [block.get("id") for block in calls]
    if not all(isinstance(one, str) and one for one in ids) or len(set(ids)) < len(ids):
        return "tool calls have no ids of their own"
    if not all(isinstance(block.get("input"), dict) for block in calls):
        return "the input of a tool call is no JSON object"
    return None


def counted(
    tokens: TokenCounts, *, read: Callable[[], int], written: bytes
) -> tuple[TokenCounts, bool]:
    """What a call took, and whether that is an estimate: no call that was answered takes none.

    Args:
        tokens: What the provider says.
        read: Says about how many tokens the call has read; asked only if it must be.
        written: The content of the answer, as JSON.
    """
    given = tokens
    if not tokens.input + tokens.cache_read + tokens.cache_write:
        tokens = msgspec.structs.replace(tokens, input=max(read(), 1))
    if not tokens.output and len(written) > len(_NOTHING):
        tokens = msgspec.structs.replace(tokens, output=max(tokens_of(len(written)), 1))
    return tokens, tokens is not given


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
