"""What a server answers to a call, as a text that can be quoted by lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from team.agent.mcp.words import hidden

if TYPE_CHECKING:
    from mcp.types import CallToolResult, ContentBlock

TEXT_CHARACTERS_MAX: Final = 1_000_000
NOTHING: Final = "(it gave nothing back)"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call: the server's words, and whether it calls them an error."""

    text: str
    is_error: bool = False


def answered(result: CallToolResult, secrets: Iterable[str] = ()) -> Answered:
    """Make one text of all parts of an answer; what is no text is named, with its size."""
    parts = [_shown(block) for block in result.content]
    structured = _structured(result, parts)
    text = "\n\n".join([part for part in [*parts, structured] if part]) or NOTHING
    text = hidden(text, secrets)
    if len(text) > TEXT_CHARACTERS_MAX:
        text = f"{text[:TEXT_CHARACTERS_MAX]}\n(cut here: {len(text)} characters came)"
    return Answered(text=text, is_error=result.is_error)


def _structured(result: CallToolResult, parts: Iterable[str]) -> str:
    """The structured part, unless a text says the same."""
    if result.structured_content is None:
        return ""
    for part in parts:
        try:
            if msgspec.json.decode(part) == result.structured_content:
                return ""
        except (msgspec.DecodeError, RecursionError):
            continue
    data = msgspec.json.encode(result.structured_content, enc_hook=str)
    return msgspec.json.format(data, indent=1).decode()


def _shown(block: ContentBlock) -> str:
    match block.type:
        case "text":
            return block.text
        case "image" | "audio":
            return _left_out(block.type, block.mime_type, block.data)
        case "resource_link":
            words = (block.uri, block.title or block.name, block.mime_type, block.description)
            return "(a resource: " + ", ".join(str(word) for word in words if word) + ")"
        case "resource":
            resource = block.resource
            text = getattr(resource, "text", None)
            if text is not None:
                return f"(the resource {resource.uri})\n{text}"
            return _left_out("resource", resource.mime_type, getattr(resource, "blob", ""))


def _left_out(what: str, media_type: str | None, data: str) -> str:
    size = len(data) * 3 // 4
    return f"(here was {what} of the type {media_type or 'unknown'}, {size:,} bytes: left out)"
