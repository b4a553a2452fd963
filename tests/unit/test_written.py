"""What people write is read so that every mistake is found, each at its own place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from team.codes import RULES
from team.policy import ProjectPolicy
from team.spec import TeamSpec
from team.written import (
    Document,
    Keys,
    Problem,
    Spot,
    check_document,
    parse_document,
    positions,
    read_document,
)
from team.written.document import FILE_BYTES_MAX
from team.written.words import names, number
from tests.support.toml_texts import toml_texts, written_key


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    ratio: Annotated[float, msgspec.Meta(gt=0)] | None = None
    kind: Literal["near", "far"] = "near"
    names: tuple[Annotated[str, msgspec.Meta(pattern="^[a-z]+$")], ...] | None = None


class Whole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: str
    part: Part = Part()
    parts: dict[str, Part] = {}


def parsed(text: str) -> Document:
    document = parse_document(text, "x.toml")
    assert isinstance(document, Document), document
    return document


def found(text: str, kind: type[msgspec.Struct] = Whole) -> list[tuple[int | None, str, str]]:
    """Line, code and field of each problem."""
    problems = check_document(parsed(text), kind).problems
    return [(problem.line, problem.code, problem.field) for problem in problems]


def _paths(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    if keys:
        yield keys
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _paths(one, (*keys, name))
    if isinstance(value, list):
        for at, one in enumerate(value):
            yield from _paths(one, (*keys, at))


# --- where things stand ------------------------------------------------------------------


@given(toml_texts())
def test_every_key_and_element_has_a_place_at_which_it_is_written(text: str) -> None:
    spots = positions(text)
    lines = text.split("\n")

    assert set(spots) == set(_paths(tomllib.loads(text)))
    for keys, spot in spots.items():
        names = [key for key in keys if isinstance(key, str)]
        rest = lines[spot.line - 1][spot.column - 1 :]
        if isinstance(keys[-1], str):
            assert rest.startswith(written_key(names[-1]))


@pytest.mark.parametrize(
    ("text", "keys", "line", "column"),
    [
        ("a.b.c = 1", ("a", "b", "c"), 1, 5),
        ("[a.b]\nc = 1", ("a", "b"), 1, 4),
        ("[a.b]\n  c = 1", ("a", "b", "c"), 2, 3),
        ("a = { b = 1, c = { d = 2 } }", ("a", "c", "d"), 1, 20),
        ("a = [\n  1,\n  # two\n  2,\n]", ("a", 1), 4, 3),
        ("[x]\nn = 1\n[y]\nn = 2", ("y", "n"), 4, 1),
        ('"a b".c = 1', ("a b", "c"), 1, 7),
        ("[ 'a.b' . c ]\nd = 1", ("a.b", "c"), 1, 11),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", ("a", 1, "c", "d"), 6, 1),
        ('a = """\n[b]\nc = 1"""\nd = 2', ("d",), 4, 1),
        ("a = '''x''''\nb = 1", ("b",), 2, 1),
        ("d = 1979-05-27 07:32:00 # when\nb = 1", ("b",), 2, 1),
        ("é = 1".replace("é", '"é"') + "\nf = 1", ("f",), 2, 1),
    ],
)
def test_a_key_is_found_however_it_is_written(
    text: str, keys: Keys, line: int, column: int
) -> None:
    assert positions(text)[keys] == Spot(line=line, column=column)


def test_a_key_that_is_not_there_stands_at_what_is_around_it() -> None:
    document = parsed("[a]\nb = 1\n")

    assert document.spot(("a", "b", "x")) == Spot(line=2, column=1)
    assert document.spot(("a", "x")) == Spot(line=1, column=2)
    assert document.spot(("x",)) == Spot(line=1, column=1)


# --- what is wrong with it -----------------------------------------------------------------


def test_a_sound_document_has_its_value_and_no_problem() -> None:
    checked = check_document(parsed('title = "t"\nparts.a.names = ["x"]'), Whole)

    assert checked.value == Whole(title="t", parts={"a": Part(names=("x",))})
    assert not checked.problems


def test_every_problem_is_found_at_its_own_line() -> None:
    text = """\
titel = "t"
[part]
size = 12
ratio = "half"
kind = "nearby"
names = ["a", "B", 3,
         "c d"]
