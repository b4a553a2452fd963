"""When turns leave a context, which, and what is written in their place.

No model is asked: what code keeps, code can check, and a summary that drops a constraint
would be believed. The opening, with the contract, always stays; so do the newest turns.
Made anew from the journal each time, so nothing is a summary of a summary.

Source: docs/decisions/0020-compaction-by-code.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from bus.ids import LEAD, PERSON
from bus.messages import ContextCompacted, Intake
from team.agent.briefing import Peer
from team.agent.earlier import (
    SAID_CHARACTERS,
    Around,
    Earlier,
    EarlierCall,
    Saying,
    TaskBrief,
    cut,
    cut_input,
    earlier_text,
    first_that_fit,
    newest_that_fit,
    size_of,
)
from team.agent.journal import Transcript, Turn
from team.agent.models.call import Request
from team.agent.models.pictures import size_of_results
from team.agent.room import FULL_SHARE, room_of_turn
from team.agent.stops import CUT_BY_WINDOW
from team.agent.world import World
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.tool_names import RECALL

KEEP_SHARE: Final = 0.5
"""Share of the window that the turns which stay may fill it to; the newest may fill it whole."""
REFUSED_SHARE: Final = 0.75
"""Share of a call that was too long that is taken for the window then."""
TEXT_SHARE: Final = 0.15
"""Share of the window that may be written in their place."""
TEXT_MIN_SHARE: Final = 0.03
"""The same, where what stays leaves no more room."""
PEERS_MAX: Final = 20

_UNSEEN: Final = (
    "What turn {turn} gave was more than your context holds, and you have not seen it: "
    "ask for less at a time."
)
_NOTES_SHARE: Final = 0.4
_TOLD_SHARE: Final = 0.1
_MAIL_SHARE: Final = 0.5
_SAID_SHARE: Final = 0.25
"""Shares of what room is left when it is their turn, in this order; calls take the rest."""
_WEIGHT: Final[dict[str, int]] = {PERSON: 0, LEAD: 1}


def window_of(world: World) -> int | None:
    """Tokens that a member's context holds; absent without a spec."""
    spec = world.state.spec
    return None if spec is None else spec.team.triage.window_tokens


def room_for_tools(world: World, transcript: Transcript) -> int | None:
    """Characters that the tools of a transcript's last turn may add to its context."""
    read = transcript.turns[0].replied.tokens
    used = transcript.turns[-1].replied.tokens.total
    return room_of_turn(window_of(world), read.total - read.output, used)


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Why turns have to leave, and the tokens of the window that the rest has to fit into."""

    reason: str
    window: int


def need_of(transcript: Transcript, read: int, window: int | None) -> Need | None:
    """Whether turns have to leave before a call that reads so many tokens."""
    if window is not None and read > FULL_SHARE * window:
        return Need(reason="the context is nearly full", window=window)
    last = transcript.turns[-1] if transcript.turns else None
    is_cut = last is not None and last.replied.stop_reason == CUT_BY_WINDOW
    if is_cut and not transcript.is_just_compacted:
        return refused("the last reply had no room", read)
    return None


def refused(reason: str, read: int) -> Need:
    """The need of a context that was too much for the model, whatever its window is said to be."""
    return Need(reason=reason, window=int(REFUSED_SHARE * read))


def around(world: World, tools: Sequence[str]) -> Around:
    """What a member is told of the team as it stands now; peers only if it may write to them."""
    board, roster, me = world.state.board, world.state.roster, world.me
    may_write = "send_message" in tools
    others = [seat for seat in roster.present() if seat.name != me and seat.takes_mail]
    held = [task for task in board.tasks.values() if task.holder == me and not task.is_settled]
    return Around(
        peers=tuple(
            Peer(name=seat.name, role=seat.role, works_on=cut(seat.works_on))
            for seat in others[: PEERS_MAX if may_write else 0]
        ),
        tasks=tuple(TaskBrief(id=t.id, state=t.state.value, round=t.round) for t in held),
        unread=len(world.inbox.waiting),
    )


def compact(
    transcript: Transcript,
    request: Request,
    around: Around,
    need: Need,
    read: int,
) -> ContextCompacted | None:
    """Let the oldest turns of a context leave it; nothing if none is left that could.

    Args:
        transcript: The context.
        request: The call that would be made next.
        around: What is around the member now.
        need: Why they leave, and into what the rest has to fit.
        read: Tokens that the call would read.
    """
    window = need.window
    sizes = _Sizes(transcript, request, read)
    stay = _staying(sizes, window)
    if stay is None:
        return None
    number = len(transcript.turns)
    upto = min(number, max(transcript.upto + 1, number - stay))
    left = window - sizes.rest - sum(sizes.turns[upto - transcript.upto :])
    room = max(TEXT_MIN_SHARE * window, min(TEXT_SHARE * window, left))
    earlier = earlier_of(transcript.turns[:upto], around, int(room * CHARACTERS_PER_TOKEN))
    if upto == number:
        told = (*earlier.told, _UNSEEN.format(turn=number))
        earlier = msgspec.structs.replace(earlier, told=told)
    return ContextCompacted(
        context=transcript.opened.context,
        upto=upto,
        text=earlier_text(earlier),
        reason=need.reason,
        tokens_before=read,
    )


def is_crowded(transcript: Transcript, request: Request, read: int, window: int | None) -> bool:
    """Whether what can't leave a context nearly fills it already."""
    return window is not None and _Sizes(transcript, request, read).rest > FULL_SHARE * window


