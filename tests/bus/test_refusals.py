"""What code refuses before it is done, and that each refusal is an event of the stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import msgspec
import pytest
from structlog.testing import capture_logs

from bus.ids import LEAD
from bus.messages import (
    ActRefused,
    Budget,
    ContextClosed,
    MemberSeated,
    RunOpened,
    TaskFailed,
    TurnActed,
)
from bus.run_stream import Entry, Record, RunStream
from bus.subjects import build
from team.agent.loop import Agent
from team.agent.models.call import Caller
from team.agent.tools.base import Effect, Tool, ToolAnswer
from team.agent.tools.decision_tools import (
    ChallengeDecision,
    RebutChallenge,
    RecordDecision,
    WithdrawDecision,
)
from team.agent.tools.source_tools import ListSources, ReadSource, SearchSources
from team.agent.tools.toolbox import (
    AnyTool,
    dispute_tools,
    mail_tools,
    research_tools,
    ruling_tools,
    verify_tools,
)
from team.agent.world import World
from team.policy import ModelRules, ProjectPolicy, RoleRules
from team.sources import Library
from team.spec import Models
from tests.support.builders import a_budget, a_contract, a_resolved_spec, a_role, a_task
from tests.support.decisions import (
    AREA,
    CONTEXT,
    CURSORS,
    KEY,
    Calls,
    Scripted,
    a_world,
    an_agent,
    an_assignment,
    call_tool,
    decided,
)

ALL = ("list_sources", "search_sources", "read_source", "note", "record_decision", "send_message")


class Nothing(msgspec.Struct):
    """No input."""


class Look(Tool[Nothing]):
    """Look at something."""

    name: ClassVar[str] = "look"
    input_type = Nothing
    effect: ClassVar[Effect] = "read-only"

    async def run(self, given: Nothing) -> ToolAnswer:  # noqa: ARG002 - asks for nothing
        return ToolAnswer(content="Seen.")


class Return(Tool[Nothing]):
    """Return the answer."""

    name: ClassVar[str] = "give_back"
    input_type = Nothing
    effect: ClassVar[Effect] = "idempotent"

    async def run(self, given: Nothing) -> ToolAnswer:  # noqa: ARG002 - asks for nothing
        return ToolAnswer(content="Accepted.", answer=b'"done"')


async def under(
    stream: RunStream,
    library: Library | None = None,
    *,
    project: ProjectPolicy | None = None,
    provider: str = "rehearsal",
    **policy: Any,
) -> World:
    """Ada's access to a run that goes by this policy; who asks stops the inbox."""
    spec = msgspec.structs.replace(
        a_resolved_spec(**policy), project=project or ProjectPolicy(), provider=provider
    )
    opened = RunOpened(goal="Compare.", spec=msgspec.Raw(msgspec.json.encode(spec)))
    seated = MemberSeated(role="researcher", filters=())
    await stream.append(Entry(subject=build(stream.run, "spec", author=LEAD), body=opened))
    await stream.append(Entry(subject=build(stream.run, "member", "ada", author=LEAD), body=seated))
    return await a_world(stream, "ada", areas=(), library=library)


async def refusals(stream: RunStream) -> list[ActRefused]:
    return [r.body for r in await records(stream) if isinstance(r.body, ActRefused)]


async def records(stream: RunStream) -> list[Record]:
    return [record async for record in stream.read()]


def looks(count: int) -> Calls:
    return [("look", {})] * count


# --- calls of the model ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        ({"turns_max": 0}, "P104"),
        ({"tokens_max": 500}, "P106"),
        ({"seconds_max": 0.0}, "P108"),
    ],
)
async def test_a_call_beyond_its_slice_is_not_made_and_that_is_an_event(
    stream: RunStream, budget: dict[str, Any], code: str
) -> None:
    """The event is in the batch that ends the context."""
    world = await a_world(stream)
    model = Scripted()

    outcome = await an_agent(world, model).work(
        an_assignment(Look(), budget=a_budget(**budget), ends_with="give_back")
    )

    assert (outcome.returned, model.asked) == (False, 0)
    [said] = await refusals(stream)
    assert (said.code, said.what, said.context, said.turn) == (code, "model call", CONTEXT, 1)
    assert said.reason == outcome.reason
    closed, refused = (await records(stream))[-2:]
    assert isinstance(closed.body, ContextClosed)
    assert isinstance(refused.body, ActRefused)


