"""A baseline file: what is written is read back, people's part stays, mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from team.errors import SpecError
from team.rules.baseline import new_baseline, read_baseline, renewed_baseline
from team.rules.shape import SHAPE_VERSION, Shape
from team.rules.shape_diff import (
    DEFAULT_BOUNDS,
    bound_of,
    default_bounds,
    differences,
    seen_in,
)
from team.rules.shape_fields import Value, fields_of, template_of
from tests.support.strategies import structs

DOC = Path(__file__).resolve().parents[2] / "docs" / "comparing-runs.md"
SOUND = """\
version = 1

[bounds]
turns = "20%"  # ours
"verdicts.quotes.refuted" = 0

[shape]
turns = [31, 33]
status = ["admitted"]
"""


def possible(shape: Shape) -> dict[str, Value]:
    """The fields of a shape from a property test, as a real one could have them."""
    return {
        name: value if isinstance(value, str) else abs(value)
        for name, value in fields_of(shape).items()
        if template_of(name) is not None
    }


@settings(max_examples=40)
@given(st.lists(structs(Shape), min_size=1, max_size=3))
def test_what_is_written_is_read_back(shapes: list[Shape]) -> None:
    fields = [possible(shape) for shape in shapes]

    baseline = read_baseline(new_baseline(["r1"], fields), "b.toml")

    assert baseline.seen == seen_in(fields)
    assert baseline.bounds == default_bounds()
    for each in fields:
        found = differences(baseline.seen, each, baseline.bounds)
        assert all(one.is_equal and not one.is_beyond for one in found)


def test_several_runs_give_least_and_most_and_every_text() -> None:
    runs: list[dict[str, Value]] = [
        {"turns": 33, "status": "admitted", "dollars": 0.5},
        {"turns": 31, "status": "partial", "dollars": "unknown", "tools.grep": 4},
    ]

    text = new_baseline(["r1", "r2"], runs)

    assert "# Of r1, r2:" in text
    assert "turns = [31, 33]" in text
    assert 'status = ["admitted", "partial"]' in text
    assert 'dollars = [0.5, "unknown"]' in text
    assert '"tools.grep" = [0, 4]' in text


def test_default_bounds_are_written_out_with_their_comments() -> None:
    text = new_baseline(["r1"], [{"turns": 1}])

    for name, (_, comment) in DEFAULT_BOUNDS.items():
        line = next(x for x in text.splitlines() if re.match(rf'"?{re.escape(name)}"? = ', x))
        assert line.endswith(comment)


def test_written_anew_the_bounds_stay_as_people_wrote_them() -> None:
    text = renewed_baseline(SOUND, "b.toml", ["r9"], [{"turns": 50}])

    kept, _, shape = text.partition("[shape]\n")
    assert kept == SOUND.partition("[shape]\n")[0]
    assert "# Of r9:" in shape
    assert "turns = [50]" in shape
    assert "status" not in shape
    assert renewed_baseline(text, "b.toml", ["r9"], [{"turns": 50}]) == text


def test_bounds_below_the_shape_are_not_overwritten() -> None:
    """What would be lost is refused."""
    head, bounds, shape = re.split(r"(?=\[bounds\]|\[shape\])", SOUND)

    with pytest.raises(SpecError, match=r"it is not the last table; put \[shape\] at the end"):
        renewed_baseline(head + shape + bounds, "b.toml", ["r9"], [{"turns": 50}])


def test_bounds_may_be_written_as_tables_too() -> None:
    text = SOUND.replace('"verdicts.quotes.refuted" = 0', "verdicts.quotes.refuted = 0")
    text = text.replace("[shape]", "[bounds.tokens]\ninput = 5\n\n[shape]")

    baseline = read_baseline(text, "b.toml")

    names = [bound.name for bound in baseline.bounds]
    assert names == ["turns", "verdicts.quotes.refuted", "tokens.input"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1\n", "", "b.toml:1: version: it is missing; write a new file"),
        ("version = 1", "version = 2", "b.toml:1: version: it is 2, this version of peerteam"),
        ("version = 1", "version = true", "b.toml:1: version: it is True"),
        ("version = 1", "version = 1\nruns = 3", "b.toml:2: runs: unknown field; known are"),
        ("[bounds]", "[bonds]", "b.toml:3: bonds: unknown field"),
        ("[shape]", "[shapes]", "b.toml:7: shapes: unknown field"),
        ("turns = [31, 33]\n", 'turns = [31, "x"]\n', "b.toml:8: shape.turns: [31, 'x'] is not a"),
        ("turns = [31, 33]\n", "turns = []\n", "b.toml:8: shape.turns: [] is not a list of num"),
        ("turns = [31, 33]\n", "turns = [true]\n", "b.toml:8: shape.turns: [True] is not a"),
        ("turns = [31, 33]\n", "turns = 31\n", "b.toml:8: shape.turns: 31 is not a list of"),
        ("[31, 33]\n", "[31, 33]\nturms = [3]\n", "b.toml:9: shape.turms: unknown field; did you"),
        ('"admitted"', "3", "b.toml:9: shape.status: [3] is not a list of texts"),
        ('"20%"', '"20 %"', "b.toml:4: bounds.turns: '20 %' is no bound; write 3, '20%'"),
        ('"20%"', "-3", "b.toml:4: bounds.turns: -3 is no bound"),
        ('"20%"', "[3]", "b.toml:4: bounds.turns: [3] is no bound"),
        (
            'turns = "20%"',
            "turn = 1",
            "b.toml:4: bounds.turn: unknown field; did you mean 'turns'?",
        ),
        ("quotes.refuted", "quotes.refused", "b.toml:5: bounds.verdicts.quotes.refused: unknown"),
        ('turns = "20%"', "zzzz = 1", "b.toml:4: bounds.zzzz: unknown field; see docs/comparing"),
        ('turns = "20%"', "turns.x = 1", "b.toml:4: bounds.turns.x: unknown field"),
        ("[31, 33]", "[-1]", "b.toml:8: shape.turns: [-1] is not a list of numbers from 0 on"),
        ("[31, 33]", "[nan]", "b.toml:8: shape.turns: [nan] is not a list of numbers"),
        ("[31, 33]", "[inf]", "b.toml:8: shape.turns: [inf] is not a list of numbers"),
        ("[31, 33]", '["unknown"]', "b.toml:8: shape.turns: ['unknown'] is not a list of num"),
        ("turns = [31, 33]", 'dollars = ["dear"]', "b.toml:8: shape.dollars: ['dear'] is not"),
        ("[bounds]", "[bounds", "b.toml: broken TOML"),
        ("[31, 33]", "[" + "3" * 5_000 + "]", "b.toml: broken TOML"),
        (
            '"verdicts.quotes.refuted" = 0',
            "tokens.input = 1\n'tokens.input' = 2",
            "b.toml:5: bounds.tokens.input: it stands here twice; keep one",
        ),
    ],
)
def test_a_mistake_is_named_with_line_field_and_fix(old: str, new: str, said: str) -> None:
    assert old in SOUND

    with pytest.raises(SpecError) as caught:
        read_baseline(SOUND.replace(old, new), "b.toml")

    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 1\n", "b.toml: bounds: it is missing; write [bounds]"),
        ("version = 1\nbounds = 3\n", "b.toml:2: bounds: it is no table"),
        ("version = 1\n[bounds]\n", "b.toml: shape: it is missing; write [shape]"),
        ("version = 1\n[bounds]\n[shape]\n", "b.toml: shape: it is empty; write a new file"),
    ],
)
def test_a_part_that_is_missing_is_named(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_baseline(text, "b.toml")

    assert str(caught.value).startswith(said)


def test_the_file_in_the_document_is_sound() -> None:
    [text] = re.findall(r"(?ms)^```toml\n(.*?)^```", DOC.read_text())

    baseline = read_baseline(text, "b.toml")

    assert f"version = {SHAPE_VERSION}" in text
    for bound in baseline.bounds:
        default = bound_of(bound.name, default_bounds())
        assert default is not None
        assert bound.text == default.text
