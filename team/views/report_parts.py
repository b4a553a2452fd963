"""The tables and lists of a run's report: messages, decisions, findings, tasks, costs."""

from __future__ import annotations

from typing import Final

from bus.messages import Claim, Judgement
from team.state import RunState
from team.views.axis import Axis
from team.views.decisions import DisputeRow
from team.views.markup import Html, bullets, chip, el, joined, muted, place, table
from team.views.run_object import (
    FindingRow,
    LetterRow,
    RunObject,
    VerdictRow,
)

TONES: Final = {
    "upheld": "good",
    "admitted": "good",
    "in force": "good",
    "refuted": "bad",
    "rejected": "bad",
    "failed": "bad",
    "stalled": "bad",
    "cancelled": "warn",
    "partial": "warn",
    "unsure": "warn",
    "contested": "warn",
    "proposed": "warn",
    "open": "warn",
    "raised": "warn",
    "withdrawn": "warn",
    "stopped": "warn",
}
_SIGNS: Final = {"upheld": "✓", "refuted": "✗", "unsure": "?"}


def anchors_of(shown: RunObject) -> dict[str, str]:
    """Where each claim stands on the page, by the name that citations use."""
    return {
        f"{finding.task}.{claim.id}": f"f{number}c{place_}"
        for number, finding in enumerate(shown.findings, start=1)
        for place_, claim in enumerate(finding.claims, start=1)
    }


def letter_numbers(shown: RunObject) -> dict[str, int]:
    """The number of each message on the page, by its id."""
    return {row.id: number for number, row in enumerate(shown.messages.letters, start=1)}


def messages(shown: RunObject, state: RunState, axis: Axis) -> Html:
    """Every message between members, with how far it got."""
    if not shown.messages.letters:
        return muted("No member wrote to another.")
    numbers = letter_numbers(shown)
    kinds = ", ".join(f"{count} × {kind}" for kind, count in shown.messages.by_kind.items())
    rows = [_letter(row, numbers, state, axis) for row in shown.messages.letters]
    heads = ("#", "#time", "from → to", "kind", "text", "receipt")
    ids = [f"m{number}" for number in numbers.values()]
    return joined([muted(kinds), table(heads, rows, ids, name="letters")], "\n")


def _letter(
    row: LetterRow, numbers: dict[str, int], state: RunState, axis: Axis
) -> tuple[str, ...]:
    letter = state.mail.letters.get(row.id)
    asked = numbers.get(row.in_reply_to or "")
    reply = el("a", f"to {asked}", href=f"#m{asked}", class_="reply") if asked else ""
    return (
        str(numbers[row.id]),
        axis.label(letter.at) if letter else "",
        f"{row.author} → {row.to}",
        joined([chip(row.kind, row.kind), " ", reply]),
        row.text,
        row.receipt,
    )


def decisions(shown: RunObject) -> Html:
    """Every revision of every decision, with the objections to it."""
    if not shown.decisions:
        return muted("No decision was recorded.")
    rows = []
    for row in shown.decisions:
        said = [el("p", row.statement), *(_dispute_line(step) for step in row.dispute)]
        said += [el("p", row.fallen, class_="bad")] if row.fallen else []
        said += [el("p", row.rationale, class_="muted")] if row.rationale else []
        said += [el("p", f"From {row.standing}", class_="muted")] if row.standing else []
        rests = ", ".join(f"{p.area}/{p.key} r{p.revision}" for p in row.relied_on)
        said += [el("p", f"Rests on {rests}", class_="muted")] if rests else []
        state_chip = chip(row.state, TONES.get(row.state, ""))
        key = el("code", f"{row.area}/{row.key}")
        rows.append((str(row.revision), key, joined(said), row.author, state_chip))
    ids = [f"d{row.revision}" for row in shown.decisions]
    heads = ("#rev.", "area/key", "decision", "by", "state")
    return table(heads, rows, ids, name="decisions")


def _dispute_line(step: DisputeRow) -> Html:
    """One step of a dispute: who said what."""
    instead = f" Instead: {step.instead}" if step.instead else ""
    tone = "muted" if step.step == "answer" else "warn"
    return el("p", f"{step.step.capitalize()} of {step.by}: {step.text}{instead}", class_=tone)


def conflicts(shown: RunObject) -> Html:
    """Claims of different lanes that may contradict each other, and what was ruled."""
    if not shown.conflicts:
        return muted("No claims of different lanes were found to contradict each other.")
    anchors = anchors_of(shown)
    rows = []
    for row in shown.conflicts:
        said = [el("p", row.reason)]
        said += [el("p", f"A verifier: {row.judged}", class_="muted")] if row.judged else []
        ruling = f"{row.ruling} stands. {row.ruling_reason}"
        said += [el("p", f"Ruling: {ruling}", class_="warn")] if row.ruling else []
        gone = ", ".join(row.struck)
        said += [el("p", f"Struck out: {gone}", class_="bad")] if gone else []
        refs = [_claim_link(ref, anchors) for ref in (row.first, row.second)]
        rows.append((joined(refs, " "), joined(said), chip(row.state, TONES.get(row.state, ""))))
    return table(("claims", "what was seen", "state"), rows, name="conflicts")