[parts.one]
size = 0
sice = 1
[parts]
two = 3
"""

    assert found(text) == [
        (1, "L103", "titel"),
        (1, "L106", "title"),
        (3, "L105", "part.size"),
        (4, "L104", "part.ratio"),
        (5, "L108", "part.kind"),
        (6, "L107", "part.names[1]"),
        (6, "L104", "part.names[2]"),
        (7, "L107", "part.names[3]"),
        (9, "L105", "parts.one.size"),
        (10, "L103", "parts.one.sice"),
        (12, "L104", "parts.two"),
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("part.size = 12", "give a value of that type, 1 to 9"),
        ("part.ratio = 0", "give a value of that type, more than 0"),
        ("part.kind = 'x'", "give a value of that type, one of 'far', 'near'"),
        ("part.sise = 1", "did you mean 'size'?"),
        ("part.zzzzz = 1", "known are: size, ratio, kind, names"),
        ("part.names = ['A']", "write 1 to 64 letters, digits, '_' or '-'"),
    ],
)
def test_a_problem_says_what_may_stand_there(text: str, advice: str) -> None:
    [problem] = check_document(parsed(f"title = 't'\n{text}"), Whole).problems

    assert problem.advice == advice
    assert problem.reason
    assert problem.code in RULES


def test_what_is_sound_is_kept_beside_what_is_wrong() -> None:
    """So that what does not fit together is found in the same pass."""
    text = "title = 't'\n[part]\nsize = 5\nkind = 1\nnames = ['a', 2]\n[parts]\na = 3\nb = {}"

    checked = check_document(parsed(text), Whole)

    assert checked.value == Whole(title="t", part=Part(size=5, names=("a",)), parts={"b": Part()})
    assert len(checked.problems) == 3


def test_without_a_field_that_has_no_default_there_is_no_value() -> None:
    for text in ("", "title = 3"):
        checked = check_document(parsed(text), Whole)

        assert checked.value is None
        assert checked.problems


@given(toml_texts(), st.sampled_from([TeamSpec, ProjectPolicy, Whole]))
def test_a_document_has_a_problem_exactly_if_its_type_refuses_it(
    text: str, kind: type[msgspec.Struct]
) -> None:
    document = parsed(text)
    checked = check_document(document, kind)
    try:
        value = msgspec.convert(document.data, kind)
    except msgspec.ValidationError:
        assert checked.problems
    else:
        assert not checked.problems
        assert checked.value == value


def test_numbers_and_names_are_written_as_people_write_them() -> None:
    assert [number(n) for n in (1_200, 2_592_000.0, 0.5, 1_200.5, 0)] == [
        "1,200",
        "2,592,000",
        "0.5",
        "1,200.5",
        "0",
    ]
    assert [names(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "`a`",
        "`a` and `b`",
        "`a`, `b` and `c`",
    ]


# --- files that can't be used ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb b\n", 2),
        ("a = 1\na = 2\n", 2),
        ("a = 1\n\nx = [\n", 3),
        ("x = " + "[" * 20_000, 1),
        (f"a = 1\nx = {'9' * 5_000}\n", 2),
    ],
    ids=["not TOML", "twice", "open", "deep", "long"],
)
def test_broken_toml_is_one_problem_with_its_line(text: str, line: int) -> None:
    problem = parse_document(text, "x.toml")

    assert isinstance(problem, Problem)
    assert (problem.code, problem.line) == ("L101", line)
    assert problem.reason.startswith("broken TOML: ")


@given(st.text())
def test_any_text_is_a_document_or_a_problem(text: str) -> None:
    read = parse_document(text, "x.toml")

    assert isinstance(read, Document) or read.code == "L101"


def test_a_file_that_can_not_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'a = "\xff"')
    (tmp_path / "large.toml").write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    (tmp_path / "dangling.toml").symlink_to(tmp_path / "nowhere")

    for name in ("latin.toml", "large.toml", "dangling.toml", "none.toml", "."):
        problem = read_document(tmp_path / name, "shown.toml")
        assert isinstance(problem, Problem)
        assert (problem.code, problem.path, problem.line) == ("L102", "shown.toml", None)


def test_a_file_says_what_its_text_says(tmp_path: Path) -> None:
    """Windows line ends are ends of lines like others."""
    (tmp_path / "a.toml").write_bytes(b"a = 1\r\n[b]\r\nc = 2\r\n")

    document = read_document(tmp_path / "a.toml")

    assert isinstance(document, Document)
    assert document.data == {"a": 1, "b": {"c": 2}}
    assert document.spots["b", "c"] == Spot(line=3, column=1)
