"""Pairs of findings of two lanes, each sound by itself: some contradict each other, some seem to.

The first of a pair quotes `manual`, the second `field`; both stand word for word in their sources.
"""

from __future__ import annotations

import msgspec

from bus.messages import Claim, Fact
from tests.support.adversarial_sources import says
from tests.support.gate_drive import Case


class TwoLanes(msgspec.Struct, frozen=True, kw_only=True):
    """Two findings of different lanes.

    Attributes:
        kind: In what they contradict each other, or why they do not.
        first: The claim of the one lane.
        second: The claim of the other.
        beside: What the second lane says besides, which nobody contradicts.
    """

    kind: str
    first: Claim
    second: Claim
    beside: Claim | None = None

    @property
    def is_sound(self) -> bool:
        """Whether both claims can be true."""
        return self.kind.startswith("sound")

    @property
    def cases(self) -> tuple[Case, Case]:
        """The two findings."""
        more = () if self.beside is None else (self.beside,)
        return (
            Case(kind=self.kind, claims=(self.first,), group="manual"),
            Case(kind=self.kind, claims=(self.second, *more), group="field"),
        )


def _pair(kind: str, first: str, second: str, *, beside: str = "") -> TwoLanes:
    """Two sentences as they stand in their sources."""
    more = says(beside, beside, claim_id="c2") if beside else None
    return TwoLanes(kind=kind, first=says(first, first), second=says(second, second), beside=more)


def _facts(
    kind: str,
    first: tuple[str, tuple[tuple[str, str, str], ...]],
    second: tuple[str, tuple[tuple[str, str, str], ...]],
) -> TwoLanes:
    """Two sentences, each with its facts: subject, attribute, value."""
    claims = [
        says(
            text,
            text,
            facts=tuple(Fact(subject=of, attribute=what, value=value) for of, what, value in facts),
        )
        for text, facts in (first, second)
    ]
    return TwoLanes(kind=kind, first=claims[0], second=claims[1])


def contradicting() -> list[TwoLanes]:
    """Pairs of which not both claims can be true."""
    return [*_in_numbers_and_negation(), *_in_opposites(), *_in_facts()]


def _in_numbers_and_negation() -> list[TwoLanes]:
    numbers, negation = "contradiction in numbers", "contradiction in negation"
    return [
        _pair(
            numbers,
            "A pump is oiled after 40 hours of work.",
            "A pump is oiled after 60 hours of work.",
        ),
        _pair(
            numbers,
            "The basin holds at most 900 litres when the sluice is shut.",
            "The basin holds at most 700 litres when the sluice is shut.",
        ),
        _pair(
            numbers,
            "Two wardens inspect the weir each month.",
            "Three wardens inspect the weir each month.",
            beside="Green lanterns were seen on the pier.",
        ),
        _pair(
            negation,
            "The siren is tested on public holidays.",
            "The siren is not tested on public holidays.",
        ),
        _pair(negation, "No barge enters the lock at night.", "A barge enters the lock at night."),
        TwoLanes(
            kind=negation,
            first=says(
                "At the upper dock, ice is never broken by hand.",
                "Ice is never broken by hand at the upper dock.",
            ),
            second=says(
                "At the upper dock, ice is broken by hand.",
                "Ice is broken by hand at the upper dock.",
            ),
        ),
    ]


def _in_opposites() -> list[TwoLanes]:
    opposites = "contradiction in opposites"
    return [
        _pair(
            opposites,
            "Silt is removed before the winter begins.",
            "Silt is removed after the winter begins.",
        ),
        _pair(
            opposites,
            "Entry to the gauge room is allowed for visitors.",
            "Entry to the gauge room is forbidden for visitors.",
        ),
        _pair(
            opposites,
            "The bypass valve is enabled by default at low water.",
            "The bypass valve is disabled by default at low water.",
            beside="Slate covers the roof of the mill.",
        ),
        _pair(
            opposites,
            "The sluice opens within 90 seconds of a call.",
            "The sluice opens within 90 minutes of a call.",
        ),
    ]


