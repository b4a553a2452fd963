"""`team check`: each rule where it says yes, and where the rule itself fails, which is a no."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from team.cli import exit_codes
from team.codes.lint import ALONE, FILES, TOGETHER
from team.lint import check_files
from team.lint.check import FIELDS, READS, Rules
from team.lint.policies import POLICY_RULES
from team.lint.role_files import ROLE_RULES
from team.lint.teams import TEAM_RULES
from team.policy import CORE_CHECKS
from team.written import check_document, read_document
from tests.support.documents import ROOT
from tests.support.linted import PRICELESS, SPEC, a_project, a_role, check, found


@pytest.fixture(autouse=True)
def no_roles_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as context:
        context.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


# --- yes -----------------------------------------------------------------------------------

ITS_SERVER = {
    ".mcp.json": '{"mcpServers": {"docs": {"type": "http", "url": "${NOT_SET:-http://h}"}}}',
    "peerteam.toml": '[mcp]\nservers = ["docs"]\nread_only = ["mcp__docs__*"]\n',
    "teams/m.toml": SPEC + '[mcp]\nservers = ["docs"]\n',
}
YES: dict[str, dict[str, str]] = {
    "L101": {"peerteam.toml": "# Nothing.\n"},
    "L102": {"peerteam.toml": "# N\u00f6.\n", "teams/m.toml": SPEC, "roles/x.md": a_role("x")},
    "L103": {"peerteam.toml": "[limits]\nteammates_max = 3\n", "teams/m.toml": SPEC},
    "L104": {"peerteam.toml": "[limits]\ndollars_max = 1\n[gate]\ncanaries = true\n"},
    "L105": {"peerteam.toml": "[limits]\nrounds_max = 64\nfresh_rounds_max = 0\n"},
    "L106": {"teams/m.toml": SPEC, "roles/x.md": a_role("x")},
    "L107": {"teams/m.toml": SPEC + '[decisions]\nproposed = ["a", "b-c_D9"]\n'},
    "L109": {"roles/x.md": a_role("x", "model: opus\neffort: high\n")},
    "L110": {"roles/x.md": a_role("x")},
    "L111": {"roles/x.md": a_role("x", "maxTurns: 1\neffort: high\n")},
    "L112": {"roles/x.md": a_role("x", "effort: high\ncolor: red\n")},
    **dict.fromkeys(("L131", "L132", "L231", "L232", "L233"), ITS_SERVER),
    "L241": {
        "peerteam.toml": '[roles.lead]\ninstructions = ["AGENTS.md"]\n',
        "AGENTS.md": "See @docs/style.md and @nobody.\n",
        "docs/style.md": "Short sentences.\n",
    },
    "L242": {
        "peerteam.toml": '[roles.lead]\nskills = ["charts", "./tables"]\n',
        "skills/charts/SKILL.md": "---\nname: charts\ndescription: For charts.\n---\nDraw.\n",
        "tables/SKILL.md": "---\ndescription: For tables.\nallowed-tools: Bash\n---\nLine up.\n",
    },
    "L201": {
        "teams/m.toml": SPEC + "[policy]\ntokens_max = 500\nrun_tokens_max = 500\n"
        "output_tokens_max = 500\n",
        "peerteam.toml": "[limits]\nseconds_max = 9_000\n",
    },
    "L202": {"teams/m.toml": SPEC + "[gate]\nupheld_min = 2\nverifiers = 2\n"},
    "L203": {"teams/m.toml": SPEC + f"[gate]\nchecks = {list(CORE_CHECKS)}\n"},
    "L205": {"peerteam.toml": "[roles.skeptic]\n"},
    "L206": {
        "teams/m.toml": SPEC + '[roles]\nlead = "researcher"\n',
    },
    "L207": {
        "teams/m.toml": SPEC + '[roles]\nverifier = "judge"\n',
        "roles/judge.md": a_role("judge", "disallowedTools: send_message\n"),
    },
    "L209": {
        "teams/m.toml": SPEC + '[roles]\nworker = "x"\n',
        "roles/x.md": a_role("x", "tools: Grep, note\n"),
    },
    "L204": {"teams/m.toml": SPEC + f"[gate]\nchecks = {[*CORE_CHECKS, 'acceptance']}\n"},
    "L208": {
        "roles/x.md": a_role("x", "tools: Grep, Read, note\n"),
        "peerteam.toml": '[roles.lead]\ntools = ["list_sources", "read_source"]\n',
    },
    "L210": {
        "teams/m.toml": SPEC + '[roles]\nworker = "x"\n',
        "roles/x.md": a_role("x", "tools: read_source, note, submit_finding\n"),
        "peerteam.toml": '[roles.x]\ntools = ["read_source", "note"]\n',
    },
    "L211": {
        "teams/m.toml": SPEC + '[models]\nlead = "claude-haiku-4-5"\n',
        "peerteam.toml": '[models]\nallow = ["claude-*"]\n',
    },
    "L213": {
        "teams/m.toml": SPEC + '[roles]\nworker = "x"\n',
        "roles/x.md": a_role("x"),
        "peerteam.toml": "[roles.x]\n",
    },
    "L214": {
        "src/a.py": "",
        "peerteam.toml": '[roles.lead]\nsources = ["src", "a.py", "!src/*.py"]\n',
    },
    "L215": {
        "teams/m.toml": SPEC + "[policy]\nteammates_max = 5\n[gate]\ncanaries = true\n",
        "peerteam.toml": "[limits]\nteammates_max = 5\n[gate]\ncanaries = true\n",
    },
    "L217": {"docs/a.md": "# A\n", "teams/m.toml": SPEC + '[decisions]\nstanding = ["docs"]\n'},
    "L218": {"peerteam.toml": '[roles.lead]\nwrites = ["docs/out", "a.md"]\n'},
    "L212": {"teams/m.toml": SPEC + PRICELESS},
    "L216": {"peerteam.toml": '[approve]\nareas = ["api"]\n'},
    "L225": {
        "teams/m.toml": SPEC + '[models]\nworker = ["local/qwen", "haiku"]\n',
        "peerteam.toml": "[providers.local]\n",
    },
    "L226": {
        "teams/m.toml": SPEC + '[models]\nworker = "local/qwen"\n',
        "peerteam.toml": (
            '[providers.local]\nbase_url = "http://localhost:8000"\n'
            '[providers.unused]\nkey_variable = "KEY_OF_NOBODY"\n'
        ),
    },
}


@pytest.mark.parametrize("code", YES)
def test_a_rule_that_is_kept_is_not_mentioned(tmp_path: Path, code: str) -> None:
    assert check(tmp_path, YES[code]) == []


def test_every_rule_of_files_is_kept_by_a_test() -> None:
    """No field of a file has a few words to choose from yet: tests/unit/test_written.py has one."""
    assert {rule.code for rule in FILES} - set(YES) == {"L108", "L190"}


# --- the rule fails ------------------------------------------------------------------------

WRONG = {
    "peerteam.toml": '[roles.lead]\nwrites = ["/etc"]\n',
    "teams/m.toml": SPEC + "[gate]\nupheld_min = 2\n",
    "roles/x.md": a_role("x", "maxTurns: 0\nefort: high\n"),
}
IN_TABLES, IN_ROLES = {"L218", "L202"}, {"L111", "L112"}
Table = Mapping[tuple[str, ...], Callable[..., Any]]


def fails(*_: object) -> Any:
    raise OSError("no disk")


def without(table: Table, code: str) -> dict[Any, Any]:
    """The rules, with the one fails that tells this code."""
    return {codes: fails if code in codes else rule for codes, rule in table.items()}


def failing(code: str) -> Rules:
    return Rules(
        read=fails if code in READS else read_document,
        fields=fails if code in FIELDS else check_document,
        role=without(ROLE_RULES, code),
        policy=without(POLICY_RULES, code),
        team=without(TEAM_RULES, code),
    )


def silenced_by(code: str) -> set[str]:
    """What can't be told any more once the rule for this code fails."""
    tables = (ROLE_RULES, POLICY_RULES, TEAM_RULES)
    silenced = {one for table in tables for codes in table if code in codes for one in codes}
    return silenced | (IN_TABLES if code in READS + FIELDS else set())


