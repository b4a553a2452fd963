"""Faults in how a run goes, on paper: what the board ignores, and what the lead does next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from bus.messages import (
    Claim,
    Fact,
    Judgement,
    TaskClaimed,
    TaskFailed,
    TaskSettled,
    VerdictGiven,
)
from team.members.checks import load_checks
from team.rules import steps
from team.rules.gate import verification_problems
from team.rules.synthesis import admitted_claims, struck_lines
from team.state import Task
from tests.support.builders import OPENED_AT, a_claim, a_judgement, a_submission, opens
from tests.support.decisions import DecidingTeam, challenges
from tests.support.fault import Fault, ruled
from tests.support.paper_team import PaperTeam

LATE: Final = OPENED_AT + 10_000.0


def _led(mode: str, name: str, meets: Callable[[], str]) -> Fault:
    return ruled(mode, name, lambda _: meets())


# --- teams to begin with -----------------------------------------------------------


def _at_work(**policy: int | float) -> PaperTeam:
    """Two lanes; the first is claimed by whom it was offered to."""
    team = PaperTeam(**policy)
    team.lead()
    team.act("claim", team.task("t1").offered_to or "", "t1")
    return team


def _judged(verb: str, *, canaries: bool = False, verifiers: int = 1) -> PaperTeam:
    """The first of two lanes is submitted and judged; the lead has done what follows."""
    team = PaperTeam(verifiers=verifiers)
    team.canaries = canaries
    team.lead()
    team.work("t1")
    team.lead()
    team.judge("t1", verb)
    return team


def _contradicting() -> PaperTeam:
    """Both lanes are admitted, and their facts differ; nothing is written down yet."""
    team = PaperTeam()
    team.claims = _facts_of
    team.lead()
    for task in ("t1", "t2"):
        team.work(task)
        while isinstance(team.next(), steps.CheckFinding | steps.Verify | steps.Offer):
            team._do(team.next())
        team.judge(task)
        while isinstance(team.next(), steps.Settle):
            team._do(team.next())
    return team


def _facts_of(task: Task) -> tuple[Claim, ...]:
    fact = Fact(subject="the pool", attribute="size", value=task.id)
    return (msgspec.structs.replace(a_claim(), facts=(fact,)),)


def _instead_of(refused: type[steps.AnyStep], team: PaperTeam) -> str:
    """What the lead does next; nothing if it is what it should not do yet."""
    step = team.next()
    if isinstance(step, refused):
        return ""
    return f"lead: {type(step).__name__}, not {refused.__name__}"


# --- what meets them ----------------------------------------------------------------


def _settles_its_own() -> str:
    team = _at_work()
    body = TaskSettled(state="admitted")
    team.story.tell("task", "t1", author=team.task("t1").holder or "", body=body)
    return f"board: t1 stays {team.task('t1').state.value}" if team.state.board.anomalies else ""


def _opens_a_task() -> str:
    team = _at_work()
    team.story.tell("task", "t9", author="bea", body=opens("more"))
    return "board: there is no t9" if "t9" not in team.state.board.tasks else ""


def _claims_what_is_anothers() -> str:
    team = _at_work()
    holder = team.task("t1").holder
    team.story.tell("task", "t1", author="bea", body=TaskClaimed())
    return "board: t1 stays with its holder" if team.task("t1").holder == holder else ""


def _judges_itself() -> str:
    """Its own author upholds it, and gives the verdict in a verifier's task too."""
    team = _at_work()
    team.act("submit", "ada", "t1")
    team.lead()
    submission = team.state.findings.latest("t1")
    assert submission is not None
    said = Judgement(check="verification", outcome="upheld", reason="I am sure", claim="c1")
    body = VerdictGiven(finding_seq=submission.seq, judgements=(said,))
    team.story.tell("verdict", "t1", author=submission.member, body=body)
    team.lead()
    heard = team.state.findings.latest("t1")
    is_ignored = heard is not None and not heard.judged_by(submission.member)
    return f"lead: t1 stays {team.task('t1').state.value}" if is_ignored else ""


def _again_and_again() -> str:
    """Refused in each round, by its producer and then by somebody fresh."""
    team = PaperTeam()
    team.refuses = lambda task: task.id == "t1"
    team.lead()
    while not team.task("t1").is_settled:
        team.work("t1")
        team.lead()
    return f"lead: {team.task('t1').state.value} after round {team.task('t1').round}"


def _time_is_over() -> str:
    team = _at_work()
    team.now = LATE
    team.lead()
    task, result = team.task("t1"), team.state.result
    return f"lead: {task.state.value}, because {task.reasons[0]}" if result is not None else ""


def _fails() -> str:
    team = _at_work(rounds_max=1, fresh_rounds_max=0)
    team.story.tell("task", "t1", author="ada", body=TaskFailed(reason="out of turns"))
    team.lead()
    [line] = steps.missing_lanes(team.state)
    return f"the result: {line}"


