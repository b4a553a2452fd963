"""How texts of others are shown in a context, so that none of them leaves its line."""

from __future__ import annotations

import re
from typing import Final

_ENDS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def on_one_line(text: str) -> str:
    """A text without anything that may pass for the end of a line; as long as it was."""
    return _ENDS.sub(" ", text)