@pytest.mark.parametrize("code", [rule.code for rule in (*ALONE, *TOGETHER)])
def test_a_rule_that_fails_is_an_error_of_the_file_and_the_others_are_asked(
    tmp_path: Path, code: str
) -> None:
    report = check_files(a_project(tmp_path, **WRONG), rules=failing(code))

    of_rules = [problem for problem in report.problems if problem.code == "L190"]
    assert of_rules
    for problem in of_rules:
        assert code in problem.reason
        assert "failed: OSError('no disk')" in problem.reason
        assert problem.severity == "error"
        assert problem.path.endswith((".toml", ".md"))
    others = {problem.code for problem in report.problems} - {"L190"}
    assert others == (IN_TABLES | IN_ROLES) - silenced_by(code)


def test_what_a_rule_has_found_before_it_fails_counts(tmp_path: Path) -> None:
    def half(given: Any) -> Iterator[Any]:
        yield from POLICY_RULES[("L218",)](given)
        raise OSError("no disk")

    rules = Rules(policy={("L218",): half})
    report = check_files(a_project(tmp_path, **WRONG), ("peerteam.toml",), rules=rules)

    assert [problem.code for problem in report.problems] == ["L190", "L218"]


def test_a_rule_that_fails_ends_the_command_as_bad_input_and_not_with_a_traceback(
    tmp_path: Path,
) -> None:
    """Here the price table of the installed package is broken."""
    prices = tmp_path / "site"
    prices.mkdir()
    (prices / "genai_prices.py").write_text(
        "class Usage:\n    def __init__(self, **counts): pass\n"
        "def calc_price(*asked, **more): raise RuntimeError('the table is gone')\n"
    )
    spec = SPEC + "[policy]\ndollars_max = 1\n[gate]\nupheld_min = 2\n"
    folder = a_project(tmp_path, **{"teams/m.toml": spec})

    done = subprocess.run(
        [sys.executable, "-m", "team.cli.main", "check", "teams/m.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": f"{prices}{os.pathsep}{ROOT}"},
    )

    assert done.returncode == exit_codes.BAD_INPUT
    failed, upheld, counts = done.stdout.splitlines()
    assert failed.startswith("teams/m.toml: the rule L211, L212 failed: RuntimeError('the table")
    assert failed.endswith("[L190 rule-failed]")
    assert "[L202 upheld-above-verifiers]" in upheld
    assert counts == "1 files checked, 2 errors, 0 warnings"
    assert "Traceback" not in done.stderr


def test_a_key_that_is_missing_here_is_no_error_of_the_files_even_strictly(tmp_path: Path) -> None:
    """CI has no keys; the same files are as sound there as at a desk."""
    files = {
        "teams/m.toml": SPEC + '[models]\nlead = "far/qwen"\n',
        "peerteam.toml": '[providers.far]\nkey_variable = "KEY_OF_NOBODY"\n',
    }

    report = check_files(a_project(tmp_path, **files), is_strict=True)

    assert found(report) == [("teams/m.toml", 3, "L226", "warning")]
    assert "KEY_OF_NOBODY is not set" in report.problems[0].reason
