"""What detectors look at, whoever wrote it: a run as a list of events.

Our own streams become events in `team.audit.reading`; traces of other systems by
adapters of their own, outside this package. An event says what an agent did and not
what it meant; a field that a trace does not know stays empty, and detectors that need
it then see nothing.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["opened", "said", "planned", "called", "closed"]
Effect = Literal["none", "reads", "writes", "checks", "returns"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an agent did.

    Attributes:
        seq: Its place in the trace; several events of one record share it.
        agent: Who did it.
        kind: A transcript was opened or closed, something was said or planned, a tool called.
        context: Which transcript; agents without any have one, the empty name.
        turn: Which turn of it; 0 where a trace counts none.
        text: What was said, or why a transcript was closed.
        tool: Which tool was called.
        arguments: With which arguments, as canonical JSON.
        outcome: What the tool gave back.
        is_error: Whether the tool failed or was refused.
        effect: What the call does to the world.
        tools: For an opened transcript: which tools its agent has; empty if unknown.
        world: Version of all that the tool could see; a repeat in a changed world is none.
    """

    seq: int
    agent: str
    kind: Kind
    context: str = ""
    turn: int = 0
    text: str = ""
    tool: str = ""
    arguments: str = ""
    outcome: str = ""
    is_error: bool = False
    effect: Effect = "none"
    tools: tuple[str, ...] = ()
    world: int = 0


Trace = tuple[Event, ...]
