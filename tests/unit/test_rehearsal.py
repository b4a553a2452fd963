"""The rehearsal model: deterministic, as strict as the API, and faulty on demand.

The calls below go through the real SDK client, with the rehearsal transport below it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Question
from team.agent.briefing import (
    Briefing,
    CitableClaim,
    GroupBrief,
    brief_triage,
    mail_block,
)
from team.agent.models.call import Caller, Request
from team.agent.models.rehearsal.brain import compose
from team.agent.models.rehearsal.faults import FAULTS, Fault, parse_faults
from team.agent.models.rehearsal.transport import RehearsalTransport, request_problem
from team.agent.tools.return_tools import SubmitFindingInput, SubmitVerdictInput
from team.errors import ModelBusyError, ModelRefusedError, ModelReplyError, ModelTooLongError
from team.rules.constraints import constraints_of
from team.rules.plan import Plan, plan_problems
from team.rules.synthesis import Synthesis
from team.rules.synthesis_gate import Asked, synthesis_problems
from team.state import Letter
from tests.support.builders import (
    a_claim,
    an_admitted,
    an_evidence,
    calls,
    says,
    some_facts,
)
from tests.support.rehearsed import PAGE, RESEARCH, SENTENCE, a_request, conversed

VERIFY = Briefing(
    kind="verify",
    me="vera",
    material=(a_claim(text=SENTENCE, evidence=(an_evidence(SENTENCE, "docs/pool.md"),)),),
)


# --- what it does ------------------------------------------------------------------------


def test_the_same_request_always_gets_the_same_reply() -> None:
    replies = {msgspec.json.encode(compose(a_request())) for _ in range(3)}

    assert len(replies) == 1


def test_another_conversation_gets_other_call_ids() -> None:
    first, second = compose(a_request()), compose(a_request(RESEARCH, "More."))

    assert {b["id"] for b in first.blocks}.isdisjoint(b["id"] for b in second.blocks)


def test_a_researcher_searches_decides_asks_waits_and_submits_what_it_read() -> None:
    finding, called = conversed(RESEARCH)

    assert list(dict.fromkeys(called)) == [
        "list_sources",
        "search_sources",
        "record_decision",
        "send_message",
        "wait_for_mail",
        "submit_finding",
    ]
    decoded = msgspec.convert(finding, SubmitFindingInput)
    assert decoded.claims[0].evidence[0].quote == SENTENCE
    assert decoded.claims[0].evidence[0].locator == "L1"


def test_a_researcher_that_is_asked_to_wrap_up_returns_at_once() -> None:
    _, called = conversed(RESEARCH, (), "Wrap up: 2 turns are left.")

    assert called == ["submit_finding"]


def test_a_question_in_the_context_is_answered() -> None:
    asked = Question(text="My sources (code) say this of pool. Does it hold in yours?")
    letter = Letter(id="q1", seq=4, at=0.0, kind="question", author="bea", to="ada", mail=asked)
    briefing = msgspec.structs.replace(RESEARCH, kind="mail")
    request = a_request(briefing, mail_block(letter))

    called = compose(request).blocks

    assert [block["name"] for block in called] == ["search_sources"]
    assert called[0]["input"]["query"] == "pool"


def test_a_verifier_reads_the_place_and_upholds_what_stands_there() -> None:
    verdict, called = conversed(VERIFY)

    assert called == ["read_source", "submit_verdict"]
    assert [j.outcome for j in msgspec.convert(verdict, SubmitVerdictInput).judgements] == [
        "upheld"
    ]


def test_a_claim_that_was_narrowed_to_its_sources_is_judged_by_the_rest() -> None:
    narrowed = a_claim(text=f"In Docs: {SENTENCE}", evidence=VERIFY.material[0].evidence)
    other = a_claim(text=f"In Docs: {SENTENCE.replace('ten', '11')}", evidence=narrowed.evidence)

    for claim, outcome in ((narrowed, "upheld"), (other, "refuted")):
        verdict, _ = conversed(msgspec.structs.replace(VERIFY, material=(claim,)))
        assert [j["outcome"] for j in verdict["judgements"]] == [outcome]


def test_a_verifier_looks_at_the_place_that_is_named_and_at_no_other() -> None:
    """What another claim's place has shown does not bear a quote out."""
    elsewhere = an_evidence(SENTENCE, "docs/other.md")
    claim = a_claim("c2", SENTENCE, evidence=(elsewhere,))
    material = (*VERIFY.material, claim)
    request = a_request(msgspec.structs.replace(VERIFY, material=material))
    blocks = compose(request).blocks
    shown = {"docs/pool.md": PAGE, "docs/other.md": "== docs/other.md L1-L1 (docs)\nL1| Nothing."}
    request["messages"] += [
        {"role": "assistant", "content": blocks},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": block["id"],
                    "content": shown[block["input"]["source"]],
                }
                for block in blocks
            ],
        },
    ]

    [verdict] = compose(request).blocks

    assert [j["outcome"] for j in verdict["input"]["judgements"]] == ["upheld", "refuted"]


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        (SENTENCE, SENTENCE.replace("ten", "twenty")),
        ("Penguins govern maritime insurance throughout Antarctica.", SENTENCE),
    ],
)
def test_a_verifier_refutes_what_does_not_stand_there(text: str, quote: str) -> None:
    claim = a_claim(text=text, evidence=(an_evidence(quote, "docs/pool.md"),))

    verdict, _ = conversed(msgspec.structs.replace(VERIFY, material=(claim,)))

    assert [j["outcome"] for j in verdict["judgements"]] == ["refuted"]


