"""Messages to bytes and back: every type, every limit, and whatever else arrives."""

from __future__ import annotations

import contextlib
import json
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus import subjects
from bus.codec import MESSAGE_BYTES_MAX, Envelope, decode, encode
from bus.errors import DecodeError, MessageTooLargeError, UnknownMessageError
from bus.messages import (
    TYPES_OF_KIND,
    AnyMessage,
    Message,
    Note,
    RunOpened,
    TaskClaimed,
    TaskOpened,
    TokenCounts,
    UsageSpent,
    type_name,
)
from bus.subjects import NAMES_OF_KIND, Subject, build
from tests.support.builders import a_budget, a_contract, opens
from tests.support.strategies import MESSAGE_TYPES, structs

MAIL = subjects.mail("r1", "ada", "bob")
NOTE = Envelope(body=Note(text="hello"), id="m1")
KIND_OF = {one: kind for kind, types in TYPES_OF_KIND.items() for one in types}

messages = st.one_of([structs(one) for one in MESSAGE_TYPES])
kinds = st.sampled_from(sorted(NAMES_OF_KIND))


def a_subject(kind: str) -> Subject:
    return build("r1", kind, *["x" for _ in NAMES_OF_KIND[kind]], author="ada")


def on_the_wire(envelope: Envelope = NOTE, **changes: Any) -> dict[str, Any]:
    """The JSON object of an envelope, with some of it changed."""
    written: dict[str, Any] = json.loads(encode(subject_for(envelope.body), envelope))
    return written | changes


def subject_for(body: Message) -> Subject:
    return a_subject(KIND_OF[type(body)])


def test_every_message_stands_on_one_kind_and_every_kind_has_some() -> None:
    of_kinds = [one for types in TYPES_OF_KIND.values() for one in types]

    assert set(TYPES_OF_KIND) == set(NAMES_OF_KIND)
    assert len(of_kinds) == len(set(of_kinds))
    assert set(of_kinds) == set(typing.get_args(AnyMessage))
    assert len({type_name(one) for one in of_kinds}) == len(of_kinds)


@given(messages, st.integers(0, 9), st.floats(0, 1e10), st.none() | st.text())
def test_every_message_survives_the_way_to_bytes_and_back(
    body: AnyMessage, v: int, at: float, cause: str | None
) -> None:
    envelope = Envelope(body=body, v=v, at=at, cause=cause)

    assert decode(subject_for(body), encode(subject_for(body), envelope)) == envelope


@pytest.mark.parametrize("of", MESSAGE_TYPES, ids=type_name)
@settings(max_examples=10)
@given(data=st.data())
def test_no_message_type_is_left_out(of: type[Message], data: st.DataObject) -> None:
    """The search above picks types at random; this one has each of them."""
    body = typing.cast("AnyMessage", data.draw(structs(of)))
    written = encode(subject_for(body), Envelope(body=body))

    assert decode(subject_for(body), written).body == body
    assert json.loads(written)["body"]["type"] == type_name(of)


@given(messages)
def test_unknown_fields_are_ignored(body: AnyMessage) -> None:
    """A newer member may say more; versions mix within one run."""
    envelope = Envelope(body=body)
    written = on_the_wire(envelope, priority=[1, {"a": None}])
    written["body"]["x-new"] = {"deep": [[]]}

    assert decode(subject_for(body), msgspec.json.encode(written)) == envelope


def test_unknown_fields_are_ignored_in_the_parts_of_a_message_too() -> None:
    written = {
        "body": {
            "type": "task.opened",
            "title": "t",
            "role": "r",
            "contract": {
                "objective": "o",
                "output_format": "f",
                "sources": [],
                "tools": [],
                "boundaries": [],
                "colour": "red",
                "budget": {"turns_max": 1, "tokens_max": 1, "seconds_max": 1, "stars": 5},
            },
        }
    }

    body = decode(a_subject("task"), json.dumps(written).encode()).body

    assert isinstance(body, TaskOpened)
    assert body.contract.budget.turns_max == 1


