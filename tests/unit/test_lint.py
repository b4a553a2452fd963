"""`team check`: each rule where it says no and where it says yes, all mistakes at once."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from team.codes import RULES
from team.codes.lint import FILES
from team.errors import SpecError
from team.lint import check_files
from team.policy import CORE_CHECKS
from team.views.problems import github_lines
from team.views.sarif import sarif
from tests.support.linted import PRICELESS, SPEC, Found, a_project, a_role, check, found
from tests.support.mistakes import TEN_MISTAKES


@pytest.fixture(autouse=True)
def no_roles_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as context:
        context.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


# --- all at once -----------------------------------------------------------------------


def test_of_a_policy_with_ten_mistakes_all_ten_are_found_with_file_and_line(
    tmp_path: Path,
) -> None:
    said = check(tmp_path, {"peerteam.toml": TEN_MISTAKES})

    assert said == [
        ("peerteam.toml", 2, "L103", "error"),
        ("peerteam.toml", 3, "L104", "error"),
        ("peerteam.toml", 4, "L105", "error"),
        ("peerteam.toml", 5, "L201", "error"),
        ("peerteam.toml", 10, "L202", "error"),
        ("peerteam.toml", 13, "L204", "error"),
        ("peerteam.toml", 16, "L205", "error"),
        ("peerteam.toml", 20, "L208", "error"),
        ("peerteam.toml", 21, "L218", "error"),
        ("peerteam.toml", 25, "L107", "error"),
    ]
    assert len({code for _, _, code, _ in said}) == 10


def test_every_problem_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    report = check_files(a_project(tmp_path, **{"peerteam.toml": TEN_MISTAKES}))

    for problem in report.problems:
        assert problem.field
        assert problem.reason
        assert problem.fix
        assert problem.column


SOUND_POLICY = """\
[limits]
teammates_max = 4
run_dollars_max = 20

[gate]
checks = ["acceptance"]
verifiers = 2
upheld_min = 2

[models]
allow = ["claude-*"]

[roles.historian]
tools = ["read_source", "search_sources", "record_decision"]
sources = ["docs", "docs/*.md", "!docs/secret.md"]
areas = ["api"]
writes = ["docs/out"]

[roles.lead]
areas = ["data"]

[roles.researcher]
areas = ["data"]

[approve]
plan = true
areas = ["api", "data"]
over_dollars = 5
"""
SOUND_SPEC = """\
name = "history"

[roles]
worker = "historian"

[policy]
teammates_max = 3
seconds_max = 600

[gate]
verifiers = 3

