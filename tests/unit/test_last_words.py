"""How a process ended, in words that a person can act on."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from team.runtime.last_words import LOG_BYTES_MAX, how_it_ended, last_words, size_of


def a_log(folder: Path, *lines: str | dict[str, str]) -> Path:
    path = folder / "ada.log"
    told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{line}\n" for line in told))
    return path


def test_the_error_that_it_logged_last_is_its_last_word(tmp_path: Path) -> None:
    log = a_log(
        tmp_path,
        {"event": "member.joined"},
        {"event": "member.failed", "error": "no\nroom"},
        {"event": "task.claimed", "task_id": "t1"},
    )

    assert how_it_ended(1, log, 0) == "exit code 1: no room"


def test_what_crashed_before_it_could_log_has_printed_something(tmp_path: Path) -> None:
    log = a_log(tmp_path, "Traceback (most recent call last):", "ImportError: no such thing", "")

    assert last_words(log, 0) == "ImportError: no such thing"


def test_what_an_earlier_process_said_is_not_its_word(tmp_path: Path) -> None:
    log = a_log(tmp_path, {"event": "member.failed", "error": "old"})

    assert how_it_ended(1, log, size_of(log)) == "exit code 1"


def test_a_killed_process_has_no_last_words(tmp_path: Path) -> None:
    log = a_log(tmp_path, "busy")

    assert how_it_ended(-signal.SIGKILL, log, 0) == "ended by SIGKILL"
    assert how_it_ended(-99, log, 0) == "ended by signal 99"


@pytest.mark.parametrize("text", ["", "[1, 2]\n", "\xff{\n", "{}\n"])
def test_any_log_has_some_last_words_or_none(tmp_path: Path, text: str) -> None:
    log = tmp_path / "ada.log"
    log.write_bytes(text.encode("latin-1"))

    assert last_words(log, 0) in ("", "[1, 2]", "\N{REPLACEMENT CHARACTER}{")


def test_a_log_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    log = tmp_path / "none.log"

    assert (size_of(log), how_it_ended(1, log, 0)) == (0, "exit code 1")


def test_of_a_long_log_only_the_end_is_read(tmp_path: Path) -> None:
    log = a_log(tmp_path, {"event": "member.failed", "error": "long ago"}, "x" * LOG_BYTES_MAX)

    assert "long ago" not in last_words(log, 0)
