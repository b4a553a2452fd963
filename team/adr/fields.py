"""Front matter of a decision file, YAML or nearly so: names and their texts.

Values are never built, only read as text: `status: {accepted}`, `deciders: @ada` and
`date: {YYYY-MM-DD}` stand in real files, and some are no YAML at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import yaml

# PyYAML takes quadratic time over nested brackets.
YAML_CHARS_MAX: Final = 16 * 1024
"""Longer front matter is read line by line."""
YAML_BRACKETS_MAX: Final = 200
"""Front matter with more opening brackets is read line by line."""

Fields = Mapping[str, tuple[str, ...]]
"""Texts by field name, the name in lower case; one text unless the value is a list."""

_LINE_CHARS_MAX = 2_000
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_ -]{0,40}?)[ \t]*:(?:[ \t]+(.*)|)$")
_ITEM = re.compile(r"[ \t]*-[ \t]+(.+)$")
_COMMENT = re.compile(r"(?:^|[ \t])#.*$")


def read_fields(front: str) -> tuple[Fields, bool]:
    """Return the fields of front matter, and whether it is YAML."""
    is_small = len(front) <= YAML_CHARS_MAX
    is_flat = front.count("[") + front.count("{") <= YAML_BRACKETS_MAX
    fields = _yaml_fields(front) if is_small and is_flat else None
    return (_loose_fields(front), False) if fields is None else (fields, True)


def _yaml_fields(front: str) -> Fields | None:
    try:
        node = yaml.compose(front, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        # ValueError and OverflowError: PyYAML on an escape past the end of Unicode.
        return None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        return None
    found: dict[str, tuple[str, ...]] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            found.setdefault(str(key.value).lower(), _texts(value))
    return found


def _texts(node: yaml.Node) -> tuple[str, ...]:
    """Return a value's text, the texts of a list, or the names of a mapping."""
    if isinstance(node, yaml.ScalarNode):
        return (str(node.value),)
    if isinstance(node, yaml.MappingNode):
        parts = [key for key, _ in node.value]
    else:
        parts = node.value if isinstance(node, yaml.SequenceNode) else []
    return tuple(str(part.value) for part in parts if isinstance(part, yaml.ScalarNode))


def _loose_fields(front: str) -> Fields:
    found: dict[str, tuple[str, ...]] = {}
    last = ""
    for line in front.split("\n"):
        if field := _FIELD.match(line[:_LINE_CHARS_MAX]):
            last = field[1].lower()
            text = _bare(field[2] or "")
            found.setdefault(last, (text,) if text else ())
        elif last and (item := _ITEM.match(line[:_LINE_CHARS_MAX])):
            found[last] = (*found[last], _bare(item[1]))
    return found


def _bare(value: str) -> str:
    """Return a value without quotes or a comment behind it."""
    text = value.strip()
    if text[:1] in {'"', "'"} and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    return _COMMENT.sub("", text).strip()
