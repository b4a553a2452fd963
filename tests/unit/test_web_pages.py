"""What a page says as lines of text, what is dropped of it, and what is not read at all."""

from __future__ import annotations

import asyncio
import io

import pytest
from pypdf import PdfWriter

from team.agent.web.bodies import read_body
from team.agent.web.pages import page_text
from team.agent.web.robots import FAILED_KEPT_S, KEPT_S, Robots, RobotsFile
from team.errors import FetchError
from team.rules.hosts import Place, place_of
from tests.support.web_site import POOLS, SENTENCE, packed

URL = "https://a.org/docs/pools"


def test_html_becomes_markdown_without_what_no_reader_sees() -> None:
    page = page_text(URL, "text/html", POOLS.encode())

    assert page.title == "Pools of <connections>"
    assert SENTENCE in page.text.split("\n")
    assert "[more](https://a.org/more?x=1)" in page.text
    assert "a drawing" in page.text
    for dropped in ("alert", "color: red", "SYSTEM", "Hidden", "obey"):
        assert dropped not in page.text


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain", b"one\r\ntwo", "one\ntwo"),
        ("text/markdown; charset=latin-1", "é".encode("latin-1"), "é"),
        ("text/plain; charset=nonsense", "é".encode(), "é"),
        ("application/json", b'{"a":[1,2]}', '{\n "a": [\n  1,\n  2\n ]\n}'),
        ("application/problem+json", b"null", "null"),
    ],
)
def test_text_and_json_are_read_line_by_line(kind: str, body: bytes, text: str) -> None:
    assert page_text(URL, kind, body).text == text


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("", b"x", "does not say what it is"),
        ("image/png", b"x", "it is image/png"),
        ("application/octet-stream", b"x", "only text, HTML, JSON and PDF"),
        ("application/json", b"{", "can't be read as application/json"),
        ("application/pdf", b"no pdf", "can't be read as application/pdf"),
        ("text/plain", b"a\0b", "it is no text"),
        ("text/html", b"<p>x</p><![foo bar", "can't be read as text/html"),
    ],
)
def test_what_is_not_read_says_why(kind: str, body: bytes, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        page_text(URL, kind, body)


def test_a_pdf_without_text_is_not_read() -> None:
    writer, file = PdfWriter(), io.BytesIO()
    writer.add_blank_page(width=72, height=72)
    writer.write(file)

    with pytest.raises(FetchError):
        page_text(URL, "application/pdf", file.getvalue())


def test_a_page_nested_without_end_is_refused_and_crashes_nothing() -> None:
    with pytest.raises(FetchError, match="nested too deeply"):
        page_text(URL, "text/html", b"<div>" * 20_000 + b"x")


def test_a_link_that_leads_nowhere_leaves_its_text_and_the_page() -> None:
    page = page_text(URL, "text/html", b"<p>See <a href='http://[foo'>this</a>, <a href=b>b</a>.")

    assert page.text == "See this, [b](https://a.org/docs/b)."


def test_a_line_without_end_is_broken_where_it_can_be_shown() -> None:
    lines = page_text(URL, "text/plain", b"word " * 1_000).text.split("\n")

    assert max(map(len, lines)) <= 400
    assert " ".join(lines).split() == ["word"] * 1_000


async def _pieces(*pieces: bytes):  # type: ignore[no-untyped-def]
    for piece in pieces:
        yield piece


async def test_a_body_that_unpacks_to_too_much_is_stopped_while_it_comes() -> None:
    """Fifty megabytes of nothing are fifty kilobytes on the wire."""
    bomb = packed(b"0" * 50_000_000).body

    assert len(bomb) < 100_000
    with pytest.raises(FetchError, match="larger than the 1000000 bytes"):
        await read_body(URL, _pieces(bomb), "gzip", 1_000_000)
    assert len(await read_body(URL, _pieces(bomb), "gzip", 1_000, cut=True)) == 1_000


async def test_a_body_is_unpacked_whole_in_whatever_pieces_it_comes() -> None:
    data = bytes(range(256)) * 2_048
    body = packed(data).body
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]

    assert await read_body(URL, _pieces(*pieces), "gzip", len(data)) == data
    assert await read_body(URL, _pieces(body), "gzip", len(data)) == data
    assert await read_body(URL, _pieces(b"ab", b"c"), "", 3) == b"abc"
    for wrong, encoding in ((body[:-9], "gzip"), (b"no gzip", "gzip"), (b"x", "br")):
        with pytest.raises(FetchError):
            await read_body(URL, _pieces(wrong), encoding, len(data))


class _Host:
    """A host's robots.txt, and how often it was asked for."""

    def __init__(self, *files: RobotsFile) -> None:
        self.files, self.asked, self.now = files, 0, 0.0
        self.robots = Robots(self.read, lambda: self.now)

    async def read(self, place: Place) -> RobotsFile:
        assert place.url == "https://a.org/robots.txt"
        self.asked += 1
        await asyncio.sleep(0)
        return self.files[min(self.asked, len(self.files)) - 1]


async def test_robots_are_kept_to_as_rfc_9309_says() -> None:
    rules = (
        "User-agent: *\nDisallow: /\n\nUser-agent: Peerteam\nDisallow: /private\nCrawl-delay: 3\n"
    )
    host = _Host(RobotsFile(status=200, text=rules))

    assert await host.robots.check(place_of(URL)) == 3.0
    with pytest.raises(FetchError, match="forbids it to Peerteam"):
        await host.robots.check(place_of("https://a.org/private/x"))
    assert host.asked == 1
    host.now = KEPT_S + 1
    await host.robots.check(place_of(URL))
    assert host.asked == 2


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_a_host_without_robots_has_no_rules(status: int) -> None:
    assert await _Host(RobotsFile(status=status)).robots.check(place_of(URL)) is None


@pytest.mark.parametrize("status", [0, 302, 500, 503])
async def test_a_host_whose_robots_cannot_be_had_forbids_all(status: int) -> None:
    host = _Host(RobotsFile(status=status, reason="it is down"), RobotsFile(status=404))

    with pytest.raises(FetchError, match="it is down"):
        await host.robots.check(place_of(URL))
    if status == 0:
        assert await host.robots.check(place_of(URL)) is None


async def test_an_error_of_a_host_forbids_for_a_minute_and_not_for_a_day() -> None:
    host = _Host(RobotsFile(status=503, reason="it is down"), RobotsFile(status=404))

    for host.now in (0.0, FAILED_KEPT_S):
        with pytest.raises(FetchError, match="it is down"):
            await host.robots.check(place_of(URL))
    assert host.asked == 1
    host.now = FAILED_KEPT_S + 1
    assert await host.robots.check(place_of(URL)) is None
    host.now += 2 * FAILED_KEPT_S
    assert await host.robots.check(place_of(URL)) is None
    assert host.asked == 2


async def test_those_who_ask_at_once_read_robots_once() -> None:
    host = _Host(RobotsFile(status=200), RobotsFile(status=500))

    asking = [host.robots.check(place_of(URL)) for _ in range(5)]
    assert await asyncio.gather(*asking) == [None] * 5
    assert host.asked == 1
