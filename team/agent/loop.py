"""The agent loop: model turn, tools, commit, until an assignment ends.

    open ──▶ take in mail ──▶ call the model ──▶ commit the reply
               ▲   │ ▲                               │
               │   └─┘ near the window: the oldest turns leave the context
               └──── commit what the tools send ◀── run the tools

Started again after a crash it goes on from the journal: a reply that is committed
is not asked for again, tools whose turn was not committed are run again; but none that
changes the world.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec
import structlog

from bus.codec import MESSAGE_BYTES_MAX, body_size
from bus.errors import ConflictError, TooLargeError
from bus.messages import ContextClosed, ContextOpened, TurnReplied
from bus.run_stream import Entry
from team.agent import compaction, endings, permits, repeating, stops
from team.agent.assignment import Assignment, Outcome
from team.agent.effects import known_of, run_once
from team.agent.inbox import Taken
from team.agent.journal import Journal, Transcript, Turn
from team.agent.models.call import UNBOUND, Caller, Reply, Request, ToolCall
from team.agent.outcomes import acted
from team.agent.outward import make_call
from team.agent.paying import Offer, Payments
from team.agent.tools.base import ToolAnswer, refuse
from team.agent.tools.recall_tools import recalls
from team.agent.tools.toolbox import AnyTool
from team.agent.world import World
from team.errors import (
    ModelAwayError,
    ModelBusyError,
    ModelError,
    ModelReplyError,
    ModelTooLongError,
    StopRequestedError,
)
from team.rules.clock import worked_s
from team.rules.digest import Digest
from team.tool_names import RECALL, WAIT

log = structlog.get_logger()

T = TypeVar("T")

CONFLICTS_MAX: Final = 8
TAKEN_BACK: Final = "the task was settled or given to another meanwhile"

SENT_BYTES_MAX: Final = MESSAGE_BYTES_MAX // 2
"""The largest message that a tool may send: what others make of it must fit as well."""

_CUT_OFF: Final = "it was not run: you were cut off while you wrote it; ask for it again"
_CROWDED: Final = "what your context began with nearly fills it"
_OVERTAKEN: Final = "others keep writing here: read what they wrote, then try again"
_TOO_LARGE_TURN: Final = "all that this turn gives back and sends is too large: do less at once"
_TOO_LARGE_REPLY: Final = "a reply too large to be stored"


class _Coming(msgspec.Struct, frozen=True, kw_only=True):
    """What enters a context before a call: the blocks, and the mail and decisions in them."""

    added: list[str]
    taken: Taken
    news: Digest


class Agent:
    """One member's mind at work. It does one assignment at a time."""

    def __init__(
        self,
        world: World,
        journal: Journal,
        caller: Caller,
        *,
        on_text: Callable[[str], None],
        on_state: Callable[[str, str, int], None],
    ) -> None:
        """Make an agent.

        Args:
            world: What it may touch.
            journal: Its journal, loaded.
            caller: How it reaches a model.
            on_text: Called with each piece of text the model writes, empty for what is no text.
            on_state: Called with a state, a few words and the turn when these change.
        """
        self._world = world
        self._journal = journal
        self._caller = caller
        self._payments = Payments(world, journal, caller)
        self._on_text = on_text
        self._on_state = on_state

    async def work(
        self, assignment: Assignment, give_up: Callable[[str], Sequence[Entry]] = lambda _: ()
    ) -> Outcome:
        """Do an assignment, or go on with it where the journal leaves off.

        Args:
            assignment: What to do.
            give_up: Entries to commit with the end if there is no clean answer.

        Raises:
            StopRequestedError: The run was cancelled, or this member is to stop.
            FencedError: Another process acts as this member.
            ModelRefusedError: No call can succeed; the assignment stays open.
            ModelAwayError: The provider was busy for too long; a vital assignment stays open.
        """
        transcript = await self._open(assignment)
        while (outcome := endings.ended(transcript)) is None:
            turn, end = transcript.unfinished, endings.ended_by_stop(transcript)
            if turn is not None and end is None:
                await self._act(assignment, transcript, turn)
                continue
            end = (
                end
                or endings.too_many_repairs(assignment, transcript)
                or self._too_many_repeats(transcript)
                or await self._next_turn(assignment, transcript)
            )
            if end is not None:
                await self._close(assignment, end, give_up)
        await self._world.inbox.look()
        return outcome

    async def _open(self, assignment: Assignment) -> Transcript:
        """Begin an assignment, or take it up; one that can't be stored ends at once."""
        transcript = self._journal.transcripts.get(assignment.context)
        if transcript is None:
            opened = ContextOpened(
                context=assignment.context,
                system=assignment.system,
                opening=assignment.opening,
                tools=(*(tool.name for tool in assignment.tools), RECALL),
                model=assignment.model,
                claim_seq=assignment.claim_seq,
                servers=assignment.servers,
            )
            if body_size(opened) > MESSAGE_BYTES_MAX:
                opened = msgspec.structs.replace(opened, opening=endings.TOO_LARGE)
            await self._journal.commit(opened)
            transcript = self._journal.transcripts[assignment.context]
            transcript.at = self._world.inbox.now
        return transcript

    async def _next_turn(self, assignment: Assignment, transcript: Transcript) -> Outcome | None:
        """Make room or call the model once; an outcome if the assignment ends so."""
        ended = endings.ended_at_once(transcript) or endings.ended_by_reply(assignment, transcript)
        if ended is not None:
            return ended
        await self._world.inbox.look()
        if not assignment.is_wanted():
            return Outcome(returned=False, reason=TAKEN_BACK)
        coming = self._coming(assignment, transcript)
        request = self._request(assignment, transcript, coming.added)
        read = permits.read_tokens(request, transcript, coming.added)
        window = compaction.window_of(self._world)
        need = compaction.need_of(transcript, read, window)
        if need is not None and await self._compact(transcript, request, need, read):
            return None
        if window is not None and read > window:
            return endings.too_long(f"the next call would read {read} tokens of {window}")
        is_crowded = compaction.is_crowded(transcript, request, read, window)
        return await self._ask(assignment, transcript, coming, is_crowded=is_crowded)

    async def _ask(
        self, assignment: Assignment, transcript: Transcript, coming: _Coming, *, is_crowded: bool
    ) -> Outcome | None:
        """Call the model once, to wrap up if code, the lead or a limit says so, and commit."""
        offer = await self._offer(assignment, transcript, coming)
        asked = coming.taken.wrap_up or (_CROWDED if is_crowded else "")
        if offer.ruling.verdict == "wrap up" or (asked and offer.ruling.verdict == "go"):
            coming.added.append(endings.wrap_up(assignment, asked or offer.ruling.reason))
            offer = await self._offer(assignment, transcript, coming)
        if offer.ruling.verdict == "stop":
            reason = f"budget: {offer.ruling.reason} ({offer.ruling.code})"
            return Outcome(returned=False, reason=reason, refusal=offer.ruling.code)
        request, number = offer.request, len(transcript.turns) + 1
        self._on_state("working", f"thinking ({assignment.context})", number)
        began = time.monotonic()
        try:
            reply = await self._call(assignment, transcript, offer, number)
        except ModelError as error:
            await self._payments.settle(assignment.context, number, offer, error)
            if isinstance(error, ModelTooLongError):
                read = permits.read_tokens(request, transcript, coming.added)
                need = compaction.refused(error.reason, read)
                has_room = await self._compact(transcript, request, need, read)
                return None if has_room else endings.too_long(error.reason)
            if assignment.is_vital and isinstance(error, ModelBusyError):
                waited_s = time.monotonic() - began
                raise ModelAwayError(request.model, error.reason, waited_s) from error
            if isinstance(error, ModelBusyError | ModelReplyError):
                return Outcome(returned=False, reason=str(error))
            raise
        await self._commit_reply(assignment.context, number, coming, reply, offer)
        self._payments.answered(offer, transcript)
        return None

    async def _offer(
        self, assignment: Assignment, transcript: Transcript, coming: _Coming
    ) -> Offer:
        """What the next call would be, and whether it may be made."""
        return await self._unless_interrupted(
            self._payments.offer(
                assignment,
                transcript,
                self._request(assignment, transcript, coming.added),
                coming.added,
                self._seconds(transcript),
            )
        )

    async def _compact(
        self, transcript: Transcript, request: Request, need: compaction.Need, read: int
    ) -> bool:
        """Let the oldest turns leave the context; says whether there were any that could."""
        around = compaction.around(self._world, transcript.opened.tools)
        body = compaction.compact(transcript, request, around, need, read)
        if body is None:
            return False
        await self._journal.commit(body)
        log.info("context.compacted", context=body.context, upto=body.upto, tokens=read)
        return True

    def _too_many_repeats(self, transcript: Transcript) -> Outcome | None:
        reason = repeating.reason_to_end(self._world, transcript)
        return Outcome(returned=False, reason=reason) if reason is not None else None

    def _seconds(self, transcript: Transcript) -> float:
        """For how long a transcript has been worked on; that the run had stopped is no work."""
        return worked_s(self._world.state, transcript.at, self._world.inbox.now)

    def _coming(self, assignment: Assignment, transcript: Transcript) -> _Coming:
        """What enters before the next call: a nudge, mail, the digest of decisions."""
        taken = self._world.inbox.take()
        decisions = self._world.state.decisions
        news = self._world.decisions.digest(transcript, decisions, assignment.about)
        digest = [news.text] if news.text else []
        circling = repeating.told(self._world, transcript, assignment.ends_with)
        added = [*endings.nudge(assignment, transcript), *circling, *taken.blocks, *digest]
        return _Coming(added=added, taken=taken, news=news)

    def _request(
        self, assignment: Assignment, transcript: Transcript, added: Sequence[str]
    ) -> Request:
        # What the journal says was asked, not what this version would ask.
        messages = transcript.messages(added)
        return Request(
            model=transcript.opened.model,
            system=transcript.opened.system,
            messages=messages,
            tools=[tool.definition for tool in self._tools(assignment, transcript).values()],
            max_tokens=assignment.output_tokens_max,
            effort=assignment.effort,
            cache=self._world.cache,
            pictures=self._world.pictures_of(messages),
            searches=assignment.searches,
        )

    def _tools(self, assignment: Assignment, transcript: Transcript) -> dict[str, AnyTool]:
        """The tools by name, in the order in which the journal has them."""
        given = {tool.name: tool for tool in assignment.tools}
        known = {name: given[name] for name in transcript.opened.tools if name in given}
        return known | {tool.name: tool for tool in recalls(self._world, transcript)}

    async def _call(
        self, assignment: Assignment, transcript: Transcript, offer: Offer, number: int
    ) -> Reply:
        def on_wait(reason: str, seconds: float) -> None:
            if seconds > 0:
                how_long = f"{seconds:.0f} s" if seconds >= 1 else "a moment"
                self._on_state("waiting", f"waits {how_long}: {reason}", number)
            else:
                self._on_state("working", "asks the model again", number)

        return await self._unless_interrupted(
            self._caller.call(
                offer.request,
                on_text=self._on_text,
                on_wait=on_wait,
                patience_s=permits.patience_s(assignment.budget, self._seconds(transcript)),
                may_lose=self._payments.may_lose(assignment, offer),
                reserve=self._payments.reserving(assignment.context, number, offer),
                bound=offer.bound or UNBOUND,
            )
        )

    async def _unless_interrupted(self, work: Awaitable[T]) -> T:
        """Await something that a cancel or stop ends at once, closing what it holds."""
        inbox = self._world.inbox
        task = asyncio.ensure_future(work)
        interrupted = asyncio.create_task(inbox.interrupted())
        try:
            await asyncio.wait([task, interrupted], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            for pending in (task, interrupted):
                pending.cancel()
            await asyncio.gather(task, interrupted, return_exceptions=True)
        if inbox.failed is not None:
            raise inbox.failed
        inbox.note_interruption()
        raise StopRequestedError(self._world.me)

    async def _commit_reply(
        self, context: str, number: int, coming: _Coming, reply: Reply, offer: Offer
    ) -> None:
        replied = TurnReplied(
            context=context,
            turn=number,
            content=msgspec.Raw(reply.content),
            stop_reason=reply.stop_reason,
            stop_details=reply.stop_details,
            added=tuple(coming.added),
            intake=coming.taken.intake,
            told=coming.news.told,
            decisions_seq=coming.news.upto,
            decisions_heard=coming.news.heard,
            request_id=reply.request_id,
            tokens=reply.tokens,
            lost=reply.lost,
        )
        spent = self._payments.spent(replied, offer, reply)
        try:
            await self._journal.commit(replied, [spent])
        except TooLargeError:
            # It was paid for and can't be kept: that ends the assignment. Its mail waits.
            lost = msgspec.structs.replace(
                replied,
                content=msgspec.Raw(b"[]"),
                stop_reason=_TOO_LARGE_REPLY,
                added=(),
                intake=(),
                told=(),
            )
            await self._journal.commit(lost, [spent])
            return
        await self._world.inbox.confirm(coming.taken)

    async def _act(self, assignment: Assignment, transcript: Transcript, turn: Turn) -> None:
        """Run a turn's tools and commit what they send; again if a key had moved on."""
        tools = self._tools(assignment, transcript)
        names = ", ".join(call.name for call in turn.calls)
        is_listening = all(call.name == WAIT for call in turn.calls)
        state = "listening" if is_listening else "working"
        self._on_state(state, f"{names} ({assignment.context})", len(transcript.turns))
        await self._world.inbox.look()
        refused = _refused(assignment, transcript, turn, tools) | known_of(turn)
        read = refused | await self._run_reads(assignment.context, tools, turn.calls, refused)
        for _ in range(CONFLICTS_MAX):
            answers, staged = await self._run_writes(assignment.context, tools, turn, read)
            try:
                await self._commit_acts(assignment.context, turn, answers, staged)
            except ConflictError:
                await self._world.inbox.look()
                continue
            except TooLargeError:
                read = {call.id: refuse(_TOO_LARGE_TURN) for call in turn.calls}
                break
            return
        done = read | known_of(turn)
        late = {call.id: done.get(call.id) or refuse(_OVERTAKEN) for call in turn.calls}
        await self._commit_acts(assignment.context, turn, late, [])

    async def _commit_acts(
        self, context: str, turn: Turn, answers: dict[str, ToolAnswer], staged: list[Entry]
    ) -> None:
        """Commit what the tools gave and send, with an event for each that a rule refused."""
        events = permits.refusal_entries(self._world, context, turn, answers)
        room = compaction.room_for_tools(self._world, self._journal.transcripts[context])
        await self._journal.commit(acted(context, turn, answers, room), [*staged, *events])

    async def _run_writes(
        self,
        context: str,
        tools: dict[str, AnyTool],
        turn: Turn,
        read: dict[str, ToolAnswer],
    ) -> tuple[dict[str, ToolAnswer], list[Entry]]:
        """Run the other tools one by one; two of a turn may not write one key."""
        answers = dict(read)
        staged: list[Entry] = []
        for call in turn.calls:
            if call.id in answers:
                # What a look has brought from outside; of a call begun before it is stored.
                staged += () if call.id in turn.begun else answers[call.id].entries
                continue
            answer = await self._run_write(context, tools[call.name], turn, call)
            keys = {entry.subject.key for entry in staged if entry.expect is not None}
            if keys & {entry.subject.key for entry in answer.entries}:
                answer = refuse(f"{call.name}: you have written this in the same turn already")
            if any(body_size(entry.body) > SENT_BYTES_MAX for entry in answer.entries):
                answer = refuse(f"{call.name}: too large to send; return a digest")
            answers[call.id] = answer
            staged += answer.entries
        return answers, staged

    async def _run_write(
        self, context: str, tool: AnyTool, turn: Turn, call: ToolCall
    ) -> ToolAnswer:
        def run() -> Awaitable[ToolAnswer]:
            return self._unless_interrupted(make_call(self._world, context, tool, call))

        if tool.effect == "effectful":
            return await run_once(self._journal, context, turn, call, run)
        return await run()

    async def _run_reads(
        self,
        context: str,
        tools: dict[str, AnyTool],
        calls: Sequence[ToolCall],
        refused: dict[str, ToolAnswer],
    ) -> dict[str, ToolAnswer]:
        """Run the read-only tools of a turn at the same time."""
        may = [call for call in calls if call.id not in refused]
        reads = [call for call in may if tools[call.name].effect == "read-only"]
        running = (make_call(self._world, context, tools[call.name], call) for call in reads)
        answers = await asyncio.gather(*map(self._unless_interrupted, running))
        return {call.id: answer for call, answer in zip(reads, answers, strict=True)}

    async def _close(
        self, assignment: Assignment, outcome: Outcome, give_up: Callable[[str], Sequence[Entry]]
    ) -> None:
        closed = ContextClosed(
            context=assignment.context, returned=outcome.returned, reason=outcome.reason
        )
        others = () if outcome.returned else give_up(outcome.reason)
        events = self._refusals_at_end(assignment, outcome)
        try:
            # A task's end comes after what refused it: who hears of the one knows the other.
            await self._journal.commit(closed, [*events, *others])
        except ConflictError:
            # The task was settled or taken back meanwhile: only our own part is left to say.
            await self._journal.commit(closed, events)

    def _refusals_at_end(self, assignment: Assignment, outcome: Outcome) -> list[Entry]:
        """A call that was not made is an event, too."""
        if not outcome.refusal:
            return []
        turn = len(self._journal.transcripts[assignment.context].turns) + 1
        return [
            permits.refusal_entry(
                self._world,
                code=outcome.refusal,
                what="model call",
                reason=outcome.reason,
                context=assignment.context,
                turn=turn,
            )
        ]

    def cost_usd(self, transcript: Transcript) -> float | None:
        """What the calls of a transcript have cost in US dollars at most, if that is known."""
        return permits.usd_at_most(transcript, self._caller.cost_usd)


def _refused(
    assignment: Assignment, transcript: Transcript, turn: Turn, tools: dict[str, AnyTool]
) -> dict[str, ToolAnswer]:
    """The calls of a turn that are not run, each with the answer that says why."""
    refused: dict[str, ToolAnswer] = {}
    cut_off = stops.cut_off_call(turn)
    for call in turn.calls:
        if turn.replied.stop_reason == stops.CUT_BY_WINDOW:
            refused[call.id] = refuse(_CUT_OFF)
            continue
        if cut_off is not None and call.id == cut_off.id:
            refused[call.id] = refuse(stops.said_of_cut_off(turn, call))
            continue
        if call.name not in tools:
            refused[call.id] = permits.refuse_unknown(call, list(tools))
            continue
        answer = permits.refusal_of_call(
            assignment.budget, transcript, turn, call, assignment.ends_with
        )
        if answer is not None:
            refused[call.id] = answer
    return refused
