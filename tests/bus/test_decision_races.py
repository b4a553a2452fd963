"""Races over decisions on a real server: one wins, the others learn it, all fold the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from bus.ids import LEAD
from bus.messages import (
    DecisionChallenged,
    DecisionRecorded,
    DecisionRuled,
    DecisionWithdrawn,
    ToolOutcome,
    TurnActed,
)
from bus.run_stream import RunStream
from team.agent.tools.base import Tool
from team.agent.tools.decision_tools import (
    ChallengeDecision,
    ReadDecision,
    RebutChallenge,
    RecordDecision,
    SearchDecisions,
    WithdrawDecision,
)
from team.agent.tools.ruling_tools import SubmitRuling
from team.agent.world import World
from team.state import Decision, Decisions, DecisionState
from team.state.decision import OBJECTIONS_MAX
from tests.support.decisions import (
    CONTEXT,
    PLACE,
    PLACES,
    Meeting,
    Scripted,
    a_decision,
    a_world,
    an_agent,
    an_assignment,
    decided,
    send,
    whole_log,
)

S = DecisionState
PAGING = {"area": "api", "key": "paging"}


class Racer:
    """A member with one tool call to make, at the same time as others."""

    def __init__(self, world: World, tool: Tool[Any], given: dict[str, Any]) -> None:
        self.world, self.tool, self.given = world, tool, given
        self.calls = 0

    async def run(self, meet: asyncio.Barrier) -> None:
        tool = Meeting(self.tool, meet)
        model = Scripted([(tool.name, self.given)])
        await an_agent(self.world, model).work(an_assignment(tool))
        self.calls = tool.calls

    @property
    def outcome(self) -> ToolOutcome:
        """What the call gave back, as the journal has it."""
        acted = self.world.journal.transcripts[CONTEXT].turns[0].acted
        assert isinstance(acted, TurnActed)
        return acted.outcomes[0]

    @property
    def won(self) -> bool:
        return not self.outcome.is_error


async def race(*racers: Racer) -> None:
    """Let all look at the log, then all commit; each but the first must look again."""
    meet = asyncio.Barrier(len(racers))
    await asyncio.gather(*(racer.run(meet) for racer in racers))
    assert sum(racer.calls == 1 for racer in racers) == 1


async def recorder(stream: RunStream, me: str, says: str, **given: Any) -> Racer:
    world = await a_world(stream, me)
    asked = PAGING | {"statement": says} | given
    return Racer(world, RecordDecision(world, CONTEXT), asked)


async def challenger(stream: RunStream, me: str) -> Racer:
    world = await a_world(stream, me)
    return Racer(world, ChallengeDecision(world), PAGING | {"reason": f"{me} objects"})


async def all_agree(stream: RunStream) -> Decisions:
    """Members with all areas, some or none know what whoever reads the whole run knows."""
    whole = await whole_log(stream)
    for number, areas in enumerate((["api", "data", "ui"], ["api"], ["data", "ui"], [])):
        world = await a_world(stream, f"listener{number}", areas=areas)
        shared = {key: history for key, history in whole.history.items() if key[0] in areas}
        heads = {key: seq for key, seq in whole.head_seqs.items() if key[0] in areas}
        await world.inbox.reached(max(heads.values(), default=0))
        await world.inbox.stop()

        assert world.state.decisions.history == shared
        assert world.state.decisions.head_seqs == heads
    assert not whole.anomalies
    return whole


def paging(log: Decisions) -> list[Decision]:
    return log.history.get(PLACE, [])


# --- two or more at one key ------------------------------------------------------------


@pytest.mark.parametrize("writers", [2, 7])
async def test_of_many_that_decide_one_key_at_once_one_wins_and_each_other_gets_its_words(
    stream: RunStream, writers: int
) -> None:
    """The winner's decision is the others' tool answer, and counts as shown to them."""
    racers = [
        await recorder(stream, f"m{n}", f"Choice of m{n}: {'abcdefg'[n] * 9}.")
        for n in range(writers)
    ]

    await race(*racers)

    (winner,) = [racer for racer in racers if racer.won]
    (made,) = paging(await all_agree(stream))
    assert (made.author, made.state) == (winner.world.me, S.in_force)
    for loser in racers:
        if loser is not winner:
            assert made.statement in loser.outcome.content
            assert f"api/paging r{made.seq} ({winner.world.me})" in loser.outcome.content
            assert [one.revision for one in loser.outcome.told] == [made.seq]
            assert made.as_premise() in loser.world.in_context(CONTEXT, Decisions())


async def test_of_two_that_propose_one_key_at_once_one_is_pending_and_the_other_reads_it(
    stream: RunStream,
) -> None:
    racers = []
    for me, says in (("ada", "Cursors."), ("bea", "Offsets.")):
        world = await a_world(stream, me, proposed=("api",))
        asked = PAGING | {"statement": says}
        racers.append(Racer(world, RecordDecision(world, CONTEXT), asked))

    await race(*racers)

    (made,) = paging(await all_agree(stream))
    (loser,) = [racer for racer in racers if not racer.won]
    assert made.state is S.proposed
    assert "It is proposed already" in loser.outcome.content
    assert made.statement in loser.outcome.content


async def test_a_member_and_the_lead_decide_one_key_at_once_and_one_revision_holds(
    stream: RunStream,
) -> None:
    member, lead = await recorder(stream, "ada", "Cursors."), await recorder(stream, LEAD, "Keys.")

    await race(member, lead)

    (made,) = paging(await all_agree(stream))
    assert made.author == (member if member.won else lead).world.me


async def test_a_challenge_that_races_a_replacement_meets_one_of_the_two(
    stream: RunStream,
) -> None:
    """Whichever comes first: the objection stands at the revision that it was made to."""
    first = await decided(stream, "ada")
    replaces = await recorder(stream, "ada", "Offsets.", supersedes=first)
    objects = await challenger(stream, "bea")

    await race(replaces, objects)

    old, new = paging(await all_agree(stream))
    assert replaces.won
    assert objects.won
    assert (old.state, old.replaced_by) == (S.superseded, new.seq)
    assert len(old.objections) + len(new.objections) == 1
    assert new.state is (S.contested if new.objections else S.in_force)


@pytest.mark.parametrize("members", [2, OBJECTIONS_MAX + 2])
async def test_challengers_at_once_are_all_heard_up_to_the_bound(
    stream: RunStream, members: int
) -> None:
    revision = await decided(stream)
    racers = [await challenger(stream, f"m{n}") for n in range(members)]

    await race(*racers)

    decision = a_decision(await all_agree(stream), revision)
    heard = [racer for racer in racers if racer.won]
    assert len(heard) == len(decision.objections) == min(members, OBJECTIONS_MAX)
    assert {o.author for o in decision.objections} == {racer.world.me for racer in heard}
    for racer in racers:
        assert racer.won or "objections already" in racer.outcome.content


async def test_an_answer_that_races_another_challenge_answers_one_of_the_two(
    stream: RunStream,
) -> None:
    revision = await decided(stream, "ada")
    await send(stream, "bea", DecisionChallenged(revision=revision, reason="slow"))
    world = await a_world(stream, "ada")
    answers = Racer(world, RebutChallenge(world), PAGING | {"reason": "fast enough"})

    await race(answers, await challenger(stream, "cleo"))

    decision = a_decision(await all_agree(stream), revision)
    assert (len(decision.objections), len(decision.replies)) == (2, 1)
    assert decision.state is S.contested


@pytest.mark.parametrize("outcome", ["upheld", "superseded", "withdrawn"])
async def test_a_withdrawal_that_races_the_ruling_is_void_if_the_ruling_was_first(
    stream: RunStream, outcome: str
) -> None:
    """And the lead is told that nothing is left to rule on, if it was not."""
    revision = await decided(stream, "ada")
    await send(stream, "bea", DecisionChallenged(revision=revision, reason="slow"))
    ada, lead = await a_world(stream, "ada"), await a_world(stream, LEAD)
    takes_back = Racer(ada, WithdrawDecision(ada), PAGING | {"reason": "bea is right"})
    says = {"statement": "Keys."} if outcome == "superseded" else {}
    rules = Racer(lead, SubmitRuling(lead, revision), {"outcome": outcome, "reason": "so"} | says)

    await race(takes_back, rules)

    decision = a_decision(await all_agree(stream), revision)
    assert not decision.is_disputed
    if rules.calls == 1:
        assert decision.state == outcome
        assert not takes_back.won
    else:
        assert (decision.state, decision.end_reason) == (S.withdrawn, "bea is right")
        assert "Nothing is left to rule on" in rules.outcome.content


async def test_a_person_that_rules_while_the_lead_does_leaves_one_ruling(
    stream: RunStream,
) -> None:
    revision = await decided(stream, "ada")
    await send(stream, "bea", DecisionChallenged(revision=revision, reason="slow"))
    lead, person = await a_world(stream, LEAD), await a_world(stream, "person")
    racers = [
        Racer(world, SubmitRuling(world, revision), {"outcome": outcome, "reason": world.me})
        for world, outcome in ((lead, "upheld"), (person, "withdrawn"))
    ]

    await race(*racers)

    decision = a_decision(await all_agree(stream), revision)
    first = next(racer for racer in racers if racer.calls == 1)
    assert decision.ruling is not None
    assert decision.ruling.author == first.world.me


async def test_what_a_decision_rests_on_may_fall_while_it_is_stored_and_that_is_seen(
    stream: RunStream,
) -> None:
    """Two keys: neither write expects the other; whoever folds both knows it has fallen."""
    base = ("api", "base")
    revision = await send(stream, "ada", DecisionRecorded(statement="Rows are kept."), base)
    ada, bea = await a_world(stream, "ada"), await a_world(stream, "bea")
    shown = Scripted([("read_decision", {"area": "api", "key": "base"})])
    await an_agent(bea, shown).work(an_assignment(ReadDecision(bea), context=CONTEXT + ":read"))
    rests_on = [{"area": "api", "key": "base"}]
    made = await RecordDecision(bea, CONTEXT + ":read").call(
        PAGING | {"statement": "Cursors.", "relied_on": rests_on}
    )
    gone = await WithdrawDecision(ada).call({"area": "api", "key": "base", "reason": "no"})

    await asyncio.gather(stream.commit(made.entries), stream.commit(gone.entries))

    log = await all_agree(stream)
    (decision,) = paging(log)
    assert decision.relied_on[0].revision == revision
    assert log.fall_of(decision.as_premise()) is not None


# --- a storm --------------------------------------------------------------------------------


def acts(me: str, chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Something that a member tries, sensible or not."""
    area, key = chance.choice(PLACES)
    name = chance.choice(
        ["record_decision"] * 4
        + ["challenge_decision"] * 3
        + ["rebut_challenge"] * 2
        + ["withdraw_decision", "read_decision", "search_decisions"]
    )
    if name == "search_decisions":
        return name, {"query": key, "area": area}
    given: dict[str, Any] = {"area": area, "key": key}
    if name == "record_decision":
        words = " ".join(chance.choices("pools pages rows keys times logs flags".split(), k=3))
        guess = chance.choice([None, None, chance.randrange(1, 60)])
        given |= {"statement": f"{me} wants {words}.", "supersedes": guess}
    elif name != "read_decision":
        given |= {"reason": f"{me} thinks so"}
    return name, given


