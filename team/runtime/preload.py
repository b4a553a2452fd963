"""Imported once by the forkserver, so that a member starts in a tenth of the time.

Importing the SDK takes most of a cold start, and its first call builds what all later
ones use; forked members share both.
"""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import team.members.lead
import team.members.teammate
import team.runtime.process  # noqa: F401 - for its memory, shared by all members
from team.agent.models.call import Caller, Request
from team.agent.models.rehearsal.transport import RehearsalTransport


async def _call_once() -> None:
    caller = Caller("rehearsal", RehearsalTransport())
    hello = {"role": "user", "content": [{"type": "text", "text": "Hello."}]}
    request = Request(model="none", system="", messages=[hello], tools=[], max_tokens=16)
    await caller.call(request, on_text=lambda _: None, on_wait=lambda *_: None)
    await caller.close()


# A member can do without; one that can't call a model says so itself.
with suppress(Exception):
    asyncio.run(_call_once())
gc.collect()
gc.freeze()
