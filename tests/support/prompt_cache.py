"""A provider's prompt cache, as the Messages API documents it, for the stand-in on loopback.

What is cached is a beginning of tools, system prompt and messages, in that order, block by
block; a mark (`cache_control`) says up to where. A beginning is found by looking back from
each mark over a number of blocks, and only if an earlier request wrote it there. Too short
a beginning is not kept; one that is not used for its time is forgotten.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

MARKS_MAX: Final = 4
LOOKS_BACK: Final = 20
"""Over how many blocks before a mark an earlier beginning is looked for."""
TOKENS_MIN: Final = 1_024
"""Tokens that a beginning must have to be kept."""
BYTES_PER_TOKEN: Final = 4
KEPT_S: Final = {"5m": 300.0, "1h": 3_600.0}


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One block of a request in the canonical order.

    Attributes:
        where: `tools`, `system` or `messages`.
        data: What it says, without its mark.
        tokens: About how many tokens that is.
        mark: For how long the beginning up to here is to be kept; empty without a mark.
    """

    where: str
    data: bytes
    tokens: int
    mark: str = ""


def blocks_of(body: dict[str, Any]) -> list[Block]:
    """A request's blocks: tools, system prompt, messages; what is read in that order."""
    blocks = [_block("tools", "", tool) for tool in body.get("tools") or ()]
    system = body.get("system") or []
    if isinstance(system, str):
        system = [{"type": "text", "text": system}]
    blocks += [_block("system", "", part) for part in system]
    for message in body["messages"]:
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        blocks += [_block("messages", message["role"], part) for part in content]
    automatic = body.get("cache_control")
    if automatic is not None and blocks:
        blocks[-1] = msgspec.structs.replace(blocks[-1], mark=automatic.get("ttl", "5m"))
    return blocks


def common_tokens(before: dict[str, Any], body: dict[str, Any]) -> int:
    """Tokens of the beginning that two requests share, block by block."""
    shared = 0
    for one, other in zip(blocks_of(before), blocks_of(body), strict=False):
        if (one.where, one.data) != (other.where, other.data):
            break
        shared += other.tokens
    return shared


def tokens_of(body: dict[str, Any]) -> int:
    """Tokens of a whole request."""
    return sum(block.tokens for block in blocks_of(body))


class PromptCache:
    """What one provider keeps; `now` is its clock, in seconds, which only a test moves."""

    def __init__(self, *, tokens_min: int = TOKENS_MIN, looks_back: int = LOOKS_BACK) -> None:
        self.now = 0.0
        self._tokens_min, self._looks_back = tokens_min, looks_back
        self._kept: dict[str, tuple[float, str]] = {}

    def problem(self, body: dict[str, Any]) -> str | None:
        """Why the API would refuse the marks of a request; nothing if it would take them."""
        blocks = blocks_of(body)
        marks = [block for block in blocks if block.mark]
        if len(marks) > MARKS_MAX:
            return f"a maximum of {MARKS_MAX} blocks with cache_control may be provided"
        if any(b'"thinking"' in block.data[:40] for block in marks):
            return "thinking blocks cannot have cache_control set"
        kept_for = [block.mark for block in marks]
        if sorted(kept_for) != kept_for:
            return "a ttl of 1h must not come after a ttl of 5m"
        return None

    def usage(self, body: dict[str, Any]) -> dict[str, Any]:
        """What a request reads from the cache, writes to it, and reads beside; it is kept now."""
        blocks = blocks_of(body)
        keys, sizes = _beginnings(str(body.get("model")), blocks)
        marks = [n for n, block in enumerate(blocks) if block.mark]
        found = max((self._found(keys, mark) for mark in marks), default=-1)
        read = sizes[found] if found >= 0 else 0
        if found >= 0:
            kept_for = self._kept[keys[found]][1]
            self._kept[keys[found]] = (self.now + KEPT_S[kept_for], kept_for)
        written = {"5m": 0, "1h": 0}
        upto = read
        for mark in marks:
            if sizes[mark] < self._tokens_min:
                continue
            kept_for = blocks[mark].mark
            written[kept_for] += max(0, sizes[mark] - upto)
            upto = max(upto, sizes[mark])
            self._kept[keys[mark]] = (self.now + KEPT_S[kept_for], kept_for)
        return {
            "input_tokens": (sizes[-1] if sizes else 0) - upto,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": sum(written.values()),
            "cache_creation": {
                "ephemeral_5m_input_tokens": written["5m"],
                "ephemeral_1h_input_tokens": written["1h"],
            },
        }

    def _found(self, keys: list[str], mark: int) -> int:
        """The last block up to which a beginning is kept, as seen from a mark; -1: none."""
        for at in range(mark, max(-1, mark - self._looks_back), -1):
            until, _ = self._kept.get(keys[at], (-1.0, ""))
            if until >= self.now:
                return at
        return -1


def _block(where: str, role: str, part: dict[str, Any]) -> Block:
    said = {key: value for key, value in part.items() if key != "cache_control"}
    data = role.encode() + msgspec.json.encode(said)
    mark = part.get("cache_control")
    return Block(
        where=where,
        data=data,
        tokens=max(1, len(data) // BYTES_PER_TOKEN),
        mark="" if mark is None else mark.get("ttl", "5m"),
    )


def _beginnings(model: str, blocks: list[Block]) -> tuple[list[str], list[int]]:
    """For each block, the name of the beginning that ends with it, and its tokens."""
    keys: list[str] = []
    sizes: list[int] = []
    digest, size = hashlib.sha256(model.encode()), 0
    for block in blocks:
        digest.update(block.where.encode() + b"\0" + block.data + b"\0")
        size += block.tokens
        keys.append(digest.hexdigest())
        sizes.append(size)
    return keys, sizes
