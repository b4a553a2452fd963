"""What a role file may say: each field checked, everything else reported.

Not for reading YAML (`roles.front_matter`) or for finding files (`roles.files`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec
import yaml

from roles.front_matter import (
    HONOURED,
    KEPT,
    NULL_TAG,
    TEXT_TAG,
    Field,
    IgnoredField,
    RoleError,
    did_you_mean,
    near,
    read_fields,
    read_servers,
    short,
    split,
)
from roles.tool_patterns import covers, pattern_of

EFFORTS = ("low", "medium", "high", "xhigh", "max")
# Claude Code's tools: those that mean something here, and the rest.
CLAUDE_TOOLS_HERE = {
    "Read": "read_source",
    "Grep": "search_sources",
    "Glob": "list_sources",
    "SendMessage": "send_message",
    "WebFetch": "fetch",
}
CLAUDE_TOOLS_ELSEWHERE = frozenset(
    "Agent AskUserQuestion Bash BashOutput CronCreate CronDelete CronList Edit EndConversation "
    "EnterPlanMode EnterWorktree ExitPlanMode ExitWorktree KillBash KillShell LS LSP "
    "ListMcpResources ListMcpResourcesTool Monitor MultiEdit NotebookEdit NotebookRead "
    "PowerShell ReadMcpResource ReadMcpResourceTool ScheduleWakeup Skill SlashCommand Task "
    "TaskCreate TaskGet TaskList TaskOutput TaskStop TaskUpdate TeamCreate TeamDelete TodoRead "
    "TodoWrite ToolSearch WaitForMcpServers WebSearch Workflow Write".split()
)

UNKNOWN_TOOL_WHY = "no tool of that name is known, here or in Claude Code"
_HERE = {name.lower(): tool for name, tool in CLAUDE_TOOLS_HERE.items()}
_ELSEWHERE = frozenset(name.lower() for name in CLAUDE_TOOLS_ELSEWHERE)
# From this likeness on a name is taken for a slip of the pen, and not for a tool of elsewhere.
_SLIP = 0.75
# What people write for a field of ours, too far from its name for "did you mean".
_MEANT = {"allowedTools": "tools", "allowed-tools": "tools", "allowed_tools": "tools"}

T = TypeVar("T")

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

_TOOL = re.compile(r"(?:[^,(]|\([^)]*\)?)+")


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
    mcp_servers: tuple[str, ...] = ()
    """MCP servers that it asks for, by name; what they are is read where they are started."""
    skills: tuple[str, ...] | None = None
    """Skills that it asks for, of those the policy allows it; None means all of these."""

    def allowed(self, tools: Iterable[str]) -> tuple[str, ...]:
        """Return those of `tools` this role leaves to a member, in the order given."""
        wanted = [tool for tool in tools if self.tools is None or covers(self.tools, tool)]
        return tuple(tool for tool in wanted if not covers(self.disallowed_tools, tool))


def check_role(
    path: Path, content: bytes, known_tools: frozenset[str], *, is_built_in: bool = False
) -> Role:
    """Turn a file's bytes into a role.

    Raises:
        RoleError: It says something wrong; the text names file, line, field and fix.
    """
    review = review_role(path, content, known_tools, is_built_in=is_built_in)
    if review.role is None:
        raise review.errors[0]
    return review.role


class GivenField(msgspec.Struct, frozen=True, kw_only=True):
    """A field as a role file has it."""

    field: str
    """Its name as written."""
    line: int
    """Its line in the file, from 1."""
    value: str
    """What was written, on one line and short."""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be said of a role file."""

    role: Role | None = None
    """The role, or None if anything is wrong."""
    errors: tuple[RoleError, ...] = ()
    """What is wrong; `check_role` raises the first."""
    ignored: tuple[IgnoredField, ...] = ()
    """What has no effect, in a broken file too."""
    given: tuple[GivenField, ...] = ()
    """Every field it has, in its order, in a broken file too."""