def _claim_link(ref: str, anchors: dict[str, str]) -> Html:
    anchor = anchors.get(ref)
    return el("a", ref, href=f"#{anchor}") if anchor else el("code", ref)


def findings(shown: RunObject, state: RunState, base: str) -> Html:
    """Every finding that was submitted, whatever became of it."""
    if not shown.findings:
        return muted("No finding was submitted.")
    numbers = letter_numbers(shown)
    titles = {task.id: task.title for task in shown.tasks}
    dropped = {
        (s.task, s.member, s.finding.round): s.finding.dropped
        for submissions in state.findings.submissions.values()
        for s in submissions
    }
    parts = []
    for number, row in enumerate(shown.findings, start=1):
        name = f"{row.task} {titles.get(row.task, '')}".strip()
        gone = dropped.get((row.task, row.member, row.round), ())
        parts.append(_finding(row, f"f{number}", name, numbers, base, gone))
    return joined(parts, "\n")


def _finding(
    row: FindingRow,
    anchor: str,
    name: str,
    numbers: dict[str, int],
    base: str,
    dropped: tuple[str, ...],
) -> Html:
    known = {claim.id for claim in row.claims}
    of_whole = [v for v in row.verdicts if v.judgement.claim not in known]
    claims = [
        _claim(claim, f"{anchor}c{number}", row.verdicts, numbers, base)
        for number, claim in enumerate(row.claims, start=1)
    ]
    premises = [f"{p.area}/{p.key} at revision {p.revision}" for p in row.relied_on]
    head = el("h3", name, " ", chip(row.state, TONES.get(row.state, "")))
    return el(
        "article",
        head,
        el("p", f"{row.member}, round {row.round}", class_="muted"),
        el("p", row.summary),
        el("p", *_spaced(_checks(of_whole)), class_="checks") if of_whole else "",
        el("ul", *claims, class_="claims"),
        _more("Open questions", row.open_questions),
        _more("Given up since the last round", dropped),
        _more("Rests on these decisions", premises),
        class_="finding",
        id=anchor,
    )


def _spaced(parts: list[Html]) -> list[str]:
    return [joined(parts, " ")]


def _more(heading: str, lines: tuple[str, ...] | list[str]) -> Html:
    return joined([el("h4", heading), bullets(lines)]) if lines else Html()


def _checks(verdicts: list[VerdictRow]) -> list[Html]:
    """Verdicts on a finding as a whole: the upheld ones in a word, the others with their reason."""
    return [
        chip(
            f"{_SIGNS[v.judgement.outcome]} {v.by}: {v.judgement.check}"
            + ("" if v.judgement.outcome == "upheld" else f": {v.judgement.reason}"),
            TONES[v.judgement.outcome],
        )
        for v in verdicts
    ]


def _claim(
    claim: Claim,
    anchor: str,
    verdicts: tuple[VerdictRow, ...],
    numbers: dict[str, int],
    base: str,
) -> Html:
    letter = numbers.get(claim.revised_after or "")
    link = el("a", f"changed after message {letter}", href=f"#m{letter}") if letter else ""
    judged = [_verdict(v.by, v.judgement) for v in verdicts if v.judgement.claim == claim.id]
    shown = [
        el("li", place(e.source, e.locator, base), el("blockquote", e.quote))
        for e in claim.evidence
    ]
    return el(
        "li",
        el("p", el("code", claim.id), " ", claim.text, class_="says"),
        el("p", f"confidence {claim.confidence}", ". " if link else "", link, class_="muted"),
        el("ul", *shown, class_="shows") if shown else el("p", "no evidence", class_="bad"),
        *(judged or [muted("not judged by anyone")]),
        id=anchor,
    )


def _verdict(by: str, judgement: Judgement) -> Html:
    sign, tone = _SIGNS[judgement.outcome], TONES[judgement.outcome]
    verdict = chip(f"{sign} {judgement.outcome}", tone)
    return el("p", verdict, f" {by}, {judgement.check}: {judgement.reason}", class_="verdict")


def brought(shown: RunObject) -> Html:
    """Texts that tools brought from outside: what each is called here, and where it is from."""
    if not shown.brought:
        return muted("No tool brought anything from outside.")
    rows = [
        (el("code", row.source), row.origin, row.title, row.member, row.tool, row.at)
        for row in shown.brought
    ]
    return table(("source", "origin", "title", "by", "tool", "when"), rows, name="brought")


def tasks(shown: RunObject) -> Html:
    """The board as it stands, with why a task came back or was settled so."""
    if not shown.tasks:
        return muted("No task was opened.")
    rows = [
        (
            el("code", task.id),
            joined([el("p", task.title), *(el("p", r, class_="muted") for r in task.reasons)]),
            task.member or "nobody",
            str(task.round),
            chip(task.state.value, TONES.get(task.state.value, "")),
        )
        for task in shown.tasks
    ]
    return table(("task", "title", "member", "#round", "state"), rows, name="tasks")
