"""Limits, permissions and approvals, counted again from the stream: what was passed, what not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bus.ids import LEAD, PERSON
from bus.messages import (
    ApprovalAsked,
    ApprovalGiven,
    ArtifactRef,
    DecisionRecorded,
    MemberSeated,
    ResultPublished,
    SnapshotKept,
    TaskSettled,
    TokenCounts,
)
from team.audit import AuditReport, audit
from team.codes import RULES, limits
from team.codes import audit as audit_codes
from team.policy import Approvals, McpRules, ModelRules, ProjectPolicy, RoleRules, WebRules
from tests.support.audited import (
    LANE_TOOLS,
    Change,
    Tale,
    a_sound_run,
    a_spec,
    change,
)
from tests.support.builders import OPENED_AT, a_budget, a_contract, a_finding, opens

Run = Callable[[], Tale]


def codes_of(report: AuditReport) -> set[str]:
    return {breach.code for breach in report.breaches}


def a_lane(**budget: Any) -> dict[str, Change]:
    """The lane's contract, with a budget as given."""
    return {"task": change(contract=a_contract(tools=LANE_TOOLS, budget=a_budget(**budget)))}


def a_lane_that(**contract: Any) -> dict[str, Change]:
    """The lane's contract, with some of its fields as given."""
    return {"task": change(contract=a_contract(**({"tools": LANE_TOOLS} | contract)))}


def seats(*names: str) -> Callable[[Tale], None]:
    def added(tale: Tale) -> None:
        for name in names:
            tale.seat(name)

    return added


def tells(
    kind: str, *names: str, author: str, body: Any, at: float | None = None
) -> Callable[[Tale], Any]:
    return lambda tale: tale.tell(kind, *names, author=author, body=body, at=at)


def opened_again(*rounds: int) -> Callable[[Tale], None]:
    def added(tale: Tale) -> None:
        for number in rounds:
            tale.tell("task", "t2", body=opens("timeouts", round=number))
        body = TaskSettled(state="failed")
        tale.tell("task", "t2", body=body)

    return added


ANSWER = next(
    record.body.text for record in a_sound_run().records if isinstance(record.body, ResultPublished)
)


def submitted_by_ada(times: int) -> Callable[[Tale], None]:
    def added(tale: Tale) -> None:
        for _ in range(times):
            tale.tell("finding", "t1", author="ada", body=a_finding())

    return added


def asked(
    name: str,
    what: Any,
    outcome: Any,
    *,
    usd: float | None = None,
    by: str = PERSON,
    text: str = "May I?",
) -> Callable[[Tale], Any]:
    def added(tale: Tale) -> None:
        tale.tell("approval", name, body=ApprovalAsked(what=what, text=text, usd=usd))
        tale.tell("approval", name, author=by, body=ApprovalGiven(outcome=outcome))

    return added


def later(seconds: float) -> Callable[[Tale], None]:
    """From here on everything is stored later."""

    def added(tale: Tale) -> None:
        tell = tale.tell

        def shifted(kind: str, *names: str, **more: Any) -> int:
            at = OPENED_AT + tale.last_seq + 1 + seconds
            return tell(kind, *names, **({"at": at} | more))

        tale.tell = shifted  # type: ignore[method-assign]

    return added


def fetched(origin: str, context: str = "task:t1:1") -> Callable[[Tale], Any]:
    """Ada has brought a page from there."""
    kept = SnapshotKept(
        tool="fetch",
        origin=origin,
        text=ArtifactRef(sha256="a" * 64, size_bytes=3),
        lines=1,
        context=context,
    )
    return tells("snapshot", "a" * 20, author="ada", body=kept)


def on_the_web(*hosts: str) -> dict[str, Change]:
    """The lane's contract, with hosts among its sources."""
    return a_lane_that(sources=("docs", *(f"web:{host}" for host in hosts)))


WEB = ProjectPolicy(web=WebRules(hosts=("docs.python.org", "*.ietf.org")))
WRITES = RoleRules(writes=("notes/*",))
NO_NOTES = ProjectPolicy(roles={"researcher": RoleRules(tools=("search_sources",))})
ONE_AREA = ProjectPolicy(roles={"researcher": RoleRules(areas=("api",))})
MODELS = ProjectPolicy(models=ModelRules(allow=("m1",)))


def claude(project: ProjectPolicy) -> Any:
    return msgspec.structs.replace(a_spec(project=project), provider="anthropic")


def decided_by(author: str, area: str) -> Callable[[Tale], None]:
    return tells(
        "decision", area, "paging", author=author, body=DecisionRecorded(statement="Cursors.")
    )