def planned(goal: str, *groups: str, **changes: Any) -> tuple[Plan, list[str]]:
    """What the lead plans for a goal over these groups, and what code sends back of it."""
    facts = some_facts(dict.fromkeys((f"{group}/a.md" for group in groups), 2_000), goal=goal)
    facts = msgspec.structs.replace(facts, **changes)
    briefing = Briefing(
        kind="plan",
        me="lead",
        goal=goal,
        groups=tuple(GroupBrief(name=group, title=group, files=1) for group in groups),
        teammates_max=facts.teammates_max,
        triage=brief_triage(facts),
        constraints=constraints_of(goal),
    )
    given, called = conversed(briefing)
    assert called == ["submit_plan"]
    plan = msgspec.convert(given, Plan)
    return plan, plan_problems(plan, facts)


def test_the_lead_plans_a_lane_for_each_group_that_the_goal_names() -> None:
    plan, problems = planned("How do httpx and docs limit connections?", "httpx", "docs", "other")

    assert [lane.title for lane in plan.lanes] == ["httpx", "docs"]
    assert [lane.covers for lane in plan.lanes] == [("httpx",), ("docs",)]
    assert (plan.effort, problems) == ("comparison", [])


@pytest.mark.parametrize(
    ("goal", "groups", "effort", "lanes"),
    [
        ("Is it safe?", ("a",), "fact", 1),
        ("Is it safe?", ("a", "b", "c"), "comparison", 3),
        ("Is it safe?", ("a", "b", "c", "d", "e"), "fact", 1),
        ("Compare them: a, b, c, d and e.", ("a", "b", "c", "d", "e"), "broad", 5),
        ("Compare a, b and the rest. Use only the docs.", ("a", "b"), "comparison", 2),
        ("Compare a, b and x without any code.", ("a", "b"), "comparison", 2),
        ("Compare all. Be brief.", tuple("abcdefghi"), "fact", 1),
    ],
)
def test_what_the_lead_plans_is_complete_and_no_larger_than_the_goal(
    goal: str, groups: tuple[str, ...], effort: str, lanes: int
) -> None:
    plan, problems = planned(goal, *groups)

    assert problems == []
    assert (plan.effort, len(plan.lanes)) == (effort, lanes)
    assert plan.constraints == constraints_of(goal)


def test_the_lead_writes_a_synthesis_that_the_gate_lets_through() -> None:
    admitted = (an_admitted("t1.c1"), an_admitted("t2.c1"))
    citable = tuple(
        CitableClaim(ref=a.ref, lane=a.lane, member=a.member, claim=a.claim) for a in admitted
    )
    briefing = Briefing(kind="synthesis", me="lead", goal="Compare pools.", claims=citable)

    synthesis, _ = conversed(briefing)

    assert synthesis_problems(msgspec.convert(synthesis, Synthesis), admitted) == []


