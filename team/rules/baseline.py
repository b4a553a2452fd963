"""A baseline file: how runs have gone, and how far the next may be off; people edit it.

It is TOML: `[bounds]`, which is people's, then `[shape]`, which is written anew from runs.

Source: docs/comparing-runs.md, "Baselines".
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from team.errors import SpecError
from team.rules.shape import SHAPE_VERSION
from team.rules.shape_diff import DEFAULT_BOUNDS, Bound, Seen, parse_bound, seen_in
from team.rules.shape_fields import FIELDS, TEXTS, UNKNOWN, Value, is_group, template_of

_HEAD: Final = f"""\
# How runs of this team go, and how far the next may be off.
#   team diff RUN --baseline THIS_FILE          exits with 9 past a bound
#   team diff RUN [RUN …] --write THIS_FILE     writes [shape] anew, keeps all above it
version = {SHAPE_VERSION}

# 3: by 3 at most; "20%": by a fifth; "20% or 3": the larger of both; "any": not looked at.
# A text must be one of those seen, unless "any". A group stands for each of its fields; the
# longest name that fits a field counts. A field without a bound is not looked at.
[bounds]
"""
_SHAPE: Final = re.compile(r"(?m)^[ \t]*\[[ \t]*shape[ \t]*\][ \t]*(?:#.*)?$")
_TABLE: Final = re.compile(r"(?m)^[ \t]*\[")
_KEYS: Final = ("version", "bounds", "shape")
_REWRITE: Final = "write a new file: team diff RUN --write FILE"
_PRICE: Final = "dollars"


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline file says: what was seen, and the bounds."""

    seen: dict[str, Seen]
    bounds: tuple[Bound, ...]


def new_baseline(runs: Sequence[str], shapes: Sequence[Mapping[str, Value]]) -> str:
    """The text of a new file, with the default bounds."""
    lines = []
    for name, (value, comment) in DEFAULT_BOUNDS.items():
        line = f"{_key(name)} = {_value(value)}"
        lines.append(f"{line:<32}# {comment}" if comment else line)
    return _HEAD + "\n".join(lines) + "\n\n" + _shape_text(runs, shapes)


def renewed_baseline(
    text: str, place: str, runs: Sequence[str], shapes: Sequence[Mapping[str, Value]]
) -> str:
    """The text of a file with its shape written anew; what stands above stays as it is.

    Raises:
        SpecError: The file is no sound baseline, or `[shape]` is not the last of its tables.
    """
    read_baseline(text, place)
    found = _SHAPE.search(text)
    if found is None or _TABLE.search(text, found.end()):
        raise SpecError(place, "shape", "it is not the last table", "put [shape] at the end")
    return text[: found.start()] + _shape_text(runs, shapes)


def read_baseline(text: str, place: str) -> Baseline:
    """Read a file.

    Args:
        text: What it says.
        place: Its path, for the error.

    Raises:
        SpecError: The line, the field, what is wrong and how to mend it.
    """
    try:
        data = tomllib.loads(text)
    except RecursionError as error:
        raise SpecError(place, "", "broken TOML: nested too deeply", "mend it") from error
    except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
        raise SpecError(place, "", f"broken TOML: {error}", "mend it") from error
    _check_version(data, text, place)
    for key in data:
        if key not in _KEYS:
            fix = f"known are: {', '.join(_KEYS)}"
            raise SpecError(_line(place, text, key), key, "unknown field", fix)
    bounds = _flat(data, "bounds", text, place)
    seen = _flat(data, "shape", text, place)
    if not seen:
        raise SpecError(place, "shape", "it is empty", _REWRITE)
    return Baseline(
        seen={name: _seen(name, value, text, place) for name, value in seen.items()},
        bounds=tuple(_bound(name, value, text, place) for name, value in bounds.items()),
    )


# --- writing ---------------------------------------------------------------------


