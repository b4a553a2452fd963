"""Members that ask on a real bus whether they may call: twenty of them, and no stampede."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from bus import subjects
from bus.connection import Connection
from bus.errors import BusUnavailableError
from bus.ids import new_run_id
from bus.live import Beat, Presence
from bus.pace import CallEnded, ask_to_call, tell_ended
from team.agent.models.call import Caller, Reply
from team.agent.pacer import RunPacer
from team.runtime.pacing import Pacing
from tests.support.cassettes import asking, failed
from tests.support.model_streams import SHAPES, answer

HOLD_S = 1.0
MEMBERS = [f"m{number}" for number in range(20)]


class Limited(httpx2.AsyncBaseTransport):
    """A provider that answers the first call with 429 and counts what comes meanwhile."""

    def __init__(self) -> None:
        self.early = self.calls = self.in_flight = 0
        self.at_once = list[int]()
        self._until = 0.0

    async def handle_async_request(self, _: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        if self.calls == 1:
            self._until = time.monotonic() + HOLD_S
            return failed(429, "rate_limit_error", **{"retry-after": f"{HOLD_S}"})
        self.early += time.monotonic() < self._until
        self.in_flight += 1
        self.at_once.append(self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        return answer(*SHAPES["text"])


def a_caller(connection: Connection, run: str, member: str, provider: Limited) -> Caller:
    return Caller("rehearsal", provider, pacer=RunPacer(connection, run, member))


async def test_twenty_members_wait_for_one_refusal_and_begin_again_one_by_one(
    connection: Connection,
) -> None:
    """Only the first of them was told to wait; all do."""
    run, provider, first_waits = new_run_id(), Limited(), asyncio.Event()
    callers = [a_caller(connection, run, member, provider) for member in MEMBERS]

    async def call(caller: Caller) -> Reply:
        return await caller.call(
            asking("Hello"), on_text=lambda _: None, on_wait=lambda *_: first_waits.set()
        )

    async with Pacing(connection, run):
        calls = [asyncio.create_task(call(callers[0]))]
        await asyncio.wait_for(first_waits.wait(), 5)
        calls += [asyncio.create_task(call(caller)) for caller in callers[1:]]
        replies = await asyncio.gather(*calls)
    for caller in callers:
        await caller.close()

    assert [reply.text for reply in replies] == ["Two words"] * 20
    assert provider.calls == 21
    assert provider.early == 0
    assert provider.at_once[0] == 1


async def test_where_nobody_answers_a_member_calls_at_once(connection: Connection) -> None:
    """The supervisor may be gone: the pace is a comfort, no gate."""
    pacer = RunPacer(connection, new_run_id(), "ada")

    assert await pacer.ask("k") == 0.0
    await pacer.tell("k", "ok", None)


async def test_each_key_has_its_own_pace_and_each_run_its_own_service(
    connection: Connection,
) -> None:
    run, other = new_run_id(), new_run_id()
    async with Pacing(connection, run), Pacing(connection, other):
        await tell_ended(connection, run, "ada", CallEnded(key="k1", how="busy", hold_s=60.0))

        assert await ask_to_call(connection, run, "bea", "k1") > 50
        assert await ask_to_call(connection, run, "bea", "k2") == 0.0
        assert await ask_to_call(connection, other, "bea", "k1") == 0.0


async def test_a_member_whose_process_has_ended_gives_its_place_back(
    connection: Connection,
) -> None:
    run = new_run_id()
    async with Pacing(connection, run) as pacing:
        await tell_ended(connection, run, "ada", CallEnded(key="k", how="busy", hold_s=0.0))
        assert await ask_to_call(connection, run, "ada", "k") == 0.0
        assert await ask_to_call(connection, run, "bea", "k") > 0

        pacing.forget("ada")

        assert await ask_to_call(connection, run, "bea", "k") == 0.0


@pytest.mark.parametrize(
    ("state", "is_free"),
    [("idle", True), ("listening", True), ("working", False), ("waiting", False)],
)
async def test_a_call_whose_end_was_never_told_ends_when_its_member_rests(
    connection: Connection, state: str, is_free: bool
) -> None:
    run = new_run_id()
    async with Pacing(connection, run) as pacing:
        await tell_ended(connection, run, "ada", CallEnded(key="k", how="busy", hold_s=0.0))
        assert await ask_to_call(connection, run, "ada", "k") == 0.0

        later = time.monotonic() + 60.0
        pacing.look({"ada": Presence(beat=Beat(pid=1, state=state), heard_at=later)})

        assert (await ask_to_call(connection, run, "bea", "k") == 0.0) is is_free


async def test_what_is_no_word_of_a_caller_is_not_answered_and_harms_nobody(
    connection: Connection,
) -> None:
    run = new_run_id()
    async with Pacing(connection, run):
        for data in (b"", b"{}", b'{"type": "ask"}', b'{"type":"told","key":"k","how":"well"}'):
            await connection.publish(subjects.pace(run, "ada"), data)
            await connection.publish(subjects.pace(run, "ada"), data, reply="nobody.listens")

        assert await ask_to_call(connection, run, "ada", "k") == 0.0


@pytest.mark.parametrize("said", [b"", b"soon", b"{}", b'{"wait_s": "nan"}'])
async def test_an_answer_that_can_not_be_read_is_a_yes(connection: Connection, said: bytes) -> None:
    run = new_run_id()

    async def talk(message: object) -> None:
        await connection.publish(message.reply, said)  # type: ignore[attr-defined]

    listening = await connection.subscribe(subjects.pace(run), talk)

    assert await ask_to_call(connection, run, "ada", "k") == 0.0
    await listening.unsubscribe()


async def test_a_pace_may_be_started_and_stopped_twice(connection: Connection) -> None:
    run = new_run_id()
    pacing = Pacing(connection, run)
    await pacing.start()
    await pacing.start()
    assert await ask_to_call(connection, run, "ada", "k") == 0.0
    await pacing.stop()
    await pacing.stop()

    with pytest.raises(BusUnavailableError):
        await ask_to_call(connection, run, "ada", "k")
