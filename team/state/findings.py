"""What was submitted for each task, and what was judged of it, as a fold.

A claim that a verifier is asked about and that is not in the finding is a canary: known to
be false, and put there by the gate. Who upholds it, or passes it over, has judged nothing:
its words of that batch are void until it, or somebody else, claims the verification anew.
"""

from __future__ import annotations

import msgspec

from bus.ids import GATE, LEAD
from bus.messages import (
    FindingNoted,
    FindingSubmitted,
    Judgement,
    TaskClaimed,
    TaskOpened,
    VerdictGiven,
)
from bus.run_stream import Record

Said = tuple[tuple[str, Judgement], ...]
"""Judgements by author, in the order they came."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One finding as it was submitted, with all judgements on it.

    Attributes:
        task: The task it answers.
        seq: Its sequence: what verdicts name.
        member: Who submitted it.
        at: When, in seconds since 1970.
        finding: What it says.
        judgements: By author, in the order they came.
        canaries: What verifiers said of claims that are known to be false.
        voided: What was said of true ones by a verifier that upheld such a claim.
        void_by: Verifiers whose word is void as things stand.
    """

    task: str
    seq: int
    member: str
    at: float
    finding: FindingSubmitted
    judgements: Said = ()
    canaries: Said = ()
    voided: Said = ()
    void_by: frozenset[str] = frozenset()

    def judged_by(self, author: str) -> tuple[Judgement, ...]:
        """What one author has found."""
        return tuple(judgement for by, judgement in self.judgements if by == author)

    @property
    def objections(self) -> tuple[Judgement, ...]:
        """Every judgement that does not uphold; unsure is a no."""
        return tuple(j for _, j in self.judgements if j.outcome != "upheld")


class Findings:
    """All findings of a run."""

    def __init__(self) -> None:
        self.submissions: dict[str, list[Submission]] = {}
        self.notes: dict[str, list[str]] = {}
        self._batches: dict[str, _Batch] = {}
        self._asked: dict[tuple[int, str], frozenset[str]] = {}

    def apply(self, record: Record) -> None:
        """Take one record of kind `finding`, `verdict` or `task` into account."""
        task, author = record.subject.names[0], record.subject.author
        match record.body:
            case FindingSubmitted() as finding:
                submission = Submission(
                    task=task, seq=record.seq, member=author, at=record.at, finding=finding
                )
                self.submissions.setdefault(task, []).append(submission)
            case FindingNoted(text=text):
                self.notes.setdefault(task, []).append(text)
            case VerdictGiven(finding_seq=seq, judgements=judgements):
                self._judge(task, seq, author, judgements)
            case TaskOpened(purpose="verify") as opened if author == LEAD:
                self._put_to_verifier(task, opened)
            case TaskClaimed() if task in self._batches:
                self._begin(self._batches[task], author)
            case _:
                pass

    def latest(self, task: str) -> Submission | None:
        """The newest finding for a task."""
        submissions = self.submissions.get(task)
        return submissions[-1] if submissions else None

    def upheld_by(self, author: str, task: str) -> Submission | None:
        """The newest finding for a task that one author has judged and upheld throughout."""
        for submission in reversed(self.submissions.get(task, [])):
            said = submission.judged_by(author)
            if said and all(judgement.outcome == "upheld" for judgement in said):
                return submission
        return None

    def canaries_of(self, seq: int) -> frozenset[str]:
        """Ids of the claims that were slipped to verifiers of one finding."""
        batches = (batch for batch in self._batches.values() if batch.seq == seq)
        return frozenset(canary for batch in batches for canary in batch.canaries)

    def _put_to_verifier(self, name: str, opened: TaskOpened) -> None:
        submission = self._at(opened.subject_task or "", opened.subject_seq)
        if submission is None:
            return
        own = {claim.id for claim in submission.finding.claims}
        canaries = frozenset(claim.id for claim in opened.material) - own
        self._batches[name] = _Batch(task=submission.task, seq=submission.seq, canaries=canaries)

    def _begin(self, batch: _Batch, author: str) -> None:
        """Somebody claims a verification: from now on its word counts, or counts again."""
        self._asked[batch.seq, author] = batch.canaries
        submission = self._at(batch.task, batch.seq)
        if submission is not None and author in submission.void_by:
            self._change(submission, void_by=submission.void_by - {author})

    def _judge(self, task: str, seq: int, author: str, judgements: tuple[Judgement, ...]) -> None:
        submission = self._at(task, seq)
        # A finding's own author has no say in it.
        if submission is None or submission.member == author:
            return
        planted = frozenset() if author == GATE else self.canaries_of(seq)
        on_canaries = tuple((author, j) for j in judgements if j.claim in planted)
        of_finding = tuple((author, j) for j in judgements if j.claim not in planted)
        said = {j.claim: j.outcome for _, j in on_canaries}
        asked = self._asked.get((seq, author), frozenset())
        is_void = author in submission.void_by or any(
            said.get(canary, "upheld") == "upheld" for canary in asked
        )
        kept, voided = submission.judgements + of_finding, submission.voided
        if is_void:
            voided += tuple(pair for pair in kept if pair[0] == author)
            kept = tuple(pair for pair in kept if pair[0] != author)
        self._change(
            submission,
            judgements=kept,
            canaries=submission.canaries + on_canaries,
            voided=voided,
            void_by=submission.void_by | {author} if is_void else submission.void_by,
        )

    def _at(self, task: str, seq: int | None) -> Submission | None:
        submissions = self.submissions.get(task, [])
        return next((one for one in submissions if one.seq == seq), None)

    def _change(
        self,
        submission: Submission,
        *,
        void_by: frozenset[str],
        judgements: Said | None = None,
        canaries: Said | None = None,
        voided: Said | None = None,
    ) -> None:
        submissions = self.submissions[submission.task]
        submissions[submissions.index(submission)] = msgspec.structs.replace(
            submission,
            void_by=void_by,
            judgements=submission.judgements if judgements is None else judgements,
            canaries=submission.canaries if canaries is None else canaries,
            voided=submission.voided if voided is None else voided,
        )


class _Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one verification asks about: a finding, and claims that are not in it."""

    task: str
    seq: int
    canaries: frozenset[str]
