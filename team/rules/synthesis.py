"""The synthesis as the lead writes it, and the final gate that it must pass.

Every sentence that states a fact cites an admitted claim; every admitted lane is
used; what stands in quotation marks stands in the evidence that is cited; the
numbers of citations are given by code alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from bus.ids import GATE
from bus.messages import Citation, Claim, TaskState
from team.rules.conflicts import struck_claims
from team.state import RunState

QUOTED_WORDS_MIN: Final = 4
_QUOTED: Final = re.compile(r"[\"“«]([^\"”»]+)[\"”»]")
_MARK: Final = re.compile(r"\[(\d+)\]")


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of the answer and the admitted claims that it rests on."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    cites: tuple[str, ...]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A headed part of the answer."""

    heading: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    sentences: Annotated[tuple[Sentence, ...], msgspec.Meta(min_length=1)]


class Synthesis(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, before it is rendered.

    Attributes:
        title: What it is called.
        sections: What it says.
        missing: What the goal asked for and the claims do not answer.
    """

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    sections: Annotated[tuple[Section, ...], msgspec.Meta(min_length=1)]
    missing: tuple[str, ...] = ()


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


def synthesis_problems(synthesis: Synthesis, admitted: Sequence[AdmittedClaim]) -> list[str]:
    """Say what the final gate refuses; empty if it opens."""
    by_ref = {claim.ref: claim for claim in admitted}
    problems: list[str] = []
    cited: set[str] = set()
    for sentence in (s for section in synthesis.sections for s in section.sentences):
        if not sentence.cites:
            problems.append(f"no claim is cited for: {sentence.text!r}")
        unknown = [ref for ref in sentence.cites if ref not in by_ref]
        problems += [
            f"{ref!r} is not an admitted claim, cited for: {sentence.text!r}" for ref in unknown
        ]
        known = [by_ref[ref] for ref in sentence.cites if ref in by_ref]
        cited |= {claim.task for claim in known}
        problems += _loose_quotes(sentence.text, known)
        problems += _own_marks(sentence.text, known)
    lanes = {claim.task: claim.lane for claim in admitted}
    problems += [
        f"lane {lane!r} was admitted and is not used"
        for task, lane in lanes.items()
        if task not in cited
    ]
    return problems


def render(
    synthesis: Synthesis, admitted: Sequence[AdmittedClaim], missing: Sequence[str]
) -> tuple[str, tuple[Citation, ...]]:
    """Write the answer as Markdown with numbered citations.

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
    lines += ["## Evidence", ""]
    citations = tuple(_citation(by_ref[ref]) for ref in numbers)
    for number, citation in enumerate(citations, start=1):
        place = _shown(f"{citation.source} {citation.locator}")
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


def _loose_quotes(text: str, cited: Sequence[AdmittedClaim]) -> list[str]:
    """Quotations of some length that stand in none of the cited claims or their evidence."""
    grounds = [_plain(e.quote) for claim in cited for e in claim.claim.evidence]
    grounds += [_plain(claim.claim.text) for claim in cited]
    return [
        f"the quotation {quoted!r} stands in no claim that is cited for it"
        for quoted in _QUOTED.findall(text)
        if len(quoted.split()) >= QUOTED_WORDS_MIN
        and not any(_plain(quoted).rstrip(".,;") in ground for ground in grounds)
    ]


def _own_marks(text: str, cited: Sequence[AdmittedClaim]) -> list[str]:
    """Citation marks that the text gives itself, and no cited claim or quote has."""
    grounds = " ".join(
        part
        for claim in cited
        for part in (claim.claim.text, *(e.quote for e in claim.claim.evidence))
    )
    return [
        f"name claims in `cites` and write no mark {mark!r} yourself: {text!r}"
        for mark in dict.fromkeys(found.group() for found in _MARK.finditer(text))
        if mark not in grounds
    ]


def _shown(text: str) -> str:
    """A text on one line, in which nothing passes for a citation mark of ours."""
    return _MARK.sub(r"\[\1\]", " ".join(text.split()))


def _plain(text: str) -> str:
    return " ".join(text.replace("“", '"').replace("”", '"').split()).lower()
