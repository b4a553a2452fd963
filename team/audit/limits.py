"""Every limit of policy, counted again from the stream.

Nothing here asks the runtime what it has counted: the sums are made anew, from the
journals and from what each call took.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from bus.ids import LEAD
from bus.messages import (
    Budget,
    MemberSeated,
    TaskClaimed,
    TaskFailed,
    TaskOpened,
    TaskSettled,
    TaskSubmitted,
    TurnReplied,
    UsageReserved,
    UsageSpent,
)
from team.audit.case import Case, Transcript
from team.audit.reading import RETURNS
from team.audit.report import Remark
from team.codes import limits as codes
from team.policy import Policy
from team.rules.premises import CHECK as PREMISES
from team.state.roster import Roster
from team.state.unsettled import Unsettled

SLACK_S: Final = 5.0
"""How far clocks and storing may be apart before a time counts as passed, in seconds."""
_CENT: Final = 1e-9


def limit_breaches(case: Case) -> Iterator[Remark]:
    """Say which limits were passed."""
    if case.spec is None:
        return
    policy = case.spec.team.policy
    yield from _too_many_members(case, policy)
    yield from _too_deep(case)
    yield from _too_many_rounds(case, policy)
    for transcript in case.transcripts.values():
        contract = case.contract_of(transcript)
        if contract is not None:
            yield from _over_budget(case, transcript, contract.budget)
        yield from _too_long_replies(transcript, policy)
    yield from _over_run(case, policy)
    yield from _too_late(case, policy)


# --- how many ---------------------------------------------------------------------


def _too_many_members(case: Case, policy: Policy) -> Iterator[Remark]:
    assert case.spec is not None
    worker, roster = case.spec.team.roles.worker, Roster()
    for record in case.records:
        if record.subject.kind != "member":
            continue
        before = len(roster.present(worker))
        roster.apply(record)
        now = len(roster.present(worker))
        if now > before and now > policy.teammates_max:
            yield Remark(
                code=codes.TEAMMATES,
                seqs=(record.seq,),
                member=record.subject.names[0],
                what=f"{now} workers are in, at most {policy.teammates_max} may be",
            )


def _too_deep(case: Case) -> Iterator[Remark]:
    for record in case.records:
        if isinstance(record.body, MemberSeated) and record.subject.author != LEAD:
            yield Remark(
                code=codes.DEPTH,
                seqs=(record.seq,),
                member=record.subject.author,
                what=f"it laid out a seat for {record.subject.names[0]}",
            )


def _too_many_rounds(case: Case, policy: Policy) -> Iterator[Remark]:
    assert case.spec is not None
    revisions = case.spec.team.decisions.revisions_max
    for task in case.state.board.of_purpose("research"):
        findings = case.state.findings.submissions.get(task.id, [])
        lost = sum({j.check for j in f.objections} == {PREMISES} for f in findings)
        excused = min(lost, revisions)
        most = policy.rounds_max + policy.fresh_rounds_max + excused
        rounds = [(seq, o.round) for seq, t, o in case.openings if t == task.id]
        over = [seq for seq, number in rounds if number > most]
        if over:
            yield Remark(
                code=codes.ROUNDS,
                seqs=tuple(over),
                member="",
                what=f"lane {task.id} was opened for round {task.round}, at most {most} may be",
            )
        for member in sorted({f.member for f in findings}):
            own = [f.seq for f in findings if f.member == member]
            if len(own) > policy.rounds_max + excused:
                yield Remark(
                    code=codes.ROUNDS,
                    seqs=tuple(own),
                    member=member,
                    what=f"it submitted {len(own)} findings for {task.id}, at most "
                    f"{policy.rounds_max + excused} may be",
                )


# --- one transcript ---------------------------------------------------------------


def _over_budget(case: Case, transcript: Transcript, budget: Budget) -> Iterator[Remark]:
    turns = [seq for seq, _ in transcript.turns]
    if len(turns) > budget.turns_max:
        what = f"{len(turns)} model calls, granted were {budget.turns_max}"
        yield _on(transcript, codes.TURNS, turns[budget.turns_max :], what)
    yield from _over_tool_calls(transcript, budget)
    rest = transcript.unsettled.tokens
    paid = tuple(seq for seq, _ in transcript.usage)
    if transcript.tokens + rest > budget.tokens_max:
        more = f" and {rest} not settled" if rest else ""
        what = f"{transcript.tokens} tokens{more}, granted were {budget.tokens_max}"
        yield _on(transcript, codes.TOKENS, paid[-1:], what)
    yield from _over_dollars(transcript, budget)
    yield from _over_seconds(case, transcript, budget)


def _over_tool_calls(transcript: Transcript, budget: Budget) -> Iterator[Remark]:
    """Count calls that were run; one that was refused has failed, and does not count."""
    run = [
        seq
        for seq, acted in transcript.acts
        for outcome in acted.outcomes
        if not outcome.is_error and not outcome.tool.startswith(RETURNS)
    ]
    if 0 < budget.tool_calls_max < len(run):
        what = f"{len(run)} tools were run, granted were {budget.tool_calls_max}"
        over = tuple(dict.fromkeys(run[budget.tool_calls_max :]))
        yield _on(transcript, codes.TOOL_CALLS, over, what)


def _over_dollars(transcript: Transcript, budget: Budget) -> Iterator[Remark]:
    if budget.usd_max is None:
        return
    unknown = [seq for seq, usage in transcript.usage if usage.cost_usd is None]
    if unknown:
        what = f"the price of {len(unknown)} calls is not known, granted were ${budget.usd_max:g}"
        yield _on(transcript, codes.DOLLARS, unknown, what)
    total = sum(usage.cost_usd or 0.0 for _, usage in transcript.usage)
    rest = transcript.unsettled.usd
    if rest is None:
        what = f"the price of a call is not known, granted were ${budget.usd_max:g}"
        yield _on(transcript, codes.DOLLARS, [seq for seq, _ in transcript.usage], what)
    elif total + rest > budget.usd_max + _CENT:
        more = f" and ${rest:.6f} not settled" if rest else ""
        what = f"${total:.6f}{more}, granted were ${budget.usd_max:g}"
        yield _on(transcript, codes.DOLLARS, [seq for seq, _ in transcript.usage[-1:]], what)


def _over_seconds(case: Case, transcript: Transcript, budget: Budget) -> Iterator[Remark]:
    """A call is late for certain if the record before it was stored too late already."""
    if transcript.opened is None:
        return
    began = transcript.entries[0].at
    waited = case.waited_s(began)
    before = began
    for entry in transcript.entries:
        spent = before - began - (case.waited_s(before) - waited)
        if isinstance(entry.body, TurnReplied) and spent > budget.seconds_max + SLACK_S:
            what = f"a call began after {spent:.0f} s, granted were {budget.seconds_max:g}"
            yield _on(transcript, codes.SECONDS, [entry.seq], what)
            return
        before = entry.at


def _too_long_replies(transcript: Transcript, policy: Policy) -> Iterator[Remark]:
    for seq, turn in transcript.turns:
        if turn.tokens.output > policy.output_tokens_max:
            what = (
                f"{turn.tokens.output} tokens written in one call, at most "
                f"{policy.output_tokens_max} may be"
            )
            yield _on(transcript, codes.OUTPUT_TOKENS, [seq], what)


def _on(transcript: Transcript, code: str, seqs: list[int] | tuple[int, ...], what: str) -> Remark:
    return Remark(
        code=code,
        seqs=tuple(seqs),
        member=transcript.member,
        what=f"{transcript.context}: {what}",
    )


# --- the whole run ----------------------------------------------------------------


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What was granted and spent together, after one record."""

    seq: int
    tokens: int
    usd: float


