"""Where MCP servers are written down: `.mcp.json` as its users have it, and role files.

A definition may hold secrets. It is read where a server is started, goes to members over a
pipe, and no stream keeps more of it than its name and a hash that leaves secrets out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec
import yaml

from roles import Role, RoleError, inline_servers
from roles.tool_patterns import server_token
from team.codes.lint import BAD_SERVER, BROKEN_JSON, UNREADABLE
from team.errors import SpecError
from team.project import folders_up
from team.written import Problem

MCP_FILE: Final = ".mcp.json"
FILE_BYTES_MAX: Final = 64 * 1024
SECRET_CHARACTERS_MIN: Final = 6
"""A shorter value is hidden nowhere: it would stand in half of all texts."""

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_TELLING: Final = re.compile(
    r"key|token|secret|passw|auth|credential|cookie|dsn|database", re.IGNORECASE
)
"""Names of variables and headers whose values are secret; a folder or a host need not be."""
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ANY: Final = "1"
"""Stands for a variable whose value is not known: it may be part of a host, a port or a path."""
_NOT_SERVED: Final = {
    "sse": "the type 'sse' is not served: MCP has given it up for streamable HTTP",
    "ws": "the type 'ws' is not served: it is no transport of MCP",
}

Kind = Literal["stdio", "http"]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=8_000)]


class _Stdio(msgspec.Struct, frozen=True, kw_only=True):
    command: Text
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}


class _Http(msgspec.Struct, frozen=True, kw_only=True):
    url: Text
    headers: dict[str, str] = {}


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A server as a file has it, its variables not put in.

    Attributes:
        name: What the file calls it.
        data: What it says.
        path: The file, as problems name it.
        line: Where it stands, from 1.
        folder: The folder in which the server is started.
        lines: Lines of its fields, by name, where they are known.
    """

    name: str
    data: dict[str, Any]
    path: str
    line: int
    folder: str
    lines: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Definition({self.name!r}, {self.path}:{self.line})"

    @property
    def token(self) -> str:
        """Its name as the names of its tools have it."""
        return server_token(self.name)

    @property
    def kind(self) -> str:
        """Its type, or what is meant where none is given."""
        given = self.data.get("type")
        if given is None:
            return "http" if "url" in self.data and "command" not in self.data else "stdio"
        return "http" if given in ("http", "streamable-http") else str(given)

    @property
    def sha256(self) -> str:
        """Hash of what it says, but for the values of variables and headers: these may change."""
        said = {k: sorted(v) if isinstance(v, dict) else v for k, v in self.data.items()}
        text = msgspec.json.encode(said, order="sorted")
        return hashlib.sha256(text).hexdigest()

    def problem(self, code: str, field: str, reason: str, fix: str) -> Problem:
        """Something wrong with it, at its place."""
        return Problem(
            code=code,
            path=self.path,
            line=self.lines.get(field, self.line),
            field=f"mcpServers.{self.name}" + (f".{field}" if field else ""),
            reason=reason,
            fix=fix,
        )


class McpServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server that may be started, its variables put in. It may hold secrets.

    Attributes:
        name: What its file calls it.
        token: Its name as the names of its tools have it.
        kind: How it is spoken to.
        sha256: Hash of its definition, secrets left out.
        roles: The roles whose members use it.
        command: The program, for `stdio`.
        args: Its arguments.
        env: What its environment has beyond the usual few.
        folder: The folder in which it is started.
        url: Its address, for `http`.
        headers: What is sent with each request.
        secrets: Values that nothing it says may carry on.
    """

    name: str
    token: str
    kind: Kind
    sha256: str
    roles: tuple[str, ...] = ()
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    folder: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"McpServer({self.name!r}, {self.kind})"


class Defined(msgspec.Struct, frozen=True, kw_only=True):
    """The servers that there are by name, and what is wrong with the files they stand in."""

    servers: dict[str, Definition]
    problems: tuple[Problem, ...] = ()


def find_mcp_file(cwd: Path) -> Path | None:
    """The nearest `.mcp.json`, up to the root of the repository."""
    for folder in folders_up(cwd.resolve()):
        if os.path.lexists(folder / MCP_FILE):
            return folder / MCP_FILE
    return None


def defined_servers(cwd: Path, roles: Iterable[Role], shown: str | None = None) -> Defined:
    """Read all servers: those of `.mcp.json`, and those that role files define; these win.

    Args:
        cwd: Where the file is looked for.
        roles: Roles that may define servers of their own.
        shown: How problems name the file; otherwise by its path.
    """
    path = find_mcp_file(cwd)
    found = Defined(servers={}) if path is None else read_mcp_file(path, shown or str(path))
    servers, problems = dict(found.servers), list(found.problems)
    for role in roles:
        try:
            servers |= {one.name: one for one in _of_role(role, cwd)}
        except RoleError as error:
            problems.append(_problem(UNREADABLE, error.path, error.line, error.reason, error.fix))
    return Defined(servers=servers, problems=tuple(problems))


def _of_role(role: Role, cwd: Path) -> Iterator[Definition]:
    if not role.mcp_servers or role.source.startswith("built-in:"):
        return
    for one in inline_servers(Path(role.source)):
        data = one.definition or {}
        yield Definition(name=one.name, data=data, path=role.source, line=one.line, folder=str(cwd))


def read_mcp_file(path: Path, shown: str) -> Defined:
    """Read a `.mcp.json`; what is wrong with it as a whole is a problem."""
    try:
        text = _text_of(path)
        data = msgspec.json.decode(text)
    except (OSError, ValueError, msgspec.DecodeError, RecursionError) as error:
        return Defined(servers={}, problems=(_broken(shown, error, path),))
    if not isinstance(data, dict) or not isinstance(data.get("mcpServers"), dict):
        fix = 'write {"mcpServers": {"NAME": {"command": …}}}'
        wrong = _problem(BAD_SERVER, shown, 1, "it has no table 'mcpServers'", fix)
        return Defined(servers={}, problems=(wrong,))
    lines = _lines_of(text)
    servers: dict[str, Definition] = {}
    problems: list[Problem] = []
    for name, one in data["mcpServers"].items():
        line = lines.get(("mcpServers", name), 1)
        if not isinstance(one, dict):
            reason = f"the server {name!r} is no table"
            problems.append(_problem(BAD_SERVER, shown, line, reason, "give its command or url"))
            continue
        own = {k: lines[keys] for k in one if (keys := ("mcpServers", name, k)) in lines}
        folder = str(path.resolve().parent)
        servers[name] = Definition(
            name=name, data=one, path=shown, line=line, folder=folder, lines=own
        )
    return Defined(servers=servers, problems=tuple(problems))


def wrong_with(one: Definition, environ: Mapping[str, str] | None = None) -> Iterator[Problem]:
    """Say why a definition can't be used, if it can't.

    Args:
        one: The definition.
        environ: Where its variables are; absent: they may be anything.
    """
    if not one.token:
        reason = f"{one.name!r} has no letter or digit"
        yield one.problem(BAD_SERVER, "", reason, "call it otherwise")
    if one.kind not in ("stdio", "http"):
        said = _NOT_SERVED.get(one.kind, f"there is no type {one.kind[:60]!r}")
        yield one.problem(BAD_SERVER, "type", said, "use 'stdio' or 'http'")
        return
    try:
        parts = _parts(one)
    except msgspec.ValidationError as error:
        said, _, at = str(error).partition(" - at `$")
        field = at.strip("`").lstrip(".").split(".")[0].split("[")[0]
        yield one.problem(BAD_SERVER, field, said, "write it as the table in docs/tools.md says")
        return
    wrong = _wrong_address(parts, environ) if isinstance(parts, _Http) else _wrong_program(parts)
    for field, reason, fix in wrong:
        yield one.problem(BAD_SERVER, field, reason, fix)


def _wrong_address(
    parts: _Http, environ: Mapping[str, str] | None
) -> Iterator[tuple[str, str, str]]:
    def value(found: re.Match[str]) -> str:
        return (environ or {}).get(found[1], found[2] or _ANY)

    if environ is None and parts.url.startswith("${"):
        return  # it may hold scheme and host
    try:
        url = urlsplit(_VARIABLE.sub(value, parts.url))
        is_one = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        yield "url", "it is no address of http or https with a host", "write https://HOST/PATH"


def _wrong_program(parts: _Stdio) -> Iterator[tuple[str, str, str]]:
    texts = (("command", parts.command), *(("args", one) for one in parts.args))
    for field, text in (*texts, *(("env", one) for one in parts.env.values())):
        if "\0" in text:
            yield field, "it has a NUL character", "delete it: no program can be given one"
            return
    for name in parts.env:
        if not _ENV_NAME.fullmatch(name):
            yield (
                "env",
                f"{name[:60]!r} can't be the name of a variable",
                "use letters, digits and _, and no digit at the start",
            )


def _parts(one: Definition) -> _Stdio | _Http:
    if one.kind == "http":
        return msgspec.convert(one.data, _Http)
    return msgspec.convert(one.data, _Stdio)


def missing_variables(one: Definition, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables without a value or a default, each with the field that names it."""
    return [
        (field, name)
        for field, text in _texts(one.data)
        for name, default in _VARIABLE.findall(text)
        if name not in environ and f"${{{name}:-{default}}}" not in text
    ]


