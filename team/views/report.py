"""A run as one page that stands alone: no script, nothing loaded, nothing unescaped.

Not for programs: `result.json` says the same as data.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from importlib.resources import files
from string import Template
from typing import Final

from team.state import RunState
from team.views import report_parts as parts
from team.views.answer import answer, evidence
from team.views.lines import one_line
from team.views.markup import Html, base_of, bullets, el, joined, muted, safe, section
from team.views.report_costs import costs
from team.views.run_object import RunObject
from team.views.timeline import axis_of, timeline
from team.views.usage import money, prices_lines

_REHEARSAL: Final = "rehearsal-1"
_MEANING: Final = {
    "admitted": "The gate opened: every finding that the answer rests on was admitted.",
    "partial": "The answer rests on admitted findings only, and lacks some of what was asked.",
    "rejected": "The gate refused: there was nothing to answer from.",
    "cancelled": "The run was cancelled.",
    "running": "The run goes on; this page shows it as it stood.",
    "waiting": "The run waits for a person’s answer; this page shows it as it stood.",
    "stopped": "The run stopped before its end.",
    "stalled": "The run came to a halt before its end.",
}
_CONTENTS: Final = (
    "answer evidence timeline messages decisions conflicts findings tasks costs provenance".split()
)
_LONG_GOAL: Final = 140


def report_page(shown: RunObject, state: RunState) -> str:
    """Draw up a run's report.

    Args:
        shown: The run as an object, made from `state`.
        state: The fold of its stream, for times and objections.

    Returns:
        A whole HTML page. Goal, sources, quotes and mail are data and never markup.
    """
    css = _file("report.css")
    digest = hashlib.sha256(css.encode()).digest()
    return Template(_file("report.html")).substitute(
        title=safe(f"{one_line(shown.goal, 80) or shown.run}: {shown.status}"),
        css=css,
        css_hash=base64.b64encode(digest).decode(),
        body=_body(shown, state),
    )


def _file(name: str) -> str:
    return files("team.views").joinpath(name).read_text(encoding="utf-8")


def _body(shown: RunObject, state: RunState) -> Html:
    base = _base(shown)
    axis = axis_of(state)
    anchors = parts.anchors_of(shown)
    under = muted(f"Paths are relative to {base}") if base else ""
    return joined(
        [
            _header(shown, state),
            _outcome(shown),
            section("answer", "Answer", answer(shown)),
            section("evidence", "Evidence", under, evidence(shown, base, anchors)),
            section("timeline", "Timeline", timeline(state)),
            section("messages", "Messages", parts.messages(shown, state, axis)),
            section("decisions", "Decisions", parts.decisions(shown)),
            section("conflicts", "Conflicts", parts.conflicts(shown)),
            section("findings", "Findings", parts.findings(shown, state, base)),
            *_brought(shown),
            section("tasks", "Tasks", parts.tasks(shown)),
            section("costs", "Costs", costs(shown)),
            section("provenance", "Provenance", _provenance(shown, state)),
        ],
        "\n",
    )


def _brought(shown: RunObject) -> list[Html]:
    """What came from outside, where anything did."""
    return [section("outside", "From outside", parts.brought(shown))] if shown.brought else []


def _base(shown: RunObject) -> str:
    cited = [row.source for row in shown.result.citations] if shown.result else []
    found = [e.source for f in shown.findings for c in f.claims for e in c.evidence]
    return base_of(cited + found)


def _header(shown: RunObject, state: RunState) -> Html:
    tone = parts.TONES.get(shown.status, "")
    why = f" Reason: {state.cancel_reason}" if state.cancel_reason else ""
    meaning = _MEANING[shown.status] + why
    goal = el("h1", shown.goal or "(no goal)", class_="long" if _is_long(shown.goal) else None)
    contents = [el("a", name.capitalize(), href=f"#{name}") for name in _CONTENTS]
    return el(
        "header",
        el("p", el("span", shown.status, class_=f"badge {tone}"), " ", meaning, class_="status"),
        goal,
        _facts(shown),
        _banner(shown),
        el("nav", joined(contents, " "), aria_label="Contents"),
    )


def _is_long(goal: str) -> bool:
    return len(goal) > _LONG_GOAL


def _facts(shown: RunObject) -> Html:
    usage = shown.usage
    about = "about " if usage.is_estimated else ""
    facts = {
        "Mode": shown.mode or "not triaged",
        "Members": str(len(shown.members)),
        "Wall time": f"{shown.wall_s:,.1f} s",
        "Model": shown.model or "unknown",
        "Model calls": f"{usage.calls:,}",
        "Tokens": f"{about}{usage.input_tokens + usage.output_tokens:,}",
        "Cost": money(usage.cost_usd),
    }
    return el("dl", *(el("div", el("dt", k), el("dd", v)) for k, v in facts.items()))


def _banner(shown: RunObject) -> Html:
    if shown.model != _REHEARSAL:
        return Html()
    text = (
        " The rehearsal model quotes the sources and writes nothing of its own: "
        "read this as an extract, not as an answer."
    )
    return el("p", el("b", "No language model was used."), text, class_="banner")


def _outcome(shown: RunObject) -> Html:
    """What a reader must know before the answer: what lacks, what was refused, what changed."""
    return joined(
        [
            _told("What is missing", shown.missing, "Nothing was reported missing.", "warn"),
            _told("What the gate rejected", shown.rejected, "The gate rejected no finding.", "bad"),
            _told(
                "What peers changed",
                shown.changed_by_peers,
                "No claim was changed by a peer’s message.",
                "note",
            ),
        ],
        "\n",
    )


def _told(heading: str, lines: tuple[str, ...], none: str, tone: str) -> Html:
    if not lines:
        return el("aside", el("p", none), class_="told none")
    return el("aside", el("h2", heading), bullets(lines), class_=f"told {tone}")


def _provenance(shown: RunObject, state: RunState) -> Html:
    odd = len(state.board.anomalies) + len(state.decisions.anomalies)
    facts = {
        "Run": shown.run,
        "Generated from": f"the run’s stream up to sequence {state.last_seq}",
        "Opened": _moment(state.opened_at),
        "Last message": _moment(state.last_at),
        "Prices": "; ".join(prices_lines(shown.usage)) or "nothing is paid for this model",
        "Why this mode": "; ".join(shown.triage) or "the run was not triaged",
        "Could not be read": _count(len(state.unread), "message"),
        "Set aside": _count(odd, "message") + " that did not follow the state they named",
    }
    rows = [joined([el("dt", name), el("dd", value)]) for name, value in facts.items()]
    again = el("p", "The same as data: ", el("code", f"team show {shown.run} --json"))
    return joined([el("dl", *rows, class_="rows"), again], "\n")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _moment(at: float) -> str:
    if not at:
        return "never"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
