"""The placebo: a team to look at, in which one member does what a single agent does.

It works under the very contract of the single run of the same trial. Its peers have lanes of
their own whose only source is a page that says nothing, and nobody can write letters. The gate
and its verifier are what they are in every arm: without them the answer would be another thing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bus.messages import Budget, Contract, Criterion, PlanMade, PlannedTask
from team.rules.contracts import OUTPUT_TYPE
from team.tool_names import SOURCE_TOOLS

PEERS: Final = 2
"""How many peers without content there are."""
PLACEBO_FILE: Final = "left-blank.md"
PLACEBO_TEXT: Final = (
    "This page has been left blank on purpose by the people who made this form.\n"
    "It holds no facts, no figures and no names, and it answers no question at all.\n"
)
PEER_TOKENS: Final = 40_000
"""What a peer may use up at most, in tokens; less where the run is small."""
PEER_SHARE: Final = 0.15
"""Of what the one that works may use up."""


def sham_plan(plan: PlanMade, group: str, budget: Budget) -> PlanMade:
    """The plan of a placebo team.

    Args:
        plan: That of the single run: one task.
        group: The source group of the page that says nothing.
        budget: The slice of a single agent's lane in this run; the peers' are cut from it.
    """
    [whole] = plan.tasks
    tokens = min(PEER_TOKENS, int(budget.tokens_max * PEER_SHARE))
    usd = None if budget.usd_max is None else budget.usd_max * PEER_SHARE
    small = msgspec.structs.replace(budget, tokens_max=tokens, usd_max=usd)
    left = msgspec.structs.replace(
        budget,
        tokens_max=budget.tokens_max - PEERS * tokens,
        usd_max=None if budget.usd_max is None or usd is None else budget.usd_max - PEERS * usd,
    )
    change = msgspec.structs.replace
    contract = whole.opened.contract
    worked = change(whole, opened=change(whole.opened, contract=change(contract, budget=left)))
    peers = tuple(_peer(number, contract, whole, group, small) for number in range(1, PEERS + 1))
    return change(
        plan,
        mode="team",
        reasons=("a placebo: one lane does the work, the others have a page that says nothing",),
        tasks=(worked, *peers),
        round=1,
    )


def _peer(
    number: int, contract: Contract, whole: PlannedTask, group: str, budget: Budget
) -> PlannedTask:
    text = "The page is quoted."
    change = msgspec.structs.replace
    placebo = Contract(
        objective=f"What does the page {PLACEBO_FILE} say of itself? (page {number})",
        output_format=f"A finding of the type {OUTPUT_TYPE}: one claim that quotes the page.",
        sources=(group,),
        tools=(*SOURCE_TOOLS, "submit_finding"),
        boundaries=("Nothing but what this page says of itself.",),
        acceptance=(text,),
        criteria=(Criterion(text=text, claims_min=1),),
        constraints=contract.constraints,
        covers=contract.covers,
        budget=budget,
    )
    opened = change(whole.opened, title=f"page {number}", contract=placebo, depends_on=())
    return PlannedTask(id=f"{whole.id}p{number}", opened=opened)
