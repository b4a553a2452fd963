"""Schemas of servers, made such that checking an input against one takes a bounded time.

What a schema refers to is put in its place, as far as that stays small; nothing is fetched.
Only keywords that are known to be cheap are kept; the rest is left to the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

from team.errors import TeamError

NODES_MAX: Final = 2_000
"""Parts of a schema, with all that it refers to in its place."""
DEPTH_MAX: Final = 48
_ONE: Final = (
    *("additionalProperties", "additionalItems", "contains", "items", "not", "if", "then", "else"),
    "propertyNames",
)
"""Keywords that hold a schema, or a row of them."""
_ROWS: Final = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_TABLES: Final = ("properties", "dependentSchemas", "dependencies")
"""Keywords that hold schemas by name."""
_PLAIN: Final = (
    *("type", "enum", "const", "required", "dependentRequired", "uniqueItems", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains"),
)


class SchemaRefusedError(TeamError):
    """A schema is none, is too large, or refers to itself or elsewhere.

    Next: the tool is left out.
    """


def expanded(schema: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """A schema that refers to nothing, and how many parts it has.

    Raises:
        SchemaRefusedError: It can't be made into one of at most `NODES_MAX` parts.
    """
    made = _Expansion(schema)
    whole = made.of(schema, (), 0)
    assert isinstance(whole, dict)
    return whole, made.nodes


def nodes_of(value: Any) -> int:
    """How many parts an input has."""
    count, left = 0, [value]
    while left:
        one = left.pop()
        count += 1
        left += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return count


class _Expansion:
    """Walks a schema; counts what it makes."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self.nodes = 0

    def of(self, schema: Any, within: tuple[str, ...], depth: int) -> Any:
        """A schema with what it refers to in its place.

        Args:
            schema: It.
            within: The references that have led here.
            depth: How deep it stands.
        """
        self._count(1)
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise SchemaRefusedError("a part of it is no schema")
        if depth > DEPTH_MAX:
            raise SchemaRefusedError(f"it is deeper than {DEPTH_MAX}")
        made = dict(self._kept(schema, within, depth + 1))
        if "$ref" in schema:
            target = self._target(schema["$ref"], within)
            referred = self.of(target, (*within, schema["$ref"]), depth + 1)
            made["allOf"] = [*made.get("allOf", []), referred]
        return made

    def _kept(
        self, schema: dict[str, Any], within: tuple[str, ...], depth: int
    ) -> Iterator[tuple[str, Any]]:
        for key, value in schema.items():
            if key in _PLAIN:
                self._count(nodes_of(value))
                yield key, _plain(key, value)
            elif key in _ROWS and isinstance(value, list):
                yield key, [self.of(one, within, depth) for one in value]
            elif key == "additionalProperties" and "patternProperties" in schema:
                continue  # which these are, patterns say
            elif key in _ONE:
                yield key, self.of(value, within, depth)
            elif key in _TABLES and isinstance(value, dict):
                yield key, {name: self._named(one, within, depth) for name, one in value.items()}
            elif key in (*_ROWS, *_TABLES):
                raise SchemaRefusedError(f"its {key!r} are none")

    def _named(self, value: Any, within: tuple[str, ...], depth: int) -> Any:
        """What a table holds: a schema, or, of dependencies, names."""
        if isinstance(value, list):
            self._count(len(value))
            return [str(one) for one in value]
        return self.of(value, within, depth)

    def _target(self, reference: Any, within: tuple[str, ...]) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise SchemaRefusedError("it refers to what is not in it")
        if reference in within or reference == "#":
            raise SchemaRefusedError("it refers to itself")
        found: Any = self._root
        for part in unquote(reference).removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise SchemaRefusedError("it refers to what is not in it")
        if found is self._root:
            raise SchemaRefusedError("it refers to what is not in it")
        return found

    def _count(self, more: int) -> None:
        self.nodes += more
        if self.nodes > NODES_MAX:
            raise SchemaRefusedError(f"it has more than {NODES_MAX:,} parts")


def _plain(key: str, value: Any) -> Any:
    """A value without schemas in it; in old drafts a type may be one."""
    kinds = value if isinstance(value, list) else [value]
    if key == "type" and not all(isinstance(one, str) for one in kinds):
        raise SchemaRefusedError("its 'type' is none")
    return value