NO_SERVER = ProjectPolicy(mcp=McpRules(servers=("docs",)))
ONE_SERVER = ProjectPolicy(mcp=McpRules(servers=("time",)))


def asking_the_time(granted: str) -> dict[str, Any]:
    """Ada's first call is one of an MCP server's tool, under a contract that grants this."""
    name = "mcp__time__now"

    def asks(body: Any) -> Any:
        content = bytes(body.content).replace(b"search_sources", name.encode())
        return msgspec.structs.replace(body, content=msgspec.Raw(content))

    def gives(body: Any) -> Any:
        outcomes = tuple(msgspec.structs.replace(one, tool=name) for one in body.outcomes)
        return msgspec.structs.replace(body, outcomes=outcomes)

    return {
        **a_lane_that(tools=(*LANE_TOOLS, granted)),
        "ada opens": change(tools=(*LANE_TOOLS, name, "submit_finding")),
        "look": asks,
        "look !": gives,
    }


CASES: dict[str, tuple[Run, Run]] = {
    limits.TEAMMATES: (
        lambda: a_sound_run(after={"triaged": seats("bea")}, spec=a_spec(teammates_max=1)),
        lambda: a_sound_run(after={"triaged": seats("bea")}, spec=a_spec(teammates_max=2)),
    ),
    limits.DEPTH: (
        lambda: a_sound_run(
            after={
                "look": tells(
                    "member", "bea", author="ada", body=MemberSeated(role="researcher", filters=())
                )
            }
        ),
        lambda: a_sound_run(after={"look": seats("bea")}),
    ),
    limits.ROUNDS: (
        lambda: a_sound_run(
            after={"triaged": opened_again(1, 2, 3, 4)},
            spec=a_spec(rounds_max=2, fresh_rounds_max=1),
        ),
        lambda: a_sound_run(
            after={"triaged": opened_again(1, 2, 3)}, spec=a_spec(rounds_max=2, fresh_rounds_max=1)
        ),
    ),
    f"{limits.ROUNDS} of one member": (
        lambda: a_sound_run(after={"read !": submitted_by_ada(2)}, spec=a_spec(rounds_max=2)),
        lambda: a_sound_run(after={"read !": submitted_by_ada(1)}, spec=a_spec(rounds_max=2)),
    ),
    limits.TURNS: (
        lambda: a_sound_run(a_lane(turns_max=2)),
        lambda: a_sound_run(a_lane(turns_max=3)),
    ),
    limits.TOOL_CALLS: (
        lambda: a_sound_run(a_lane(tool_calls_max=1)),
        lambda: a_sound_run(a_lane(tool_calls_max=2)),
    ),
    limits.TOKENS: (
        lambda: a_sound_run(a_lane(tokens_max=32)),
        lambda: a_sound_run(a_lane(tokens_max=33)),
    ),
    limits.DOLLARS: (
        lambda: a_sound_run(a_lane(usd_max=0.0029)),
        lambda: a_sound_run(a_lane(usd_max=0.003)),
    ),
    f"{limits.DOLLARS} of an unknown price": (
        lambda: a_sound_run(a_lane(usd_max=1.0) | {"look $": change(cost_usd=None)}),
        lambda: a_sound_run(a_lane(usd_max=None) | {"look $": change(cost_usd=None)}),
    ),
    limits.SECONDS: (
        lambda: a_sound_run(a_lane(seconds_max=60.0), {"look": later(70.0)}),
        lambda: a_sound_run(a_lane(seconds_max=60.0), {"return": later(70.0)}),
    ),
    limits.RUN_TOKENS: (
        lambda: a_sound_run(a_lane(tokens_max=900), spec=a_spec(run_tokens_max=899)),
        lambda: a_sound_run(
            a_lane(tokens_max=900) | {"verify": _verified_for(tokens_max=867)},
            spec=a_spec(run_tokens_max=1_767),
        ),
    ),
    limits.RUN_DOLLARS: (
        lambda: a_sound_run(a_lane(usd_max=2.0), spec=a_spec(run_dollars_max=1.9)),
        lambda: a_sound_run(a_lane(usd_max=2.0), spec=a_spec(run_dollars_max=2.1)),
    ),
    limits.RUN_SECONDS: (
        lambda: a_sound_run(
            after={
                "triaged": tells("task", "t2", author=LEAD, body=opens(), at=OPENED_AT + 100.0),
                "exact": tells(
                    "task", "t2", author=LEAD, body=TaskSettled(state="failed"), at=OPENED_AT
                ),
            },
            spec=a_spec(run_seconds_max=60.0),
        ),
        lambda: a_sound_run(after={"triaged": opened_again(1)}, spec=a_spec(run_seconds_max=60.0)),
    ),
    limits.OUTPUT_TOKENS: (
        lambda: a_sound_run(
            {"read": change(tokens=TokenCounts(output=1_001))}, spec=a_spec(output_tokens_max=1_000)
        ),
        lambda: a_sound_run(
            {"read": change(tokens=TokenCounts(output=1_000))}, spec=a_spec(output_tokens_max=1_000)
        ),
    ),
    limits.TOOL: (
        lambda: a_sound_run(a_lane_that(tools=("read_source",))),
        lambda: a_sound_run(a_lane_that(tools=("read_source", "search_sources"))),
    ),
    f"{limits.TOOL} that the contract forbids": (
        lambda: a_sound_run(a_lane_that(tools_avoided=("read_source",))),
        lambda: a_sound_run(a_lane_that(tools_avoided=("note",))),
    ),
    f"{limits.TOOL} of another role": (
        lambda: a_sound_run(spec=a_spec(project=NO_NOTES)),
        lambda: a_sound_run(
            spec=a_spec(project=ProjectPolicy(roles={"researcher": RoleRules(tools=LANE_TOOLS)}))
        ),
    ),
    f"{limits.TOOL} of an MCP server": (
        lambda: a_sound_run(asking_the_time("mcp__time"), spec=a_spec(project=NO_SERVER)),
        lambda: a_sound_run(asking_the_time("mcp__time"), spec=a_spec(project=ONE_SERVER)),
    ),
    f"{limits.TOOL} of a server that the contract does not name": (
        lambda: a_sound_run(asking_the_time("mcp__time__later"), spec=a_spec(project=ONE_SERVER)),
        lambda: a_sound_run(asking_the_time("mcp__time__now"), spec=a_spec(project=ONE_SERVER)),
    ),
    f"{limits.TOOL} that the transcript does not have": (
        lambda: a_sound_run({"ada opens": change(tools=("read_source",))}),
        lambda: a_sound_run(
            {"ada opens": change(tools=("read_source", "search_sources", "submit_finding"))}
        ),
    ),
    limits.AREA: (
        lambda: a_sound_run(after={"look": decided_by("ada", "ui")}, spec=a_spec(project=ONE_AREA)),
        lambda: a_sound_run(
            after={"look": decided_by("ada", "api")}, spec=a_spec(project=ONE_AREA)
        ),
    ),
    limits.MODEL: (
        lambda: a_sound_run({"ada opens": change(model="m2")}, spec=claude(MODELS)),
        lambda: a_sound_run(spec=claude(MODELS)),
    ),
    f"{limits.MODEL} that answered instead": (
        lambda: a_sound_run({"read $": change(model="x9")}, spec=claude(MODELS)),
        lambda: a_sound_run({"read $": change(model="m1-0301")}, spec=claude(MODELS)),
    ),
    limits.WRITE: (
        lambda: a_sound_run(
            a_lane_that(writes=("src/a.py",)),
            spec=a_spec(project=ProjectPolicy(roles={"researcher": WRITES})),
        ),
        lambda: a_sound_run(
            a_lane_that(writes=("notes/a.md",)),
            spec=a_spec(project=ProjectPolicy(roles={"researcher": WRITES})),
        ),
    ),
    limits.APPROVE_PLAN: (
        lambda: a_sound_run(spec=a_spec(approve=Approvals(plan=True))),
        lambda: a_sound_run(
            after={"triaged": asked("plan", "plan", "approved")},
            spec=a_spec(approve=Approvals(plan=True)),
        ),
    ),
    f"{limits.APPROVE_PLAN} after a no": (
        lambda: a_sound_run(
            after={"triaged": asked("plan", "plan", "rejected")},
            spec=a_spec(approve=Approvals(plan=True)),
        ),
        lambda: a_sound_run(after={"triaged": asked("plan", "plan", "rejected")}, spec=a_spec()),
    ),
    f"{limits.APPROVE_PLAN} by the lead itself": (
        lambda: a_sound_run(
            after={"triaged": asked("plan", "plan", "approved", by=LEAD)},
            spec=a_spec(approve=Approvals(plan=True)),
        ),
        lambda: a_sound_run(
            after={"opened": asked("plan", "plan", "approved")},
            spec=a_spec(approve=Approvals(plan=True)),
        ),
    ),
    limits.APPROVE_AREA: (
        lambda: a_sound_run(
            after={"look": decided_by("ada", "api")}, spec=a_spec(approve=Approvals(areas=("api",)))
        ),
        lambda: a_sound_run(
            after={"look": decided_by(PERSON, "api")},
            spec=a_spec(approve=Approvals(areas=("api",))),
        ),
    ),
    limits.APPROVE_SPENDING: (
        lambda: a_sound_run(a_lane(usd_max=2.0), spec=a_spec(approve=Approvals(over_dollars=1.0))),
        lambda: a_sound_run(
            a_lane(usd_max=2.0),
            {"triaged": asked("spending-1", "spending", "approved", usd=3.0)},
            spec=a_spec(approve=Approvals(over_dollars=1.0)),
        ),
    ),
    limits.APPROVE_RESULT: (
        lambda: a_sound_run(spec=a_spec(approve=Approvals(result=True))),
        lambda: a_sound_run(
            after={"settled t1": asked("result-1", "result", "approved", text=ANSWER)},
            spec=a_spec(approve=Approvals(result=True)),
        ),
    ),
    limits.MESSAGE: (
        lambda: a_sound_run(
            after={"exact": tells("finding", "t1", author="vera", body=a_finding())}
        ),
        a_sound_run,
    ),
    limits.HOST: (
        lambda: a_sound_run(
            on_the_web("*.python.org"),
            after={"look": fetched("https://docs.python.org.evil.org/3")},
            spec=a_spec(project=WEB),
        ),
        lambda: a_sound_run(
            on_the_web("docs.python.org"),
            after={"look": fetched("https://docs.python.org/3/library")},
            spec=a_spec(project=WEB),
        ),
    ),
    f"{limits.HOST} without a word of the contract": (
        lambda: a_sound_run(
            on_the_web("www.ietf.org"),
            after={"look": fetched("https://docs.python.org/3")},
            spec=a_spec(project=WEB),
        ),
        lambda: a_sound_run(
            on_the_web("*.ietf.org"),
            after={"look": fetched("https://www.ietf.org/rfc")},
            spec=a_spec(project=WEB),
        ),
    ),
    f"{limits.HOST} from what is no address": (
        lambda: a_sound_run(
            after={"look": fetched("file:///etc/passwd")}, spec=a_spec(project=WEB)
        ),
        a_sound_run,
    ),
}


