"""MAST's second family, how agents work together: restarts, questions, aims, what is shared.

Definitions: Cemri et al., "Why do multi-agent LLM systems fail?", arXiv 2503.13657.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

import msgspec

from bus.ids import GATE
from bus.messages import Claim, TurnActed, TurnReplied
from team.audit.case import Case, Transcript
from team.audit.likeness import near_twins
from team.audit.looking import Seen, by_agent, by_context, remark, short
from team.audit.report import Remark, Weight
from team.audit.trace import Event
from team.codes import limits
from team.rules.plan import words
from team.state import Submission

SAME_PLANS_MIN: Final = 2
"""How often an agent may plan nearly the same before that counts as starting over."""
STRANGE_SEARCHES_MIN: Final = 3
"""Searches in a row that share no word with the objective before that counts as derailing."""
STEM: Final = 5
"""Letters by which two words count as one."""
_SEARCH: Final = "search_sources"
_READ: Final = "read_source"
_NUMBERED: Final = re.compile(r"(?m)^L\d+\| ")


def starts_over(seen: Seen) -> Iterator[Remark]:
    """2.1: a transcript opened twice, a turn made twice, the same plan again."""
    for (agent, context), events in by_context(seen.trace):
        opened = [e.seq for e in events if e.kind == "opened"]
        if len(opened) > 1:
            what = f"{context}: it was opened {len(opened)} times"
            yield remark("M2.1", opened, agent, what, "breach")
        last = 0
        for event in events:
            if event.kind == "said" and 0 < event.turn <= last:
                what = f"{context}: turn {event.turn} came after turn {last}"
                yield remark("M2.1", [event.seq], agent, what, "breach")
            last = max(last, event.turn) if event.kind == "said" else last
    for agent, events in by_agent(seen.trace):
        plans = [e for e in events if e.kind == "planned"]
        for group in near_twins([e.text for e in plans]):
            if len(group) >= SAME_PLANS_MIN:
                what = (
                    f"it planned nearly the same {len(group)} times: {short(plans[group[0]].text)}"
                )
                yield remark("M2.1", [plans[n].seq for n in group], agent, what)


def does_not_ask(seen: Seen) -> Iterator[Remark]:
    """2.2: a finding leaves something open, and its author had asked nobody."""
    if seen.run is None:
        return
    letters = seen.run.state.mail.letters.values()
    for submission in _submissions(seen.run):
        asked = [
            letter
            for letter in letters
            if letter.kind == "question"
            and letter.author == submission.member
            and letter.seq < submission.seq
        ]
        left = submission.finding.open_questions
        if left and not asked:
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            what = f"its finding for {submission.task} leaves open {short(left[0])!r}{more}, and "
            what += "it asked nobody"
            yield remark("M2.2", [submission.seq], submission.member, what)


def derails(seen: Seen) -> Iterator[Remark]:
    """2.3: searches in a row that have no word of the objective; reads that were refused."""
    for (agent, context), events in by_context(seen.trace):
        aim = _aim(seen, agent, context)
        strange: list[int] = []
        for event in events:
            if event.tool != _SEARCH or not aim:
                continue
            is_strange = bool(_stems(event.arguments)) and not _stems(event.arguments) & aim
            strange = [*strange, event.seq] if is_strange else []
            if len(strange) == STRANGE_SEARCHES_MIN:
                what = f"{context}: {len(strange)} searches in a row have no word of the objective"
                what += f", the last: {short(event.arguments)}"
                yield remark("M2.3", strange, agent, what)
    if seen.run is None:
        return
    for refusal in seen.run.state.refusals.all:
        if refusal.refused.code == limits.SOURCE:
            what = f"{refusal.refused.what} was refused: {refusal.refused.reason}"
            yield remark("M2.3", [refusal.seq], refusal.member, what)


def withholds(seen: Seen) -> Iterator[Remark]:
    """2.4: claims that vanish without a word, sources that were read and never mentioned."""
    if seen.run is None:
        return
    for submissions in seen.run.state.findings.submissions.values():
        for before, after in pairwise(submissions):
            yield from _vanished(before, after)
        if submissions:
            yield from _never_mentioned(seen.run, submissions[-1])


def ignores_peers(seen: Seen) -> Iterator[Remark]:
    """2.5: mail that was read and not answered, objections that changed nothing."""
    if seen.run is None:
        return
    state = seen.run.state
    for letter in state.mail.letters.values():
        if letter.wants_reply and letter.turn is not None:
            what = f"it read a {letter.kind} of {letter.author} and never answered: "
            yield remark("M2.5", [letter.seq], letter.to, what + short(letter.mail.text))
    if state.result is not None:
        for decision in state.decisions.disputes():
            what = f"the run ended, and nobody ruled on {decision.area}/{decision.key}"
            yield remark("M2.5", [decision.seq], "", what)
    for submissions in state.findings.submissions.values():
        for before, after in pairwise(submissions):
            yield from _unmoved(before, after)


def says_other_than_did(seen: Seen) -> Iterator[Remark]:
    """2.6: quotes that the journal does not show, changes that no mail asked for."""
    if seen.run is None:
        return
    admitted = {(chain.finding_seq, chain.ref) for chain in seen.chains if chain.settled_seq}
    for submission in _submissions(seen.run):
        shown = _shown_to(seen.run, submission)
        for claim in submission.finding.claims:
            where = submission.seq, f"{submission.task}.{claim.id}"
            yield from _made_up_change(seen.run, submission, claim, is_admitted=where in admitted)
            unread = [e for e in claim.evidence if _plain(e.quote) not in shown]
            if unread:
                what = f"claim {where[1]} quotes what its journal never shows: "
                what += short(unread[0].quote)
                yield remark("M2.6", [submission.seq], submission.member, what)
        for judgement in submission.judged_by(GATE):
            if judgement.check == "quotes" and judgement.outcome != "upheld":
                what = f"its finding for {submission.task} was refused: {judgement.reason}"
                yield remark("M2.6", [submission.seq], submission.member, what)


# --- parts ------------------------------------------------------------------------


def _submissions(run: Case) -> Iterator[Submission]:
    for submissions in run.state.findings.submissions.values():
        yield from submissions


class _Query(msgspec.Struct, frozen=True, kw_only=True):
    query: str = ""


def _stems(arguments: str) -> frozenset[str]:
    """The telling words of a search, cut to their beginnings."""
    try:
        text = msgspec.json.decode(arguments, type=_Query).query
    except msgspec.DecodeError:
        text = arguments
    return frozenset(word[:STEM] for word in words(text))


def _aim(seen: Seen, agent: str, context: str) -> frozenset[str]:
    """The words that a transcript is about; empty if nobody said."""
    text = seen.goal
    if seen.run is not None:
        contract = seen.run.contract_of(seen.run.transcripts[agent, context])
        parts = (contract.objective, contract.output_format) if contract is not None else ()
        more = (*contract.acceptance, *contract.covers) if contract is not None else ()
        text = " ".join((*parts, *more))
    return frozenset(word[:STEM] for word in words(text))


def _vanished(before: Submission, after: Submission) -> Iterator[Remark]:
    """Claims of one round that the next neither has nor says it has dropped."""
    kept = {c.id for c in after.finding.claims} | {c.text for c in after.finding.claims}
    said = " ".join(after.finding.dropped)
    gone = [
        claim.id
        for claim in before.finding.claims
        if claim.id not in kept and claim.text not in kept and claim.id not in said
    ]
    if gone:
        what = f"claims {', '.join(gone)} of {before.task} are gone in the next round without a "
        what += "word"
        yield remark("M2.4", [before.seq, after.seq], after.member, what)


def _never_mentioned(run: Case, submission: Submission) -> Iterator[Remark]:
    """Sources that its author opened for this finding and says nothing of."""
    finding = submission.finding
    said = msgspec.json.encode(finding).decode()
    said += " ".join(run.state.findings.notes.get(submission.task, ()))
    reads: dict[str, list[int]] = {}
    for event in run.trace:
        is_ours = event.agent == submission.member and event.seq < submission.seq
        transcript = run.transcripts[event.agent, event.context]
        is_here = transcript.task is not None and transcript.task[0] == submission.task
        if is_ours and is_here and event.tool == _READ and not event.is_error:
            reads.setdefault(_source(event), []).append(event.seq)
    silent = [source for source in reads if source and PurePosixPath(source).name not in said]
    if silent:
        what = f"it read {len(reads)} sources for {submission.task} and says nothing of "
        what += f"{len(silent)}: {short(', '.join(silent))}"
        seqs = [seq for source in silent for seq in reads[source]]
        yield remark("M2.4", seqs, submission.member, what)


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    source: str = ""


def _source(event: Event) -> str:
    try:
        return msgspec.json.decode(event.arguments, type=_Read).source
    except msgspec.DecodeError:
        return ""


def _unmoved(before: Submission, after: Submission) -> Iterator[Remark]:
    """Claims that were refuted and came back word for word."""
    refuted = {j.claim for _, j in before.judgements if j.outcome == "refuted" and j.claim}
    said = {(c.text, c.evidence) for c in after.finding.claims}
    same = [c.id for c in before.finding.claims if c.id in refuted and (c.text, c.evidence) in said]
    if same:
        what = f"claims {', '.join(same)} of {before.task} were refuted and came back word for word"
        yield remark("M2.5", [before.seq, after.seq], after.member, what)


def _made_up_change(
    run: Case, submission: Submission, claim: Claim, *, is_admitted: bool
) -> Iterator[Remark]:
    if claim.revised_after is None:
        return
    letter = run.state.mail.letters.get(claim.revised_after)
    if letter is None or letter.to != submission.member or letter.seq > submission.seq:
        what = f"claim {submission.task}.{claim.id} says it was changed after "
        what += f"{short(claim.revised_after)!r}, and no such mail was sent to its author"
        weight: Weight = "breach" if is_admitted else "sign"
        yield remark("M2.6", [submission.seq], submission.member, what, weight)


def _shown_to(run: Case, submission: Submission) -> str:
    """All that an author was shown until it submitted, as one text to look in."""
    parts: list[str] = []
    for (member, _), transcript in run.transcripts.items():
        if member == submission.member:
            parts += _shown_in(transcript, submission.seq)
    return _plain("\n".join(parts))


def _shown_in(transcript: Transcript, before: int) -> Iterator[str]:
    for entry in transcript.entries:
        if entry.seq >= before:
            return
        match entry.body:
            case TurnReplied(added=added):
                yield from added
            case TurnActed(outcomes=outcomes):
                yield from (outcome.content for outcome in outcomes)
            case _:
                yield from _opening(transcript)


def _opening(transcript: Transcript) -> Iterator[str]:
    """How a transcript began; quotes in its JSON as they stand in a source."""
    if transcript.opened is not None:
        text = transcript.opened.opening
        yield text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")


def _plain(text: str) -> str:
    """A text without line numbers, markup and white space."""
    return "".join(html.unescape(_NUMBERED.sub("", text)).split()).lower()
