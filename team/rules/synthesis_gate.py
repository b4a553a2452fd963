"""The final gate: what an answer must be before it is published, each rule a class.

The checks run inside the tool that returns the synthesis, so a lead hears all that is wrong
and may mend it. One that crashes is a no like any other.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import ClassVar, Final

import msgspec

from bus.messages import Claim, TaskState
from team.rules.end_steps import missing_lanes
from team.rules.limits_of_text import limit_of, problem_of
from team.rules.plan import likeness, words
from team.rules.sentences_of_text import parts_of, sentences_of
from team.rules.synthesis import AdmittedClaim, Sentence, Synthesis, admitted_claims
from team.state import RunState

QUOTED_WORDS_MIN: Final = 4
CONTAINED_WORDS_MIN: Final = 3
"""Words from which a refused claim counts as said wherever it stands word for word."""
SAME_CLAIM: Final = 0.8
"""Share of common telling words from which a sentence says what a claim says."""

_QUOTED: Final = re.compile(r"[\"“«]([^\"”»]+)[\"”»]")
_MASK: Final = "“”."
_ENDS: Final = ".;:!? "
_MARK: Final = re.compile(r"\[(\d+)\]")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_DENIAL: Final = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|without|cannot)\b|n't"
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the goal asked of the answer, and what may not come into it.

    Attributes:
        aspects: Parts of the goal that the answer has to cover, word for word.
        constraints: Constraints of the goal, word for word.
        covers: Which aspects each admitted lane answers, by task.
        refused: Texts of claims that were refused or struck out.
        goal: The goal itself: an answer may repeat it.
        reported: What code reports as missing: an answer may repeat that too.
    """

    aspects: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    covers: dict[str, tuple[str, ...]] = {}
    refused: tuple[str, ...] = ()
    goal: str = ""
    reported: tuple[str, ...] = ()


NOTHING: Final = Asked()
"""No plan, nothing refused."""