def _verified_for(**budget: Any) -> Change:
    def changed(body: Any) -> Any:
        contract = msgspec.structs.replace(body.contract, budget=a_budget(**budget))
        return msgspec.structs.replace(body, contract=contract)

    return changed


@pytest.mark.parametrize("name", CASES)
def test_what_was_passed_is_a_breach_under_its_code(name: str) -> None:
    broken, _ = CASES[name]

    assert name[:4] in codes_of(audit(broken().records))


@pytest.mark.parametrize("name", CASES)
def test_what_was_kept_is_none(name: str) -> None:
    """Just inside the limit, or with the word that policy asks for."""
    _, kept = CASES[name]

    assert name[:4] not in codes_of(audit(kept().records))


@pytest.mark.parametrize("name", ["limits", "permissions", "approvals"])
def test_a_part_of_the_audit_that_fails_is_a_breach(name: str) -> None:
    def fails(*_: object) -> Any:
        raise ZeroDivisionError

    report = audit(a_sound_run().records, parts={name: fails})

    [breach] = report.breaches
    assert breach.code == audit_codes.FAILED
    assert name in breach.what


def test_every_code_of_limits_permissions_and_approvals_is_audited() -> None:
    """P202 needs the run's sources: tests/unit/test_audit_chains.py."""
    rules = (*limits.LIMITS, *limits.PERMISSIONS, *limits.APPROVALS)

    audited = {name[:4] for name in CASES} | {limits.SOURCE}
    assert audited == {rule.code for rule in rules}
    assert audited <= RULES.keys()


def test_the_time_that_a_run_waits_for_people_is_not_counted() -> None:
    waits = {"look": asked_and_waited(70.0)}

    report = audit(a_sound_run(a_lane(seconds_max=60.0), waits).records)

    assert limits.SECONDS not in codes_of(report)


def asked_and_waited(seconds: float) -> Callable[[Tale], None]:
    def added(tale: Tale) -> None:
        tale.tell("approval", "spending-1", body=ApprovalAsked(what="spending", text="May I?"))
        later(seconds)(tale)
        tale.tell("approval", "spending-1", author=PERSON, body=ApprovalGiven(outcome="approved"))

    return added


def test_a_refused_tool_was_not_run() -> None:
    def refused(body: Any) -> Any:
        outcomes = tuple(msgspec.structs.replace(one, is_error=True) for one in body.outcomes)
        return msgspec.structs.replace(body, outcomes=outcomes)

    changes = a_lane_that(tools=("read_source",)) | {"look !": refused}

    assert limits.TOOL not in codes_of(audit(a_sound_run(changes).records))
