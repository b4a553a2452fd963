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
from tests.support.audited import a_sound_run, write_library
from tests.support.faults import FAULTS, Fault
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


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.mode} {fault.name}")
def test_every_injected_fault_is_met(fault: Fault, folder: Path, library: Library) -> None:
    assert fault.meets(folder, library)


def test_the_matrix_in_the_docs_is_what_this_run_finds(folder: Path, library: Library) -> None:
    wanted = [(f.mode, f.name, f.meets(folder, library)) for f in FAULTS]

    said = rows(DOCS / "failure-modes.md", *HEADS)

    assert said == wanted, "\n" + "\n".join(f"| {' | '.join(row)} |" for row in wanted)