[decisions]
standing = ["docs"]
"""
SOUND_ROLE = a_role("historian", "tools: read_source, search_sources, submit_finding\ncolor: red\n")


def test_files_that_are_sound_have_no_problem(tmp_path: Path) -> None:
    files = {
        "peerteam.toml": SOUND_POLICY,
        "teams/history.toml": SOUND_SPEC,
        "roles/historian.md": SOUND_ROLE,
        "docs/secret.md": "# Secret\n",
    }

    report = check_files(a_project(tmp_path, **files), is_strict=True)

    assert not report.problems
    assert report.checked == 7  # those three, ours: a team and three roles


def test_without_any_file_ours_are_sound(tmp_path: Path) -> None:
    report = check_files(a_project(tmp_path), is_strict=True)

    assert (report.checked, report.problems) == (4, ())


ONE_SERVER = '[mcp]\nservers = ["docs"]\n'
SERVERS = """\
{
 "mcpServers": {
  "docs": {"command": "serve"},
  "old": {
   "type": "sse",
   "url": "http://host/sse"
  },
  "key": {"command": "serve", "env": {"A": "${PEERTEAM_TEST_NOT_SET}", "B": "${NOT_SET:-b}"}},
  "none": {
   "args": ["x"]
  }
 }
}
"""

# --- each rule ---------------------------------------------------------------------------

NO: dict[str, tuple[dict[str, str], list[Found]]] = {
    "L101": ({"peerteam.toml": "a b\n"}, [("peerteam.toml", 1, "L101", "error")]),
    "L103": ({"teams/m.toml": SPEC + "nme = 1\n"}, [("teams/m.toml", 2, "L103", "error")]),
    "L104": ({"teams/m.toml": "name = 1\n"}, [("teams/m.toml", 1, "L104", "error")]),
    "L105": (
        {"teams/m.toml": SPEC + "[gate]\nverifiers = 9\n"},
        [("teams/m.toml", 3, "L105", "error")],
    ),
    "L106": (
        {"roles/x.md": "---\nname: x\n---\nDo it.\n", "teams/m.toml": ""},
        [("roles/x.md", 1, "L106", "error"), ("teams/m.toml", 1, "L106", "error")],
    ),
    "L107": (
        {"teams/m.toml": SPEC + '[decisions]\nproposed = ["a", "b.c"]\n'},
        [("teams/m.toml", 3, "L107", "error")],
    ),
    "L109": (
        {"roles/x.md": a_role("x", "model: opus\nmodel: haiku\n")},
        [("roles/x.md", 5, "L109", "error")],
    ),
    "L110": (
        {"roles/x.md": "---\nname: x\ndescription: d\n---\n"},
        [("roles/x.md", 5, "L110", "error")],
    ),
    "L111": (
        {"roles/x.md": a_role("x", "maxTurns: 0\neffort: hot\n")},
        [("roles/x.md", 4, "L111", "error"), ("roles/x.md", 5, "L111", "error")],
    ),
    "L112": (
        {"roles/x.md": a_role("x", "efort: high\n")},
        [("roles/x.md", 4, "L112", "warning")],
    ),
    "L131": (
        {"peerteam.toml": ONE_SERVER, ".mcp.json": '{\n "mcpServers": {,}\n}\n'},
        [(".mcp.json", 2, "L131", "error"), ("peerteam.toml", 2, "L231", "error")],
    ),
    "L132": (
        {
            "peerteam.toml": '[mcp]\nservers = ["old", "none", "docs"]\n',
            ".mcp.json": SERVERS,
        },
        [(".mcp.json", 5, "L132", "error"), (".mcp.json", 9, "L132", "error")],
    ),
    "L231": (
        {"peerteam.toml": '[mcp]\nservers = ["dosc", "docs"]\n', ".mcp.json": SERVERS},
        [("peerteam.toml", 2, "L231", "error")],
    ),
    "L232": (
        {
            "peerteam.toml": ONE_SERVER,
            ".mcp.json": SERVERS,
            "teams/m.toml": SPEC + '[mcp]\nservers = ["docs", "key"]\n',
        },
        [("teams/m.toml", 3, "L232", "warning")],
    ),
    "L233": (
        {"peerteam.toml": '[mcp]\nservers = ["key"]\n', ".mcp.json": SERVERS},
        [(".mcp.json", 8, "L233", "warning")],
    ),
    "L201": (
        {
            "teams/a.toml": SPEC + "[policy]\nrun_tokens_max = 9_000\ntokens_max = 10_000\n",
            "teams/b.toml": SPEC + "[policy]\noutput_tokens_max = 9_000\ntokens_max = 8_999\n",
            "teams/c.toml": SPEC + "[policy]\nseconds_max = 5_401\n",
            "teams/d.toml": SPEC + "[policy]\nrun_seconds_max = 1_199\n",
            "teams/e.toml": SPEC + "[triage]\nlanes_min = 5\ncomparison_max = 4\n",
            "peerteam.toml": (
                "[limits]\ndollars_max = 3\nrun_dollars_max = 2\n[approve]\nover_dollars = 2.5\n"
            ),
        },
        [
            ("peerteam.toml", 2, "L201", "error"),
            ("peerteam.toml", 5, "L201", "error"),
            ("teams/a.toml", 4, "L201", "error"),
            ("teams/b.toml", 3, "L201", "error"),
            ("teams/c.toml", 3, "L201", "warning"),
            ("teams/d.toml", 3, "L201", "warning"),
            ("teams/e.toml", 3, "L201", "error"),
        ],
    ),
    "L202": (
        {"teams/m.toml": SPEC + "[gate]\nupheld_min = 2\n"},
        [("teams/m.toml", 3, "L202", "error")],
    ),
    "L203": (
        {"teams/m.toml": SPEC + f"[gate]\nchecks = {list(CORE_CHECKS[1:])}\n"},
        [("teams/m.toml", 3, "L203", "error")],
    ),
    "L204": (
        {"teams/m.toml": SPEC + f"[gate]\nchecks = {[*CORE_CHECKS, 'speling']}\n"},
        [("teams/m.toml", 3, "L204", "error")],
    ),
    "L205": (
        {
            "teams/m.toml": SPEC + '[roles]\nworker = "reseacher"\n',
            "peerteam.toml": "[roles.skeptik]\n",
        },
        [("peerteam.toml", 1, "L205", "error"), ("teams/m.toml", 3, "L205", "error")],
    ),
    "L206": (
        {
            "teams/a.toml": SPEC + '[roles]\nverifier = "researcher"\n',
            "teams/b.toml": SPEC + '[roles]\nlead = "skeptic"\n',
        },
        # A researcher's own tools are one more reason why it can't verify.
        [
            ("teams/a.toml", 3, "L206", "error"),
            ("teams/a.toml", 3, "L207", "error"),
            ("teams/b.toml", 3, "L206", "error"),
        ],
    ),
    "L207": (
        {
            "teams/m.toml": SPEC + '[roles]\nverifier = "judge"\n',
            "roles/judge.md": a_role("judge", "tools: read_source, send_message\n"),
        },
        [("teams/m.toml", 3, "L207", "error")],
    ),
    "L208": (
        {
            "roles/x.md": a_role("x", "tools: Raed, Grpe, Read\n"),
            "peerteam.toml": '[roles.lead]\ntools = [\n  "list_sources",\n  "list_source",\n]\n',
        },
        [
            ("peerteam.toml", 4, "L208", "error"),
            ("roles/x.md", 4, "L208", "error"),
            ("roles/x.md", 4, "L208", "error"),
        ],
    ),
    "L209": (
        {
            "teams/m.toml": SPEC + '[roles]\nworker = "x"\n',
            "roles/x.md": a_role("x", "tools: note\n"),
            "peerteam.toml": '[roles.researcher]\ntools = ["note"]\n',
        },
        [("peerteam.toml", 2, "L209", "error"), ("teams/m.toml", 3, "L209", "error")],
    ),
    "L210": (
        {
            "teams/m.toml": SPEC + '[roles]\nworker = "x"\n',
            "roles/x.md": a_role("x", "tools: read_source, note, submit_finding\n"),
            "peerteam.toml": '[roles.x]\ntools = ["read_source"]\n',
        },
        [("peerteam.toml", 2, "L210", "warning")],
    ),
    "L211": (
        {
            "teams/m.toml": SPEC + '[models]\nlead = "other-1"\n[roles]\nworker = "x"\n',
            "roles/x.md": a_role("x", "model: other-2\n"),
            "peerteam.toml": '[models]\nallow = ["claude-*"]\n',
        },
        [("teams/m.toml", 3, "L211", "error"), ("teams/m.toml", 5, "L211", "error")],
    ),
    "L212": (
        {
            "teams/a.toml": SPEC + PRICELESS,
            "teams/b.toml": SPEC + '[models]\nlead = "claude-haiku-4-5"\n',
            "peerteam.toml": "[approve]\nover_dollars = 1\n",
        },
        [("teams/a.toml", 3, "L212", "error")],
    ),
    "L213": (
        {"roles/x.md": a_role("x"), "peerteam.toml": "[roles.x]\n"},
        [("peerteam.toml", 1, "L213", "warning")],
    ),
    "L214": (
        {
            "src/a.py": "",
            "peerteam.toml": '[roles.lead]\nsources = ["src", "a.py", "!src/*.py", "scr/*"]\n',
        },
        [("peerteam.toml", 2, "L214", "warning")],
    ),
    "L215": (
        {
            "teams/m.toml": SPEC + "[policy]\nteammates_max = 6\n[gate]\ncanaries = false\n",
            "peerteam.toml": "[limits]\nteammates_max = 5\n[gate]\ncanaries = true\n",
        },
        [("teams/m.toml", 3, "L215", "warning"), ("teams/m.toml", 5, "L215", "warning")],
    ),
    "L216": (
        {
            "peerteam.toml": (
                '[roles.lead]\nareas = []\n[roles.researcher]\nareas = ["api"]\n'
                '[approve]\nareas = [\n"api",\n"apis"]\n'
            )
        },
        [("peerteam.toml", 8, "L216", "warning")],
    ),
    "L217": (
        {"teams/m.toml": SPEC + '[decisions]\nstanding = ["docs/decisions"]\n'},
        [("teams/m.toml", 3, "L217", "error")],
    ),
    "L218": (
        {"peerteam.toml": '[roles.lead]\nwrites = ["/etc", "a/../b", "~/x", "docs/out"]\n'},
        [("peerteam.toml", 2, "L218", "error")] * 3,
    ),
    "L225": (
        {
            "teams/m.toml": SPEC + '[models]\nworker = ["local/qwen", "lokal/qwen"]\n',
            "peerteam.toml": '[providers.local]\nbase_url = "http://localhost:11434"\n',
        },
        [("teams/m.toml", 3, "L225", "warning")],
    ),
    "L226": (
        {
            "teams/m.toml": SPEC + '[models]\nlead = "far/qwen"\nverifier = ["near/qwen"]\n',
            "peerteam.toml": (
                '[providers.far]\nkey_variable = "KEY_OF_NOBODY"\n'
                '[providers.near]\nbase_url = "localhost:11434"\n'
            ),
        },
        [("teams/m.toml", 3, "L226", "warning"), ("teams/m.toml", 4, "L226", "warning")],
    ),
    "L241": (
        {
            "peerteam.toml": '[roles.lead]\ninstructions = ["CLAUDE.md", "../x.md",\n"LONG.md"]\n'
            '[roles.skeptic]\ninstructions = ["LONG.md"]\n',
            "LONG.md": "Say all of it. " * 5_000,
        },
        [
            ("peerteam.toml", 2, "L241", "error"),
            ("peerteam.toml", 2, "L241", "error"),
            ("peerteam.toml", 5, "L241", "error"),
        ],
    ),
    "L242": (
        {
            "peerteam.toml": '[roles.lead]\nskills = ["charts", "skills/none",\n"tables"]\n',
            "skills/charts/SKILL.md": "---\nname: charts\nlicense: MIT\n---\nDraw.\n",
            ".claude/skills/tables/SKILL.md": "---\nname: t\ndescription: [a]\n---\nLine up.\n",
        },
        [
            (".claude/skills/tables/SKILL.md", 3, "L242", "error"),
            ("peerteam.toml", 2, "L242", "error"),
            ("skills/charts/SKILL.md", 1, "L242", "error"),
        ],
    ),
}


@pytest.mark.parametrize("code", NO)
def test_a_rule_that_is_broken_is_named_with_file_and_line(tmp_path: Path, code: str) -> None:
    files, wanted = NO[code]

    assert check(tmp_path, files) == wanted


def test_every_rule_of_files_is_broken_by_a_test() -> None:
    """L102, L108, L190: files that can't be read, fields with a choice, rules that fail."""
    codes = {rule.code for rule in FILES}

    assert codes - set(NO) == {"L102", "L108", "L190"}
    assert set(NO) <= codes