def test_fields_with_defaults_may_be_missing() -> None:
    """The least that a program in another language has to write."""
    envelope = decode(MAIL, b'{"body":{"type":"mail.note","text":"hello"}}')

    assert envelope.body == NOTE.body
    assert (envelope.v, envelope.at, envelope.cause) == (0, 0.0, None)


@given(kinds, st.text(), st.dictionaries(st.text(max_size=5), st.integers(), max_size=2))
def test_unknown_type_is_told_from_broken_bytes(kind: str, name: str, more: dict[str, int]) -> None:
    """Who parks such a message can say: upgrade to read it."""
    written = {"body": more | {"type": f"new.{name}"}}

    with pytest.raises(UnknownMessageError, match="unknown type"):
        decode(a_subject(kind), json.dumps(written).encode())


@given(messages, kinds)
def test_message_on_a_subject_of_another_kind_is_refused(body: AnyMessage, kind: str) -> None:
    """Else a teammate could publish the lead's word where only its own may stand."""
    data = encode(subject_for(body), Envelope(body=body))
    if isinstance(body, TYPES_OF_KIND[kind]):
        assert decode(a_subject(kind), data).body == body
        return

    with pytest.raises(DecodeError, match="may not stand on") as refused:
        decode(a_subject(kind), data)

    assert not isinstance(refused.value, UnknownMessageError)
    assert str(a_subject(kind)) in str(refused.value)


@given(kinds, st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_a_decode_error(kind: str, data: bytes) -> None:
    """Nothing else is ever raised, so one bad message can't end a reader."""
    with contextlib.suppress(DecodeError):
        assert isinstance(decode(a_subject(kind), data), Envelope)


@given(messages, st.data())
def test_damaged_message_is_an_envelope_or_a_decode_error(
    body: AnyMessage, data: st.DataObject
) -> None:
    """Cut, or with some of its bytes replaced by others."""
    written = encode(subject_for(body), Envelope(body=body))
    at = data.draw(st.integers(0, len(written)))
    upto = data.draw(st.integers(at, len(written)))
    damaged = written[:at] + data.draw(st.binary(max_size=8)) + written[upto:]

    with contextlib.suppress(DecodeError):
        assert isinstance(decode(subject_for(body), damaged), Envelope)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no body"),
        pytest.param(b'{"body":{}}', id="no type"),
        pytest.param(b'{"body":{"type":7}}', id="a type that is no text"),
        pytest.param(b'{"body":{"type":"mail.note"}}', id="a field is missing"),
        pytest.param(b'{"body":{"type":"mail.note","text":7}}', id="a field of another type"),
        pytest.param(b'{"body":{"type":"mail.note","text":"\xff"}}', id="not UTF-8"),
        pytest.param(b'{"body":{"type":"mail.note","text":"\\ud800"}}', id="half a pair"),
        pytest.param(b'{"v":1e999,"body":{"type":"mail.note","text":""}}', id="too large a number"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
    ],
)
def test_what_is_no_message_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        decode(MAIL, data)

    assert not isinstance(refused.value, UnknownMessageError)


@pytest.mark.parametrize("field", ["input", "cache_read", "cache_write", "output"])
def test_usage_of_fewer_tokens_than_none_is_a_decode_error(field: str) -> None:
    body = UsageSpent(context="task:t1:1", turn=1, model="m", tokens=TokenCounts(**{field: -1}))

    with pytest.raises(DecodeError, match=">= 0"):
        decode(a_subject("usage"), encode(a_subject("usage"), Envelope(body=body)))


def test_usage_that_costs_less_than_nothing_is_a_decode_error() -> None:
    body = UsageSpent(context="task:t1:1", turn=1, model="m", tokens=TokenCounts(), cost_usd=-0.01)

    with pytest.raises(DecodeError, match=">= 0"):
        decode(a_subject("usage"), encode(a_subject("usage"), Envelope(body=body)))


