"""How much of what tools give a context has room for; the rest is kept, and read on.

The journal keeps every answer whole. A context shows of it what fits, up to the end of a
line, and says how to go on: by `recall`, which reads the journal.

Source: docs/context.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bus.messages import ToolOutcome
from team.rules.limits import CHARACTERS_PER_TOKEN

FULL_SHARE: Final = 0.75
"""Share of the window from which turns leave before the next call is made."""
FREED_SHARE: Final = 0.5
"""Share of what could be made free that one turn may fill at most, beyond what is free."""
ROOM_MIN: Final = 0.05
"""Share of the window that a turn's tools may fill in any case."""
_OUTSIDE: Final = re.compile(r"^<outside [^>\n]*>$", re.MULTILINE)
_OUTSIDE_ENDS: Final = "</outside>"
SHOWN_MIN: Final = 200
"""Characters that each answer may have in any case."""


def room_of_turn(window: int | None, first_read: int, used: int) -> int | None:
    """Characters that the tools of a turn may add to a context; nothing: no limit is known.

    Args:
        window: Tokens that the context holds.
        first_read: Tokens of the context's first call: what never leaves it.
        used: Tokens that the last call has read and written.
    """
    if window is None:
        return None
    free = FULL_SHARE * window - used
    freed = FREED_SHARE * (window - first_read)
    return int(max(free, freed, ROOM_MIN * window) * CHARACTERS_PER_TOKEN)


def shown_of_each(contents: Mapping[str, str], room: int | None) -> dict[str, int]:
    """How many characters of which answers are shown; those that are not named: all.

    The largest are cut first, so that none is cut for another that is larger than it.
    """
    if room is None or sum(map(len, contents.values())) <= room:
        return {}
    left, most = room, SHOWN_MIN
    sizes = sorted(map(len, contents.values()))
    for number, size in enumerate(sizes):
        most = max(SHOWN_MIN, left // (len(sizes) - number))
        if size > most:
            break
        left -= size
    return {name: whole_lines(text, most) for name, text in contents.items() if len(text) > most}


def shown(outcome: ToolOutcome, turn: int, call: int) -> str:
    """What a context shows of an answer.

    Args:
        outcome: The answer as the journal has it.
        turn: The turn of the call.
        call: Which call of it, from 1.
    """
    if outcome.shown is None:
        return outcome.content
    whole = len(outcome.content)
    how = f"`recall` with turn {turn}, call {call}, start {outcome.shown}"
    return (
        f"{labelled(outcome.content, 0, outcome.shown)}\n"
        f"(cut here, since your context has no room for all {whole} characters: go on with {how})"
    )


def labelled(text: str, start: int, end: int) -> str:
    """A part of a text; data from outside stays between its marks, whichever part it is."""
    at_start, at_end = _open_mark(text, start), _open_mark(text, end)
    opening = f"{at_start}\n" if at_start else ""
    closing = f"\n{_OUTSIDE_ENDS}" if at_end else ""
    return f"{opening}{text[start:end]}{closing}"


def _open_mark(text: str, at: int) -> str:
    """The mark of the data from outside in which a place of a text lies; empty if in none.

    Data between marks is escaped, so no mark in it is its own.
    """
    opened = [mark for mark in _OUTSIDE.finditer(text) if mark.start() < at]
    if not opened or _OUTSIDE_ENDS in text[opened[-1].end() : at]:
        return ""
    return opened[-1].group()


def whole_lines(text: str, characters: int) -> int:
    """Characters of the lines that fit into so many; all of these, if hardly a line does."""
    end = text.rfind("\n", 0, characters + 1)
    return end if end >= SHOWN_MIN else characters
