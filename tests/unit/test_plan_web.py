"""Lanes that may fetch: what they may name, and that code judges no size that it can't know."""

from __future__ import annotations

import pytest

from team.codes import plan as codes
from team.rules.contracts import within_of
from team.rules.plan import PLAN_RULES, Ability, PlanFacts, contract_of
from team.rules.triage import triage
from tests.support.builders import a_budget, a_contract, a_criterion, a_lane, a_plan, some_facts

WORKER = Ability(model="small", tools=("read_source", "fetch", "submit_finding"))
HOSTS = ("docs.python.org", "*.ietf.org")


def on_the_web(documents: dict[str, int] | None = None) -> PlanFacts:
    return some_facts(documents, worker=WORKER, hosts=HOSTS)


def problems(sources: tuple[str, ...], facts: PlanFacts) -> list[str]:
    plan = a_plan(a_lane(sources=sources))
    return PLAN_RULES[codes.SOURCES](plan, facts)


@pytest.mark.parametrize(
    "sources",
    [
        ("web:docs.python.org",),
        ("web:*.ietf.org",),
        ("web:www.ietf.org",),
        ("docs", "web:docs.python.org"),
    ],
)
def test_a_lane_may_name_hosts_of_the_policy(sources: tuple[str, ...]) -> None:
    assert problems(sources, on_the_web()) == []


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (("web:example.org",), "'web:example.org' is not one of web:docs.python.org, web:*.ietf"),
        (("web:*",), "'web:*' is not one of"),
        (("web:docs.python.org:8080",), "is not one of"),
        (("web",), "source 'web' is not one of code, docs"),
    ],
)
def test_a_host_that_policy_does_not_name_is_sent_back(sources: tuple[str, ...], said: str) -> None:
    (problem,) = problems(sources, on_the_web())

    assert said in problem


def test_without_hosts_in_the_policy_no_lane_may_name_one() -> None:
    (problem,) = problems(("web:docs.python.org",), some_facts())

    assert "the policy names no host to fetch from" in problem


def test_a_run_without_sources_is_planned_on_hosts_alone() -> None:
    assert problems(("web:docs.python.org",), on_the_web({})) == []
    assert problems(("docs",), on_the_web({})) != []


def test_a_criterion_may_ask_for_more_sources_than_are_there_yet() -> None:
    asks = (a_criterion(sources_min=5),)
    web, none = (a_lane(sources=(name,), acceptance=asks) for name in ("web:*.ietf.org", "docs"))
    rule = PLAN_RULES[codes.ACCEPTANCE]

    assert rule(a_plan(web), on_the_web()) == []
    assert rule(a_plan(none), on_the_web()) != []


def test_lanes_on_the_web_are_not_merged_for_being_short() -> None:
    """What a page holds is known once it is there; lanes on files are merged as ever."""
    lanes = [
        a_lane("pools", sources=("web:docs.python.org",)),
        a_lane("timeouts", sources=("web:*.ietf.org",)),
    ]
    files = {"docs/a.md": 10, "code/a.py": 10}
    ruled = triage(a_plan(*lanes), on_the_web(files))
    short = [a_lane("pools"), a_lane("timeouts", sources=("code",))]
    merged = triage(a_plan(*short), on_the_web(files))

    assert (ruled.mode, len(ruled.lanes)) == ("team", 2)
    assert merged.mode == "solo"


def test_merging_and_splitting_lanes_keeps_their_hosts() -> None:
    both = a_lane("pools", sources=("docs", "web:docs.python.org"), sources_avoided=("docs/b.md",))
    other = a_lane("timeouts", sources=("code", "web:*.ietf.org"))
    one = triage(a_plan(both, other), on_the_web()).lanes
    solo = triage(a_plan(both, other), some_facts(worker=WORKER, hosts=HOSTS, mode="solo")).lanes
    large = {f"docs/{n}.md": 100_000 for n in range(3)}
    broad = a_lane("pools", sources=("docs", "web:docs.python.org"))
    split = triage(a_plan(broad), on_the_web(large)).lanes

    assert {source for lane in one for source in lane.web} == {
        "web:docs.python.org",
        "web:*.ietf.org",
    }
    assert set(solo[0].web) == {"web:docs.python.org", "web:*.ietf.org"}
    assert "docs/b.md" not in solo[0].sources
    assert all(lane.web == ("web:docs.python.org",) for lane in split)


def test_a_contract_reads_what_is_here_and_fetches_what_is_there() -> None:
    lane = a_lane(sources=("docs", "web:docs.python.org"))
    contract = contract_of(lane, a_plan(lane), WORKER.tools, a_budget())

    assert contract.sources == ("docs", "web:docs.python.org")
    assert "fetch" in contract.tools
    assert within_of(contract) == ("docs",)
    assert within_of(a_contract(sources=("web:a.org",))) == ()