class SynthesisInput(msgspec.Struct, frozen=True, kw_only=True):
    """All that the final gate looks at."""

    synthesis: Synthesis
    admitted: dict[str, AdmittedClaim]
    asked: Asked

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Every sentence of the answer."""
        return tuple(s for section in self.synthesis.sections for s in section.sentences)

    @property
    def around(self) -> tuple[str, ...]:
        """Title, headings, and of the lines of what is missing what the lead adds to ours.

        The goal's own words for an aspect, and what code reports, are no words of the lead's.
        """
        ours = (*self.asked.reported, *self.asked.aspects)
        headings = (section.heading for section in self.synthesis.sections)
        missing = (_without(line, ours) for line in self.synthesis.missing)
        return (self.synthesis.title, *headings, *missing)

    @property
    def grounds(self) -> tuple[str, ...]:
        """All that may be repeated without a citation: what was admitted, and what was asked."""
        asked = (self.asked.goal, *self.asked.aspects, *self.asked.reported)
        return (*(text for claim in self.admitted.values() for text in _texts(claim)), *asked)

    def cited(self, sentence: Sentence) -> list[AdmittedClaim]:
        """The admitted claims that a sentence cites."""
        return [self.admitted[ref] for ref in sentence.cites if ref in self.admitted]


class SynthesisCheck(ABC):
    """One check of the answer."""

    code: ClassVar[str]
    name: ClassVar[str]

    @abstractmethod
    def problems(self, given: SynthesisInput) -> Iterator[str]:
        """Say what is wrong, a sentence each; nothing if nothing is."""


class Citations(SynthesisCheck):
    """Each sentence cites at least one claim, and admitted claims only.

    Where several sentences share their citations, a cited claim or quote says each of them.
    """

    code, name = "G201", "citations"

    def problems(self, given: SynthesisInput) -> Iterator[str]:
        """Name the sentences that cite nothing, and what is cited and was not admitted."""
        for sentence in given.sentences:
            if not sentence.cites:
                yield f"no claim is cited for: {sentence.text!r}"
            for ref in sentence.cites:
                if ref not in given.admitted:
                    yield f"{ref!r} is not an admitted claim, cited for: {sentence.text!r}"
            texts = [text for claim in given.cited(sentence) for text in _texts(claim)]
            several = sentences_of(_QUOTED.sub(_masked, sentence.text))
            for one in several if len(several) > 1 and texts else ():
                if one.strip(_MASK) and not _is_said(one, texts):
                    yield (
                        f"{one!r} shares its citations with other sentences and no cited claim "
                        "says it: put each sentence in an entry of its own"
                    )


class Quotations(SynthesisCheck):
    """What stands in quotation marks stands in a claim that is cited for it, or its evidence."""

    code, name = "G202", "quotations"

    def problems(self, given: SynthesisInput) -> Iterator[str]:
        """Name the quotations of some length that stand nowhere."""
        for sentence in given.sentences:
            grounds = [text for claim in given.cited(sentence) for text in _texts(claim)]
            for quoted in _loose(sentence.text, grounds):
                yield f"the quotation {quoted!r} stands in no claim that is cited for it"
        for text in given.around:
            for quoted in _loose(text, given.grounds):
                yield f"the quotation {quoted!r} stands in no admitted claim: {text!r}"


class Marks(SynthesisCheck):
    """Only code numbers citations; a mark that a cited source has itself may be quoted."""

    code, name = "G203", "marks"

    def problems(self, given: SynthesisInput) -> Iterator[str]:
        """Name the marks that sentences give themselves."""
        for sentence in given.sentences:
            grounds = [text for claim in given.cited(sentence) for text in _texts(claim)]
            for mark in _own_marks(sentence.text, grounds):
                told = f"name claims in `cites` and write no mark {mark!r} yourself"
                yield f"{told}: {sentence.text!r}"
        for text in given.around:
            for mark in _own_marks(text, given.grounds):
                yield f"only code numbers citations, write no mark {mark!r} yourself: {text!r}"


class Lanes(SynthesisCheck):
    """Every lane that was admitted is used."""

    code, name = "G204", "lanes"

    def problems(self, given: SynthesisInput) -> Iterator[str]:
        """Name the lanes that no sentence cites."""
        cited = {claim.task for sentence in given.sentences for claim in given.cited(sentence)}
        lanes = {claim.task: claim.lane for claim in given.admitted.values()}
        for task, lane in lanes.items():
            if task not in cited:
                yield f"lane {lane!r} was admitted and is not used"


class Aspects(SynthesisCheck):
    """Every aspect of the goal is answered from a lane that covers it, or said to be missing."""

    code, name = "G205", "aspects"

    def problems(self, given: SynthesisInput) -> Iterator[str]:
        """Name the aspects that are neither."""
        cited = {claim.task for sentence in given.sentences for claim in given.cited(sentence)}
        covered = {aspect for task in cited for aspect in given.asked.covers.get(task, ())}
        missing = " \n ".join(_plain(line) for line in given.synthesis.missing)
        for aspect in given.asked.aspects:
            if aspect not in covered and _plain(aspect) not in missing:
                yield (
                    f"the aspect {aspect!r} is answered by no sentence: cite a claim of a lane "
                    "that covers it, or name it in `missing`"
                )


class Constraints(SynthesisCheck):
    """Every constraint of the goal is met: code checks what it can, the lead says how of the rest.

    What the lead says is not checked: it stands in the stream, for whoever answers for it.
    """

    code, name = "G206", "constraints"

    def problems(self, given: SynthesisInput) -> Iterator[str]:
        """Name the constraints that are broken, and those of which nothing is said."""
        said = {one.constraint for one in given.synthesis.constraints if one.how.strip()}
        sentences = [sentence.text for sentence in given.sentences]
        for constraint in given.asked.constraints:
            limit = limit_of(constraint)
            if (limit is None or limit.rest) and constraint not in said:
                yield f"say in `constraints` how this is met, word for word: {constraint!r}"
            problem = problem_of(limit, sentences, given.around) if limit is not None else None
            if problem is not None:
                yield f"the constraint {constraint!r} is not met: {problem}"


class Refused(SynthesisCheck):
    """Nothing that was refused or struck out comes in: under another claim's name, or uncited."""

    code, name = "G207", "refused"

    def problems(self, given: SynthesisInput) -> Iterator[str]:
        """Name the texts that say what a refused claim said and no admitted one says."""
        admitted = [text for claim in given.admitted.values() for text in _texts(claim)]
        said = [part for text in admitted for part in parts_of(text)]
        lanes = {_plain(claim.lane) for claim in given.admitted.values()}
        asked = (given.asked.goal, *sentences_of(given.asked.goal))
        around = (_without(text, asked) for text in given.around if _plain(text) not in lanes)
        for text in (*(sentence.text for sentence in given.sentences), *around):
            if any(_brings_in(text, refused, said) for refused in given.asked.refused):
                yield f"this was refused and is in no admitted claim: {text!r}"


CHECKS: Final[tuple[type[SynthesisCheck], ...]] = (
    Citations,
    Quotations,
    Marks,
    Lanes,
    Aspects,
    Constraints,
    Refused,
)
"""The checks of an answer, in their order."""