def test_the_title_of_a_synthesis_does_not_mention_what_the_goal_wants_unmentioned() -> None:
    goal = "Compare pools. Never mention Redis. At most two sentences."
    one = an_admitted("t1.c1")
    citable = (CitableClaim(ref=one.ref, lane=one.lane, member=one.member, claim=one.claim),)
    asked = Asked(constraints=constraints_of(goal), goal=goal)

    given, _ = conversed(
        Briefing(
            kind="synthesis", me="lead", goal=goal, claims=citable, constraints=asked.constraints
        )
    )
    answer = msgspec.convert(given, Synthesis)

    assert answer.title == "Compare pools. At most two sentences."
    assert synthesis_problems(answer, (one,), asked) == []


@pytest.mark.parametrize(
    "text", ["Hello.", "```json\n{}\n```", "```json\nnot json\n```", "```json\n[1]\n```"]
)
def test_a_request_that_is_not_of_this_runtime_is_told_so(text: str) -> None:
    request = a_request() | {"messages": [{"role": "user", "content": text}]}

    composed = compose(request)

    assert composed.stop_reason == "end_turn"
    assert "no language model" in composed.blocks[0]["text"]


# --- what the API refuses ------------------------------------------------------------------


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def result(call_id: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": "ok"}


HI = user(says("Hi."))


@pytest.mark.parametrize(
    "messages",
    [
        [HI],
        [{"role": "user", "content": "Hi."}],
        [HI, assistant(says("Hm.")), user(says("Well?"))],
        [HI, assistant(says("Hm."), calls("a"), calls("b")), user(result("b"), result("a"))],
        [HI, assistant(calls("a")), user(result("a"), says("And mail."))],
        [HI, assistant(calls("a")), user(result("a")), assistant(calls("b")), user(result("b"))],
        [assistant(says("Can I help?")), HI],
        [HI, assistant(calls("a")), assistant(calls("b")), user(result("a"), result("b"))],
        [HI, assistant(says(" "), calls("a")), user(result("a")), user(says("So."))],
    ],
)
def test_a_request_that_the_api_takes_is_taken(messages: list[dict[str, Any]]) -> None:
    assert request_problem(a_request() | {"messages": messages}) is None


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "at least one message"),
        ([user()], "messages.0: text content blocks must be non-empty"),
        ([user(says(" \n"))], "messages.0: text content blocks must be non-empty"),
        ([HI, assistant(), HI], "messages.1: text content blocks must be non-empty"),
        ([HI, assistant(calls("a"))], "the last tool_use has no tool_result"),
        ([HI, assistant(calls("a")), HI], "messages.2: tool_use and tool_result"),
        ([HI, assistant(calls("a")), user(result("b"))], "messages.2: tool_use and tool_result"),
        ([HI, assistant(calls("a"), calls("b")), user(result("a"))], "messages.2: tool_use"),
        ([HI, assistant(calls("a")), assistant(result("a"))], "messages.1: tool_use"),
        ([HI, user()], "messages.1: text content blocks must be non-empty"),
        ([HI, assistant(says(""), calls("a")), user(result("a"))], "messages.1: text content"),
        ([HI, assistant(calls("a")), user(result("a"), result("a"))], "messages.2: tool_use"),
        ([HI, assistant(calls("a")), user(says("So."), result("a"))], "must come first"),
        ([user(result("a"))], "messages.0: tool_use and tool_result"),
    ],
)
def test_a_request_that_the_api_refuses_is_refused(
    messages: list[dict[str, Any]], said: str
) -> None:
    problem = request_problem(a_request() | {"messages": messages})

    assert problem is not None
    assert said in problem


@pytest.mark.parametrize("left_out", ["model", "max_tokens", "messages"])
def test_a_request_without_a_needed_part_is_refused(left_out: str) -> None:
    request = a_request()
    del request[left_out]

    assert request_problem(request) is not None


# --- faults -----------------------------------------------------------------------------


def test_faults_are_read_with_member_and_round() -> None:
    assert parse_faults(" alter-quote@bea#1, html ,,refuse-key@lead,garbage#2") == (
        Fault(name="alter-quote", member="bea", round=1),
        Fault(name="html"),
        Fault(name="refuse-key", member="lead"),
        Fault(name="garbage", round=2),
    )
    assert parse_faults("") == ()


