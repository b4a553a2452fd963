"""A run as a drawing: a lane for each member, time to the right, who told whom what, and when.

Marks that would cover each other are moved apart, never past one another; tooltips
give the exact time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from bus.messages import TaskState
from team.state import RunState, Task
from team.views.axis import Axis
from team.views.lines import one_line
from team.views.markup import Html, el, joined, muted, safe

WIDTH: Final = 1000
LEFT: Final = 132
RIGHT: Final = 976
TOP: Final = 12
LANE: Final = 58
AXIS: Final = 34
GAP: Final = 13.0
LETTER_KINDS: Final = ("question", "answer", "challenge", "rebuttal", "note")
_IDLE_SHARE_MAX: Final = 0.2
"""How much of the drawing may be empty before the first mark."""
_LATE_S: Final = 0.001


class _Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened, in a lane, or from one lane to another."""

    at: float
    kind: str
    lane: str
    says: str
    to: str | None = None
    anchor: str | None = None


def axis_of(state: RunState) -> Axis:
    """The time from the first to the last thing that is drawn.

    0 is the run's opening, unless members were so long in coming that the drawing
    would be mostly empty: then it is the first thing that happened.
    """
    times = [mark.at for mark in _marks(state)]
    end = max([state.last_at, *times])
    first = min(times, default=state.opened_at)
    start = min(state.opened_at or first, first)
    if first - start > _IDLE_SHARE_MAX * (end - start):
        start = first
    return Axis(start=start, end=max(end, start + _LATE_S), left=LEFT, right=RIGHT)


def timeline(state: RunState) -> Html:
    """The drawing with its key, or a line that there is nothing to draw."""
    marks = sorted(_marks(state), key=lambda mark: mark.at)
    lanes = _lanes(state, marks)
    if not lanes or not marks:
        return muted("Nothing to draw: no member has joined.")
    axis = axis_of(state)
    late_s = axis.start - (state.opened_at or axis.start)
    since = f"the first of these, {late_s:.1f} s after the run was opened"
    caption = f"Time 0 is {since if late_s > _LATE_S else 'when the run was opened'}. "
    return joined(
        [
            el("div", _drawing(state, axis, lanes, marks), class_="scroll"),
            _key({mark.kind for mark in marks}),
            muted(caption + "Marks that would cover each other are moved apart."),
        ],
        "\n",
    )


def _marks(state: RunState) -> list[_Mark]:
    """All that is drawn at one moment; anchors are those of the page's tables."""
    joins = [
        _Mark(at=seat.joined_at, kind="join", lane=seat.name, says=f"joins as {seat.role}")
        for seat in state.roster.seats.values()
        if seat.joined_at
    ]
    claims = [
        _Mark(at=t.claimed_at, kind="claim", lane=t.holder, says=f"claims {t.id} ({t.title})")
        for t in state.board.tasks.values()
        if t.holder and t.claimed_at
    ]
    return joins + claims + _letters(state) + _decisions(state) + _findings(state)


def _letters(state: RunState) -> list[_Mark]:
    return [
        _Mark(
            at=letter.at,
            kind=letter.kind,
            lane=letter.author,
            to=letter.to,
            says=f"{letter.kind} to {letter.to}: {letter.mail.text}",
            anchor=f"m{number}",
        )
        for number, letter in enumerate(state.mail.letters.values(), start=1)
    ]


def _decisions(state: RunState) -> list[_Mark]:
    revisions = [d for history in state.decisions.history.values() for d in history]
    return [
        _Mark(
            at=decision.at,
            kind="decision",
            lane=decision.author,
            says=f"decides {decision.name}: {decision.statement}",
            anchor=f"d{decision.seq}",
        )
        for decision in revisions
    ]


def _findings(state: RunState) -> list[_Mark]:
    every = [s for submissions in state.findings.submissions.values() for s in submissions]
    return [
        _Mark(
            at=submission.at,
            kind="finding",
            lane=submission.member,
            says=f"finds for {submission.task}, round {submission.finding.round}: "
            + submission.finding.summary,
            anchor=f"f{number}",
        )
        for number, submission in enumerate(every, start=1)
    ]


def _lanes(state: RunState, marks: Sequence[_Mark]) -> dict[str, float]:
    """The height of each lane: the members in the order of their seats, then who else wrote."""
    named = [*state.roster.seats]
    for mark in marks:
        named += [name for name in (mark.lane, mark.to) if name]
    return {
        name: TOP + LANE * number + LANE / 2 for number, name in enumerate(dict.fromkeys(named))
    }


def _spread(marks: Sequence[_Mark], axis: Axis) -> list[float]:
    """Where each mark stands: at its time, but apart from the one before it."""
    gap = min(GAP, (RIGHT - LEFT) / max(1, len(marks)))
    places: list[float] = []
    for mark in marks:
        places.append(max(axis.x(mark.at), places[-1] + gap if places else LEFT))
    limit = float(RIGHT)
    for number in reversed(range(len(places))):
        places[number] = min(places[number], limit)
        limit = places[number] - gap
    return places