def test_a_file_that_can_not_be_read_is_a_problem(tmp_path: Path) -> None:
    folder = a_project(tmp_path, **{"teams/m.toml": SPEC, "roles/x.md": a_role("x")})
    (folder / "peerteam.toml").mkdir()
    (folder / "teams/m.toml").write_bytes(b'name = "\xff"')
    (folder / "roles/x.md").write_bytes(b"---\nname: \xff\n---\n")

    said = found(check_files(folder))

    assert [(path, code) for path, _, code, _ in said] == [
        ("peerteam.toml", "L102"),
        ("roles/x.md", "L102"),
        ("teams/m.toml", "L102"),
    ]


def test_instructions_and_skills_in_a_folder_are_not_taken_for_roles(tmp_path: Path) -> None:
    texts = ("CLAUDE.md", "a/SKILL.md", "a/more/reference.md", "a/notes.md")
    folder = a_project(tmp_path, **{f"given/{name}": "Text.\n" for name in texts})
    (folder / "given" / "role.md").write_text(a_role("x"))

    report = check_files(folder, ("given",))

    assert (report.checked, report.problems) == (1, ())


def test_every_mistake_of_a_role_file_is_found(tmp_path: Path) -> None:
    text = "---\nname: bad/one\ntools: Raed, Grpe\nmaxTurns: 0\nefort: high\nmodel: a b\n---\n"

    said = check(tmp_path, {"roles/x.md": text})

    assert [(line, code) for _, line, code, _ in said] == [
        (1, "L106"),
        (2, "L111"),
        (3, "L208"),
        (3, "L208"),
        (4, "L111"),
        (5, "L112"),
        (6, "L111"),
        (8, "L110"),
    ]


