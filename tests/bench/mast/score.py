"""Count where a detector and people agree, trace by trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from team.audit import DETECTORS, Detector, Seen
from team.audit.specification import repeats_calls, repeats_words
from tests.bench.mast.adapters import Labelled

ROWS: Final[tuple[tuple[str, str, Detector], ...]] = tuple(
    row
    for mode, detector in DETECTORS.items()
    for row in (
        [
            (mode, "words alone", repeats_words),
            (mode, "calls alone", repeats_calls),
        ]
        if mode == "M1.3"
        else []
    )
    + [(mode, "", detector)]
)
"""Mode, which half of it, detector; repeats are also counted half by half."""


ON_TEXT: Final = frozenset({"M1.3", "M1.5", "M2.1", "M3.2"})
"""Modes whose detector can see anything in a log of text; the others need a journal."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One detector on one set.

    Attributes:
        set: Which traces.
        mode: Which mode.
        half: Which half of its detector; empty for all of it.
        tp: Seen by both.
        fp: Seen by the detector alone.
        fn: Seen by people alone.
        tn: Seen by neither.
    """

    set: str
    mode: str
    half: str
    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float | None:
        """Share of what the detector saw that people saw too; absent if it saw nothing."""
        seen = self.tp + self.fp
        return self.tp / seen if seen else None

    @property
    def recall(self) -> float | None:
        """Share of what people saw that the detector saw too; absent if they saw nothing."""
        there = self.tp + self.fn
        return self.tp / there if there else None

    def as_row(self) -> dict[str, Any]:
        """The figures, for JSON."""
        row: dict[str, Any] = msgspec.to_builtins(self)
        return row | {"precision": self.precision, "recall": self.recall}


def scores(name: str, traces: Sequence[Labelled]) -> list[Score]:
    """Every detector on one set; a mode that nobody was asked about has no row."""
    found: list[Score] = []
    for mode, half, detector in ROWS:
        labelled = [trace for trace in traces if mode in trace.labels]
        if not labelled:
            continue
        counts = {"tp": 0, "fp": 0, "fn": 0, "tn": 0}
        for trace in labelled:
            is_seen = any(True for _ in detector(Seen(trace=trace.trace, goal=trace.goal)))
            is_there = trace.labels[mode]
            key = ("t" if is_seen == is_there else "f") + ("p" if is_seen else "n")
            counts[key] += 1
        found.append(Score(set=name, mode=mode, half=half, **counts))
    return found


def table(found: Sequence[Score]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| mode | set | n | seen by people | tp / fp / fn / tn | precision | recall |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in sorted(found, key=lambda score: score.mode):
        mode = f"{one.mode} {one.half}".strip()
        total = one.tp + one.fp + one.fn + one.tn
        counts = f"{one.tp} / {one.fp} / {one.fn} / {one.tn}"
        figures = f"{_figure(one.precision)} | {_figure(one.recall)}"
        if one.mode not in ON_TEXT:
            counts, figures = "nothing on text", "none | none"
        lines.append(f"| {mode} | {one.set} | {total} | {one.tp + one.fn} | {counts} | {figures} |")
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
