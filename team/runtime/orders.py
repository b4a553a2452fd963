"""What a person orders of a run from outside: mail to a member, its end, that it goes on.

Not for decisions (`team.runtime.person`) and answers (`team.runtime.approving`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import msgspec

from bus import subjects
from bus.errors import ConflictError
from bus.ids import LEAD, PERSON
from bus.live import heard_runs
from bus.messages import CancelRun, Note, Question, ResultPublished
from bus.run_stream import Entry, RunStream
from team.agent.models.cassette.environment import refuse_cassette
from team.errors import SpecError, StateError
from team.runtime.run import check_model_settings
from team.spec import ResolvedSpec
from team.state import RunState

HEARD_TRIES: Final = 30
HEARD_EVERY_S: Final = 0.1


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Mail that was stored: its id, by which its receipts are found, and its sequence."""

    id: str
    seq: int


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was told to end: whether anybody worked on it, and whether it has ended."""

    was_running: bool
    has_ended: bool


async def say(
    stream: RunStream, state: RunState, member: str, text: str, *, is_question: bool
) -> Said:
    """Write to a member.

    Raises:
        SpecError: The text is empty.
        StateError: There is no such member, or it takes no mail.
    """
    if not text.strip():
        raise SpecError("TEXT", "", "it is empty", "say something")
    names = [seat.name for seat in state.roster.present() if seat.takes_mail]
    if member not in names:
        reason = f"there is no member {member!r} that takes mail"
        raise StateError(stream.run, reason, f"there is: {', '.join(names) or 'nobody'}")
    body = Question(text=text) if is_question else Note(text=text)
    entry = Entry(subject=subjects.mail(stream.run, member, PERSON), body=body)
    return Said(id=entry.id, seq=await stream.append(entry))


async def cancel(stream: RunStream, state: RunState, why: str) -> Cancelled:
    """End a run now; if nobody works on it, its end is written here.

    Raises:
        StateError: It has ended, or it ended otherwise before it heard.
    """
    if state.result is not None:
        reason = f"it has ended already: {state.result.status}"
        raise StateError(stream.run, reason, "nothing is left to do")
    subject = subjects.control(stream.run, LEAD, PERSON)
    await stream.append(Entry(subject=subject, body=CancelRun(reason=why)))
    is_live = stream.run in await heard_runs(stream.connection)
    if not is_live:
        await _end(stream, why)
    result = await _result(stream)
    if result is not None and result.status != "cancelled":
        reason = f"it ended before it heard: {result.status}"
        raise StateError(stream.run, reason, "see its result")
    return Cancelled(was_running=is_live, has_ended=result is not None)


def check_can_go_on(run: str, state: RunState) -> ResolvedSpec:
    """Give the spec of a run that can be taken up, or that has ended.

    Raises:
        StateError: It was never opened, by another version, or it is a replay.
        SpecError: The environment asks for what no resumed run may do.
    """
    if state.spec is None:
        why = state.unread[0] if state.unread else "it was never opened"
        raise StateError(run, why, "start it again with 'team run', under another name")
    refuse_cassette()
    check_model_settings(state.spec.provider)
    if state.result is None and state.opened is not None and state.opened.replay:
        fix = "replay it again with 'team run --replay', or run it on a model with 'team run'"
        raise StateError(run, "it is a replay, which no model may go on with", fix)
    return state.spec


async def _end(stream: RunStream, why: str) -> None:
    """Write the end of a run whose lead is not there to write it."""
    ended = ResultPublished(status="cancelled", missing=(why,))
    with suppress(ConflictError):
        await stream.append(Entry(subject=subjects.result(stream.run), body=ended, expect=0))


async def _result(stream: RunStream) -> ResultPublished | None:
    """Wait a little for the lead to end the run."""
    for _ in range(HEARD_TRIES):
        head = await stream.head(str(subjects.result(stream.run)))
        if head is not None and isinstance(head.body, ResultPublished):
            return head.body
        await asyncio.sleep(HEARD_EVERY_S)
    return None
