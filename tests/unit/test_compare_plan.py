"""Arms, limits, order, files: what is decided before the first call, and kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Budget, PlanMade, PlannedTask, UsageReserved
from team.cli import exit_codes
from team.cli.main import main
from team.compare import results
from team.compare.arms import (
    LINE_WORDS,
    LONG_WORDS,
    SINGLE,
    Unit,
    arm_of,
    contrasts_of,
    dressed,
    first_units,
    least_budget,
    limits_of,
    other_units,
    read_arms,
    run_ids,
)
from team.compare.results import add_row, read_plan, read_rows, worked_on, write_plan
from team.compare.setting import Asked, departures_of, make_plan, prepare_run
from team.compare.sham import PEERS, sham_plan
from team.compare.spending import Spending, in_column, spending_of
from team.compare.tasks import Command
from team.errors import SourceError, SpecError
from team.policy import Policy
from team.rules.contracts import planned_problems
from team.tool_names import MAIL_TOOLS
from tests.support.builders import (
    a_contract,
    a_criterion,
    a_record,
    a_resolved_spec,
    a_usage,
    opens,
)
from tests.support.compared import a_compared_task, a_comparison, rows_of, some_tasks

# ------------------------------------------------------------------ arms


def test_a_single_agent_and_the_same_again_always_run_and_come_first() -> None:
    assert read_arms("team,single") == ("single", "single-again", "team")
    assert read_arms(" vote3 , vote3,auto") == ("single", "single-again", "vote3", "auto")


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ("teem", "no arm 'teem'"),
        ("vote1", "vote2 to vote9"),
        ("vote10", "vote2 to vote9"),
        ("single", "nothing is compared"),
        ("", "nothing is compared"),
    ],
)
def test_arms_that_make_no_sense_are_refused(arms: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        read_arms(arms)


def test_each_arm_is_compared_with_a_single_agent_and_the_team_with_all() -> None:
    arms = read_arms("vote3,team,sham")

    assert contrasts_of(arms) == (
        ("vote3", "single"),
        ("team", "single"),
        ("sham", "single"),
        ("team", "vote3"),
        ("team", "sham"),
    )


def test_the_order_is_a_permutation_that_the_seed_gives_again() -> None:
    arms, tasks = ("single", "single-again", "team"), ["a", "b", "c"]

    units = [*first_units(tasks, 2, 5), *other_units(arms, tasks, 2, 5)]

    assert len(units) == len(set(units)) == 3 * 3 * 2
    assert all(unit.arm == SINGLE for unit in units[:6])
    assert units == [*first_units(tasks, 2, 5), *other_units(arms, tasks, 2, 5)]
    assert units[6:] != other_units(arms, tasks, 2, 6)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.integers(1, 9))
def test_run_ids_fit_the_bus_and_tell_tasks_apart(task: str, runs: int) -> None:
    unit = Unit(arm="single-again", task=task, trial=100)

    names = run_ids("0123456789abcdef", unit, runs)

    assert len(set(names)) == runs
    assert all(re.fullmatch(r"c01234567-single-again-[A-Za-z0-9_-]{1,40}", one) for one in names)
    assert all(len(one) <= 64 for one in names)


def test_long_ids_that_begin_alike_have_runs_of_their_own() -> None:
    units = [Unit(arm="team", task="x" * 60 + end, trial=1) for end in "ab"]

    assert run_ids("0" * 64, units[0], 1) != run_ids("0" * 64, units[1], 1)


def test_the_budget_binds_and_nothing_a_task_is_held_to_does_so_before() -> None:
    own = Policy()

    held = limits_of(own, budget=500_000, column="tokens", unit_usd=None, lead_call=14_000)

    assert held.run_tokens_max == held.tokens_max == 500_000
    assert held.turns_max == own.turns_max * own.teammates_max
    assert held.seconds_max == own.run_seconds_max
    assert (held.run_dollars_max, held.reserve_share) == (None, own.reserve_share)


def test_price_weighted_tokens_are_held_in_dollars() -> None:
    held = limits_of(Policy(), budget=1_000_000, column="weighted", unit_usd=3e-6, lead_call=5e4)

    assert held.run_dollars_max == held.dollars_max == pytest.approx(3.0)
    assert held.run_tokens_max == 10_000_000


@given(st.floats(1, 1e6), st.integers(1, 9))
def test_in_the_least_budget_the_lead_can_make_its_first_call(call: float, runs: int) -> None:
    budget = least_budget(call, runs)

    held = limits_of(
        Policy(), budget=budget // runs, column="tokens", unit_usd=None, lead_call=call
    )

    assert budget // runs * held.reserve_share * 0.5 >= call - 1


def test_arms_differ_in_what_they_say_and_in_nothing_else() -> None:
    spec, limits = a_resolved_spec(), Policy(run_tokens_max=5)
    single, long, sham = (arm_of(name) for name in ("single", "single-long", "sham"))
    assert single
    assert long
    assert sham

    plain = dressed(spec, single, limits)

    assert plain.team.policy == limits
    assert plain.roles == spec.roles
    told = dressed(spec, long, limits).roles["researcher"].instructions
    assert told == spec.roles["researcher"].instructions + LONG_WORDS
    lined = dressed(spec, single, limits, wants_line=True).roles
    assert lined["lead"].instructions == spec.roles["lead"].instructions + LINE_WORDS
    assert lined["researcher"] == spec.roles["researcher"]
    mute = dressed(spec, sham, limits).roles["researcher"]
    assert set(mute.disallowed_tools) == MAIL_TOOLS


# ------------------------------------------------------------------ the placebo


def _single_plan() -> PlanMade:
    contract = a_contract(
        output_format="A finding of the type finding.submitted.",
        criteria=(a_criterion(),),
        covers=("pools",),
        constraints=("only version 2",),
    )
    task = PlannedTask(id="t1", opened=opens(contract=contract))
    return PlanMade(
        mode="solo",
        reasons=("solo",),
        tasks=(task,),
        aspects=("pools",),
        constraints=("only version 2",),
    )


@given(st.integers(1, 10_000_000), st.one_of(st.none(), st.floats(0.01, 100)))
def test_one_does_the_work_of_a_single_agent_and_the_others_have_nothing_to_say(
    tokens: int, usd: float | None
) -> None:
    """The same contract; the slices of all together are that of one."""
    plan = _single_plan()
    budget = Budget(turns_max=9, tokens_max=tokens, seconds_max=60.0, usd_max=usd)

    made = sham_plan(plan, "left-blank", budget)

    worked, *peers = (task.opened.contract for task in made.tasks)
    assert msgspec.structs.replace(worked, budget=plan.tasks[0].opened.contract.budget) == (
        plan.tasks[0].opened.contract
    )
    assert len(peers) == PEERS
    assert all(peer.sources == ("left-blank",) for peer in peers)
    assert not any(MAIL_TOOLS & set(peer.tools) for peer in peers)
    slices = [task.opened.contract.budget for task in made.tasks]
    assert sum(one.tokens_max for one in slices) == tokens
    if usd is not None:
        assert sum(one.usd_max or 0.0 for one in slices) == pytest.approx(usd)
    assert planned_problems(made) == []


# ------------------------------------------------------------------ what is spent


def test_everything_is_charged_by_column_and_what_is_around_the_work_apart() -> None:
    lost = msgspec.structs.replace(
        a_usage(cost_usd=0.25), lost=a_usage(input=7, output=1).tokens, is_estimated=True
    )
    records = [
        a_record(1, "usage", author="ada", body=a_usage(input=10, cache_read=20, cache_write=5)),
        a_record(2, "usage", author="lead", body=a_usage(input=3, output=4)),
        a_record(3, "usage", author="vera", body=lost),
        a_record(4, "member", "ada", author="ada"),
    ]

    spent = spending_of(records, {"ada"}, 2.5)

    assert spent == Spending(
        input=20,
        cache_write=5,
        cache_read=20,
        output=5,
        usd=1.25,
        seconds=2.5,
        calls=3,
        peak_context=35,
        around=15,
        is_estimated=True,
    )
    assert spent.tokens == 50


def test_what_nobody_has_settled_stands_apart_at_most() -> None:
    """A call that was reserved and never heard of again, and one that can't say all of it."""
    reserved = UsageReserved(context="t1", turn=9, model="m1", tokens=500, usd=0.5)
    partly = msgspec.structs.replace(
        a_usage(input=10, cost_usd=0.25), unsettled_tokens=30, unsettled_usd=0.125
    )
    records = [
        a_record(1, "usage", author="ada", body=reserved),
        a_record(2, "usage", author="bob", body=partly),
    ]

    spent = spending_of(records, {"ada", "bob"}, 1.0)
    twice = spent.plus(spent)

    assert (spent.tokens, spent.usd) == (partly.tokens.total, 0.25)
    assert (spent.unsettled, spent.unsettled_usd) == (530, 0.625)
    assert (twice.unsettled, twice.unsettled_usd) == (1_060, 1.25)
    unknown = msgspec.structs.replace(spent, unsettled_usd=None)
    assert spent.plus(unknown).unsettled_usd is None


