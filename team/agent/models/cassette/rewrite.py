"""A recorded body with this run's values in it, still streamed as it was recorded.

A value may be cut across deltas, so each content block is put together, rewritten as a
whole, and taken apart again. What holds no such value keeps its bytes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from team.agent.models.cassette.format import Call
from team.agent.models.cassette.volatile import Alignment

_FRAME = re.compile(rb".*?(?:\r?\n\r?\n|\Z)", re.DOTALL)
_DATA: Final = b"data:"
_STREAMED: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}
"""Deltas that are pieces of one text, and the field that holds the piece."""


def rewritten(call: Call, alignment: Alignment) -> tuple[bytes, ...]:
    """The body's pieces for this run; the recorded ones, byte for byte, if nothing changes."""
    if alignment.is_plain:
        return call.pieces
    body = b"".join(call.pieces)
    if "text/event-stream" not in call.headers.get("content-type", ""):
        whole = _json(body, alignment)
        return call.pieces if whole == body else (whole,)
    frames = [_Frame(raw) for raw in _FRAME.findall(body) if raw]
    _rewrite_blocks(frames, alignment)
    for frame in frames:
        frame.data = _rest_rewritten(frame.data, alignment)
    if not any(frame.is_changed for frame in frames):
        return call.pieces
    return tuple(frame.wire for frame in frames)


class _Frame:
    """One server-sent event; its data is absent where it is no whole JSON."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        lines = raw.splitlines()
        self._other = [line for line in lines if line and not line.startswith(_DATA)]
        text = b"\n".join(x.removeprefix(_DATA) for x in lines if x.startswith(_DATA))
        self._before = _decoded(text)
        self.data = self._before

    @property
    def is_changed(self) -> bool:
        return bool(self.data != self._before)

    @property
    def wire(self) -> bytes:
        """The event as it goes on the wire."""
        if not self.is_changed:
            return self._raw
        return b"\n".join([*self._other, _DATA + b" " + msgspec.json.encode(self.data), b"", b""])

    @property
    def piece(self) -> tuple[int, str, str] | None:
        """Block, field and text of a delta that is a piece of one text."""
        data = self.data
        if not isinstance(data, dict) or data.get("type") != "content_block_delta":
            return None
        field = _STREAMED.get(data["delta"].get("type"))
        return None if field is None else (data["index"], field, data["delta"][field])


def _rewrite_blocks(frames: Sequence[_Frame], alignment: Alignment) -> None:
    streams: defaultdict[tuple[int, str], list[tuple[_Frame, str]]] = defaultdict(list)
    for frame in frames:
        if frame.piece is not None:
            index, field, text = frame.piece
            streams[index, field].append((frame, text))
    for (_, field), pieces in streams.items():
        whole = "".join(text for _, text in pieces)
        new = _streamed(field, whole, alignment)
        if new == whole:
            continue
        sizes = [len(text) for _, text in pieces]
        for (frame, _), text in zip(pieces, _spread(new, sizes), strict=True):
            frame.data = frame.data | {"delta": frame.data["delta"] | {field: text}}


def _streamed(field: str, whole: str, alignment: Alignment) -> str:
    if field == "partial_json":
        return _json(whole.encode(), alignment).decode()
    return alignment.text(whole)


def _json(text: bytes, alignment: Alignment) -> bytes:
    """JSON with this run's values in it; as it is if nothing changes or it is not whole."""
    before = _decoded(text)
    after = alignment.json(before)
    return text if after == before else msgspec.json.encode(after)


def _spread(text: str, sizes: Sequence[int]) -> Iterator[str]:
    """Cut a text into pieces of these sizes; the last takes what is left."""
    at = 0
    for size in sizes[:-1]:
        yield text[at : at + size]
        at += size
    yield text[at:]


def _rest_rewritten(data: Any, alignment: Alignment) -> Any:
    """An event with this run's values in it; pieces of a text are done already."""
    if not isinstance(data, dict):
        return data
    delta = data.get("delta")
    if isinstance(delta, dict) and delta.get("type") in _STREAMED:
        return data
    return alignment.json(data)


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
