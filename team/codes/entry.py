"""What one rule's entry in the catalogue says."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that people may meet, under a code that stays.

    Attributes:
        code: A letter and digits; never given to another rule.
        name: A few words with dashes, for example `tool-not-in-role`.
        says: What holds, in one sentence.
        why: What goes wrong without it, in a sentence or two.
        fix: What to do about it.
        severity: Whether it holds up who breaks it, or only tells him.
    """

    code: str
    name: str
    says: str
    why: str
    fix: str
    severity: Severity = "error"
