"""What tools bring from outside: kept by its hash, read back by whoever was given its name.

The text is stored beside the stream before anything else is said of it; that it is there is
said in the stream, with the turn whose tool has brought it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from bus import subjects
from bus.artifacts import get_artifact, put_artifact
from bus.errors import ArtifactError, InvalidNameError
from bus.messages import SnapshotKept
from bus.run_stream import Entry, RunStream
from team.sources import KeptText, Library, is_snapshot, snapshot_id, snapshot_name

TEXT_BYTES_MAX: Final = 4 * 1024 * 1024
"""What is kept of one text; what a tool brings beyond it is cut, and said to be."""
_CUT: Final = "(cut here: what came was larger than is kept)"

log = structlog.get_logger()


class Snapshots:
    """The texts from outside that one member has brought or was told of."""

    def __init__(self, me: str, stream: RunStream, library: Library | None) -> None:
        """Make the store.

        Args:
            me: The member's name.
            stream: The run's stream.
            library: Where texts are put so that tools and checks can read them.
        """
        self._me = me
        self._stream = stream
        self._library = library

    async def keep(
        self,
        text: str,
        *,
        tool: str,
        origin: str,
        context: str,
        title: str = "",
        raw: bytes | None = None,
        media_type: str = "text/plain",
    ) -> tuple[KeptText, Entry]:
        """Keep a text, and give the entry by which a turn says so.

        Args:
            text: What was brought, as it may be quoted.
            tool: The tool that brought it.
            origin: Where it is from.
            context: The transcript in which it was brought.
            title: What it calls itself.
            raw: The bytes that came, if these are something else.
            media_type: Of these bytes.

        Returns:
            The text under its name, and the entry to be committed with the turn.

        Raises:
            BusUnavailableError: No answer in time.
            ArtifactError: `raw` is larger than an artifact may be.
        """
        data = _within(text)
        lines = tuple(data.decode().split("\n"))
        connection, run = self._stream.connection, self._stream.run
        ref = await put_artifact(connection, run, data, name=title or origin)
        raw_ref = None if raw is None else await put_artifact(connection, run, raw, name=origin)
        kept = SnapshotKept(
            tool=tool,
            origin=origin,
            text=ref,
            raw=raw_ref,
            media_type=media_type,
            title=title,
            lines=len(lines),
            context=context,
        )
        shown = self._at_hand(kept, data)
        subject = subjects.snapshot(run, snapshot_id(shown.name), self._me)
        return shown, Entry(subject=subject, body=kept)

    async def keep_again(self, kept: SnapshotKept, text: bytes, raw: bytes | None) -> None:
        """Keep in a replay what the recorded run had kept.

        Raises:
            BusUnavailableError: No answer in time.
        """
        connection, run = self._stream.connection, self._stream.run
        await put_artifact(connection, run, text)
        if raw is not None:
            await put_artifact(connection, run, raw)
        self._at_hand(kept, text)

    async def load(self, sources: Iterable[str]) -> None:
        """Have those texts at hand that are among these sources; what is not there stays unknown.

        Raises:
            BusUnavailableError: No answer in time.
        """
        for name in dict.fromkeys(filter(is_snapshot, sources)):
            if self._library is None or self._library.has_kept(name):
                continue
            kept = await self._find(name)
            if kept is not None:
                await self._fetch(name, kept)

    async def _find(self, name: str) -> SnapshotKept | None:
        """What the stream says of a snapshot, whoever has brought it."""
        try:
            key = subjects.pattern(self._stream.run, "snapshot", snapshot_id(name))
        except InvalidNameError:
            return None
        head = await self._stream.head(key)
        body = head.body if head is not None else None
        return body if isinstance(body, SnapshotKept) else None

    async def _fetch(self, name: str, kept: SnapshotKept) -> None:
        try:
            data = await get_artifact(self._stream.connection, self._stream.run, kept.text)
        except ArtifactError as error:
            log.warning("snapshot.missing", snapshot=name, reason=str(error))
            return
        if snapshot_name(kept.text.sha256) == name:
            self._at_hand(kept, data)

    def _at_hand(self, kept: SnapshotKept, data: bytes) -> KeptText:
        text = KeptText(
            name=snapshot_name(kept.text.sha256),
            origin=kept.origin,
            title=kept.title,
            sha256=kept.text.sha256,
            lines=tuple(data.decode(errors="replace").split("\n")),
        )
        if self._library is not None:
            self._library.keep(text)
        return text


def _within(text: str) -> bytes:
    """A text as it is kept: whole lines of it, and as many bytes as there is room for."""
    data = "\n".join(text.splitlines()).encode(errors="replace")
    if len(data) <= TEXT_BYTES_MAX:
        return data
    return data[:TEXT_BYTES_MAX].decode(errors="ignore").encode() + f"\n{_CUT}".encode()
