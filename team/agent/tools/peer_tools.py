"""Tools to talk to peers. The lead relays nothing; mail goes straight to its reader."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from bus.messages import (
    Answer,
    AnyMail,
    Challenge,
    Evidence,
    FindingNoted,
    Note,
    Question,
    Rebuttal,
)
from team.agent.tools.base import Effect, Tool, ToolAnswer, refuse
from team.agent.world import World
from team.rules.repeats import NO_MAIL
from team.tool_names import SEND, WAIT

MAIL_CHARACTERS_MAX = 4_000
WAIT_MAX_S = 60.0

_KINDS: dict[str, type[AnyMail]] = {
    "question": Question,
    "answer": Answer,
    "challenge": Challenge,
    "rebuttal": Rebuttal,
    "note": Note,
}


class SendMessageInput(msgspec.Struct, frozen=True, kw_only=True):
    """A message to a peer."""

    to: Annotated[str, msgspec.Meta(description="The member's name, as in `peers`, or `lead`.")]
    kind: Literal["question", "answer", "challenge", "rebuttal", "note"]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAIL_CHARACTERS_MAX)]
    in_reply_to: Annotated[
        str | None, msgspec.Meta(description="The id of the mail that this answers.")
    ] = None
    about: Annotated[
        str | None, msgspec.Meta(description="The claim or decision that it is about.")
    ] = None
    evidence: tuple[Evidence, ...] = ()


class WaitForMailInput(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait."""

    seconds: Annotated[float, msgspec.Meta(gt=0, le=WAIT_MAX_S)] = 20.0


class NoteInput(msgspec.Struct, frozen=True, kw_only=True):
    """A partial result."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAIL_CHARACTERS_MAX)]


class SendMessage(Tool[SendMessageInput]):
    """Send a typed message to a peer, the lead or a person.

    A question or a challenge asks for a reply; give `in_reply_to` when you reply.
    """

    name: ClassVar[str] = SEND
    input_type = SendMessageInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, given: SendMessageInput) -> ToolAnswer:
        me, roster = self._world.me, self._world.state.roster
        present = [seat.name for seat in roster.present() if seat.name != me and seat.takes_mail]
        if given.to not in {*present, "lead", "person"} or given.to == me:
            return refuse(
                f"there is no member {given.to!r} to write to; there are: {', '.join(present)}"
            )
        if given.in_reply_to and not self._was_sent_to_me(given.in_reply_to):
            return refuse(f"no mail with id {given.in_reply_to!r} was sent to you")
        body = _KINDS[given.kind](
            text=given.text,
            in_reply_to=given.in_reply_to,
            about=given.about,
            evidence=given.evidence,
        )
        entry = self._world.entry("mail", given.to, body=body, cause=given.in_reply_to)
        return ToolAnswer(content=f"Sent to {given.to} as {entry.id}.", entries=(entry,))

    def _was_sent_to_me(self, message_id: str) -> bool:
        letter = self._world.state.mail.letters.get(message_id)
        return letter is not None and letter.to == self._world.me


class WaitForMail(Tool[WaitForMailInput]):
    """Wait until mail comes, or word of a decision that you built on or challenged.

    It will stand before your next turn. Use it only when there is nothing else left to do.
    """

    name: ClassVar[str] = WAIT
    input_type = WaitForMailInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, context: str) -> None:
        self._world, self._context = world, context

    async def run(self, given: WaitForMailInput) -> ToolAnswer:
        inbox = self._world.inbox
        for _ in range(int(given.seconds / 0.25) + 1):
            if inbox.has_mail:
                return ToolAnswer(content="Mail has come.")
            if inbox.is_wrapping_up:
                return ToolAnswer(content="The lead asks you to wrap up.")
            if self._has_changes():
                return ToolAnswer(content="A decision that concerns you has changed.")
            await inbox.wait_change(0.25)
        return ToolAnswer(content=f"{NO_MAIL} in {given.seconds:g} s.")

    def _has_changes(self) -> bool:
        transcript = self._world.journal.transcripts[self._context]
        changes = self._world.decisions.changes(transcript, self._world.state.decisions)
        return any(change.stake != "shown" for change in changes)


class NotePartial(Tool[NoteInput]):
    """Keep a partial result, so that it is not lost if you are stopped."""

    name: ClassVar[str] = "note"
    input_type = NoteInput
    effect: ClassVar[Effect] = "idempotent"

    def __init__(self, world: World, task: str) -> None:
        self._world, self._task = world, task

    async def run(self, given: NoteInput) -> ToolAnswer:
        entry = self._world.entry("finding", self._task, body=FindingNoted(text=given.text))
        return ToolAnswer(content="Noted.", entries=(entry,))