class _Slice(msgspec.Struct, frozen=True, kw_only=True):
    """What a task was granted for one round, and in which transcript it is used up."""

    number: int
    budget: Budget
    holder: str = ""

    def place(self, task: str) -> tuple[str, str]:
        """Member and context."""
        return self.holder, f"task:{task}:{self.number}"


def granted(case: Case) -> list[Granted]:
    """Add up, after each record that changes it: open slices as granted, the rest as spent.

    A slice is open from the task's opening until its holder returns or gives up, its next
    round, or its end.
    """
    slices: dict[str, _Slice] = {}
    known: dict[tuple[str, str], tuple[int, float]] = {}
    rest: dict[tuple[str, str], Unsettled] = {}
    found: list[Granted] = []
    for record in case.records:
        body, author, name = record.body, record.subject.author, (*record.subject.names, "")[0]
        match body:
            case TaskOpened() if author == LEAD:
                slices[name] = _Slice(number=body.round, budget=body.contract.budget)
            case TaskClaimed() if name in slices:
                slices[name] = msgspec.structs.replace(slices[name], holder=author)
            case TaskSettled() if author == LEAD:
                slices.pop(name, None)
            case TaskSubmitted() | TaskFailed() if name in slices and slices[name].holder == author:
                del slices[name]
            case UsageReserved():
                place = (author, body.context)
                rest[place] = rest.get(place, Unsettled()).reserve(body)
            case UsageSpent():
                place = (author, body.context)
                tokens, usd = known.get(place, (0, 0.0))
                more = body.tokens.total + body.lost.total, body.cost_usd or 0.0
                known[place] = (tokens + more[0], usd + more[1])
                rest[place] = rest.get(place, Unsettled()).settle(body)
            case _:
                continue
        found.append(_sum(record.seq, slices, _at_most(known, rest)))
    return found


