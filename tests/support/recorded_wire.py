"""Real interactions with the Messages API, recorded by other projects: shared/data/anthropic_wire.

The folder lies beside the repository where the project is built, and nowhere else; tests that
need it say so and are skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.support.documents import ROOT

SHARED: Final = Path(os.environ.get("PEERTEAM_SHARED_DATA") or ROOT.parent / "shared" / "data")
FOLDER: Final = SHARED / "anthropic_wire"
needs_recordings: Final = pytest.mark.skipif(
    not (FOLDER / "anthropic_wire.jsonl").is_file(),
    reason="there is no shared/data/anthropic_wire beside the repository",
)
_DELTAS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded request and its answer: raw events, or a JSON body."""

    cassette: str
    i: int
    path: str
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    sse: str | None = None
    body: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return f"{Path(self.cassette).stem}-{self.i}"

    @property
    def is_message(self) -> bool:
        """Whether it is a message that the API has answered with one."""
        return self.status == 200 and "count_tokens" not in self.path

    @property
    def message(self) -> dict[str, Any]:
        """The message, read here without the SDK."""
        return whole(read_events(self.sse)) if self.sse is not None else self.body or {}

    @property
    def events(self) -> list[bytes]:
        """The answer as events: as it was recorded, or as the API would have sent it."""
        return split(self.sse) if self.sse is not None else as_events(self.body or {})


@cache
def interactions() -> tuple[Interaction, ...]:
    """All of them; none where the folder is not there."""
    path = FOLDER / "anthropic_wire.jsonl"
    if not path.is_file():
        return ()
    with path.open("rb") as lines:
        return tuple(msgspec.json.decode(line, type=Interaction) for line in lines)


def messages() -> list[Interaction]:
    """Those that the API has answered with a message."""
    return [one for one in interactions() if one.is_message]


def streams() -> dict[str, list[bytes]]:
    """Every raw stream by name: the recorded ones, and the SDK's own fixtures."""
    found = {f"{n}-{one.name}": split(one.sse) for n, one in enumerate(messages()) if one.sse}
    for path in sorted((FOLDER / "sdk_sse_fixtures").glob("*")):
        found[path.name] = split(path.read_text())
    return found


# --- events ------------------------------------------------------------------------------


def split(sse: str) -> list[bytes]:
    """A raw stream cut into its events; each ends as events do."""
    text = sse.replace("\r\n", "\n")
    return [f"{part}\n\n".encode() for part in text.split("\n\n") if part.strip()]


def read_events(sse: str) -> Iterator[dict[str, Any]]:
    """The data of each event."""
    for part in split(sse):
        lines = (line for line in part.decode().splitlines() if line.startswith("data:"))
        yield json.loads("".join(line.removeprefix("data:") for line in lines))


def whole(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The message that events spell."""
    message: dict[str, Any] = {}
    inputs: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"] | {"content": []}
            case "content_block_start":
                message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                _add(message["content"][event["index"]], event, inputs)
            case "message_delta":
                said = {k: v for k, v in event["usage"].items() if v is not None}
                message["usage"] = message["usage"] | said
                message["stop_reason"] = event["delta"]["stop_reason"]
    for index, text in inputs.items():
        message["content"][index]["input"] = json.loads(text or "{}")
    return message


def _add(block: dict[str, Any], event: dict[str, Any], inputs: dict[int, str]) -> None:
    delta = event["delta"]
    field = _DELTAS.get(delta["type"])
    if field is not None:
        block[field] = (block.get(field) or "") + delta[field]
    elif delta["type"] == "input_json_delta":
        inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
    elif delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]


def as_events(body: dict[str, Any]) -> list[bytes]:
    """The events in which the API would have sent a body."""
    usage = body["usage"] | {"output_tokens": 1}
    start = body | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    found: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(body["content"]):
        found += _block_events(index, block)
    ended = {name: body.get(name) for name in ("stop_reason", "stop_sequence", "stop_details")}
    if body.get("container") is not None:
        ended["container"] = body["container"]
    found += [
        {"type": "message_delta", "delta": ended, "usage": body["usage"]},
        {"type": "message_stop"},
    ]
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in found]


def _block_events(index: int, block: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """A block; of text, thinking and tools the substance comes in deltas."""
    empty, deltas = dict(block), list[dict[str, Any]]()
    match block["type"]:
        case "text":
            empty |= {"text": ""}
            deltas = [{"type": "text_delta", "text": block["text"]}]
        case "thinking":
            empty |= {"thinking": "", "signature": ""}
            deltas = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            empty |= {"input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]