@pytest.mark.parametrize("text", ["nonsense", "html@", "html#x", "html#1@ada", "HTML", "html ada"])
def test_a_fault_that_is_none_is_told_which_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="is no fault") as raised:
        parse_faults(text)

    assert repr(text) in str(raised.value)
    assert all(name in str(raised.value) for name in FAULTS)


fault_like = st.lists(
    st.sampled_from([*FAULTS, "@", "#", "ada", "1", ",", " ", "-", "٣", "x"]), max_size=8
).map("".join)


@given(text=st.text(max_size=40) | fault_like)
def test_any_text_is_a_list_of_faults_or_a_plain_error(text: str) -> None:
    try:
        faults = parse_faults(text)
    except ValueError:
        return
    assert all(fault.name in FAULTS for fault in faults)


@pytest.mark.parametrize(
    ("fault", "member", "round_", "strikes"),
    [
        ("html", "ada", 7, True),
        ("html@ada", "ada", 2, True),
        ("html@ada", "bea", 2, False),
        ("html#2", "bea", 2, True),
        ("html#2", "bea", 1, False),
        ("html@ada#2", "ada", 1, False),
    ],
)
def test_a_fault_strikes_whom_it_names(fault: str, member: str, round_: int, strikes: bool) -> None:
    assert parse_faults(fault)[0].strikes(member, round_) is strikes


def test_an_altered_quote_stands_nowhere() -> None:
    finding, _ = conversed(RESEARCH, parse_faults("alter-quote"))

    assert finding["claims"][0]["evidence"][0]["quote"] not in PAGE


def test_an_unsupported_claim_keeps_its_quote_but_says_something_else() -> None:
    sound, _ = conversed(RESEARCH)
    finding, _ = conversed(RESEARCH, parse_faults("unsupported"))

    assert finding["claims"][0]["evidence"] == sound["claims"][0]["evidence"]
    assert finding["claims"][0]["text"] != sound["claims"][0]["text"]


def test_a_bad_input_does_not_fit_the_returning_tool() -> None:
    finding, called = conversed(RESEARCH, parse_faults("bad-input"))

    assert called[-1] == "submit_finding"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(finding, SubmitFindingInput)


def test_a_member_that_waits_asks_first_and_returns_when_told_to_wrap_up() -> None:
    faults = parse_faults("wait")
    request = a_request()
    called = [block["name"] for block in compose(request, faults).blocks]
    _, told = conversed(RESEARCH, faults, "Wrap up: members wait for each other.")

    assert "search_sources" in called
    assert told == ["submit_finding"]


def test_a_member_that_repeats_itself_says_the_same_whatever_it_has_found() -> None:
    request, said = a_request(), list[Any]()
    for _ in range(3):
        [block] = compose(request, parse_faults("repeat")).blocks
        said.append((block["name"], block["input"]))
        result = {"type": "tool_result", "tool_use_id": block["id"], "content": PAGE}
        request["messages"] += [
            {"role": "assistant", "content": [block]},
            {"role": "user", "content": [result]},
        ]

    assert said[0][0] == "search_sources"
    assert said == [said[0]] * 3


# --- through the SDK ---------------------------------------------------------------------


@asynccontextmanager
async def a_caller(faults: str = "") -> AsyncIterator[Caller]:
    caller = Caller("rehearsal", RehearsalTransport(parse_faults(faults)))
    try:
        yield caller
    finally:
        await caller.close()


def as_request(body: dict[str, Any]) -> Request:
    return Request(
        model=body["model"],
        system=body["system"],
        messages=body["messages"],
        tools=body["tools"],
        max_tokens=body["max_tokens"],
    )


def never_waits(reason: str, seconds: float) -> None:
    raise AssertionError(f"waits {seconds} s: {reason}")


async def test_a_whole_reply_comes_through_the_sdk_as_it_was_composed() -> None:
    request = a_request()
    async with a_caller() as caller:
        reply = await caller.call(as_request(request), on_text=print, on_wait=never_waits)

    composed = compose(request)
    assert msgspec.json.decode(reply.content) == composed.blocks
    assert [(c.id, c.name, c.input) for c in reply.calls] == [
        (b["id"], b["name"], b["input"]) for b in composed.blocks
    ]
    assert reply.stop_reason == "tool_use"
    assert (reply.cost_usd, reply.is_estimated) == (0.0, True)
    assert reply.tokens.input > 0
    assert reply.tokens.output > 0
    assert reply.request_id.startswith("req_")


