"""Two lanes whose sources state opposite conventions: those of examples/conventions."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "conventions"
GOAL = "First guide, then survey: in which unit are temperatures given?"
ARGUMENTS = ("-s", "guide", "-s", "survey", "--mode", "team")
FAHRENHEIT = "temperatures are in degrees Fahrenheit"
CELSIUS = "temperatures are in degrees Celsius"

_ALONE = """\
---
name: alone
description: Works one lane and knows of no decisions log.
tools: list_sources, read_source, search_sources, note, submit_finding
---
Work on your lane.
"""
_QUIET = """\
---
name: quiet
description: Works one lane and shares decisions, but writes no mail.
tools: list_sources, read_source, search_sources, note, wait_for_mail, record_decision,
  search_decisions, read_decision, challenge_decision, rebut_challenge, withdraw_decision,
  submit_finding
---
Work on your lane.
"""


def lay_out(folder: Path) -> None:
    """Copy the sources, and write two teams: `alone` has no decisions log, `quiet` no mail."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    for name, role in (("alone", _ALONE), ("quiet", _QUIET)):
        for place, text in (
            (folder / "roles" / f"{name}.md", role),
            (folder / "teams" / f"{name}.toml", f'name = "{name}"\n[roles]\nworker = "{name}"\n'),
        ):
            place.parent.mkdir(exist_ok=True)
            place.write_text(text)


def conventions_cited(shown: dict[str, Any]) -> set[str]:
    """The conventions that a result states; not those that it says were rejected."""
    text = re.sub(r"(?ms)^## What was rejected$.*?(?=^## )", "", shown["result"]["text"])
    return {choice for choice in (FAHRENHEIT, CELSIUS) if choice in text}
