"""What a run waits for a person to answer, as text."""

from __future__ import annotations

from collections.abc import Sequence

from team.rules.approvals import Awaited
from team.views.lines import one_line

LINE_CHARACTERS_MAX = 300


def waiting_lines(run: str, waits_for: Sequence[Awaited]) -> list[str]:
    """A line for each thing, with the commands that answer it."""
    return [
        f"waits for you: {one.id} ({one.what}): {one_line(one.text, LINE_CHARACTERS_MAX)}; "
        f"team approve {run} {one.id}, or team reject {run} {one.id} --why …"
        for one in waits_for
    ]


def waiting_text(run: str, waits_for: Sequence[Awaited]) -> str:
    """All that is to be approved, in full, with the commands that answer it."""
    parts = [
        f"{one.id} ({one.what}) waits for you:\n\n{one.text}\n\n"
        f"team approve {run} {one.id}\nteam reject {run} {one.id} --why …"
        for one in waits_for
    ]
    return "\n\n".join(parts)
