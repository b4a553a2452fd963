"""Read role files: Markdown with YAML front matter, as Claude Code writes subagents.

Finds them (project, Claude Code, user, built-in), checks them, says which file wins a
name, and reports every field it does not honour. Not for what a role *may* do in a run:
model names, effort and tools are resolved and enforced in `team`; a role file only asks.

Source: docs/roles.md.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, NoReturn

import msgspec
import yaml

BUILT_IN_DIR = Path(__file__).resolve().parent
ROLE_BYTES_MAX = 128 * 1024
# PyYAML takes quadratic time over nested brackets: at this size, at worst about two seconds.
FRONT_MATTER_CHARS_MAX = 16 * 1024
SHORT_CHARS = 60
EFFORTS = ("low", "medium", "high", "xhigh", "max")
HONOURED = ("name", "description", "tools", "disallowedTools", "model", "maxTurns", "effort")
KEPT = {
    "permissionMode": "what a member may do is set by the team's policy and its bus account",
    "skills": "skills are not loaded here; write what the role must know into its instructions",
    "mcpServers": "MCP servers are not connected here",
    "hooks": "hooks do not run here",
    "memory": "a member remembers through its journal and the decisions log",
    "background": "every member is a process of its own already",
    "isolation": "every member is a process of its own already; there is no worktree",
    "color": "for display in Claude Code only",
    "initialPrompt": "a member starts from its contract",
}
# Claude Code's tools: those that mean something here, and the rest.
CLAUDE_TOOLS_HERE = {
    "Read": "read_source",
    "Grep": "search_sources",
    "Glob": "list_sources",
    "SendMessage": "send_message",
}
CLAUDE_TOOLS_ELSEWHERE = frozenset(
    "Agent AskUserQuestion Bash BashOutput CronCreate CronDelete CronList Edit EndConversation "
    "EnterPlanMode EnterWorktree ExitPlanMode ExitWorktree KillBash KillShell LS LSP "
    "ListMcpResources ListMcpResourcesTool Monitor MultiEdit NotebookEdit NotebookRead "
    "PowerShell ReadMcpResource ReadMcpResourceTool ScheduleWakeup Skill SlashCommand Task "
    "TaskCreate TaskGet TaskList TaskOutput TaskStop TaskUpdate TeamCreate TeamDelete TodoRead "
    "TodoWrite ToolSearch WaitForMcpServers WebFetch WebSearch Workflow Write".split()
)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELD_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)[ \t]*:(?:[ \t]|$)")
_NAME_LINE = re.compile(r"name[ \t]*:[ \t]*([\"']?)([A-Za-z0-9_-]{1,64})\1[ \t]*")
_TOOL = re.compile(r"(?:[^,(]|\([^)]*\)?)+")
_TEXT_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"
# The front matter's first line is the file's second.
_FIRST_FIELD_LINE = 2


class RoleError(Exception):
    """A role file can't be used, or no file has the role's name.

    Next: do what `fix` says at `path`, line `line`; nothing else was changed or hidden.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self, path: str, reason: str, fix: str, *, line: int | None = None, field: str | None = None
    ) -> None:
        self.path, self.line, self.field = path, line, field
        self.reason, self.fix = reason, fix
        where = path if line is None else f"{path}:{line}"
        super().__init__(": ".join(filter(None, (where, field, f"{reason}; {fix}"))))


