"""Which decisions reach a context: the ones its contract needs, and which others.

The labelled set says what is relevant to a contract. All of it is put before a member
in two ways: at once, when its context opens (burst), or spread over its turns (trickle).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

import msgspec

from bus.messages import Budget, Contract, DecisionRecorded
from bus.run_stream import Record
from team.agent.decision_log import WholeLog
from team.agent.tools.decision_tools import SearchDecisions, SearchDecisionsInput
from team.agent.world import World
from team.rules.digest import Ranking, about, digest
from team.rules.limits import CHARACTERS_PER_TOKEN
from team.rules.stakes import Stake
from team.state import Decisions
from tests.bench.decisions.cells import BUDGET_TOKENS
from tests.bench.decisions.paper import PaperMember, tokens
from tests.bench.kit import Report, Row, row, say
from tests.support.builders import a_record

LABELLED: Final = Path(__file__).with_name("labelled.json")
ORDERS: Final = 5
"""In how many orders the decisions come; every figure is over all of them."""
TRICKLE_TURNS: Final = 20
SETTINGS: Final = {"burst": 1, "trickle": TRICKLE_TURNS}
"""Over how many turns the decisions come."""
OR_NAMED: Final = ", or named"
"""Ends the name of a share that also counts what a digest only names, for want of room."""
SEED: Final = 20_26
ME: Final = "ada"
_AUTHORS: Final = ("bea", "cyd", "dan", "eve")
_NO_BUDGET: Final = Budget(turns_max=1, tokens_max=1, seconds_max=1.0)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the labelled set."""

    id: str
    area: str
    key: str
    statement: str
    rationale: str = ""