def test_a_check_of_an_installed_package_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"teams/m.toml": SPEC + f"[gate]\nchecks = {[*CORE_CHECKS, 'ours']}\n"}
    installed = tmp_path / "site" / "ours-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[peerteam.checks]\nours = ours.checks:Ours\n")
    folder = a_project(tmp_path, **spec)

    before = found(check_files(folder))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    assert [code for _, _, code, _ in before] == ["L204"]
    assert found(check_files(folder)) == []


def test_a_name_that_is_no_text_is_a_name_too(tmp_path: Path) -> None:
    folder = a_project(tmp_path, **{"teams/m.toml": SPEC})
    (folder / os.fsdecode(b"teams/\xff.toml")).write_text("name = 1\n")

    report = check_files(folder)

    assert found(report) == [("teams/?.toml", 1, "L104", "error")]
    assert github_lines(report)
    assert msgspec.json.encode(sarif(report, "1"))


# What a policy may hold, and what it may not, in any mixture: numbers, names, lists of both.
_LEAF = st.one_of(
    st.integers(-1, 70),
    st.floats(0, 10, allow_nan=False).map(lambda number: round(number, 2)),
    st.booleans(),
    st.sampled_from(["lead", "note", "claude-*", "api", "../x", "!docs", "", "shape", "*["]),
)
_FIELDS = st.sampled_from(
    "teammates_max seconds_max run_seconds_max dollars_max run_dollars_max tokens_max checks "
    "verifiers upheld_min canaries allow tools sources areas writes models lanes_min plan "
    "comparison_max over_dollars standing name lead worker verifier zz".split()
)
_TABLE = st.dictionaries(_FIELDS, _LEAF | st.lists(_LEAF, max_size=3), max_size=5)
_NAMES = st.sampled_from(
    "limits triage gate models roles approve policy decisions roles.lead roles.skeptic "
    "roles.nobody zz".split()
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(_NAMES, _TABLE, max_size=6))
def test_whatever_a_file_says_a_check_ends_with_problems_and_not_with_an_error(
    tables: dict[str, dict[str, object]],
) -> None:
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )
    with tempfile.TemporaryDirectory() as name:
        files = {"peerteam.toml": text, "teams/m.toml": SPEC + text}
        report = check_files(a_project(Path(name), **files))

    assert {problem.code for problem in report.problems} <= set(RULES)