async def test_who_hears_that_a_task_failed_knows_already_what_refused_it(
    stream: RunStream,
) -> None:
    """Whether a task is opened again or money is asked for depends on it."""
    world = await a_world(stream)
    failed = world.entry("task", "t1", body=TaskFailed(reason="too dear"))

    await an_agent(world, Scripted()).work(
        an_assignment(Look(), budget=a_budget(turns_max=0), ends_with="give_back"),
        give_up=lambda _: [failed],
    )

    kinds = [type(record.body) for record in (await records(stream))[-3:]]
    assert kinds == [ContextClosed, ActRefused, TaskFailed]


async def test_a_call_within_its_slice_is_made_and_nothing_is_refused(stream: RunStream) -> None:
    world = await a_world(stream)
    model = Scripted(looks(1), [("give_back", {})])

    outcome = await an_agent(world, model).work(
        an_assignment(Look(), Return(), ends_with="give_back", budget=a_budget(usd_max=0.01))
    )

    assert (outcome.returned, outcome.answer, model.asked) == (True, b'"done"', 2)
    assert await refusals(stream) == []


@pytest.mark.parametrize(("usd_max", "asked"), [(0.001, 0), (5.0, 1), (None, 1)])
async def test_a_call_that_could_cost_more_than_its_slice_is_not_made(
    stream: RunStream, monkeypatch: pytest.MonkeyPatch, usd_max: float | None, asked: int
) -> None:
    """At the listed price, all that it may write counted."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://stand-in.invalid")
    world = await a_world(stream)
    model = Scripted()
    agent = Agent(
        world,
        world.journal,
        Caller("anthropic", model),
        on_text=lambda _: None,
        on_state=lambda *_: None,
    )

    await agent.work(an_assignment(Look(), model=Models().worker, budget=a_budget(usd_max=usd_max)))

    assert model.asked == asked
    assert [one.code for one in await refusals(stream)] == ["P107"] * (1 - asked)


async def test_an_unknown_price_under_a_limit_in_dollars_is_a_no(
    stream: RunStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://stand-in.invalid")
    world = await a_world(stream)
    model = Scripted()
    agent = Agent(
        world,
        world.journal,
        Caller("anthropic", model),
        on_text=lambda _: None,
        on_state=lambda *_: None,
    )

    await agent.work(an_assignment(Look(), model="none-such", budget=a_budget(usd_max=99.0)))

    assert model.asked == 0
    [said] = await refusals(stream)
    assert said.code == "P107"
    assert "the price of 'none-such' is unknown" in said.reason


@pytest.mark.parametrize(
    ("project", "code"),
    [
        (ProjectPolicy(), None),
        (ProjectPolicy(models=ModelRules(allow=("rehearsal-*",))), None),
        (ProjectPolicy(models=ModelRules(allow=("claude-*",))), "P204"),
        (ProjectPolicy(roles={"researcher": RoleRules(models=())}), "P204"),
        (ProjectPolicy(roles={"skeptic": RoleRules(models=())}), None),
    ],
)
async def test_only_a_model_that_policy_allows_is_asked(
    stream: RunStream, project: ProjectPolicy, code: str | None
) -> None:
    world = await under(stream, project=project, provider="anthropic")
    model = Scripted()
    try:
        await an_agent(world, model).work(an_assignment(Look()))
    finally:
        await world.inbox.stop()

    assert [one.code for one in await refusals(stream)] == ([code] if code else [])
    assert model.asked == (0 if code else 1)


async def test_a_call_may_not_write_more_than_policy_lets_it(stream: RunStream) -> None:
    """Whatever the assignment says: 1,000 tokens, here."""
    world = await under(stream, output_tokens_max=100)
    model = Scripted()
    try:
        await an_agent(world, model).work(an_assignment(Look()))
    finally:
        await world.inbox.stop()

    assert [one.code for one in await refusals(stream)] == ["P112"]
    assert model.asked == 0


async def test_a_call_whose_size_cannot_be_told_is_not_made(stream: RunStream) -> None:
    """Here the member's own seat is missing from what it was told of the run."""
    world = await under(stream)
    world.state.roster.seats.clear()
    model = Scripted()
    try:
        await an_agent(world, model).work(an_assignment(Look()))
    finally:
        await world.inbox.stop()

    [said] = await refusals(stream)
    assert said.code == "P106"
    assert "can't be told: KeyError('ada')" in said.reason
    assert model.asked == 0