def synthesis_problems(
    synthesis: Synthesis,
    admitted: Sequence[AdmittedClaim],
    asked: Asked = NOTHING,
    checks: Sequence[type[SynthesisCheck]] = CHECKS,
) -> list[str]:
    """Say what the final gate refuses; empty if it opens.

    Args:
        synthesis: The answer.
        admitted: What it may cite.
        asked: What the goal asked for, and what was refused on the way.
        checks: What it must pass.
    """
    by_ref = {claim.ref: claim for claim in admitted}
    given = SynthesisInput(synthesis=synthesis, admitted=by_ref, asked=asked)
    return [problem for check in checks for problem in _problems(check, given)]


def _problems(check: type[SynthesisCheck], given: SynthesisInput) -> list[str]:
    try:
        return list(check().problems(given))
    except Exception as error:
        return [f"the check {check.name!r} failed: {error!r}"]


def asked_of(state: RunState) -> Asked:
    """What the plan asked of the answer, and what of the findings may not come into it."""
    plan, admitted = state.plan, {one.ref for one in admitted_claims(state)}
    return Asked(
        goal=state.opened.goal if state.opened is not None else "",
        reported=missing_lanes(state),
        aspects=plan.aspects if plan is not None else (),
        constraints=plan.constraints if plan is not None else (),
        covers={
            task.id: task.contract.covers
            for task in state.board.of_purpose("research")
            if task.state is TaskState.admitted
        },
        refused=tuple(
            dict.fromkeys(
                claim.text
                for task in state.board.of_purpose("research")
                for submission in state.findings.submissions.get(task.id, ())
                for claim in submission.finding.claims
                if f"{task.id}.{claim.id}" not in admitted or submission.objections
            )
        ),
    )


def says_the_same(text: str, other: str) -> bool:
    """Whether two texts share nearly all telling words, all numbers, and whether they deny."""
    if likeness(text, other) < SAME_CLAIM:
        return False
    one, two = _plain(text), _plain(other)
    same_numbers = set(_NUMBER.findall(one)) == set(_NUMBER.findall(two))
    return same_numbers and len(_DENIAL.findall(one)) % 2 == len(_DENIAL.findall(two)) % 2


def _brings_in(text: str, refused: str, admitted: Sequence[str]) -> bool:
    """Whether a text, or a part of it, says what was refused and no admitted claim says."""
    is_long = len(_worded(refused).split()) >= CONTAINED_WORDS_MIN
    if is_long and _holds(text, refused) and not any(_holds(one, refused) for one in admitted):
        return True
    return any(
        says_the_same(part, refused) and not any(says_the_same(part, one) for one in admitted)
        for part in parts_of(text)
        if words(part)
    )


def _is_said(sentence: str, texts: Sequence[str]) -> bool:
    """Whether a sentence stands in one of some texts, or a part of one says the same."""
    return any(
        _holds(text, sentence) or any(says_the_same(sentence, part) for part in parts_of(text))
        for text in texts
    )


def _holds(text: str, other: str) -> bool:
    """Whether a text has another in it, word for word."""
    return f" {_worded(other)} " in f" {_worded(text)} "


@lru_cache(maxsize=4_096)
def _worded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _loose(text: str, grounds: Sequence[str]) -> Iterator[str]:
    """Quotations of some length that stand in none of some texts."""
    plain = [_plain(ground) for ground in grounds]
    for quoted in _QUOTED.findall(text):
        wanted = _plain(quoted).rstrip(".,;")
        is_short = len(quoted.split()) < QUOTED_WORDS_MIN
        if not is_short and not any(wanted in ground for ground in plain):
            yield quoted


def _masked(quotation: re.Match[str]) -> str:
    """A quotation without its words, which are looked up elsewhere; a short one as it is."""
    quoted = quotation.group(1).strip()
    if len(quoted.split()) < QUOTED_WORDS_MIN:
        return quotation.group()
    return "“.”" if quoted.endswith((".", "!", "?")) else "“”"


def _own_marks(text: str, grounds: Sequence[str]) -> list[str]:
    """Citation marks that stand in none of some texts."""
    marks = dict.fromkeys(found.group() for found in _MARK.finditer(text))
    return [mark for mark in marks if not any(mark in ground for ground in grounds)]


def _without(text: str, ours: Sequence[str]) -> str:
    """A text without those of some texts that are a part of it by themselves."""
    left = " ".join(text.split())
    for one in sorted((" ".join(one.split()).rstrip(_ENDS) for one in ours), key=len, reverse=True):
        if one:
            form = rf"(?:^|(?<=[.;:!?] )){re.escape(one)}(?=[.;:!?]|$)"
            left = re.sub(form, "", left, flags=re.IGNORECASE)
    return left


def _texts(admitted: AdmittedClaim) -> tuple[str, ...]:
    claim: Claim = admitted.claim
    return (claim.text, *(evidence.quote for evidence in claim.evidence))


def _plain(text: str) -> str:
    return " ".join(text.replace("“", '"').replace("”", '"').split()).lower()
