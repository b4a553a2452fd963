"""What is printed may be anybody's words: nothing of it acts on a terminal."""

from __future__ import annotations

import pytest

from team.views.output import write_data, write_note


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\a", "\r", "\x00", "\x9b", "\x7f", "\u202e", "\u2066"]
)
def test_what_would_act_on_a_terminal_is_shown_as_unreadable(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(f"one{text}two")
    write_note(f"one{text}two")

    printed = capsys.readouterr()
    for stream in (printed.out, printed.err):
        assert stream.startswith("one�")
        assert text[0] not in stream


def test_lines_tabs_and_other_scripts_are_printed_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "eins\tzwei\n三 👩‍💻 é"

    write_data(text)

    assert capsys.readouterr().out == f"{text}\n"