def review_role(
    path: Path, content: bytes, known_tools: frozenset[str], *, is_built_in: bool = False
) -> Review:
    """Turn a file's bytes into a role, or into everything that is wrong with it."""
    try:
        front, body, body_line = split(path, content)
        draft = _Draft(str(path), known_tools, front)
    except RoleError as error:
        return Review(errors=(error,))
    name = draft.take(draft.name)
    description = draft.take(partial(draft.words, "description", needed=True))
    tools, disallowed = draft.take(draft.tools), draft.take(draft.disallowed_tools)
    model, effort = draft.take(draft.model), draft.take(draft.effort)
    max_turns, skills = draft.take(draft.max_turns), draft.take(draft.skills)
    servers = draft.take(draft.mcp_servers)
    if not body.strip():
        fix = "write the role's instructions after the second `---`"
        draft.errors.append(
            RoleError(str(path), "the file has no instructions", fix, line=body_line)
        )
    given = tuple(
        GivenField(field=short(field.key), line=field.line, value=field.raw)
        for field in draft.fields.values()
    )
    if draft.errors:
        return Review(errors=tuple(draft.errors), ignored=tuple(draft.ignored), given=given)
    role = Role(
        name=name or "",
        description=description or "",
        instructions=body.strip(),
        tools=tools,
        disallowed_tools=disallowed or (),
        model=model,
        effort=effort,
        max_turns=max_turns,
        source=f"built-in:{name}" if is_built_in else str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        honoured=tuple(key for key in draft.fields if key in HONOURED),
        ignored=tuple(draft.ignored),
        mcp_servers=servers or (),
        skills=skills,
    )
    return Review(role=role, ignored=role.ignored, given=given)


