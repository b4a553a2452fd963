"""What a member's calls may take: ruled on before, reserved at each try, settled after.

    offer ──▶ may it be made? ──no──▶ count it ──▶ write less ──▶ the limit says no
                 │
                 ▼
    reserve the most that the turn can take ──▶ try ──▶ settle what it took
       ▲                                          │
       └── what the try may have cost stays ◀── it broke off

Not for what is granted: `team/rules/grants.py`.

Source: docs/policy.md, "Dollars".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from bus.messages import TokenCounts, TurnReplied, UsageReserved, UsageSpent
from bus.run_stream import Entry
from team.agent import permits, sizing
from team.agent.assignment import Assignment
from team.agent.journal import Journal, Transcript
from team.agent.models import bound
from team.agent.models.bound import Bound
from team.agent.models.call import Caller, Lost, Reply, Request
from team.agent.world import World
from team.codes.limits import DOLLARS, TOKENS
from team.errors import ModelError, ReplayError
from team.rules.limits import NextCall, Ruling, Used, rule

ANSWER_TOKENS_MIN: Final = 2_000
"""Below this an answer is no longer cut to what is left: it could not return much."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A call that may be made, or may not.

    Attributes:
        request: What is asked, with as much room for an answer as there is.
        ruling: Whether it may be made.
        bound: What one try of it takes at most; absent if it has no bound.
        used: What its context has used up before it.
        carried: What earlier tries of this turn may have taken and nobody settled, in tokens
            and US dollars: of a process that died.
    """

    request: Request
    ruling: Ruling
    bound: Bound | None = None
    used: Used = Used()
    carried: tuple[int, float | None] = (0, 0.0)

    @property
    def is_too_dear(self) -> bool:
        """Whether it may not be made for want of tokens or dollars."""
        return self.ruling.verdict == "stop" and self.ruling.code in (TOKENS, DOLLARS)


class Payments:
    """All that one member's calls take."""

    def __init__(self, world: World, journal: Journal, caller: Caller) -> None:
        self._world = world
        self._journal = journal
        self._caller = caller
        self._sizes = sizing.Sizes()

    async def offer(
        self,
        assignment: Assignment,
        transcript: Transcript,
        request: Request,
        added: Sequence[str],
        seconds: float,
    ) -> Offer:
        """Rule on the next call; what can't be found out is a no.

        Only where it would not fit by what is known here, the provider is asked to count it;
        where it still does not, its answer is given less room.

        Cancelling: safe.
        """
        try:
            most = self._sizes.at_most(request, transcript)
            offer = self._ruled(assignment, transcript, request, added, seconds, most)
            if offer.is_too_dear and self._may_fit(assignment, offer):
                counted = await self._caller.count(request)
                if counted is not None:
                    counted = bound.of_counted(counted)
                    most = counted if most is None else min(most, counted)
                    offer = self._ruled(assignment, transcript, request, added, seconds, most)
            if offer.is_too_dear and most is not None:
                offer = self._cut(assignment, transcript, offer, added, seconds, most)
        except Exception as error:
            reason = f"what the call would take can't be told: {error!r}"
            return Offer(request=request, ruling=Ruling(verdict="stop", reason=reason, code=TOKENS))
        return offer

    def _ruled(
        self,
        assignment: Assignment,
        transcript: Transcript,
        request: Request,
        added: Sequence[str],
        seconds: float,
        most: int | None,
    ) -> Offer:
        used = permits.used_by(transcript, assignment.ends_with, seconds, self._caller)
        number = len(transcript.turns) + 1
        limit = self._bound(request, most)
        answer = sizing.expected_answer(transcript, request.max_tokens)
        read = sizing.expected(request, transcript, added)
        usd = bound.ceiling_usd(read, answer, 0, self._price(request))
        call = permits.next_call(self._world, request, limit, read + answer, usd)
        return Offer(
            request=request,
            ruling=rule(assignment.budget, used, call),
            bound=limit,
            used=used,
            carried=transcript.unsettled.of_turn(number),
        )

    def _cut(
        self,
        assignment: Assignment,
        transcript: Transcript,
        offer: Offer,
        added: Sequence[str],
        seconds: float,
        most: int,
    ) -> Offer:
        """The same call with less room for its answer, if what is left lets it say anything."""
        low, high = _least(offer.request), offer.request.max_tokens
        if not self._fits(assignment, offer, most, low):
            return offer
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (
                (middle, high) if self._fits(assignment, offer, most, middle) else (low, middle - 1)
            )
        shorter = msgspec.structs.replace(offer.request, max_tokens=low)
        return self._ruled(assignment, transcript, shorter, added, seconds, most)

    def _may_fit(self, assignment: Assignment, offer: Offer) -> bool:
        """Whether a call could be made at all, however little it should read."""
        return self._fits(assignment, offer, 0, _least(offer.request))

    def _fits(self, assignment: Assignment, offer: Offer, read: int, written: int) -> bool:
        """Whether a call that reads so much may be made with so much room for its answer."""
        shorter = msgspec.structs.replace(offer.request, max_tokens=written)
        limit, budget, used = self._bound(shorter, read), assignment.budget, offer.used
        if limit is None or used.tokens + limit.tokens > budget.tokens_max:
            return False
        if budget.usd_max is None:
            return True
        known = used.usd is not None and limit.usd is not None
        return known and (used.usd or 0.0) + (limit.usd or 0.0) <= budget.usd_max

    def _bound(self, request: Request, read: int | None) -> Bound | None:
        searches = bound.searches_of(request.searches)
        if read is None or searches is None:
            return None
        read = bound.with_searches(read, request.max_tokens, searches)
        is_hour = self._caller.asks_for_hour(request)
        price = self._price(request)
        usd = bound.ceiling_usd(read, request.max_tokens, searches, price, is_hour=is_hour)
        return Bound(read=read, written=request.max_tokens, searches=searches, usd=usd)

    def _price(self, request: Request) -> Callable[[TokenCounts], float | None]:
        return lambda tokens: self._caller.cost_usd(request.model, tokens)

    # --- while it is made ---

    def may_lose(self, assignment: Assignment, offer: Offer) -> Callable[[Lost], bool]:
        """Says of what tries have lost whether another may be made."""
        limit = offer.bound
        assert limit is not None

        def may(lost: Lost) -> bool:
            after = permits.used_after(offer.used, lost, offer.request.model, self._caller)
            call = NextCall(tokens=limit.tokens, usd=limit.usd, model=offer.request.model)
            return rule(assignment.budget, after, call).verdict != "stop"

        return may

    def reserving(self, context: str, turn: int, offer: Offer) -> Callable[[Lost], Awaitable[None]]:
        """Stores the most that the turn can take, right before each of its tries."""
        limit, model = offer.bound, offer.request.model
        assert limit is not None
        carried_tokens, carried_usd = offer.carried

        async def reserve(lost: Lost) -> None:
            parts = (
                carried_usd,
                lost.unsettled_usd,
                self._caller.cost_usd(model, lost.tokens),
                limit.usd,
            )
            known = [part for part in parts if part is not None]
            reserved = UsageReserved(
                context=context,
                turn=turn,
                model=model,
                tokens=carried_tokens + lost.unsettled_tokens + lost.tokens.total + limit.tokens,
                usd=sum(known) if len(known) == len(parts) else None,
            )
            await self._journal.pay(reserved)

        return reserve

    # --- and after ---

    def answered(self, offer: Offer, transcript: Transcript) -> None:
        """Take into account that a call was answered, and so counted by its provider."""
        self._sizes.answered(offer.request, transcript)

    async def settle(self, context: str, turn: int, offer: Offer, error: ModelError) -> None:
        """Say, and keep, what a call has taken that never gave an answer.

        Raises:
            ModelError: This is a replay, and the recording goes on otherwise: the call's own
                error says where it began to differ.
        """
        transcript = self._journal.transcripts[context]
        if not any(one.turn == turn for one in transcript.unsettled.open):
            return  # it was never begun
        tokens, usd = _together(offer.carried, (error.unsettled_tokens, error.unsettled_usd))
        model = offer.request.model
        usage = UsageSpent(
            context=context,
            turn=turn,
            model=model,
            tokens=TokenCounts(),
            lost=error.lost,
            unsettled_tokens=tokens,
            unsettled_usd=usd,
            cost_usd=self._caller.cost_usd(model, error.lost),
            is_estimated=self._caller.is_estimating,
        )
        try:
            await self._journal.pay(usage)
        except ReplayError:
            raise error from None

    def spent(self, replied: TurnReplied, offer: Offer, reply: Reply) -> Entry:
        """What a turn has taken, to be committed with it."""
        tokens, usd = _together(offer.carried, (reply.unsettled_tokens, reply.unsettled_usd))
        usage = UsageSpent(
            context=replied.context,
            turn=replied.turn,
            model=reply.model,
            tokens=reply.tokens,
            lost=reply.lost,
            unsettled_tokens=tokens,
            unsettled_usd=usd,
            request_id=reply.request_id,
            cost_usd=reply.cost_usd,
            took_s=round(reply.took_s, 4),
            is_estimated=reply.is_estimated,
        )
        return self._world.entry("usage", body=usage)


def _least(request: Request) -> int:
    """How much room an answer must have at least."""
    return min(ANSWER_TOKENS_MIN, request.max_tokens)


def _together(
    one: tuple[int, float | None], other: tuple[int, float | None]
) -> tuple[int, float | None]:
    usd = None if one[1] is None or other[1] is None else one[1] + other[1]
    return one[0] + other[0], usd
