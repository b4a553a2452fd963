"""Extracting: which lines a file is made of, and what makes a file unreadable.

Promises: docs of `team.sources.extract` and `team.sources.sentences`.
"""

from __future__ import annotations

import io
from pathlib import PurePath

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.errors import SourceError
from team.sources import quote_stands, sentences
from team.sources.extract import HTML_COLUMNS, Extracted, extract, to_lines
from team.sources.sentences import (
    PASSAGE_CHARS_MAX,
    PASSAGE_LINES_MAX,
    QUERY_WORDS_MAX,
    passages,
    query_words,
)


def read(name: str, data: bytes | str) -> Extracted:
    return extract(PurePath(name), data.encode() if isinstance(data, str) else data)


def lines_of(name: str, data: bytes | str) -> tuple[str, ...]:
    (page,) = read(name, data).pages
    return page


def a_pdf(*pages: str, password: str = "") -> bytes:
    """A PDF with one page for each text, its lines set one below the other."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        shown = "".join(f"({line}) Tj 0 -14 Td " for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 72 720 Td {shown}ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Contents {len(objects)} 0 R /Resources << /Font << /F1 {font} >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>"
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    data = f"{out}startxref\n{out.index('xref')}\n%%EOF\n".encode()
    if not password:
        return data
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(password, algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


# ------------------------------------------------------------------ text


def test_python_keeps_its_own_lines_form_feeds_and_all() -> None:
    source = 'x = 1\r\n\x0c\r\ndef f():\r\n    return "\u2028"\r\n'

    assert lines_of("m.py", source) == ("x = 1", "\x0c", "def f():", '    return "\u2028"')


def test_lines_end_where_an_editor_ends_them() -> None:
    assert to_lines("") == ()
    assert to_lines("a\rb\r\nc\n\nd") == ("a", "b", "c", "", "d")
    assert to_lines("a\n\n") == ("a", "")


def test_a_byte_order_mark_is_no_text_and_latin_1_is_a_last_resort() -> None:
    assert lines_of("a.md", b"\xef\xbb\xbfcaf\xc3\xa9") == ("café",)
    assert lines_of("a.md", b"caf\xe9") == ("café",)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.md", b"a\0b", "it is binary"),
        ("LICENSE", b"caf\xe9", "it is binary"),
        ("a.md", b" \n\t\n", "it holds no text"),
        ("a.html", b"<script>x</script><p> </p>", "it holds no text"),
    ],
)
def test_what_is_no_text_is_refused(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        read(name, data)

    assert caught.value.source == name


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.md", "---\n\n# The guide #\n\n## Part\n", "The guide"),
        ("a.rst", "=====\nGuide\n=====\n\nText.\n", "Guide"),
        ("a.py", "# Not a title\n", ""),
        ("a.txt", "No heading here.\n", ""),
        ("a.html", "<title>The\n page</title><p>Text</p>", "The page"),
    ],
)
def test_a_title_is_the_first_heading(name: str, text: str, title: str) -> None:
    assert read(name, text).title == title


# ------------------------------------------------------------------ HTML


def test_html_gives_its_blocks_a_blank_line_apart() -> None:
    page = """<html><head><title>T</title><style>p {}</style><script>if (a<b) {}</script></head>
    <body><h1>Head</h1><p>One <b>bold</b>
    word&nbsp;&amp; more.<br>Next line.</p><!-- no --><ul><li>first</li><li>second</ul>
    <table><tr><td>a</td><td>b</td></tr></table><pre>
def f():
    return 1
