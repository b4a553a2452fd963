"""`peerteam.toml`: found, read, and held against a request before a run is opened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from team.errors import SpecError
from team.policy import Limits, ModelRules, Policy, ProjectPolicy, RoleRules
from team.project import find_policy, load_policy, repository_root
from team.runtime.permitted import check_models, narrowed
from team.runtime.run import Prepared, RunRequest, prepare
from team.spec import Models, ResolvedSpec, TeamSpec
from tests.support.builders import a_resolved_spec, a_role
from tests.support.documents import ROOT

POLICY = '[limits]\nteammates_max = 3\n[roles.researcher]\ntools = ["read_source", "note"]\n'


@pytest.fixture(autouse=True)
def no_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as context:
        context.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
            context.delenv(name, raising=False)
        yield


def prepared(folder: Path, *, model: str | None = None, policy: str | None = None) -> Prepared:
    (folder / "source.md").write_text("Something to read.\n")
    request = RunRequest(
        team="research",
        goal="What is there to read?",
        sources=("source.md",),
        cwd=folder,
        model=model,
        policy=policy,
    )
    return prepare(request)


# --- found ---------------------------------------------------------------------------------


def test_the_policy_of_the_repository_is_found_from_a_folder_inside(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "peerteam.toml").write_text("")

    assert find_policy(tmp_path / "a" / "b") == tmp_path.resolve() / "peerteam.toml"
    assert repository_root(tmp_path / "a" / "b") == tmp_path.resolve()


def test_the_nearest_policy_wins(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere\n")
    (tmp_path / "a").mkdir()
    for folder in (tmp_path, tmp_path / "a"):
        (folder / "peerteam.toml").write_text("")

    assert find_policy(tmp_path / "a") == tmp_path.resolve() / "a" / "peerteam.toml"


def test_above_the_repository_nothing_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "peerteam.toml").write_text("")
    (tmp_path / "a" / ".git").mkdir(parents=True)

    assert find_policy(tmp_path / "a") is None


def test_outside_a_repository_only_the_folder_itself_counts(tmp_path: Path) -> None:
    (tmp_path / "peerteam.toml").write_text("")
    (tmp_path / "a").mkdir()

    assert find_policy(tmp_path / "a") is None
    assert find_policy(tmp_path) == tmp_path.resolve() / "peerteam.toml"


def test_a_policy_that_leads_nowhere_is_an_error_and_not_no_policy(tmp_path: Path) -> None:
    (tmp_path / "peerteam.toml").symlink_to(tmp_path / "gone.toml")

    path = find_policy(tmp_path)

    assert path is not None
    with pytest.raises(SpecError, match=r"peerteam\.toml: can't be read"):
        load_policy(path)
    with pytest.raises(SpecError, match=r"peerteam\.toml: can't be read"):
        prepared(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits]\nteammate_max = 3\n", ":2: limits.teammate_max: unknown field; did you mean"),
        ("[roles.lead]\ntools = 3\n", ":2: roles.lead.tools: Expected `array`, got `int`"),
        ("[limits\n", ":1: broken TOML"),
    ],
)
def test_a_policy_that_is_wrong_is_an_error_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "peerteam.toml").write_text(text)

    with pytest.raises(SpecError) as raised:
        prepared(tmp_path)

    assert f"peerteam.toml{said}" in str(raised.value)


# --- held ------------------------------------------------------------------------------------


def test_a_run_has_the_teams_limits_tightened_and_keeps_the_policy(tmp_path: Path) -> None:
    (tmp_path / "peerteam.toml").write_text(POLICY)

    ready = prepared(tmp_path)

    assert ready.policy == tmp_path.resolve() / "peerteam.toml"
    assert ready.spec.project == load_policy(tmp_path / "peerteam.toml")
    assert ready.spec.team.policy.teammates_max == 3
    assert ready.spec.roles["researcher"].tools == ("read_source", "note")
    assert "submit_plan" in (ready.spec.roles["lead"].tools or ())


def test_without_a_policy_nothing_is_changed(tmp_path: Path) -> None:
    ready = prepared(tmp_path)

    assert ready.policy is None
    assert ready.spec.project == ProjectPolicy()
    assert ready.spec.team.policy == Policy()
    assert "send_message" in (ready.spec.roles["researcher"].tools or ())


def test_a_policy_that_is_named_holds_in_place_of_the_projects(tmp_path: Path) -> None:
    (tmp_path / "peerteam.toml").write_text("[limits]\nteammates_max = 0\n")
    (tmp_path / "ci.toml").write_text("[limits]\nteammates_max = 2\n")

    ready = prepared(tmp_path, policy="ci.toml")

    assert ready.policy == tmp_path / "ci.toml"
    assert ready.spec.team.policy.teammates_max == 2


@pytest.mark.parametrize("name", ["none.toml", "none", ""])
def test_there_is_no_way_to_have_no_policy(tmp_path: Path, name: str) -> None:
    (tmp_path / "peerteam.toml").write_text(POLICY)

    with pytest.raises(SpecError):
        prepared(tmp_path, policy=name)


def test_a_rule_for_a_role_that_nobody_has_is_refused(tmp_path: Path) -> None:
    """It would limit nobody, and whoever wrote it would not know."""
    (tmp_path / "peerteam.toml").write_text("[roles.reseacher]\nareas = []\n")

    with pytest.raises(SpecError, match=r"roles\.reseacher: there is no such role; did you mean"):
        prepared(tmp_path)


def test_the_tools_of_a_role_are_narrowed_and_never_widened() -> None:
    project = ProjectPolicy(
        roles={
            "few": RoleRules(tools=("note", "read_source")),
            "all": RoleRules(tools=("note",)),
            "none": RoleRules(tools=()),
        }
    )
    roles = {
        "few": a_role("few", tools=("search_sources", "read_source")),
        "all": a_role("all", tools=None),
        "none": a_role("none", tools=("note",)),
        "free": a_role("free", tools=("note",)),
    }

    left = narrowed(roles, project)

    assert {name: role.tools for name, role in left.items()} == {
        "few": ("read_source",),
        "all": ("note",),
        "none": (),
        "free": ("note",),
    }


# --- models ----------------------------------------------------------------------------------


def a_spec(
    *,
    worker: str = "claude-sonnet-5-5",
    dollars_max: float | None = None,
    provider: str = "anthropic",
    project: ProjectPolicy | None = None,
) -> ResolvedSpec:
    team = TeamSpec(name="t", models=Models(worker=worker), policy=Policy(dollars_max=dollars_max))
    roles = a_resolved_spec().roles
    return ResolvedSpec(
        team=team, roles=roles, provider=provider, project=project or ProjectPolicy()
    )


def test_a_model_that_the_policy_does_not_allow_is_refused() -> None:
    project = ProjectPolicy(models=ModelRules(allow=("claude-opus-*",)))

    with pytest.raises(SpecError, match=r"model 'claude-sonnet-5-5' of role .* \(P204\)"):
        check_models(a_spec(project=project))


def test_a_model_that_its_role_may_not_have_is_refused() -> None:
    project = ProjectPolicy(roles={"researcher": RoleRules(models=("claude-haiku-*",))})

    with pytest.raises(SpecError, match="'researcher'"):
        check_models(a_spec(project=project))


def test_models_that_the_policy_allows_may_answer() -> None:
    check_models(a_spec(project=ProjectPolicy(models=ModelRules(allow=("claude-*",)))))


def test_under_a_limit_in_dollars_a_model_without_a_price_is_refused() -> None:
    with pytest.raises(SpecError, match=r"'nobodys-1' .* its price is not known"):
        check_models(a_spec(worker="nobodys-1", dollars_max=1.0))


def test_a_limit_in_dollars_holds_for_models_with_a_price() -> None:
    check_models(a_spec(dollars_max=1.0))


def test_without_a_limit_in_dollars_a_price_need_not_be_known() -> None:
    check_models(a_spec(worker="nobodys-1"))


def test_the_rehearsal_model_always_may_answer(tmp_path: Path) -> None:
    """It is no language model: it costs nothing, and nothing leaves the machine."""
    project = ProjectPolicy(models=ModelRules(allow=()), limits=Limits(run_dollars_max=1.0))
    check_models(a_spec(worker="nobodys-1", dollars_max=1.0, provider="rehearsal", project=project))

    (tmp_path / "peerteam.toml").write_text("[models]\nallow = []\n[limits]\nrun_dollars_max = 1\n")
    assert prepared(tmp_path, model="rehearsal").spec.provider == "rehearsal"


def test_a_request_for_a_model_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "peerteam.toml").write_text('[models]\nallow = ["claude-*"]\n')

    with pytest.MonkeyPatch.context() as context:
        context.setenv("ANTHROPIC_API_KEY", "no-real-key")
        assert prepared(tmp_path).spec.provider == "anthropic"
        with pytest.raises(SpecError, match="P204"):
            prepared(tmp_path, model="other-1")


def test_a_price_table_that_fails_lets_no_model_pass(tmp_path: Path) -> None:
    """Whatever goes wrong while a model is judged, it was not allowed."""
    (tmp_path / "genai_prices.py").write_text(
        "class Usage:\n    def __init__(self, **counts): pass\n"
        "def calc_price(*asked, **more): raise RuntimeError('the table is gone')\n"
    )
    script = (
        "from tests.unit.test_project_policy import a_spec, check_models\n"
        "check_models(a_spec())\n"
        "print('no limit, no question')\n"
        "check_models(a_spec(dollars_max=1.0))\n"
        "print('passed')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )

    assert done.stdout == "no limit, no question\n"
    assert done.returncode != 0
    assert "the table is gone" in done.stderr