def test_runs_side_by_side_take_as_long_as_the_longest() -> None:
    one, other = Spending(input=1, seconds=2.0), Spending(input=2, seconds=5.0, usd=None)

    assert one.plus(other).seconds == 7.0
    both = one.plus(other, side_by_side=True)
    assert (both.seconds, both.input, both.usd) == (5.0, 3, None)


def test_the_column_is_dollars_in_tokens_and_tokens_where_a_price_is_unknown() -> None:
    spent = Spending(input=100, usd=0.003)

    assert in_column(spent, "weighted", 3e-6) == pytest.approx(1_000)
    assert in_column(spent, "tokens", None) == 100
    assert in_column(msgspec.structs.replace(spent, usd=None), "weighted", 3e-6) == 100


# ------------------------------------------------------------------ files


def test_a_plan_is_hashed_and_a_plan_that_was_changed_is_refused(tmp_path: Path) -> None:
    plan, folder = a_comparison(3), tmp_path / "cmp"
    digest = write_plan(folder, plan)

    assert read_plan(folder) == (plan, digest)
    (folder / results.PLAN).write_text((folder / results.PLAN).read_text().replace("0.05", "0.5"))
    with pytest.raises(SpecError, match="changed after it was hashed"):
        read_plan(folder)
    with pytest.raises(SpecError, match="the folder is not empty"):
        write_plan(folder, plan)
    with pytest.raises(SpecError, match="name the folder of a comparison"):
        read_plan(tmp_path)


