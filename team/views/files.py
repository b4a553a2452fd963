"""Write what is left of a run on disk: result.json, result.md and the report."""

from __future__ import annotations

from pathlib import Path

import msgspec

from team.views.run_object import RunObject


def write_files(folder: Path, shown: RunObject, report: str) -> RunObject:
    """Write a run's files, each at once or not at all.

    Args:
        folder: The run's directory; made if need be.
        shown: The run.
        report: The report page.

    Returns:
        The run, with the path of its report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    shown = msgspec.structs.replace(shown, report=str(path))
    data = msgspec.json.format(msgspec.json.encode(shown), indent=2)
    _write(folder / "result.json", data)
    if shown.result is not None:
        _write(folder / "result.md", shown.result.text.encode())
    _write(path, report.encode())
    return shown


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