def _at_most(
    known: dict[tuple[str, str], tuple[int, float]], rest: dict[tuple[str, str], Unsettled]
) -> dict[tuple[str, str], tuple[int, float]]:
    """What each context has spent, what nobody has settled included."""
    found = dict(known)
    for place, one in rest.items():
        tokens, usd = known.get(place, (0, 0.0))
        found[place] = (tokens + one.tokens, usd + (one.usd or 0.0))
    return found


def _sum(
    seq: int, slices: dict[str, _Slice], spent: dict[tuple[str, str], tuple[int, float]]
) -> Granted:
    """All open slices at their fullest, and whatever else was spent."""
    rest = dict(spent)
    tokens, usd = 0, 0.0
    for task, one in slices.items():
        used, cost = rest.pop(one.place(task), (0, 0.0))
        tokens += max(one.budget.tokens_max, used)
        usd += max(one.budget.usd_max or 0.0, cost)
    return Granted(
        seq=seq,
        tokens=tokens + sum(used for used, _ in rest.values()),
        usd=usd + sum(cost for _, cost in rest.values()),
    )


def _over_run(case: Case, policy: Policy) -> Iterator[Remark]:
    sums = granted(case)
    over = [one for one in sums if one.tokens > policy.run_tokens_max]
    if over:
        yield Remark(
            code=codes.RUN_TOKENS,
            seqs=(over[0].seq,),
            member="",
            what=f"{max(o.tokens for o in over)} tokens were granted and spent together, at most "
            f"{policy.run_tokens_max} may be",
        )
    most = policy.run_dollars_max
    dear = [one for one in sums if most is not None and one.usd > most + _CENT]
    if dear:
        yield Remark(
            code=codes.RUN_DOLLARS,
            seqs=(dear[0].seq,),
            member="",
            what=f"${max(o.usd for o in dear):.6f} were granted and spent together, at most "
            f"${most:g} may be",
        )


def _too_late(case: Case, policy: Policy) -> Iterator[Remark]:
    """A lane that was put on the board after the run's time was over."""
    for record in case.records:
        body = record.body
        is_lane = isinstance(body, TaskOpened) and body.purpose == "research"
        took = record.at - case.state.opened_at - case.waited_s(record.at)
        if is_lane and took > policy.run_seconds_max + SLACK_S:
            yield Remark(
                code=codes.RUN_SECONDS,
                seqs=(record.seq,),
                member=record.subject.author,
                what=f"{record.subject.names[0]} was opened after {took:.0f} s, the run has "
                f"{policy.run_seconds_max:g}",
            )
            return