def _in_facts() -> list[TwoLanes]:
    facts = "contradiction in facts"
    return [
        _facts(
            facts,
            (
                "The crane burns diesel from the eastern shed.",
                (("the crane", "driven by", "diesel"),),
            ),
            (
                "Current from the village drives the crane.",
                (("The crane", "driven by", "current"),),
            ),
        ),
        _facts(
            facts,
            ("Ropes come from Halden every spring.", (("ropes", "made in", "Halden"),)),
            ("A workshop in Moss twists all ropes.", (("Ropes", "made in", "Moss"),)),
        ),
        _facts(
            facts,
            ("The crest was laid by masons in 1902.", (("the weir", "year", "1902"),)),
            (
                "Its stones show the year 1911 on the downstream side.",
                (("The  weir", "Year", "1911."),),
            ),
        ),
    ]


def agreeing() -> list[TwoLanes]:
    """Pairs that look alike, and of which both claims can be true."""
    nets = "Nets are dried on the wall for 3 days."
    return [
        _pair(
            "sound: another thing of that sort",
            "The Alder gate is locked by the warden on Sundays.",
            "The Birch gate is locked by the warden on Sundays.",
        ),
        _pair(
            "sound: another thing of that sort",
            "A mooring costs 4 crowns for each night.",
            "A winter berth on the inner quay costs 40 crowns a month.",
        ),
        _pair(
            "sound: one says less",
            "The keeper reads the gauge at dawn.",
            "The keeper reads the gauge at dawn and again at 6 in the evening.",
        ),
        _pair(
            "sound: the same in another form",
            "Eight lamps mark the channel to the quay.",
            "8 lamps mark the channel to the quay.",
        ),
        _pair(
            "sound: the same in another form",
            "The archive is not heated in winter.",
            "In winter the archive is not heated.",
        ),
        TwoLanes(
            kind="sound: narrowed to its own sources",
            first=says(f"In manual: {nets}", nets),
            second=says(f"In field: {nets.replace('3', '5')}", nets.replace("3", "5")),
        ),
        _facts(
            "sound: facts that agree",
            ("A bronze bell hangs on the ferry.", (("the ferry", "bell", "bronze"),)),
            ("The ferry rings its bell of bronze in fog.", (("The ferry", "bell", "Bronze."),)),
        ),
        _facts(
            "sound: facts that agree",
            (
                "Red and green lanterns hang on the pier.",
                (("lanterns", "colour", "red"), ("lanterns", "colour", "green")),
            ),
            ("Green lanterns were seen on the pier.", (("lanterns", "colour", "green"),)),
        ),
        _facts(
            "sound: facts of other attributes",
            ("The mill has a wheel of oak.", (("the mill", "wheel", "oak"),)),
            ("Slate covers the roof of the mill.", (("the mill", "roof", "slate"),)),
        ),
    ]


# --- what words and facts do not show ---------------------------------------------------


def unseen_pairs() -> list[TwoLanes]:
    """Contradictions that get through: other words, swapped roles, facts under other names."""
    kind = "unseen"
    return [
        _pair(
            kind,
            "The cellar floods each spring.",
            "The rooms under the house stay dry all year.",
        ),
        _pair(
            kind,
            "The miller pays the warden a yearly fee.",
            "The warden pays the miller a yearly fee.",
        ),
        _facts(
            kind,
            (
                "The key of the boat house hangs with the miller.",
                (("the boat house", "key", "the miller"),),
            ),
            ("Only the warden can unlock the boathouse.", (("boathouse", "key", "the warden"),)),
        ),
    ]


def misjudged_pairs() -> list[TwoLanes]:
    """Sound pairs of which a claim is struck out: they differ in what makes twins contradict."""
    kind = "sound, and misjudged"
    return [
        _pair(
            kind,
            "The north pump fills the basin in 4 hours.",
            "The south pump fills the basin in 6 hours.",
        ),
        _pair(kind, "Children may not swim in the lock.", "Children must not swim in the lock."),
        _facts(
            kind,
            ("A lift takes 30 minutes.", (("a lift", "takes", "30 minutes"),)),
            ("Raising a boat needs half an hour.", (("a lift", "takes", "half an hour"),)),
        ),
    ]