class IgnoredField(msgspec.Struct, frozen=True, kw_only=True):
    """Something a role file says that has no effect here."""

    field: str
    """The field's name as written; `(front matter)` for a remark on all of it."""
    value: str
    """What was written, on one line and at most `SHORT_CHARS` long."""
    why: str
    """Why it has no effect, with "did you mean …?" for a near miss."""
    line: int | None = None
    """Its line in the file, from 1."""


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What a member is for: a checked role file."""

    name: str
    """1 to 64 letters, digits, `_` or `-`; not always the file's stem."""
    description: str
    """When to use the role, for people and for the lead."""
    instructions: str
    """The body of the file: the member's system prompt."""
    tools: tuple[str, ...] | None
    """Our names of the tools asked for; None means all that its kind of member may have."""
    disallowed_tools: tuple[str, ...]
    """Our names of tools it must not have; stronger than `tools`."""
    model: str | None
    """As written (an alias or a full id); None means the team's own."""
    effort: str | None
    """One of `EFFORTS`; None means the team's own."""
    max_turns: int | None
    """Most turns it may take, at least 1; None means the team's limit."""
    source: str
    """The file's path, or `built-in:NAME`."""
    sha256: str
    """Of the file's bytes, in hex."""
    honoured: tuple[str, ...]
    """Fields of the file that have an effect, in its order."""
    ignored: tuple[IgnoredField, ...]
    """Everything else it says, with the reason."""

    def allowed(self, tools: Iterable[str]) -> tuple[str, ...]:
        """Return those of `tools` this role leaves to a member, in the order given."""
        wanted = [tool for tool in tools if self.tools is None or tool in self.tools]
        return tuple(tool for tool in wanted if tool not in self.disallowed_tools)


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


class _Field(msgspec.Struct, frozen=True, kw_only=True):
    """One top-level field of the front matter."""

    key: str
    line: int
    node: yaml.Node
    raw: str


class _YamlBrokenError(Exception):
    """The text is not YAML. Never leaves this module."""

    def __init__(self, line: int, problem: str) -> None:
        self.line, self.problem = line, problem
        super().__init__(problem)


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
    return _parse(path, _read_bytes(path), known_tools)


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
    if _NAME.fullmatch(name):
        for place in places:
            stray = place.path / f"{name}.md"
            if _is_candidate(stray) and str(stray) not in {one.path for one in found}:
                return load_role(stray, known_tools)  # No front matter: its error says so.
    names = sorted({one.name for one in found})
    where = ", ".join(str(place.path) for place in places)
    raise RoleError(
        str(cwd / "roles" / f"{_short(name)}.md"),
        f"there is no role {_short(name)!r} in {where}",
        f"{_did_you_mean(name, names)}write this file, or use one of {', '.join(names)}",
    )


# --- files ---------------------------------------------------------------------------------


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
        return sorted(path for path in every if _is_candidate(path) and _opens_as_role(path))
    except OSError:  # A directory we may not enter holds no role for us.
        return []


def _is_candidate(path: Path) -> bool:
    """Whether a name on disk may be a role; a dangling link is, so that it is reported."""
    return (
        path.name.lower() != "readme.md"
        and (path.is_symlink() or path.exists())
        and not path.is_dir()
    )


def _opens_as_role(path: Path) -> bool:
    """Whether a file opens with front matter; one that can't be read may, so it counts."""
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
        front, _, _ = _split(path, _read_bytes(path))
    except RoleError:
        return path.stem
    named = filter(None, map(_NAME_LINE.fullmatch, front.split("\n")))
    return next((match[2] for match in named), path.stem)


# --- front matter --------------------------------------------------------------------------


def _split(path: Path, content: bytes) -> tuple[str, str, int]:
    """Return front matter, body, and the line on which the body starts."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reason = f"byte {error.start} is not UTF-8"
        raise RoleError(str(path), reason, "save the file as UTF-8", line=line) from error
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    marks = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    if not marks or marks[0] != 0:
        fix = "open it with `---`, name: and description:, and `---`"
        raise RoleError(str(path), "the file does not open with front matter", fix, line=1)
    if len(marks) == 1:
        fix = "put a line `---` after the last field"
        raise RoleError(str(path), "the front matter is never closed", fix, line=1)
    end = marks[1]
    front = "\n".join(lines[1:end])
    if len(front) > FRONT_MATTER_CHARS_MAX:
        limit = f"the limit is {FRONT_MATTER_CHARS_MAX:,}"
        reason = f"the front matter has {len(front):,} characters, and {limit}"
        raise RoleError(str(path), reason, "move text into the instructions", line=1)
    return front, "\n".join(lines[end + 1 :]), end + 2


def _yaml_fields(text: str, first_line: int) -> list[_Field] | None:
    """Return the fields of a YAML mapping, or None if it is something else.

    Nodes, not values: they know their lines, and no value needs building (PyYAML's
    constructors fail in a dozen ways on dates, huge numbers and odd tags).
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise _YamlBrokenError(first_line, "nested too deeply") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError and OverflowError: PyYAML on an escape past the end of Unicode.
        raise _YamlBrokenError(*_problem(error, text, first_line)) from error
    if not isinstance(node, yaml.MappingNode):
        return None
    return [
        _Field(
            key=str(key.value) if isinstance(key, yaml.ScalarNode) else _raw(key, text),
            line=first_line + key.start_mark.line,
            node=value,
            raw=_raw(value, text),
        )
        for key, value in node.value
    ]


