"""What a member's tools may touch: its own picture of the run, and the run's stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from bus import subjects
from bus.ids import LEAD
from bus.messages import AnyMessage, Evidence, Premise
from bus.run_stream import Entry, RunStream
from team.agent.decision_log import ContextDecisions, WholeLog, in_context
from team.agent.inbox import Inbox
from team.agent.journal import Journal
from team.agent.mcp.servers import Servers
from team.agent.models.cassette.environment import Tape
from team.agent.models.pictures import pictures_in
from team.agent.snapshots import Snapshots
from team.sources import Library, first_problem
from team.state import Decisions, RunState, Task

if TYPE_CHECKING:
    from team.agent.web.fetcher import Fetcher


def task_context(task: Task) -> str:
    """The name of the transcript in which a task's present round is worked on."""
    return task.context


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One member's access to its run.

    Attributes:
        me: The member's name.
        stream: The run's stream.
        inbox: What it was sent, folded.
        journal: What it has done, turn by turn.
        log: All decisions of the run, to be looked up.
        decisions: What its contexts are told of them.
        snapshots: What tools have brought from outside.
        library: The sources, if the run has any.
        web: What fetches pages, if the policy names hosts.
        tape: Where what comes from outside is recorded, or is had from in a replay.
        looks: Held while a tool looks at the run, where the order of looks is recorded.
        proposed: Decision areas in which members only propose.
        reserved: Decision areas in which the lead, too, only proposes.
        servers: Its MCP servers, if it may have any.
        sees: Whether the member's model reads pictures.
    """

    me: str
    stream: RunStream
    inbox: Inbox
    journal: Journal
    log: WholeLog
    decisions: ContextDecisions
    snapshots: Snapshots
    library: Library | None = None
    web: Fetcher | None = None
    tape: Tape = None
    looks: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    proposed: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    servers: Servers | None = None
    sees: bool = False

    @property
    def run(self) -> str:
        """The run's id."""
        return self.stream.run

    @property
    def state(self) -> RunState:
        """The run, as far as this member was told of it."""
        return self.inbox.state

    @property
    def cache(self) -> Literal["5m", "1h", "off"]:
        """For how long providers are to keep what a call has read."""
        spec = self.state.spec
        return "5m" if spec is None else spec.team.models.cache

    def pictures_of(self, messages: Sequence[dict[str, Any]]) -> dict[str, bytes]:
        """The bytes of all pictures that messages refer to, by their hash.

        Raises:
            SourceError: The library does not have them any more.
        """
        found: dict[str, bytes] = {}
        for picture in pictures_in(messages):
            assert self.library is not None, "pictures come from the library"
            found[picture.sha256] = self.library.picture(picture.source).data
        return found

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

    async def first_quote_problem(self, evidence: Sequence[Evidence]) -> str | None:
        """What is wrong with the first quote that does not stand; nothing if all do."""
        await self.snapshots.load(one.source for one in evidence)
        return first_problem(self.library, evidence)

    def only_proposes(self, area: str) -> bool:
        """Whether what this member decides in an area has to be ruled on first."""
        return area in self.reserved or (area in self.proposed and self.me != LEAD)

    def in_context(self, context: str, log: Decisions) -> frozenset[Premise]:
        """Every decision that a context was shown, and those that the member made."""
        return in_context(self.journal.transcripts[context], self.me, log)

    def premises(
        self, context: str, named: Iterable[Premise], log: Decisions
    ) -> tuple[Premise, ...] | str:
        """Give premises the revision that was in a context; or say why one can't be used.

        Args:
            context: Where they are named.
            named: As the model wrote them; a revision of 0 is filled in.
            log: All decisions of the run.
        """
        in_context = self.in_context(context, log)
        seen: dict[tuple[str, str], int] = {}
        for shown in in_context:
            key = shown.area, shown.key
            seen[key] = max(shown.revision, seen.get(key, 0))
        premises: list[Premise] = []
        for one in named:
            name = f"{one.area}/{one.key}"
            newest = seen.get((one.area, one.key))
            if newest is None:
                return f"you were never shown {name}: read it first, or leave it out"
            revision = one.revision or newest
            premise = Premise(area=one.area, key=one.key, revision=revision)
            if premise not in in_context:
                return f"you were shown {name} r{newest}, not r{revision}: name that, or read it"
            fall = log.fall_of(premise)
            if fall is not None:
                return f"it can't rest on {name} any more: {fall.reason}. Revise what rests on it."
            premises.append(premise)
        return tuple(dict.fromkeys(premises))