</pre>tail</body></html>"""

    assert lines_of("a.html", page) == (
        *("Head", "", "One bold word & more.", "Next line.", "", "first", "", "second", ""),
        *("a b", "", "def f():", "    return 1", "", "tail"),
    )


def test_long_html_blocks_are_wrapped_between_words() -> None:
    words = [f"word{number}" for number in range(200)]

    lines = lines_of("a.htm", f"<p>{' '.join(words)}</p>")

    assert " ".join(lines).split() == words
    assert all(len(line) <= HTML_COLUMNS for line in lines)


def test_an_unclosed_title_does_not_swallow_the_page() -> None:
    assert "Body text" in " ".join(
        lines_of("a.html", "<title>T</title><svg><title>S</title></svg><p>Body text")
    )


@given(st.text(st.sampled_from("<>/!-[]&;#x0ap \n\"'=")) | st.text())
def test_no_html_does_more_than_be_refused(text: str) -> None:
    try:
        found = read("a.html", text.replace("\0", "").encode("utf-8", "replace"))
    except SourceError:
        return

    assert all("\n" not in line and "\0" not in line for line in found.pages[0])


# ------------------------------------------------------------------ PDF


def test_a_pdf_gives_one_list_of_lines_for_each_page() -> None:
    found = read("a.pdf", a_pdf("First page.\nSecond line.", "Other page."))

    assert found.is_paged
    assert found.pages == (("First page.", "Second line."), ("Other page.",))


def test_an_encrypted_pdf_is_refused() -> None:
    with pytest.raises(SourceError, match="it is encrypted"):
        read("a.pdf", a_pdf("Secret.", password="x"))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4\n", b"no pdf at all", a_pdf("Text.")[:200]])
def test_a_broken_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"can't be read|holds no text"):
        read("a.pdf", data)


def test_a_pdf_of_pictures_is_refused() -> None:
    with pytest.raises(SourceError, match="it holds no text"):
        read("a.pdf", a_pdf("", ""))


# ------------------------------------------------------------------ passages


@given(
    st.lists(st.sampled_from(["", "  ", "text", "# head", "def f():", "    @x", "y" * 900])),
    st.booleans(),
)
def test_passages_hold_every_line_but_blank_ones_once_and_in_order(
    lines: list[str], is_python: bool
) -> None:
    found = passages(lines, is_python=is_python)

    held = [number for each in found for number in range(each.first, each.last + 1)]
    assert held == sorted(set(held))
    assert {n for n, line in enumerate(lines, 1) if line.strip()} <= set(held)
    for each in found:
        assert lines[each.first - 1].strip()
        assert lines[each.last - 1].strip()
        assert each.last - each.first < PASSAGE_LINES_MAX
        assert sum(map(len, lines[each.first - 1 : each.last])) <= PASSAGE_CHARS_MAX


def test_passages_begin_at_definitions_and_know_their_section() -> None:
    lines = ["class TaskGroup:", *["    x = 1"] * 6, "    def go(self):", *["        y"] * 6]

    first, second = passages(lines, is_python=True)

    assert (first.first, first.last, first.section) == (1, 7, "TaskGroup Task Group")
    assert (second.first, second.section) == (8, "TaskGroup Task Group go")


def test_a_query_is_its_words_that_count() -> None:
    assert query_words('How does "wait_for" OR the __wait_for__ NEAR(x*)?') == (
        "wait_for",
        "near",
        "x",
    )
    assert query_words("the of -- * ___") == ()
    assert len(query_words(" ".join(f"w{n}" for n in range(1000)))) == QUERY_WORDS_MAX


# ------------------------------------------------------------------ sentences


def texts(text: str, *, is_python: bool = False) -> list[str]:
    return [each for each, _ in sentences(text.split("\n"), is_python=is_python)]


def test_prose_is_split_into_sentences_with_their_lines() -> None:
    lines = ["# A heading of words", "", "One sentence here. Another, e.g. this", "one, ends here!"]

    found = sentences(lines, 11)

    assert [(text, str(locator)) for text, locator in found] == [
        ("A heading of words", "L11"),
        ("One sentence here.", "L13"),
        ("Another, e.g. this one, ends here!", "L13-L14"),
    ]


def test_list_items_stand_alone_and_code_and_tables_are_left_out() -> None:
    text = """Some words first:

- the first item of
  two lines
- the second item stands

```
this is code here
```
| a | table row here |

An example follows::

    more code in here

The last words stand."""

    assert texts(text) == [
        "Some words first:",
        "the first item of two lines",
        "the second item stands",
        "An example follows::",
        "The last words stand.",
    ]


def test_python_gives_docstrings_and_one_line_comments_only() -> None:
    source = '''def f():
    r"""Do the first thing. It may
    take a while.

    >>> f() is not code
    """
    text = """This is data, not prose."""
    # A lone comment that counts
    x = "# no comment in here"  # nor is it prose "at all" but a comment

    # A run of comments begins here. It holds a whole sentence. And one
    # that is cut by the line end. So it goes on.
'''

    assert texts(source, is_python=True) == [
        "Do the first thing.",
        "It may take a while.",
        "A lone comment that counts",
        'nor is it prose "at all" but a comment',
        "A run of comments begins here.",
        "It holds a whole sentence.",
        "So it goes on.",
    ]


PIECES = st.sampled_from([*"aB. !?\"'#->:`|*\t\n\\e\u2028(", '"""', "Words come. "])


@given(st.lists(PIECES, max_size=60), st.booleans())
def test_every_sentence_stands_where_it_says(chunks: list[str], is_python: bool) -> None:
    lines = "".join(chunks).split("\n")

    for text, locator in sentences(lines, is_python=is_python):
        assert quote_stands(lines, locator, text)
        assert text == " ".join(text.split())
