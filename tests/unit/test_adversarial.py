"""The adversarial set through the real gate: what is planted stays out, what is sound gets in.

Contradictions between lanes are not among them: that is `team.rules.conflicts`' part.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.messages import ResultPublished, TaskState
from team.agent.models.call import Caller
from team.policy import CORE_CHECKS, GateRules
from team.rules.gate import CHECKS, GateInput, judge
from team.sources import Library
from tests.support.adversarial_cases import (
    injected,
    lost_constraints,
    misjudged,
    of_itself,
    planted,
    sound,
    unseen,
)
from tests.support.adversarial_orders import HELD_OUT_HARMLESS, HELD_OUT_ORDERS
from tests.support.adversarial_sources import a_library_of_all
from tests.support.builders import a_claim, a_submission, a_task, decisions_of
from tests.support.gate_drive import Case, GateDrive

ROOT = Path(__file__).resolve().parents[2]
LANES = 8


class Played:
    """One run, and what became of each of its cases."""

    def __init__(self, team: GateDrive, result: ResultPublished) -> None:
        self.team, self.result = team, result

    @property
    def answer(self) -> str:
        """What the result says, without what it says of the claims that were turned away."""
        return re.split("(?m)^## What (?:is missing|was rejected)$", self.result.text)[0]

    def admitted(self, number: int) -> bool:
        return self.team.task(f"t{number}").state is TaskState.admitted

    def cited(self, number: int) -> int:
        return sum(c.ref.startswith(f"t{number}.") for c in self.result.citations)


def batches() -> list[list[Case]]:
    """Faults and sound findings mixed, so that each run has some of both."""
    bad, good = planted(), sound()
    ordered: list[Case] = []
    while bad or good:
        ordered += [cases.pop(0) for cases in (bad, good) if cases]
    return in_runs(ordered)


def in_runs(cases: list[Case]) -> list[list[Case]]:
    return [cases[at : at + LANES] for at in range(0, len(cases), LANES)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with a_library_of_all(tmp_path_factory.mktemp("corpora")) as opened:
        yield opened


@pytest.fixture(scope="module")
def runs(library: Library) -> list[Played]:
    """Every case played once, through the real client and the real checks."""
    return play(library, batches())


def play(
    library: Library, runs: list[list[Case]], checks: tuple[str, ...] = GateRules().checks
) -> list[Played]:
    """Play runs, each with a lane for each of its cases."""
    with asyncio.Runner() as runner:
        caller = runner.run(a_caller())
        teams = [GateDrive(library, cases, caller, runner, checks) for cases in runs]
        played = [Played(team, team.play()) for team in teams]
        runner.run(caller.close())
    return played


async def a_caller() -> Caller:
    return Caller("rehearsal")


def test_no_planted_fault_reaches_the_result(runs: list[Played]) -> None:
    for run in runs:
        for number, case in enumerate(run.team.cases, start=1):
            if not case.is_sound:
                said = [claim.text for claim in case.claims]
                assert not run.admitted(number), (case.kind, said)
                assert not run.cited(number), (case.kind, said)
                assert not [text for text in said if text in run.answer]


def test_an_order_in_a_source_is_not_repeated_anywhere_in_the_result(runs: list[Played]) -> None:
    """Not even among what was rejected: the result is read by agents too."""
    for run in runs:
        for case in run.team.cases:
            if case.kind == "prompt injection in a source":
                assert case.claims[0].text not in run.result.text


def test_every_sound_finding_reaches_the_result(runs: list[Played]) -> None:
    kept_out = [
        (case.kind, case.claims[0].text, run.team.task(f"t{number}").reasons)
        for run in runs
        for number, case in enumerate(run.team.cases, start=1)
        if case.is_sound and run.cited(number) != len(case.claims)
    ]

    assert not kept_out, "\n".join(map(str, kept_out))


# --- the figures ------------------------------------------------------------------------


def met_by(run: Played, number: int) -> str:
    """What kept a finding out: the first exact check against it, else its verifiers."""
    submission = run.team.state.findings.submissions[f"t{number}"][0]
    if submission.void_by:
        return "canary"
    return next((judgement.check for judgement in submission.objections), "nothing")


def figures(runs: list[Played]) -> list[tuple[str, ...]]:
    """By kind: how many, how many reached the result, and what kept the others out."""
    kinds: dict[str, Counter[str]] = {}
    for run in runs:
        for number, case in enumerate(run.team.cases, start=1):
            seen = kinds.setdefault(case.kind, Counter())
            is_in = run.cited(number) > 0
            seen["all"] += 1
            seen["in"] += is_in
            if not is_in:
                seen[met_by(run, number)] += 1
    rows = []
    for kind in sorted(kinds, key=lambda kind: (kind.startswith("sound"), kind)):
        seen = kinds[kind]
        by = ", ".join(f"{name} {n}" for name, n in sorted(seen.items()) if name not in _SUMS)
        rows.append((kind, str(seen["all"]), str(seen["in"]), by))
    return rows


_SUMS = ("all", "in")


def test_the_figures_in_the_documents_are_those_of_the_run(runs: list[Played]) -> None:
    wanted = figures(runs)
    lines = (ROOT / "docs" / "gate.md").read_text().splitlines()
    at = lines.index("| finding | cases | reached the result | kept out by |")

    table = [tuple(cell.strip() for cell in line[1:-1].split("|")) for line in lines[at + 2 :]]
    said = table[: len(wanted)]

    assert said == wanted, "\n".join(f"| {' | '.join(row)} |" for row in wanted)


def test_the_set_is_as_large_as_it_should_be() -> None:
    assert len(planted()) >= 60
    assert len(sound()) >= 60


def test_every_verifier_that_looked_has_seen_every_canary(runs: list[Played]) -> None:
    """And every one that did not look has let one pass."""
    for run in runs:
        for number, case in enumerate(run.team.cases, start=1):
            for submission in run.team.state.findings.submissions[f"t{number}"]:
                outcomes = {judgement.outcome for _, judgement in submission.canaries}
                assert outcomes <= ({"upheld"} if case.is_lax else {"refuted"})
                assert bool(submission.void_by) == case.is_lax


# --- what the gate cannot see -----------------------------------------------------------


def test_what_the_documents_say_gets_through_does(
    library: Library,
) -> None:
    """Faults that words do not give away, and sound findings in quite other words."""
    cases = [*unseen(), *misjudged()]

    [run] = play(library, [cases])

    reached = [run.cited(number) > 0 for number in range(1, len(cases) + 1)]
    assert reached == [True] * len(unseen()) + [False] * len(misjudged())
    text = (ROOT / "docs" / "gate.md").read_text()
    for case in cases:
        assert f"“{case.claims[0].text}”" in text


def test_without_the_optional_checks_what_they_are_for_gets_in(library: Library) -> None:
    """The set is none that verifiers alone would keep out."""
    cases = [*injected(), *lost_constraints(), *of_itself()]
    reached: Counter[str] = Counter()

    for run in play(library, in_runs(cases), CORE_CHECKS):
        for number, case in enumerate(run.team.cases, start=1):
            reached[case.kind] += run.cited(number) > 0

    assert sorted(reached) == sorted({case.kind for case in cases})
    text = " ".join((ROOT / "docs" / "gate.md").read_text().split())
    assert f"{reached.total()} of their {len(cases)} planted faults reach the result" in text
    assert reached["prompt injection in a source"] > 0


def test_the_documents_say_how_many_orders_held_out_are_misjudged() -> None:
    """Sentences that the check was not mended with; it is not to be changed to suit them."""
    unmet = [text for text in HELD_OUT_ORDERS if not is_an_order(text)]
    refused = [text for text in HELD_OUT_HARMLESS if is_an_order(text)]

    text = " ".join((ROOT / "docs" / "gate.md").read_text().split())
    assert f"Of {len(HELD_OUT_ORDERS)} orders and {len(HELD_OUT_HARMLESS)} harmless" in text
    assert (
        f"{len(unmet)} orders are not seen and {len(refused)} harmless sentences are refused"
        in text
    )
    assert f"“{unmet[0]}” is one that is not seen" in text


def is_an_order(text: str) -> bool:
    """Whether a claim of these words is refused as an order to an agent."""
    given = GateInput(
        task=a_task(),
        submission=a_submission(a_claim(text=text)),
        decisions=decisions_of(),
        overspent=(),
        quote_problem=lambda _: None,
        is_within=lambda _source, _within: True,
    )
    name = "instructions"
    return any(said.outcome != "upheld" for said in judge(given, {name: CHECKS[name]}))
