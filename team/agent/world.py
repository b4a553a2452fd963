"""What a member's tools may touch: its own picture of the run, and the run's stream."""

from __future__ import annotations

import msgspec

from bus import subjects
from bus.messages import AnyMessage
from bus.run_stream import Entry, RunStream
from team.agent.inbox import Inbox
from team.sources import Library
from team.state import RunState


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One member's access to its run.

    Attributes:
        me: The member's name.
        stream: The run's stream.
        inbox: What it was sent, folded.
        library: The sources, if the run has any.
    """

    me: str
    stream: RunStream
    inbox: Inbox
    library: Library | None = None

    @property
    def run(self) -> str:
        """The run's id."""
        return self.stream.run

    @property
    def state(self) -> RunState:
        """The run, as far as this member was told of it."""
        return self.inbox.state

    def entry(
        self,
        kind: str,
        *names: str,
        body: AnyMessage,
        expect: int | None = None,
        cause: str | None = None,
    ) -> Entry:
        """A message of this member, ready to be committed."""
        subject = subjects.build(self.run, kind, *names, author=self.me)
        return Entry(subject=subject, body=body, expect=expect, cause=cause)