class _Draft:
    """A role file half checked: its fields, what was ignored so far, and what is wrong."""

    def __init__(self, path: str, known_tools: frozenset[str], front: str) -> None:
        self.path, self.known_tools = path, known_tools
        self.ignored: list[IgnoredField] = []
        self.errors: list[RoleError] = []
        self.fields: dict[str, Field] = {}
        fields, remark = read_fields(path, front)
        if remark is not None:
            self.ignored.append(remark)
        for field in fields:
            if field.key in self.fields:
                first = self.fields[field.key].line
                reason = f"given twice, first on line {first}"
                if field.key in HONOURED:
                    self.errors.append(self._error(field, reason, "keep one of them"))
                else:
                    self._ignore(field, field.raw, reason)
                continue
            self.fields[field.key] = field
            if field.key not in HONOURED:
                self._ignore(field, field.raw, _why_ignored(field.key))

    def take(self, read: Callable[[], T]) -> T | None:
        """Read a field, and keep the error if it can't be."""
        try:
            return read()
        except RoleError as error:
            self.errors.append(error)
            return None

    def _refuse(self, field: Field, reason: str, fix: str) -> NoReturn:
        raise self._error(field, reason, fix)

    def _error(self, field: Field, reason: str, fix: str) -> RoleError:
        return RoleError(self.path, reason, fix, line=field.line, field=short(field.key))

    def _ignore(self, field: Field, value: str, why: str) -> None:
        self.ignored.append(
            IgnoredField(field=short(field.key), value=short(value), why=why, line=field.line)
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
        if not needed and node.tag == NULL_TAG:
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag not in (TEXT_TAG, NULL_TAG):
            self._refuse(field, f"must be text, and is {field.raw}", "write it in quotes")
        text = str(node.value).strip() if node.tag == TEXT_TAG else ""
        if not text:
            self._refuse(field, "is empty", "write a value" if needed else "delete the line")
        for character in text:
            if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"):
                self._refuse(field, f"holds the character U+{ord(character):04X}", "delete it")
        return text

    def name(self) -> str:
        """Return the role's name."""
        written = self.words("name", needed=True) or ""
        name = re.sub(r"[. ]+", "-", written)
        if name != written and NAME.fullmatch(name):
            why = f"a name has no dots and spaces here; it is called {name!r}"
            self._ignore(self.fields["name"], written, why)
        if not NAME.fullmatch(name):
            fix = "use 1 to 64 ASCII letters, digits, '_' or '-'"
            self._refuse(self.fields["name"], f"{short(written)!r} can't be a role's name", fix)
        return name

    def model(self) -> str | None:
        """Return the model as written, or None for the team's own."""
        model = self.words("model")
        if model is not None and re.search(r"\s", model):
            fix = "write an alias (opus, sonnet, haiku), a full model id, or inherit"
            self._refuse(self.fields["model"], f"{short(model)!r} is no model's name", fix)
        return None if model == "inherit" else model

    def effort(self) -> str | None:
        """Return the effort, or None for the team's own."""
        effort = self.words("effort")
        if effort in (None, "inherit"):
            return None
        if effort not in EFFORTS:
            fix = f"{did_you_mean(effort, EFFORTS)}use one of {', '.join(EFFORTS)}"
            self._refuse(self.fields["effort"], f"{short(effort)!r} is no level of effort", fix)
        return effort

    def max_turns(self) -> int | None:
        """Return the most turns, or None for the team's limit."""
        field = self.fields.get("maxTurns")
        if field is None or field.node.tag == NULL_TAG:
            return None
        written = field.node.value if isinstance(field.node, yaml.ScalarNode) else ""
        if not re.fullmatch(r"[1-9][0-9]{0,5}", written):
            reason = f"must be a whole number from 1 to 999999, and is {field.raw or 'empty'}"
            self._refuse(field, reason, "write a number such as 30, or delete the line")
        return int(written)

    def mcp_servers(self) -> tuple[str, ...]:
        """Return the names of the MCP servers asked for, defined in the file or elsewhere."""
        field = self.fields.get("mcpServers")
        if field is None or field.node.tag == NULL_TAG:
            return ()
        servers = read_servers(field)
        if servers is None:
            fix = "write a list of names, or of `name:` with its definition"
            self._refuse(field, f"must name MCP servers, and is {field.raw}", fix)
        return tuple(dict.fromkeys(server.name for server in servers))

    def skills(self) -> tuple[str, ...] | None:
        """Return the names of the skills asked for, or None for all that the policy allows."""
        field = self.fields.get("skills")
        if field is None or field.node.tag == NULL_TAG:
            return None
        fix = "write names with commas between them, or a YAML list of names"
        nodes = field.node.value if isinstance(field.node, yaml.SequenceNode) else [field.node]
        if any(not isinstance(one, yaml.ScalarNode) or one.tag != TEXT_TAG for one in nodes):
            self._refuse(field, f"must be names of skills, and is {field.raw}", fix)
        names = [name.strip() for one in nodes for name in one.value.split(",")]
        return tuple(dict.fromkeys(name for name in names if name))

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
        if field is None or field.node.tag == NULL_TAG:
            return ()
        return self._ours(field, self._tool_list(field))

    def _tool_list(self, field: Field) -> list[str]:
        nodes = field.node.value if isinstance(field.node, yaml.SequenceNode) else [field.node]
        fix = "write names with commas between them, or a YAML list of names"
        tools: list[str] = []
        for node in nodes:
            if not isinstance(node, yaml.ScalarNode) or node.tag not in (TEXT_TAG, NULL_TAG):
                self._refuse(field, f"must be names of tools, and is {field.raw}", fix)
            names = [name.strip() for name in _TOOL.findall(node.value) if name.strip()]
            if not names or node.tag == NULL_TAG:
                self._refuse(field, "holds no name", f"{fix}, or delete the line")
            tools += names
        return tools

    def _ours(self, field: Field, asked: list[str]) -> tuple[str, ...]:
        found = [self.take(partial(self._one_of_ours, field, tool)) for tool in asked]
        return tuple(dict.fromkeys(tool for tool in found if tool is not None))

    def _one_of_ours(self, field: Field, asked: str) -> str | None:
        base, _, limit = asked.partition("(")
        base = base.strip()
        of_server = pattern_of(base)
        if of_server is not None and not limit:
            return of_server
        tool = base if base in self.known_tools else _HERE.get(base.lower())
        is_known = tool is not None or base.lower() in _ELSEWHERE or base.startswith("mcp__")
        if not is_known and near(base, (*self.known_tools, *CLAUDE_TOOLS_HERE), _SLIP):
            self._refuse_tool(field, asked)
        if tool not in self.known_tools:
            self._ignore(field, asked, "no such tool here yet" if is_known else UNKNOWN_TOOL_WHY)
            return None
        if not limit:
            return tool
        # "Read(src/**)": to allow all of Read is too much; to refuse all of it is safe.
        if field.key == "tools":
            self._ignore(field, asked, f"{tool} can't be limited here, so it is not given")
            return None
        self._ignore(field, asked, f"{tool} can't be limited here, so all of it is refused")
        return tool

    def _refuse_tool(self, field: Field, asked: str) -> NoReturn:
        ours = sorted(self.known_tools)
        meant = did_you_mean(asked, [*ours, *CLAUDE_TOOLS_HERE])
        self._refuse(
            field, f"there is no tool {short(asked)!r}", f"{meant}the tools are {', '.join(ours)}"
        )


def _why_ignored(key: str) -> str:
    """Return why a field has no effect, with the field that may have been meant."""
    if key in KEPT:
        return KEPT[key]
    meant = _MEANT.get(key)
    hint = f"did you mean {meant!r}? " if meant else did_you_mean(key, (*HONOURED, *KEPT))
    return f"{hint}no such field here"
