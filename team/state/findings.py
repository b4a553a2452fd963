"""What was submitted for each task, and what was judged of it, as a fold."""

from __future__ import annotations

import msgspec

from bus.messages import FindingNoted, FindingSubmitted, Judgement, VerdictGiven
from bus.run_stream import Record


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One finding as it was submitted, with all judgements on it.

    Attributes:
        task: The task it answers.
        seq: Its sequence: what verdicts name.
        member: Who submitted it.
        at: When, in seconds since 1970.
        finding: What it says.
        judgements: By author, in the order they came.
    """

    task: str
    seq: int
    member: str
    at: float
    finding: FindingSubmitted
    judgements: tuple[tuple[str, Judgement], ...] = ()

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

    def apply(self, record: Record) -> None:
        """Take one record of kind `finding` or `verdict` into account."""
        task = record.subject.names[0]
        match record.body:
            case FindingSubmitted() as finding:
                submission = Submission(
                    task=task,
                    seq=record.seq,
                    member=record.subject.author,
                    at=record.at,
                    finding=finding,
                )
                self.submissions.setdefault(task, []).append(submission)
            case FindingNoted(text=text):
                self.notes.setdefault(task, []).append(text)
            case VerdictGiven(finding_seq=seq, judgements=judgements):
                self._judge(task, seq, record.subject.author, judgements)
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

    def _judge(self, task: str, seq: int, author: str, judgements: tuple[Judgement, ...]) -> None:
        submissions = self.submissions.get(task, [])
        for place, submission in enumerate(submissions):
            # A finding's own author has no say in it.
            if submission.seq == seq and submission.member != author:
                added = tuple((author, judgement) for judgement in judgements)
                submissions[place] = msgspec.structs.replace(
                    submission, judgements=submission.judgements + added
                )