# --- what comes with the package -----------------------------------------------------------


def test_what_a_policy_makes_of_our_own_teams_is_a_warning_that_can_be_mended(
    tmp_path: Path,
) -> None:
    """Nobody can mend a file of the package; a team of the same name stands in for it."""
    policy = '[models]\nallow = ["mine-*"]\n'
    own = SPEC + '[models]\nlead = "mine-1"\nworker = "mine-1"\nverifier = "mine-2"\n'
    folder = a_project(tmp_path, **{"peerteam.toml": policy})

    before = found(check_files(folder))
    (folder / "teams").mkdir()
    (folder / "teams/research.toml").write_text(own)

    assert {(code, severity) for _, _, code, severity in before} == {("L211", "warning")}
    assert len(before) == 3
    assert found(check_files(folder, is_strict=True)) == []


def test_that_our_own_team_is_limited_is_no_problem(tmp_path: Path) -> None:
    assert check(tmp_path, {"peerteam.toml": "[limits]\nteammates_max = 2\n"}) == []


# --- which files ---------------------------------------------------------------------------


def test_only_what_is_named_is_checked_and_the_policy_that_holds(tmp_path: Path) -> None:
    files = {
        "peerteam.toml": "[limits]\nrounds_max = 0\n",
        "teams/a.toml": "nme = 1\n",
        "teams/b.toml": SPEC,
        "roles/x.md": a_role("x", "maxTurns: 0\n"),
    }
    report = check_files(a_project(tmp_path, **files), ("teams/b.toml",))

    assert report.checked == 2
    assert found(report) == [("peerteam.toml", 2, "L105", "error")]


def test_a_policy_that_is_named_holds_in_place_of_the_projects_own(tmp_path: Path) -> None:
    files = {
        "peerteam.toml": "[limits]\nrounds_max = 0\n",
        "ci/strict.toml": "[limits]\nteammates_max = 1\n",
        "teams/a.toml": SPEC + "[policy]\nteammates_max = 2\n",
    }
    folder = a_project(tmp_path, **files)

    report = check_files(folder, ("teams",), "ci/strict.toml")

    assert found(report) == [("teams/a.toml", 3, "L215", "warning")]


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for paths, policy in ((("none.toml",), None), ((), "none.toml"), (("",), None)):
        with pytest.raises(SpecError, match="there is no such file or folder"):
            check_files(tmp_path, paths, policy)


def test_strictly_a_warning_is_an_error(tmp_path: Path) -> None:
    folder = a_project(tmp_path, **NO["L213"][0])

    assert check_files(folder).errors == 0
    assert check_files(folder, is_strict=True).errors == 1


def test_a_role_that_a_team_names_is_checked_with_it(tmp_path: Path) -> None:
    files = {
        "teams/a.toml": SPEC + '[roles]\nworker = "x"\n',
        "roles/x.md": a_role("x", "maxTurns: 0\n"),
    }

    report = check_files(a_project(tmp_path, **files), ("teams/a.toml",))

    assert found(report) == [("roles/x.md", 4, "L111", "error")]


def test_each_code_of_a_problem_is_in_the_catalogue(tmp_path: Path) -> None:
    assert all(code in RULES for code in NO)
    assert len(RULES) == len({rule.name for rule in RULES.values()})
