"""MAST's first family, how the work was specified: the task, the role, repeats, history, the end.

Definitions: Cemri et al., "Why do multi-agent LLM systems fail?", arXiv 2503.13657.
What each detector is worth was measured: docs/failure-modes.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bus.ids import GATE
from team.audit.case import Case, Transcript
from team.audit.likeness import near_twins
from team.audit.looking import Seen, by_agent, by_context, remark, short
from team.audit.reading import RETURNS, calls_of
from team.audit.report import Remark
from team.audit.trace import Event
from team.codes import limits

SAME_SAID_MIN: Final = 5
"""How often an agent says nearly the same before that counts as repeating."""
SAME_CALLS_MIN: Final = 4
"""How often the same call is made, nothing having changed, before that counts as repeating."""
SAME_WORDS_MIN: Final = 3
"""How often an agent says exactly the same before it counts as not noticing the end."""
IDLE_TURNS_MIN: Final = 3
"""Turns in a row without anything new before that counts as not noticing the end."""
BUDGET: Final = "budget:"
NEVER_CALLED: Final = "it never called"
TWINS_WORDS_MIN: Final = 8
"""Shorter texts are alike by chance."""

_GATED: Final = frozenset({"shape", "contract", "acceptance", "sources", "instructions"})
"""Checks of the gate that refuse what does not do what its contract asks."""
_OF_TASK: Final = (limits.TOOL, limits.SOURCE, limits.WRITE, limits.HOST)
_OF_ROLE: Final = (limits.MESSAGE, limits.AREA, limits.DEPTH)
_OF_END: Final = (
    limits.TURNS,
    limits.TOOL_CALLS,
    limits.TOKENS,
    limits.DOLLARS,
    limits.SECONDS,
    limits.RUN_SECONDS,
)


def disobeys_task(seen: Seen) -> Iterator[Remark]:
    """1.1: what the gate and the runtime have refused as against the contract."""
    if seen.run is None:
        return
    yield from _refused(seen.run, "M1.1", _OF_TASK)
    for task, submissions in seen.run.state.findings.submissions.items():
        for submission in submissions:
            against = [j for j in submission.judged_by(GATE) if j.check in _GATED]
            refused = [j for j in against if j.outcome != "upheld"]
            if refused:
                what = f"its finding for {task} was refused: {refused[0].check}: "
                what += refused[0].reason
                yield remark("M1.1", [submission.seq], submission.member, what)
    for event in seen.trace:
        if event.kind == "called" and event.is_error and event.tool.startswith(RETURNS):
            what = f"{event.context}: {event.tool} was sent back: {short(event.outcome)}"
            yield remark("M1.1", [event.seq], event.agent, what)


def disobeys_role(seen: Seen) -> Iterator[Remark]:
    """1.2: tools that an agent was not given, moves that were not its to make."""
    given: dict[tuple[str, str], tuple[str, ...]] = {}
    for event in seen.trace:
        place = event.agent, event.context
        if event.kind == "opened":
            given[place] = event.tools
        tools = given.get(place)
        if event.kind == "called" and tools and event.tool not in tools:
            what = f"{event.context}: it called {event.tool}, which it was not given"
            yield remark("M1.2", [event.seq], event.agent, what)
    if seen.run is None:
        return
    yield from _refused(seen.run, "M1.2", _OF_ROLE)
    for anomaly in seen.run.state.board.anomalies:
        seq, _, what = anomaly.partition(": ")
        yield remark("M1.2", [int(seq)], what.split(" ")[0].rpartition(".")[2], what)


def repeats_steps(seen: Seen) -> Iterator[Remark]:
    """1.3: the same call again in one transcript and an unchanged world; the same said again."""
    yield from repeats_calls(seen)
    yield from repeats_words(seen)


def repeats_calls(seen: Seen) -> Iterator[Remark]:
    """1.3, the half that has tool calls to go by."""
    calls: dict[tuple[str, str, str, str, int], list[Event]] = {}
    for event in seen.trace:
        if event.kind == "called" and event.effect == "reads" and not event.is_error:
            key = (event.agent, event.context, event.tool, event.arguments, event.world)
            calls.setdefault(key, []).append(event)
    for (agent, context, tool, arguments, _), again in calls.items():
        if len(again) >= SAME_CALLS_MIN:
            what = f"{context}: {tool} {short(arguments)} {len(again)} times, nothing had changed"
            yield remark("M1.3", [e.seq for e in again], agent, what.removeprefix(": "))


def repeats_words(seen: Seen) -> Iterator[Remark]:
    """1.3, the half that has only words to go by."""
    for agent, events in by_agent(seen.trace):
        said = [e for e in events if e.kind == "said" and _is_long(e.text)]
        for group in near_twins([e.text for e in said]):
            if len(group) >= SAME_SAID_MIN:
                what = f"it said nearly the same {len(group)} times: {short(said[group[0]].text)}"
                yield remark("M1.3", [said[n].seq for n in group], agent, what)


def loses_history(seen: Seen) -> Iterator[Remark]:
    """1.4: a transcript whose turns do not follow each other, or whose tools have no answer."""
    if seen.run is None:
        return
    for transcript in seen.run.transcripts.values():
        yield from _gaps(transcript)
        yield from _forgotten(transcript)


def does_not_stop(seen: Seen) -> Iterator[Remark]:
    """1.5: ended by a limit or a nudge, going on with nothing new, or after the end."""
    for event in seen.trace:
        if event.kind == "closed" and event.text.startswith((BUDGET, NEVER_CALLED)):
            what = f"{event.context}: it did not return: {event.text}"
            yield remark("M1.5", [event.seq], event.agent, what)
    for (agent, context), events in by_context(seen.trace):
        yield from _same_words(agent, events)
        yield from _nothing_new(agent, context, events)
    if seen.run is None:
        return
    yield from _refused(seen.run, "M1.5", _OF_END)
    for transcript in seen.run.transcripts.values():
        yield from _past_the_end(transcript)


# --- parts ------------------------------------------------------------------------


def _refused(run: Case, mode: str, codes: tuple[str, ...]) -> Iterator[Remark]:
    for refusal in run.state.refusals.all:
        if refusal.refused.code in codes:
            what = f"{refusal.refused.what} was refused ({refusal.refused.code}): "
            what += refusal.refused.reason
            yield remark(mode, [refusal.seq], refusal.member, what)


def _gaps(transcript: Transcript) -> Iterator[Remark]:
    """Turns that were left out, and whatever stands in a transcript that was never opened."""
    member, context = transcript.member, transcript.context
    if transcript.entries and transcript.opened is None:
        what = f"{context}: it was never opened"
        yield remark("M1.4", [transcript.entries[0].seq], member, what, "breach")
    last, decisions = 0, 0
    for seq, turn in transcript.turns:
        if turn.turn > last + 1:
            what = f"{context}: turn {turn.turn} follows turn {last}"
            yield remark("M1.4", [seq], member, what, "breach")
        if turn.decisions_seq < decisions:
            what = f"{context}: it knew of decisions up to {decisions}, now up to "
            what += f"{turn.decisions_seq}"
            yield remark("M1.4", [seq], member, what, "breach")
        last, decisions = max(last, turn.turn), max(decisions, turn.decisions_seq)


def _forgotten(transcript: Transcript) -> Iterator[Remark]:
    """Tools that a turn called and that nothing answered before the next turn."""
    answered = {(a.turn, o.call_id) for _, a in transcript.acts for o in a.outcomes}
    for number, (seq, turn) in enumerate(transcript.turns):
        is_last = number == len(transcript.turns) - 1
        lacking = [c for c in calls_of(turn) if (turn.turn, c.id) not in answered]
        if lacking and not is_last:
            what = f"{transcript.context}: turn {turn.turn} called {lacking[0].name}, and the next "
            what += "turn came without its answer"
            yield remark("M1.4", [seq], transcript.member, what, "breach")
        is_sent = {c.id for c in calls_of(turn)}
        strange = [
            at
            for at, acted in transcript.acts
            if acted.turn == turn.turn and any(o.call_id not in is_sent for o in acted.outcomes)
        ]
        if strange:
            what = f"{transcript.context}: an answer to a call that turn {turn.turn} never made"
            yield remark("M1.4", strange, transcript.member, what, "breach")


def _same_words(agent: str, events: list[Event]) -> Iterator[Remark]:
    """The same message, word for word, whatever comes back."""
    said: dict[str, list[int]] = {}
    for event in events:
        if event.kind == "said" and event.text.strip():
            said.setdefault(" ".join(event.text.split()), []).append(event.seq)
    for text, seqs in said.items():
        if len(seqs) >= SAME_WORDS_MIN:
            what = f"it said the same {len(seqs)} times, word for word: {short(text)}"
            yield remark("M1.5", seqs, agent, what)


def _nothing_new(agent: str, context: str, events: list[Event]) -> Iterator[Remark]:
    """Turns in a row whose every look gave what had been given before."""
    known: set[str] = set()
    idle: list[int] = []
    turns: dict[int, list[Event]] = {}
    for event in events:
        if event.kind == "called" and event.turn:
            turns.setdefault(event.turn, []).append(event)
    for number in sorted(turns):
        looks = [e for e in turns[number] if e.effect == "reads"]
        is_idle = bool(looks) and len(looks) == len(turns[number])
        is_idle = is_idle and all(e.outcome in known for e in looks)
        known |= {e.outcome for e in looks}
        idle = [*idle, turns[number][0].seq] if is_idle else []
        if len(idle) == IDLE_TURNS_MIN:
            what = f"{context}: {IDLE_TURNS_MIN} turns in a row found nothing new"
            yield remark("M1.5", idle, agent, what)


def _past_the_end(transcript: Transcript) -> Iterator[Remark]:
    """Turns after the answer was returned, or after the transcript was closed."""
    ends = [seq for seq, acted in transcript.acts if acted.ends]
    ends += [seq for seq, _ in transcript.closed]
    late = [seq for seq, _ in transcript.turns if ends and seq > min(ends)]
    if late:
        what = f"{transcript.context}: {len(late)} model calls after it had ended"
        yield remark("M1.5", late, transcript.member, what, "breach")


def _is_long(text: str) -> bool:
    return len(text.split()) >= TWINS_WORDS_MIN
