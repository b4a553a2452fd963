"""The most that a model call can take, for certain: what its limits are held by.

What it may write is bounded by `max_tokens`, thinking included. What it reads is bounded by its
bytes, since a token is at least one byte of text, with an allowance for what a provider puts around
it; or by what the provider has counted, with a margin. It is much more than a call will probably
take: `team/agent/sizing.py` has that.

Source: docs/policy.md, "Dollars".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Any, Final

import msgspec

from bus.messages import TokenCounts
from team.agent.models.pictures import tokens_of_reference

PART_TOKENS: Final = 64
"""What a provider may put around a content block, a message or a tool."""
TOOLS_TOKENS: Final = 1_024
"""What a provider may add of its own to a call that has tools."""
COUNTED_SHARE: Final = 0.05
"""By how much a call may read more than its provider's counting endpoint says."""
SEARCH_TOKENS: Final = 50_000
"""What one search of the provider's may bring into the call that makes it: nobody says."""
SEARCH_TOOLS: Final = "web_search"
"""How the types of tools begin with which a provider searches by itself."""

_WITHOUT_BOUND: Final = frozenset({"image", "document", "container_upload"})

Json = Mapping[str, Any]  # the Messages API's own shapes
Price = Callable[[TokenCounts], float | None]


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What a call takes at most.

    Attributes:
        read: Tokens that it reads.
        written: Tokens that it writes.
        searches: Searches that its provider makes.
        usd: US dollars; absent where the price is unknown.
    """

    read: int
    written: int
    searches: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """All its tokens."""
        return self.read + self.written


# --- tokens ----------------------------------------------------------------------


def of_request(system: object, messages: Iterable[Json], tools: Iterable[Json]) -> int | None:
    """The most tokens that a request has in it, by its bytes; nothing if these bound nothing."""
    blocks = [of_blocks(_blocks(message)) for message in messages]
    around = [PART_TOKENS + _size(system), *(PART_TOKENS + _size(tool) for tool in tools)]
    if len(around) > 1:
        around.append(TOOLS_TOKENS)
    known = [part + PART_TOKENS for part in blocks if part is not None]
    return sum(known) + sum(around) if len(known) == len(blocks) else None


def of_blocks(blocks: Iterable[Json]) -> int | None:
    """The most tokens of content blocks of one message; nothing if one of them has no bound."""
    parts = [of_block(block) for block in blocks]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def of_block(block: Json) -> int | None:
    """The most tokens of one content block; nothing where its bytes do not bound them.

    A picture or a document may say much in few bytes: there the provider has to count.
    """
    seen = tokens_of_reference(block)
    if seen is not None:
        return PART_TOKENS + seen
    if block.get("type") in _WITHOUT_BOUND:
        return None
    inner = block.get("content")
    if isinstance(inner, list):
        parts = of_blocks(inner)
        rest = {name: value for name, value in block.items() if name != "content"}
        return None if parts is None else parts + PART_TOKENS + _size(rest)
    return PART_TOKENS + _size(block)


def after(taken: TokenCounts, said: Iterable[Json], new: Iterable[Json]) -> int | None:
    """The most that a call reads that goes on where a counted one ended.

    Args:
        taken: What that one took; all that it read and wrote is read again.
        said: The blocks that it wrote: framed anew.
        new: The blocks of the message that follows.
    """
    if not taken.total - taken.output > 0:
        return None  # a server that counts nothing
    following = of_blocks(new)
    framing = PART_TOKENS * (2 + sum(1 for _ in said))
    return None if following is None else taken.total + framing + following


def of_counted(tokens: int) -> int:
    """The most that a call reads of which the provider has counted so many tokens."""
    return ceil(tokens * (1 + COUNTED_SHARE)) + PART_TOKENS


def with_searches(read: int, written: int, searches: int) -> int:
    """The most that a call reads whose provider may search: all is read again after each."""
    return (1 + searches) * (read + searches * SEARCH_TOKENS) + searches * written


def searches_of(tools: Iterable[Json]) -> int | None:
    """How often a provider may search in one call; nothing if that has no bound."""
    uses = [t.get("max_uses") for t in tools if str(t.get("type", "")).startswith(SEARCH_TOOLS)]
    known = [use for use in uses if isinstance(use, int)]
    return sum(known) if len(known) == len(uses) else None


# --- dollars ---------------------------------------------------------------------


def ceiling_usd(
    read: int, written: int, searches: int, price: Price, *, is_hour: bool = False
) -> float | None:
    """The most that a call can cost in US dollars, or nothing where a price is unknown.

    What is read is counted at its dearest: plain, or written to the cache.

    Args:
        read: Tokens read, at most.
        written: Tokens written, at most.
        searches: Searches, at most.
        price: What tokens of the model cost.
        is_hour: Whether something is kept in the cache for an hour.
    """
    kinds = [TokenCounts(input=read), TokenCounts(cache_write=read), TokenCounts(cache_read=read)]
    if is_hour:
        kinds.append(TokenCounts(cache_write=read, cache_write_hour=read))
    more = TokenCounts(output=written, web_searches=searches)
    prices = [price(kind.plus(more)) for kind in kinds]
    known = [one for one in prices if one is not None]
    return max(known) if len(known) == len(prices) else None


# --- within ----------------------------------------------------------------------


def _blocks(message: Json) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _size(value: object) -> int:
    """Bytes of a value as JSON: never fewer than those of its texts."""
    return len(msgspec.json.encode(value))