def _drawing(state: RunState, axis: Axis, lanes: dict[str, float], marks: Sequence[_Mark]) -> Html:
    bottom = TOP + LANE * len(lanes)
    height = bottom + AXIS
    drawn = zip(marks, _spread(marks, axis), strict=True)
    return el(
        "svg",
        *_grid(axis, bottom),
        *(_lane(state, name, y) for name, y in lanes.items()),
        *(_work(state, task, axis, lanes) for task in state.board.tasks.values()),
        *(_mark(mark, x, axis, lanes) for mark, x in drawn),
        viewBox=f"0 0 {WIDTH} {height:g}",
        width=WIDTH,
        height=f"{height:g}",
        role="group",
        aria_label="Timeline of the run; the tables below say the same in words",
        class_="timeline",
    )


def _grid(axis: Axis, bottom: float) -> list[Html]:
    parts: list[Html] = []
    for at in axis.ticks():
        x = f"{axis.x(at):.1f}"
        parts.append(el("line", x1=x, x2=x, y1=TOP, y2=bottom + 6, class_="tick"))
        parts.append(el("text", axis.label(at), x=x, y=bottom + 22, class_="time"))
    return parts


def _lane(state: RunState, name: str, y: float) -> Html:
    seat = state.roster.seats.get(name)
    about = one_line(seat.role, 18) if seat else ""
    why = f"{name}: {seat.works_on or seat.role}" if seat else name
    return el(
        "g",
        el("title", why),
        el("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="lane"),
        el("text", one_line(name, 15), x=4, y=y if about else y + 5, class_="name"),
        el("text", about, x=4, y=y + 16, class_="role"),
    )


def _work(state: RunState, task: Task, axis: Axis, lanes: dict[str, float]) -> Html:
    """A bar from the claim in force to what was submitted under it."""
    if not task.claimed_at or task.holder not in lanes:
        return Html()
    found = state.findings.latest(task.id)
    is_done = found is not None and found.at >= task.claimed_at and found.member == task.holder
    if not is_done and task.state is not TaskState.claimed:
        return Html()
    end = found.at if found is not None and is_done else axis.end
    x, y = axis.x(task.claimed_at), lanes[task.holder] - 7
    says = f"{task.holder} works on {task.id} ({task.title}): " + " to ".join(
        axis.label(at) for at in (task.claimed_at, end)
    )
    width = f"{max(3.0, axis.x(end) - x):.1f}"
    title = el("title", says)
    return el("rect", title, x=f"{x:.1f}", y=y, width=width, height=14, rx=4, class_="work")


def _mark(mark: _Mark, x: float, axis: Axis, lanes: dict[str, float]) -> Html:
    y = lanes[mark.lane]
    is_arrow = mark.to is not None and mark.to != mark.lane
    shape = _arrow(x, y, lanes[mark.to]) if is_arrow and mark.to else _shape(mark.kind, x, y)
    says = one_line(f"{axis.label(mark.at)}: {mark.lane} {mark.says}", 400)
    drawn = el("g", el("title", says), shape, class_=f"mark {_tone(mark.kind)}")
    return el("a", drawn, href=f"#{mark.anchor}") if mark.anchor else drawn


def _tone(kind: str) -> str:
    known = (*LETTER_KINDS, "decision", "finding", "claim", "join")
    return kind if kind in known else "note"


def _shape(kind: str, x: float, y: float) -> Html:
    match kind:
        case "decision":
            return el("path", d=f"M{x:.1f} {y - 8:g}l8 8-8 8-8-8z", class_="fill")
        case "finding":
            return el("circle", cx=f"{x:.1f}", cy=y, r=6.5, class_="fill")
        case "claim":
            return el("path", d=f"M{x:.1f} {y - 9:g}v18", class_="stem")
        case _:
            return el("circle", cx=f"{x:.1f}", cy=y, r=3.5, class_="ring")


def _arrow(x: float, y: float, to_y: float) -> Html:
    down = 1 if to_y > y else -1
    tip = to_y - 2 * down
    line = f"M{x:.1f} {y:g}V{tip - 7 * down:g}"
    head = f"M{x:.1f} {tip:g}l-4.5 {-9 * down}h9z"
    return joined(
        [
            el("path", d=line, class_="near"),
            el("circle", cx=f"{x:.1f}", cy=y, r=2.6, class_="fill"),
            el("path", d=line, class_="stem"),
            el("path", d=head, class_="fill"),
        ]
    )


def _key(kinds: set[str]) -> Html:
    order = [k for k in (*LETTER_KINDS, "decision", "finding", "claim", "join") if k in kinds]
    items = [el("span", _sample(kind), safe(" " + kind), class_="key") for kind in order]
    return el("p", *items, class_="keys")


def _sample(kind: str) -> Html:
    """One mark of a kind, as small as a letter; an arrow lies down here."""
    shape = _shape(kind, 15, 11)
    if kind in LETTER_KINDS:
        shape = joined(
            [
                el("path", d="M2 11H20", class_="stem"),
                el("path", d="M29 11l-9-4.5v9z", class_="fill"),
            ]
        )
    drawn = el("g", shape, class_=f"mark {kind}")
    return el("svg", drawn, viewBox="0 0 30 22", width=30, height=22, aria_hidden="true")
