"""A run as it happens, drawn for a terminal: members, tasks, decisions, mail, money."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bus.live import Beat
from bus.messages import TaskState
from team.rules.approvals import awaited
from team.state import RunState, Seat
from team.views.follow import Follower
from team.views.lines import one_line
from team.views.members import state_of
from team.views.output import seen
from team.views.usage import money, spent_line
from team.views.waiting import waiting_lines

MAIL_SHOWN = 5
TEXT_SHOWN = 60
DECISIONS_SHOWN = 4

_NUMBERS = ("turns", "tokens", "cost")
_COLOURS = {
    TaskState.open: "white",
    TaskState.claimed: "cyan",
    TaskState.submitted: "yellow",
    TaskState.admitted: "green",
    TaskState.rejected: "red",
    TaskState.failed: "red",
    TaskState.cancelled: "bright_black",
}

_STATE_COLOURS = {
    "working": "green",
    "starting": "yellow",
    "silent": "yellow",
    "stuck": "red",
    "lost": "red",
    "left": "bright_black",
}


def picture(follower: Follower) -> RenderableType:
    """Draw a run as it stands."""
    state = follower.state
    parts: list[RenderableType] = [_members(follower), _tasks(state)]
    if state.decisions.history:
        parts.append(_decisions(state))
    if state.mail.letters:
        parts.append(_mail(state))
    parts += [_text(line, style="yellow") for line in waiting_lines(follower.run, awaited(state))]
    goal = one_line(state.opened.goal, 100) if state.opened else "…"
    title, spent = _text(f"{follower.run}: {goal}"), _text(spent_line(state))
    return Panel(Group(*parts), title=title, subtitle=spent, title_align="left")


def _text(text: str, style: str = "") -> Text:
    """A text as it stands: none of it is markup, nor acts on the terminal. It may be anybody's."""
    return Text(seen(text), style=style)


def _members(follower: Follower) -> Table:
    table = Table(box=None, expand=True, pad_edge=False)
    for name in ("member", "role", "state", "doing", *_NUMBERS):
        table.add_column(
            name,
            justify="right" if name in _NUMBERS else "left",
            ratio=1 if name == "doing" else None,
            no_wrap=True,
        )
    beats = follower.beats
    for seat in follower.state.roster.seats.values():
        beat = beats.get(seat.name)
        spent = follower.state.ledger.of_member(seat.name)
        doing = (beat.doing if beat else "") or seat.works_on
        if seat.stuck is not None:
            doing = seat.stuck.reason
        text = follower.text_of(seat.name)
        if beat is not None and beat.state == "working" and text:
            doing = f"{doing}: {text[-TEXT_SHOWN:]}"
        table.add_row(
            _text(seat.name),
            _text(seat.role),
            _state_of(seat, beat),
            _text(one_line(doing, 100)),
            str(spent.calls),
            f"{spent.tokens:,}",
            money(spent.cost_usd),
        )
    return table


def _state_of(seat: Seat, beat: Beat | None) -> Text:
    state = state_of(seat, beat)
    return _text(state, style=_STATE_COLOURS.get(state, "white"))


def _tasks(state: RunState) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, title_justify="left")
    for name in ("task", "state", "member", "title"):
        table.add_column(name, no_wrap=True, ratio=1 if name == "title" else None)
    for task in state.board.tasks.values():
        table.add_row(
            _text(task.id),
            _text(task.state.value, style=_COLOURS[task.state]),
            _text(task.holder or "-"),
            _text(one_line(task.title, 80)),
        )
    return table


def _decisions(state: RunState) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, show_header=False)
    table.add_column("name", no_wrap=True)
    table.add_column("statement", ratio=1, no_wrap=True)
    for decision in state.decisions.all_in_force()[-DECISIONS_SHOWN:]:
        statement = f"{decision.author}: {one_line(decision.statement, 100)}"
        table.add_row(_text(f"decided {decision.name}"), _text(statement))
    return table


def _mail(state: RunState) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, show_header=False)
    table.add_column("who", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("receipt", no_wrap=True)
    table.add_column("text", ratio=1, no_wrap=True)
    for letter in list(state.mail.letters.values())[-MAIL_SHOWN:]:
        table.add_row(
            _text(f"{letter.author} → {letter.to}"),
            _text(letter.kind),
            _text(letter.receipt()),
            _text(one_line(letter.mail.text, 80)),
        )
    return table