def _problem(error: Exception, text: str, first_line: int) -> tuple[int, str]:
    """Return the file's line and PyYAML's own words for what it refused."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return first_line + (mark.line if mark else 0), error.problem or "not YAML"
    if isinstance(error, yaml.reader.ReaderError):
        return first_line + text.count("\n", 0, error.position), error.reason
    return first_line, str(error)


def _raw(node: yaml.Node, text: str) -> str:
    """Return what the file says for a node, short and on one line."""
    return _short(text[node.start_mark.index : node.end_mark.index])


def _loose_fields(text: str, first_line: int) -> list[_Field]:
    """Read fields line by line, for front matter that is not YAML.

    Claude Code's own files are the reason: `description: Use this when: …`. A field runs
    to the next line that opens a field we know (or a near miss, so that it is reported).
    Each is tried as YAML alone, and only what fails is taken as plain text.
    """
    chunks: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(text.split("\n"), first_line):
        opening = _FIELD_LINE.match(line)
        if opening and _near(opening[1], (*HONOURED, *KEPT), 0.8):
            chunks.append((number, opening[1], [line]))
        elif chunks:
            chunks[-1][2].append(line)
    return [field for chunk in chunks for field in _chunk_fields(*chunk)]


def _chunk_fields(line: int, key: str, lines: list[str]) -> list[_Field]:
    """Return a chunk's fields as YAML if it is, else one field of plain text."""
    try:
        fields = _yaml_fields("\n".join(lines), line) or []
    except _YamlBrokenError:
        fields = []
    # After a description, lines that look like fields ("user: hi") are part of it.
    if len(fields) == 1 or (fields and key != "description"):
        return fields
    words = " ".join(line.strip() for line in lines).partition(":")[2].strip()
    if len(words) > 1 and words[0] == words[-1] and words[0] in "\"'":
        words = words[1:-1]
    return [_Field(key=key, line=line, node=yaml.ScalarNode(_TEXT_TAG, words), raw=_short(words))]


# --- checks --------------------------------------------------------------------------------


def _parse(path: Path, content: bytes, known_tools: frozenset[str]) -> Role:
    """Turn a file's bytes into a role, or raise RoleError."""
    front, body, body_line = _split(path, content)
    draft = _Draft(str(path), known_tools, front)
    name = draft.name()
    description = draft.words("description", needed=True)
    tools, disallowed = draft.tools(), draft.disallowed_tools()
    model, effort, max_turns = draft.model(), draft.effort(), draft.max_turns()
    if not body.strip():
        fix = "write the role's instructions after the second `---`"
        raise RoleError(str(path), "the file has no instructions", fix, line=body_line)
    return Role(
        name=name,
        description=description or "",
        instructions=body.strip(),
        tools=tools,
        disallowed_tools=disallowed,
        model=model,
        effort=effort,
        max_turns=max_turns,
        source=f"built-in:{name}" if _is_built_in(path.parent) else str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        honoured=tuple(key for key in draft.fields if key in HONOURED),
        ignored=tuple(draft.ignored),
    )


