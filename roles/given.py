"""What people already have for agents: instruction files, and skills as folders.

`CLAUDE.md`, `AGENTS.md` and their like are read with what they import by `@path`. A skill
is a folder with `SKILL.md`: front matter, a body, and further files. Nothing here is ever
executed, and nothing outside the folders that were named is read. Not for who gets them:
that is the project's policy.

Source: docs/skills.md.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import yaml

from roles.front_matter import TEXT_TAG, Field, IgnoredField, RoleError, read_fields, short, split

FILE_BYTES_MAX: Final = 128 * 1024
IMPORT_DEPTH_MAX: Final = 5
IMPORTS_MAX: Final = 30
SKILL_FILE: Final = "SKILL.md"
SKILL_BYTES_MAX: Final = 1024 * 1024
SKILL_FILES_MAX: Final = 200
DESCRIPTION_CHARACTERS_MAX: Final = 1_024
WITHOUT_EFFECT: Final = {
    "allowed-tools": "which tools a member has, role, policy and contract say",
    "license": "kept with the file, for people",
    "compatibility": "nothing of a skill is executed here",
    "metadata": "kept with the file, for people",
}

_SKILL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_IMPORT: Final = re.compile(r"(?<![\w@/.`])@((?:\.{1,2}/)*[\w-][\w./-]*)")
_CODE: Final = re.compile(r"(?ms)^(```|~~~).*?^\1[^\n]*$|`[^`\n]*`")


class GivenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was read, whole."""

    path: str
    """As people know it: below the folder that it was looked for in, with `/`."""
    sha256: str
    """Of the file's bytes, in hex."""
    text: str


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """A skill, with every text of its folder."""

    name: str
    description: str
    """When to load it, in one line."""
    folder: Path
    files: dict[str, str]
    """By path below the folder: `SKILL.md` (its body), then all other texts."""
    left_out: tuple[str, ...]
    """Files that can't be read through it, with the reason."""
    ignored: tuple[IgnoredField, ...]
    """Fields of its front matter that have no effect here."""


# --- instructions --------------------------------------------------------------------------


def read_instructions(named: str, root: Path) -> tuple[GivenFile, ...]:
    """Read an instruction file, then what it imports, each once.

    An import is `@path` in its prose, relative to the file that has it. It is followed if it
    leads to a file below `root`, five files deep at most; anything else stays text.

    Args:
        named: The file, below `root`.
        root: The project's folder; nothing outside it is read.

    Raises:
        RoleError: The file, or one that it imports, can't be read, or there are too many.
    """
    path = root / named
    if not _is_inside(path, root):
        fix = "name a file inside it"
        raise RoleError(str(path), f"it lies outside of {root}", fix)
    found: dict[Path, GivenFile] = {}
    _read_with_imports(path, root.resolve(), found, 0)
    return tuple(found.values())


def _read_with_imports(path: Path, root: Path, found: dict[Path, GivenFile], depth: int) -> None:
    real = path.resolve()
    if real in found:
        return
    if len(found) >= IMPORTS_MAX:
        raise RoleError(
            str(path), f"with it there are more than {IMPORTS_MAX} files", "import less"
        )
    data = _bytes_of(path)
    text = _text_of(path, data)
    shown = real.relative_to(root).as_posix()
    found[real] = GivenFile(path=shown, sha256=hashlib.sha256(data).hexdigest(), text=text.strip())
    if depth < IMPORT_DEPTH_MAX:
        for imported in _imports(text, path.parent, root):
            _read_with_imports(imported, root, found, depth + 1)


def _imports(text: str, folder: Path, root: Path) -> Iterator[Path]:
    for match in _IMPORT.finditer(_CODE.sub("", text)):
        path = folder / match[1].rstrip(".,;:")
        if _is_inside(path, root) and _is_file(path):
            yield path


# --- skills --------------------------------------------------------------------------------


def skill_places(root: Path, home: Path | None = None) -> tuple[Path, ...]:
    """Return the folders in which skills are looked for by name, strongest first."""
    places = [root / ".claude" / "skills", root / "skills"]
    with suppress(RuntimeError):  # a user without a home
        places.append((home or Path.home()) / ".claude" / "skills")
    return tuple(places)


def find_skill(named: str, root: Path, home: Path | None = None) -> Path:
    """Find the folder of a skill: by a path below `root`, or by name.

    Raises:
        RoleError: There is none; names those there are.
    """
    if "/" in named:
        if not _is_inside(root / named, root):
            raise RoleError(str(root / named), f"it lies outside of {root}", "name one inside it")
        return root / named
    places = skill_places(root, home)
    for place in places:
        if _SKILL_NAME.fullmatch(named) and _is_file(place / named / SKILL_FILE):
            return place / named
    there = sorted({one.parent.name for place in places for one in place.glob(f"*/{SKILL_FILE}")})
    fix = f"there are: {', '.join(there)}" if there else "write one, or name its folder"
    where = ", ".join(map(str, places))
    raise RoleError(named, f"there is no skill of that name in {where}", fix)


