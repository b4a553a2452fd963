"""The synthesis as the lead writes it, what it may cite, and how it is rendered.

The numbers of citations are given by code alone. What an answer must pass: `synthesis_gate`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec

from bus.ids import GATE
from bus.messages import Citation, Claim, TaskState
from team.rules.conflicts import struck_claims
from team.rules.gate import Instructions, as_reason
from team.state import RunState

REJECTED_MAX: Final = 20
"""Refused claims that an answer names one by one."""
REJECTED_CHARACTERS_MAX: Final = 300
ORDER: Final = "(words that would order an agent about)"
"""What stands for a claim that the answer does not repeat."""
_MARK: Final = re.compile(r"\[(\d+)\]")


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of the answer and the admitted claims that it rests on."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    cites: tuple[str, ...]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A headed part of the answer."""

    heading: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    sentences: Annotated[tuple[Sentence, ...], msgspec.Meta(min_length=1)]


class ConstraintMet(msgspec.Struct, frozen=True, kw_only=True):
    """How the answer keeps a constraint of the goal, as the lead puts it."""

    constraint: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    how: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class Synthesis(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, before it is rendered.

    Attributes:
        title: What it is called.
        sections: What it says.
        missing: What the goal asked for and the claims do not answer.
        constraints: How it keeps the constraints of the goal that code can't check.
    """

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    sections: Annotated[tuple[Section, ...], msgspec.Meta(min_length=1)]
    missing: tuple[str, ...] = ()
    constraints: tuple[ConstraintMet, ...] = ()


class AdmittedClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that may be cited, under the name `<task>.<claim>`."""

    ref: str
    task: str
    lane: str
    member: str
    claim: Claim


def admitted_claims(state: RunState) -> list[AdmittedClaim]:
    """Every claim of every admitted finding that no conflict has struck out, in board order."""
    found = upheld_claims(state)
    struck = struck_claims(state, {one.ref: one.claim for one in found})
    return [one for one in found if one.ref not in struck]


def struck_lines(state: RunState) -> tuple[str, ...]:
    """Claims of admitted findings that may not be cited, with the reasons."""
    found = upheld_claims(state)
    struck = struck_claims(state, {one.ref: one.claim for one in found})
    return tuple(
        f"claim {one.ref} of {one.member} was struck out: {struck[one.ref]}: “{one.claim.text}”"
        for one in found
        if one.ref in struck
    )


def upheld_claims(state: RunState) -> list[AdmittedClaim]:
    """Every claim of every admitted finding, in board order, whatever contradicts it."""
    found: list[AdmittedClaim] = []
    for task in state.board.of_purpose("research"):
        # Not the latest: nobody has judged what came in after the task was settled.
        submission = state.findings.upheld_by(GATE, task.id)
        if task.state is TaskState.admitted and submission is not None:
            found += [
                AdmittedClaim(
                    ref=f"{task.id}.{claim.id}",
                    task=task.id,
                    lane=task.title,
                    member=submission.member,
                    claim=claim,
                )
                for claim in submission.finding.claims
            ]
    return found


def rejected_claims(state: RunState) -> tuple[str, ...]:
    """Claims that were refused and not mended later, and those struck out, with the reasons."""
    admitted = {one.ref: one for one in admitted_claims(state)}
    texts = {one.claim.text for one in admitted.values()}
    lines: dict[str, str] = {}
    for task in state.board.of_purpose("research"):
        for submission in state.findings.submissions.get(task.id, ()):
            for claim in submission.finding.claims:
                reasons = [as_reason(j) for j in submission.objections if j.claim == claim.id]
                is_mended = f"{task.id}.{claim.id}" in admitted or claim.text in texts
                checks = {j.check for j in submission.objections if j.claim == claim.id}
                if reasons and not is_mended:
                    # An order would be one in the answer too: it is named, not repeated.
                    text = ORDER if Instructions.name in checks else claim.text
                    who = f"{submission.member} on {task.title}"
                    lines[f"{task.id}.{claim.id}"] = _rejected(text, who, reasons[-1])
    upheld = upheld_claims(state)
    struck = struck_claims(state, {one.ref: one.claim for one in upheld})
    for one in upheld:
        if one.ref in struck:
            why = f"struck out: {struck[one.ref]}"
            lines[one.ref] = _rejected(one.claim.text, f"{one.member} on {one.lane}", why)
    more = len(lines) - REJECTED_MAX
    kept = tuple(lines.values())[:REJECTED_MAX]
    return (*kept, f"and {more} more") if more > 0 else kept


def _rejected(text: str, who: str, why: str) -> str:
    said = " ".join(text.split())
    half = REJECTED_CHARACTERS_MAX // 2
    short = said if len(said) <= half else said[: half - 1] + "…"
    return f"“{short}” ({who}): {why[:REJECTED_CHARACTERS_MAX]}"


def render(
    synthesis: Synthesis,
    admitted: Sequence[AdmittedClaim],
    missing: Sequence[str],
    rejected: Sequence[str] = (),
    origins: Mapping[str, str] | None = None,
) -> tuple[str, tuple[Citation, ...]]:
    """Write the answer as Markdown with numbered citations.

    Args:
        synthesis: What the lead has written.
        admitted: The claims that it may cite.
        missing: What the answer lacks.
        rejected: What the gate refused.
        origins: Where sources are from that were brought from outside, by their names.

    Returns:
        The text, and the citations in the order of their numbers.
    """
    by_ref = {claim.ref: claim for claim in admitted}
    numbers: dict[str, int] = {}
    lines = [f"# {_shown(synthesis.title)}", ""]
    for section in synthesis.sections:
        lines += [f"## {_shown(section.heading)}", ""]
        for sentence in section.sentences:
            marks = "".join(f"[{numbers.setdefault(r, len(numbers) + 1)}]" for r in sentence.cites)
            lines += [f"- {_shown(sentence.text)} {marks}"]
        lines.append("")
    if missing:
        lines += ["## What is missing", "", *(f"- {_shown(line)}" for line in missing), ""]
    if synthesis.constraints:
        lines += ["## Constraints on the lead's word", ""]
        lines += [f"- {_shown(one.constraint)}: {_shown(one.how)}" for one in synthesis.constraints]
        lines.append("")
    if rejected:
        lines += ["## What was rejected", "", *(f"- {_shown(line)}" for line in rejected), ""]
    lines += ["## Evidence", ""]
    citations = tuple(_citation(by_ref[ref]) for ref in numbers)
    for number, citation in enumerate(citations, start=1):
        origin = (origins or {}).get(citation.source, "")
        place = _shown(f"{citation.source} {citation.locator}{origin and f' <{origin}>'}")
        lines.append(f"[{number}] {place} ({citation.member}): “{_shown(citation.quote)}”  ")
    return "\n".join(lines).rstrip() + "\n", citations


def _citation(admitted: AdmittedClaim) -> Citation:
    evidence = admitted.claim.evidence[0]
    return Citation(
        ref=admitted.ref,
        claim=admitted.claim.text,
        member=admitted.member,
        source=evidence.source,
        locator=evidence.locator,
        quote=evidence.quote,
    )


def _shown(text: str) -> str:
    """A text on one line, in which nothing passes for a citation mark of ours."""
    return _MARK.sub(r"\[\1\]", " ".join(text.split()))
