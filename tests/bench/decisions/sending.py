"""What decides: the entries of a decision, and the sender's process.

It imports nothing above the bus, so that the process is there soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from time import monotonic_ns
from typing import Any, Final

import msgspec
import nats

from bus import subjects
from bus.access import Access
from bus.codec import Envelope, encode
from bus.connection import connect
from bus.ids import new_message_id
from bus.messages import DecisionExplained, DecisionRecorded, TurnActed
from bus.run_stream import Entry, RunStream

AREA: Final = "api"
WAYS: Final = {
    "turn": "with its turn and its reasons (a batch of three)",
    "alone": "alone",
    "raw": "floor: bare JetStream, fetch(1)",
}
ARRIVED: Final = "bench.arrived"
"""Where the receiver says that one has come, so that the next is not sent into a queue."""
PAUSE_S: Final = 0.003
_WAIT_S: Final = 30.0
STAMP: Final = 24
STATEMENT_CHARACTERS: Final = 100
RATIONALE: Final = "Both ways were measured, and the simpler one was within noise. " * 11
_BILLION: Final = 1_000_000_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the sender is to do.

    Attributes:
        access: How it reaches the bus.
        run: The run that is decided in.
        rounds: How often each way has its turn; the first round warms up.
        each: Decisions of a way in one turn.
    """

    access: Access
    run: str
    rounds: int
    each: int


def a_decision(run: str, author: str, key: str, *, expect: int = 0) -> Entry:
    """A decision whose statement begins with the time."""
    text = f"{monotonic_ns():0{STAMP}d}".ljust(STATEMENT_CHARACTERS, ".")
    body = DecisionRecorded(statement=text, supersedes=expect or None)
    return Entry(subject=subjects.decision(run, AREA, key, author), body=body, expect=expect)


def its_reasons(run: str, decision: Entry) -> Entry:
    """What travels with it."""
    subject = subjects.build(
        run, "rationale", *decision.subject.names, author=decision.subject.author
    )
    return Entry(subject=subject, body=DecisionExplained(rationale=RATIONALE), cause=decision.id)


def raw_payload() -> bytes:
    """The bytes of a decision, which begin with the time."""
    decision = a_decision("bench", "ada", "key")
    size = len(encode(decision.subject, Envelope(body=decision.body, at=1_234_567_890.123456)))
    return f"{monotonic_ns():0{STAMP}d}".ljust(size, ".").encode()


def send(plan: Plan, pipe: Pipe) -> None:
    """Be the sender; its process's whole life."""
    asyncio.run(_send(plan, pipe))


async def _send(plan: Plan, pipe: Pipe) -> None:
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    raw = await nats.connect(plan.access.url, token=plan.access.token)
    arrived = await raw.subscribe(ARRIVED)
    await raw.flush()
    async with connect(plan.access, name="ada") as connection:
        senders = _senders(RunStream(connection, plan.run), raw.jetstream())
        for turn in range(plan.rounds):
            for way, sender in senders.items():
                for number in range(turn * plan.each, (turn + 1) * plan.each):
                    began = monotonic_ns()
                    await sender(f"{way}-{number}")
                    took[way].append((monotonic_ns() - began) / _BILLION)
                    await arrived.next_msg(timeout=_WAIT_S)
                    await asyncio.sleep(PAUSE_S)
    await raw.close()
    pipe.send(took)


def _senders(stream: RunStream, jetstream: Any) -> dict[str, Callable[[str], Awaitable[None]]]:
    journal = subjects.journal(stream.run, "ada")
    acted = TurnActed(context="bench", turn=1, outcomes=())
    head = 0

    async def turn(key: str) -> None:
        nonlocal head
        decision = a_decision(stream.run, "ada", key)
        entry = Entry(subject=journal, body=acted, expect=head)
        head = await stream.commit([entry, decision, its_reasons(stream.run, decision)]) - 2

    async def alone(key: str) -> None:
        await stream.append(a_decision(stream.run, "ada", key))

    async def raw(key: str) -> None:
        await jetstream.publish(f"raw.{key}", raw_payload(), headers=expects(0))

    return {"turn": turn, "alone": alone, "raw": raw}


def expects(seq: int) -> dict[str, str]:
    return {
        "Nats-Msg-Id": new_message_id(),
        "Nats-Expected-Last-Subject-Sequence": str(seq),
    }
