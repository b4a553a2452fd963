"""A team on paper whose members pay call by call, and a provider that keeps a meter of its own.

The lead grants by the real rules, the ledger is the real fold, and a call is ruled on by the real
limits. What is made here is what can happen in between: who calls when, what the provider
charges, which answer breaks off, and which process dies at which step.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import msgspec

from bus.ids import LEAD
from bus.messages import Budget, MemberLost, TaskOpened, TokenCounts, UsageReserved, UsageSpent
from team.rules.grants import Amount, from_pocket, lead_budget
from team.rules.limits import CHARACTERS_PER_TOKEN, NextCall, Used, rule
from team.state import Spent
from team.state.unsettled import Unsettled
from tests.support.granting_team import LEAD_CAP, GrantingTeam, Place

NOTHING = Amount()


class Call(msgspec.Struct, kw_only=True):
    """A call in the hands of a live process: what one try takes at most, and what it knows."""

    turn: int
    read: int
    written: int
    price: float
    carried: Amount
    used: Used
    lost: Amount = NOTHING
    charged: Amount = NOTHING

    @property
    def bound(self) -> Amount:
        tokens = self.read + self.written
        return Amount(tokens=tokens, usd=tokens * self.price)


class PayingTeam(GrantingTeam):
    """Members that rule on a bound and reserve each try; or, to compare, that do not.

    `without` names what they do without: the bound (an estimate has its place), the reservation.
    """

    def __init__(
        self,
        lanes: Sequence[TaskOpened] = (),
        *,
        verifiers: int = 1,
        without: str = "",
        **policy: float | None,
    ) -> None:
        super().__init__(lanes, verifiers=verifiers, **policy)
        self.is_bounded, self.is_reserved = without != "bound", without != "reservation"
        self.meter = NOTHING
        self.calls: dict[Place, Call] = {}
        self._turns: dict[Place, int] = {}
        self._unsettled: dict[Place, Unsettled] = {}
        self._known: dict[Place, list[Amount]] = {}

    # --- what a member knows: its own records ---

    def used(self, place: Place) -> Used:
        spent = self.state.ledger.by_context.get(place, Spent())
        usd = spent.usd_at_most
        assert usd is not None
        return Used(tokens=spent.tokens_at_most, usd=usd)

    def budget(self, place: Place) -> Budget:
        member, context = place
        if member == LEAD:
            return lead_budget(self.state, context, LEAD_CAP)
        if place in self.granted:
            return self.granted[place]
        others = NOTHING
        for (name, other), spent in self.state.ledger.by_context.items():
            if name == member and other != context and not other.startswith("task:"):
                usd = spent.usd_at_most
                assert usd is not None
                others = others.plus(Amount(tokens=spent.tokens_at_most, usd=usd))
        return from_pocket(self.state.roster.seats[member].pocket, others)

    def free(self) -> list[Place]:
        """Where somebody may begin a call: nobody makes two at once."""
        busy = {member for member, _ in self.calls}
        return [place for place in self.places() if place[0] not in busy]

    # --- a call, step by step ---

    def begin(self, place: Place, read: int, written: int, price: float) -> bool:
        """Ask the limits, and reserve; says whether the call may be made."""
        turn = self._turns.get(place, 0) + 1
        rest = self._unsettled.get(place, Unsettled())
        tokens, usd = rest.of_turn(turn)
        assert usd is not None
        call = Call(
            turn=turn,
            read=read,
            written=written,
            price=price,
            carried=Amount(tokens=tokens, usd=usd),
            used=self.used(place),
        )
        if not self._may(place, call):
            return False
        self._reserve(place, call)
        self.calls[place] = call
        return True

    def charge(self, place: Place, share: float) -> None:
        """The provider serves what has come of a try, and takes its price."""
        call = self.calls[place]
        most = call.bound
        taken = Amount(tokens=int(most.tokens * share), usd=most.usd * share)
        self.meter = self.meter.plus(taken)
        call.charged = call.charged.plus(taken)

    def break_off(self, place: Place, *, is_tried_again: bool) -> None:
        """A try broke off: all that it may have cost is gone; perhaps it is tried again."""
        call = self.calls[place]
        if self.is_reserved:
            call.lost = call.lost.plus(call.bound)
        call.charged = NOTHING
        if is_tried_again and self._may(place, call):
            self._reserve(place, call)
            return
        self._pays(place, call, NOTHING, is_answered=False)

    def finish(self, place: Place) -> None:
        """The answer is whole: the provider says what it took."""
        call = self.calls[place]
        self._pays(place, call, call.charged, is_answered=True)

    def kill(self, member: str) -> None:
        """Its process is gone, at whatever step it was; what it had asked for is served."""
        for place in [place for place in self.calls if place[0] == member]:
            if not self.calls[place].charged.tokens:
                self.charge(place, 1.0)
            del self.calls[place]

    def lose(self, member: str) -> None:
        self.kill(member)
        super().lose(member)

    def replace(self, member: str) -> None:
        """The lead gives a member up that is only slow: it goes on, and has not heard of it."""
        self.story.tell("member", member, body=MemberLost(reason="nothing has moved"))

    # --- within ---

    def _may(self, place: Place, call: Call) -> bool:
        lost, most = call.lost, call.bound
        used = msgspec.structs.replace(
            call.used, tokens=call.used.tokens + lost.tokens, usd=(call.used.usd or 0.0) + lost.usd
        )
        if self.is_bounded:
            asked = NextCall(tokens=most.tokens, usd=most.usd)
        else:
            guess = int(call.read / CHARACTERS_PER_TOKEN) + call.written
            asked = NextCall(tokens=guess, usd=guess * call.price)
        return rule(self.budget(place), used, asked).verdict != "stop"

    def _reserve(self, place: Place, call: Call) -> None:
        if not self.is_reserved:
            return
        most = call.carried.plus(call.lost).plus(call.bound)
        reserved = UsageReserved(
            context=place[1], turn=call.turn, model="m1", tokens=most.tokens, usd=most.usd
        )
        self.story.tell("usage", author=place[0], body=reserved)
        rest = self._unsettled.get(place, Unsettled())
        self._unsettled[place] = rest.reserve(reserved)

    def _pays(self, place: Place, call: Call, took: Amount, *, is_answered: bool) -> None:
        rest = call.carried.plus(call.lost) if self.is_reserved else NOTHING
        spent = UsageSpent(
            context=place[1],
            turn=call.turn,
            model="m1",
            tokens=TokenCounts(input=took.tokens),
            unsettled_tokens=rest.tokens,
            unsettled_usd=rest.usd,
            request_id="req-1" if is_answered else "",
            cost_usd=took.usd,
        )
        self.story.tell("usage", author=place[0], body=spent)
        self._unsettled[place] = self._unsettled.get(place, Unsettled()).settle(spent)
        self._turns[place] = call.turn - (not is_answered)
        del self.calls[place]

    def finish_all(self) -> None:
        """What is under way is served; then all spend what they may, die, and try again."""
        for place in list(self.calls):
            if not self.calls[place].charged.tokens:
                self.charge(place, 1.0)
            self.finish(place)
        for place in self.free():
            if self.spend_rest(place):
                self.kill(place[0])
                if self.spend_rest(place):
                    self.charge(place, 1.0)
                    self.finish(place)

    def spend_rest(self, place: Place) -> bool:
        """Begin a call as large as the limits let it be; says whether there was any."""
        budget, used = self.budget(place), self.used(place)
        room = budget.tokens_max - used.tokens
        usd = inf if budget.usd_max is None else budget.usd_max - (used.usd or 0.0)
        if room <= 0 or usd <= 0:
            return False
        price = 0.0 if usd == inf else usd / room * (1 - 1e-9)
        more = int(room * CHARACTERS_PER_TOKEN)
        return self.begin(place, more, 0, price) or self.begin(place, room, 0, price)