async def test_text_is_streamed_as_it_comes() -> None:
    request = a_request() | {"messages": [user(says("Hello."))]}
    pieces: list[str] = []
    async with a_caller() as caller:
        reply = await caller.call(as_request(request), on_text=pieces.append, on_wait=never_waits)

    assert "".join(pieces) == reply.text
    assert "no language model" in reply.text
    assert reply.calls == ()


async def test_a_large_answer_comes_through_whole() -> None:
    """It is cut into many pieces on the wire, not always between characters of JSON."""
    claims = tuple(
        CitableClaim(ref=f"t1.c{n}", lane="“Pools”\n", member="ada", claim=a_claim(text="Ü" * 999))
        for n in range(30)
    )
    request = a_request(Briefing(kind="synthesis", me="lead", goal="“G”", claims=claims))
    async with a_caller() as caller:
        reply = await caller.call(as_request(request), on_text=print, on_wait=never_waits)

    assert [c.input for c in reply.calls] == [b["input"] for b in compose(request).blocks]


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("html", ModelReplyError, "model 'm1'"),
        ("cut-stream", ModelReplyError, "model 'm1'"),
        ("overloaded", ModelBusyError, "529 overloaded_error"),
        ("refuse-key", ModelRefusedError, "ANTHROPIC_API_KEY"),
    ],
)
async def test_a_fault_below_the_sdk_is_the_error_that_says_what_to_do(
    fault: str, error: type[Exception], said: str
) -> None:
    """One try: how often it is made again is told apart by the error."""
    async with a_caller(fault) as caller:
        with pytest.raises(error, match=said):
            await caller._once(as_request(a_request()), print)


async def test_a_refused_key_is_not_tried_again() -> None:
    async with a_caller("refuse-key") as caller:
        with pytest.raises(ModelRefusedError, match="team resume"):
            await caller.call(as_request(a_request()), on_text=print, on_wait=never_waits)


async def test_a_request_that_the_api_refuses_is_refused_through_the_sdk() -> None:
    request = a_request() | {"messages": [HI, assistant(calls("a")), HI]}
    async with a_caller() as caller:
        with pytest.raises(ModelRefusedError, match="do not pair"):
            await caller.call(as_request(request), on_text=print, on_wait=never_waits)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "prompt is too long: 208310 tokens > 200000 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000"),
        (400, "This model's maximum context length is 4096 tokens."),
        (400, "the request exceeds the available context size"),
        (413, "Request exceeds the maximum allowed number of bytes."),
    ],
)
async def test_a_call_over_the_window_is_told_apart_from_one_that_is_wrong(
    status: int, said: str
) -> None:
    """At once: it is not made again as it is."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, json=error))
    caller = Caller("rehearsal", transport)

    with pytest.raises(ModelTooLongError, match="shorten the context"):
        await caller.call(as_request(a_request()), on_text=print, on_wait=never_waits)
    await caller.close()


@pytest.mark.parametrize(
    ("fault", "reason"), [("overloaded", "529 overloaded_error"), ("cut-stream", "")]
)
async def test_before_a_wait_its_reason_and_length_are_told(fault: str, reason: str) -> None:
    class EnoughError(Exception):
        pass

    told: list[tuple[str, float]] = []

    def on_wait(why: str, seconds: float) -> None:
        told.append((why, seconds))
        raise EnoughError

    async with a_caller(fault) as caller:
        with pytest.raises(EnoughError):
            await caller.call(as_request(a_request()), on_text=print, on_wait=on_wait)

    assert told[0][0].startswith(reason)
    assert 0 < told[0][1] < 2


async def test_a_fault_that_is_meant_for_another_member_does_nothing() -> None:
    async with a_caller("html@bea,refuse-key@lead,overloaded#2") as caller:
        reply = await caller.call(as_request(a_request()), on_text=print, on_wait=never_waits)

    assert reply.calls


@pytest.mark.parametrize("fault", ["garbage", "refusal"])
async def test_a_useless_reply_is_a_whole_message_that_calls_no_tool(fault: str) -> None:
    async with a_caller(fault) as caller:
        reply = await caller.call(as_request(a_request()), on_text=print, on_wait=never_waits)

    assert reply.calls == ()
    assert reply.stop_reason == ("refusal" if fault == "refusal" else "end_turn")
