"""A policy gives roles instructions and skills: they are the run's then, not the disk's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from bus.artifacts import get_artifact
from bus.messages import ContextOpened, RunOpened
from team.cli import exit_codes
from team.spec import ResolvedSpec
from tests.support.cli import GOAL, Cli, as_team

POLICY = """\
[approve]
plan = true

[roles.researcher]
instructions = ["CLAUDE.md"]
skills = ["charts"]
"""


@pytest.mark.slow
async def test_what_roles_were_given_outlives_the_files_it_came_from(
    cli: Cli, lanes: list[Path]
) -> None:
    """The run waits for its plan; its files are deleted; who is recruited then has them all."""
    texts = {
        "peerteam.toml": POLICY,
        "CLAUDE.md": "Write short sentences. See @docs/style.md.\n",
        "docs/style.md": "No adverbs.\n",
        "skills/charts/SKILL.md": "---\nname: charts\ndescription: For figures.\n---\nFew.\n",
    }
    for name, text in texts.items():
        path = cli.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = cli.run("run", "research", GOAL, *as_team(lanes), "--run", "r", "--no-wait")
    assert done.returncode == exit_codes.WAITING, done.stderr
    for name in texts:
        (cli.cwd / name).unlink()
    shutil.rmtree(cli.cwd / "skills")

    assert cli.run("approve", "r").returncode == 0
    done = cli.run("resume", "r", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "admitted"
    opened = [r.body for r in await cli.records("r") if isinstance(r.body, ContextOpened)]
    lanes_opened = [one for one in opened if one.context.startswith("task:t")]
    assert lanes_opened
    for one in lanes_opened:
        assert '<file path="CLAUDE.md">\nWrite short sentences.' in one.system
        assert '<file path="docs/style.md">\nNo adverbs.' in one.system
        assert "- `charts`: For figures." in one.system
        assert "load_skill" in one.tools
    leading = ("plan", "synthesis", "task:v")
    others = [one for one in opened if one.context.startswith(leading)]
    assert {one.context.partition(":")[0] for one in others} == {"plan", "synthesis", "task"}
    assert not any("Write short sentences" in one.system for one in others)
    assert not any("load_skill" in one.tools for one in others)
    async with cli.bus() as connection:
        [first] = [r.body for r in await cli.records("r") if isinstance(r.body, RunOpened)]
        spec = msgspec.json.decode(first.spec, type=ResolvedSpec)
        [skill] = spec.given_to("researcher").skills
        kept = json.loads(await get_artifact(connection, "r", skill.kept))
    assert kept == {"SKILL.md": "Few."}
    assert cli.run("audit", "r").returncode == 0