# --- calls of tools --------------------------------------------------------------------


async def test_past_the_limit_on_tool_calls_only_the_returning_tool_runs(
    stream: RunStream,
) -> None:
    """Counted over the transcript: one in the first turn, one of three in the second."""
    world = await a_world(stream)
    model = Scripted(looks(1), [*looks(3), ("give_back", {})])

    outcome = await an_agent(world, model).work(
        an_assignment(Look(), Return(), ends_with="give_back", budget=a_budget(tool_calls_max=2))
    )

    assert outcome.returned
    second = world.journal.transcripts[CONTEXT].turns[1].acted
    assert second is not None
    assert [one.is_error for one in second.outcomes] == [False, True, True, False]
    assert "all 2 tool calls are used (P105); return now with `give_back`" in (
        second.outcomes[1].content
    )
    assert [(one.code, one.what, one.turn) for one in await refusals(stream)] == [
        ("P105", "tool look", 2)
    ] * 2


async def test_without_a_limit_on_tool_calls_all_run(stream: RunStream) -> None:
    world = await a_world(stream)

    await an_agent(world, Scripted(looks(9))).work(
        an_assignment(Look(), budget=a_budget(tool_calls_max=0))
    )

    assert await refusals(stream) == []


async def test_a_member_near_its_last_tool_call_is_told_to_wrap_up(stream: RunStream) -> None:
    world = await a_world(stream)

    await an_agent(world, Scripted(looks(9), looks(1))).work(
        an_assignment(Look(), ends_with="give_back", budget=a_budget(tool_calls_max=10))
    )

    turns = world.journal.transcripts[CONTEXT].turns
    assert not turns[0].replied.added
    assert "Wrap up: 1 tool calls are left." in turns[1].replied.added[0]


async def test_a_tool_that_was_not_given_is_refused_in_the_batch_of_the_turn(
    stream: RunStream,
) -> None:
    world = await a_world(stream)
    model = Scripted([("record_decision", {"area": AREA, "key": KEY, "statement": CURSORS})])

    await an_agent(world, model).work(an_assignment(Look()))

    [said] = await refusals(stream)
    assert (said.code, said.what, said.context) == ("P201", "tool record_decision", CONTEXT)
    assert "you have no tool 'record_decision' here (P201); you have: look" in said.reason
    stored = await records(stream)
    [place] = [at for at, record in enumerate(stored) if isinstance(record.body, TurnActed)]
    assert stored[place + 1].body == said
    assert not [r for r in stored if r.subject.kind == "decision"]


async def test_an_input_that_does_not_fit_is_an_error_and_no_refusal(stream: RunStream) -> None:
    world = await a_world(stream)
    model = Scripted([("record_decision", {"area": AREA})])

    await an_agent(world, model).work(an_assignment(RecordDecision(world, CONTEXT)))

    acted = world.journal.transcripts[CONTEXT].turns[0].acted
    assert acted is not None
    assert acted.outcomes[0].is_error
    assert await refusals(stream) == []


# --- what a role may do ----------------------------------------------------------------


def names(tools: tuple[AnyTool, ...]) -> set[str]:
    return {tool.name for tool in tools}


ROLE = a_role("researcher")
Given = Callable[[World], tuple[AnyTool, ...]]
ASSIGNMENTS: dict[str, Given] = {
    "research": lambda w: research_tools(w, ROLE, a_task(contract=a_contract(tools=ALL))),
    "verify": lambda w: verify_tools(w, ROLE, a_task(contract=a_contract(tools=ALL))),
    "mail": lambda w: mail_tools(w, ROLE, None),
    "dispute": lambda w: dispute_tools(w, ROLE, None),
    "ruling": lambda w: ruling_tools(w, ROLE, 1),
}


