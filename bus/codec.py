"""Messages to bytes and back: the envelope, the limits, what is unknown.

JSON, so that a program in any language can join. Whatever comes from the bus is
checked here, once; inside the house a message is what its type says.

Source: docs/protocol.md, "Envelope".
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from bus.errors import DecodeError, MessageTooLargeError, UnknownMessageError
from bus.ids import new_message_id
from bus.messages import TYPES_OF_KIND, AnyMessage, Message, type_name
from bus.subjects import Subject

Body = TypeVar("Body", bound=Message)

WIRE_VERSION: Final = 1
MESSAGE_BYTES_MAX: Final = 512 * 1024
"""Largest stored message: half the server's limit, which counts headers too."""

_ENVELOPE_BYTES: Final = 512
_TYPE_NAMES: Final = {type_name(t): kind for kind, types in TYPES_OF_KIND.items() for t in types}


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is written around every message.

    Attributes:
        id: Unique id; also the `Nats-Msg-Id`, so that a repeat is recognized.
        v: Version of the wire format that its author wrote; 0 if it does not say.
        at: When it was made, in seconds since 1970, by the author's clock.
        cause: Id of the message that led to this one.
        body: The message.
    """

    body: AnyMessage
    id: str = msgspec.field(default_factory=new_message_id)
    v: int = 0
    at: float = 0.0
    cause: str | None = None


class _Typed(msgspec.Struct):
    type: str


class _Opaque(msgspec.Struct):
    body: _Typed


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)
_probe = msgspec.json.Decoder(_Opaque)


def encode(subject: Subject, envelope: Envelope) -> bytes:
    """Turn an envelope into bytes; a lone surrogate in a text becomes `?`.

    Raises:
        MessageTooLargeError: Over `MESSAGE_BYTES_MAX`.
    """
    assert isinstance(envelope.body, TYPES_OF_KIND[subject.kind]), (subject, envelope.body)
    try:
        data = _encoder.encode(envelope)
    except UnicodeEncodeError:
        data = _encoder.encode(_mended(envelope))
    if len(data) > MESSAGE_BYTES_MAX:
        raise MessageTooLargeError(str(subject), len(data), MESSAGE_BYTES_MAX)
    return data


def body_size(body: AnyMessage) -> int:
    """About how many bytes a message takes on the wire, its envelope included."""
    return len(_encoder.encode(body)) + _ENVELOPE_BYTES


def as_stored(subject: Subject, body: Body) -> Body:
    """A message as whoever reads it gets it: what is no text is mended, for one.

    Raises:
        MessageTooLargeError: Over `MESSAGE_BYTES_MAX`.
    """
    assert isinstance(body, AnyMessage)
    stored = decode(subject, encode(subject, Envelope(body=body))).body
    assert isinstance(stored, type(body))
    return stored


def decode(subject: Subject, data: bytes) -> Envelope:
    """Turn bytes into an envelope whose message may stand on that subject.

    Raises:
        UnknownMessageError: A type that this version does not know.
        DecodeError: Anything else that is not a message of this protocol.
    """
    if len(data) > MESSAGE_BYTES_MAX:
        raise DecodeError(str(subject), f"{len(data)} bytes, over {MESSAGE_BYTES_MAX}")
    try:
        data.decode()  # what is opaque to the decoder must be text as well
        envelope = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _explain(subject, data, str(error)) from error
    if not isinstance(envelope.body, TYPES_OF_KIND[subject.kind]):
        raise DecodeError(
            str(subject), f"{type_name(envelope.body)!r} may not stand on {subject.kind!r}"
        )
    return envelope


def _mended(value: Any) -> Any:  # of any field's type
    """Write `?` for what is not text, half of a surrogate pair, wherever it stands."""
    if type(value) is str:
        return value.encode(errors="replace").decode()
    if isinstance(value, tuple):
        return tuple(map(_mended, value))
    if isinstance(value, msgspec.Struct):
        fields = {name: _mended(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    return value


def _explain(subject: Subject, data: bytes, reason: str) -> DecodeError:
    try:
        name = _probe.decode(data).body.type
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return DecodeError(str(subject), reason)
    if name not in _TYPE_NAMES:
        return UnknownMessageError(str(subject), f"unknown type {name!r}")
    return DecodeError(str(subject), reason)
