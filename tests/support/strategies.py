"""Any message of the protocol, for Hypothesis: built from the types of its fields."""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from bus.messages import TYPES_OF_KIND, Count, Measure

MESSAGE_TYPES = tuple(sorted({t for ts in TYPES_OF_KIND.values() for t in ts}, key=str))

S = TypeVar("S", bound=msgspec.Struct)

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=40),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Count: st.integers(0, 2**64 - 1),
    Measure: st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
    msgspec.Raw: _json.map(lambda value: msgspec.Raw(msgspec.json.encode(value))),
}


def structs(of: type[S]) -> st.SearchStrategy[S]:
    """Any value of a struct type; fields with a default are sometimes left out."""
    hints = typing.get_type_hints(of, include_extras=True)
    parts = {field.name: _values(hints[field.name]) for field in msgspec.structs.fields(of)}
    needed = {f.name: parts.pop(f.name) for f in msgspec.structs.fields(of) if f.required}
    return st.fixed_dictionaries(needed, optional=parts).map(lambda given: of(**given))


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return st.sampled_from(parts)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([_values(part) for part in parts])
    if origin in (tuple, dict):
        return _several(origin, [_values(part) for part in parts if part is not Ellipsis])
    if issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    return structs(annotation)


def _several(of: Any, parts: list[st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    if of is dict:
        return st.dictionaries(*parts, max_size=3)
    return st.lists(parts[0], max_size=3).map(tuple)
