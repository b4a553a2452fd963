"""Large things by reference: what comes back is what the hash says, or an error."""

from __future__ import annotations

import asyncio
import hashlib
import os

import msgspec
import pytest

from bus import subjects
from bus.artifacts import (
    ARTIFACT_BYTES_MAX,
    CHUNK_BYTES,
    create_artifacts,
    get_artifact,
    put_artifact,
)
from bus.connection import Connection
from bus.errors import ArtifactError, InvalidNameError
from bus.ids import new_run_id
from bus.messages import ArtifactRef


@pytest.fixture
async def run(connection: Connection) -> str:
    """A new run that has a place for artifacts."""
    run = new_run_id()
    await create_artifacts(connection, run)
    return run


def a_ref(data: bytes) -> ArtifactRef:
    return ArtifactRef(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


async def store_chunk(
    connection: Connection, run: str, ref: ArtifactRef, number: int, data: bytes
) -> None:
    """Put a chunk where it belongs, or whatever else there."""
    await connection.ask(subjects.artifact_chunk(run, ref.sha256, number), data)


@pytest.mark.parametrize(
    "size_bytes",
    [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 33 * CHUNK_BYTES // 10, 40 * CHUNK_BYTES],
)
async def test_bytes_come_back_as_they_were_stored(
    connection: Connection, run: str, size_bytes: int
) -> None:
    """From nothing to more chunks than are on their way at once."""
    data = os.urandom(size_bytes)

    ref = await put_artifact(connection, run, data, name="some bytes")

    assert ref == msgspec.structs.replace(a_ref(data), name="some bytes")
    assert await get_artifact(connection, run, ref) == data


async def test_same_bytes_may_be_stored_twice_even_at_once(
    connection: Connection, run: str
) -> None:
    """A member that died after half of it, and its next process, end with one copy."""
    data = os.urandom(3 * CHUNK_BYTES)

    refs = await asyncio.gather(*(put_artifact(connection, run, data) for _ in range(3)))
    again = await put_artifact(connection, run, data)

    assert {*refs, again} == {a_ref(data)}
    assert await get_artifact(connection, run, again) == data


async def test_half_stored_artifact_is_completed(connection: Connection, run: str) -> None:
    data = os.urandom(2 * CHUNK_BYTES)
    await store_chunk(connection, run, a_ref(data), 1, data[CHUNK_BYTES:])

    ref = await put_artifact(connection, run, data)

    assert await get_artifact(connection, run, ref) == data


async def test_place_may_be_made_twice(connection: Connection, run: str) -> None:
    ref = await put_artifact(connection, run, b"kept")

    await create_artifacts(connection, run)

    assert await get_artifact(connection, run, ref) == b"kept"


async def test_artifact_that_was_never_stored_is_missing(connection: Connection, run: str) -> None:
    with pytest.raises(ArtifactError, match="chunk 0 is not there") as missing:
        await get_artifact(connection, run, a_ref(b"never"))

    assert missing.value.sha256 == a_ref(b"never").sha256


async def test_artifact_of_another_run_is_missing(connection: Connection, run: str) -> None:
    other = new_run_id()
    await create_artifacts(connection, other)
    ref = await put_artifact(connection, other, b"elsewhere")

    with pytest.raises(ArtifactError, match="not there"):
        await get_artifact(connection, run, ref)


@pytest.mark.parametrize("missing", [0, 1, 2])
async def test_artifact_without_one_of_its_chunks_is_an_error(
    connection: Connection, run: str, missing: int
) -> None:
    data = os.urandom(3 * CHUNK_BYTES)
    for number in {0, 1, 2} - {missing}:
        chunk = data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
        await store_chunk(connection, run, a_ref(data), number, chunk)

    with pytest.raises(ArtifactError, match=f"chunk {missing} is not there"):
        await get_artifact(connection, run, a_ref(data))


@pytest.mark.parametrize("wrong", [b"", b"others", b"tampered with"])
async def test_bytes_that_have_another_hash_are_an_error(
    connection: Connection, run: str, wrong: bytes
) -> None:
    """Whoever wrote them; a chunk that is there is never replaced."""
    data = b"the bytes"
    await store_chunk(connection, run, a_ref(data), 0, wrong)
    ref = await put_artifact(connection, run, data)

    with pytest.raises(ArtifactError, match="another hash"):
        await get_artifact(connection, run, ref)


async def test_size_that_is_wrong_is_an_error(connection: Connection, run: str) -> None:
    ref = await put_artifact(connection, run, os.urandom(2 * CHUNK_BYTES))

    with pytest.raises(ArtifactError, match="another hash"):
        await get_artifact(connection, run, msgspec.structs.replace(ref, size_bytes=1))
    with pytest.raises(ArtifactError, match="chunk 2 is not there"):
        await get_artifact(
            connection, run, msgspec.structs.replace(ref, size_bytes=3 * CHUNK_BYTES)
        )


async def test_more_bytes_than_allowed_are_neither_stored_nor_fetched(
    connection: Connection, run: str
) -> None:
    """A reference comes from another member: its size may be anything."""
    with pytest.raises(ArtifactError, match=str(ARTIFACT_BYTES_MAX)):
        await put_artifact(connection, run, bytes(ARTIFACT_BYTES_MAX + 1))
    with pytest.raises(ArtifactError, match=str(ARTIFACT_BYTES_MAX)):
        await get_artifact(connection, run, ArtifactRef(sha256="0" * 64, size_bytes=2**62))


async def test_hash_that_is_no_token_is_refused(connection: Connection, run: str) -> None:
    """Else a reference could point at any subject."""
    with pytest.raises(InvalidNameError):
        await get_artifact(connection, run, ArtifactRef(sha256="a.>", size_bytes=1))
