"""The steps of a lead: each a thing to do, with all that it needs to be done."""

from __future__ import annotations

from typing import Literal

import msgspec

from team.rules.contradictions import Pair


class Step(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One thing for the lead to do."""


class MakePlan(Step, frozen=True, kw_only=True):
    """Propose lanes and have them triaged; nothing is on the board yet."""


class Dispatch(Step, frozen=True, kw_only=True):
    """Put the tasks of the plan on the board, with seats for those who begin."""


class Recruit(Step, frozen=True, kw_only=True):
    """Fill seats of one kind."""

    seat: Literal["worker", "verifier"]
    count: int


class CheckFinding(Step, frozen=True, kw_only=True):
    """Run the exact checks on the newest finding of a task."""

    task: str


class Verify(Step, frozen=True, kw_only=True):
    """Put the finding of a task before fresh-context verifiers."""

    task: str


class Reopen(Step, frozen=True, kw_only=True):
    """Put a task back on the board; a higher round if it was answered already.

    After the producer's own rounds it goes to somebody fresh: to nobody in `not_by`.
    """

    task: str
    round: int
    reasons: tuple[str, ...]
    verifications: tuple[str, ...] = ()
    not_by: tuple[str, ...] = ()


class Rule(Step, frozen=True, kw_only=True):
    """Rule on a decision that is disputed, or only proposed."""

    revision: int


class WidenWorld(Step, frozen=True, kw_only=True):
    """Let a member hear of decision areas beyond its contract that it has a part in."""

    member: str


class Offer(Step, frozen=True, kw_only=True):
    """Let a member that is free claim an open task: widen its world to it first."""

    task: str
    member: str


class AskToWrapUp(Step, frozen=True, kw_only=True):
    """Tell a member to return what it has, while there is time to judge it."""

    member: str


class TellStuck(Step, frozen=True, kw_only=True):
    """Tell a member that it was seen to get nowhere, and to return what it has."""

    member: str
    reason: str
    stuck_seq: int


class Replace(Step, frozen=True, kw_only=True):
    """Give up a member that was told so and has not moved; its task goes to another."""

    member: str
    reason: str


class Settle(Step, frozen=True, kw_only=True):
    """Close a task for good, with the verifications that belong to it.

    The code is that of the limit which ends it, if one does.
    """

    task: str
    state: Literal["admitted", "rejected", "failed", "cancelled"]
    reasons: tuple[str, ...] = ()
    verifications: tuple[str, ...] = ()
    code: str = ""


class AskPerson(Step, frozen=True, kw_only=True):
    """Ask a person to approve the plan, or money; the result is asked for once it is written."""

    what: Literal["plan", "spending"]


class RaiseConflicts(Step, frozen=True, kw_only=True):
    """Write down which admitted claims of different lanes may contradict each other."""

    pairs: tuple[Pair, ...]


class Compare(Step, frozen=True, kw_only=True):
    """Have a verifier say whether the two claims of a conflict can both be true."""

    conflict: str


class RuleConflict(Step, frozen=True, kw_only=True):
    """Rule which of two claims that contradict each other may be cited."""

    conflict: str


class Synthesize(Step, frozen=True, kw_only=True):
    """Write the answer from the admitted findings."""


class Finish(Step, frozen=True, kw_only=True):
    """End the run without a synthesis."""

    status: Literal["rejected", "cancelled"]
    reasons: tuple[str, ...]


class Dismiss(Step, frozen=True, kw_only=True):
    """The result is published: tell everyone to leave."""


class Wait(Step, frozen=True, kw_only=True):
    """Nothing to do until something comes, or until a time (seconds since 1970)."""

    until: float


AnyStep = (
    MakePlan
    | Dispatch
    | Recruit
    | CheckFinding
    | Verify
    | Reopen
    | Rule
    | WidenWorld
    | Offer
    | AskToWrapUp
    | TellStuck
    | Replace
    | Settle
    | AskPerson
    | RaiseConflicts
    | Compare
    | RuleConflict
    | Synthesize
    | Finish
    | Dismiss
    | Wait
)
