"""What a page says: its bytes as lines of text that can be quoted, or why there are none.

What a reader would not see (scripts, comments, hidden elements) is dropped; what is left is
still the page's word, and data.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urljoin

import msgspec

from team.errors import FetchError
from team.sources.extract import HTML_COLUMNS, extract

LINE_CHARACTERS_MAX: Final = 400
"""Where a line of a text is broken that has none of its own."""
TITLE_CHARACTERS_MAX: Final = 300

_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_JSON: Final = re.compile(r"application/(?:[\w.+-]+\+)?json")
_PDF: Final = "application/pdf"
_DROPPED: Final = (
    "script style template noscript svg iframe object embed canvas form button select input"
).split()
_HIDDEN: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])"
)
_UNSEEN: Final = re.compile(
    "[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_BLANKS: Final = re.compile(r"\n{3,}")


class PageText(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says, and what it calls itself."""

    text: str
    title: str = ""


def page_text(url: str, content_type: str, body: bytes) -> PageText:
    """Read a page.

    Args:
        url: Its address, by which its links are made whole.
        content_type: What the server says that it is.
        body: Its bytes.

    Raises:
        FetchError: It is of a kind that is not read, or broken; says which.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    try:
        if kind in _HTML:
            return _html(url, body, _charset(parameters))
        if kind == _PDF:
            return _pdf(url, body)
        if _JSON.fullmatch(kind):
            return PageText(text=_wrapped(msgspec.json.format(body, indent=1).decode()))
        if kind.startswith("text/"):
            return PageText(text=_wrapped(_decoded(url, body, _charset(parameters))))
    except FetchError:
        raise
    except RecursionError as error:
        raise FetchError(url, "its elements are nested too deeply to be read") from error
    # Broken pages make the parsers raise nearly anything; whatever it is, this page is not read.
    except Exception as error:
        said = str(error) or type(error).__name__
        raise FetchError(url, f"it can't be read as {kind}: {said}") from error
    said = f"it is {kind}" if kind else "it does not say what it is"
    raise FetchError(url, f"{said}: only text, HTML, JSON and PDF are read")


def _html(url: str, body: bytes, charset: str | None) -> PageText:
    from bs4 import BeautifulSoup, Comment
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(body, "html.parser", from_encoding=charset)
    title = " ".join(soup.title.get_text().split()) if soup.title is not None else ""
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for element in soup.find_all(["title", "head", *_DROPPED]):
        element.decompose()
    for element in soup.find_all(_is_hidden):
        element.decompose()
    for link in soup.find_all("a", href=True):
        _make_whole(link.attrs, url)
    for image in soup.find_all("img"):
        image.replace_with(str(image.get("alt") or ""))
    converter = MarkdownConverter(
        heading_style="ATX",
        wrap=True,
        wrap_width=HTML_COLUMNS,
        escape_misc=False,
        escape_asterisks=False,
        escape_underscores=False,
    )
    text = _BLANKS.sub("\n\n", _seen(converter.convert_soup(soup))).strip()
    head = f"# {title}\n\n" if title and title not in text[: len(title) + 4] else ""
    return PageText(text=head + text, title=title[:TITLE_CHARACTERS_MAX])


def _make_whole(link: dict[str, Any], url: str) -> None:
    """Give a link its whole address; of one that leads nowhere only the text is left."""
    link.pop("title", None)
    try:
        link["href"] = urljoin(url, str(link["href"]))
    except ValueError:
        del link["href"]


def _is_hidden(element: object) -> bool:
    attributes = getattr(element, "attrs", None) or {}
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    return _HIDDEN.search(str(attributes.get("style", "")).lower()) is not None


def _seen(text: str) -> str:
    """A text without characters that nobody sees: marks of order, of no width, tags."""
    return _UNSEEN.sub("", text)


def _pdf(url: str, body: bytes) -> PageText:
    found = extract(PurePath("page.pdf"), body)
    text = "\n".join(line for page in found.pages for line in page)
    if not text.strip():
        raise FetchError(url, "its pages hold no text")
    return PageText(text=text, title=found.title[:TITLE_CHARACTERS_MAX])


def _charset(parameters: str) -> str | None:
    found = re.search(r"charset\s*=\s*\"?([\w.:-]+)", parameters, re.I)
    if found is None:
        return None
    try:
        "".encode(found.group(1))
    except (LookupError, ValueError):
        return None
    return found.group(1)


def _decoded(url: str, body: bytes, charset: str | None) -> str:
    text = body.decode(charset or "utf-8", errors="replace")
    if "\0" in text:
        raise FetchError(url, "it is no text, whatever it is said to be")
    return _seen(text)


def _wrapped(text: str) -> str:
    """Lines as they are; one that is too long to be shown whole is broken at blanks."""
    lines: list[str] = []
    for line in text.splitlines():
        if len(line) <= LINE_CHARACTERS_MAX:
            lines.append(line)
            continue
        lines += textwrap.wrap(line, LINE_CHARACTERS_MAX, drop_whitespace=True) or [""]
    return "\n".join(lines)