def test_a_torn_last_line_is_no_row_and_does_no_harm(tmp_path: Path) -> None:
    first, second = rows_of("single", "rw")
    path = tmp_path / results.RESULTS
    add_row(tmp_path, first)
    whole = path.read_bytes()
    add_row(tmp_path, second)

    for length in range(len(whole), len(path.read_bytes())):
        torn = tmp_path / "torn"
        torn.mkdir(exist_ok=True)
        (torn / results.RESULTS).write_bytes(path.read_bytes()[:length])
        add_row(torn, second)
        assert read_rows(torn) == [first, second]


def test_a_unit_counts_once_and_a_broken_line_is_told(tmp_path: Path) -> None:
    first, second = rows_of("single", "rw")
    for row in (first, first, second):
        add_row(tmp_path, row)
    assert read_rows(tmp_path) == [first, second]

    path = tmp_path / results.RESULTS
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(SpecError, match=r"results.jsonl:1"):
        read_rows(tmp_path)


# ------------------------------------------------------------------ from what is asked to a plan


def _asked(folder: Path, **changes: object) -> Asked:
    asked = Asked(
        tasks_file=folder / "tasks.jsonl",
        budget=700_000,
        arms="team,vote3,sham",
        trials=2,
        seed=0,
        team="research",
        model="rehearsal",
        policy=None,
        enough=0.8,
        asks_all=False,
        allows_commands=False,
        cwd=folder,
    )
    return msgspec.structs.replace(asked, **changes)


@pytest.fixture
def project(tmp_path: Path, lanes: list[Path]) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    some_tasks(folder, lanes)
    return folder


def test_a_plan_says_all_that_is_needed_to_repeat_it(project: Path) -> None:
    plan = make_plan(_asked(project))

    assert (plan.column, plan.unit_usd, plan.provider) == ("tokens", None, "rehearsal")
    assert plan.models == dict.fromkeys(("lead", "worker", "verifier"), "rehearsal-1")
    assert set(plan.sources) == {"refuse", "signal", "moon"}
    assert {"team", "policy", "role lead", "role researcher"} <= set(plan.setting)
    assert plan.limits.run_tokens_max == 700_000
    assert list(departures_of(plan)) == []


def test_every_run_of_an_arm_has_its_part_of_the_budget(project: Path, tmp_path: Path) -> None:
    plan = make_plan(_asked(project))
    arms = {name: arm_of(name) for name in plan.arms}

    limits = {
        name: prepare_run(plan, tmp_path, plan.tasks[0], arm, "c1").spec.team.policy.run_tokens_max
        for name, arm in arms.items()
        if arm is not None and not arm.is_sham
    }

    assert limits == {
        "single": 700_000,
        "single-again": 700_000,
        "team": 700_000,
        "vote3": 233_333,
    }


