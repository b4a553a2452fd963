"""One cassette file: what its lines are, how they are written and read back.

Not for the network: the command reads cassettes to check them, without the SDK.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from bus.messages import AnyMessage
from team.errors import SpecError

FORMAT: Final = 3
PROVES: Final = (
    "A replay proves that the runtime does the same with the same replies; "
    "it says nothing of how good a model is."
)
REQUEST_FIELDS: Final = (
    "max_tokens",
    "messages",
    "model",
    "output_config",
    "system",
    "thinking",
    "tool_choice",
    "tools",
)
"""What of a request decides its reply, and is stored and compared; the rest is not."""

_HEADERS: Final = (
    "content-type",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
)
_HEADER_FAMILY: Final = "anthropic-ratelimit-"


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="header"):
    """The first line of a file.

    Attributes:
        format: Version of this format.
        anthropic: Version of the SDK that made the calls.
        peerteam: Version of this project.
        member: Whose calls these are.
        provider: Who answered them; empty if that is not known.
        is_first_party: Whether Anthropic itself was asked, which is sent more than stand-ins.
        proves: What a replay proves, for people.
    """

    format: int
    anthropic: str
    peerteam: str
    member: str
    provider: str = ""
    is_first_party: bool = True
    proves: str = PROVES


class Binary(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a body that is not UTF-8."""

    base64: bytes


CallEnd = Literal["whole", "silent", "cut", "garbled", "left", "unconnected", "unanswered"]
"""How an exchange ended: with its body; in silence; in an error of the network; in bytes that
can't be decompressed; left by its reader, who may have been cancelled; without a connection;
without a response."""


class Call(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="call"):
    """One finished exchange.

    Attributes:
        sha256: Hash of the request as it is stored here.
        request: What was asked: `REQUEST_FIELDS` of the JSON that was sent.
        status: The response's status; 0 if there was none.
        headers: Those of its headers that may be kept.
        chunks: Its body, in the pieces it came in.
        end: How it ended.
        error: What was said of that, where it failed.
    """

    sha256: str
    request: dict[str, Any]  # the Messages API's own shape
    status: int
    headers: dict[str, str]
    chunks: tuple[str | Binary, ...]
    end: CallEnd = "whole"
    error: str = ""

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """The body's pieces as bytes."""
        return tuple(c.encode() if isinstance(c, str) else c.base64 for c in self.chunks)


MetKind = Literal["inbox", "log", "head", "stored", "refused", "cancelled", "stopped"]
CUTS: Final[tuple[MetKind, ...]] = ("cancelled", "stopped")
"""What cuts a call or a tool short."""


class Met(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="met"):
    """One thing that a member met beside its calls.

    Attributes:
        kind: Up to where it had read (its inbox, the decisions log, the head of a key);
            that its write was stored or refused; that it was cut short.
        seq: The sequence read up to, or of the last message stored; of a refused write,
            the newest one there was.
        at: When, in seconds since 1970, by its clock.
        count: How many messages were stored next to each other.
    """

    kind: MetKind
    seq: int
    at: float
    count: int = 0


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a tool would send: its subject within the run, and itself."""

    subject: str
    body: AnyMessage


class Brought(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="brought"):
    """What a tool brought from outside the run; found by its call, wherever it stands.

    Attributes:
        context: The transcript in which it was called.
        call_id: The call.
        content: The text that went back to the model.
        is_error: Whether it failed.
        refusal: The code of the rule by which it was refused, if one did.
        sent: What it would send, each message with its subject within the run.
    """

    context: str
    call_id: str
    content: str
    is_error: bool = False
    refusal: str = ""
    sent: tuple[Sent, ...] = ()


Line = Header | Call | Met | Brought

_decoder: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)


def canonical(body: bytes) -> dict[str, Any] | None:
    """What of a request is stored and compared; nothing if it is no call of a model."""
    try:
        sent = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    if not isinstance(sent, dict) or not isinstance(sent.get("messages"), list):
        return None
    return {name: sent[name] for name in REQUEST_FIELDS if name in sent}


def new_header(member: str, provider: str, *, is_first_party: bool) -> Header:
    """The first line of a member's new file."""
    return Header(
        format=FORMAT,
        anthropic=version_of("anthropic"),
        peerteam=version_of("peerteam"),
        member=member,
        provider=provider,
        is_first_party=is_first_party,
    )


def new_call(
    request: dict[str, Any],
    status: int,
    headers: Mapping[str, str],
    pieces: Iterable[bytes],
    *,
    end: CallEnd,
    error: str,
) -> Call:
    """One exchange as it is stored: only headers that hold nothing secret."""
    return Call(
        sha256=hashlib.sha256(msgspec.json.encode(request, order="sorted")).hexdigest(),
        request=request,
        status=status,
        headers={k.lower(): v for k, v in headers.items() if _may_be_kept(k.lower())},
        chunks=tuple(map(_chunk, pieces)),
        end=end,
        error=error,
    )


def encode_line(line: Line, secrets: Iterable[str] = ()) -> bytes:
    """A line with its newline, keys sorted; secrets that it quotes are blacked out."""
    data = msgspec.json.encode(line, order="sorted")
    for secret in secrets:
        data = data.replace(secret.encode(), b"[redacted]")
    return data + b"\n"


def read_header(path: Path) -> Header:
    """The header of a file.

    Raises:
        SpecError: The file can't be read or does not begin with one.
    """
    for number, line in _lines(path):
        return _header(path, number, _decoded(path, number, line))
    raise _broken(path, 1, "the file is empty")


def read_lane(path: Path) -> tuple[Call | Met | Brought, ...]:
    """All that a file holds after its header, in order.

    Raises:
        SpecError: The file can't be read, or a line is broken; names file and line.
    """
    found: list[Call | Met | Brought] = []
    number = 0
    for number, line in _lines(path):
        decoded = _decoded(path, number, line)
        if number == 1:
            _header(path, number, decoded)
        elif isinstance(decoded, Header):
            raise _broken(path, number, "a second header")
        else:
            found.append(decoded)
    if not number:
        raise _broken(path, 1, "the file is empty")
    return tuple(found)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(file, start=1)
    except OSError as error:
        reason = f"it can't be read ({error.strerror})"
        raise SpecError(str(path), "", reason, "check the file") from error


def _decoded(path: Path, number: int, line: bytes) -> Line:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _broken(path, number, f"no line of a cassette: {error}") from error


def _header(path: Path, number: int, line: Line) -> Header:
    if not isinstance(line, Header):
        raise _broken(path, number, "a cassette begins with its header")
    if line.format != FORMAT:
        raise _broken(path, number, f"its format is {line.format}, ours is {FORMAT}")
    return line


def _broken(path: Path, number: int, reason: str) -> SpecError:
    return SpecError(str(path), f"line {number}", reason, "mend it or record again")


def _may_be_kept(name: str) -> bool:
    return name in _HEADERS or name.startswith(_HEADER_FAMILY)


def _chunk(piece: bytes) -> str | Binary:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return Binary(base64=piece)


def version_of(package: str) -> str:
    """The version of an installed package, if it is one."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
