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
from bus.errors import ConflictError
from bus.messages import (
    Budget,
    ContextClosed,
    ContextOpened,
    TurnReplied,
    UsageSpent,
)
from bus.run_stream import Entry
from team.agent import compaction, permits
from team.agent.effects import known_of, run_once
from team.agent.inbox import Taken
from team.agent.journal import Journal, Transcript, Turn
from team.agent.models.call import Caller, Reply, Request, ToolCall
from team.agent.outcomes import acted
from team.agent.tools.base import ToolAnswer, refuse
from team.agent.tools.recall_tools import recalls
from team.agent.tools.toolbox import AnyTool
from team.agent.world import World
from team.codes.limits import TOKENS
from team.errors import (
    ModelBusyError,
    ModelReplyError,
    ModelTooLongError,
    StopRequestedError,
)
from team.rules.digest import Digest
from team.rules.limits import Ruling, rule

log = structlog.get_logger()

T = TypeVar("T")

NUDGES_MAX: Final = 1
REPAIRS_MAX: Final = 1
CONFLICTS_MAX: Final = 8
TAKEN_BACK: Final = "the task was settled or given to another meanwhile"

_CUT_OFF: Final = "it was not run: you were cut off while you wrote it; ask for it again"
_TOO_LARGE: Final = "(what this context was to begin with is too large for one message)"
_CROWDED: Final = "what your context began with nearly fills it"
_OVERTAKEN: Final = "others keep writing here: read what they wrote, then try again"
_CLEAN_STOPS: Final = frozenset({"end_turn", "tool_use", "stop_sequence"})


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One thing for a member to do in a fresh context.

    Attributes:
        context: Its name in the journal, unique for this member.
        system: The system prompt.
        opening: The first user message.
        tools: What the member may do.
        ends_with: The tool that returns the answer; absent: ending the turn is enough.
        model: The model asked for.
        effort: How hard it should think, if its role says.
        budget: What it may use up.
        output_tokens_max: What one call may write.
        claim_seq: Sequence of the claim that it works under, if any.
        about: What it is for, in words: decisions are ranked by it.
        repairs_max: How often an answer that was refused may be mended.
        is_wanted: Whether it still is to be done; asked before each model call.
    """

    context: str
    system: str
    opening: str
    tools: tuple[AnyTool, ...]
    model: str
    budget: Budget
    output_tokens_max: int
    ends_with: str | None = None
    effort: str | None = None
    claim_seq: int = 0
    about: str = ""
    repairs_max: int = REPAIRS_MAX
    is_wanted: Callable[[], bool] = lambda: True


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an assignment ended.

    Attributes:
        returned: Whether it gave a clean answer.
        reason: How it ended, for people.
        answer: The typed answer as JSON, if there is one.
        refusal: The code of the limit that ended it, if one did.
    """

    returned: bool
    reason: str
    answer: bytes | None = None
    refusal: str = ""


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
            on_text: Called with each piece of text the model writes.
            on_state: Called with a state, a few words and the turn when these change.
        """
        self._world = world
        self._journal = journal
        self._caller = caller
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
        """
        transcript = await self._open(assignment)
        while (outcome := _ended(transcript)) is None:
            turn = transcript.unfinished
            if turn is not None:
                await self._act(assignment, transcript, turn)
                continue
            end = _too_many_repairs(assignment, transcript) or await self._next_turn(
                assignment, transcript
            )
            if end is not None:
                await self._close(assignment, end, give_up)
        return outcome

    async def _open(self, assignment: Assignment) -> Transcript:
        transcript = self._journal.transcripts.get(assignment.context)
        if transcript is None:
            opened = ContextOpened(
                context=assignment.context,
                system=assignment.system,
                opening=assignment.opening,
                tools=tuple(tool.name for tool in assignment.tools),
                model=assignment.model,
                claim_seq=assignment.claim_seq,
            )
            if body_size(opened) > MESSAGE_BYTES_MAX:
                opened = msgspec.structs.replace(opened, opening=_TOO_LARGE)
            await self._journal.commit(opened)
            transcript = self._journal.transcripts[assignment.context]
        return transcript

    async def _next_turn(self, assignment: Assignment, transcript: Transcript) -> Outcome | None:
        """Make room or call the model once; an outcome if the assignment ends so."""
        ended = _ended_at_once(transcript) or _ended_by_reply(assignment, transcript)
        if ended is None and not assignment.is_wanted():
            ended = Outcome(returned=False, reason=TAKEN_BACK)
        if ended is not None:
            return ended
        coming = self._coming(assignment, transcript)
        request = self._request(assignment, transcript, coming.added)
        read = permits.read_tokens(request, transcript, coming.added)
        window = compaction.window_of(self._world)
        need = compaction.need_of(transcript, read, window)
        if need is not None and await self._compact(transcript, request, need, read):
            return None
        if window is not None and read > window:
            return _too_long(f"the next call would read {read} tokens of {window}")
        is_crowded = compaction.is_crowded(transcript, request, read, window)
        return await self._ask(assignment, transcript, coming, is_crowded=is_crowded)

    async def _ask(
        self, assignment: Assignment, transcript: Transcript, coming: _Coming, *, is_crowded: bool
    ) -> Outcome | None:
        """Call the model once, to wrap up if code, the lead or a limit says so, and commit."""
        request = self._request(assignment, transcript, coming.added)
        ruling = self._rule(assignment, transcript, request, coming.added)
        if ruling.verdict == "stop":
            reason = f"budget: {ruling.reason} ({ruling.code})"
            return Outcome(returned=False, reason=reason, refusal=ruling.code)
        asked = coming.taken.wrap_up or (_CROWDED if is_crowded else "")
        if asked or ruling.verdict == "wrap up":
            coming.added.append(_wrap_up(assignment, asked or ruling.reason))
            request = self._request(assignment, transcript, coming.added)
        number = len(transcript.turns) + 1
        self._on_state("working", f"thinking ({assignment.context})", number)
        try:
            reply = await self._call(request, number)
        except ModelTooLongError as error:
            read = permits.read_tokens(request, transcript, coming.added)
            need = compaction.refused(error.reason, read)
            has_room = await self._compact(transcript, request, need, read)
            return None if has_room else _too_long(error.reason)
        except (ModelBusyError, ModelReplyError) as error:
            return Outcome(returned=False, reason=str(error))
        await self._commit_reply(assignment.context, number, coming, reply)
        return None

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

    def _rule(
        self, assignment: Assignment, transcript: Transcript, request: Request, added: list[str]
    ) -> Ruling:
        """May the next call be made? What can't be found out is a no."""
        try:
            seconds = time.time() - transcript.at
            used = permits.used_by(transcript, assignment.ends_with, seconds, self._caller)
            call = permits.next_call(self._world, request, transcript, added, self._caller)
        except Exception as error:
            reason = f"what the call would take can't be told: {error!r}"
            return Ruling(verdict="stop", reason=reason, code=TOKENS)
        return rule(assignment.budget, used, call)

    def _coming(self, assignment: Assignment, transcript: Transcript) -> _Coming:
        """What enters before the next call: a nudge, mail, the digest of decisions."""
        taken = self._world.inbox.take()
        decisions = self._world.state.decisions
        news = self._world.decisions.digest(transcript, decisions, assignment.about)
        digest = [news.text] if news.text else []
        added = [*_nudge(assignment, transcript), *taken.blocks, *digest]
        return _Coming(added=added, taken=taken, news=news)

    def _request(
        self, assignment: Assignment, transcript: Transcript, added: Sequence[str]
    ) -> Request:
        # What the journal says was asked, not what this version would ask.
        return Request(
            model=transcript.opened.model,
            system=transcript.opened.system,
            messages=transcript.messages(added),
            tools=[tool.definition for tool in self._tools(assignment, transcript).values()],
            max_tokens=assignment.output_tokens_max,
            effort=assignment.effort,
        )

    def _tools(self, assignment: Assignment, transcript: Transcript) -> dict[str, AnyTool]:
        """The tools by name, in the order in which the journal has them."""
        given = {tool.name: tool for tool in assignment.tools}
        known = {name: given[name] for name in transcript.opened.tools if name in given}
        return known | {tool.name: tool for tool in recalls(self._world, transcript)}

    async def _call(self, request: Request, number: int) -> Reply:
        def on_wait(reason: str, seconds: float) -> None:
            self._on_state("waiting", f"waits {seconds:.0f} s: {reason}", number)

        return await self._unless_interrupted(
            self._caller.call(request, on_text=self._on_text, on_wait=on_wait)
        )

    async def _unless_interrupted(self, work: Awaitable[T]) -> T:
        """Await something that a cancel or stop ends at once, closing what it holds."""
        inbox = self._world.inbox
        task = asyncio.ensure_future(work)
        signals = [asyncio.create_task(e.wait()) for e in (inbox.cancelled, inbox.stopped)]
        try:
            await asyncio.wait([task, *signals], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise StopRequestedError(self._world.me)
        finally:
            for pending in (task, *signals):
                pending.cancel()
            await asyncio.gather(task, *signals, return_exceptions=True)

    async def _commit_reply(self, context: str, number: int, coming: _Coming, reply: Reply) -> None:
        replied = TurnReplied(
            context=context,
            turn=number,
            content=msgspec.Raw(reply.content),
            stop_reason=reply.stop_reason,
            added=tuple(coming.added),
            intake=coming.taken.intake,
            told=coming.news.told,
            decisions_seq=coming.news.upto,
            decisions_heard=coming.news.heard,
            request_id=reply.request_id,
            tokens=reply.tokens,
        )
        usage = UsageSpent(
            context=context,
            turn=number,
            model=reply.model,
            tokens=reply.tokens,
            request_id=reply.request_id,
            cost_usd=reply.cost_usd,
            took_s=round(reply.took_s, 4),
            is_estimated=reply.is_estimated,
        )
        await self._journal.commit(replied, [self._world.entry("usage", body=usage)])
        await self._world.inbox.confirm(coming.taken)

    async def _act(self, assignment: Assignment, transcript: Transcript, turn: Turn) -> None:
        """Run a turn's tools and commit what they send; again if a key had moved on."""
        tools = self._tools(assignment, transcript)
        names = ", ".join(call.name for call in turn.calls)
        self._on_state("working", f"{names} ({assignment.context})", len(transcript.turns))
        refused = _refused(assignment, transcript, turn, tools) | known_of(turn)
        read = refused | await self._run_reads(tools, turn.calls, refused)
        for _ in range(CONFLICTS_MAX):
            answers, staged = await self._run_writes(assignment.context, tools, turn, read)
            try:
                await self._commit_acts(assignment.context, turn, answers, staged)
            except ConflictError:
                continue
            return
        done = read | known_of(turn)
        late = {call.id: done.get(call.id) or refuse(_OVERTAKEN) for call in turn.calls}
        await self._commit_acts(assignment.context, turn, late, [])

    async def _commit_acts(
        self, context: str, turn: Turn, answers: dict[str, ToolAnswer], staged: list[Entry]
    ) -> None:
        """Commit what the tools gave and send, with an event for each that a rule refused."""
        events = permits.refusal_entries(self._world, context, turn, answers)
        await self._journal.commit(acted(context, turn, answers), [*staged, *events])

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
                continue
            answer = await self._run_write(context, tools[call.name], turn, call)
            keys = {entry.subject.key for entry in staged if entry.expect is not None}
            if keys & {entry.subject.key for entry in answer.entries}:
                answer = refuse(f"{call.name}: you have written this in the same turn already")
            if any(body_size(entry.body) > MESSAGE_BYTES_MAX for entry in answer.entries):
                answer = refuse(f"{call.name}: too large to send; return a digest")
            answers[call.id] = answer
            staged += answer.entries
        return answers, staged

    async def _run_write(
        self, context: str, tool: AnyTool, turn: Turn, call: ToolCall
    ) -> ToolAnswer:
        def run() -> Awaitable[ToolAnswer]:
            return self._unless_interrupted(tool.call(call.input))

        if tool.effect == "effectful":
            return await run_once(self._journal, context, turn, call, run)
        return await run()

    async def _run_reads(
        self,
        tools: dict[str, AnyTool],
        calls: Sequence[ToolCall],
        refused: dict[str, ToolAnswer],
    ) -> dict[str, ToolAnswer]:
        """Run the read-only tools of a turn at the same time."""
        may = [call for call in calls if call.id not in refused]
        reads = [call for call in may if tools[call.name].effect == "read-only"]
        running = (self._unless_interrupted(tools[c.name].call(c.input)) for c in reads)
        answers = await asyncio.gather(*running)
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
        """What the calls of a transcript have cost in US dollars, if that is known."""
        return permits.cost_usd(transcript, self._caller.cost_usd)


def _refused(
    assignment: Assignment, transcript: Transcript, turn: Turn, tools: dict[str, AnyTool]
) -> dict[str, ToolAnswer]:
    """The calls of a turn that are not run, each with the answer that says why."""
    refused: dict[str, ToolAnswer] = {}
    for call in turn.calls:
        if turn.replied.stop_reason == compaction.CUT_BY_WINDOW:
            refused[call.id] = refuse(_CUT_OFF)
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


def _ended(transcript: Transcript) -> Outcome | None:
    """The outcome that the journal already has."""
    if transcript.closed is not None:
        return Outcome(returned=transcript.closed.returned, reason=transcript.closed.reason)
    if transcript.answer is not None:
        return Outcome(returned=True, reason="returned", answer=transcript.answer)
    return None


def _too_many_repairs(assignment: Assignment, transcript: Transcript) -> Outcome | None:
    """An answer that was refused more than once has not been returned."""
    refused = [
        outcome
        for turn in transcript.turns
        if turn.acted is not None
        for outcome in turn.acted.outcomes
        if outcome.is_error and outcome.tool == assignment.ends_with
    ]
    if len(refused) <= assignment.repairs_max:
        return None
    return Outcome(returned=False, reason=f"not a clean answer: {refused[-1].content}")


def _ended_at_once(transcript: Transcript) -> Outcome | None:
    """The outcome of an assignment that nobody can be told of."""
    if transcript.opened.opening != _TOO_LARGE:
        return None
    return Outcome(returned=False, reason=f"what it begins with is over {MESSAGE_BYTES_MAX} bytes")


def _ended_by_reply(assignment: Assignment, transcript: Transcript) -> Outcome | None:
    """The outcome that the last reply leads to, if the model asked for no tool."""
    last = transcript.turns[-1] if transcript.turns else None
    if last is None or last.calls:
        return None
    stop = last.replied.stop_reason
    if stop in ("pause_turn", compaction.CUT_BY_WINDOW):
        return None
    if stop not in _CLEAN_STOPS and stop != "max_tokens":
        return Outcome(returned=False, reason=f"the model stopped: {stop}")
    if assignment.ends_with is None:
        return Outcome(returned=True, reason="done")
    idle = sum(not turn.calls for turn in transcript.turns)
    if idle > NUDGES_MAX:
        return Outcome(returned=False, reason=f"it never called {assignment.ends_with}")
    return None


def _nudge(assignment: Assignment, transcript: Transcript) -> list[str]:
    last = transcript.turns[-1] if transcript.turns else None
    if last is None or last.calls or last.replied.stop_reason == "pause_turn":
        return []
    if last.replied.stop_reason in ("max_tokens", compaction.CUT_BY_WINDOW):
        return [f"You were cut off. Be brief, and return with `{assignment.ends_with}`."]
    return [
        f"Nobody reads your text. Return with `{assignment.ends_with}`, or it has not returned."
    ]


def _too_long(reason: str) -> Outcome:
    """No turn is left that could leave: what began the context is too much for it."""
    said = "its context does not fit into the model's window and no turn is left to leave it"
    return Outcome(returned=False, reason=f"{said}: {reason}")


def _wrap_up(assignment: Assignment, reason: str) -> str:
    ending = (
        f"Return now with `{assignment.ends_with}`" if assignment.ends_with else "End your turn"
    )
    return f"Wrap up: {reason}. {ending}; list the rest as open."
