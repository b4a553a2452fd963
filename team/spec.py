"""The data that describes a team before it runs: roles, models, policy, gate.

Read from a TOML file and checked on load; a typo there is an error with file,
field and fix, never a silent default.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from roles import Role
from team.errors import SpecError

BUILT_IN: Final = Path(__file__).parent / "specs"
USER_FOLDER: Final = "teams"

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Few = Annotated[int, msgspec.Meta(ge=1, le=64)]
Token = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=30 * 24 * 3600)]


class _Written(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False
):
    """Something that people write by hand."""


class RoleNames(_Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which role file each seat is filled from."""

    lead: str = "lead"
    worker: str = "researcher"
    verifier: str = "skeptic"


class Models(_Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model answers for each seat; a role file's own model wins."""

    lead: str = "claude-opus-5-5"
    worker: str = "claude-sonnet-5-5"
    verifier: str = "claude-sonnet-5-5"


class Policy(_Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits that code holds.

    Attributes:
        teammates_max: Workers at once, verifiers not counted.
        rounds_max: How often a finding may be submitted before its lane is missing.
        turns_max: Model calls per task.
        tokens_max: Tokens per task, input and output together.
        seconds_max: Wall time per task, in seconds.
        run_seconds_max: Wall time of the run, in seconds.
        restarts_max: How often a member is started again before it is lost.
        output_tokens_max: Tokens that one model call may write.
    """

    teammates_max: Few = 8
    rounds_max: Few = 2
    turns_max: Count = 24
    tokens_max: Count = 400_000
    seconds_max: Seconds = 1_200.0
    run_seconds_max: Seconds = 5_400.0
    restarts_max: Few = 3
    output_tokens_max: Annotated[int, msgspec.Meta(ge=100, le=64_000)] = 8_000


class GateRules(_Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a finding must pass beside the exact checks, which always run.

    Attributes:
        verifiers: Fresh-context verifiers per finding; all must uphold each claim.
    """

    verifiers: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1


class DecisionRules(_Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How choices are shared.

    Attributes:
        digest_tokens: Tokens of decisions that may enter one turn of a member.
        rebuttal_seconds: How long the lead waits for an author's answer before it
            rules on a challenge, in seconds.
        revisions_max: Rounds that a lane may have beyond `rounds_max` because a decision
            that it rested on has fallen.
        proposed: Areas in which a member only proposes and the lead rules.
        standing: Folders, files or globs of decision records that hold from the start.
    """

    digest_tokens: Annotated[int, msgspec.Meta(ge=200, le=20_000)] = 400
    rebuttal_seconds: Seconds = 60.0
    revisions_max: Few = 2
    proposed: tuple[Token, ...] = ()
    standing: tuple[str, ...] = ()


class TeamSpec(_Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team as its file describes it."""

    name: str
    description: str = ""
    roles: RoleNames = RoleNames()
    models: Models = Models()
    policy: Policy = Policy()
    gate: GateRules = GateRules()
    decisions: DecisionRules = DecisionRules()


class SourceGroupDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A group of sources as a contract may name it."""

    name: str
    title: str
    root: str
    files: int


class ResolvedSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run is made of, as the stream keeps it.

    Attributes:
        team: The team spec.
        roles: The role files, whole, by role name.
        provider: `anthropic` or `rehearsal`.
        groups: The sources, by group.
        model: A model that answers for every seat, if the user chose one.
    """

    team: TeamSpec
    roles: dict[str, Role]
    provider: str
    groups: tuple[SourceGroupDoc, ...] = ()
    model: str | None = None

    def role_of_seat(self, seat: str) -> Role:
        """The role file of a seat: `lead`, `worker` or `verifier`."""
        return self.roles[getattr(self.team.roles, seat)]

    def model_of(self, role_name: str) -> str:
        """The model that answers for a role: the user's, the role's, the seat's."""
        if self.model:
            return self.model
        role = self.roles[role_name]
        if role.model:
            return MODEL_ALIASES.get(role.model, role.model)
        for seat in ("lead", "verifier", "worker"):
            if getattr(self.team.roles, seat) == role_name:
                return str(getattr(self.team.models, seat))
        return self.team.models.worker


MODEL_ALIASES: Final = {
    "opus": "claude-opus-5-5",
    "sonnet": "claude-sonnet-5-5",
    "haiku": "claude-haiku-5-5",
}
"""Short names as subagent files use them."""


def load_spec(path: Path) -> TeamSpec:
    """Read a team spec.

    Raises:
        SpecError: The file, the field, what is wrong and how to mend it.
    """
    if path.exists() and not path.is_file():
        raise SpecError(str(path), "", "it is not a file", "name a TOML file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(str(path), "", f"can't be read: {error}", "check the path") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(
            _at(path, text, str(error)), "", f"broken TOML: {error}", "mend it"
        ) from error
    try:
        return msgspec.convert(data, TeamSpec)
    except msgspec.ValidationError as error:
        raise _explain(path, text, error) from error


def find_spec(name: str, cwd: Path) -> Path:
    """Find a team spec by path or by name: `./teams/NAME.toml`, then the built-in ones.

    Raises:
        SpecError: There is none; names those there are.
    """
    if name.endswith(".toml") or "/" in name:
        return cwd / name
    for folder in (cwd / USER_FOLDER, BUILT_IN):
        candidate = folder / f"{name}.toml"
        if candidate.is_file():
            return candidate
    known = sorted(list_specs(cwd))
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise SpecError(
        name,
        "",
        "there is no such team spec",
        f"{hint}known are: {', '.join(known)}; or give a path",
    )


def list_specs(cwd: Path) -> dict[str, Path]:
    """Return the specs that a name finds from here."""
    found = {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))}
    found |= {path.stem: path for path in sorted((cwd / USER_FOLDER).glob("*.toml"))}
    return found


def _at(path: Path, text: str, message: str) -> str:
    line = re.search(r"line (\d+)", message)
    return f"{path}:{line.group(1) if line else len(text.splitlines()) or 1}"


def _explain(path: Path, text: str, error: msgspec.ValidationError) -> SpecError:
    message = str(error)
    inside = re.search(r"at `\$\.?([^`]*)`", message)
    place = inside.group(1) if inside else ""
    reason, _, _ = message.partition(" - at")
    missing = re.search(r"missing required field `([^`]+)`", message)
    if missing:
        return SpecError(f"{path}:1", missing.group(1), "it is missing", "add it at the top")
    unknown = re.search(r"unknown field `([^`]+)`", message)
    if not unknown:
        return SpecError(_line_of(path, text, place), place, reason, "give a value of that type")
    field = unknown.group(1)
    known = _fields_at(place)
    near = difflib.get_close_matches(field, known, 1)
    fix = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
    full = f"{place}.{field}" if place else field
    return SpecError(_line_of(path, text, full), full, "unknown field", fix)


def _fields_at(place: str) -> list[str]:
    kind: Any = TeamSpec
    for part in filter(None, place.split(".")):
        kind = next(f.type for f in msgspec.structs.fields(kind) if f.encode_name == part)
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def _line_of(path: Path, text: str, place: str) -> str:
    """Name the line on which a field, or else what it is part of, stands if it can be found."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        head = re.match(r"\s*\[+([^\]]+)\]", line)
        key = re.match(r"\s*([\w.-]+)\s*=", line)
        if head:
            table = head.group(1).strip()
        named = f"{table}.{key.group(1)}".removeprefix(".") if key else table
        if place and named == place:
            return f"{path}:{number}"
    parent = place.rpartition(".")[0]
    return _line_of(path, text, parent) if parent else str(path)
