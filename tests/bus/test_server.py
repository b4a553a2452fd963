"""The embedded server: shared, outliving its starter, found again after a crash."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import nats
import nats.errors
import pytest
from nats.aio.client import Client

import bus.server
from bus.errors import ServerNotFoundError, ServerStartError
from bus.server import find_binary, find_server, start_server, stop_server
from bus.server_files import STORE_MAX_BYTES, STORE_MIN_BYTES, ServerInfo, store_limit_bytes

WAIT_S = 5.0
STARTER = """
import sys
from pathlib import Path
import msgspec
from bus.server import start_server
print("ready", flush=True)
sys.stdin.readline()
print(msgspec.json.encode(start_server(Path(sys.argv[1]))).decode(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """Give a place for one server, and stop it afterwards."""
    path = tmp_path / "state"
    yield path
    stop_server(path)


@pytest.fixture
def other_dir(tmp_path: Path) -> Iterator[Path]:
    """Give a place for a second server."""
    path = tmp_path / "other"
    yield path
    stop_server(path)


def a_starter(state_dir: Path) -> subprocess.Popen[str]:
    """Run a process, a session of its own, that starts the server when told to."""
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(state_dir)],
        cwd=Path(bus.server.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def line_from(starter: subprocess.Popen[str]) -> str:
    """Read the starter's next line."""
    assert starter.stdout is not None
    return starter.stdout.readline().strip()


def release(starter: subprocess.Popen[str]) -> None:
    """Let the starter take its next step."""
    assert starter.stdin is not None
    starter.stdin.write("\n")
    starter.stdin.flush()


def kill_and_await(info: ServerInfo, state_dir: Path) -> None:
    """Kill -9 the server and wait until it is gone."""
    os.kill(info.pid, signal.SIGKILL)
    await_silence(state_dir)


def await_silence(state_dir: Path) -> None:
    """Wait until a server that was stopped or killed answers no more; it may take a moment."""
    deadline = time.monotonic() + WAIT_S
    while find_server(state_dir) is not None:
        assert time.monotonic() < deadline, "the server still answers"


async def connect(info: ServerInfo) -> Client:
    """Connect a client that finds the server again quickly."""
    async with asyncio.timeout(WAIT_S):
        return await nats.connect(
            info.url, token=info.token, reconnect_time_wait=0.05, max_reconnect_attempts=-1
        )


def mode_of(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_eight_processes_that_start_at_once_share_one_server(state_dir: Path) -> None:
    """All eight are loaded and waiting before the first is released."""
    starters = [a_starter(state_dir) for _ in range(8)]
    try:
        assert [line_from(starter) for starter in starters] == ["ready"] * 8
        for starter in starters:
            release(starter)
        infos = {line_from(starter) for starter in starters}
    finally:
        for starter in starters:
            starter.communicate(timeout=WAIT_S)

    assert len(infos) == 1
    assert msgspec.json.decode(infos.pop(), type=ServerInfo) == find_server(state_dir)


def test_server_survives_a_kill_of_its_starter_and_its_group(state_dir: Path) -> None:
    """A run started from a terminal goes on when the terminal is gone."""
    starter = a_starter(state_dir)
    try:
        line_from(starter)
        release(starter)
        started = msgspec.json.decode(line_from(starter), type=ServerInfo)
    finally:
        os.killpg(starter.pid, signal.SIGKILL)
        starter.communicate(timeout=WAIT_S)

    assert find_server(state_dir) == started
    assert start_server(state_dir) == started


def test_start_on_a_live_server_returns_that_one(state_dir: Path) -> None:
    """Starting is idempotent."""
    assert start_server(state_dir) == start_server(state_dir)


def test_server_whose_starter_died_half_way_is_found_and_recorded(state_dir: Path) -> None:
    """Between a healthy server and its record lies a moment to die in."""
    started = start_server(state_dir)
    (state_dir / "server.json").unlink()

    assert find_server(state_dir) == started
    assert start_server(state_dir) == started
    recorded = (state_dir / "server.json").read_bytes()
    assert msgspec.json.decode(recorded, type=ServerInfo) == started


async def test_member_and_its_data_come_back_after_kill_9_and_restart(state_dir: Path) -> None:
    """The same token and port: a connected client finds the new server by itself."""
    before = await asyncio.to_thread(start_server, state_dir)
    client = await connect(before)
    try:
        stream = client.jetstream()
        await stream.add_stream(name="KEPT", subjects=["kept.>"])
        await stream.publish("kept.one", b"decision")

        await asyncio.to_thread(kill_and_await, before, state_dir)
        after = await asyncio.to_thread(start_server, state_dir)
        async with asyncio.timeout(WAIT_S):
            await client.flush()
            kept = await stream.get_msg("KEPT", 1)
    finally:
        await client.close()

    assert kept.data == b"decision"
    assert (after.token, after.url) == (before.token, before.url)
    assert (after.pid, after.name) != (before.pid, before.name)


def test_restart_takes_another_port_when_the_last_one_is_taken(state_dir: Path) -> None:
    """The port is a wish, the token is kept for certain."""
    before = start_server(state_dir)
    stop_server(state_dir)

    with socket.create_server(("127.0.0.1", urlsplit(before.url).port or 0)):
        after = start_server(state_dir)

    assert after.url != before.url
    assert after.token == before.token


async def test_wrong_token_is_refused(state_dir: Path) -> None:
    """The loopback is open to every user of the machine; the token is the door."""
    info = await asyncio.to_thread(start_server, state_dir)

    client = Client()
    try:
        with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
            await client.connect(info.url, token="wrong", allow_reconnect=False)
    finally:
        await client.close()  # a refused client leaves its socket open otherwise


def test_secrets_are_readable_by_their_owner_only(state_dir: Path) -> None:
    """Even when the directory was there before, open to all."""
    state_dir.mkdir(mode=0o755)

    start_server(state_dir)

    folders = (state_dir, state_dir / "run", state_dir / "log", state_dir / "js")
    assert {mode_of(folder) for folder in folders} == {0o700}
    files = ("token", "server.json", "lock", "run/nats.conf", "log/nats.log")
    assert {name: mode_of(state_dir / name) for name in files} == dict.fromkeys(files, 0o600)


def test_token_is_not_in_the_text_of_a_server(state_dir: Path) -> None:
    """What is printed ends up in a log."""
    info = start_server(state_dir)

    assert info.token not in f"{info} {info!r}"


def test_stop_ends_the_server_once(state_dir: Path) -> None:
    """Stop says whether there was something to stop."""
    info = start_server(state_dir)

    assert stop_server(state_dir) is True
    assert find_server(state_dir) is None
    assert stop_server(state_dir) is False
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(info.url).port or 0), WAIT_S)


def test_stop_kills_a_server_that_hangs(state_dir: Path) -> None:
    """A frozen process can't obey SIGTERM."""
    info = start_server(state_dir)
    os.kill(info.pid, signal.SIGSTOP)

    assert stop_server(state_dir, timeout_s=0.05) is True
    assert find_server(state_dir) is None


def test_start_beside_a_server_that_hangs_says_so(state_dir: Path) -> None:
    """There is never a second server on the same store."""
    info = start_server(state_dir)
    os.kill(info.pid, signal.SIGSTOP)

    try:
        await_silence(state_dir)
        with pytest.raises(ServerStartError, match="no healthy server answered within"):
            start_server(state_dir, timeout_s=0.05)
    finally:
        os.kill(info.pid, signal.SIGCONT)


def test_stop_and_find_on_nothing_do_nothing(state_dir: Path) -> None:
    """Neither makes the directory."""
    assert stop_server(state_dir) is False
    assert find_server(state_dir) is None
    assert not state_dir.exists()


def test_two_state_dirs_are_two_servers(state_dir: Path, other_dir: Path) -> None:
    """Nothing is shared, the token least of all."""
    one, two = start_server(state_dir), start_server(other_dir)

    assert one.pid != two.pid
    assert one.url != two.url
    assert one.token != two.token
    stop_server(state_dir)
    assert find_server(other_dir) == two


def test_directory_with_quotes_and_spaces_is_fine(tmp_path: Path) -> None:
    """Paths are quoted in the server's configuration."""
    odd = tmp_path / 'a "quoted" $dir, ü'
    try:
        assert Path(start_server(odd).store) == odd / "js"
    finally:
        stop_server(odd)


def test_server_without_jetstream_is_not_passed_off_as_one_with_it(state_dir: Path) -> None:
    """A run needs streams; it must not find out later."""
    assert start_server(state_dir, jetstream=False).store == ""

    with pytest.raises(ServerStartError, match="without JetStream"):
        start_server(state_dir)


def test_unusable_state_dir_is_a_start_error_with_its_path(tmp_path: Path) -> None:
    """The operating system's reason is passed on."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ServerStartError, match=re.escape(str(tmp_path / "file"))):
        start_server(tmp_path / "file" / "state")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_place_is_a_start_error(tmp_path: Path) -> None:
    """No permission is said in these words."""
    tmp_path.chmod(0o500)

    with pytest.raises(ServerStartError, match="Permission denied"):
        start_server(tmp_path / "state")


def test_store_the_server_can_not_use_gives_its_own_last_words(state_dir: Path) -> None:
    """The server exits; its reason is in the error, and the lock is free again."""
    (state_dir / "js").mkdir(parents=True)
    (state_dir / "js" / "jetstream").write_text("not a directory")

    with pytest.raises(ServerStartError, match="not a directory"):
        start_server(state_dir)
    (state_dir / "js" / "jetstream").unlink()
    assert start_server(state_dir).store


def test_missing_binary_error_lists_where_it_looked(tmp_path: Path) -> None:
    """All three places are named."""
    with pytest.raises(ServerNotFoundError) as caught:
        find_binary(environ={"PATH": str(tmp_path)}, scripts_dir=tmp_path / "bin")

    assert "NATS_SERVER_BIN" in str(caught.value)
    assert str(tmp_path / "bin") in str(caught.value)
    assert f"PATH={tmp_path}" in str(caught.value)


def test_binary_setting_that_can_not_be_executed_is_an_error(tmp_path: Path) -> None:
    """A wrong setting is not silently passed over."""
    plain = tmp_path / "nats-server"
    plain.write_text("")

    with pytest.raises(ServerNotFoundError, match="not an executable file"):
        find_binary(environ={"NATS_SERVER_BIN": str(plain), "PATH": os.environ["PATH"]})


def test_binary_is_taken_from_the_setting_then_beside_python_then_path(tmp_path: Path) -> None:
    """The order of the three places."""
    real = find_binary()
    link = tmp_path / "nats-server"
    link.symlink_to(real)

    assert find_binary(environ={"NATS_SERVER_BIN": str(link)}) == link
    assert find_binary(environ={"PATH": "/nowhere"}, scripts_dir=tmp_path) == link
    assert find_binary(environ={"PATH": str(tmp_path)}, scripts_dir=Path("/nowhere")) == link


@pytest.mark.parametrize(
    ("free_bytes", "used_bytes", "limit_bytes"),
    [
        (2**40, 0, STORE_MAX_BYTES),
        (1024**3, 0, 1024**3 * 3 // 4),
        (0, 1024**3, 1024**3),
        (0, 0, STORE_MIN_BYTES),
    ],
)
def test_store_limit_leaves_room_on_the_disk(
    free_bytes: int, used_bytes: int, limit_bytes: int
) -> None:
    """A quarter of what is free stays free, and a full disk can still start."""
    assert store_limit_bytes(free_bytes, used_bytes) == limit_bytes
