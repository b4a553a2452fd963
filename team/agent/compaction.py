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
from team.agent.world import World
from team.rules.limits import CHARACTERS_PER_TOKEN

FULL_SHARE: Final = 0.75
"""Share of the window from which turns leave before the next call is made."""
KEEP_SHARE: Final = 0.5
"""Share of the window that is filled again once they have left."""
TEXT_SHARE: Final = 0.15
"""Share of the window that may be written in their place."""
PEERS_MAX: Final = 20
CUT_BY_WINDOW: Final = "model_context_window_exceeded"
"""Why a model stops that had no room left to write in."""

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


def why(transcript: Transcript, read: int, window: int | None) -> str:
    """Why turns have to leave before a call that reads so many tokens; empty if none has to."""
    if window is not None and read > FULL_SHARE * window:
        return "the context is nearly full"
    last = transcript.turns[-1] if transcript.turns else None
    is_cut = last is not None and last.replied.stop_reason == CUT_BY_WINDOW
    return "the last reply had no room" if is_cut and not transcript.is_just_compacted else ""


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
    *,
    window: int,
    read: int,
    reason: str,
) -> ContextCompacted | None:
    """Let the oldest turns of a context leave it; nothing if none is left that could.

    Args:
        transcript: The context.
        request: The call that would be made next.
        around: What is around the member now.
        window: Tokens that the context holds; what it read is more than that, if it was refused.
        read: Tokens that the call would read.
        reason: Why they leave.
    """
    upto = _upto(transcript, request, window, read)
    if upto is None:
        return None
    room = int(TEXT_SHARE * window * CHARACTERS_PER_TOKEN)
    return ContextCompacted(
        context=transcript.opened.context,
        upto=upto,
        text=earlier_text(earlier_of(transcript.turns[:upto], around, room)),
        reason=reason,
        tokens_before=read,
    )


def _upto(transcript: Transcript, request: Request, window: int, read: int) -> int | None:
    """The last turn that leaves: at least one more than has left before."""
    if not transcript.kept:
        return None
    sizes = [_size(turn) / CHARACTERS_PER_TOKEN for turn in transcript.kept]
    estimated = request.estimated_input_tokens()
    # Where a provider has counted more than the estimate, every part counts for more.
    scale = max(1.0, read / max(1, estimated))
    before = transcript.compacted.text if transcript.compacted is not None else ""
    rest = max(0.0, estimated - sum(sizes) - len(before) / CHARACTERS_PER_TOKEN)
    base = scale * rest + TEXT_SHARE * window
    stay, filled = 0, base
    for size in reversed(sizes):
        filled += scale * size
        share = KEEP_SHARE if stay else FULL_SHARE  # the newest stays if it can
        if filled > share * window:
            break
        stay += 1
    return min(len(transcript.turns), max(transcript.upto + 1, len(transcript.turns) - stay))


def _size(turn: Turn) -> int:
    outcomes = turn.acted.outcomes if turn.acted is not None else ()
    return len(msgspec.json.encode((turn.replied.added, turn.replied.content, outcomes)))


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
        "calls": [call for turn in turns for call in _calls(turn)],
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
