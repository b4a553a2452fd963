"""TOML written in every way that TOML allows, for tests of what reads it."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import strategies as st

NAMES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=4),
)
LEAVES = st.one_of(
    st.integers(-99, 99),
    st.booleans(),
    st.text(st.sampled_from("a#\"'[]{}=,.\\\n é😀"), max_size=8),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
TABLES = st.dictionaries(NAMES, VALUES, max_size=4)


@st.composite
def toml_texts(draw: st.DrawFn) -> str:
    """A sound TOML text: headers, dotted keys, inline tables, lists over many lines, comments."""
    return "".join(_table(draw, (), draw(TABLES)))


def written_key(name: str) -> str:
    """A key as it is written: bare if it can be."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return name
    return _basic(name)


def _table(draw: st.DrawFn, above: tuple[str, ...], data: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    later: list[str] = []
    for name, value in data.items():
        key = written_key(name)
        style = draw(st.sampled_from(("inline", "header", "dotted", "array")))
        if isinstance(value, dict) and value and style == "header":
            head = (*above, key)
            space = draw(st.sampled_from(("", " ")))
            later += [f"[{space}{f'{space}.'.join(head)}{space}] # {key!a}\n"]
            later += _table(draw, head, value)
        elif isinstance(value, dict) and value and style == "dotted":
            lines += [f"{key}.{written_key(n)} = {_value(draw, v)}\n" for n, v in value.items()]
        elif _is_tables(value) and style == "array":
            head = (*above, key)
            for one in value:
                later += [f"[[{'.'.join(head)}]]\n", *_table(draw, head, one)]
        else:
            lines.append(f"{key} = {_value(draw, value)}\n")
    return lines + later


def _is_tables(value: Any) -> bool:
    return bool(value) and isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _value(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(draw, value)
    if isinstance(value, list):
        gap = draw(st.sampled_from((" ", "\n  ", " # one ] more\n", "")))
        return "[" + "".join(f"{gap}{_value(draw, one)}{gap}," for one in value) + gap + "]"
    if isinstance(value, dict):
        pairs = (f"{written_key(name)} = {_value(draw, one)}" for name, one in value.items())
        return "{ " + ", ".join(pairs) + " }"
    return str(value)


def _text(draw: st.DrawFn, text: str) -> str:
    style = draw(st.sampled_from(("basic", "literal", "long", "long literal")))
    if style == "literal" and "'" not in text and "\n" not in text:
        return f"'{text}'"
    if style == "long":
        inner = text.replace("\\", "\\\\").replace('"""', '""\\"')
        return f'"""\n{inner}"""' if not inner.endswith('"') else f'"""\n{inner[:-1]}\\""""'
    if style == "long literal" and "'" not in text:
        return f"'''\n{text}'''"
    return _basic(text)


def _basic(text: str) -> str:
    """JSON's texts are TOML's, but for one character that TOML wants escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
