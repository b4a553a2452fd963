"""Is this the request that was recorded? Walk both at once, and say where they part."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any, Final

import msgspec

from team.agent.models.cassette.volatile import QUOTE_FIELD, Alignment

SHOWN_CHARACTERS_MAX: Final = 80
SHOWN_BEFORE: Final = 20
"""How much of a text is shown that is the same, before the first difference."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The first place where two requests differ.

    Attributes:
        path: Where, for example `messages[2].content[0].text`.
        recorded: What stands there in the recording, cut.
        asked: What stands there in the request, cut.
        after: How much was the same before: values, then characters of this one.
    """

    path: str
    recorded: str
    asked: str
    after: tuple[int, int]


class _Nothing:
    """Stands for what is not there."""


_NOTHING: Final = _Nothing()


def aligned(recorded: Any, asked: Any, alignment: Alignment) -> Alignment | None:
    """The alignment under which two requests are the same; nothing if there is none.

    Args:
        recorded: The recorded request, as JSON.
        asked: The request of this run.
        alignment: What is known already; left as it is.
    """
    if len(recorded.get("messages", ())) != len(asked.get("messages", ())):
        return None
    trial = alignment.copy()
    return None if difference(recorded, asked, trial) else trial


def difference(recorded: Any, asked: Any, alignment: Alignment) -> Difference | None:
    """The first difference between two requests, if any; extends the alignment until there."""
    return _Walk(alignment).compare(recorded, asked, "", "")


class _Walk:
    """One walk through two JSON values, keys in alphabetical order."""

    def __init__(self, alignment: Alignment) -> None:
        self._alignment = alignment
        self._same = 0

    def compare(self, theirs: Any, ours: Any, path: str, field: str) -> Difference | None:
        match theirs, ours:
            case dict(), dict():
                keys = sorted(theirs.keys() | ours.keys())
                return self._first(
                    (theirs.get(k, _NOTHING), ours.get(k, _NOTHING), f"{path}.{k}".lstrip("."), k)
                    for k in keys
                )
            case list(), list():
                pairs = zip_longest(theirs, ours, fillvalue=_NOTHING)
                return self._first(
                    (one, other, f"{path}[{n}]", field) for n, (one, other) in enumerate(pairs)
                )
            case str(), str() if field != QUOTE_FIELD:
                places = self._alignment.take_text(theirs, ours)
                return self._ruled(places is None, theirs, ours, path, places or (0, 0))
            case _:
                is_same = type(theirs) is type(ours) and theirs == ours
                return self._ruled(is_same, theirs, ours, path, (0, 0))

    def _first(self, pairs: Iterable[tuple[Any, Any, str, str]]) -> Difference | None:
        return next((found for pair in pairs if (found := self.compare(*pair))), None)

    def _ruled(
        self, is_same: bool, theirs: Any, ours: Any, path: str, places: tuple[int, int]
    ) -> Difference | None:
        if is_same:
            self._same += 1
            return None
        return Difference(
            path=path or "the whole",
            recorded=_shown(theirs, places[0]),
            asked=_shown(ours, places[1]),
            after=(self._same, places[0]),
        )


def _shown(value: Any, at: int) -> str:
    """A value as JSON, cut to what stands around its first difference."""
    if isinstance(value, _Nothing):
        return "nothing"
    if not isinstance(value, str):
        return _cut(msgspec.json.encode(value).decode())
    begin = max(0, at - SHOWN_BEFORE) if at > SHOWN_CHARACTERS_MAX - SHOWN_BEFORE else 0
    text = _cut(("…" if begin else "") + value[begin:])
    return msgspec.json.encode(text).decode()


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[: SHOWN_CHARACTERS_MAX - 1]}…"
