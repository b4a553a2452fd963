"""Large things by reference: bytes in chunks beside the stream, named by their hash.

A message carries an `ArtifactRef`; whoever needs the bytes gets them here, and
they are what the hash says or an error. Storing the same bytes twice is free.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Iterable
from typing import Any, Final, TypeVar

from bus import subjects
from bus.connection import Connection, check_reply
from bus.errors import ArtifactError, RefusedError
from bus.messages import ArtifactRef
from bus.streams import create_stream, leaders_copy

CHUNK_BYTES: Final = 256 * 1024
ARTIFACT_BYTES_MAX: Final = 256 * 1024 * 1024
_TOGETHER: Final = 16
_STORED_ALREADY: Final = 10077

T = TypeVar("T")


async def create_artifacts(connection: Connection, run: str, *, replicas: int = 1) -> None:
    """Make the place where a run's artifacts are kept; harmless if it is there.

    Raises:
        TooFewNodesError: There is no place for so many copies.
    """
    await create_stream(connection, artifact_config(run, replicas))


def artifact_config(run: str, replicas: int) -> dict[str, Any]:
    """How the stream is set up that keeps a run's artifacts."""
    return {
        "name": subjects.artifact_stream_name(run),
        "subjects": [subjects.artifacts(run)],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "discard_new_per_subject": True,
        "max_msgs_per_subject": 1,
        "max_msg_size": CHUNK_BYTES + 4096,
        "num_replicas": replicas,
        "allow_direct": True,
        "deny_delete": True,
        "deny_purge": True,
    }


async def put_artifact(
    connection: Connection, run: str, data: bytes, *, name: str = ""
) -> ArtifactRef:
    """Store bytes and return their reference.

    Raises:
        ArtifactError: More than `ARTIFACT_BYTES_MAX`.
        BusUnavailableError: No answer in time; retry.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    if len(data) > ARTIFACT_BYTES_MAX:
        raise ArtifactError(sha256, f"{len(data)} bytes, the limit is {ARTIFACT_BYTES_MAX}")
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)] or [b""]
    gate = asyncio.Semaphore(_TOGETHER)

    async def put(number: int, chunk: bytes) -> None:
        async with gate:
            await _put_chunk(connection, subjects.artifact_chunk(run, sha256, number), chunk)

    await all_of(put(number, chunk) for number, chunk in enumerate(chunks))
    return ArtifactRef(sha256=sha256, size_bytes=len(data), name=name)


async def get_artifact(connection: Connection, run: str, ref: ArtifactRef) -> bytes:
    """Return the bytes of a reference.

    Raises:
        ArtifactError: A chunk is missing, or the bytes are not what was stored.
        BusUnavailableError: No answer in time; retry.
    """
    if ref.size_bytes > ARTIFACT_BYTES_MAX:
        reason = f"it is said to have {ref.size_bytes} bytes, the limit is {ARTIFACT_BYTES_MAX}"
        raise ArtifactError(ref.sha256, reason)
    count = max(1, -(-ref.size_bytes // CHUNK_BYTES))
    gate = asyncio.Semaphore(_TOGETHER)

    async def get(number: int) -> bytes:
        async with gate:
            return await _get_chunk(connection, run, ref.sha256, number)

    data = b"".join(await all_of(get(number) for number in range(count)))
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise ArtifactError(ref.sha256, f"{len(data)} bytes were found that have another hash")
    return data


async def all_of(acts: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all at once, and raise what the first that failed raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(act) for act in acts]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def _put_chunk(connection: Connection, subject: str, chunk: bytes) -> None:
    async def attempt() -> None:
        check_reply((await connection.ask(subject, chunk)).data)

    try:
        await connection.retry(attempt)
    except RefusedError as error:
        if error.code != _STORED_ALREADY:
            raise


async def _get_chunk(connection: Connection, run: str, sha256: str, number: int) -> bytes:
    stream = subjects.artifact_stream_name(run)
    subject = subjects.artifact_chunk(run, sha256, number)
    answer = await connection.retry(
        lambda: connection.ask(f"$JS.API.DIRECT.GET.{stream}.{subject}")
    )
    if (answer.headers or {}).get("Status") is None:
        return answer.data
    found = await leaders_copy(connection, stream, subject) if connection.cluster else None
    if found is None:
        raise ArtifactError(sha256, f"chunk {number} is not there")
    return found.data
