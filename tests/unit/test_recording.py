"""A recording as a folder and as one file: what it holds, and when it can't be replayed."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import subjects
from bus.codec import Envelope
from bus.ids import LEAD, PERSON, SUPERVISOR
from bus.messages import (
    AnyMessage,
    MemberJoined,
    MemberLost,
    Note,
    ResultPublished,
    RunForked,
    RunOpened,
)
from bus.run_stream import Record
from bus.subjects import Subject
from team.agent.models.cassette.format import Met
from team.agent.models.cassette.lane import LaneFile
from team.agent.models.cassette.recording import (
    Kept,
    apart,
    kept_of,
    lane_path,
    new_manifest,
    outside,
    pack,
    read_recording,
    unpack,
    write_stream,
)
from team.errors import SpecError

RUN = "r1"


def _record(seq: int, subject: Subject, body: AnyMessage, message_id: str = "") -> Record:
    envelope = Envelope(body=body, id=message_id or f"{seq:032x}", at=float(seq))
    return Record(seq=seq, subject=subject, at=100.0 + seq, envelope=envelope)


def _story(*more: tuple[Subject, AnyMessage]) -> list[Record]:
    """A supervisor, then what is given, then a result of the lead."""
    joined = subjects.member(RUN, SUPERVISOR, SUPERVISOR), MemberJoined(pid=1, host="h")
    ended = subjects.result(RUN), ResultPublished(status="admitted", text="Ten.")
    whole: list[tuple[Subject, AnyMessage]] = [joined, *more, ended]
    return [_record(seq, subject, body) for seq, (subject, body) in enumerate(whole, start=1)]


def _mail(author: str, text: str = "Hello.") -> tuple[Subject, AnyMessage]:
    return subjects.mail(RUN, "ada", author), Note(text=text)


def _write(folder: Path, records: Sequence[Record], lead: Sequence[int] = ()) -> None:
    """A recording in which the lead has stored the result, and what else is said."""
    manifest = new_manifest(
        provider="rehearsal", run=RUN, goal="Why?", sources={"g/a.md": "0"}, settings={"mode": 1}
    )
    write_stream(folder, manifest, map(kept_of, records))
    lane = LaneFile(lane_path(folder, LEAD))
    for seq in (*lead, len(records)):
        lane.append(Met(kind="stored", seq=seq, at=1.0, count=1))


def test_what_people_said_is_known_from_what_members_said(tmp_path: Path) -> None:
    _write(tmp_path, _story(_mail(PERSON), _mail(LEAD), _mail(PERSON)), lead=[3])

    recording = read_recording(tmp_path)

    assert [kept.seq for kept in outside(recording)] == [2, 4]
    assert [kept.envelope.body for kept in outside(recording)] == [Note(text="Hello.")] * 2
    assert recording.manifest.goal == "Why?"
    assert [kept.at for kept in recording.kept] == [101.0, 102.0, 103.0, 104.0, 105.0]


def test_one_file_holds_what_the_folder_does(tmp_path: Path) -> None:
    _write(tmp_path / "folder", _story(_mail(PERSON)))
    pack(tmp_path / "folder", tmp_path / "file")

    unpack(tmp_path / "file", tmp_path / "again")

    assert read_recording(tmp_path / "again").kept == read_recording(tmp_path / "folder").kept
    assert outside(read_recording(tmp_path / "again"))[0].seq == 2


def test_a_file_writes_nowhere_but_into_its_folder(tmp_path: Path) -> None:
    _write(tmp_path / "folder", _story())
    pack(tmp_path / "folder", tmp_path / "file")
    with zipfile.ZipFile(tmp_path / "file", "a") as archive:
        archive.writestr("../outside.jsonl", "x")
        archive.writestr("members/../../outside.jsonl", "x")

    unpack(tmp_path / "file", tmp_path / "again")

    assert not list(tmp_path.rglob("outside.jsonl"))


def test_a_folder_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="it is a folder; name a file that --record has made"):
        unpack(tmp_path, tmp_path / "again")


def test_that_a_run_is_a_replay_is_no_difference(tmp_path: Path) -> None:
    """It says so of itself, so that no model goes on with it; the recorded one does not."""
    opened = RunOpened(goal="Why?", spec=msgspec.Raw(b"{}"))
    _write(tmp_path, _story((subjects.spec(RUN), opened)), lead=[2])
    replayed = msgspec.structs.replace(opened, replay=True)
    now = [kept_of(record) for record in _story((subjects.spec(RUN), replayed))]

    assert b'"replay":true' in bytes(now[1].message)
    assert apart(read_recording(tmp_path), RUN, now) is None


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "folder", _story(_mail(PERSON)))
    pack(tmp_path / "folder", tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()

    for size in range(0, len(whole), 97):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(SpecError, match="it is no whole recording"):
            unpack(tmp_path / "cut", tmp_path / f"cut{size}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((subjects.member(RUN, "ada", "ada"), MemberLost(reason="no key")), "member.lost"),
        (
            (subjects.member(RUN, "ada", "ada"), MemberJoined(pid=1, host="h", incarnation=2)),
            r"message 2 \(member.ada.ada\): a process was started again",
        ),
        (
            (subjects.member(RUN, SUPERVISOR, SUPERVISOR), MemberJoined(pid=2, host="h")),
            "a process was started again",
        ),
        ((subjects.spec(RUN), RunForked(origin="r0", at_seq=1)), "run.forked"),
        (_mail("ada"), r"no lane has message 2 \(mail.note on mail.ada.ada\)"),
    ],
)
def test_a_run_that_can_not_be_replayed_is_refused_with_the_message(
    tmp_path: Path, more: tuple[Subject, AnyMessage], said: str
) -> None:
    _write(tmp_path, _story(more))

    with pytest.raises(SpecError, match=said):
        read_recording(tmp_path)


def test_a_run_without_a_result_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, _story(_mail(PERSON))[:-1])

    with pytest.raises(SpecError, match="stopped after message 2, without a result"):
        read_recording(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:0], "line 1: the file is empty"),
        (lambda lines: lines[1:], "line 1: no line of a recording"),
        (lambda lines: [*lines[:-1], lines[-1][:-3]], "line 4: no line of a recording"),
        (lambda lines: [*lines[:2], lines[3]], "line 3: message 2 is missing, there is 3"),
        (
            lambda lines: [lines[0].replace(b'"format":3', b'"format":9'), *lines[1:]],
            "line 1: its format is 9, ours is 3",
        ),
    ],
)
def test_a_stream_that_is_not_whole_is_refused_with_its_line(
    tmp_path: Path, change: object, said: str
) -> None:
    _write(tmp_path, _story(_mail(PERSON)))
    path = tmp_path / "stream.jsonl"
    assert callable(change)
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())))

    with pytest.raises(SpecError, match=said):
        read_recording(tmp_path)


_bodies = st.lists(
    st.tuples(st.sampled_from(["ada", "bea"]), st.text(max_size=9), st.integers(0, 3)), max_size=6
)


def test_who_supervised_where_and_since_when_nobody_had_worked_may_differ(tmp_path: Path) -> None:
    subject = subjects.member(RUN, SUPERVISOR, SUPERVISOR)
    _write(tmp_path, _story())
    other = MemberJoined(pid=2, host="other", idle_since=50.0)
    now = [kept_of(_record(1, subject, other)), *map(kept_of, _story()[1:])]

    assert apart(read_recording(tmp_path), RUN, now) is None


def test_another_price_table_is_no_difference_by_itself(tmp_path: Path) -> None:
    """What calls have cost is compared; anything else of the spec is, too."""
    opened = RunOpened(goal="Why?", spec=msgspec.Raw(b'{"model":"m","price_table":"t 1"}'))
    _write(tmp_path, _story((subjects.spec(RUN), opened)), lead=[2])

    def differs(spec: bytes) -> bool:
        body = msgspec.structs.replace(opened, spec=msgspec.Raw(spec))
        now = [kept_of(record) for record in _story((subjects.spec(RUN), body))]
        return apart(read_recording(tmp_path), RUN, now) is not None

    assert not differs(b'{"model":"m","price_table":"t 2"}')
    assert not differs(b'{"model":"m"}')
    assert differs(b'{"model":"n","price_table":"t 1"}')


@given(said=_bodies, shift=st.integers(1, 9), at=st.integers(0, 5))
def test_only_times_and_ids_may_differ(
    tmp_path_factory: pytest.TempPathFactory,
    said: list[tuple[str, str, int]],
    shift: int,
    at: int,
) -> None:
    """With other ids the run is the same; with another word it is not, and that is found."""
    story = [_mail(PERSON, f"{text} {n + 0xA0000:032x}") for _, text, n in said]
    other = [_mail(PERSON, f"{text} {n + 0xA0000 + shift * 10:032x}") for _, text, n in said]
    folder = tmp_path_factory.mktemp("tape")
    _write(folder, _story(*story))
    recording = read_recording(folder)
    now = [_renamed(kept_of(record), shift) for record in _story(*other)]

    assert apart(recording, RUN, now) is None
    assert apart(recording, RUN, now[:-1]) is not None
    if said:
        at %= len(said)
        changed = [*now]
        changed[at + 1] = _renamed(kept_of(_record(at + 2, *_mail(PERSON, f"other {at}"))), shift)
        found = apart(recording, RUN, changed)
        assert found is not None
        assert found[0] == at + 2


def _renamed(kept: Kept, shift: int) -> Kept:
    """The same message later, with another id of its own."""
    envelope = msgspec.structs.replace(
        kept.envelope, id=f"{kept.seq + shift * 1000:032x}", at=kept.at + shift
    )
    return msgspec.structs.replace(
        kept, at=kept.at + shift, message=msgspec.Raw(msgspec.json.encode(envelope))
    )
