"""What a call costs: by the table, with cached tokens, or unknown; never nothing."""

from __future__ import annotations

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import TokenCounts
from team.agent.models.priced import PriceBook, has_price, price_table
from team.agent.models.pricing import price_ceiling_usd, price_usd
from team.policy import Price, Provider
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


# ------------------------------------------------------------------ an hour, searches


def test_what_is_kept_for_an_hour_costs_twice_what_is_read() -> None:
    """As the provider has it: https://platform.claude.com/docs, "prompt caching"."""
    for model in (Models().lead, Models().worker, "claude-sonnet-4-5"):
        plain = price_usd(model, TokenCounts(input=100_000))
        hour = price_usd(model, TokenCounts(cache_write=100_000, cache_write_hour=100_000))
        half = price_usd(model, TokenCounts(cache_write=100_000, cache_write_hour=50_000))

        assert plain is not None
        assert hour == pytest.approx(2 * plain)
        assert half == pytest.approx((2 + 1.25) / 2 * plain)


def test_searches_of_the_provider_cost_and_are_unknown_where_they_have_no_price() -> None:
    """The table counts what has no price as nothing; nobody here may."""
    searches = TokenCounts(input=1_000, web_searches=100)
    plain = price_usd(Models().worker, TokenCounts(input=1_000))

    assert plain is not None
    assert price_usd(Models().worker, searches) == pytest.approx(plain + 1.0)
    assert price_usd("cloud/claude-opus-5-5", searches, BOOK) is None
    assert price_usd("local/qwen", searches, BOOK) is None


def test_the_ceiling_has_the_hour_and_the_searches_that_may_come() -> None:
    model = Models().lead
    most = price_ceiling_usd(model, 10_000, 500, keeps_hour=True, web_searches=3)
    took = TokenCounts(cache_write=10_000, cache_write_hour=10_000, output=500, web_searches=3)

    assert most == price_usd(model, took)
    assert most > (price_ceiling_usd(model, 10_000, 500) or 0.0)


# ------------------------------------------------------------------ the project's own prices

BOOK = PriceBook(
    prices={
        "local/qwen": Price(input=1.0, output=3.0),
        "free/one": Price(input=0.0, output=0.0),
        "claude-opus-5-5": Price(input=8.0, output=2.0, cache_read=1.0, cache_write=16.0),
    },
    providers={
        "local": Provider(base_url="http://localhost:11434"),
        "free": Provider(base_url="http://localhost:11435"),
        "other": Provider(key_variable="OTHER_KEY"),
        "bedrock": Provider(kind="bedrock"),
        "cloud": Provider(kind="vertex"),
    },
)


@pytest.mark.parametrize(
    ("model", "tokens", "usd"),
    [
        ("claude-opus-5-5", TokenCounts(input=MILLION), 8.0),
        ("claude-opus-5-5", TokenCounts(cache_read=MILLION), 1.0),
        ("claude-opus-5-5", TokenCounts(cache_write=MILLION), 16.0),
        ("claude-opus-5-5", TokenCounts(cache_write=MILLION, cache_write_hour=MILLION), 16.0),
        ("local/qwen", TokenCounts(output=MILLION), 3.0),
        ("local/qwen", TokenCounts(cache_read=MILLION), 1.0),
        ("local/qwen", TokenCounts(cache_write=MILLION), 1.25),
        ("local/qwen", TokenCounts(cache_write=MILLION, cache_write_hour=MILLION), 2.0),
        ("free/one", TokenCounts(input=MILLION, output=MILLION), 0.0),
    ],
)
def test_the_projects_own_price_goes_before_the_tables(
    model: str, tokens: TokenCounts, usd: float
) -> None:
    assert price_usd(model, tokens, BOOK) == pytest.approx(usd)


@pytest.mark.parametrize(
    "model", ["local/claude-opus-5-5", "local/llama", "nobody/claude-opus-5-5"]
)
def test_a_server_of_ones_own_costs_unknown_until_it_has_a_price(model: str) -> None:
    """Whatever its models are called."""
    assert price_usd(model, TokenCounts(input=1), BOOK) is None
    assert price_ceiling_usd(model, 1, 1, BOOK) is None
    assert not has_price(model, BOOK)


@pytest.mark.parametrize(
    ("model", "like"),
    [
        ("other/claude-sonnet-5-5", 1.0),
        ("cloud/claude-sonnet-5-5", 1.0),
        ("bedrock/global.anthropic.claude-sonnet-5-5", 1.0),
        ("bedrock/us.anthropic.claude-sonnet-5-5", 1.1),
    ],
)
def test_a_cloud_has_the_prices_of_that_cloud(model: str, like: float) -> None:
    """Bedrock takes a tenth more for a model that stays in its region."""
    usual = price_usd("claude-sonnet-5-5", TokenCounts(input=MILLION))

    assert usual is not None
    assert price_usd(model, TokenCounts(input=MILLION), BOOK) == pytest.approx(like * usual)


def test_what_a_cloud_does_not_sell_has_no_price() -> None:
    assert price_usd("bedrock/no-such-model", TokenCounts(input=1), BOOK) is None


def test_a_call_is_priced_by_what_was_asked_where_that_has_a_price_or_a_provider() -> None:
    assert BOOK.name_of("local/qwen", "qwen3-coder:30b") == "local/qwen"
    assert BOOK.name_of("bedrock/us.anthropic.claude-opus-5-5", "claude-opus-5-5") == (
        "bedrock/us.anthropic.claude-opus-5-5"
    )
    assert BOOK.name_of("claude-opus-5-5", "claude-opus-5-5-20260901") == "claude-opus-5-5"
    assert BOOK.name_of("sonnet", "claude-sonnet-5-5") == "claude-sonnet-5-5"


def test_the_price_table_is_named_with_its_version() -> None:
    assert price_table() == f"genai-prices {genai_prices.__version__}"


@given(st.integers(0, 300_000), st.integers(0, 300_000), st.integers(0, 300_000))
def test_no_way_to_read_costs_more_than_the_ceiling(fresh: int, read: int, written: int) -> None:
    """Tiers by the size of a prompt and the hour included."""
    for model in ("claude-haiku-5-5", "claude-opus-5-5", "local/qwen"):
        whole = fresh + read + written
        most = price_ceiling_usd(model, whole, 100, BOOK, keeps_hour=True)
        tokens = TokenCounts(
            input=fresh,
            cache_read=read,
            cache_write=written,
            cache_write_hour=written // 2,
            output=100,
        )
        cost = price_usd(model, tokens, BOOK)
        assert most is not None
        assert cost is not None
        assert cost <= most * (1 + 1e-9)
