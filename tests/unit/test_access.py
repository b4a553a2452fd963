"""An address and what opens it, read from one URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.access import Access, access_to
from bus.errors import AddressError


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
        ("nats://a:1,nats://b:2", Access(url="nats://a:1,nats://b:2")),
        (
            "nats://t@a:1, b:2 ,nats://t@c",
            Access(url="nats://a:1,nats://b:2,nats://c:4222", token="t"),
        ),
        (
            "a,nats://u:p@b,a:4222",
            Access(url="nats://a:4222,nats://b:4222", user="u", password="p"),
        ),
        ("nats://a%40b%3A:p%2F@h:1", Access(url="nats://h:1", user="a@b:", password="p/")),
    ],
)
def test_url_is_taken_apart(url: str, access: Access) -> None:
    """What opens the server is not in the address, which is logged."""
    assert access_to(url) == access


@pytest.mark.parametrize(
    "url",
    [
        "nats://secret@h:no",
        "nats://secret@h:99999",
        "nats://secret@[h",
        "nats://secret@",
        "nats://secret@a:1,,nats://secret@b:1",
        "nats://secret@a:1,",
        "nats://secret@a:1,nats://secret@b:no",
        "nats://secret@a:1,nats://another-secret@b:1",
        "nats://secret@a:1,nats://u:secret@b:1",
        "nats://secret@a:1,tls://secret@b:1",
    ],
)
def test_url_without_host_and_port_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(AddressError) as refused:
        access_to(url)

    assert "secret" not in str(refused.value)


@given(st.text())
def test_any_text_is_an_address_or_a_bus_error(url: str) -> None:
    try:
        access = access_to(url)
    except AddressError:
        return

    assert "@" not in access.url


def test_key_is_not_shown() -> None:
    access = Access(url="nats://h:1", token="secret", user="secret", password="secret")

    assert repr(access) == str(access) == "Access(url='nats://h:1')"


def test_every_node_of_a_list_is_known() -> None:
    assert access_to("nats://t@a:1,b:2").urls == ("nats://a:1", "nats://b:2")
