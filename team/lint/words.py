"""How problems name what is known."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def near(word: str, known: Sequence[str]) -> str:
    """What may have been meant, or all that is known."""
    found = difflib.get_close_matches(word, known, 1)
    return f"did you mean {found[0]!r}?" if found else f"known are: {', '.join(known)}"
