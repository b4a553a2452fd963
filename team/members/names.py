"""Names for members: short, easy to tell apart, never used twice in a run."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import count as numbers
from typing import Final

_NAMES: Final = {
    "worker": ("ada", "bea", "cleo", "dora", "emil", "finn", "gus", "hana", "ivo", "juno"),
    "verifier": ("vera", "walt", "xena", "yuri", "zoe"),
}


def next_names(seat: str, taken: Container[str], count: int) -> list[str]:
    """Return the next names of a kind of seat that are not taken."""
    free = (name for name in _endless(seat) if name not in taken)
    return [next(free) for _ in range(count)]


def _endless(seat: str) -> Iterator[str]:
    for number in numbers(1):
        for name in _NAMES[seat]:
            yield name if number == 1 else f"{name}{number}"
