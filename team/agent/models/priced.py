"""Whether a model has a price, for whoever asks before a run and pays no import for it else."""

from __future__ import annotations

from bus.messages import TokenCounts


def has_price(model: str) -> bool:
    """Whether it is known what a call of this model costs."""
    # The price table takes a third of a second to import: only who asks pays.
    from team.agent.models.pricing import price_usd

    return price_usd(model, TokenCounts(input=1, output=1)) is not None
