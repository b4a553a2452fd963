"""Team specs: a typo is an error with file, line, field and fix, never a silent default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from team.errors import SpecError
from team.spec import BUILT_IN, MODEL_ALIASES, TeamSpec, find_spec, list_specs, load_spec
from tests.support.builders import a_resolved_spec, a_role


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str) -> tuple[str, SpecError]:
    """The error that a spec of this text gives, with the folder left out of its words."""
    path = written(folder, text)
    with pytest.raises(SpecError) as raised:
        load_spec(path)
    return str(raised.value).replace(f"{folder}/", ""), raised.value


def test_the_built_in_spec_loads_and_says_what_the_defaults_are() -> None:
    spec = load_spec(BUILT_IN / "research.toml")

    assert spec == TeamSpec(name="research", description=spec.description)


@pytest.mark.parametrize("path", sorted(BUILT_IN.glob("*.toml")), ids=lambda path: path.stem)
def test_every_built_in_spec_is_named_as_its_file(path: Path) -> None:
    assert load_spec(path).name == path.stem


def test_what_a_spec_leaves_out_has_the_default(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path, 'name = "mine"\n[policy]\nturns_max = 3\n'))

    assert (spec.policy.turns_max, spec.policy.rounds_max) == (3, 2)
    assert (spec.roles.worker, spec.gate.verifiers) == ("researcher", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'name = "a"\n[policy]\nturns_mx = 3\n',
            "mine.toml:3: policy.turns_mx: unknown field; did you mean 'turns_max'?",
        ),
        (
            'name = "a"\n\n[polcy]\nturns_max = 3\n',
            "mine.toml:3: polcy: unknown field; did you mean 'policy'?",
        ),
        (
            'name = "a"\n[models]\nmanager = "x"\n',
            "mine.toml:3: models.manager: unknown field; known are: lead, worker, verifier, cache",
        ),
        (
            'name = "a"\n[policy]\nturns_max = "many"\n',
            "mine.toml:3: policy.turns_max: Expected `int`, got `str`; give a value of that type",
        ),
        (
            'name = "a"\n[policy]\n# none\nturns_max = 0\n',
            "mine.toml:4: policy.turns_max: Expected `int` >= 1; give a value of that type",
        ),
        (
            'name = "a"\n[gate]\nverifiers = 9\n',
            "mine.toml:3: gate.verifiers: Expected `int` <= 5; give a value of that type",
        ),
        (
            'name = "a"\n[policy]\nseconds_max = inf\n',
            "mine.toml:3: policy.seconds_max: Expected `float` <= 2592000.0; "
            "give a value of that type",
        ),
        (
            "name = 3\n",
            "mine.toml:1: name: Expected `str`, got `int`; give a value of that type",
        ),
        (
            'name = "a"\npolicy = 3\n',
            "mine.toml:2: policy: Expected `object`, got `int`; give a value of that type",
        ),
        (
            'name = "a"\n[[policy]]\nturns_max = 1\n',
            "mine.toml:2: policy: Expected `object`, got `array`; give a value of that type",
        ),
        (
            'name = "a"\npolicy = { turns_max = "x" }\n',
            "mine.toml:2: policy.turns_max: Expected `int`, got `str`; give a value of that type",
        ),
        (
            'name = "a"\npolicy.turns_max = "x"\n',
            "mine.toml:2: policy.turns_max: Expected `int`, got `str`; give a value of that type",
        ),
        (
            "# the same name elsewhere\n"
            'name = "a"\n[models]\nlead = "x"\n[roles]\nworker = "y"\nlead = 3\n',
            "mine.toml:7: roles.lead: Expected `str`, got `int`; give a value of that type",
        ),
        (
            'description = "x"\n',
            "mine.toml:1: name: it is missing; add it at the top",
        ),
        ("", "mine.toml:1: name: it is missing; add it at the top"),
    ],
)
def test_a_spec_error_names_file_line_field_and_fix(tmp_path: Path, text: str, said: str) -> None:
    message, error = refused(tmp_path, text)

    assert message == said
    assert error.field


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name = "a"\nb b\n', 2),
        ('name = "a"\nname = "b"\n', 2),
        ('name = "a"\n\nx = [\n', 3),
        ('name = "a\n', 1),
    ],
)
def test_broken_toml_is_named_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    message, _ = refused(tmp_path, text)

    assert message.startswith(f"mine.toml:{line}: broken TOML: ")
    assert message.endswith("; mend it")


def test_a_spec_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b'name = "\xff"\n')

    for path in (tmp_path / "mine.toml", tmp_path / "none.toml"):
        with pytest.raises(SpecError, match=r"can't be read: .*; check the path"):
            load_spec(path)


def test_a_spec_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would be waited on for ever."""
    os.mkfifo(tmp_path / "pipe.toml")

    for path in (tmp_path, tmp_path / "pipe.toml"):
        with pytest.raises(SpecError, match="it is not a file"):
            load_spec(path)


# --- which file a name means ------------------------------------------------------------


def test_a_name_finds_the_built_in_spec(tmp_path: Path) -> None:
    assert find_spec("research", tmp_path) == BUILT_IN / "research.toml"


def test_a_spec_of_ones_own_wins_over_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "teams").mkdir()
    own = tmp_path / "teams" / "research.toml"
    own.write_text('name = "research"\n')

    assert find_spec("research", tmp_path) == own
    assert list_specs(tmp_path)["research"] == own


def test_a_path_means_that_file(tmp_path: Path) -> None:
    assert find_spec("x/y.toml", tmp_path) == tmp_path / "x/y.toml"
    assert find_spec("mine.toml", tmp_path) == tmp_path / "mine.toml"


@pytest.mark.parametrize(
    ("name", "hint"), [("reserch", "did you mean 'research'? "), ("zzz", "known are: ")]
)
def test_an_unknown_spec_is_told_which_there_are(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(SpecError) as raised:
        find_spec(name, tmp_path)

    said = str(raised.value)
    assert said.startswith(f"{name}: there is no such team spec; {hint}")
    assert "research" in said
    assert said.endswith("or give a path")


# --- which model answers ----------------------------------------------------------------


def test_the_model_of_a_seat_is_the_users_then_the_roles_then_the_teams() -> None:
    spec = a_resolved_spec()
    asking = spec.roles | {"researcher": a_role(model="haiku"), "skeptic": a_role(model="m-9")}
    changed = type(spec)(team=spec.team, roles=asking, provider="anthropic")
    chosen = type(spec)(team=spec.team, roles=asking, provider="anthropic", model="mine")

    assert spec.model_of("lead") == spec.team.models.lead
    assert spec.model_of("researcher") == spec.team.models.worker
    assert changed.model_of("researcher") == MODEL_ALIASES["haiku"]
    assert changed.model_of("skeptic") == "m-9"
    assert chosen.model_of("skeptic") == "mine"


def test_each_seat_is_filled_from_its_role_file() -> None:
    spec = a_resolved_spec()

    assert [spec.role_of_seat(seat).name for seat in ("lead", "worker", "verifier")] == [
        "lead",
        "researcher",
        "skeptic",
    ]
