"""Which recording answers which request: ids and folders may be new, words may not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ids import new_message_id
from team.agent.models.call import Request
from team.agent.models.cassette.volatile import Alignment, parts
from team.errors import ModelBusyError
from tests.support.builders import calls, says
from tests.support.cassettes import (
    M1,
    M2,
    M3,
    Scripted,
    asking,
    assistant,
    body_of,
    events,
    failed,
    on_the_wire,
    once,
    parsed,
    player,
    record,
    recorder,
    refused,
    replay,
    replied,
    streamed,
    user,
)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "ada.jsonl"


# --- what is new in each run -------------------------------------------------------------


def a_prompt(mail: str, folder: str) -> Request:
    """What a member is told, as the runtime words it, and one call it has made."""
    briefing = json.dumps({"previous": {"source": f"{folder}/a b/pool.md"}}, indent=1)
    done = calls("toolu_1", "read_source", source=f"{folder}/a b/pool.md")
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": f"Sent as {mail}."}
    return asking(
        f"```json\n{briefing}\n```",
        assistant(done),
        {"role": "user", "content": [result, says("api/pages (revision 4, bea): x")]},
    )


async def test_ids_and_folders_of_a_run_are_put_in_place_of_the_recorded(tape: Path) -> None:
    def blocks(mail: str, folder: str) -> list[dict[str, Any]]:
        return [
            says(f"I answer {mail}."),
            calls(
                "toolu_2",
                "submit_finding",
                in_reply_to=mail,
                relied_on=[{"area": "api", "revision": 4}],
                source=f"{folder}/a b/pool.md",
            ),
        ]

    then, now = (M1, "/home/ada/papers"), (M2, "/srv/x")
    for size in (1, 3, 1000):
        path = tape.with_name(f"size{size}.jsonl")
        await record(path, (a_prompt(*then), replied(*blocks(*then), size=size)))

        (reply,) = await replay(path, a_prompt(*now))

        assert msgspec.json.decode(reply.content) == blocks(*now)


async def test_an_error_is_told_in_the_names_of_this_run(tape: Path) -> None:
    said = recorder(Scripted(failed(529, f"no room for {M1}")), tape)
    await body_of(said, on_the_wire(asking(f"Mail {M1}.")))

    with pytest.raises(ModelBusyError, match=f"529 no room for {M2}"):
        await once(player(tape), asking(f"Mail {M2}."))


async def test_a_reply_that_was_cut_inside_a_value_is_left_as_it_came(tape: Path) -> None:
    """Nothing can be made of half a reply; what was whole before is this run's."""
    whole = b"".join(events([says(f"On {M1}."), calls("toolu_1", mail=M1)], 50))
    cut = whole[: whole.rindex(M1.encode()) + 7]
    said = recorder(Scripted(streamed(cut)), tape)
    await body_of(said, on_the_wire(asking(f"Mail {M1}.")))

    again = await body_of(player(tape), on_the_wire(asking(f"Mail {M2}.")))

    assert f"On {M2}.".encode() in again
    assert M1.encode() not in again
    assert again.endswith(cut[-40:])


async def test_what_one_value_stands_for_is_kept_for_later_calls(tape: Path) -> None:
    later = says(f"Once more on {M1}.")
    await record(
        tape,
        (asking(f"Mail {M1}."), replied(says("Read."))),
        (asking("What was it?"), replied(later, calls("toolu_1", mail=M1))),
    )

    _, reply = await replay(tape, asking(f"Mail {M2}."), asking("What was it?"))

    assert reply.text == f"Once more on {M2}."
    assert reply.calls[0].input == {"mail": M2}


async def test_a_value_can_stand_for_one_other_only(tape: Path) -> None:
    """Two mails may not become one, nor one two; not even where one of them is the same."""
    await record(tape, (asking(f"{M1} then {M1} then {M2}"), replied(says("Read."))))

    for ids in ((M3, M1, M2), (M1, M3, M2), (M3, M3, M3), (M1, M1, M1), (M2, M2, M2)):
        assert "messages[0].content[0].text" in await refused(
            tape, asking("{} then {} then {}".format(*ids))
        )
    (reply,) = await replay(tape, asking(f"{M2} then {M2} then {M1}"))
    assert reply.text == "Read."


