"""Mail and its receipts as a fold: stored, in context at turn n, answered.

Whether a message was fetched and not yet taken in, only its consumer knows; the
caller says so with `fetched_seq`, read from there.
"""

from __future__ import annotations

import msgspec

from bus.messages import (
    Answer,
    AnyMail,
    Challenge,
    Mail,
    Question,
    Rebuttal,
    TurnReplied,
    type_name,
)
from bus.run_stream import Record


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One message between members, and how far it has got.

    Attributes:
        id: Its id; replies name it.
        seq: Its sequence.
        kind: `question`, `answer`, `challenge`, `rebuttal` or `note`.
        author: Who sent it.
        to: Whose mailbox it went to.
        mail: What it says.
        context: The transcript that took it in, once one has.
        turn: The turn before whose model call it was taken in.
        answered_by: Id of the reply, once there is one.
    """

    id: str
    seq: int
    at: float
    kind: str
    author: str
    to: str
    mail: AnyMail
    context: str | None = None
    turn: int | None = None
    answered_by: str | None = None

    @property
    def wants_reply(self) -> bool:
        """Whether its author expects an answer that has not come."""
        return isinstance(self.mail, Question | Challenge) and self.answered_by is None

    def receipt(self, fetched_seq: int = 0) -> str:
        """How far it has got, in the words of docs/protocol.md."""
        if self.answered_by is not None:
            return f"answered (read at turn {self.turn})" if self.turn else "answered"
        if self.turn is not None:
            return f"in context at turn {self.turn}"
        return "fetched" if fetched_seq >= self.seq else "stored"


class Mailroom:
    """All mail of a run."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `mail` or `journal` into account."""
        match record.body:
            case Mail() as mail:
                assert isinstance(mail, AnyMail)
                self._send(record, mail)
            case TurnReplied() as turn:
                for intake in turn.intake:
                    self._take_in(intake.message_id, record.subject.author, turn)
            case _:
                pass

    def to_member(self, member: str) -> list[Letter]:
        """What was sent to a member, in order."""
        return [letter for letter in self.letters.values() if letter.to == member]

    def unanswered(self, member: str) -> list[Letter]:
        """Questions and challenges that a member still owes a reply."""
        return [letter for letter in self.to_member(member) if letter.wants_reply]

    def awaited(self) -> dict[str, frozenset[str]]:
        """Of whom each author of an open question or challenge awaits a reply."""
        found: dict[str, frozenset[str]] = {}
        for letter in self.letters.values():
            if letter.wants_reply:
                found[letter.author] = found.get(letter.author, frozenset()) | {letter.to}
        return found

    def _send(self, record: Record, mail: AnyMail) -> None:
        if record.id in self.letters:
            return  # a repeat, stored after the server had forgotten the first
        to, author = record.subject.names[0], record.subject.author
        kind = type_name(mail).removeprefix("mail.")
        self.letters[record.id] = Letter(
            id=record.id, seq=record.seq, at=record.at, kind=kind, author=author, to=to, mail=mail
        )
        asked = self.letters.get(mail.in_reply_to or "")
        if (
            asked is not None
            and (asked.to, asked.author) == (author, to)
            and isinstance(mail, Answer | Challenge | Rebuttal)
        ):
            self.letters[asked.id] = msgspec.structs.replace(asked, answered_by=record.id)

    def _take_in(self, message_id: str, reader: str, turn: TurnReplied) -> None:
        letter = self.letters.get(message_id)
        if letter is not None and letter.to == reader and letter.turn is None:
            self.letters[message_id] = msgspec.structs.replace(
                letter, context=turn.context, turn=turn.turn
            )
