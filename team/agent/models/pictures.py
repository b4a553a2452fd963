"""Pictures in messages: a reference until the call is made, then the bytes.

So a context is as small as its words wherever it is kept, counted or compared, and the
same bytes are sent each time. The reference says how many tokens it stands for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from bus.messages import Picture
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.sources import tokens_of_image

Blocks = Sequence[dict[str, Any]]  # messages or content blocks, as the Messages API has them

_REFERENCE: Final = "library"
"""What stands as the kind of a picture's source where its bytes will be."""


def reference(picture: Picture) -> dict[str, Any]:
    """The block that stands for a picture."""
    source = {"type": _REFERENCE} | msgspec.to_builtins(picture)
    return {"type": "image", "source": source}


def pictures_in(messages: Blocks) -> Iterator[Picture]:
    """The pictures that messages refer to, in order."""
    for message in messages:
        content = message["content"]
        for block in content if isinstance(content, list | tuple) else ():
            inner = block.get("content") if block["type"] == "tool_result" else None
            for part in inner if isinstance(inner, list) else ():
                if _is_reference(part):
                    yield msgspec.convert(part["source"], Picture)


def picture_tokens(messages: Blocks) -> int:
    """The most tokens that the pictures of messages take."""
    return sum(tokens_of_image(one.width, one.height) for one in pictures_in(messages))


def tokens_of_reference(block: Mapping[str, Any]) -> int | None:
    """The most tokens of the picture that a block stands for; nothing if it stands for none."""
    source = block.get("source")
    if block.get("type") != "image" or not isinstance(source, dict) or not _is_reference(block):
        return None
    return tokens_of_image(source["width"], source["height"])


def size_of_results(results: Blocks) -> int:
    """Characters of tool results, pictures counted as words that take as many tokens."""
    tokens = picture_tokens([{"content": results}])
    return len(msgspec.json.encode(results)) + int(tokens * CHARACTERS_PER_TOKEN)


def with_bytes(messages: Blocks, data: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Messages with the bytes of their pictures; those without pictures stay as they are.

    Args:
        messages: The messages of a request.
        data: By hash, the bytes of every picture in them.
    """
    return [
        message | {"content": [_with_bytes(block, data) for block in message["content"]]}
        if any(pictures_in([message]))
        else message
        for message in messages
    ]


def _with_bytes(block: dict[str, Any], data: Mapping[str, bytes]) -> dict[str, Any]:
    inner = block.get("content")
    if block["type"] != "tool_result" or not isinstance(inner, list):
        return block
    return block | {"content": [_sent(p, data) if _is_reference(p) else p for p in inner]}


def _is_reference(part: Mapping[str, Any]) -> bool:
    return bool(part["type"] == "image" and part["source"]["type"] == _REFERENCE)


def _sent(part: dict[str, Any], data: Mapping[str, bytes]) -> dict[str, Any]:
    source = part["source"]
    text = base64.b64encode(data[source["sha256"]]).decode()
    sent = {"type": "base64", "media_type": source["media_type"], "data": text}
    return {"type": "image", "source": sent}
