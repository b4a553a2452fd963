"""Draw what a decisions log adds to a turn: `python -m tests.bench.decisions.plot FILE`.

FILE is what `python -m tests.bench.decisions tokens --json FILE` wrote. The same file
gives the same bytes. Needs matplotlib: `pip install -r requirements/bench.txt`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import msgspec
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tests.bench.decisions.cells import BUDGET_TOKENS, TEAM_DECISIONS, Cell, Figures
from tests.bench.kit import ROOT

PICTURE: Final = ROOT / "docs" / "pictures" / "decisions-tokens.svg"
MEMBERS: Final = 16
DECISIONS: Final = 1_000
CONTEXT_TOKENS: Final = 200_000
"""A common size of a model's context, drawn for scale."""
INCHES: Final = (8.34, 4.0)
STYLES: Final = {  # colours by Okabe and Ito, told apart by all eyes; a shape for each as well
    "file": ("#009E73", "^"),
    "broadcast": ("#D55E00", "s"),
    "ours": ("#0072B2", "o"),
}
_NAMES: Final = {
    "file": ("a shared file,\nread each turn", 100, (2, 7), "right", "bottom"),
    "broadcast": ("broadcast\nto all", 1_000, (8, -4), "left", "top"),
    "ours": (f"our digest,\nbudget {BUDGET_TOKENS}", 1_000, (6, -8), "left", "top"),
}
"""What is written beside a line: at how many decisions, and where from there."""
_SETTINGS: Final[Any] = {
    "svg.hashsalt": "peerteam",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
}
_GREY: Final = "#666666"


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the file that is drawn."""

    tokens: Figures


def draw(figures: Figures, path: Path) -> None:
    """Write the picture."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=INCHES, layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.15, 1))
        by_decisions = [cell for cell in figures.cells if cell.members == MEMBERS]
        by_members = [cell for cell in figures.cells if cell.decisions == DECISIONS]
        _panel(left, [(cell, cell.decisions) for cell in by_decisions], "-")
        _panel(right, [(cell, cell.members) for cell in by_members], "-")
        _panel(right, [(cell, cell.members) for cell in figures.teams], (0, (2, 2)))
        _dress(left, f"{MEMBERS} members", "decisions in the log")
        _dress(right, f"{DECISIONS:,} decisions", "members")
        left.set_ylabel("tokens added to a member's turn (mean)")
        _name_lines(left, by_decisions)
        _name_dashes(right, figures.teams)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _panel(axes: Any, points: list[tuple[Cell, int]], dashes: Any) -> None:
    """One line for each way."""
    for way, (colour, marker) in STYLES.items():
        found = sorted((x, cell.mean) for cell, x in points if cell.way == way)
        is_solid = dashes == "-"
        axes.plot(
            [x for x, _ in found],
            [y for _, y in found],
            color=colour,
            linestyle=dashes,
            linewidth=2 if is_solid else 1.2,
            marker=marker,
            markersize=6 if is_solid else 3.5,
            clip_on=False,
        )


def _dress(axes: Any, title: str, label: str) -> None:
    """Scales, ticks, and the context for comparison."""
    axes.set(xscale="log", yscale="log", title=title, xlabel=label)
    places = sorted({x for line in axes.lines for x in line.get_xdata()})
    axes.xaxis.set(major_locator=FixedLocator(places), minor_locator=NullLocator())
    axes.yaxis.set(minor_locator=NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.axhline(CONTEXT_TOKENS, color=_GREY, linewidth=1, linestyle=":")


def _name_lines(axes: Any, cells: list[Cell]) -> None:
    """Write each line's name beside it, and what the dotted line is."""
    heights = {(cell.way, cell.decisions): cell.mean for cell in cells}
    for way, (name, decisions, offset, sideways, upright) in _NAMES.items():
        axes.annotate(
            name,
            (decisions, heights[way, decisions]),
            xytext=offset,
            textcoords="offset points",
            ha=sideways,
            va=upright,
            color=STYLES[way][0],
            fontweight="bold",
        )
    text = f"a context of {CONTEXT_TOKENS:,}"
    axes.annotate(
        text,
        (0, CONTEXT_TOKENS),
        xycoords=("axes fraction", "data"),
        xytext=(3, 3),
        textcoords="offset points",
        color=_GREY,
        fontsize=9,
    )


def _name_dashes(axes: Any, cells: tuple[Cell, ...]) -> None:
    axes.text(
        0.98,
        0.03,
        f"dashed: the log grows with the team,\n{TEAM_DECISIONS} decisions a member",
        transform=axes.transAxes,
        ha="right",
        color=_GREY,
        fontsize=9,
    )


def main() -> int:
    """Read the figures and draw them."""
    parser = argparse.ArgumentParser(description="Draw the tokens that a decisions log costs.")
    parser.add_argument("file", type=Path, help="figures, from `tokens --json FILE`")
    parser.add_argument("--out", type=Path, default=PICTURE, help="the picture (default: docs)")
    options = parser.parse_args()
    draw(msgspec.json.decode(options.file.read_bytes(), type=_File).tokens, options.out)
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
