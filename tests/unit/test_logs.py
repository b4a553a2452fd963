"""A process's own log: it tells the story of a run, and never ends one."""

from __future__ import annotations

from pathlib import Path

import pytest

from team.runtime.logs import BearingFile

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
def test_a_log_on_a_full_disk_costs_lines_and_no_process() -> None:
    """A plain file raises in the middle of whatever was to be logged."""
    with pytest.raises(OSError, match="No space"), FULL.open("a") as plain:
        plain.write("a line\n")
    log = BearingFile(FULL)

    log.write("a line\n" * 10_000)
    log.flush()


def test_a_log_is_written_line_by_line(tmp_path: Path) -> None:
    log = BearingFile(tmp_path / "ada.log")
    log.write("one\n")
    log.flush()

    assert (tmp_path / "ada.log").read_text() == "one\n"
