"""The adversarial set through the real gate: what is planted stays out, what is sound gets in.

Contradictions between lanes are not among them: that is `team.rules.conflicts`' part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.messages import ResultPublished, TaskState
from team.agent.models.call import Caller
from team.sources import Library
from tests.support.adversarial_cases import planted, sound
from tests.support.adversarial_sources import a_library_of_all
from tests.support.gate_drive import Case, GateDrive

ROOT = Path(__file__).resolve().parents[2]
LANES = 8


class Played:
    """One run, and what became of each of its cases."""

    def __init__(self, team: GateDrive, result: ResultPublished) -> None:
        self.team, self.result = team, result

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
    return [ordered[at : at + LANES] for at in range(0, len(ordered), LANES)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with a_library_of_all(tmp_path_factory.mktemp("corpora")) as opened:
        yield opened


@pytest.fixture(scope="module")
def runs(library: Library) -> list[Played]:
    """Every case played once, through the real client and the real checks."""
    played = []
    with asyncio.Runner() as runner:

        async def a_caller() -> Caller:
            return Caller("rehearsal")

        caller = runner.run(a_caller())
        for cases in batches():
            team = GateDrive(library, cases, caller, runner)
            played.append(Played(team, team.play()))
        runner.run(caller.close())
    return played


def test_no_planted_fault_reaches_the_result(runs: list[Played]) -> None:
    for run in runs:
        for number, case in enumerate(run.team.cases, start=1):
            if not case.is_sound:
                said = [claim.text for claim in case.claims]
                assert not run.admitted(number), (case.kind, said)
                assert not run.cited(number), (case.kind, said)


def test_every_sound_finding_reaches_the_result(runs: list[Played]) -> None:
    kept_out = [
        (case.kind, case.claims[0].text, run.team.task(f"t{number}").reasons)
        for run in runs
        for number, case in enumerate(run.team.cases, start=1)
        if case.is_sound and run.cited(number) != len(case.claims)
    ]

    assert not kept_out, "\n".join(map(str, kept_out))
