"""Compare data with a type, field by field, and find everything that is wrong.

`msgspec` stops at the first problem; whoever mends a file wants them all.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec

from team.codes.lint import (
    BAD_NAME,
    MISSING_FIELD,
    NO_CHOICE,
    OUT_OF_RANGE,
    UNKNOWN_FIELD,
    WRONG_TYPE,
)
from team.written.document import Document
from team.written.positions import Keys
from team.written.problem import Problem
from team.written.words import near, number

T = TypeVar("T", bound=msgspec.Struct)

_DROPPED: Final = object()
_GIVE: Final = "give a value of that type"


class Checked(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a document says, as far as it is sound.

    Attributes:
        value: With the defaults where something is wrong; nothing if one without a default is.
        problems: In the order of the file.
    """

    value: T | None
    problems: tuple[Problem, ...]


def check_document(document: Document, kind: type[T]) -> Checked[T]:
    """Find all that is wrong with a document of this kind."""
    walk = _Walk(document)
    sound = walk.struct((), document.data, kind)
    problems = tuple(sorted(walk.problems, key=lambda problem: problem.order))
    try:
        return Checked(value=msgspec.convert(sound, kind), problems=problems)
    except msgspec.ValidationError as error:
        # A field without a default is missing or was dropped; anything else is a problem too.
        whole = document.problem(WRONG_TYPE, (), str(error), _GIVE)
        return Checked(value=None, problems=problems or (whole,))


class _Walk:
    """One way through a document; keeps what it finds."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def struct(self, keys: Keys, data: dict[str, Any], kind: type[msgspec.Struct]) -> Any:
        """Give the sound part of a table."""
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        sound: dict[str, Any] = {}
        for name, value in data.items():
            if name not in fields:
                self._say(UNKNOWN_FIELD, (*keys, name), "unknown field", near(name, list(fields)))
                continue
            kept = self.value((*keys, name), value, _present(fields[name].type))
            if kept is not _DROPPED:
                sound[name] = kept
        for name, field in fields.items():
            if field.required and name not in data:
                fix = "add it at the top" if not keys else "add it"
                self._say(MISSING_FIELD, (*keys, name), "it is missing", fix)
        return sound

    def value(self, keys: Keys, value: Any, kind: Any) -> Any:
        """Give a value if it is sound, as much of it as is sound if it has parts."""
        is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        if isinstance(value, dict) and is_struct:
            return self.struct(keys, value, kind)
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if isinstance(value, dict) and origin is dict:
            pairs = (
                (name, self.value((*keys, name), one, inner[1])) for name, one in value.items()
            )
            return {name: one for name, one in pairs if one is not _DROPPED}
        if isinstance(value, list) and origin is tuple:
            parts = [self.value((*keys, at), one, inner[0]) for at, one in enumerate(value)]
            return [one for one in parts if one is not _DROPPED]
        return self._leaf(keys, value, kind)

    def _leaf(self, keys: Keys, value: Any, kind: Any) -> Any:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            reason = str(error)
            code = _code_of(reason)
            fix = "write 1 to 64 letters, digits, '_' or '-'" if code == BAD_NAME else _GIVE
            self._say(code, keys, reason, fix, allowed=_allowed(kind, code))
            return _DROPPED
        return value

    def _say(self, code: str, keys: Keys, reason: str, fix: str, allowed: str = "") -> None:
        self.problems.append(self.document.problem(code, keys, reason, fix, allowed=allowed))


def _present(kind: Any) -> Any:
    """The type of a value that is given, where a field may be absent: TOML has no null."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        others = [one for one in typing.get_args(kind) if one is not type(None)]
        return others[0] if len(others) == 1 else kind
    return kind


def _code_of(reason: str) -> str:
    """Which rule an error of `msgspec` means."""
    if "matching regex" in reason:
        return BAD_NAME
    if reason.startswith("Invalid enum value"):
        return NO_CHOICE
    if " >= " in reason or " <= " in reason or " > " in reason or " < " in reason:
        return OUT_OF_RANGE
    return OUT_OF_RANGE if "out of range" in reason else WRONG_TYPE


def _allowed(kind: Any, code: str) -> str:
    """What may stand in a field, in words."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.LiteralType | msgspec.inspect.EnumType):
        values = info.values if isinstance(info, msgspec.inspect.LiteralType) else info.cls
        return "one of " + ", ".join(repr(getattr(one, "value", one)) for one in values)
    if code == OUT_OF_RANGE and isinstance(
        info, msgspec.inspect.IntType | msgspec.inspect.FloatType
    ):
        return " and ".join(_bounds(info))
    return ""


def _bounds(info: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> Iterator[str]:
    if info.ge is not None and info.le is not None:
        yield f"{number(info.ge)} to {number(info.le)}"
        return
    for sign, bound in (("at least", info.ge), ("more than", info.gt), ("at most", info.le)):
        if bound is not None:
            yield f"{sign} {number(bound)}"