def _staying(sizes: _Sizes, window: int) -> int | None:
    """How many of the newest turns stay; nothing if none can leave.

    The newest has not been read yet, so it stays wherever it fits at all.
    """
    newest = sizes.turns[-1:]
    if not newest or (newest == sizes.turns and sizes.whole <= window):
        return None
    if sizes.rest + newest[0] + TEXT_MIN_SHARE * window > window:
        return 0
    stay, filled = 1, sizes.rest + newest[0] + TEXT_SHARE * window
    for size in reversed(sizes.turns[:-1]):
        filled += size
        if filled > KEEP_SHARE * window:
            break
        stay += 1
    return stay


class _Sizes:
    """What the parts of a call take, in tokens.

    Attributes:
        turns: Each turn that is in the context.
        rest: All that can't leave it.
        whole: All of it.
    """

    def __init__(self, transcript: Transcript, request: Request, read: int) -> None:
        turns = [_size(turn) / CHARACTERS_PER_TOKEN for turn in transcript.kept]
        before = transcript.compacted.text if transcript.compacted is not None else ""
        estimated = request.estimated_input_tokens()
        rest = max(0.0, estimated - sum(turns) - len(before) / CHARACTERS_PER_TOKEN)
        # Where a provider has counted more than the estimate, every part counts for more.
        scale = max(1.0, read / max(1, estimated))
        self.turns = [scale * size for size in turns]
        self.rest, self.whole = scale * rest, read


def _size(turn: Turn) -> int:
    said = len(msgspec.json.encode((turn.replied.added, turn.replied.content)))
    return said + size_of_results(turn.results)


def earlier_of(turns: Sequence[Turn], around: Around, characters: int) -> Earlier:
    """What is kept of turns in so many characters: what binds first, what was done last.

    Args:
        turns: From the first of the context on.
        around: What is around the member now.
        characters: About how long it may be.
    """
    every: dict[str, list[Any]] = {
        "notes": [note for turn in turns for note in _notes(turn)],
        "told": list(dict.fromkeys(text for turn in turns for text in _told(turn))),
        "mail": _by_weight([one for turn in turns for one in _mail(turn)]),
        "said": [saying for turn in turns for saying in _said(turn)],
        "calls": [call for turn in turns for call in _calls(turn) if call.tool != RECALL],
    }
    shares = dict(zip(every, (_NOTES_SHARE, _TOLD_SHARE, _MAIL_SHARE, _SAID_SHARE, 1), strict=True))
    left = characters - size_of(around)
    kept: dict[str, tuple[Any, ...]] = {}
    for name, items in every.items():
        fit = first_that_fit if name == "mail" else newest_that_fit
        kept[name] = tuple(fit(items, int(shares[name] * left)))
        left -= sum(map(size_of, kept[name]))
    left_out = {name: len(items) - len(kept[name]) for name, items in every.items()}
    return Earlier(
        upto=len(turns),
        around=around,
        recalls=sum(call.name == RECALL for turn in turns for call in turn.calls),
        left_out={name: count for name, count in left_out.items() if count},
        **kept,
    )


def _notes(turn: Turn) -> Iterator[str]:
    failed = {o.call_id for o in turn.acted.outcomes if o.is_error} if turn.acted else set[str]()
    for call in turn.calls:
        if call.name == "note" and call.id not in failed:
            yield str(call.input.get("text", ""))


def _told(turn: Turn) -> Iterator[str]:
    """What the runtime added: neither mail nor decisions, which the digest tells anew."""
    for text in turn.replied.added:
        if not text.startswith(("<mail ", "<decisions>")):
            yield text


def _mail(turn: Turn) -> Iterator[tuple[Intake, str]]:
    blocks = [text for text in turn.replied.added if text.startswith("<mail ")]
    yield from zip(turn.replied.intake, blocks, strict=True)


def _by_weight(mail: Sequence[tuple[Intake, str]]) -> list[str]:
    """People's first, then the lead's, then peers'; of each the newest first."""
    ranked = sorted(mail, key=lambda one: (_WEIGHT.get(one[0].author, 2), -one[0].seq))
    return [block for _, block in ranked]


def _said(turn: Turn) -> Iterator[Saying]:
    text = "\n".join(block["text"] for block in turn.blocks if block["type"] == "text").strip()
    if text:
        yield Saying(turn=turn.replied.turn, text=cut(text, SAID_CHARACTERS))


def _calls(turn: Turn) -> Iterator[EarlierCall]:
    outcomes = {o.call_id: o for o in turn.acted.outcomes} if turn.acted is not None else {}
    for number, call in enumerate(turn.calls, start=1):
        gave = outcomes.get(call.id)
        content = gave.content if gave is not None else ""
        yield EarlierCall(
            turn=turn.replied.turn,
            call=number,
            tool=call.name,
            input=cut_input(call.input),
            gave=cut(content),
            characters=len(content),
            is_error=gave is not None and gave.is_error,
        )
