"""Another model per role, per attempt and per verifier, and what is refused before a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.messages import TaskState
from team.errors import SpecError
from team.members.teammate import model_number
from team.policy import GateRules, ModelRules, Policy, ProjectPolicy, Provider
from team.runtime.permitted import check_models, check_providers, check_recordable
from team.runtime.run import Prepared, RunRequest, prepare
from team.spec import Models, ResolvedSpec, TeamSpec, load_spec
from tests.support.builders import a_resolved_spec, a_role, a_task
from tests.support.paper_team import PaperTeam

OURS = Provider(base_url="http://models.test:8000")
LOCAL_POLICY = '[providers.local]\nbase_url = "http://models.test:8000"\n'


@pytest.fixture(autouse=True)
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        for name in [*os.environ]:
            if name.startswith(("ANTHROPIC_", "PEERTEAM_RE")):
                context.delenv(name)
        context.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield context


def a_spec(
    models: Models | None = None, project: ProjectPolicy | None = None, **policy: Any
) -> ResolvedSpec:
    team = TeamSpec(
        name="t",
        models=models or Models(),
        policy=Policy(**policy),
        gate=GateRules(verifiers=2),
    )
    return ResolvedSpec(
        team=team,
        roles=a_resolved_spec().roles,
        provider="anthropic",
        project=project or ProjectPolicy(),
    )


# --- which one -----------------------------------------------------------------------------


def test_of_a_list_the_numberth_answers_and_past_its_end_the_last() -> None:
    spec = a_spec(Models(worker=("sonnet", "m-2")))

    answering = [spec.model_of("researcher", number) for number in (1, 2, 3)]
    assert answering == ["claude-sonnet-5-5", "m-2", "m-2"]
    assert spec.models_of("researcher") == ("claude-sonnet-5-5", "m-2")
    assert spec.model_of("lead", 7) == spec.team.models.lead


def test_a_role_files_own_model_and_the_users_win_over_a_list() -> None:
    spec = a_spec(Models(worker=("m-1", "m-2")))
    roles = spec.roles | {"researcher": a_role("researcher", model="opus")}

    assert msgspec.structs.replace(spec, roles=roles).model_of("researcher", 2) == "claude-opus-5-5"
    assert msgspec.structs.replace(spec, roles=roles, model="haiku").models_of("researcher") == (
        "claude-haiku-5-5",
    )


def test_an_older_stream_and_a_list_are_both_read_back() -> None:
    for worker in ("m-1", ("m-1", "local/m-2")):
        spec = a_spec(Models(worker=worker))

        assert msgspec.json.decode(msgspec.json.encode(spec), type=ResolvedSpec) == spec


def test_a_list_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('name = "t"\n[models]\nworker = []\n')

    with pytest.raises(SpecError, match=r"t\.toml:3: models\.worker"):
        load_spec(tmp_path / "t.toml")


def test_a_fresh_teammate_works_with_the_next_model() -> None:
    """Its own rounds are one attempt; being lost is none."""
    team = PaperTeam()
    team.lead()
    team.refuses = lambda task: task.id == "t1"
    numbers = [model_number(team.task("t1"))]
    for _ in range(2):
        team.work("t1")
        team.lead()
        numbers.append(model_number(team.task("t1")))

    assert team.task("t1").round == 3
    assert numbers == [1, 1, 2]

    fresh = team.task("t1").offered_to
    assert fresh is not None
    team.act("claim", fresh, "t1")
    team.lose(fresh)
    team.lead()
    assert team.task("t1").state is TaskState.open
    assert model_number(team.task("t1")) == 2


def test_each_verifier_of_a_finding_has_the_model_of_its_number() -> None:
    names = ("v-t1-1-1", "v-t1-1-2", "v-pools-2-3", "v-odd")

    assert [model_number(a_task(name, purpose="verify")) for name in names] == [1, 2, 3, 1]


# --- what is refused -------------------------------------------------------------------------


def test_every_model_of_a_list_has_to_be_allowed() -> None:
    project = ProjectPolicy(models=ModelRules(allow=("claude-*",)))

    with pytest.raises(SpecError, match=r"'m-2' of role 'skeptic'.*P204"):
        check_models(a_spec(Models(verifier=("claude-x", "m-2")), project))


def test_every_model_of_a_list_needs_a_price_under_a_limit_in_dollars() -> None:
    with pytest.raises(SpecError, match=r"'local/m'.*price is not known"):
        check_models(
            a_spec(
                Models(worker=("sonnet", "local/m")),
                ProjectPolicy(providers={"local": OURS}),
                dollars_max=1.0,
            )
        )


def test_a_provider_that_the_policy_does_not_have_is_told_with_the_likely_one(
    variables: pytest.MonkeyPatch,
) -> None:
    variables.setenv("ANTHROPIC_API_KEY", "sk-key")
    spec = a_spec(Models(worker="lokal/m"), ProjectPolicy(providers={"local": OURS}))

    with pytest.raises(SpecError, match=r"no provider 'lokal'; did you mean 'local'\?"):
        check_providers(spec)


def test_another_default_server_may_have_models_with_a_slash(
    variables: pytest.MonkeyPatch,
) -> None:
    variables.setenv("ANTHROPIC_BASE_URL", "http://models.test")

    check_providers(a_spec(Models(lead="a/b", worker="a/c", verifier="a/d")))


def test_a_model_at_the_default_provider_needs_its_key() -> None:
    spec = a_spec(Models(worker="local/m"), ProjectPolicy(providers={"local": OURS}))

    with pytest.raises(SpecError, match=r"role 'lead': there is no key; set ANTHROPIC_API_KEY"):
        check_providers(spec)


def test_a_run_on_bedrock_is_not_recorded() -> None:
    project = ProjectPolicy(providers={"aws": Provider(kind="bedrock")})

    with pytest.raises(SpecError, match="without --record"):
        check_recordable(a_spec(Models(worker="aws/m"), project))
    check_recordable(a_spec(Models(worker="m"), project))


# --- a request -------------------------------------------------------------------------------


def prepared(folder: Path, model: str | None, policy: str = LOCAL_POLICY) -> Prepared:
    (folder / "source.md").write_text("Something to read.\n")
    (folder / "peerteam.toml").write_text(policy)
    return prepare(
        RunRequest(
            team="research", goal="What is it?", sources=("source.md",), cwd=folder, model=model
        )
    )


def test_a_model_at_a_named_provider_makes_a_real_run_without_a_key_to_anthropic(
    tmp_path: Path,
) -> None:
    made = prepared(tmp_path, "local/qwen3")

    assert (made.spec.provider, made.spec.model) == ("anthropic", "local/qwen3")
    assert prepared(tmp_path, None).spec.provider == "rehearsal"


def test_a_provider_without_its_key_is_refused_before_the_run(tmp_path: Path) -> None:
    policy = LOCAL_POLICY + 'key_variable = "LOCAL_KEY"\n'

    with pytest.raises(SpecError, match=r"LOCAL_KEY is not set.*; set LOCAL_KEY"):
        prepared(tmp_path, "local/qwen3", policy)


def test_a_mistyped_provider_is_not_taken_for_a_missing_key(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no provider 'lokal'"):
        prepared(tmp_path, "lokal/qwen3")
