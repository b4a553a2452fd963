"""Which blocks of a reply go back to the model: its thinking only where that still holds.

A provider signs what a model thinks together with all that stood before it, and refuses a
block that was changed, moved, or put behind another beginning. So thinking goes back word
for word, in its place, for as long as what stands before it stays as it was; once turns have
left the context, it is dropped from the turns before that. No reply may end with thinking.

Source: docs/context.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Blocks = list[dict[str, Any]]  # content blocks, as the Messages API has them

THINKING: Final = frozenset({"thinking", "redacted_thinking"})
"""Types of the blocks in which a model thinks."""


def sent_back(blocks: Blocks, *, follows_what_it_followed: bool) -> Blocks:
    """What of a reply goes back, in its order, each block as it came.

    Args:
        blocks: The reply as it was received.
        follows_what_it_followed: Whether all that stood before it still does.

    Returns:
        The blocks; none if it was nothing but thinking.
    """
    if not follows_what_it_followed:
        return [block for block in blocks if block["type"] not in THINKING]
    said = [n for n, block in enumerate(blocks) if block["type"] not in THINKING]
    return blocks[: said[-1] + 1] if said else []


def has_thinking(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether a model's thinking is among messages."""
    return any(
        block["type"] in THINKING
        for message in messages
        if message["role"] == "assistant"
        for block in message["content"]
    )


def without_thinking(messages: Sequence[dict[str, Any]]) -> Blocks:
    """Messages without what the model thought; these are new, the given ones stay as they are."""
    return [
        message
        if message["role"] != "assistant"
        else message | {"content": sent_back(message["content"], follows_what_it_followed=False)}
        for message in messages
    ]