@pytest.mark.parametrize(
    "field", ["turns_max", "tokens_max", "seconds_max", "tool_calls_max", "usd_max"]
)
def test_budget_below_nothing_is_a_decode_error(field: str) -> None:
    body = opens(contract=a_contract(budget=a_budget(**{field: -1})))

    with pytest.raises(DecodeError, match=">= 0"):
        decode(a_subject("task"), encode(a_subject("task"), Envelope(body=body)))


def test_opaque_part_that_is_no_text_is_a_decode_error() -> None:
    """The decoder skips what it does not read; a reader would fail on it far from here."""
    with pytest.raises(DecodeError, match="utf-8"):
        decode(
            subjects.spec("r1"), b'{"body":{"type":"run.opened","goal":"g","spec":{"a":"\xff"}}}'
        )


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize(
    "around",
    [
        '{"body":%s',
        '{"body":{"type":"mail.note","text":"t","more":%s',
        '{"more":%s',
        '{"body":{"type":"run.opened","goal":"g","spec":%s',
        "%s",
    ],
)
def test_deep_nesting_is_a_decode_error(around: str, opening: str) -> None:
    data = (around % (opening * (MESSAGE_BYTES_MAX // 8))).encode()

    with pytest.raises(DecodeError):
        decode(MAIL, data)


def test_closed_deep_nesting_is_a_decode_error_too() -> None:
    depth = MESSAGE_BYTES_MAX // 4
    nested = b"[" * depth + b"]" * depth

    with pytest.raises(DecodeError, match="recursion"):
        decode(MAIL, b'{"more":' + nested + b',"body":{"type":"mail.note","text":"t"}}')


def padded(size_bytes: int) -> Envelope:
    """An envelope that takes just so many bytes."""
    empty = len(encode(MAIL, msgspec.structs.replace(NOTE, body=Note(text=""))))
    return msgspec.structs.replace(NOTE, body=Note(text="x" * (size_bytes - empty)))


def test_message_at_the_limit_passes_both_ways() -> None:
    envelope = padded(MESSAGE_BYTES_MAX)

    data = encode(MAIL, envelope)

    assert len(data) == MESSAGE_BYTES_MAX
    assert decode(MAIL, data) == envelope


def test_message_over_the_limit_is_not_written() -> None:
    with pytest.raises(MessageTooLargeError, match="store the large part") as refused:
        encode(MAIL, padded(MESSAGE_BYTES_MAX + 1))

    assert refused.value.size_bytes == MESSAGE_BYTES_MAX + 1
    assert refused.value.limit_bytes == MESSAGE_BYTES_MAX


def test_message_over_the_limit_is_not_read() -> None:
    """Another program may write more than we would."""
    data = encode(MAIL, padded(MESSAGE_BYTES_MAX)) + b" "

    with pytest.raises(DecodeError, match=str(MESSAGE_BYTES_MAX)):
        decode(MAIL, data)


def test_lone_surrogate_is_written_as_a_question_mark() -> None:
    """A model or a file name may hold one; a turn must not fail for it, again and again."""
    body = Note(text="caf\udce9 é", in_reply_to="\ud83d", evidence=())

    read = decode(MAIL, encode(MAIL, Envelope(body=body, id="m1"))).body

    assert read == Note(text="caf? é", in_reply_to="?")


def test_opaque_parts_are_carried_byte_for_byte() -> None:
    spec = msgspec.Raw(b'{"b": 1.50,\n "a": "\\u00e9"}')

    body = decode(
        subjects.spec("r1"),
        encode(subjects.spec("r1"), Envelope(body=RunOpened(goal="g", spec=spec))),
    ).body

    assert isinstance(body, RunOpened)
    assert bytes(body.spec) == bytes(spec)


def test_writing_a_message_where_it_may_not_stand_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        encode(MAIL, Envelope(body=TaskClaimed()))