def all_tools(world: World) -> Sequence[Tool[Any]]:
    plain = (SearchDecisions, ReadDecision, ChallengeDecision, RebutChallenge, WithdrawDecision)
    return (RecordDecision(world, CONTEXT), *(tool(world) for tool in plain))


async def a_ruling_lead(stream: RunStream, until: asyncio.Event) -> None:
    """A lead that rules on whatever is disputed, now so, now so."""
    lead, number = await a_world(stream, LEAD), 0
    while not until.is_set() or (await lead.log.read()).disputes():
        for dispute in (await lead.log.read()).disputes():
            number += 1
            outcome = ("upheld", "superseded", "withdrawn")[number % 3]
            says = {"statement": f"Ruling {number}."} if outcome == "superseded" else {}
            context = f"ruling:{number}"
            script = Scripted([("submit_ruling", {"outcome": outcome, "reason": "so"} | says)])
            ruling = SubmitRuling(lead, dispute.seq)
            await an_agent(lead, script).work(an_assignment(ruling, context=context))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_many_members_do_at_once_nothing_is_stored_that_has_no_move(
    stream: RunStream, seed: int
) -> None:
    """Every write that the tools let through was one that its author might make."""
    chance = random.Random(seed)
    names = ("ada", "bea", "cleo", "dora", "emil")
    listening = [
        await a_world(stream, f"ear{number}", areas=areas)
        for number, areas in enumerate((["api"], ["data", "ui"], ["api", "data", "ui"]))
    ]
    meet, done = asyncio.Barrier(len(names)), asyncio.Event()

    async def work(me: str) -> None:
        world = await a_world(stream, me)
        turns = [[acts(me, chance) for _ in range(3)] for _ in range(6)]
        model = Scripted(*turns, meet=meet)
        await an_agent(world, model).work(an_assignment(*all_tools(world)))

    async def team() -> None:
        await asyncio.gather(*(work(me) for me in names))
        done.set()

    await asyncio.gather(team(), a_ruling_lead(stream, done))

    whole = await all_agree(stream)
    assert len(whole.changes) > 10
    assert not whole.disputes()
    for world, areas in zip(
        listening, ({"api"}, {"data", "ui"}, {"api", "data", "ui"}), strict=True
    ):
        heads = [seq for key, seq in whole.head_seqs.items() if key[0] in areas]
        await world.inbox.reached(max(heads, default=0))
        await world.inbox.stop()
        shared = {key: history for key, history in whole.history.items() if key[0] in areas}
        assert world.state.decisions.history == shared
        assert not world.state.decisions.anomalies


async def test_a_stale_ruling_or_withdrawal_from_outside_changes_nothing_for_anybody(
    stream: RunStream,
) -> None:
    """Written without an expectation, as no tool does: kept as an anomaly, the same for all."""
    first = await decided(stream, "ada")
    second = await send(stream, "ada", DecisionRecorded(statement="Offsets.", supersedes=first))
    for author, body in (
        (LEAD, DecisionRuled(revision=first, outcome="upheld", reason="late")),
        ("ada", DecisionWithdrawn(revision=first, reason="late")),
        ("bea", DecisionRecorded(statement="Mine.", supersedes=second)),
        ("bea", DecisionChallenged(revision=first, reason="late")),
    ):
        await send(stream, author, body)

    world = await a_world(stream, "listener", areas=["api"])
    await world.inbox.stop()
    whole = await whole_log(stream)

    assert len(whole.anomalies) == 4
    assert world.state.decisions.anomalies == whole.anomalies
    assert world.state.decisions.history == whole.history
    assert [d.state for d in paging(whole)] == [S.superseded, S.in_force]
