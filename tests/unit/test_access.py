"""An address and what opens it, read from one URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.access import Access, access_to
from bus.errors import BusUnavailableError


@pytest.mark.parametrize(
    ("url", "access"),
    [
        ("nats://h:1", Access(url="nats://h:1")),
        ("nats://h", Access(url="nats://h:4222")),
        ("h", Access(url="nats://h:4222")),
        ("h:1", Access(url="nats://h:1")),
        ("tls://h:1", Access(url="tls://h:1")),
        ("nats://[::1]:1", Access(url="nats://[::1]:1")),
        ("nats://t@h:1", Access(url="nats://h:1", token="t")),
        ("nats://t:@h:1", Access(url="nats://h:1", token="t")),
        ("nats://u:p@h:1", Access(url="nats://h:1", user="u", password="p")),
        ("nats://a%40b%3A:p%2F@h:1", Access(url="nats://h:1", user="a@b:", password="p/")),
    ],
)
def test_url_is_taken_apart(url: str, access: Access) -> None:
    """What opens the server is not in the address, which is logged."""
    assert access_to(url) == access


@pytest.mark.parametrize("url", ["nats://secret@h:no", "nats://secret@h:99999", "nats://secret@[h"])
def test_url_without_host_and_port_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(BusUnavailableError) as refused:
        access_to(url)

    assert "secret" not in str(refused.value)


@given(st.text())
def test_any_text_is_an_address_or_a_bus_error(url: str) -> None:
    try:
        access = access_to(url)
    except BusUnavailableError:
        return

    assert "@" not in access.url


def test_key_is_not_shown() -> None:
    access = Access(url="nats://h:1", token="secret", user="secret", password="secret")

    assert repr(access) == str(access) == "Access(url='nats://h:1')"