async def test_a_contradiction_to_an_earlier_call_is_refused(tape: Path) -> None:
    await record(
        tape, (asking(f"Mail {M1}."), replied(says("1"))), (asking(f"{M1}?"), replied(says("2")))
    )

    reason = await refused(tape, asking(f"Mail {M2}."), asking(f"{M3}?"))

    assert f'recorded "{M1}?", asked "{M3}?"' in reason


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("2 turns are left", "3 turns are left"),
        ('"revision": 4', '"revision": 5'),
        ("(revision 4, bea)", "(revision 5, bea)"),
        ("L1| See revision 4 of the norm.", "L1| See revision 5 of the norm."),
        ('{"quote": "as revision 4 says"}', '{"quote": "as revision 5 says"}'),
        (
            f'<evidence source="a" locator="L1">sum {M1}</evidence>',
            f'<evidence source="a" locator="L1">sum {M2}</evidence>',
        ),
        ('source="/a/one.md"', 'source="/a/two.md"'),
        ("toolu_123", "toolu_124"),
        ("revision 4", "revision four"),
        (f"mail {M1}", f"mail {M1[:-1]}"),
        ("mail ", f"mail {M1}"),
        (f"mail {M1}", "mail "),
        (f"mail {M1}", "mail r1121-125700-ab12"),
    ],
)
async def test_nothing_else_may_differ(tape: Path, recorded: str, asked: str) -> None:
    await record(tape, (asking(recorded), replied(says("Read."))))

    assert "differs first at messages[0].content[0].text" in await refused(tape, asking(asked))


async def test_words_of_a_source_are_never_rewritten(tape: Path) -> None:
    """A quote that holds what looks like an id stays a quote, whatever mails are called."""
    quote = f"Sum {M1} of the norm."
    prompt = f"L1| {quote}\n"
    given_then = {"quote": quote, "mail": M1}
    await record(tape, (asking(f"{prompt}x {M1}"), replied(calls("t1", **given_then))))

    (reply,) = await replay(tape, asking(f"{prompt}x {M2}"))

    assert reply.calls[0].input == {"quote": quote, "mail": M2}


# --- what was not recorded ---------------------------------------------------------------


async def test_a_changed_word_is_refused_and_the_first_difference_named(tape: Path) -> None:
    long = "A sentence that both have. " * 9
    opening: list[dict[str, Any] | str] = [
        f"Mail {M1}.",
        assistant(says("Hm.")),
        f"{long}Count the pools. {long}",
    ]
    await record(
        tape,
        (asking("Something else."), replied(says("1"))),
        (asking(*opening[:1]), replied(says("2"))),
        (asking(*opening), replied(says("3"))),
    )
    changed: list[dict[str, Any] | str] = [
        f"Mail {M2}.",
        opening[1],
        f"{long}Count the tools. {long}",
    ]

    reason = await refused(tape, asking(*changed))

    same = "A sentence that both have. "
    assert reason == (
        f"400 invalid_request_error: cassette {tape} has no recording of this call; nearest is "
        "call 3, which differs first at messages[2].content[0].text: "
        f'recorded "…oth have. Count the pools. {same}A sentence that both hav…", '
        f'asked "…oth have. Count the tools. {same}A sentence that both hav…"; '
        "next is line 2, a model call"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "m2"}, 'model: recorded "m1", asked "m2"'),
        ({"system": "You are bea."}, 'system: recorded "You are ada.", asked "You are bea."'),
        ({"system": [says("x")]}, 'system: recorded "You are ada.", asked [{"type":"text"'),
        ({"max_tokens": 101}, "max_tokens: recorded 100, asked 101"),
        ({"tools": [{"name": "note"}]}, 'tools[0]: recorded nothing, asked {"name":"note"}'),
        ({"messages": [user("Hello.", "You.")]}, "messages[0].content[1]: recorded nothing"),
        ({"messages": [user("Hello."), assistant(says("a"))]}, "messages[1]: recorded nothing"),
    ],
)
async def test_whatever_differs_is_named(tape: Path, changes: dict[str, Any], said: str) -> None:
    await record(tape, (asking("Hello."), replied(says("Hi."))))

    assert f"nearest is call 1, which differs first at {said}" in await refused(
        tape, asking("Hello.", **changes)
    )


