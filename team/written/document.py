"""A TOML file as it was read: its data, and where each piece of it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from team.codes.entry import Severity
from team.codes.lint import BROKEN_TOML, UNREADABLE
from team.written.positions import Keys, Spot, positions
from team.written.problem import Problem, severity_of

FILE_BYTES_MAX: Final = 1024 * 1024
_PLACE: Final = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is sound TOML.

    Attributes:
        path: As its reader named it.
        data: What `tomllib` makes of it; values are not checked yet.
        spots: Where each key and each element of a list stands.
    """

    path: str
    data: dict[str, Any]
    spots: dict[Keys, Spot]

    def problem(  # the parts of a problem, each with its name
        self,
        code: str,
        keys: Keys,
        reason: str,
        fix: str,
        *,
        allowed: str = "",
        severity: Severity | None = None,
    ) -> Problem:
        """Make a problem at a key, or at what it is part of, or at the top of the file."""
        spot = self.spot(keys)
        return Problem(
            code=code,
            path=self.path,
            line=spot.line,
            column=spot.column,
            field=dotted(keys),
            reason=reason,
            fix=fix,
            allowed=allowed,
            severity=severity or severity_of(code),
        )

    def spot(self, keys: Keys) -> Spot:
        """Where a key stands, or the nearest thing around it."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.spots:
                return self.spots[keys[:length]]
        return Spot(line=1, column=1)

    def has(self, *keys: str) -> bool:
        """Whether the file itself says something of this."""
        return keys in self.spots


def dotted(keys: Keys) -> str:
    """Keys as people write them: `roles.lead.tools[0]`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            bare = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
            text += f".{bare}" if text else bare
    return text


def read_document(path: Path, shown: str | None = None) -> Document | Problem:
    """Read a TOML file; what is wrong with it as a whole is returned, not raised.

    Args:
        path: The file, at most `FILE_BYTES_MAX` bytes of UTF-8.
        shown: How problems name it; otherwise by its path.
    """
    name = str(path) if shown is None else shown
    try:
        text = _text_of(path)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _unreadable(name, f"can't be read: {said}", "check the path")
    if isinstance(text, Problem):
        return msgspec.structs.replace(text, path=name)
    return parse_document(text, name)


def parse_document(text: str, shown: str) -> Document | Problem:
    """Make a document of a text; bare newlines end its lines."""
    try:
        data = tomllib.loads(text)
        return Document(path=shown, data=data, spots=positions(text))
    except RecursionError:
        line, column, reason = 1, 1, "nested too deeply"
    except ValueError as error:  # not only TOML's own: a number can be too long to read
        line, column = _place_of(text, str(error))
        reason = str(error)
    return Problem(
        code=BROKEN_TOML,
        path=shown,
        line=line,
        column=column,
        reason=f"broken TOML: {reason}",
        fix="mend it",
    )


def _text_of(path: Path) -> str | Problem:
    if path.exists() and not path.is_file():  # a pipe would be waited on for ever
        return _unreadable(str(path), "it is not a file", "name a TOML file")
    if path.stat().st_size > FILE_BYTES_MAX:
        return _unreadable(str(path), f"it has more than {FILE_BYTES_MAX:,} bytes", "shorten it")
    return path.read_text(encoding="utf-8")


def _unreadable(shown: str, reason: str, fix: str) -> Problem:
    return Problem(code=UNREADABLE, path=shown, reason=reason, fix=fix)


def _place_of(text: str, message: str) -> tuple[int, int]:
    """Where `tomllib` says that something is wrong; otherwise the last line."""
    found = _PLACE.search(message)
    if found and found.group(1):
        return int(found.group(1)), int(found.group(2))
    return len(text.splitlines()) or 1, 1
