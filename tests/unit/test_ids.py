"""Names and ids are safe in a subject, and no two are the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import InvalidNameError
from bus.ids import check_token, new_message_id, new_run_id

SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@given(st.from_regex(SAFE, fullmatch=True))
def test_safe_token_is_given_back(value: str) -> None:
    assert check_token("member", value) == value


@given(st.text().filter(lambda value: not SAFE.fullmatch(value)))
def test_any_other_text_is_refused(value: str) -> None:
    with pytest.raises(InvalidNameError) as refused:
        check_token("member", value)

    assert (refused.value.kind, refused.value.value) == ("member", value)


@pytest.mark.parametrize(
    "value", ["", "a.b", "*", ">", "a b", "ada\n", "a\0", "é", "٣", "x" * 65, "$JS"]
)
def test_tokens_that_would_change_a_subject_are_refused(value: str) -> None:
    """Dots and wildcards, but also digits and letters that only Python counts as such."""
    with pytest.raises(InvalidNameError, match="1 to 64"):
        check_token("member", value)


def test_new_ids_are_safe_and_differ() -> None:
    """Two runs of the same second differ by their last four digits, nearly always."""
    runs = {new_run_id() for _ in range(20)}
    messages = {new_message_id() for _ in range(1000)}

    assert len(runs) > 1
    assert all(re.fullmatch(r"r\d{4}-\d{6}-[0-9a-f]{4}", check_token("run", run)) for run in runs)
    assert len(messages) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{32}", message) for message in messages)