# --- any conversation, any ids -----------------------------------------------------------

_word = st.sampled_from(["a", "pool", "keeps", '"ten"', "\n", "L1", "revision", "é", "{}", "/x"])
_value = st.tuples(st.sampled_from(["id", "folder"]), st.integers(0, 3))
_text = st.lists(_word | _value, max_size=8)
_tree = st.recursive(
    _text | _value | st.integers() | st.booleans() | st.none() | st.floats(0, 9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "text"]), inner, max_size=3)
    ),
    max_leaves=6,
)


class Names:
    """What the values of one run are called."""

    def __init__(self, ids: Sequence[str], folder: str) -> None:
        self._ids, self._folder = ids, folder

    def write(self, tree: Any) -> Any:
        """A tree in the words of this run; a tuple is one value, a list of words a text."""
        match tree:
            case (str(), int()):
                return self._word(tree)
            case list() if all(isinstance(x, str | tuple) for x in tree):
                return " ".join(map(self._word, tree))
            case list():
                return [self.write(x) for x in tree]
            case dict():
                return {key: self.write(x) for key, x in tree.items()}
            case _:
                return tree

    def _word(self, word: Any) -> str:
        match word:
            case ("id", n):
                return str(self._ids[n])
            case ("folder", n):
                return f'"{self._folder}/{n}/pool.md"'
            case _:
                return str(word)

    def everything(self) -> str:
        """All values, as a briefing tells them: a model knows only what it was told."""
        told = [(kind, n) for kind in ("id", "folder") for n in range(4)]
        return " ".join(map(self._word, told))


def _names(folder: str) -> st.SearchStrategy[Names]:
    ids = st.lists(st.uuids().map(lambda u: u.hex), min_size=4, max_size=4, unique=True)
    return st.builds(Names, ids, st.just(folder))


@given(
    messages=st.lists(_tree, min_size=1, max_size=3),
    text=_text,
    called=st.dictionaries(st.sampled_from(["a", "b", "text"]), _tree, max_size=3),
    then=_names("/home/ada/my papers"),
    now=_names("/srv"),
    size=st.integers(1, 40),
)
def test_a_replay_says_what_was_said_in_the_names_of_its_own_run(
    tmp_path_factory: pytest.TempPathFactory,
    messages: list[Any],
    text: list[Any],
    called: dict[str, Any],
    then: Names,
    now: Names,
    size: int,
) -> None:
    path = tmp_path_factory.mktemp("tape") / "ada.jsonl"

    def request(names: Names) -> httpx2.Request:
        turns = [{"role": "user", "content": [{"x": names.write(tree)}]} for tree in messages]
        body = {"messages": [user(names.everything()), *turns]}
        return httpx2.Request("POST", "http://x/v1/messages", json=body)

    def blocks(names: Names) -> list[dict[str, Any]]:
        return [says(names.write(text)), calls("toolu_1", **names.write(called))]

    async def both() -> bytes:
        said = recorder(Scripted(replied(*blocks(then), size=size)), path)
        await body_of(said, request(then))
        return await body_of(player(path), request(now))

    assert parsed(asyncio.run(both())) == blocks(now)


@given(st.text())
def test_any_text_is_the_sum_of_its_parts(text: str) -> None:
    found = parts(text)

    assert "".join(part.text for part in found) == text
    assert all(text.startswith(part.text, part.at) for part in found)
    assert Alignment().take_text(text, text) is None


def test_ids_as_the_bus_makes_them_are_known_for_what_they_are() -> None:
    assert [part.kind for part in parts(f"Sent as {new_message_id()}.")] == ["", "id", ""]