@pytest.mark.parametrize("kind", ASSIGNMENTS)
async def test_a_tool_that_policy_does_not_leave_a_role_is_not_offered(
    stream: RunStream, library: Library, kind: str
) -> None:
    rules = RoleRules(tools=("search_sources", "note"))
    world = await under(stream, library, project=ProjectPolicy(roles={"researcher": rules}))
    await world.inbox.stop()
    returning = {"research": {"submit_finding", "note"}, "verify": {"submit_verdict"}}
    returning |= {"ruling": {"submit_ruling"}}

    assert names(ASSIGNMENTS[kind](world)) == {"search_sources", *returning.get(kind, set())}


async def test_a_role_whose_tools_cannot_be_told_may_only_return(
    stream: RunStream, library: Library
) -> None:
    """The check fails, here on a broken contract: whatever else it calls is refused (P201)."""
    world = await under(stream, library)
    await world.inbox.stop()
    broken: Any = None

    with capture_logs() as logged:
        tools = research_tools(world, ROLE, a_task(contract=a_contract(tools=broken)))

    assert names(tools) == {"submit_finding"}
    assert [(one["event"], one["role"]) for one in logged] == [("tools.closed", "researcher")]


async def test_a_policy_for_another_role_takes_nothing_away(
    stream: RunStream, library: Library
) -> None:
    world = await under(
        stream, library, project=ProjectPolicy(roles={"skeptic": RoleRules(tools=())})
    )
    await world.inbox.stop()

    assert names(ASSIGNMENTS["research"](world)) == {*ALL, "submit_finding"}


async def test_a_lane_gets_only_the_tools_of_its_contract(
    stream: RunStream, library: Library
) -> None:
    world = await under(stream, library)
    await world.inbox.stop()
    contract = a_contract(tools=("note", "read_source"), tools_avoided=("note",))

    tools = research_tools(world, ROLE, a_task(contract=contract))

    assert names(tools) == {"read_source", "submit_finding"}


@pytest.mark.parametrize(
    ("sources", "listed"),
    [(None, True), (("docs",), True), (("*.md",), True), (("*.py",), False), ((), False)],
)
async def test_a_role_sees_only_sources_inside_its_policy_and_its_contract(
    stream: RunStream, library: Library, sources: tuple[str, ...] | None, listed: bool
) -> None:
    rules = RoleRules(sources=sources)
    world = await under(stream, library, project=ProjectPolicy(roles={"researcher": rules}))
    await world.inbox.stop()
    tools = {tool.name: tool for tool in ASSIGNMENTS["research"](world)}

    found = await tools["list_sources"].call({})
    hits = await tools["search_sources"].call({"query": "cursor pages"})
    read = await tools["read_source"].call({"source": "guide.md"})

    assert ("guide.md" in found.content) == listed
    assert ("Pages are cut" in hits.content) == listed
    assert read.is_error != listed
    assert read.refusal == ("" if listed else "P202")


async def test_a_source_outside_is_refused_as_an_event_and_an_unknown_one_is_not(
    stream: RunStream, library: Library
) -> None:
    world = await a_world(stream, library=library)
    model = Scripted(
        [("read_source", {"source": "guide.md"}), ("read_source", {"source": "none.md"})]
    )

    await an_agent(world, model).work(an_assignment(ReadSource(library, ())))

    [said] = await refusals(stream)
    assert (said.code, said.what) == ("P202", "tool read_source")
    assert "guide.md" in said.reason


class NoDisk(Library):
    """A library of which nothing can be told."""

    def __init__(self) -> None:
        """Open nothing."""

    def _fail(self, *_: object, **__: object) -> Any:
        raise OSError("no disk")

    documents = search = read = find = _fail


READS: list[tuple[str, dict[str, str]]] = [
    ("list_sources", {}),
    ("search_sources", {"query": "cursor pages"}),
    ("read_source", {"source": "guide.md"}),
]


async def test_what_a_member_may_read_and_cannot_be_told_is_a_no(stream: RunStream) -> None:
    """The check fails: no call is answered, each refusal is an event, the member goes on."""
    world = await a_world(stream)
    library, within = NoDisk(), ("docs",)
    tools = (
        ListSources(library, within),
        SearchSources(library, within),
        ReadSource(library, within),
    )

    outcome = await an_agent(world, Scripted(READS, [("give_back", {})])).work(
        an_assignment(*tools, Return(), ends_with="give_back")
    )

    assert outcome.returned
    said = await refusals(stream)
    assert [(one.code, one.what) for one in said] == [("P202", f"tool {name}") for name, _ in READS]
    assert all("can't be told: OSError('no disk')" in one.reason for one in said)


