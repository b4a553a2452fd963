"""What differs between a run and others, and whether it is further off than it may be."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final, cast

import msgspec

from team.rules.shape_fields import Value, absent, place_of, template_of

ANY: Final = "any"
_SHARE: Final = re.compile(r"(\d+(?:\.\d+)?)%(?: or (\d+(?:\.\d+)?))?")
_WAYS: Final = "write 3, '20%', '20% or 3' (the larger of both) or 'any'"

DEFAULT_BOUNDS: Final[dict[str, tuple[int | str, str]]] = {
    "status": (0, ""),
    "mode": (0, ""),
    "lanes": (0, ""),
    "lanes_admitted": (0, ""),
    "stages": (0, ""),
    "rounds": ("25% or 1", ""),
    "members": (0, ""),
    "turns": ("20% or 3", ""),
    "tool_calls": ("25% or 5", ""),
    "tools": (ANY, "calls by tool"),
    "tokens": ("25%", "read and written, each"),
    "dollars": ("25%", ""),
    "seconds": (ANY, "says more of the machine than of the team"),
    "findings": ("25% or 1", ""),
    "claims": ("25% or 3", ""),
    "missing": (0, ""),
    "verdicts": ("25% or 3", "each check and outcome"),
    "verdicts.quotes.refuted": (0, "a quote that does not stand where it is said to"),
    "mail": ("50% or 5", "each kind"),
    "decisions": ("50% or 2", ""),
    "disputes": ("50% or 2", ""),
    "conflicts": ("50% or 1", ""),
    "refusals": (0, "whatever the code"),
    "unread": (0, ""),
    "roles": (ANY, "what each role did"),
    "lane": (ANY, "lanes by title; a model words these anew each time"),
    "setup": (ANY, "role files and models: changing these is what a baseline is for"),
    "setup.goal": (0, "another goal is another run"),
}
"""The bound of each field or group unless somebody writes another, and a word on it."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a field said in one run or in several.

    Attributes:
        low: The least number; absent without any.
        high: The greatest.
        texts: Every text.
    """

    low: int | float | None = None
    high: int | float | None = None
    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Iterable[Value]) -> Seen:
        """All values of a field together."""
        given = list(values)
        numbers = [value for value in given if not isinstance(value, str)]
        texts = sorted({value for value in given if isinstance(value, str)})
        return cls(
            low=min(numbers, default=None), high=max(numbers, default=None), texts=tuple(texts)
        )

    @property
    def values(self) -> tuple[Value, ...]:
        """As a list: the least and the greatest number once if they are one, then texts."""
        ends = () if self.low is None or self.high is None else (self.low, self.high)
        return (*dict.fromkeys(ends), *self.texts)


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """How far a field, or each field of a group, may be off.

    Attributes:
        name: The field or group.
        text: As it was written.
        amount: By how much in its own unit; absent with `any`.
        share: By which share of what it was.
    """

    name: str
    text: str
    amount: Fraction | None
    share: Fraction = Fraction(0)

    def leeway(self, end: int | float) -> Fraction | None:
        """How far a number may be from an end of what was seen; absent: any distance."""
        if self.amount is None:
            return None
        return max(self.amount, self.share * abs(exact(end)))


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One field beside what it said before.

    Attributes:
        field: Its name.
        before: What was seen before.
        after: What the run says.
        change: How far a number lies outside of what was seen; 0 inside, absent for texts.
        share: The change as a share of the nearest end; absent for texts and of 0.
        bound: The bound on it; absent: nobody has put one on it.
        is_equal: Whether it is as it was.
        is_beyond: Whether it is further off than its bound.
    """

    field: str
    before: Seen
    after: Value
    change: int | float | None
    share: float | None
    bound: Bound | None
    is_equal: bool
    is_beyond: bool


def parse_bound(name: str, value: object) -> Bound:
    """Read a bound as people write it.

    Raises:
        ValueError: It is none; says how to write one.
    """
    if isinstance(value, str):
        share = _SHARE.fullmatch(value)
        if share:
            percent, amount = Fraction(share[1]), Fraction(share[2] or 0)
            return Bound(name=name, text=value, amount=amount, share=percent / 100)
        if value == ANY:
            return Bound(name=name, text=ANY, amount=None)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= (number := cast("float", value)) < float("inf"):
        return Bound(name=name, text=str(number), amount=exact(number))
    raise ValueError(f"{value!r} is no bound; {_WAYS}")


def default_bounds() -> tuple[Bound, ...]:
    """The bounds that hold unless somebody writes others."""
    return tuple(parse_bound(name, value) for name, (value, _) in DEFAULT_BOUNDS.items())


def bound_of(field: str, bounds: Sequence[Bound]) -> Bound | None:
    """The bound on a field: the one with the longest name that is its own or its group's."""
    fitting = [b for b in bounds if field == b.name or field.startswith(f"{b.name}.")]
    return max(fitting, key=lambda bound: len(bound.name), default=None)


def seen_in(shapes: Sequence[Mapping[str, Value]]) -> dict[str, Seen]:
    """What each field said in several shapes; one that lacks a field says 0 or none."""
    names = sorted({name for fields in shapes for name in fields}, key=place_of)
    return {name: Seen.of(fields.get(name, _absent(name)) for fields in shapes) for name in names}


def differences(
    before: Mapping[str, Seen], after: Mapping[str, Value], bounds: Sequence[Bound]
) -> list[Difference]:
    """Compare every field that either side has, equal ones too."""
    names = sorted({*before, *after}, key=place_of)
    return [
        _difference(
            name,
            before.get(name) or Seen.of([_absent(name)]),
            after.get(name, _absent(name)),
            bound_of(name, bounds),
        )
        for name in names
    ]


def exact(number: int | float) -> Fraction:
    """A number as it is written, so that a bound's edge is where people see it."""
    return Fraction(str(number))


def _absent(name: str) -> Value:
    return absent(template_of(name) or name)


def _difference(name: str, before: Seen, after: Value, bound: Bound | None) -> Difference:
    if isinstance(after, str) or before.low is None or before.high is None:
        is_equal = after in before.texts
        is_free = bound is None or bound.amount is None
        return Difference(
            field=name,
            before=before,
            after=after,
            change=None,
            share=None,
            bound=bound,
            is_equal=is_equal,
            is_beyond=not is_equal and not is_free,
        )
    end = min(max(after, before.low), before.high)
    change = exact(after) - exact(end)
    leeway = bound.leeway(end) if bound else None
    return Difference(
        field=name,
        before=before,
        after=after,
        change=_plain(change),
        share=_float(change / abs(exact(end))) if end else None,
        bound=bound,
        is_equal=change == 0,
        is_beyond=leeway is not None and abs(change) > leeway,
    )


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else _float(number)


def _float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
