"""What a file says: its bytes as pages of text lines.

Pure but for the lazy import of pypdf. Not for finding files (`collect`), for
cutting text into pieces (`sentences`) or for keeping it (`library`).
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import PurePath
from typing import Final

from msgspec import Struct

from team.errors import SourceError
from team.sources.locators import fold

PDF_PAGES_MAX: Final = 2_000
"""The most pages of one PDF; a longer one is skipped."""
PDF_CHARS_MAX: Final = 16 * 1024 * 1024
"""The most characters that one PDF may unpack to; a longer one is skipped."""
HTML_COLUMNS: Final = 100
"""Where the text of an HTML block is wrapped, so that a locator means something."""
HTML_SUFFIXES: Final = frozenset({".html", ".htm"})
PYTHON_SUFFIXES: Final = frozenset({".py", ".pyi"})
PDF_SUFFIX: Final = ".pdf"

_DROPPED = frozenset({"script", "style", "template", "noscript", "svg"})
_INLINE = frozenset(
    """a abbr b bdi bdo cite code data del dfn em font i img input ins kbd label mark q s samp small
    span strong sub sup time tt u var wbr""".split()
)
HEADING: Final = re.compile(r"#{1,6}\s+(\S.*)")
_UNDERLINE = re.compile(r"([=\-~^\"'*+#])\1{2,}\s*")


class Extracted(Struct, frozen=True, kw_only=True):
    """What a file says.

    Attributes:
        title: The file's own title, or "" if it has none.
        pages: The lines of each page; exactly one page unless `is_paged`.
        is_paged: Whether locators into this source name a page.
    """

    title: str
    pages: tuple[tuple[str, ...], ...]
    is_paged: bool


def extract(path: PurePath, data: bytes) -> Extracted:
    """Turn a file's bytes into lines, by the suffix of its name.

    Lines of plain text and Python are the file's own, so line numbers agree with
    any editor. Lines of HTML are the wrapped text of its blocks, of a PDF what
    pypdf makes of each page.

    Raises:
        SourceError: It is binary, broken, encrypted, or holds no text; skip it.
    """
    suffix = path.suffix.lower()
    if suffix == PDF_SUFFIX:
        found = _extract_pdf(path, data)
    elif suffix in HTML_SUFFIXES:
        found = _extract_html(path, decode(path, data))
    else:
        lines = to_lines(decode(path, data))
        title = "" if suffix in PYTHON_SUFFIXES else _first_heading(lines)
        found = Extracted(title=title, pages=(lines,), is_paged=False)
    if not any(line.strip() for page in found.pages for line in page):
        raise SourceError(str(path), "it holds no text", "leave it out, or convert it to text")
    return found


def decode(path: PurePath, data: bytes) -> str:
    """Read bytes as UTF-8, with or without a byte order mark, else as Latin-1.

    Raises:
        SourceError: There are NUL bytes in it, or it has no suffix that promises
            text and is not UTF-8 either.
    """
    fix = "leave it out, or convert it to UTF-8 text"
    if b"\0" in data:
        raise SourceError(str(path), "it is binary", fix)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if not path.suffix:
            raise SourceError(str(path), "it is binary", fix) from None
        return data.decode("latin-1")


def to_lines(text: str) -> tuple[str, ...]:
    """Split at line ends only; `str.splitlines` also splits at form feeds."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return tuple(lines if lines[-1] else lines[:-1])


def heading_at(lines: Sequence[str], index: int) -> str:
    """Give the Markdown or reST heading that a line is, or ""."""
    if match := HEADING.match(lines[index]):
        return match[1].strip(" #")
    title = lines[index].strip()
    is_underlined = index + 1 < len(lines) and _UNDERLINE.fullmatch(lines[index + 1])
    return title if is_underlined and any(map(str.isalnum, title)) else ""


def _first_heading(lines: Sequence[str]) -> str:
    return next(filter(None, (heading_at(lines, index) for index in range(len(lines)))), "")


def _extract_html(path: PurePath, text: str) -> Extracted:
    parser = _HTMLText()
    try:
        parser.feed(text)
        parser.close()
    except AssertionError as error:  # html.parser's answer to a broken `<![...`
        raise SourceError(str(path), f"broken HTML ({error})", "repair it") from error
    parser.end_block()
    lines: list[str] = []
    for block in parser.blocks:
        lines += [*([""] if lines else []), *block]
    return Extracted(title=fold(parser.title), pages=(tuple(lines),), is_paged=False)


class _HTMLText(HTMLParser):
    """Collects the text of an HTML page as blocks of lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.blocks: list[list[str]] = []
        self._open: list[str] = []
        self._dropping = ""
        self._in_title = False
        self._pre_depth = 0

    def end_block(self) -> None:
        text, self._open = "".join(self._open), []
        if self._pre_depth:
            lines = [line.rstrip() for line in to_lines(text.strip("\n"))]
        else:
            # A line break is written as a NUL here: the text itself can't hold one.
            lines = [
                line
                for part in text.split("\0")
                for line in textwrap.wrap(
                    fold(part), HTML_COLUMNS, break_long_words=False, break_on_hyphens=False
                )
            ]
        if any(lines):
            self.blocks.append(lines)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the base class's signature
        self._in_title = tag == "title" and not self._dropping
        if tag in _DROPPED:
            self._dropping = self._dropping or tag
        elif tag == "br":
            self._open.append("\n" if self._pre_depth else "\0")
        elif tag in {"td", "th"}:
            self._open.append(" ")
        elif tag not in _INLINE and tag != "title":
            self.end_block()
            self._pre_depth += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag == self._dropping:
            self._dropping = ""
        elif tag == "title":
            self._in_title = False
        elif tag not in _INLINE and tag not in {"td", "th", "br"}:
            self.end_block()
            self._pre_depth = max(0, self._pre_depth - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._dropping:
            self._open.append(data.replace("\0", " "))


def _extract_pdf(path: PurePath, data: bytes) -> Extracted:
    try:
        pages = tuple(_pdf_pages(data))
    # Broken PDFs make pypdf raise nearly anything; whatever it is, this file is skipped.
    except Exception as error:
        reason = f"this PDF can't be read ({fold(str(error)) or type(error).__name__})"
        fix = "leave it out, or convert it to text"
        raise SourceError(str(path), reason, fix) from error
    return Extracted(title="", pages=pages, is_paged=True)


def _pdf_pages(data: bytes) -> Iterator[tuple[str, ...]]:
    import pypdf  # noqa: PLC0415 - slow to import, and most runs have no PDF

    reader = pypdf.PdfReader(io.BytesIO(data))
    if reader.is_encrypted:
        raise ValueError("it is encrypted")
    if len(reader.pages) > PDF_PAGES_MAX:
        raise ValueError(f"it has {len(reader.pages)} pages, the limit is {PDF_PAGES_MAX}")
    chars = 0
    for page in reader.pages:
        # Odd fonts give NULs and lone surrogates, which SQLite and UTF-8 refuse.
        text = page.extract_text().replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
        chars += len(text)
        if chars > PDF_CHARS_MAX:
            raise ValueError(f"it unpacks to more than {PDF_CHARS_MAX} characters")
        yield tuple(line.rstrip() for line in to_lines(text))