class Unlisted(Library):
    """A library that can be read, and whose documents can't be listed."""

    def documents(self, within: tuple[str, ...] | None = None) -> NoReturn:  # noqa: ARG002
        """Fail."""
        raise OSError("no disk")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("sources", "code"), [(None, ""), (("docs",), "P202")])
async def test_a_role_whose_sources_cannot_be_told_reads_nothing(
    stream: RunStream, tmp_path: Path, sources: tuple[str, ...] | None, code: str
) -> None:
    """The policy's limit fails when the tools are laid out: then nothing lies inside it."""
    rules = ProjectPolicy(roles={"researcher": RoleRules(sources=sources)})
    with Unlisted.open(tmp_path / "library.sqlite") as unlisted:
        world = await under(stream, unlisted, project=rules)
        await world.inbox.stop()
        with capture_logs() as logged:
            tools = {tool.name: tool for tool in ASSIGNMENTS["research"](world)}

        read = await tools["read_source"].call({"source": "guide.md"})

    assert [one["event"] for one in logged] == (["sources.closed"] if code else [])
    assert (read.is_error, read.refusal) == (bool(code), code)


async def test_where_a_member_may_decide_and_cannot_be_told_is_a_no(stream: RunStream) -> None:
    """The check fails: nothing is decided, and that is an event."""
    world = await a_world(stream)
    broken: Any = 5
    changes: Calls = [
        ("record_decision", {"area": AREA, "key": KEY, "statement": CURSORS}),
        *(
            (name, {"area": AREA, "key": KEY, "reason": "So."})
            for name in ("challenge_decision", "rebut_challenge", "withdraw_decision")
        ),
    ]
    tools = (
        RecordDecision(world, CONTEXT, broken),
        ChallengeDecision(world, broken),
        RebutChallenge(world, broken),
        WithdrawDecision(world, broken),
    )

    await an_agent(world, Scripted(changes)).work(an_assignment(*tools, budget=BUDGET))

    said = await refusals(stream)
    assert [(one.code, one.what) for one in said] == [("P203", f"tool {n}") for n, _ in changes]
    assert all("can't be told: TypeError(" in one.reason for one in said)
    assert not [r for r in await records(stream) if r.subject.kind == "decision"]


@pytest.mark.parametrize(
    ("areas", "code"), [(None, ""), ((AREA,), ""), (("other",), "P203"), ((), "P203")]
)
async def test_a_member_decides_only_in_areas_of_its_role(
    stream: RunStream, library: Library, areas: tuple[str, ...] | None, code: str
) -> None:
    rules = RoleRules(areas=areas)
    world = await under(stream, library, project=ProjectPolicy(roles={"researcher": rules}))
    await world.inbox.stop()
    every = (*ALL, "challenge_decision", "rebut_challenge", "withdraw_decision")
    contract = a_contract(tools=every)
    tools = {t.name: t for t in research_tools(world, ROLE, a_task(contract=contract))}
    await decided(stream)

    for name in ("challenge_decision", "rebut_challenge", "withdraw_decision"):
        answer = await tools[name].call({"area": AREA, "key": KEY, "reason": "So."})
        assert answer.refusal == code
        assert not (code and answer.entries)
    recorded = await call_tool(
        world, tools["record_decision"], area=AREA, key=KEY, statement=CURSORS
    )

    assert recorded.refusal == code
    if code:
        assert "your role may not decide in area 'api' (P203)" in recorded.content


async def test_the_event_of_a_refused_decision_is_stored_and_the_decision_is_not(
    stream: RunStream,
) -> None:
    world = await a_world(stream)
    model = Scripted([("record_decision", {"area": AREA, "key": KEY, "statement": CURSORS})])

    await an_agent(world, model).work(
        an_assignment(RecordDecision(world, CONTEXT, ("other",)), budget=BUDGET)
    )

    assert [one.code for one in await refusals(stream)] == ["P203"]
    assert not [r for r in await records(stream) if r.subject.kind == "decision"]


BUDGET = Budget(turns_max=4, tokens_max=100_000, seconds_max=60.0)
