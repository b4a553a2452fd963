"""The documents say what the code says: tables, limits, commands and tests that they name."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus import subjects
from bus.codec import Envelope, decode
from bus.connection import SERVER_VERSION_NEEDED
from bus.messages import TYPES_OF_KIND, type_name
from team.agent.models.rehearsal.faults import FAULTS
from team.cli import exit_codes
from team.cli.main import main
from team.cli.parser import build_parser
from team.policy import Approvals, DecisionRules, GateRules, Liveness, Policy, TriageRules
from team.rules.gate import CHECKS
from team.rules.steps import AnyStep
from team.spec import Models, RoleNames, SeatServers, TeamSpec
from team.state.board import MOVES
from team.state.decision import DECISION_MOVES
from team.views.run_object import RunObject
from tests.support.documents import DOCS, ROOT, blocks, plain, rows, section

PROTOCOL, CLI, TEAM = DOCS / "protocol.md", DOCS / "cli.md", DOCS / "writing-a-team.md"
RUN_GOES, REHEARSAL = DOCS / "how-a-run-goes.md", DOCS / "rehearsal.md"
RELIABILITY = DOCS / "reliability.md"
OURS = [
    *sorted(DOCS.rglob("*.md")),
    ROOT / "README.md",
    ROOT / "examples" / "README.md",
]


# ------------------------------------------------------------------ protocol


def test_every_message_type_is_in_the_protocol_with_its_fields() -> None:
    wanted = [
        (kind, f"`{type_name(of)}`", _fields(of), (of.__doc__ or "").strip().splitlines()[0])
        for kind, types in TYPES_OF_KIND.items()
        for of in types
    ]

    said = rows(PROTOCOL, "kind", "type", "fields", "says")

    assert said == wanted, "\n".join(f"| {' | '.join(row)} |" for row in wanted)


def _fields(of: type[msgspec.Struct]) -> str:
    fields = msgspec.structs.fields(of)
    return ", ".join(f"`{f.encode_name}{'' if f.required else '?'}`" for f in fields) or "none"


def test_every_kind_of_subject_is_in_the_protocol_with_its_key() -> None:
    said = {
        row[0]: row[1:3] for row in rows(PROTOCOL, "kind", "subject", "key", "who writes", "what")
    }

    assert list(said) == list(subjects.NAMES_OF_KIND)
    for kind, names in subjects.NAMES_OF_KIND.items():
        subject = subjects.build("R", kind, *(f"N{n}" for n in range(len(names))), author="A")
        assert tuple(_filled(cell, names, str(subject)) for cell in said[kind]) == (
            str(subject),
            subject.key,
        )


def _filled(cell: str, names: tuple[str, ...], whole: str) -> str:
    text = plain(cell).replace("<run>", "R").replace("<author>", "A")
    for number, name in enumerate(names):
        text = text.replace(f"<{name}>", f"N{number}")
    return whole if text == "the subject itself" else text


def test_the_task_states_are_those_of_the_board() -> None:
    said = rows(PROTOCOL, "state", "input", "next state")

    wanted = [
        (state.value if state else "none", move, after.value)
        for (state, move), after in MOVES.items()
    ]
    assert said == wanted


def test_the_life_of_a_decision_is_that_of_the_fold() -> None:
    said = rows(PROTOCOL, "a revision that is", "on", "becomes")

    assert said == [(s.value, move, t.value) for (s, move), t in DECISION_MOVES.items()]


def test_every_field_of_the_envelope_is_in_the_protocol() -> None:
    said = {plain(row[0]) for row in rows(PROTOCOL, "field", "means", "if absent")}

    assert said == set(Envelope.__struct_fields__)


def test_example_messages_can_be_read() -> None:
    text = PROTOCOL.read_text()
    found = re.findall(r"(?ms)On `(run\.[^`]+)`:\n\n```json\n(.*?)^```", text)

    assert found
    for subject, data in found:
        envelope = decode(subjects.parse(subject), data.encode())
        assert envelope.id == json.loads(data)["id"]


def test_the_limits_in_the_protocol_are_those_of_the_code() -> None:
    said = {
        plain(row[0]): float(row[1].replace(",", ""))
        for row in rows(PROTOCOL, "limit", "value", "counted in", "held by")
    }

    assert said == {name: float(_value_of(name)) for name in said}
    assert f"nats-server {'.'.join(map(str, SERVER_VERSION_NEEDED))} or later" in (
        PROTOCOL.read_text()
    )


def _value_of(dotted: str) -> Any:  # whatever the constant is
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


# ------------------------------------------------------------------ command line


def _commands() -> dict[str, argparse.ArgumentParser]:
    [commands] = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(commands.choices)


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_described_with_its_options_and_no_others(command: str) -> None:
    parser = _commands()[command]
    heading = next(
        line.removeprefix("### ")
        for line in CLI.read_text().splitlines()
        if re.match(rf"### team {command}\b", line)
    )
    said = re.sub(r"(?ms)^```.*?^```", "", section(CLI, heading))
    has = {o for action in parser._actions for o in action.option_strings} - {"-h", "--help"}

    named = set(re.findall(r"(?<![\w-])--?[a-z]+(?:-[a-z]+)*", " ".join(_code(said))))
    assert named == has
    given = [action for action in parser._actions if not action.option_strings]
    usage = [_usage(str(action.metavar or action.dest), action.nargs) for action in given]
    assert heading == " ".join(["team", command, *usage])


def _code(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def _usage(name: str, nargs: int | str | None) -> str:
    return {"*": f"[{name} …]", "?": f"[{name}]"}.get(str(nargs), name)


def test_every_exit_status_is_described() -> None:
    said = {plain(name): int(number) for name, number, _ in rows(CLI, "name", "status", "means")}

    wanted = {name: value for name, value in vars(exit_codes).items() if isinstance(value, int)}
    assert said == wanted


def test_every_field_of_the_result_object_is_described() -> None:
    said = [plain(field) for field, _ in rows(CLI, "field", "holds")]

    assert sorted(said) == sorted(RunObject.__struct_fields__)


def test_every_environment_variable_that_the_code_reads_is_described() -> None:
    said = {plain(row[0]) for row in rows(CLI, "variable", "means")}
    pattern = r"\"((?:PEERTEAM|NATS|ANTHROPIC|XDG)_[A-Z_]+)\""
    read = {
        name
        for package in ("bus", "roles", "team")
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(pattern, path.read_text())
    }

    assert said == read


def _examples(path: Path) -> Iterator[list[str]]:
    """Give the arguments of every `team` command in a document's shell blocks."""
    for block in blocks(path, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if words[:1] == ["team"]:
                ends = [at for at, word in enumerate(words) if word in ("|", ">", "<")]
                yield words[1 : min(ends, default=len(words))]


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_shell_examples_name_only_commands_and_options_there_are(path: Path) -> None:
    for words in _examples(path):
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                build_parser().parse_args(words)
        except SystemExit:
            pytest.fail(f"team {' '.join(words)}: {said.getvalue()}")


# ------------------------------------------------------------------ rehearsal, run, team


def test_every_fault_is_described() -> None:
    said = {
        plain(name): what
        for name, what, _ in rows(
            REHEARSAL, "fault", "what it does", "what the runtime makes of it"
        )
    }

    assert said == FAULTS


def test_every_step_of_the_lead_is_described() -> None:
    said = {
        word
        for row in rows(RUN_GOES, "", "step", "when", "who acts on it")
        for word in _code(row[1])
    }

    assert said == {step.__name__ for step in AnyStep.__args__}


def test_every_check_of_the_gate_is_described_in_order() -> None:
    said = [plain(check) for check, _ in rows(RUN_GOES, "check", "holds if")]

    assert said == [*CHECKS, "verification"]


def test_every_field_of_a_team_spec_is_described_with_its_default() -> None:
    parts = {
        "roles": RoleNames,
        "models": Models,
        "policy": Policy,
        "triage": TriageRules,
        "gate": GateRules,
        "decisions": DecisionRules,
        "approve": Approvals,
        "liveness": Liveness,
        "mcp": SeatServers,
    }
    wanted: dict[str, Any] = {"name": None, "description": TeamSpec(name="x").description}
    for part, kind in parts.items():
        wanted[f"[{part}]"] = None
        wanted |= {
            f"{part}.{f.encode_name}": list(f.default)
            if isinstance(f.default, tuple)
            else f.default
            for f in msgspec.structs.fields(kind)
        }

    said = {
        plain(field): _default(default)
        for field, default, _ in rows(TEAM, "field", "default", "means")
    }

    assert {field.encode_name for field in msgspec.structs.fields(TeamSpec)} == (
        {"name", "description", *parts}
    )
    assert said == wanted


def _default(cell: str) -> Any:  # whatever the default is
    return json.loads(plain(cell).replace("_", "")) if cell not in ("", "none") else None


def test_the_team_that_is_written_there_passes_team_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The spec and the role of the guide, saved as it says; and its mistake, with its error."""
    [spec], [role] = blocks(TEAM, "toml"), blocks(TEAM, "markdown")
    for name, text in (("teams/history.toml", spec), ("roles/historian.md", role)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)

    assert main(["check"]) == 0

    (tmp_path / "teams/history.toml").write_text(spec.replace("teammates_max", "teammate_max"))
    [error] = blocks(TEAM, "text")
    assert main(["check", "teams/history.toml"]) == exit_codes.BAD_INPUT
    assert error.strip() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "said", "name", "value"),
    [
        (
            RUN_GOES,
            "after 0.05, 0.5, 2, then 5 s",
            "runtime.supervisor.BACKOFF_S",
            (0.05, 0.5, 2, 5),
        ),
        (RUN_GOES, "killed after 1.2 s", "runtime.supervisor.STOP_GRACE_S", 1.2),
        (RUN_GOES, "heartbeat for 2 s", "rules.liveness.SILENT_S", 2),
        (RUN_GOES, "after 6 s its process", "rules.liveness.FROZEN_S", 6),
        (RELIABILITY, "every 0.3 s", "runtime.supervisor.BEAT_EVERY_S", 0.3),
        (RELIABILITY, "after 6 s it is killed", "rules.liveness.FROZEN_S", 6),
        (RELIABILITY, "no heartbeat for 20 s", "rules.liveness.START_S", 20),
        (RELIABILITY, "unchanged for 3 s", "rules.liveness.CIRCLE_S", 3),
        (RELIABILITY, "by more than 1 s", "rules.liveness.LATE_S", 1),
        (CLI, "at most 20,000 characters", "runtime.run.GOAL_CHARACTERS_MAX", 20_000),
    ],
)
def test_numbers_in_prose_are_those_of_the_code(
    path: Path, said: str, name: str, value: object
) -> None:
    assert said in path.read_text()
    assert _value_of(f"team.{name}") == value


def test_the_fixed_budgets_are_those_of_the_code() -> None:
    text = " ".join(TEAM.read_text().split())

    for name in ("team.members.lead_turns.LEAD_BUDGET", "team.rules.grants.POCKET"):
        budget = _value_of(name)
        tokens, seconds = f"{budget.tokens_max:,}", f"{budget.seconds_max:,.0f}"
        assert f"{budget.turns_max} turns, {tokens} tokens" in text
        assert re.search(rf"{tokens} tokens(,| and) {seconds} seconds", text)


# ------------------------------------------------------------------ what documents point to


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_names_exists(path: Path) -> None:
    missing = [
        f"{file}::{name}" if name else file
        for file, name in re.findall(r"(tests/\w+/\w+\.py)(?:::(\w+))?", path.read_text())
        if not (ROOT / file).is_file()
        or (name and not re.search(rf"(?m)^(async )?def {name}\(", (ROOT / file).read_text()))
    ]

    assert not missing, "\n".join(missing)


def test_links_lead_to_headings_that_exist() -> None:
    """That the files exist, `test_house_rules` sees to."""
    dead = [
        f"{path.relative_to(ROOT)} -> {name}#{anchor}"
        for path in OURS
        for name, anchor in re.findall(r"\]\(([^)\s:#]*)#([^)\s]+)\)", path.read_text())
        if anchor not in _anchors(path.parent / name if name else path)
    ]

    assert not dead, "\n".join(dead)


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", path.read_text())
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_decision_records_are_short_and_say_context_decision_consequences() -> None:
    records = sorted((DOCS / "decisions").glob("0*.md"))
    index = (DOCS / "decisions" / "README.md").read_text()

    for number, path in enumerate(records, start=1):
        text = path.read_text()
        assert path.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number:04}: ")
        assert re.findall(r"(?m)^## (\w+)$", text) == ["Context", "Decision", "Consequences"]
        assert len(text.splitlines()) <= 30, path.name
        assert f"({path.name})" in index
