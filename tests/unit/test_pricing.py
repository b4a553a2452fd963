"""What a call costs: by the table, with cached tokens, or unknown; never nothing."""

from __future__ import annotations

import pytest

from bus.messages import TokenCounts
from team.agent.models.pricing import price_ceiling_usd, price_usd
from team.spec import MODEL_ALIASES, Models

MILLION = 1_000_000


@pytest.mark.parametrize(
    "model", sorted({*MODEL_ALIASES.values(), Models().lead, Models().worker, Models().verifier})
)
def test_every_model_that_the_project_names_has_a_price(model: str) -> None:
    cost = price_usd(model, TokenCounts(input=MILLION, output=MILLION))

    assert cost is not None
    assert cost > 0


@pytest.mark.parametrize("model", ["rehearsal-1", "no-such-model", "", "claude-unheard-of-9"])
def test_a_model_that_is_not_in_the_table_costs_unknown(model: str) -> None:
    assert price_usd(model, TokenCounts(input=10, output=10)) is None


def test_no_tokens_cost_nothing() -> None:
    assert price_usd("claude-sonnet-4-5", TokenCounts()) == 0.0


def test_reading_the_cache_is_cheaper_and_writing_it_dearer() -> None:
    """Cached tokens are counted once, at their own price."""
    plain, read, write = (
        price_usd("claude-sonnet-4-5", TokenCounts(**{kind: 100_000}))
        for kind in ("input", "cache_read", "cache_write")
    )

    assert plain is not None
    assert read is not None
    assert write is not None
    assert 0 < read < plain < write


def test_the_kinds_of_tokens_add_up() -> None:
    model = "claude-sonnet-4-5"
    each = [
        price_usd(model, TokenCounts(**{kind: 1_000}))
        for kind in ("input", "cache_read", "cache_write", "output")
    ]
    together = TokenCounts(input=1_000, cache_read=1_000, cache_write=1_000, output=1_000)

    assert price_usd(model, together) == pytest.approx(sum(cost or 0.0 for cost in each))


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", Models().lead, Models().worker])
def test_no_call_costs_more_than_its_ceiling(model: str) -> None:
    """Whatever comes from the cache, or goes into it."""
    most = price_ceiling_usd(model, 30_000, 1_000)
    assert most is not None

    for read, written in ((0, 0), (30_000, 0), (0, 30_000), (10_000, 15_000)):
        tokens = TokenCounts(
            input=30_000 - read - written, cache_read=read, cache_write=written, output=1_000
        )
        cost = price_usd(model, tokens)
        assert cost is not None
        assert 0 < cost <= most


@pytest.mark.parametrize("model", ["rehearsal-1", "no-such-model", ""])
def test_the_ceiling_of_an_unknown_model_is_unknown(model: str) -> None:
    assert price_ceiling_usd(model, 10, 10) is None
