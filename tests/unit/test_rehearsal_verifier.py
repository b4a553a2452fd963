"""The rehearsal verifier's words: what it takes for a leap from quote to claim, and what not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.agent.models.rehearsal.leaps import leap


@pytest.mark.parametrize(
    ("claim", "quote", "said"),
    [
        ("It holds 600 messages.", "It holds 500 messages.", "the number 600"),
        ("It holds six messages.", "It holds five messages.", "the number 6 "),
        ("It lasts 7 weeks.", "It lasts 7 days.", "7 days, not weeks"),
        ("It takes 5%.", "It takes 5 minutes.", "5 minutes, not percents"),
        ("In 1980 it began.", "In 1890 it began.", "the number 1980"),
        ("The keeper was Ilse Hansen.", "The keeper was Ilse Brandt.", "the name 'Hansen'"),
        ("All brokers do it.", "Some brokers do it.", "it says 'all'"),
        ("It must be set.", "It may be set.", "it says 'must'"),
        ("Only Ada may do it.", "Ada may do it.", "it says 'only'"),
        ("It fell because it rained.", "It fell and it rained.", "it gives a cause"),
        ("It fell due to rain.", "It fell in the rain.", "it gives a cause"),
        ("Jobs can be cancelled.", "Jobs can not be cancelled.", "leaves out"),
        ("Jobs cannot be cancelled.", "Jobs can be cancelled.", "denies what its quote says"),
        ("It does lose data.", "It takes long and does not lose data.", "leaves out"),
        ("It does lose messages.", "It may lose messages.", "it may be, the claim that it is"),
    ],
)
def test_a_leap_that_words_give_away_is_seen(claim: str, quote: str, said: str) -> None:
    problem = leap(claim, [quote])

    assert problem is not None
    assert said in problem


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("It holds 500 messages.", "It holds 500 messages."),
        ("It holds five messages.", "It holds 5 messages."),
        ("It shipped 4200 tonnes.", "It shipped 4,200 tonnes."),
        ("It waits 30 s.", "It waits 30 seconds."),
        ("Jobs cannot be cancelled.", "Jobs can not be cancelled."),
        ("Jobs don't end.", "Jobs do not end."),
        ("It never ends.", "It does not end."),
        ("It takes six minutes.", "It takes 6 minutes and does not lose data."),
        ("Nobody is lost, and no data.", "No data is lost."),
        ("Any job ends.", "Each job ends."),
        ("Whoever waits is served.", "Each one who waits is served."),
        ("One of the two ends.", "The first ends."),
        ("Ada's lamp was lit.", "The lamp of Ada was lit."),
    ],
)
def test_what_says_the_same_is_no_leap(claim: str, quote: str) -> None:
    assert leap(claim, [quote]) is None


@given(
    st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), min_size=1, max_size=3)
)
def test_a_claim_that_is_its_quote_is_never_a_leap(quotes: list[str]) -> None:
    assert leap(quotes[0], quotes) is None


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=2))
def test_the_same_words_are_always_judged_the_same(claim: str, quotes: list[str]) -> None:
    assert leap(claim, quotes) == leap(claim, quotes)
