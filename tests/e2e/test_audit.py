"""`team audit` on a real run: clean, the same bytes twice, and exit status 9 once it is not."""

from __future__ import annotations

import json
from pathlib import Path

from bus.messages import MemberSeated
from bus.run_stream import Entry, open_run
from bus.subjects import member
from team.cli import exit_codes
from tests.support.cli import Cli


def test_an_admitted_run_is_clean_and_audited_twice_gives_the_same_bytes(
    cli: Cli, lanes: list[Path]
) -> None:
    """The second time the sources come from the server: the copy on this machine is gone."""
    cli.team_run(lanes, "--run", "sound")

    first = cli.run("audit", "sound", "--format", "json")
    for copy in cli.home.rglob("*.db"):
        copy.unlink()
    second = cli.run("audit", "sound", "--json")

    assert first.returncode == exit_codes.OK, first.stdout
    assert second.stdout == first.stdout
    report = json.loads(first.stdout)
    assert report["has_library"]
    assert report["breaches"] == []
    assert report["chains"]
    for chain in report["chains"]:
        assert chain["holes"] == []
        assert all(link["is_checked"] and not link["problem"] for link in chain["evidence"])
    text = cli.run("audit", "sound", "--chains").stdout
    assert text.startswith("sound: clean")
    assert f"{len(report['chains'])} chains are whole, 0 have a hole" in text


async def test_a_breach_is_named_with_its_record_and_ends_with_status_9(
    cli: Cli, lanes: list[Path]
) -> None:
    """Somebody wrote past the folds: nothing has changed, and the audit shows it."""
    cli.team_run(lanes[:1], "--run", "forged")
    async with cli.bus() as connection:
        stream = await open_run(connection, "forged")
        body = MemberSeated(role="researcher", filters=())
        seq = await stream.append(Entry(subject=member("forged", "eve", "ada"), body=body))

    done = cli.run("audit", "forged")

    assert done.returncode == exit_codes.BREACH
    assert "P102 too-deep" in done.stdout
    assert f"#{seq}  ada: it laid out a seat for eve" in done.stdout


def test_a_run_that_is_not_there_is_bad_input(cli: Cli) -> None:
    done = cli.run("audit", "nowhere")

    assert done.returncode == exit_codes.BAD_INPUT
    assert "nowhere" in done.stderr
