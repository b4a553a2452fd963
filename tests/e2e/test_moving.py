"""A run as one file, forks, and what is removed: by the command line, over real servers."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus import subjects
from bus.access import SERVER_DIRECTORY
from bus.artifacts import get_artifact
from bus.messages import RunForked, RunOpened, TurnReplied
from bus.run_stream import Entry, Record, create_run
from bus.server import stop_server
from team.state import fold
from team.views.run_object import run_object
from tests.support.cli import GOAL, Cli, as_team, assert_nothing_twice
from tests.support.sources import three_lanes


def a_home(folder: Path) -> Cli:
    (folder / "project").mkdir(parents=True)
    return Cli(folder / "home", folder / "project")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A home with the run `old`, admitted, and its file; tests change neither."""
    folder = tmp_path_factory.mktemp("ended")
    cli = a_home(folder)
    try:
        done, _ = cli.team_run(three_lanes(folder / "sources"), "--run", "old")
        assert done.returncode == 0, done.stderr
        exported = cli.run("export", "old", "old.run")
        assert exported.returncode == 0, exported.stderr
        yield cli
    finally:
        stop_server(cli.home / SERVER_DIRECTORY)


@pytest.fixture
def there(tmp_path: Path, ended: Cli) -> Iterator[Cli]:
    """Another machine, with the file and nothing else."""
    cli = a_home(tmp_path / "there")
    (cli.cwd / "old.run").write_bytes((ended.cwd / "old.run").read_bytes())
    try:
        yield cli
    finally:
        stop_server(cli.home / SERVER_DIRECTORY)


def shown(cli: Cli, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli.run("show", run, "--json").stdout)
    return found


def as_told(records: list[Record], run: str) -> str:
    """A fold as an object for programs, but for the run's name and the time it took."""
    whole = run_object(run, fold(records), is_live=False)
    told = msgspec.structs.replace(whole, run="", wall_s=0.0, forked=None)
    return msgspec.json.encode(told).decode()


async def test_an_ended_run_is_the_same_on_another_server(ended: Cli, there: Cli) -> None:
    """Records with their times, the object for programs, the audit, the answer, the report."""
    imported = there.run("import", "old.run")

    assert imported.returncode == 0, imported.stderr
    assert "Run old is here. Look at it with: team show old" in imported.stdout
    assert await there.records("old") == await ended.records("old")
    here, now = shown(ended, "old"), shown(there, "old")
    assert now["report"] == str(there.home / "runs" / "old" / "report.html")
    assert now | {"report": None} == here | {"report": None}
    for look in (["audit", "old"], ["log", "old"], ["resume", "old"]):
        was, is_now = ended.run(*look), there.run(*look)
        assert (is_now.returncode, is_now.stdout) == (was.returncode, was.stdout)
    again = there.run("import", "old.run")
    assert again.returncode == 2
    assert "run 'old' is there already; remove that one with 'team prune'" in again.stderr


@pytest.mark.slow
async def test_a_half_done_run_is_moved_and_resumed(
    cli: Cli, there: Cli, lanes: list[Path]
) -> None:
    """Exported while it goes on, then again once it was killed; nothing is paid twice."""

    def is_a_turn(record: Record) -> bool:
        return isinstance(record.body, TurnReplied) and record.body.context == "task:t1:1"

    slow = {"PEERTEAM_REHEARSAL_LATENCY_MS": "2500"}
    with cli.start("run", "research", GOAL, *as_team(lanes), "--run", "half", "-q", **slow) as team:
        await cli.until("half", is_a_turn)
        live = cli.run("export", "half", "live.run")
        os.killpg(team.pid, signal.SIGKILL)
        team.wait()
    assert cli.run("export", "half", "half.run").returncode == 0
    before = await cli.records("half")
    (there.cwd / "half.run").write_bytes((cli.cwd / "half.run").read_bytes())

    imported = there.run("import", "half.run")
    resumed = there.run("resume", "--last", "--json")

    assert live.returncode == 0, live.stderr
    assert "half goes on: the file holds it as it stands at this moment" in live.stderr
    assert "Take it up with: team resume half" in imported.stdout
    assert resumed.returncode == 0, resumed.stderr
    after = await there.records("half")
    assert after[: len(before)] == before
    assert_nothing_twice(after)
    assert await cli.records("half") == before


