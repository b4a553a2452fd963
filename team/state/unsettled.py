"""What model calls may have taken beyond what is known, as a fold of one context's `usage`.

A call is reserved at its most before it is made, and settled by what it took. One that was never
settled (its process died, it was cut short) counts in full; so does, of one that was settled, what
nobody could say of tries that broke off.

Source: docs/policy.md, "Dollars".
"""

from __future__ import annotations

import msgspec

from bus.messages import UsageReserved, UsageSpent


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """What one context may have spent beside what is known.

    Attributes:
        settled_tokens: Of calls that were settled, what nobody could say, at most.
        settled_usd: The same in US dollars; absent as soon as a price is unknown.
        open: Reservations of turns that were not settled, in order.
    """

    settled_tokens: int = 0
    settled_usd: float | None = 0.0
    open: tuple[UsageReserved, ...] = ()

    @property
    def tokens(self) -> int:
        """All of it in tokens."""
        return self.settled_tokens + sum(max(0, one.tokens) for one in self.open)

    @property
    def usd(self) -> float | None:
        """All of it in US dollars; absent as soon as a price is unknown."""
        return _sum(self.settled_usd, *(one.usd for one in self.open))

    def of_turn(self, turn: int) -> tuple[int, float | None]:
        """What was reserved for a turn and not settled, in tokens and US dollars."""
        mine = [one for one in self.open if one.turn == turn]
        return sum(max(0, one.tokens) for one in mine), _sum(0.0, *(one.usd for one in mine))

    def reserve(self, reserved: UsageReserved) -> Unsettled:
        """This and one reservation more, which takes the place of one for the same turn."""
        others = tuple(one for one in self.open if one.turn != reserved.turn)
        return msgspec.structs.replace(self, open=(*others, reserved))

    def settle(self, spent: UsageSpent) -> Unsettled:
        """This once a turn has said what it took, and what it can't say."""
        return Unsettled(
            settled_tokens=self.settled_tokens + max(0, spent.unsettled_tokens),
            settled_usd=_sum(self.settled_usd, spent.unsettled_usd),
            open=tuple(one for one in self.open if one.turn != spent.turn),
        )


def _sum(*parts: float | None) -> float | None:
    """Amounts together; none gives anything back, and one that is unknown makes all of it so."""
    known = [max(0.0, part) for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
