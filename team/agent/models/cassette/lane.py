"""One member's lane: what it met, in order, written as it happens and read back in a replay."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from team.agent.models.cassette.format import (
    CUTS,
    Brought,
    Call,
    Header,
    Met,
    MetKind,
    encode_line,
    new_header,
    read_header,
    read_lane,
)
from team.agent.models.cassette.match import Difference, aligned, difference
from team.agent.models.cassette.volatile import Alignment
from team.errors import ReplayError

OUTSIDE: Final = "outside"
"""The folder of a recording that holds what was brought from outside, by hash."""


def outside_file(lane: Path, sha256: str) -> Path:
    """Where bytes that were brought from outside lie, in the recording of a lane."""
    return lane.parent.parent / OUTSIDE / sha256


class LaneFile:
    """A lane that is written. One process writes it; a header is put where it is new."""

    def __init__(self, path: Path, *, provider: str = "", is_first_party: bool = True) -> None:
        self._path = path
        self._provider = provider
        self._is_first_party = is_first_party

    def append(self, line: Call | Met | Brought, secrets: Iterable[str] = ()) -> None:
        """Add a line; secrets that it quotes are blacked out."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        data = encode_line(line, secrets)
        with self._path.open("ab") as file:
            if file.tell() == 0:
                data = encode_line(self._header()) + data
            file.write(data)

    def keep(self, sha256: str, data: bytes) -> None:
        """Keep bytes that were brought from outside, by their hash."""
        file = outside_file(self._path, sha256)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.{self._path.stem}")
        partial.write_bytes(data)
        partial.replace(file)

    def _header(self) -> Header:
        return new_header(self._path.stem, self._provider, is_first_party=self._is_first_party)


class Lane:
    """A lane that is replayed: each line is used once, in its order."""

    def __init__(
        self, path: Path, lines: Iterable[Call | Met | Brought], *, is_first_party: bool = True
    ) -> None:
        self.path = path
        self.member = path.stem
        self.is_first_party = is_first_party
        every = tuple(lines)
        self._lines = tuple(line for line in every if not isinstance(line, Brought))
        self._brought: dict[tuple[str, str], list[Brought]] = {}
        for line in every:
            if isinstance(line, Brought):
                self._brought.setdefault((line.context, line.call_id), []).append(line)
        self._at = 0
        self._alignment = Alignment()
        self._moved = asyncio.Event()

    @classmethod
    def open(cls, path: Path) -> Lane:
        """Read a lane.

        Raises:
            ReplayError: There is none.
            SpecError: It can't be read; names file and line.
        """
        if not path.exists():
            reason = f"the recorded run had no member {path.stem!r}"
            raise ReplayError(str(path), path.stem, reason)
        return cls(path, read_lane(path), is_first_party=read_header(path).is_first_party)

    @property
    def is_over(self) -> bool:
        """Whether every line is used."""
        return self._at >= len(self._lines)

    @property
    def next_kind(self) -> MetKind | None:
        """What the next line says was met; nothing if it is a call, or none is left."""
        line = None if self.is_over else self._lines[self._at]
        return line.kind if isinstance(line, Met) else None

    @property
    def is_tried_again(self) -> bool:
        """Whether the call used last was made again, or cut short before it was."""
        match self._lines[max(self._at - 1, 0) : self._at + 2]:
            case Call(sha256=last), Call(sha256=following), *_:
                return last == following
            case Call(sha256=last), Met(kind="stored"), Call(sha256=following):
                return last == following  # each try is reserved before it is made
            case Call(), Met(kind="stored"), Met(kind=kind) if kind in CUTS:
                return True
            case _:
                return self.next_kind in CUTS

    def take(self, *kinds: MetKind) -> Met:
        """Use up the next line, which is one of these.

        Raises:
            ReplayError: It is another.
        """
        line = None if self.is_over else self._lines[self._at]
        if not isinstance(line, Met) or line.kind not in kinds:
            raise ReplayError(
                str(self.path),
                self.member,
                f"line {self._at + 2} is {_named(line)}, now comes {' or '.join(kinds)}",
            )
        self._move()
        return line

    def take_brought(self, context: str, call_id: str) -> Brought | None:
        """Use up what a call has brought from outside, whenever it came; nothing if it was cut.

        Raises:
            ReplayError: The call was never made.
        """
        left = self._brought.get((context, call_id))
        if left:
            return left.pop(0)
        if self.next_kind in CUTS:
            return None
        reason = f"it holds nothing that call {call_id} of {context} has brought from outside"
        raise ReplayError(str(self.path), self.member, reason)

    def kept(self, sha256: str) -> bytes:
        """Bytes that were brought from outside.

        Raises:
            ReplayError: They are not there, or are others.
        """
        try:
            data = outside_file(self.path, sha256).read_bytes()
        except OSError as error:
            reason = f"what was brought from outside can't be read ({error.strerror}): {sha256}"
            raise ReplayError(str(self.path), self.member, reason) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            reason = f"what was brought from outside is not what it was: {sha256}"
            raise ReplayError(str(self.path), self.member, reason)
        return data

    async def moved(self) -> None:
        """Wait until a line was used up."""
        await self._moved.wait()

    def take_call(self, asked: dict[str, Any]) -> tuple[Call, Alignment] | None:
        """Use up the next line, if it is the call that is made.

        Returns:
            The recording, and which of its values stand for which of this run.
        """
        line = None if self.is_over else self._lines[self._at]
        if not isinstance(line, Call):
            return None
        alignment = aligned(line.request, asked, self._alignment)
        if alignment is None:
            return None
        self._alignment = alignment
        self._move()
        return line, alignment

    def why_not(self, asked: dict[str, Any]) -> str:
        """Why no recording answers a request, in words."""
        calls = [(at, line) for at, line in enumerate(self._lines) if isinstance(line, Call)]
        if not calls:
            return "it holds no calls"
        apart = [(n, at, self._apart(c, asked)) for n, (at, c) in enumerate(calls, start=1)]
        same = [(number, at) for number, at, found in apart if found is None]
        if same:
            number, at = same[-1]
            used = "was used already" if at < self._at else "comes later"
            return f"call {number} is the same and {used}; {self._what_is_next()}"
        _, _, number, found = max(
            (found.after, at == self._at, number, found)
            for number, at, found in apart
            if found is not None
        )
        return (
            f"nearest is call {number}, which differs first at {found.path}: "
            f"recorded {found.recorded}, asked {found.asked}; {self._what_is_next()}"
        )

    def _what_is_next(self) -> str:
        if self.is_over:
            return "all of it is used"
        return f"next is line {self._at + 2}, {_named(self._lines[self._at])}"

    def _apart(self, call: Call, asked: dict[str, Any]) -> Difference | None:
        return difference(call.request, asked, self._alignment.copy())

    def _move(self) -> None:
        self._at += 1
        self._moved.set()
        self._moved = asyncio.Event()


def _named(line: Call | Met | None) -> str:
    match line:
        case None:
            return "not there: the recording ends"
        case Call():
            return "a model call"
        case Met(kind=kind, seq=seq):
            return f"{kind} {seq}"