async def test_a_fork_goes_on_from_a_point_of_its_origin(ended: Cli) -> None:
    """The same fold, then its own end; the origin is not touched; a turn is never cut in two."""
    old = await ended.records("old")
    replied = [r.seq for r in old if isinstance(r.body, TurnReplied)]
    middle = replied[len(replied) // 2]

    forked = json.loads(
        ended.run("fork", "old", "--at", str(middle), "--run", "new", "--json").stdout
    )
    begun = await ended.records("new")
    resumed = ended.run("resume", "new", "--json")

    at_seq = forked["at_seq"]
    assert at_seq >= middle
    assert [r.id for r in begun[:-1]] == [r.id for r in old[:at_seq]]
    assert begun[-1].body == RunForked(origin="old", at_seq=at_seq)
    assert as_told(begun[:-1], "new") == as_told(old[:at_seq], "old")
    assert resumed.returncode == 0, resumed.stderr
    whole = await ended.records("new")
    assert_nothing_twice(whole)
    assert [r.id for r in whole[: len(begun)]] == [r.id for r in begun]
    assert await ended.records("old") == old
    assert json.loads(resumed.stdout)["forked"] == {"origin": "old", "at_seq": at_seq}
    assert f"fork of: old, from its message {at_seq} on" in ended.run("show", "new").stdout
    assert f"(fork of old at {at_seq})" in ended.run("ps").stdout
    assert ended.run("audit", "new").returncode == 0
    async with ended.bus() as connection:
        opened = next(r.body for r in begun if isinstance(r.body, RunOpened))
        assert opened.sources is not None
        assert await get_artifact(connection, "new", opened.sources)


@pytest.mark.slow
async def test_a_run_can_be_forked_wherever_it_had_no_result(ended: Cli) -> None:
    """Every message between opening and result, tried at a few: the fork's fold is the origin's."""
    old = await ended.records("old")
    first = next(r.seq for r in old if isinstance(r.body, RunOpened))
    last = next(r.seq for r in old if r.subject.kind == "result") - 1

    for seq in sorted({first, last, *range(first, last, 31)}):
        name = f"at-{seq}"
        forked = ended.run("fork", "old", "--at", str(seq), "--run", name, "--json")
        if forked.returncode == 2:
            # The result was stored together with this message.
            assert "had ended (admitted); fork it before" in forked.stderr
            continue
        at_seq = json.loads(forked.stdout)["at_seq"]
        records = await ended.records(name)
        assert as_told(records[:-1], name) == as_told(old[:at_seq], "old")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fork", "old", "--at", "0"], "it has no message 0; name one from 1 to"),
        (["fork", "old", "--at", "99999"], "it has no message 99999; name one from 1 to"),
        (["fork", "old", "--at", "LAST"], "had ended (admitted); fork it before"),
        (["fork", "none", "--at", "3"], "there is no run 'none'"),
        (["fork", "old", "--at", "40", "--run", "old"], "run 'old' exists already"),
        (["fork", "old", "--at", "40", "--run", "a.b"], "run 'a.b' can't be used on the bus"),
        (["fork", "old", "--at", "forty"], "invalid int value: 'forty'"),
        (["fork", "old"], "required: --at"),
        (["export", "none", "x.run"], "there is no run 'none'"),
        (["export", "old", "old.run"], "it is there already; name another, or add --force"),
        (["export", "old", "."], "it is a folder; name a file in it"),
        (["export", "old", "no/such/x.run"], "its folder is not there; make the folder first"),
        (["import", "none.run"], "none.run': there is no such file"),
        (["import", "."], "it can't be read"),
        (["import", "project.txt"], "it is cut or altered, or no run that was exported"),
        (["prune"], "give --older-than 30d, --keep-size 2GB, or both"),
        (["prune", "--older-than", "30"], "'30' is no age; write 30d, 12h, 90m or 2w"),
        (["prune", "--keep-size", "lots"], "'lots' is no size; write 2GB, 500MB or 0B"),
        (["prune", "--older-than", "30d"], "nobody can be asked here; add --yes, or --dry-run"),
        (["resume", "old", "--last"], "a run is named as well (old)"),
        (["resume", "none"], "there is no run 'none'"),
    ],
)
def test_bad_input_is_refused_with_a_fix(
    ended: Cli, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Status 2, one sentence, no traceback, and nothing is left."""
    (ended.cwd / "project.txt").write_text("no run")
    before = sorted(path.name for path in ended.cwd.iterdir())
    if "LAST" in arguments:
        count = len(ended.run("log", "old", "--json").stdout.splitlines())
        arguments = [str(count) if one == "LAST" else one for one in arguments]

    done = ended.run(*arguments)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in ended.cwd.iterdir()) == before


def test_resume_without_a_run_says_which_there_are(there: Cli) -> None:
    """It takes none up by itself, unless `--last` says so; what has ended is none."""
    assert there.run("import", "old.run").returncode == 0
    for arguments in (["resume"], ["resume", "--last"]):
        none = there.run(*arguments)
        assert none.returncode == 2
        assert "there is no run to take up; see them all with 'team ps'" in none.stderr
    for name in ("one", "two"):
        assert there.run("fork", "old", "--at", "40", "--run", name).returncode == 0

    done = there.run("resume")

    assert done.returncode == 2
    assert "name one: two, one; or add --last for the first of these" in done.stderr


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (b'{"from":"tomorrow"}', "the spec can't be read"),
        (None, "it was never opened; start it again with 'team run', under another name"),
    ],
)
async def test_resume_refuses_a_run_that_this_version_can_not_lead(
    there: Cli, spec: bytes | None, said: str
) -> None:
    """One of another version, or one whose command died before it was opened."""
    assert there.run("ps").returncode == 0
    async with there.bus() as connection:
        stream = await create_run(connection, "strange")
        if spec is not None:
            body = RunOpened(goal="What?", spec=msgspec.Raw(spec))
            await stream.append(Entry(subject=subjects.spec("strange"), body=body, expect=0))

    done = there.run("resume", "strange")

    assert done.returncode == 2
    assert said in done.stderr


def test_a_file_that_was_cut_leaves_nothing_on_the_server(there: Cli) -> None:
    """Nor one whose bytes were altered; the whole one can be imported afterwards."""
    whole = (there.cwd / "old.run").read_bytes()
    (there.cwd / "cut.run").write_bytes(whole[: len(whole) // 2])
    (there.cwd / "altered.run").write_bytes(whole[:3000] + b"\0" * 40 + whole[3040:])

    for name in ("cut.run", "altered.run"):
        done = there.run("import", name)
        assert done.returncode == 2
        assert "it is cut or altered" in done.stderr
    assert json.loads(there.run("ps", "--json").stdout) == []
    assert there.run("import", "old.run").returncode == 0


def test_prune_removes_what_was_chosen_and_what_this_machine_keeps_of_it(there: Cli) -> None:
    """Ended runs by age and size; a run that has not ended only if that is asked for."""
    assert there.run("import", "old.run").returncode == 0
    assert there.run("fork", "old", "--at", "40", "--run", "half").returncode == 0
    library = there.home / "cache" / f"{'0' * 64}.db"
    library.parent.mkdir(parents=True, exist_ok=True)
    library.write_bytes(b"of a run that is gone")

    looked = json.loads(there.run("prune", "--keep-size", "0B", "--dry-run", "--json").stdout)
    assert [run["run"] for run in looked["runs"]] == ["old"]
    assert there.run("prune", "--older-than", "1d", "--yes").stdout.startswith("0 runs removed")
    assert (there.home / "runs" / "old").exists()
    done = there.run("prune", "--keep-size", "0B", "--yes")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 run removed")
    assert "stay: runs that have not ended are kept" in done.stderr
    assert [run["run"] for run in json.loads(there.run("ps", "--json").stdout)] == ["half"]
    assert not (there.home / "runs" / "old").exists()
    assert not library.exists()
    gone = there.run("prune", "--keep-size", "0B", "--stopped", "--yes", "--json")
    assert [run["run"] for run in json.loads(gone.stdout)["runs"]] == ["half"]
    assert json.loads(gone.stdout)["kept_bytes"] == 0


@pytest.mark.parametrize(("answer", "is_gone"), [("y", True), ("n", False), ("", False)])
def test_prune_asks_on_a_terminal(there: Cli, answer: str, is_gone: bool) -> None:
    """Anything but yes is a no."""
    assert there.run("import", "old.run").returncode == 0
    terminal, other_end = pty.openpty()
    os.write(terminal, f"{answer}\n".encode())

    try:
        done = subprocess.run(
            there.command("prune", "--keep-size", "0B"),
            cwd=there.cwd,
            env=there.environment,
            stdin=other_end,
            stdout=subprocess.PIPE,
            stderr=other_end,
            timeout=60,
            check=False,
        )
        said = os.read(terminal, 65536).decode()
    finally:
        os.close(terminal)
        os.close(other_end)

    assert done.returncode == 0
    assert "Remove these runs for good? [y/N]" in said
    left = [run["run"] for run in json.loads(there.run("ps", "--json").stdout)]
    assert left == ([] if is_gone else ["old"])
