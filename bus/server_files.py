"""The files of an embedded server's directory: lock, configuration, token, record.

Not for running the server: that is `bus.server`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from string import Template

import msgspec

STORE_MAX_BYTES = 4 * 1024**3
STORE_MIN_BYTES = 16 * 1024**2

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


class Home:
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

    def prepare(self) -> None:
        """Make the folders, for the owner's eyes only."""
        for folder in (self.root, self.run, self.logs, self.store):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    def clear_leftovers(self) -> None:
        """Remove what a killed server left, so that no pid or port here is a stranger's."""
        self.pid.unlink(missing_ok=True)
        for ports_file in self.run.glob("*.ports"):
            ports_file.unlink()

    def write_config(self, port: int, *, jetstream: bool) -> None:
        """Write what the server reads at its start."""
        used_bytes = sum(path.lstat().st_size for path in self.store.rglob("*"))
        free_bytes = shutil.disk_usage(self.store).free
        paths = {
            "run_dir": self.run,
            "pid_file": self.pid,
            "log_file": self.log,
            "store_dir": self.store,
        }
        config = _CONFIG.substitute(
            # Quoted as in JSON, which the server's configuration understands too.
            {key: msgspec.json.encode(str(path)).decode() for key, path in paths.items()},
            port=port,
            name=f"peerteam-{secrets.token_hex(4)}",
            token=self._keep_token(),
            jetstream=str(jetstream).lower(),
            store_bytes=store_limit_bytes(free_bytes, used_bytes),
        )
        _write_private(self.config, config.encode())

    def recorded(self) -> ServerInfo | None:
        """Return the last server that was live here; it may be long gone."""
        try:
            return msgspec.json.decode(self.record.read_bytes(), type=ServerInfo)
        except (OSError, msgspec.DecodeError):
            return None

    def keep_record(self, info: ServerInfo) -> None:
        """Write down which server is live here now."""
        if info != self.recorded():
            _write_private(self.record, msgspec.json.encode(info))

    def holder(self) -> int | None:
        """Return the pid the server wrote; it is true only while the lock is held."""
        try:
            return int(self.pid.read_text())
        except (OSError, ValueError):
            return None

    def try_lock(self) -> int | None:
        """Take the lock; None if somebody holds it."""
        lock = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if isinstance(error, BlockingIOError):
                return None
            raise
        return lock

    def is_free(self) -> bool:
        """Say whether no server holds the lock."""
        lock = self.try_lock()
        if lock is not None:
            os.close(lock)
        return lock is not None

    def last_words(self) -> str:
        """Return the last line of a server that exited."""
        for path in (self.start_log, self.log):
            with contextlib.suppress(FileNotFoundError):
                if lines := path.read_text(errors="replace").strip().splitlines():
                    return lines[-1]
        return "it exited without a word"

    def _keep_token(self) -> str:
        """Return this directory's token, made at its first start."""
        with contextlib.suppress(FileNotFoundError):
            if token := self.token.read_text():
                return token
        token = secrets.token_hex(32)
        _write_private(self.token, token.encode())
        return token


def store_limit_bytes(free_bytes: int, used_bytes: int) -> int:
    """Choose JetStream's file limit: 4 GiB, or what is used and 3/4 of what is free.

    A full store refuses writes with an error and heals by a purge; on a full disk
    even the purge fails, until a restart. So the limit must be met first.
    """
    wanted = min(STORE_MAX_BYTES, used_bytes + free_bytes * 3 // 4)
    return max(STORE_MIN_BYTES, wanted)


def _write_private(path: Path, content: bytes) -> None:
    """Put a file in place at once, mode 0600."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(draft).replace(path)
