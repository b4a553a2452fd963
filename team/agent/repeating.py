"""A transcript as the rule on repeats sees it, and what a member that repeats itself is told."""

from __future__ import annotations

import msgspec

from team.agent.journal import Transcript, Turn
from team.agent.world import World
from team.policy import Liveness
from team.rules import repeats
from team.rules.repeats import Act, TurnActs
from team.tool_names import SEND


def told(world: World, transcript: Transcript, ends_with: str | None) -> list[str]:
    """What a member that goes round in circles reads before its next call."""
    said = repeats.told(acts_of(transcript), _liveness(world).repeats_max)
    if said is None:
        return []
    ending = f"return what you have with `{ends_with}`" if ends_with else "end your turn"
    return [f"You go round in circles: {said}. Do something else, or {ending}."]


def reason_to_end(world: World, transcript: Transcript) -> str | None:
    """Why an attempt is over that repeats itself although it was told."""
    return repeats.reason_to_end(acts_of(transcript), _liveness(world).repeats_max)


def acts_of(transcript: Transcript) -> list[TurnActs]:
    """What was done in each turn of a transcript whose tools have run."""
    return [_acts(turn) for turn in transcript.turns]


def _acts(turn: Turn) -> TurnActs:
    outcomes = turn.acted.outcomes if turn.acted is not None else ()
    given = {call.id: call.input for call in turn.calls}
    return TurnActs(
        acts=tuple(
            Act(
                tool=outcome.tool,
                given=msgspec.json.encode(given.get(outcome.call_id), order="sorted"),
                answer=outcome.content,
                to=str(given[outcome.call_id].get("to", "")) if outcome.tool == SEND else "",
            )
            for outcome in outcomes
        ),
        has_mail=bool(turn.replied.intake),
    )


def _liveness(world: World) -> Liveness:
    spec = world.state.spec  # nobody is seated without one; a bare world has the defaults
    return Liveness() if spec is None else spec.team.liveness
