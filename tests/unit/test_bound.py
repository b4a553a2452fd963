"""The most that a call can take: never less than what a provider may count."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.messages import TokenCounts
from team.agent import sizing
from team.agent.journal import Transcript, Turn
from team.agent.models import bound
from team.agent.models.pricing import price_usd
from team.spec import Models
from tests.support.builders import opens_context, replies, says
from tests.support.cassettes import asking, user

texts = st.text(max_size=60)
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(
        lambda text, inner: {
            "type": "tool_result",
            "tool_use_id": text,
            "content": [{"type": "text", "text": one} for one in inner],
        },
        texts,
        st.lists(texts, max_size=3),
    ),
)
messages = st.lists(
    st.builds(lambda found: {"role": "user", "content": found}, st.lists(blocks, max_size=4)),
    max_size=5,
)


def bytes_in(value: Any) -> int:
    """All bytes of all texts: a token has one at least."""
    match value:
        case str():
            return len(value.encode())
        case dict():
            return sum(bytes_in(one) for one in value.values())
        case list():
            return sum(bytes_in(one) for one in value)
        case _:
            return 0


@given(system=texts, found=messages, tools=st.lists(st.dictionaries(texts, texts), max_size=3))
def test_no_request_has_more_tokens_than_its_bound(
    system: str, found: list[dict[str, Any]], tools: list[dict[str, str]]
) -> None:
    most = bound.of_request(system, found, tools)

    assert most is not None
    assert most >= bytes_in([system, found, tools]) + 16 * (len(found) + len(tools))


@given(
    taken=st.builds(TokenCounts, input=st.integers(1, 9), output=st.integers(0, 9)),
    new=st.lists(blocks, max_size=4),
)
def test_what_goes_on_from_a_count_is_that_and_the_bytes_of_what_is_new(
    taken: TokenCounts, new: list[dict[str, Any]]
) -> None:
    most = bound.after(taken, [], new)

    assert most is not None
    assert most >= taken.total + bytes_in(new)


def test_a_server_that_counts_nothing_gives_no_count_to_go_on_from() -> None:
    assert bound.after(TokenCounts(output=5), [], []) is None


@pytest.mark.parametrize("kind", ["image", "document", "container_upload"])
def test_a_picture_has_no_bound_but_its_providers_count(kind: str) -> None:
    one = {"type": kind, "source": {"type": "url", "url": "https://x.test/1"}}
    inside = {"type": "tool_result", "tool_use_id": "a", "content": [one]}

    assert bound.of_block(one) is None
    assert bound.of_block(inside) is None
    assert bound.of_request("", [{"role": "user", "content": [one]}], []) is None
    assert bound.of_counted(1_000) > 1_000


def test_searches_of_a_provider_read_all_again_and_bring_more() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    endless = {"type": "web_search_20250305", "name": "web_search"}

    assert bound.searches_of([{"name": "note"}]) == 0
    assert bound.searches_of([search]) == 2
    assert bound.searches_of([search, endless]) is None
    assert bound.with_searches(100, 10, 0) == 100
    assert bound.with_searches(100, 10, 2) >= 3 * 100 + 2 * bound.SEARCH_TOKENS


parts = st.integers(0, 300_000)


@settings(max_examples=40, deadline=None)
@given(plain=parts, read=parts, written=parts, output=st.integers(0, 64_000))
def test_no_call_within_its_bound_costs_more_than_its_ceiling(
    plain: int, read: int, written: int, output: int
) -> None:
    """However it is read, and across the sizes from which a model is dearer."""
    model = Models().worker
    took = TokenCounts(input=plain, cache_read=read, cache_write=written, output=output)

    def price(tokens: TokenCounts) -> float | None:
        return price_usd(model, tokens)

    cost, most = price(took), bound.ceiling_usd(plain + read + written, output, 0, price)

    assert cost is not None
    assert most is not None
    assert cost <= most + 1e-12
    larger = bound.ceiling_usd(plain + read + written + 1_000, output + 1, 1, price)
    assert larger is not None
    assert larger > most


def test_the_ceiling_of_an_unknown_price_is_unknown() -> None:
    assert bound.ceiling_usd(10, 10, 0, lambda _: None) is None
    assert bound.ceiling_usd(10, 10, 0, lambda t: None if t.cache_write else 1.0) is None
    dear = bound.ceiling_usd(1, 0, 0, lambda t: 2.0 if t.cache_write_hour else 1.0, is_hour=True)
    assert dear == 2.0


# --- what a call will probably read ----------------------------------------------------


def a_context(*turns: Turn) -> Transcript:
    return Transcript(opened=opens_context(), at=0.0, turns=list(turns))


def a_turn(number: int, **tokens: int) -> Turn:
    return Turn(replied=replies(number, says("x"), tokens=TokenCounts(**tokens)))


def test_how_many_bytes_a_token_has_is_learned_from_what_was_counted() -> None:
    """English of five bytes a token; the estimate goes on from the count."""
    request = asking(user("word " * 4_000), {"role": "assistant", "content": []}, user("go on"))
    size = len(msgspec.json.encode((request.system, request.messages, request.tools)))
    counted = size // 5

    rate = sizing.bytes_per_token(request, a_context(a_turn(1, input=counted, output=9)), ["a"])
    guess = sizing.expected(request, a_context(a_turn(1, input=counted, output=9)), ["a"])

    assert 4.9 < rate <= 5.1
    assert counted <= guess <= counted + 60
    assert sizing.expected(request, a_context(), ["a"]) == int(size / 3.5)


@pytest.mark.parametrize("counted", [0, 1, 10**9])
def test_an_absurd_count_is_not_believed(counted: int) -> None:
    request = asking("word " * 400)
    transcript = a_context(a_turn(1, input=counted, output=1))

    assert 2.0 <= sizing.bytes_per_token(request, transcript, []) <= 6.0


def test_a_first_answer_is_expected_to_be_short_and_later_ones_as_long_as_before() -> None:
    assert sizing.expected_answer(a_context(), 8_000) == 2_000
    assert sizing.expected_answer(a_context(a_turn(1, output=3_000)), 8_000) == 3_000
    assert sizing.expected_answer(a_context(a_turn(1, output=9_000)), 8_000) == 8_000


def test_a_bound_goes_on_from_a_count_only_if_nothing_else_has_changed() -> None:
    """Other tools, or a process that has not seen the count made: all its bytes again."""
    sizes, other = sizing.Sizes(), asking(user("word " * 900), tools=[{"name": "look"}])
    request = asking(user("word " * 900), {"role": "assistant", "content": []}, user("go on"))
    transcript = a_context(a_turn(1, input=1_000, output=9))
    whole = sizes.at_most(request, transcript)
    sizes.answered(request, transcript)

    on = sizes.at_most(request, transcript)

    assert whole is not None
    assert on is not None
    assert whole > 4_500
    assert 1_009 < on < 1_400
    assert (sizes.at_most(other, transcript) or 0) > 4_500