class _Draft:
    """A role file half checked: its fields, and what was ignored so far."""

    def __init__(self, path: str, known_tools: frozenset[str], front: str) -> None:
        self.path, self.known_tools = path, known_tools
        self.ignored: list[IgnoredField] = []
        self.fields: dict[str, _Field] = {}
        for field in self._read(front):
            if field.key in self.fields:
                first = self.fields[field.key].line
                self._refuse(field, f"given twice, first on line {first}", "keep one of them")
            self.fields[field.key] = field
            if field.key not in HONOURED:
                self._ignore(field, field.raw, _why_ignored(field.key))

    def _read(self, front: str) -> list[_Field]:
        try:
            fields = _yaml_fields(front, _FIRST_FIELD_LINE)
        except _YamlBrokenError as error:
            return self._read_loosely(front, error)
        if fields is None:
            empty = not front.strip()
            reason = f"the front matter is {'empty' if empty else 'not a list of fields'}"
            fix = "write fields, one per line: `name: …`, `description: …`"
            raise RoleError(self.path, reason, fix, line=1 if empty else _FIRST_FIELD_LINE)
        return fields

    def _read_loosely(self, front: str, error: _YamlBrokenError) -> list[_Field]:
        fields = _loose_fields(front, _FIRST_FIELD_LINE)
        if not any(field.key == "name" for field in fields):
            reason = f"the front matter is not YAML ({_short(error.problem)}), and names no role"
            fix = "quote values that hold `: ` or `#`, and give `name:` a line of its own"
            raise RoleError(self.path, reason, fix, line=error.line) from error
        why = "not YAML, so read line by line; quote the value on this line to be exact"
        self.ignored.append(
            IgnoredField(
                field="(front matter)", value=_short(error.problem), why=why, line=error.line
            )
        )
        return fields

    def _refuse(self, field: _Field, reason: str, fix: str) -> NoReturn:
        raise RoleError(self.path, reason, fix, line=field.line, field=_short(field.key))

    def _ignore(self, field: _Field, value: str, why: str) -> None:
        self.ignored.append(
            IgnoredField(field=_short(field.key), value=_short(value), why=why, line=field.line)
        )

    def words(self, key: str, *, needed: bool = False) -> str | None:
        """Return a field's text, or None when it is absent and not needed."""
        field = self.fields.get(key)
        if field is None:
            if needed:
                fix = f"add a line `{key}: …`"
                raise RoleError(self.path, "missing", fix, line=1, field=key)
            return None
        node = field.node
        if not needed and node.tag == _NULL_TAG:
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag not in (_TEXT_TAG, _NULL_TAG):
            self._refuse(field, f"must be text, and is {field.raw}", "write it in quotes")
        text = str(node.value).strip() if node.tag == _TEXT_TAG else ""
        if not text:
            self._refuse(field, "is empty", "write a value" if needed else "delete the line")
        for character in text:
            if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"):
                self._refuse(field, f"holds the character U+{ord(character):04X}", "delete it")
        return text

    def name(self) -> str:
        """Return the role's name."""
        name = self.words("name", needed=True) or ""
        if not _NAME.fullmatch(name):
            fix = "use 1 to 64 ASCII letters, digits, '_' or '-'"
            self._refuse(self.fields["name"], f"{_short(name)!r} can't be a role's name", fix)
        return name

    def model(self) -> str | None:
        """Return the model as written, or None for the team's own."""
        model = self.words("model")
        if model is not None and re.search(r"\s", model):
            fix = "write an alias (opus, sonnet, haiku), a full model id, or inherit"
            self._refuse(self.fields["model"], f"{_short(model)!r} is no model's name", fix)
        return None if model == "inherit" else model

    def effort(self) -> str | None:
        """Return the effort, or None for the team's own."""
        effort = self.words("effort")
        if effort in (None, "inherit"):
            return None
        if effort not in EFFORTS:
            fix = f"{_did_you_mean(effort, EFFORTS)}use one of {', '.join(EFFORTS)}"
            self._refuse(self.fields["effort"], f"{_short(effort)!r} is no level of effort", fix)
        return effort

    def max_turns(self) -> int | None:
        """Return the most turns, or None for the team's limit."""
        field = self.fields.get("maxTurns")
        if field is None or field.node.tag == _NULL_TAG:
            return None
        written = field.node.value if isinstance(field.node, yaml.ScalarNode) else ""
        if not re.fullmatch(r"[1-9][0-9]{0,5}", written):
            reason = f"must be a whole number from 1 to 999999, and is {field.raw or 'empty'}"
            self._refuse(field, reason, "write a number such as 30, or delete the line")
        return int(written)

    def tools(self) -> tuple[str, ...] | None:
        """Return the tools asked for, or None for all; never wider than what was asked."""
        field = self.fields.get("tools")
        if field is None:
            return None
        asked = self._tool_list(field)
        if "*" in asked:
            return None
        tools = self._ours(field, asked)
        if asked and not tools:
            self._ignore(field, field.raw, "none of these is a tool here, so the role has none")
        return tools

    def disallowed_tools(self) -> tuple[str, ...]:
        """Return the tools refused; never fewer than what was refused."""
        field = self.fields.get("disallowedTools")
        if field is None or field.node.tag == _NULL_TAG:
            return ()
        return self._ours(field, self._tool_list(field))

    def _tool_list(self, field: _Field) -> list[str]:
        nodes = field.node.value if isinstance(field.node, yaml.SequenceNode) else [field.node]
        fix = "write names with commas between them, or a YAML list of names"
        tools: list[str] = []
        for node in nodes:
            if not isinstance(node, yaml.ScalarNode) or node.tag not in (_TEXT_TAG, _NULL_TAG):
                self._refuse(field, f"must be names of tools, and is {field.raw}", fix)
            names = [name.strip() for name in _TOOL.findall(node.value) if name.strip()]
            if not names or node.tag == _NULL_TAG:
                self._refuse(field, "holds no name", f"{fix}, or delete the line")
            tools += names
        return tools

    def _ours(self, field: _Field, asked: list[str]) -> tuple[str, ...]:
        found = [self._one_of_ours(field, tool) for tool in asked]
        return tuple(dict.fromkeys(tool for tool in found if tool is not None))

    def _one_of_ours(self, field: _Field, asked: str) -> str | None:
        base, _, limit = asked.partition("(")
        base = base.strip()
        tool = base if base in self.known_tools else CLAUDE_TOOLS_HERE.get(base)
        if tool is None and base not in CLAUDE_TOOLS_ELSEWHERE and not base.startswith("mcp__"):
            self._refuse_tool(field, asked)
        if tool not in self.known_tools:
            self._ignore(field, asked, "no such tool here yet")
            return None
        if not limit:
            return tool
        # "Read(src/**)": to allow all of Read is too much; to refuse all of it is safe.
        if field.key == "tools":
            self._ignore(field, asked, f"{tool} can't be limited here, so it is not given")
            return None
        self._ignore(field, asked, f"{tool} can't be limited here, so all of it is refused")
        return tool

    def _refuse_tool(self, field: _Field, asked: str) -> NoReturn:
        ours = sorted(self.known_tools)
        near = _did_you_mean(asked, [*ours, *CLAUDE_TOOLS_HERE])
        self._refuse(
            field, f"there is no tool {_short(asked)!r}", f"{near}the tools are {', '.join(ours)}"
        )


# --- words ---------------------------------------------------------------------------------


def _why_ignored(key: str) -> str:
    """Return why a field has no effect, with the field that may have been meant."""
    return KEPT.get(key) or f"{_did_you_mean(key, (*HONOURED, *KEPT))}no such field here"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean …? " or nothing."""
    near = _near(word, known, 0.6)
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""


def _near(word: str, known: Iterable[str], cutoff: float) -> list[str]:
    """Return up to two known words like this one, whatever their case or underscores."""
    plain = {_plain(one): one for one in known}
    return [plain[one] for one in difflib.get_close_matches(_plain(word), plain, 2, cutoff)]


def _plain(word: str) -> str:
    return word[: 2 * SHORT_CHARS].lower().replace("_", "").replace("-", "")


def _short(text: str) -> str:
    """Return text on one line, without control characters, at most SHORT_CHARS long."""
    line = " ".join(text[: 20 * SHORT_CHARS].split())
    line = "".join(c if unicodedata.category(c) not in ("Cc", "Cs") else "?" for c in line)
    return line if len(line) <= SHORT_CHARS else f"{line[: SHORT_CHARS - 1]}…"