def _shape_text(runs: Sequence[str], shapes: Sequence[Mapping[str, Value]]) -> str:
    lines = [
        "[shape]",
        f"# Of {', '.join(runs)}: each number, or its least and most; each text.",
        *(f"{_key(name)} = {_value(seen)}" for name, seen in seen_in(shapes).items()),
    ]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Value | Seen) -> str:
    if isinstance(value, Seen):
        return f"[{', '.join(_value(part) for part in value.values)}]"
    if isinstance(value, str):
        # A basic string of TOML is one of JSON but for this character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


# --- reading ---------------------------------------------------------------------


def _check_version(data: Mapping[str, Any], text: str, place: str) -> None:
    if "version" not in data:
        raise SpecError(f"{place}:1", "version", "it is missing", _REWRITE)
    version = data["version"]
    if version != SHAPE_VERSION or isinstance(version, bool):
        reason = f"it is {version!r}, this version of peerteam reads {SHAPE_VERSION}"
        raise SpecError(_line(place, text, "version"), "version", reason, _REWRITE)


def _flat(data: Mapping[str, Any], table: str, text: str, place: str) -> dict[str, Any]:
    """One table by dotted names, whether these are quoted or tables of their own."""
    if not isinstance(data.get(table), dict):
        reason = "it is no table" if table in data else "it is missing"
        raise SpecError(_line(place, text, table), table, reason, f"write [{table}]")
    flat: dict[str, Any] = {}
    for name, value in _leaves(data[table], ""):
        if name in flat:
            full = f"{table}.{name}"
            where = _line(place, text, name, table)
            raise SpecError(where, full, "it stands here twice", "keep one")
        flat[name] = value
    return flat


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _bound(name: str, value: object, text: str, place: str) -> Bound:
    if not is_group(name):
        raise _unknown("bounds", name, text, place)
    try:
        return parse_bound(name, value)
    except ValueError as error:
        reason, _, fix = str(error).rpartition("; ")
        where = _line(place, text, name, "bounds")
        raise SpecError(where, f"bounds.{name}", reason, fix) from error


def _seen(name: str, value: object, text: str, place: str) -> Seen:
    template = template_of(name)
    if template is None:
        raise _unknown("shape", name, text, place)
    given: list[Any] = value if isinstance(value, list) and value else [None]
    is_text = template in TEXTS
    may_be_unknown = template.rpartition(".")[2] == _PRICE
    if not all(_is_value(part, is_text, may_be_unknown) for part in given):
        wanted = "a list of texts" if is_text else "a list of numbers from 0 on"
        where = _line(place, text, name, "shape")
        raise SpecError(where, f"shape.{name}", f"{value!r} is not {wanted}", _REWRITE)
    return Seen.of(given)


def _is_value(part: object, is_text: bool, may_be_unknown: bool) -> bool:
    if isinstance(part, str):
        return is_text or (may_be_unknown and part == UNKNOWN)
    is_number = isinstance(part, int | float) and not isinstance(part, bool)
    return is_number and not is_text and 0 <= cast("float", part) < float("inf")


def _unknown(table: str, name: str, text: str, place: str) -> SpecError:
    known = {*FIELDS, *DEFAULT_BOUNDS}
    near = difflib.get_close_matches(name, sorted(known), 1)
    fix = f"did you mean {near[0]!r}?" if near else "see docs/comparing-runs.md for those there are"
    return SpecError(_line(place, text, name, table), f"{table}.{name}", "unknown field", fix)


def _line(place: str, text: str, name: str, table: str = "") -> str:
    """Where a name stands in a table, quoted or not, or the last part of it; else the file."""
    lines = list(enumerate(text.splitlines(), start=1))
    head = re.compile(rf"\s*\[\s*{re.escape(table)}\s*[.\]]")
    start = next((number for number, line in lines if table and head.match(line)), 1)
    for wanted in (name, name.rpartition(".")[2]):
        key = re.compile(rf"\s*(?:\[\s*)?(?:.*\.)?[\"']?{re.escape(wanted)}[\"']?\s*[=\].]")
        for number, line in lines[start - 1 :]:
            if key.match(line):
                return f"{place}:{number}"
    return place