def read_skill(folder: Path) -> Skill:
    """Read a skill's front matter and every text of its folder.

    Raises:
        RoleError: `SKILL.md` is not there or says something wrong; names line, field and fix.
    """
    path = folder / SKILL_FILE
    if not _is_file(path):
        raise RoleError(str(path), "there is no such file", "a skill is a folder with SKILL.md")
    front, body, body_line = split(path, _bytes_of(path))
    fields, remark = read_fields(str(path), front)
    given = {field.key: field for field in fields}
    name = _words(path, given.get("name")) or folder.resolve().name
    if not _SKILL_NAME.fullmatch(name):
        fix = "use letters, digits, '_' and '-', at most 64"
        raise _error(path, given.get("name"), f"{short(name)!r} can't be a skill's name", fix)
    if not body.strip():
        raise RoleError(str(path), "it says nothing", "write what the skill is", line=body_line)
    files, left_out = _texts(folder)
    return Skill(
        name=name,
        description=_description(path, given),
        folder=folder,
        files={SKILL_FILE: body.strip(), **files},
        left_out=tuple(left_out),
        ignored=(*([remark] if remark else ()), *_ignored(fields)),
    )


def _description(path: Path, given: dict[str, Field]) -> str:
    field = given.get("description")
    if field is None:
        fix = "add a line `description: …`: what it is for, and when to load it"
        raise RoleError(str(path), "missing", fix, line=1, field="description")
    text = " ".join(_words(path, field).split())
    if not text:
        raise _error(path, field, "is empty", "say what it is for, and when to load it")
    if len(text) > DESCRIPTION_CHARACTERS_MAX:
        reason = f"{len(text):,} characters, at most {DESCRIPTION_CHARACTERS_MAX:,}"
        raise _error(path, field, reason, "say the rest in the body")
    return text


def _words(path: Path, field: Field | None) -> str:
    if field is None:
        return ""
    if not isinstance(field.node, yaml.ScalarNode) or field.node.tag != TEXT_TAG:
        raise _error(path, field, f"must be text, and is {field.raw or 'empty'}", "write a text")
    return str(field.node.value).strip()


def _ignored(fields: list[Field]) -> Iterator[IgnoredField]:
    for field in fields:
        if field.key not in ("name", "description"):
            why = WITHOUT_EFFECT.get(field.key, "no such field here")
            yield IgnoredField(field=short(field.key), value=field.raw, why=why, line=field.line)


def _texts(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Every other text of a folder, and what is left out of it, with the reason."""
    files: dict[str, str] = {}
    left_out: list[str] = []
    size = 0
    for path in _files_below(folder):
        shown = path.relative_to(folder).as_posix()
        if not _is_inside(path, folder):
            left_out.append(f"{shown}: a link that leads out of the folder")
            continue
        try:
            text = _text_of(path, _bytes_of(path))
        except RoleError as error:
            left_out.append(f"{shown}: {error.reason}")
            continue
        size += len(text.encode())
        if size > SKILL_BYTES_MAX or len(files) >= SKILL_FILES_MAX:
            left_out.append(f"{shown}: the skill is larger than is kept")
            continue
        files[shown] = text
    return files, left_out


def _files_below(folder: Path) -> list[Path]:
    """Files below a folder, sorted; links to folders are not entered, nor hidden folders."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        found += [Path(place) / name for name in names if not name.startswith(".")]
    return sorted(path for path in found if path != folder / SKILL_FILE)


# --- files ---------------------------------------------------------------------------------


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, a null byte
        return False


def _is_file(path: Path) -> bool:
    """Whether a file is there; what can't be looked at, or be a name, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _bytes_of(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise RoleError(str(path), "there is no such file", "check the path")
        if path.stat().st_size > FILE_BYTES_MAX:
            reason = f"it has more than {FILE_BYTES_MAX:,} bytes"
            raise RoleError(str(path), reason, "shorten it, or give it to the team as a source")
        return path.read_bytes()
    except OSError as error:
        reason = f"it can't be read: {error.strerror or error}"
        raise RoleError(str(path), reason, "check its permissions") from error


def _text_of(path: Path, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RoleError(str(path), "it is no UTF-8 text", "save it as UTF-8") from error
    if "\0" in text:
        raise RoleError(str(path), "it is no text", "name a text")
    return text.replace("\r\n", "\n")


def _error(path: Path, field: Field | None, reason: str, fix: str) -> RoleError:
    line, name = (field.line, field.key) if field is not None else (1, "name")
    return RoleError(str(path), reason, fix, line=line, field=name)
