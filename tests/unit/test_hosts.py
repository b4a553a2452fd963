"""Which addresses of the web a policy lets be reached, and how far each entry leads."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.rules.hosts import entry_problem, is_within, names_host, place_of, reach_of


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("ftp://a.org/", "only http and https"),
        ("docs.python.org/3", "only http and https"),
        ("https://user:pw@a.org/", "a user or a password"),
        ("https://a.org@b.org/", "a user or a password"),
        ("https:///path", "names no host"),
        ("https://a.org/a b", "a space"),
        ("https://a.org\\@b.org/", "a backslash"),
        ("https://a.org/\r\nHost: b.org", "control character"),
        ("https://a.org/" + "x" * 2_000, "characters, at most"),
        ("https://a/../%00<>.org", "nothing"),
        ("https://a.org:x/", "could not be cast"),
        ("https://a_.o|rg/", "no name"),
    ],
)
def test_what_is_no_address_to_fetch_says_why(url: str, reason: str) -> None:
    if reason == "nothing":
        assert place_of(url).host == "a"
        return
    with pytest.raises(ValueError, match=reason):
        place_of(url)


def test_an_address_is_put_together_again_from_its_parts() -> None:
    place = place_of("HTTPS://Docs.Python.ORG.:443/3/lib é?q=ü#part".replace(" ", ""))

    assert place.url == "https://docs.python.org/3/lib%C3%A9?q=%C3%BC"
    assert (
        place_of("../b?x#y", place_of("http://a.org:8080/c/d/e")).url == "http://a.org:8080/c/b?x"
    )
    assert place_of("https://bücher.example/").host == "xn--bcher-kva.example"
    assert place_of("http://[::1]:80/").netloc == "[::1]"


@pytest.mark.parametrize(
    ("url", "entry", "reach"),
    [
        ("https://docs.python.org/3", "docs.python.org", "public"),
        ("https://DOCS.python.org/3", "docs.Python.org", "public"),
        ("https://docs.python.org:8443/", "docs.python.org", None),
        ("http://docs.python.org/", "docs.python.org", "public"),
        ("https://python.org/", "*.python.org", None),
        ("https://a.b.python.org/", "*.python.org", "public"),
        ("https://python.org.evil.org/", "*.python.org", None),
        ("https://evilpython.org/", "python.org", None),
        ("https://wiki.corp/", "wiki.corp:443", "private"),
        ("http://wiki.corp/", "wiki.corp:443", None),
        ("http://wiki.corp:8080/", "*.corp:8080", "public"),
        ("http://localhost/", "localhost", "private"),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", "any"),
        ("http://127.0.0.1:8001/", "127.0.0.1:8000", None),
        ("http://127.0.0.1/", "*", None),
        ("http://10.0.0.7/", "10.*", None),
        ("http://[::1]/", "::1", "any"),
        ("http://[::1]:8000/", "[::1]:8000", "any"),
        ("https://any.org/", "*", "public"),
        ("https://a.org/", "a.org:x", None),
        ("https://münchen.de/", "München.de", "public"),
        ("https://xn--mnchen-3ya.de/", "münchen.de", "public"),
        ("https://münchen.de:8443/", "münchen.de:8443", "private"),
        ("https://www.münchen.de/", "*.münchen.de", "public"),
        ("https://munchen.de/", "münchen.de", None),
    ],
)
def test_how_far_an_entry_lets_an_address_lead(url: str, entry: str, reach: str | None) -> None:
    assert reach_of(place_of(url), (entry,)) == reach


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::"),
        *("2001:0:4136:e378:8000:63bf:f5ff:fffe", "fec0::2", "::127.0.0.1", "::10.0.0.1"),
        *("::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1::808:808", "2002:a00:1::1"),
        *("::8.8.8.8", "4000::1", "::2"),
    ],
)
def test_a_public_entry_never_leads_to_the_machine_or_a_private_network(address: str) -> None:
    """RFC1918, loopback, link-local and shared space, also inside of IPv6 addresses."""
    there = ipaddress.ip_address(address)

    assert not is_within(place_of("https://a.org/"), "public", there)
    assert is_within(
        place_of(f"http://{f'[{address}]' if ':' in address else address}/"), "any", there
    )


def test_a_name_with_its_port_leads_inside_but_never_to_the_link() -> None:
    place = place_of("http://wiki.corp:8080/")

    assert is_within(place, "private", ipaddress.ip_address("10.0.0.1"))
    assert is_within(place, "private", ipaddress.ip_address("127.0.0.1"))
    assert not is_within(place, "private", ipaddress.ip_address("169.254.169.254"))
    assert not is_within(place, "private", ipaddress.ip_address("0.0.0.0"))
    assert is_within(place_of("https://a.org/"), "public", ipaddress.ip_address("93.184.216.34"))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::"],
)
def test_a_public_address_is_reached_also_through_a_translator(address: str) -> None:
    assert is_within(place_of("https://a.org/"), "public", ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["::a9fe:a9fe", "::ffff:0:a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "64:ff9b::a9fe:a9fe"]
)
def test_the_link_is_not_reached_by_a_name_whatever_it_is_wrapped_in(address: str) -> None:
    there = ipaddress.ip_address(address)

    assert not is_within(place_of("http://wiki.corp:8080/"), "private", there)


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "//", "http://a.org@"]))
def test_any_text_is_an_address_or_a_reason(text: str, scheme: str) -> None:
    """What is read is read the same again, and has no user in it."""
    try:
        place = place_of(scheme + text)
    except ValueError:
        return

    assert place_of(place.url) == place
    assert "@" not in place.netloc
    assert not set('<>"` \n\\') & set(place.target)
    assert reach_of(place, ()) is None


def test_an_entry_that_can_name_nothing_says_so() -> None:
    assert entry_problem("docs.python.org") is None
    assert entry_problem("*.ietf.org:8443") is None
    assert entry_problem("*") is None
    assert entry_problem("[::1]:80") is None
    assert entry_problem("*.münchen.de") is None
    assert "xn--" in str(entry_problem("mün*.de"))
    assert "xn--" in str(entry_problem(f"{'ü' * 80}.de"))
    for wrong in ("https://a.org", "a.org/x", "u@a.org", " ", "a.org:x", "a.org:0", "."):
        assert entry_problem(wrong), wrong


def test_a_lane_names_hosts_of_the_policy_or_inside_its_patterns() -> None:
    entries = ("*.python.org", "wiki.corp:8080")

    assert names_host("*.python.org", entries)
    assert names_host("docs.python.org", entries)
    assert names_host("wiki.corp:8080", entries)
    assert names_host("münchen.de", ("xn--mnchen-3ya.de",))
    for wrong in ("*.org", "python.org", "wiki.corp", "docs.*.python.org", "a b"):
        assert not names_host(wrong, entries), wrong
