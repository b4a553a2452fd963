"""What a call costs: by the project's own prices, else by the price table of `genai-prices`.

A model that neither knows costs "unknown", never nothing; so does a search of a provider that
has no price for it. Not for whoever only asks whether there is a price: see `priced`.
"""

from __future__ import annotations

from typing import Any, Final

from genai_prices import Usage, calc_price

from bus.messages import TokenCounts
from team.agent.models.bound import ceiling_usd
from team.agent.models.priced import TABLE_ONLY, PriceBook
from team.policy import Price

MILLION: Final = 1_000_000
WRITE_FACTOR: Final = 1.25
"""What a token written to the cache costs, of what one read does, where no price is given."""
HOUR_FACTOR: Final = 2.0
"""What one costs that is kept for an hour."""


def price_usd(model: str, tokens: TokenCounts, book: PriceBook = TABLE_ONLY) -> float | None:
    """Return the price of a call in US dollars, or nothing where it is unknown.

    Args:
        model: The model, as it was asked for or as it answered; `NAME/<model>` of a provider.
        tokens: What the call took.
        book: The project's own prices and providers.
    """
    own = book.prices.get(model)
    if own is None:
        return _table_usd(model, tokens, book)
    searches = _searches_usd(model, tokens.web_searches, book)
    return None if searches is None else _own_usd(own, tokens) + searches


def price_ceiling_usd(
    model: str,
    input_tokens: int,
    output_tokens: int,
    book: PriceBook = TABLE_ONLY,
    *,
    keeps_hour: bool = False,
    web_searches: int = 0,
) -> float | None:
    """Return the most that a call can cost in US dollars, or nothing where that is unknown.

    What is read is counted at its dearest: as plain, as from the cache, or as written to it.

    Args:
        model: The model asked for.
        input_tokens: What the call reads.
        output_tokens: What it may write.
        book: The project's own prices and providers.
        keeps_hour: Whether what it writes to the cache may be kept for an hour.
        web_searches: Searches that it may have its provider make.
    """
    return ceiling_usd(
        input_tokens,
        output_tokens,
        web_searches,
        lambda tokens: price_usd(model, tokens, book),
        is_hour=keeps_hour,
    )


def _own_usd(own: Price, tokens: TokenCounts) -> float:
    hours = min(tokens.cache_write_hour, tokens.cache_write)
    read = own.input if own.cache_read is None else own.cache_read
    write = own.input * WRITE_FACTOR if own.cache_write is None else own.cache_write
    total = (
        tokens.input * own.input
        + tokens.cache_read * read
        + (tokens.cache_write - hours) * write
        + hours * max(write, own.input * HOUR_FACTOR)
        + tokens.output * own.output
    )
    return total / MILLION


def _searches_usd(model: str, searches: int, book: PriceBook) -> float | None:
    return _table_usd(model, TokenCounts(web_searches=searches), book) if searches else 0.0


def _table_usd(model: str, tokens: TokenCounts, book: PriceBook) -> float | None:
    seller, name = book.seller_of(model)
    if seller is None:
        return None
    usage = Usage(
        input_tokens=tokens.input + tokens.cache_read + tokens.cache_write,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        cache_write_1h_tokens=min(tokens.cache_write_hour, tokens.cache_write),
        output_tokens=tokens.output,
        web_searches=tokens.web_searches,
    )
    try:
        found = calc_price(usage, model_ref=name, provider_id=seller)
    except LookupError:
        return None
    is_whole = _has_price_for(found.model_price, tokens)
    return float(found.total_price) if is_whole else None


def _has_price_for(price: Any, tokens: TokenCounts) -> bool:  # the table's own type
    """Whether each kind of what was used has a price: the table counts others as nothing."""
    needed = {
        "input_mtok": tokens.input,
        "cache_read_mtok": tokens.cache_read,
        "cache_write_mtok": tokens.cache_write - tokens.cache_write_hour,
        "cache_write_1h_mtok": tokens.cache_write_hour,
        "output_mtok": tokens.output,
        "web_searches_kcount": tokens.web_searches,
    }
    missing = [name for name, count in needed.items() if count > 0 and _none(price, name)]
    # What is cached and has no price of its own is priced as what is read.
    return not missing or (
        not _none(price, "input_mtok") and all(name.startswith("cache_read") for name in missing)
    )


def _none(price: Any, name: str) -> bool:
    return getattr(price, name, None) is None