def _objection() -> str:
    """A peer objects to a decision while all lanes are admitted."""
    team = DecidingTeam()
    team.lead()
    decided = team.decide("ada")
    team.log("bea", challenges(1, "bea", decided).body)
    for task in ("t1", "t2"):
        team.submit(task)
        team.lead()
        team.judge(task)
    team.lead()
    waits = isinstance(team.next(), steps.Wait)
    team.now += 60.0
    return _instead_of(steps.Synthesize, team) if waits else ""


def _nobody_compared() -> str:
    return _instead_of(steps.Synthesize, _contradicting())


def _nobody_ruled() -> str:
    """The run's time is over before the lead could rule."""
    team = _contradicting()
    team.now = LATE
    team.lead()
    return _struck(team)


def _ruled() -> str:
    team = _contradicting()
    team.lead()
    return _struck(team)


def _struck(team: PaperTeam) -> str:
    """Under which code claims were struck out, and how many are left."""
    codes = {line.split(": ")[1] for line in struck_lines(team.state)}
    left = len(admitted_claims(team.state))
    return f"gate {', '.join(sorted(codes))}: {left} of 2 may be cited" if codes else ""


def _open_lane() -> str:
    team = _judged("uphold")
    team.lead()
    return _instead_of(steps.Synthesize, team)


def _not_checked() -> str:
    team = _at_work()
    team.act("submit", "ada", "t1")
    return _instead_of(steps.Settle, team)


def _not_verified() -> str:
    team = _at_work()
    team.act("submit", "ada", "t1")
    team._do(team.next())
    return _instead_of(steps.Settle, team)


def _refuted() -> str:
    team = _judged("refute")
    team.lead()
    task = team.task("t1")
    return f"lead: round {task.round}, because {task.reasons[0]}"


def _verifiers(*said: tuple[str, Judgement], asked: tuple[str, ...], needed: int = 1) -> str:
    """What keeps a claim from being upheld, after what was said of it."""
    problems = verification_problems(a_submission(judgements=said), asked, needed, ("ada",))
    return "; ".join(f"verification {one.outcome}: {one.reason}" for one in problems)


UPHELD: Final = a_judgement("upheld", "c1")


def _check_is_gone() -> str:
    [check] = load_checks(("no-drafts",), installed=())
    [said] = check.problems(None)  # type: ignore[arg-type]  # it looks at nothing
    return f"gate {check.code} {said.outcome}"


def _passes_canary(times: int) -> str:
    team = _judged("uphold", canaries=True)
    for _ in range(times - 1):
        team.lead()
        team.judge("t1", "uphold")
    step = team.next()
    assert isinstance(step, steps.Reopen), step
    return f"lead: Reopen {step.task}, round {step.round}, because {step.reasons[0]}"


LED: Final[tuple[Fault, ...]] = (
    _led("M1.2", "a teammate would settle its own task", _settles_its_own),
    _led("M1.2", "a teammate would open a task", _opens_a_task),
    _led("M1.2", "a teammate claims a task of another", _claims_what_is_anothers),
    _led("M1.2", "an author upholds its own finding", _judges_itself),
    _led("M1.5", "a lane is refused in every round", _again_and_again),
    _led("M1.5", "a member works on when the run's time is over", _time_is_over),
    _led("M2.4", "a lane fails", _fails),
    _led("M2.5", "a peer objects to a decision and nobody answers", _objection),
    _led("M2.5", "claims of two lanes contradict each other", _nobody_compared),
    _led("M2.5", "nobody rules on a conflict in time", _nobody_ruled),
    _led("M3.1", "one of two lanes is admitted, the other is open", _open_lane),
    _led("M3.2", "a finding is not checked yet", _not_checked),
    _led("M3.2", "a finding is checked and nobody has verified it", _not_verified),
    _led("M3.2", "a check can't be loaded", _check_is_gone),
    _led("M3.2", "a verifier is silent", lambda: _verifiers(asked=("vera",))),
    _led(
        "M3.2",
        "one verifier judges where two must",
        lambda: _verifiers(("vera", UPHELD), asked=("vera", "walt"), needed=2),
    ),
    _led("M3.2", "a verifier refutes a claim, and nobody else has upheld it", _refuted),
    _led("M3.3", "a verifier upholds a canary", lambda: _passes_canary(1)),
    _led("M3.3", "a verifier upholds a canary twice", lambda: _passes_canary(2)),
    _led(
        "M3.3",
        "a verifier is in doubt",
        lambda: _verifiers(("vera", a_judgement("unsure", "c1")), asked=("vera",)),
    ),
    _led(
        "M3.3",
        "the author is asked to verify",
        lambda: _verifiers(("ada", UPHELD), asked=("ada",)),
    ),
    _led("M3.3", "a claim was upheld and contradicts another lane's", _ruled),
)
