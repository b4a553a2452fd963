"""Ask whether to call a provider now, and say how a call ended, on core NATS.

One request and one answer before a call, one word after it. Whoever answers is a comfort,
no gate: where nobody does, one goes on alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal

import msgspec
from nats.aio.msg import Msg

from bus import subjects
from bus.connection import Connection, Listening
from bus.errors import BusError

ANSWER_S: Final = 0.5
"""How long an answer is waited for, in seconds."""


class CallAsked(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """A member wants to call.

    Attributes:
        key: Whose limits the call counts against; a fingerprint, never a key.
    """

    key: str


class CallEnded(msgspec.Struct, frozen=True, kw_only=True, tag="told", omit_defaults=True):
    """A member's call has ended.

    Attributes:
        key: As it was asked for.
        how: It was served; the provider asked for fewer calls; or it failed otherwise.
        hold_s: For how long the provider wants no call, if it said, in seconds.
    """

    key: str
    how: Literal["ok", "busy", "failed"]
    hold_s: float | None = None


class CallAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """When to call: at once if 0; else ask again in so many seconds."""

    wait_s: float


_word = msgspec.json.Decoder(CallAsked | CallEnded)
_answer = msgspec.json.Decoder(CallAnswer)


async def ask_to_call(connection: Connection, run: str, name: str, key: str) -> float:
    """Ask whether a member may call now.

    Returns:
        0 if it may, else in how many seconds to ask again.

    Raises:
        BusUnavailableError: Nobody answers.
    """
    data = msgspec.json.encode(CallAsked(key=key))
    answer = await connection.ask(subjects.pace(run, name), data, timeout_s=ANSWER_S)
    try:
        wait_s = _answer.decode(answer.data).wait_s
    except msgspec.DecodeError:
        return 0.0
    return wait_s if math.isfinite(wait_s) else 0.0


async def tell_ended(connection: Connection, run: str, name: str, ended: CallEnded) -> None:
    """Say how a member's call has ended; silent while not connected."""
    if connection.is_connected:
        await connection.publish(subjects.pace(run, name), msgspec.json.encode(ended))


async def answer_callers(
    connection: Connection,
    run: str,
    on_ask: Callable[[str, CallAsked], float],
    on_end: Callable[[str, CallEnded], None],
) -> Listening:
    """Answer the members of a run until unsubscribed.

    Args:
        connection: To the bus.
        run: Whose members.
        on_ask: Gets a member's name and what it asks; gives 0 or in how many seconds to ask again.
        on_end: Gets a member's name and how its call has ended.
    """

    async def take(message: Msg) -> None:
        try:
            _, _, name = subjects.parse_core(message.subject)
            word = _word.decode(message.data)
            if isinstance(word, CallEnded):
                on_end(name, word)
            elif message.reply:
                answer = CallAnswer(wait_s=on_ask(name, word))
                await connection.publish(message.reply, msgspec.json.encode(answer))
        except (BusError, msgspec.DecodeError):
            return

    return await connection.subscribe(subjects.pace(run), take)
