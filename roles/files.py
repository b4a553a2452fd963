"""Read role files: Markdown with YAML front matter, as Claude Code writes subagents.

Finds them (project, Claude Code, user, built-in), has them checked, says which file wins
a name, and reports every field it does not honour. Not for what a role *may* do in a run:
model names, effort and tools are resolved and enforced in `team`; a role file only asks.

Source: docs/roles.md.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from roles.checks import NAME, Review, Role, check_role, review_role
from roles.front_matter import (
    InlineServer,
    RoleError,
    did_you_mean,
    read_fields,
    read_servers,
    short,
    split,
)

BUILT_IN_DIR = Path(__file__).resolve().parent
ROLE_BYTES_MAX = 128 * 1024

_NAME_LINE = re.compile(r"name[ \t]*:[ \t]*([\"']?)([A-Za-z0-9_-]{1,64})\1[ \t]*")


class FoundRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role file seen on the search path, good or broken."""

    name: str
    """The role's name; for a broken file its `name` line if that is sound, else its stem."""
    path: str
    """The file."""
    origin: str
    """`project`, `claude`, `user` or `built-in`."""
    role: Role | None
    """The role, or None when the file is broken."""
    error: str | None
    """What is wrong, as `RoleError` says it, or None."""
    wins: bool
    """Whether `get_role(name)` reads this file. With `error` set, it raises that error."""
    shadowed_by: str | None
    """The file that has the name instead, or None."""


class SearchPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One directory of the search path."""

    origin: str
    """`project`, `claude`, `user` or `built-in`."""
    path: Path
    """The directory, which need not exist."""
    is_deep: bool = False
    """Whether folders inside it are searched too, as Claude Code does."""


def load_role(path: Path, known_tools: frozenset[str]) -> Role:
    """Read and check one role file.

    Args:
        path: The file; at most `ROLE_BYTES_MAX` bytes of UTF-8 (a BOM and CRLF are fine).
        known_tools: The names of all tools of this project, of every kind of member.

    Returns:
        The role, with all that was not honoured in `ignored`.

    Raises:
        RoleError: The file can't be read or says something wrong; its text names file,
            line, field and fix. No other exception is raised for any content.
    """
    is_built_in = _is_built_in(path.parent)
    return check_role(path, _read_bytes(path), known_tools, is_built_in=is_built_in)


def review_role_file(path: Path, known_tools: frozenset[str]) -> Review:
    """Return everything that is wrong with one role file; `load_role` raises the first of it."""
    try:
        content = _read_bytes(path)
    except RoleError as error:
        return Review(errors=(error,))
    return review_role(path, content, known_tools)


def inline_servers(path: Path) -> tuple[InlineServer, ...]:
    """Return the MCP servers that a role file defines itself; those it only names are left out.

    They may hold secrets, so they are no part of a role, which a run's stream keeps.

    Raises:
        RoleError: The file can't be read.
    """
    front, _, _ = split(path, _read_bytes(path))
    fields, _ = read_fields(str(path), front)
    named = [
        one for field in fields if field.key == "mcpServers" for one in read_servers(field) or ()
    ]
    return tuple(one for one in named if one.definition is not None)


def search_path(
    cwd: Path, home: Path | None = None, environ: Mapping[str, str] | None = None
) -> tuple[SearchPlace, ...]:
    """Return the directories that may hold role files, strongest first.

    Args:
        cwd: The user's project.
        home: The user's home directory; None asks the system.
        environ: Where XDG_CONFIG_HOME is looked up; None is this process's environment.
    """
    places = [
        SearchPlace(origin="project", path=cwd / "roles"),
        SearchPlace(origin="claude", path=cwd / ".claude" / "agents", is_deep=True),
    ]
    config = _config_dir(home, os.environ if environ is None else environ)
    if config is not None:
        places.append(SearchPlace(origin="user", path=config / "peerteam" / "roles"))
    # In our own repository ./roles is the built-in directory: list it once, by its real name.
    others = [place for place in places if not _is_built_in(place.path)]
    return (*others, SearchPlace(origin="built-in", path=BUILT_IN_DIR))


def find_roles(
    cwd: Path,
    known_tools: frozenset[str],
    *,
    home: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[FoundRole, ...]:
    """List every role file, strongest first, and say which one wins each name.

    A broken file is listed with its error and hides no file of another name. If it comes
    first for its own name it still holds that name (`wins`, with `error` set): falling
    through to a weaker file would run instructions nobody asked for.

    Args:
        cwd: The user's project.
        known_tools: The names of all tools of this project, of every kind of member.
        home: As for `search_path`.
        environ: As for `search_path`.

    Returns:
        Files in the order project, claude, user, built-in; sorted by path inside each.
        README.md and Markdown that does not open with front matter are no roles.
    """
    found: list[FoundRole] = []
    holders: dict[str, str] = {}
    for place in search_path(cwd, home, environ):
        for path in _role_paths(place):
            name, role, error = _try_load(path, known_tools)
            holder = holders.setdefault(name, str(path))
            wins = holder == str(path)
            found.append(
                FoundRole(
                    name=name,
                    path=str(path),
                    origin=place.origin,
                    role=role,
                    error=error,
                    wins=wins,
                    shadowed_by=None if wins else holder,
                )
            )
    return tuple(found)


def get_role(
    name: str,
    cwd: Path,
    known_tools: frozenset[str],
    *,
    home: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Role:
    """Return the role that wins `name`.

    Args:
        name: The role's name.
        cwd: The user's project.
        known_tools: The names of all tools of this project, of every kind of member.
        home: As for `search_path`.
        environ: As for `search_path`.

    Raises:
        RoleError: No file has that name (the text says which names are near), or the
            file that holds it is broken (its own error; a weaker file is not used).
    """
    found = find_roles(cwd, known_tools, home=home, environ=environ)
    for one in found:
        if one.name == name and one.wins:
            # A broken winner is read again to raise its error with line and field.
            return one.role or load_role(Path(one.path), known_tools)
    places = search_path(cwd, home, environ)
    if NAME.fullmatch(name):
        for place in places:
            stray = place.path / f"{name}.md"
            if _is_candidate(stray) and str(stray) not in {one.path for one in found}:
                return load_role(stray, known_tools)  # No front matter: its error says so.
    names = sorted({one.name for one in found})
    where = ", ".join(str(place.path) for place in places)
    raise RoleError(
        str(cwd / "roles" / f"{short(name)}.md"),
        f"there is no role {short(name)!r} in {where}",
        f"{did_you_mean(name, names)}write this file, or use one of {', '.join(names)}",
    )


def _read_bytes(path: Path) -> bytes:
    """Return the file's bytes, or raise RoleError; never blocks on a pipe or device."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise RoleError(str(path), "this is a directory", "name a Markdown file in it")
        if not stat.S_ISREG(status.st_mode):
            raise RoleError(str(path), "this is not a regular file", "name a Markdown file")
        if status.st_size > ROLE_BYTES_MAX:
            raise RoleError(
                str(path),
                f"the file has {status.st_size:,} bytes, and the limit is {ROLE_BYTES_MAX:,}",
                "shorten it, and give long material to the team as a source",
            )
        return path.read_bytes()
    except OSError as error:
        reason = f"the file can't be read: {error.strerror or error}"
        raise RoleError(str(path), reason, "check the path and its permissions") from error
    except ValueError as error:  # A null byte in the path.
        raise RoleError(str(path), f"no such path: {error}", "check the path") from error


