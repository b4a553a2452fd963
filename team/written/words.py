"""How problems name what is known."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def near(word: str, known: Sequence[str]) -> str:
    """What may have been meant, or all that is known."""
    found = difflib.get_close_matches(word, known, 1)
    return f"did you mean {found[0]!r}?" if found else f"known are: {', '.join(known)}"


def number(value: float) -> str:
    """A number as people write it: `1,200`, `0.5`."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,}"


def names(words: Sequence[str]) -> str:
    """Several names: `a`, `b` and `c`."""
    quoted = [f"`{word}`" for word in words]
    return " and ".join(filter(None, (", ".join(quoted[:-1]), *quoted[-1:])))