def resolved(
    one: Definition, environ: Mapping[str, str] | None, roles: tuple[str, ...]
) -> McpServer:
    """Make a definition into a server that may be started.

    Args:
        one: The definition.
        environ: Where its variables are; nothing if it will not be started.
        roles: The roles whose members use it.

    Raises:
        SpecError: It is wrong, or a variable is missing.
    """
    _check(one, environ)
    hidden: set[str] = set()

    def put_in(text: str, *, is_secret: bool = False) -> str:
        def value(found: re.Match[str]) -> str:
            given = None if environ is None else environ.get(found[1])
            if given is not None and (is_secret or _TELLING.search(found[1])):
                hidden.add(given)
            return given if given is not None else found[2] or ""

        return _VARIABLE.sub(value, text)

    def table(given: dict[str, str]) -> dict[str, str]:
        made = {name: put_in(text, is_secret=True) for name, text in given.items()}
        telling = [value for name, value in made.items() if _TELLING.search(name)]
        hidden.update(telling, (value.partition(" ")[2].strip() for value in telling))
        return made

    def address(given: str) -> str:
        head, mark, query = given.partition("?")
        made = put_in(head) + mark + put_in(query, is_secret=True)
        for name, value in parse_qsl(urlsplit(made).query):
            hidden.update({value} if _TELLING.search(name) else ())
        return made

    parts = _parts(one)
    common: dict[str, Any] = {"name": one.name, "token": one.token, "sha256": one.sha256,
                              "roles": roles, "folder": one.folder}  # fmt: skip
    if isinstance(parts, _Http):
        server = McpServer(
            kind="http", url=address(parts.url), headers=table(parts.headers), **common
        )
    else:
        server = McpServer(
            kind="stdio",
            command=_program(put_in(parts.command), one.folder),
            args=tuple(put_in(one) for one in parts.args),
            env=table(parts.env),
            **common,
        )
    secrets = sorted((s for s in hidden if len(s) >= SECRET_CHARACTERS_MIN), key=len, reverse=True)
    return msgspec.structs.replace(server, secrets=tuple(secrets))


def _check(one: Definition, environ: Mapping[str, str] | None) -> None:
    for problem in wrong_with(one):
        raise problem.error()
    for field, name in [] if environ is None else missing_variables(one, environ):
        fix = f"set {name}, or write ${{{name}:-a default}}"
        raise SpecError(f"{one.path}:{one.line}", f"mcpServers.{one.name}.{field}",
                        f"the variable {name} is not set", fix)  # fmt: skip
    for problem in wrong_with(one, environ):
        raise problem.error()


def _program(command: str, folder: str) -> str:
    """A program as it is started from anywhere: what has a slash is looked up in the folder."""
    return os.path.abspath(os.path.join(folder, command)) if "/" in command else command  # noqa: PTH100, PTH118 - `..` is taken out, links are kept


def _texts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of a definition in which a variable may stand, with its field."""
    for field in ("command", "url"):
        if isinstance(data.get(field), str):
            yield field, data[field]
    for field in ("args", "env", "headers"):
        value = data.get(field)
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list | tuple) and inner is not None:
            yield from ((field, text) for text in inner if isinstance(text, str))


def _text_of(path: Path) -> str:
    if not path.is_file():  # a pipe would be waited on for ever
        raise ValueError("it is no plain file")
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ValueError(f"it has more than {FILE_BYTES_MAX:,} bytes")
    return path.read_text(encoding="utf-8-sig")


def _broken(shown: str, error: Exception, path: Path) -> Problem:
    if isinstance(error, msgspec.DecodeError):
        reason, line = f"broken JSON: {error}", _line_of_error(path)
        return _problem(BROKEN_JSON, shown, line, reason, "mend it")
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _problem(UNREADABLE, shown, None, f"can't be read: {said}", "check the file")


def _line_of_error(path: Path) -> int:
    """Where the standard library stumbles: it counts lines."""
    import json  # noqa: PLC0415 - for a broken file only

    try:
        json.loads(_text_of(path))
    except json.JSONDecodeError as error:
        return error.lineno
    except (OSError, ValueError, RecursionError):
        return 1
    return 1


def _problem(code: str, path: str, line: int | None, reason: str, fix: str) -> Problem:
    return Problem(code=code, path=path, line=line, reason=reason, fix=fix)


def _lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line of each key, to the third level: JSON is YAML but for its tabs."""
    try:
        node = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return dict(_keys(node, (), 3))


def _keys(
    node: yaml.Node | None, path: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], int]]:
    if depth == 0 or not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = (*path, str(key.value))
        yield here, key.start_mark.line + 1
        yield from _keys(value, here, depth - 1)