class Relevant(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that a contract needs; hard if they share no word."""

    decision: str
    hardness: Literal["plain", "hard"]


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """One contract, and what it needs."""

    id: str
    split: Literal["dev", "held-out"]
    areas: tuple[str, ...]
    objective: str
    acceptance: tuple[str, ...] = ()
    boundaries: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    relevant: tuple[Relevant, ...] = ()
    near_miss: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """The words by which the runtime ranks decisions for it."""
        contract = Contract(
            objective=self.objective,
            output_format="",
            sources=(),
            tools=(),
            boundaries=self.boundaries,
            acceptance=self.acceptance,
            constraints=self.constraints,
            budget=_NO_BUDGET,
        )
        return about(contract)


class LabelledSet(msgspec.Struct, frozen=True, kw_only=True):
    """The labelled set."""

    decisions: tuple[Item, ...]
    contracts: tuple[Labelled, ...]


Batches = Sequence[Sequence[Item]]
"""What has come before each turn, oldest first."""


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """What one context was given: decisions by id, or only their names, and tokens in all."""

    ids: frozenset[str]
    tokens: int
    named: frozenset[str] = frozenset()


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How many of how many."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """As a number from 0 to 1; 0 of none is 0."""
        return self.hits / self.of if self.of else 0.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One way in one setting, over all contracts and orders.

    Attributes:
        way: One of `WAYS`.
        setting: One of `SETTINGS`.
        shares: What entered of the relevant ones, in all and by place, hardness and
            split; of the `irrelevant` and the `near miss`; `precision`; and what had
            entered or one search found, `with a search`. All but the last two also with
            `OR_NAMED`.
        reached: Of the relevant ones that did not enter, what one search found.
        tokens: What a context was given in all its turns, on average.
    """

    way: str
    setting: str
    shares: dict[str, Share]
    reached: Share
    tokens: float

    def share(self, name: str) -> float:
        """One of the shares, as a number from 0 to 1; 0 where there was nothing to count."""
        return self.shares[name].value if name in self.shares else 0.0


# --- the ways --------------------------------------------------------------------


def ours(contract: Labelled, batches: Batches) -> Entered:
    """Our digest of what the member's consumer was sent: the areas that its contract names."""
    return _digests(contract, [_in_areas(contract, batch) for batch in batches])


def everywhere(contract: Labelled, batches: Batches) -> Entered:
    """Our digest without the consumer's filter."""
    return _digests(contract, batches)


def unranked(contract: Labelled, batches: Batches) -> Entered:
    """Our digest without its ranking: the newest first."""
    batches = [_in_areas(contract, batch) for batch in batches]
    return _digests(contract, batches, ranking_of=lambda _: lambda __: ())


def oracle(contract: Labelled, batches: Batches) -> Entered:
    """Our digest ranked by the labels: what the budget and the filter leave possible."""
    relevant = {one.decision for one in contract.relevant}

    def ranking_of(ids: dict[int, str]) -> Ranking:
        return lambda among: [seq for seq in among if ids[seq] in relevant]

    return _digests(contract, [_in_areas(contract, one) for one in batches], ranking_of)


def broadcast(contract: Labelled, batches: Batches) -> Entered:
    """What is new, the newest first, as far as the budget of a turn goes."""
    return _added(_cut(batch) for batch in batches)


def file(contract: Labelled, batches: Batches) -> Entered:
    """All that holds, the newest first, as far as the budget of a turn goes."""
    return _added(_cut(batch) for batch in _grown(batches))


def broadcast_all(contract: Labelled, batches: Batches) -> Entered:
    """All that is new."""
    return _added(batches)


def file_all(contract: Labelled, batches: Batches) -> Entered:
    """All that holds, every turn."""
    return _added(_grown(batches))


WAYS: Final[dict[str, Callable[[Labelled, Batches], Entered]]] = {
    "our digest": ours,
    "… without the area filter": everywhere,
    "… without the ranking": unranked,
    "… ranked by the labels (ceiling)": oracle,
    "broadcast, same budget": broadcast,
    "shared file, same budget": file,
    "broadcast, unlimited": broadcast_all,
    "shared file, unlimited": file_all,
}


def _digests(
    contract: Labelled,
    batches: Batches,
    ranking_of: Callable[[dict[int, str]], Ranking] | None = None,
) -> Entered:
    """What a member's digests told it; with a ranking of one's own, if one is given."""
    member = PaperMember(ME, contract.about)
    ids: dict[int, str] = {}
    spent, named = 0, set[str]()
    for batch in batches:
        for item in batch:
            seq = len(ids) + 1
            member.decisions.apply(_record(seq, item))
            ids[seq] = item.id
        if ranking_of is None:
            news = member.turn()
        else:
            known, stake = member.transcript.known, Stake(me=ME)
            news = digest(member.decisions, known, stake, ranking_of(ids), BUDGET_TOKENS)
            member.keep(news)
        named |= {ids[revision] for revision in news.named}
        spent += tokens(len(news.text))
    told = frozenset(ids[revision] for revision in member.transcript.known.told)
    return Entered(ids=told, tokens=spent, named=frozenset(named))


def _added(batches: Iterable[Sequence[Item]]) -> Entered:
    read = [item for batch in batches for item in batch]
    return Entered(
        ids=frozenset(item.id for item in read), tokens=tokens(sum(len(_text(i)) for i in read))
    )


def _cut(batch: Sequence[Item]) -> list[Item]:
    """What of it fits into the budget, the newest first; what is too long is left out."""
    room, taken = BUDGET_TOKENS * CHARACTERS_PER_TOKEN, list[Item]()
    for item in reversed(batch):
        if len(_text(item)) <= room:
            room -= len(_text(item))
            taken.append(item)
    return taken


def _grown(batches: Batches) -> Iterator[list[Item]]:
    """All that has come up to each turn."""
    held: list[Item] = []
    for batch in batches:
        held += batch
        yield list(held)


def _text(item: Item) -> str:
    why = f"\n{item.rationale}" if item.rationale else ""
    return f"{item.area}/{item.key} ({_author(item)}): {item.statement}{why}\n"


def _author(item: Item) -> str:
    return _AUTHORS[sum(item.id.encode()) % len(_AUTHORS)]


def _in_areas(contract: Labelled, items: Iterable[Item]) -> list[Item]:
    return [item for item in items if item.area in contract.areas]


def _record(seq: int, item: Item) -> Record:
    body = DecisionRecorded(statement=item.statement)
    return a_record(seq, "decision", item.area, item.key, author=_author(item), body=body)


# --- one search ------------------------------------------------------------------


class _PaperLog(WholeLog):
    """The whole log without a stream."""

    def __init__(self, items: Sequence[Item]) -> None:
        nowhere: Any = None
        super().__init__(nowhere)
        for seq, item in enumerate(items, start=1):
            self.decisions.apply(_record(seq, item))

    async def read(self) -> Decisions:
        return self.decisions


def found_by_search(items: Sequence[Item], contracts: Sequence[Labelled]) -> dict[str, set[str]]:
    """What the tool gives each contract that asks it once, with its objective."""
    nowhere: Any = None
    log = _PaperLog(items)
    world = World(
        me=ME,
        stream=nowhere,
        inbox=nowhere,
        journal=nowhere,
        log=log,
        decisions=nowhere,
        snapshots=nowhere,
    )
    search = SearchDecisions(world)
    id_of = {(item.area, item.key): item.id for item in items}
    found: dict[str, set[str]] = {}
    for contract in contracts:
        answer = asyncio.run(search.run(SearchDecisionsInput(query=contract.objective)))
        found[contract.id] = {id_of[one.area, one.key] for one in answer.told}
    return found


# --- figures ---------------------------------------------------------------------


def measure(*, is_quick: bool) -> tuple[Outcome, ...]:
    """Show the whole set to every contract, each way, in each setting and order.

    Quick: to every fourth contract, in one order.
    """
    labelled = msgspec.json.decode(LABELLED.read_bytes(), type=LabelledSet)
    found: list[Outcome] = []
    for setting, turns in SETTINGS.items():
        say(f"recall: {setting}, {len(labelled.contracts)} contracts")
        tallies = {way: _Tally(labelled) for way in WAYS}
        for number in range(1 if is_quick else ORDERS):
            items = list(labelled.decisions)
            Random(SEED + number).shuffle(items)
            searched = found_by_search(items, labelled.contracts)
            batches = _spread(items, turns)
            for contract in labelled.contracts[:: 4 if is_quick else 1]:
                for way, enter in WAYS.items():
                    tallies[way].add(contract, enter(contract, batches), searched[contract.id])
        found += [tally.outcome(way, setting) for way, tally in tallies.items()]
    return tuple(found)


def _spread(items: Sequence[Item], turns: int) -> list[Sequence[Item]]:
    """The same number of decisions before each turn, as nearly as can be."""
    ends = [len(items) * turn // turns for turn in range(turns + 1)]
    return [items[ends[turn] : ends[turn + 1]] for turn in range(turns)]


class _Tally:
    """Hits and chances by the name of a share."""

    def __init__(self, labelled: LabelledSet) -> None:
        self._area_of = {item.id: item.area for item in labelled.decisions}
        self._hits: Counter[str] = Counter()
        self._of: Counter[str] = Counter()
        self._tokens = 0
        self._contexts = 0

    def add(self, contract: Labelled, entered: Entered, searched: set[str]) -> None:
        """Count one context."""
        relevant = {one.decision: one.hardness for one in contract.relevant}
        for decision, area in self._area_of.items():
            is_in = decision in entered.ids
            if decision in relevant:
                place = "in area" if area in contract.areas else "outside"
                hardness = relevant[decision]
                names = ["relevant", place, hardness, contract.split, f"{place}, {hardness}"]
                self._count(("with a search",), is_hit=is_in or decision in searched)
                if not is_in:
                    self._count(("reached",), is_hit=decision in searched)
            else:
                names = ["irrelevant"] + ["near miss"] * (decision in contract.near_miss)
            self._count(names, is_hit=is_in)
            is_seen = is_in or decision in entered.named
            self._count((f"{name}{OR_NAMED}" for name in names), is_hit=is_seen)
            if is_in:
                self._count(("precision",), is_hit=decision in relevant)
        self._tokens += entered.tokens
        self._contexts += 1

    def _count(self, names: Iterable[str], *, is_hit: bool) -> None:
        for name in names:
            self._of[name] += 1
            self._hits[name] += is_hit

    def outcome(self, way: str, setting: str) -> Outcome:
        """All that was counted."""
        shares = {name: Share(hits=self._hits[name], of=of) for name, of in self._of.items()}
        reached = shares.pop("reached", Share(hits=0, of=0))
        mean = self._tokens / self._contexts
        return Outcome(way=way, setting=setting, shares=shares, reached=reached, tokens=mean)


def run(*, is_quick: bool) -> Report:
    """Measure, and give the figures as the other benchmarks do."""
    outcomes = measure(is_quick=is_quick)
    rows: list[Row] = []
    for setting in SETTINGS:
        ours_, *others = [one for one in outcomes if one.setting == setting]
        for name in ("relevant", "hard", "irrelevant", "precision"):
            rows += [
                row(setting, name, "share", ours_.share(name), one.share(name), one.way)
                for one in others
            ]
        rows.append(row(setting, "or found by one search", "share", ours_.share("with a search")))
    return Report(
        name="decisions.recall",
        how=(
            "The labelled set put before each of its contracts, at once or over\n"
            f"{TRICKLE_TURNS} turns: what share of the relevant decisions entered the context,\n"
            "and of the irrelevant."
        ),
        rows=tuple(rows),
        notes=("one author wrote the set: tests/bench/decisions/labelled.md",),
    )
