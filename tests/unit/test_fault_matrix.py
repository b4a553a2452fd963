"""Fourteen modes, each with faults put in: something meets every one of them.

The table of docs/failure-modes.md is what this run finds; `make matrix` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from team.audit import DETECTORS, audit
from team.audit.report import MODE_CODES
from team.sources import Library
from tests.support import ruled_faults
from tests.support.audited import a_sound_run, write_library
from tests.support.fault import Fault
from tests.support.faults import FAULTS
from tests.support.led_faults import LED
from tests.unit.test_docs import DOCS, rows

HEADS = ("mode", "injected fault", "what meets it")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrix").resolve()


@pytest.fixture(scope="module")
def library(folder: Path) -> Iterator[Library]:
    with Library.open(write_library(folder)) as opened:
        yield opened


def test_every_mode_has_a_detector_and_an_injected_fault() -> None:
    assert tuple(DETECTORS) == MODE_CODES
    assert len(MODE_CODES) == 14
    assert [mode for mode in MODE_CODES if mode not in {fault.mode for fault in FAULTS}] == []


def test_in_the_run_before_anything_is_spoiled_nothing_is_seen(
    folder: Path, library: Library
) -> None:
    """Else a fault might be met by what was there without it."""
    report = audit(a_sound_run(folder=folder).records, library)

    assert report.breaches == ()
    assert report.signs == ()
    assert [chain.holes for chain in report.chains] == [(), ()]


def test_rules_and_checks_say_nothing_of_what_is_sound(library: Library) -> None:
    """Else they would say no to a fault whatever it was."""
    sound = {
        "plan": ruled_faults.plan(),
        "contract": ruled_faults.contract(),
        "finding": ruled_faults.finding(library),
        "the last call": ruled_faults.limit(turns=19),
        "the last tool call": ruled_faults.tool_calls(9),
        "a tool that was given": ruled_faults.tool("read_source"),
        "a source of the lane": ruled_faults.reading(library, "docs"),
        "answer": ruled_faults.answer(),
    }

    assert {what: said for what, said in sound.items() if said} == {}


def test_of_every_mode_but_one_a_rule_or_check_says_no_before_the_audit() -> None:
    """That a member starts over is held by its journal, on the bus: no rule is asked."""
    ruled = {fault.mode for fault in (*ruled_faults.RULED, *LED)}

    assert [mode for mode in MODE_CODES if mode not in ruled] == ["M2.1"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.mode} {fault.name}")
def test_every_injected_fault_is_met(fault: Fault, folder: Path, library: Library) -> None:
    assert fault.meets(folder, library)


def test_the_matrix_in_the_docs_is_what_this_run_finds(folder: Path, library: Library) -> None:
    wanted = [(f.mode, f.name, f.meets(folder, library)) for f in FAULTS]

    said = rows(DOCS / "failure-modes.md", *HEADS)

    assert said == wanted, "\n" + "\n".join(f"| {' | '.join(row)} |" for row in wanted)
