"""What a call costs, by the price table of `genai-prices`.

A model that is not in the table costs "unknown", never nothing.
"""

from __future__ import annotations

from genai_prices import Usage, calc_price

from bus.messages import TokenCounts


def price_usd(model: str, tokens: TokenCounts) -> float | None:
    """Return the price of a call in US dollars, or nothing where it is unknown."""
    usage = Usage(
        input_tokens=tokens.input + tokens.cache_read + tokens.cache_write,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        output_tokens=tokens.output,
    )
    try:
        return float(calc_price(usage, model_ref=model, provider_id="anthropic").total_price)
    except LookupError:
        return None


def price_ceiling_usd(model: str, input_tokens: int, output_tokens: int) -> float | None:
    """Return the most that a call can cost in US dollars, or nothing where that is unknown.

    What is read is counted at its dearest: as plain, or as written to the cache.

    Args:
        model: The model asked for.
        input_tokens: What the call reads.
        output_tokens: What it may write.
    """
    prices = [
        price_usd(model, TokenCounts(input=input_tokens, output=output_tokens)),
        price_usd(model, TokenCounts(cache_write=input_tokens, output=output_tokens)),
    ]
    known = [price for price in prices if price is not None]
    return max(known) if len(known) == len(prices) else None
