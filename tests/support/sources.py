"""Small sources for three lanes, each with a word of its own that no other may see."""

from __future__ import annotations

from pathlib import Path

CANARIES = {"alpha": "xanthic-heron", "beta": "umber-walrus", "gamma": "cobalt-ibex"}

_TEXTS = {
    "alpha": """\
# Alpha

A task is asked to cancel at its next point of waiting, and may refuse to cancel.
When the loop shuts down, every pending task is told to cancel and is waited for.
Cancel is never immediate in this package, because clean-up code may still run.

The {canary} marks this file for a test of isolation.
""",
    "beta": """\
# Beta

A call that runs already can not be cancelled, the method only returns false then.
The executor shuts down by itself at the end of the block and waits for its calls.
To cancel pending calls at shutdown, the flag cancel_futures must be given as true.

The {canary} marks this file for a test of isolation.
""",
    "gamma": """\
# Gamma

A worker is ended by a signal, there is no way to cancel a single call in a worker.
The pool shuts down when it is told to close and all of its workers have been joined.
A cancelled pool leaves its queues in a state that can not be relied on any more.

The {canary} marks this file for a test of isolation.
""",
}


def three_lanes(folder: Path) -> list[Path]:
    """Write one folder of sources for each lane and return the folders."""
    folders: list[Path] = []
    for name, text in _TEXTS.items():
        place = folder / name
        place.mkdir(parents=True)
        (place / "guide.md").write_text(text.format(canary=CANARIES[name]))
        folders.append(place)
    return folders
