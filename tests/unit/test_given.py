"""Instructions and skills as people have them: what is read, what is left alone, who gets it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.messages import ArtifactRef
from roles import RoleError
from roles.given import (
    IMPORT_DEPTH_MAX,
    SKILL_BYTES_MAX,
    SKILL_FILE,
    find_skill,
    read_instructions,
    read_skill,
)
from team.agent.given import given_text
from team.errors import SpecError
from team.policy import ProjectPolicy, RoleRules
from team.runtime.given import INSTRUCTION_TOKENS_MAX, given_to
from team.spec import ResolvedSpec, RoleGiven, SkillDoc
from tests.support.builders import a_resolved_spec, a_role

SKILL = "---\nname: charts\ndescription: Draws charts. Use it for figures.\n---\nUse few colours.\n"


def _write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _paths(root: Path, named: str = "CLAUDE.md") -> list[str]:
    return [one.path for one in read_instructions(named, root)]


# ------------------------------------------------------------------ instructions


def test_a_file_is_read_with_what_it_imports_each_once(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        **{
            "CLAUDE.md": "See @docs/style.md, and @README for more.\n- git @./docs/git.md.\n",
            "docs/style.md": "Short. See @git.md and @../CLAUDE.md\n",
            "docs/git.md": "Rebase.\n",
            "README": "A tool.\n",
        },
    )

    files = read_instructions("CLAUDE.md", root)

    assert [one.path for one in files] == ["CLAUDE.md", "docs/style.md", "docs/git.md", "README"]
    assert files[0].text.startswith("See @docs/style.md")
    assert files[2].sha256 == hashlib.sha256(b"Rebase.\n").hexdigest()


def test_what_leads_nowhere_outside_or_stands_in_code_stays_text(tmp_path: Path) -> None:
    root = _write(
        tmp_path / "project",
        **{
            "CLAUDE.md": f"Ask @alice or @{'a' * 300} or bob@style.md.\n"
            "@../secret.md @/etc/hostname @~/x.md\n"
            "@link.md\n"
            "`@style.md`\n```\n@style.md\n```\n",
            "style.md": "Short.\n",
        },
    )
    _write(tmp_path, **{"secret.md": "Secret.\n"})
    (root / "link.md").symlink_to(tmp_path / "secret.md")

    assert _paths(root) == ["CLAUDE.md"]


def test_imports_are_followed_five_files_deep_and_no_deeper(tmp_path: Path) -> None:
    chain = {f"{number}.md": f"@{number + 1}.md" for number in range(10)}

    assert _paths(_write(tmp_path, **chain), "0.md") == [
        f"{number}.md" for number in range(IMPORT_DEPTH_MAX + 1)
    ]


def test_a_file_that_imports_too_many_is_refused(tmp_path: Path) -> None:
    many = {f"{number}.md": "Text." for number in range(40)}
    root = _write(tmp_path, **many, **{"CLAUDE.md": " ".join(f"@{name}" for name in many)})

    with pytest.raises(RoleError, match="more than 30 files"):
        read_instructions("CLAUDE.md", root)


@pytest.mark.parametrize("named", ["../CLAUDE.md", "/etc/hostname", "none.md", "docs", "a\0b"])
def test_a_file_outside_or_not_there_is_refused(tmp_path: Path, named: str) -> None:
    (tmp_path / "docs").mkdir()

    with pytest.raises(RoleError):
        read_instructions(named, tmp_path)


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.sampled_from("@./ab\n` ,md~"), max_size=60))
def test_no_text_makes_an_import_leave_the_project(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    base = tmp_path_factory.mktemp("given")
    _write(base, a="Outside.", b="Outside.")
    root = _write(base / "root", **{"CLAUDE.md": text + "!", "a": "Inside.", "b": "Inside."})

    assert set(_paths(root)) <= {"CLAUDE.md", "a", "b"}
    assert all("Outside" not in one.text for one in read_instructions("CLAUDE.md", root))


# ------------------------------------------------------------------ skills


def test_a_skill_is_read_with_the_texts_of_its_folder_and_nothing_else(tmp_path: Path) -> None:
    folder = _write(
        tmp_path / "charts",
        **{SKILL_FILE: SKILL, "reference.md": "Red.\n", "scripts/draw.py": "print()\n"},
    )
    (folder / "logo.png").write_bytes(b"\x89PNG\0")
    (folder / "big.txt").write_text("x" * 200_000)
    (folder / ".secret").write_text("no")
    _write(tmp_path, **{"outside.md": "Outside.\n"})
    (folder / "link.md").symlink_to(tmp_path / "outside.md")

    skill = read_skill(folder)

    assert (skill.name, skill.description) == ("charts", "Draws charts. Use it for figures.")
    assert skill.files == {
        SKILL_FILE: "Use few colours.",
        "reference.md": "Red.\n",
        "scripts/draw.py": "print()\n",
    }
    assert [line.partition(":")[0] for line in skill.left_out] == ["big.txt", "link.md", "logo.png"]


def test_all_of_a_skill_is_bounded(tmp_path: Path) -> None:
    texts = {f"{number:02}.txt": "x" * 100_000 for number in range(14)}
    skill = read_skill(_write(tmp_path, **{SKILL_FILE: SKILL}, **texts))

    assert sum(map(len, skill.files.values())) <= SKILL_BYTES_MAX
    assert len(skill.left_out) == 4


def test_fields_without_effect_are_told(tmp_path: Path) -> None:
    more = "license: MIT\nallowed-tools: Bash, Read\nversion: 2\n---\n"
    skill = read_skill(_write(tmp_path, **{SKILL_FILE: SKILL.replace("---\nUse", more + "Use")}))

    assert {one.field: one.why for one in skill.ignored} == {
        "license": "kept with the file, for people",
        "allowed-tools": "which tools a member has, role, policy and contract say",
        "version": "no such field here",
    }


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("# Charts\n", 1, None),
        ("---\nname: charts\n---\nDraw.\n", 1, "description"),
        ("---\nname: a/b\ndescription: d\n---\nDraw.\n", 2, "name"),
        ("---\nname: charts\ndescription: [d]\n---\nDraw.\n", 3, "description"),
        (f"---\nname: charts\ndescription: {'d' * 1_100}\n---\nDraw.\n", 3, "description"),
        ("---\nname: charts\ndescription: d\n---\n", 5, None),
    ],
)
def test_a_broken_skill_says_line_field_and_fix(
    tmp_path: Path, text: str, line: int, field: str | None
) -> None:
    with pytest.raises(RoleError) as refused:
        read_skill(_write(tmp_path, **{SKILL_FILE: text}))

    assert (refused.value.line, refused.value.field) == (line, field)
    assert refused.value.fix


def test_a_skill_is_found_by_name_in_the_project_before_the_users(tmp_path: Path) -> None:
    root, home = tmp_path / "project", tmp_path / "home"
    _write(home, **{".claude/skills/charts/SKILL.md": SKILL, ".claude/skills/mine/SKILL.md": SKILL})
    _write(root, **{"skills/charts/SKILL.md": SKILL})

    assert find_skill("charts", root, home) == root / "skills" / "charts"
    assert find_skill("mine", root, home) == home / ".claude" / "skills" / "mine"
    assert find_skill("./skills/charts", root, home).resolve() == root / "skills" / "charts"
    with pytest.raises(RoleError, match="there are: charts, mine"):
        find_skill("chart", root, home)
    with pytest.raises(RoleError, match="lies outside"):
        find_skill("../home/.claude/skills/mine", root, home)


# ------------------------------------------------------------------ who gets what


def _policy(**rules: tuple[str, ...]) -> ProjectPolicy:
    return ProjectPolicy(roles={"researcher": RoleRules(**rules)})  # type: ignore[arg-type]


def test_roles_get_what_the_policy_names_and_others_nothing(tmp_path: Path) -> None:
    root = _write(tmp_path, **{"CLAUDE.md": "Short sentences.\n", "skills/charts/SKILL.md": SKILL})
    roles = {name: a_role(name) for name in ("lead", "researcher")}

    given = given_to(
        roles, _policy(instructions=("CLAUDE.md",), skills=("charts",)), root / "peerteam.toml"
    )

    assert list(given.roles) == ["researcher"]
    [file], [skill] = given.roles["researcher"].instructions, given.roles["researcher"].skills
    assert file.text == "Short sentences."
    [data] = given.artifacts
    assert skill.kept.sha256 == hashlib.sha256(data).hexdigest()
    assert msgspec.json.decode(data) == {SKILL_FILE: "Use few colours."}
    assert given_to(roles, ProjectPolicy(), None).roles == {}


@pytest.mark.parametrize(("asked", "gets"), [(None, 1), (("charts",), 1), (("tables",), 0)])
def test_a_role_file_narrows_the_skills_and_never_widens_them(
    tmp_path: Path, asked: tuple[str, ...] | None, gets: int
) -> None:
    root = _write(tmp_path, **{"skills/charts/SKILL.md": SKILL, "skills/tables/SKILL.md": SKILL})
    role = msgspec.structs.replace(a_role("researcher"), skills=asked)

    given = given_to({"researcher": role}, _policy(skills=("charts",)), root / "peerteam.toml")

    assert len(given.roles.get("researcher", RoleGiven()).skills) == gets


def test_too_long_instructions_are_refused_and_never_cut(tmp_path: Path) -> None:
    text = "word " * INSTRUCTION_TOKENS_MAX
    root = _write(tmp_path, **{"CLAUDE.md": text})

    with pytest.raises(
        SpecError, match=r"roles\.researcher\.instructions: about .* at most 10,000"
    ):
        given_to(
            {"researcher": a_role("researcher")},
            _policy(instructions=("CLAUDE.md",)),
            root / "peerteam.toml",
        )


def test_a_broken_skill_refuses_the_run_with_its_file_and_line(tmp_path: Path) -> None:
    root = _write(tmp_path, **{"skills/charts/SKILL.md": "---\nname: charts\n---\nDraw.\n"})

    with pytest.raises(SpecError, match=r"roles\.researcher\.skills: .*SKILL\.md:1: description"):
        given_to(
            {"researcher": a_role("researcher")},
            _policy(skills=("charts",)),
            root / "peerteam.toml",
        )


def test_the_prompt_has_instructions_whole_and_skills_by_description(tmp_path: Path) -> None:
    root = _write(tmp_path, **{"CLAUDE.md": "Short sentences.\n", "skills/charts/SKILL.md": SKILL})
    given = given_to(
        {"researcher": a_role("researcher")},
        _policy(instructions=("CLAUDE.md",), skills=("charts",)),
        root / "peerteam.toml",
    ).roles["researcher"]

    text = given_text(given)

    assert '<file path="CLAUDE.md">\nShort sentences.\n</file>' in text
    assert "- `charts`: Draws charts. Use it for figures." in text
    assert "Use few colours" not in text
    assert given_text(RoleGiven()) == ""


def test_what_a_run_keeps_of_it_is_read_back_and_old_runs_have_none() -> None:
    ref = ArtifactRef(sha256="0" * 64, size_bytes=1)
    skill = SkillDoc(name="charts", description="d", files=(SKILL_FILE,), kept=ref)
    spec = msgspec.structs.replace(
        a_resolved_spec(), given={"researcher": RoleGiven(skills=(skill,))}
    )

    raw = msgspec.json.encode(spec)
    old = msgspec.json.decode(raw)
    del old["given"]

    assert msgspec.json.decode(raw, type=ResolvedSpec) == spec
    assert msgspec.convert(old, ResolvedSpec).given_to("researcher") == RoleGiven()
