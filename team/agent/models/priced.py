"""Whose prices hold, and whether a model has one; whoever only asks pays no long import."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

import msgspec

from bus.messages import TokenCounts
from team.policy import Price, ProjectPolicy, Provider

_SELLERS: Final = {"anthropic": "anthropic", "bedrock": "aws", "vertex": "google"}
"""By the kind of a provider, who sells there, as the price table names it."""


class PriceBook(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of a project: its own go before the table's.

    Attributes:
        prices: By model, what it costs where the table does not know or is wrong.
        providers: Places where models answer, which go by `NAME/<model>`.
    """

    prices: dict[str, Price] = {}
    providers: dict[str, Provider] = {}

    def name_of(self, asked: str, answered: str) -> str:
        """By which name a call is priced: a price or a provider that was asked for comes first."""
        return asked if asked in self.prices or self._provider_of(asked) else answered

    def seller_of(self, model: str) -> tuple[str | None, str]:
        """Who sells a model, as the price table names it, and the model's name there.

        A server of one's own sells nothing that the table knows, whatever its models are called.
        """
        name = self._provider_of(model)
        if name is None:
            return "anthropic", model
        provider = self.providers[name]
        is_own_server = provider.kind == "anthropic" and bool(provider.base_url)
        return None if is_own_server else _SELLERS[provider.kind], model.removeprefix(f"{name}/")

    def _provider_of(self, model: str) -> str | None:
        name, slash, _ = model.partition("/")
        return name if slash and name in self.providers else None


TABLE_ONLY: Final = PriceBook()


def price_book(project: ProjectPolicy) -> PriceBook:
    """The prices that a project's policy has."""
    return PriceBook(prices=project.models.prices, providers=project.providers)


def price_table() -> str:
    """Which price table is installed, by its version: its data carries no date of its own."""
    return f"genai-prices {version('genai-prices')}"


def has_price(model: str, book: PriceBook = TABLE_ONLY) -> bool:
    """Whether it is known what a call of this model costs."""
    return model in book.prices or cost_usd(model, TokenCounts(input=1, output=1), book) is not None


def cost_usd(model: str, tokens: TokenCounts, book: PriceBook = TABLE_ONLY) -> float | None:
    """As `pricing.price_usd`, for whoever may not need it."""
    # The price table takes a third of a second to import: only who asks pays.
    from team.agent.models.pricing import price_usd

    return price_usd(model, tokens, book)


def most_usd(
    model: str, input_tokens: int, output_tokens: int, book: PriceBook = TABLE_ONLY
) -> float | None:
    """As `pricing.price_ceiling_usd`, likewise."""
    from team.agent.models.pricing import price_ceiling_usd

    return price_ceiling_usd(model, input_tokens, output_tokens, book)
