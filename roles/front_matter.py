"""The front matter of a role file: split it off, read its fields, YAML or nearly so.

Not for what a field may say: that is `roles.checks`.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import yaml

# PyYAML takes quadratic time over nested brackets: at this size, at worst about two seconds.
FRONT_MATTER_CHARS_MAX = 16 * 1024
SHORT_CHARS = 60
DEFINITION_NODES_MAX = 300
HONOURED = (
    "name",
    "description",
    "tools",
    "disallowedTools",
    "model",
    "maxTurns",
    "effort",
    "mcpServers",
    "skills",
)
KEPT = {
    "permissionMode": "what a member may do is set by the team's policy and its bus account",
    "hooks": "hooks do not run here",
    "memory": "a member remembers through its journal and the decisions log",
    "background": "every member is a process of its own already",
    "isolation": "every member is a process of its own already; there is no worktree",
    "color": "for display in Claude Code only",
    "initialPrompt": "a member starts from its contract",
}

TEXT_TAG = "tag:yaml.org,2002:str"
NULL_TAG = "tag:yaml.org,2002:null"

_FIELD_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)[ \t]*:(?:[ \t]|$)")
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


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One top-level field of the front matter."""

    key: str
    line: int
    node: yaml.Node
    raw: str


class InlineServer(msgspec.Struct, frozen=True, kw_only=True):
    """An MCP server as a role file names it."""

    name: str
    line: int
    definition: dict[str, Any] | None = None
    """What the file says of it, texts as they are written; None if it only names it."""


class _YamlBrokenError(Exception):
    """The text is not YAML. Never leaves this module."""

    def __init__(self, line: int, problem: str) -> None:
        self.line, self.problem = line, problem
        super().__init__(problem)


def split(path: Path, content: bytes) -> tuple[str, str, int]:
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


def read_fields(path: str, front: str) -> tuple[list[Field], IgnoredField | None]:
    """Return the fields of front matter, and a remark if it is not YAML.

    Raises:
        RoleError: It is no list of fields, or neither YAML nor readable line by line.
    """
    try:
        fields = _yaml_fields(front, _FIRST_FIELD_LINE)
    except _YamlBrokenError as error:
        return _read_loosely(path, front, error)
    if fields is None:
        empty = not front.strip()
        reason = f"the front matter is {'empty' if empty else 'not a list of fields'}"
        fix = "write fields, one per line: `name: …`, `description: …`"
        raise RoleError(path, reason, fix, line=1 if empty else _FIRST_FIELD_LINE)
    return fields, None


def _read_loosely(
    path: str, front: str, error: _YamlBrokenError
) -> tuple[list[Field], IgnoredField]:
    fields = _loose_fields(front, _FIRST_FIELD_LINE)
    if not any(field.key == "name" for field in fields):
        reason = f"the front matter is not YAML ({short(error.problem)}), and names no role"
        fix = "quote values that hold `: ` or `#`, and give `name:` a line of its own"
        raise RoleError(path, reason, fix, line=error.line) from error
    why = "not YAML, so read line by line; quote the value on this line to be exact"
    return fields, IgnoredField(
        field="(front matter)", value=short(error.problem), why=why, line=error.line
    )


def _yaml_fields(text: str, first_line: int) -> list[Field] | None:
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
        Field(
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
    return short(text[node.start_mark.index : node.end_mark.index])


def _loose_fields(text: str, first_line: int) -> list[Field]:
    """Read fields line by line, for front matter that is not YAML.

    Claude Code's own files are the reason: `description: Use this when: …`. A field runs
    to the next line that opens a field we know (or a near miss, so that it is reported).
    Each is tried as YAML alone, and only what fails is taken as plain text.
    """
    chunks: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(text.split("\n"), first_line):
        opening = _FIELD_LINE.match(line)
        if opening and near(opening[1], (*HONOURED, *KEPT), 0.8):
            chunks.append((number, opening[1], [line]))
        elif chunks:
            chunks[-1][2].append(line)
    return [field for chunk in chunks for field in _chunk_fields(*chunk)]


def _chunk_fields(line: int, key: str, lines: list[str]) -> list[Field]:
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
    return [Field(key=key, line=line, node=yaml.ScalarNode(TEXT_TAG, words), raw=short(words))]


# --- servers -------------------------------------------------------------------------------


def read_servers(field: Field) -> list[InlineServer] | None:
    """Return the MCP servers that a field names or defines, or None if it says something else."""
    node = field.node
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    first = min((one.start_mark.line for one in nodes if one.start_mark), default=0)
    servers: list[InlineServer] = []
    for one in nodes:
        line = field.line + (one.start_mark.line - first if one.start_mark else 0)
        if isinstance(one, yaml.MappingNode):
            servers += [_defined(key, value, line) for key, value in one.value]
        elif isinstance(one, yaml.ScalarNode) and one.tag == TEXT_TAG:
            names = [name.strip() for name in one.value.split(",")]
            servers += [InlineServer(name=name, line=line) for name in names]
        else:
            return None
    return servers if all(one.name for one in servers) else None


def _defined(key: yaml.Node, value: yaml.Node, line: int) -> InlineServer:
    name = str(key.value).strip() if isinstance(key, yaml.ScalarNode) else ""
    definition = _plain_data(value, iter(range(DEFINITION_NODES_MAX)))
    is_table = isinstance(definition, dict)
    return InlineServer(name=name, line=line, definition=definition if is_table else None)


def _plain_data(node: yaml.Node, left: Iterator[int]) -> Any:
    """What a node says, its scalars as text; no more of it than there are nodes left.

    An alias may stand for a node many times over, even within itself.
    """
    if next(left, None) is None:
        return ""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain_data(value, left) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain_data(one, left) for one in node.value]
    return str(node.value)


# --- words ---------------------------------------------------------------------------------


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean …? " or nothing."""
    found = near(word, known, 0.6)
    return f"did you mean {' or '.join(map(repr, found))}? " if found else ""


def near(word: str, known: Iterable[str], cutoff: float) -> list[str]:
    """Return up to two known words like this one, whatever their case or underscores."""
    plain = {_plain(one): one for one in known}
    return [plain[one] for one in difflib.get_close_matches(_plain(word), plain, 2, cutoff)]


def _plain(word: str) -> str:
    return word[: 2 * SHORT_CHARS].lower().replace("_", "").replace("-", "")


def short(text: str) -> str:
    """Return text on one line, without control characters, at most SHORT_CHARS long."""
    line = " ".join(text[: 20 * SHORT_CHARS].split())
    line = "".join(c if unicodedata.category(c) not in ("Cc", "Cs") else "?" for c in line)
    return line if len(line) <= SHORT_CHARS else f"{line[: SHORT_CHARS - 1]}…"