def _config_dir(home: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the user's configuration directory, or None when the user has no home."""
    configured = Path(environ.get("XDG_CONFIG_HOME", ""))
    if configured.is_absolute():  # The XDG rules: a relative one is ignored.
        return configured
    try:
        return (home or Path.home()) / ".config"
    except RuntimeError:
        return None


def _is_built_in(directory: Path) -> bool:
    try:
        return directory.resolve() == BUILT_IN_DIR
    except (OSError, RuntimeError):  # RuntimeError: links that go round in a circle.
        return False


def _role_paths(place: SearchPlace) -> list[Path]:
    """Return the files of one directory that are role files, good or broken, sorted."""
    try:
        if not place.path.is_dir():
            return []
        every = place.path.rglob("*.md") if place.is_deep else place.path.glob("*.md")
        return sorted(path for path in every if _is_candidate(path) and opens_as_role(path))
    except OSError:  # A directory we may not enter holds no role for us.
        return []


def _is_candidate(path: Path) -> bool:
    """Whether a name on disk may be a role; a dangling link is, so that it is reported."""
    return (
        path.name.lower() != "readme.md"
        and (path.is_symlink() or path.exists())
        and not path.is_dir()
    )


def opens_as_role(path: Path) -> bool:
    """Whether a file is meant as a role: it opens with front matter, or has a built-in's name.

    One that can't be read may open so; it counts.
    """
    if (BUILT_IN_DIR / path.name).is_file():
        return True
    try:
        first = _read_bytes(path).removeprefix(b"\xef\xbb\xbf")[:80]
    except RoleError:
        return True
    return re.match(rb"---[ \t]*[\r\n]", first) is not None


def _try_load(path: Path, known_tools: frozenset[str]) -> tuple[str, Role | None, str | None]:
    """Return (name, role, None), or (best guess at the name, None, error)."""
    try:
        role = load_role(path, known_tools)
    except RoleError as error:
        return _name_of_broken(path), None, str(error)
    return role.name, role, None


def _name_of_broken(path: Path) -> str:
    """Return the name a broken file claims, or its stem."""
    try:
        front, _, _ = split(path, _read_bytes(path))
    except RoleError:
        return path.stem
    named = filter(None, map(_NAME_LINE.fullmatch, front.split("\n")))
    return next((match[2] for match in named), path.stem)