def test_a_model_with_a_price_is_counted_by_price(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times as many tokens as tokens would be, all of them held in dollars."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")

    plan = make_plan(_asked(project, budget=2_000_000, model="claude-sonnet-4-5"))
    unknown = make_plan(_asked(project, model="no-such-model", budget=700_000))

    assert plan.column == "weighted"
    assert plan.unit_usd == pytest.approx(3e-6)  # not what is asked of calls that read very much
    assert plan.limits.run_dollars_max == pytest.approx(6.0)
    assert (unknown.column, unknown.limits.run_dollars_max) == ("tokens", None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budget": 4_000_000_000}, "more than a run can have; ask for 1,000,000,000 at most"),
        ({"budget": 50_000}, "too little for single; ask for 224,000"),
        ({"budget": 250_000}, "too little for vote3, 83,333 for each of its runs; ask for 672,000"),
        ({"team": "reserch"}, "did you mean 'research'"),
        ({"model": "claude-sonnet-4-5"}, "needs a key"),
    ],
)
def test_what_can_not_be_compared_is_refused_before_anything_is_spent(
    project: Path, changes: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(SpecError, match=words):
        make_plan(_asked(project, **changes))


def test_the_projects_policy_holds_and_says_how_much_it_leaves(project: Path) -> None:
    (project / "peerteam.toml").write_text("[limits]\nrun_tokens_max = 690_000\n")

    with pytest.raises(SpecError, match="ask for 690000 at most"):
        make_plan(_asked(project))
    assert make_plan(_asked(project, budget=690_000)).limits.run_tokens_max == 690_000


def test_a_team_that_asks_a_person_is_refused(project: Path) -> None:
    (project / "peerteam.toml").write_text("[approve]\nresult = true\n")

    with pytest.raises(SpecError, match="nobody to ask"):
        make_plan(_asked(project))


def test_every_change_after_the_plan_is_a_departure(project: Path, lanes: list[Path]) -> None:
    plan = make_plan(_asked(project))
    (project / "peerteam.toml").write_text("[limits]\nteammates_max = 3\n")
    (lanes[0] / "guide.md").write_text("Something else is written here now, at some length.\n")

    said = list(departures_of(msgspec.structs.replace(plan, package="0.0.1")))

    assert [line for line in said if "0.0.1 had begun" in line]
    assert "the policy was changed after the plan was made" in said
    assert "the team was changed after the plan was made" in said
    assert "the sources of task moon were changed after the plan was made" in said


def test_sources_that_are_not_there_are_told_before_anything_is_spent(project: Path) -> None:
    path = project / "tasks.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["sources"] = ["nowhere"]
    path.write_text("\n".join(json.dumps(line) for line in lines))

    with pytest.raises(SourceError, match="nowhere"):
        make_plan(_asked(project))


# ------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tasks.jsonl",), "--budget: there is none"),
        (("--budget", "1"), "no tasks are named"),
        (("tasks.jsonl", "--budget", "1"), "too little for single"),
        (("none.jsonl", "--budget", "1"), "there is no such file"),
        ((".", "--budget", "1"), "it is a folder, not a file of tasks"),
        (("tasks.jsonl", "--budget", "2M", "--arms", ""), "nothing is compared with a single"),
        (("tasks.jsonl", "--budget", "50k"), "50,000 is too little for single"),
        (("tasks.jsonl", "--budget", "2.5"), "it is no amount in dollars"),
        (("tasks.jsonl", "--budget", "$3"), "it is no amount in dollars"),
        (("--resume", "none", "--seed", "1"), "seed: it can't be changed with --resume"),
        (("--resume", "none"), "name the folder of a comparison"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("PEERTEAM_HOME", str(project / "home"))
    model = () if "--resume" in arguments else ("--model", "rehearsal")

    assert main(["compare", *arguments, *model]) == exit_codes.BAD_INPUT

    assert words in capsys.readouterr().err
    assert not (project / "home").exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--trials", "x", "'x' is no whole number from 1 to 100; give one"),
        ("--trials", "101", "'101' is no whole number from 1 to 100"),
        ("--jobs", "0", "'0' is no whole number from 1"),
        ("--enough", "80", "'80' is no share above 0 and at most 1; give one, such as 0.8"),
        ("--enough", "nan", "'nan' is no share"),
    ],
)
def test_a_number_that_can_not_be_used_is_told_in_words(
    capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["compare", "tasks.jsonl", "--budget", "2M", option, value])

    assert words in capsys.readouterr().err


def test_a_comparison_is_neither_recorded_nor_replayed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEERTEAM_RECORD", str(project / "tape"))

    assert main(["compare", "tasks.jsonl", "--budget", "300000"]) == exit_codes.BAD_INPUT

    assert "neither recorded nor replayed" in capsys.readouterr().err


def test_two_do_not_go_on_with_one_comparison_at_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project / "cmp"
    write_plan(folder, a_comparison(1))

    with worked_on(folder):
        assert main(["compare", "--resume", str(folder)]) == exit_codes.BAD_INPUT

    assert "another team compare works on it; wait for it" in capsys.readouterr().err
    with worked_on(folder):
        assert read_rows(folder) == []


def test_programs_are_allowed_anew_when_a_comparison_is_taken_up(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = a_compared_task(graders=(Command(argv=("true",)),))
    write_plan(project / "cmp", a_comparison(1, tasks=(task,)))

    assert main(["compare", "--resume", str(project / "cmp")]) == exit_codes.BAD_INPUT

    assert "give --allow-commands again" in capsys.readouterr().err
