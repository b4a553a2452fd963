"""A plan as the lead proposes it, what code sends back of it, and the contracts it becomes.

The lead says which lanes there are; code names all that is missing at once. What is
merged, split and ruled afterwards is in `lanes` and `triage`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated, Final

import msgspec

from bus.messages import Budget, Contract, Criterion
from roles.tool_patterns import covers
from team.codes import plan as codes
from team.codes.limits import WRITE
from team.policy import AVOIDED, TriageRules
from team.rules.constraints import stands_in
from team.rules.contracts import OUTPUT_TYPE, is_checkable
from team.rules.effort import EFFORTS, Effort, Mode, is_simple, lanes_cap, listed
from team.rules.gate import CLAIMS_MAX
from team.rules.hosts import WEB, names_host
from team.spec import SourceGroupDoc

COMMON_AREA: Final = "team"
"""The decision area that every lane is told of."""

_WORD: Final = re.compile(r"\w+")
_COMMON: Final = frozenset(
    "a all an and any are as at be but by can do does down for from has have how if in into is "
    "it its may more no not of off on only or other out over should so than that the their them "
    "then there these they this those to up was we were what when where which while who why "
    "will with work works would you".split()
)

Line = Annotated[str, msgspec.Meta(max_length=2_000)]
Aspect = Annotated[str, msgspec.Meta(max_length=20_000)]


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One independent part of the goal. What has no default to work with must be given.

    Attributes:
        title: A few words; unique in the plan.
        output: What it will return, in one sentence that names no other lane.
        objective: What is to be found out.
        sources: Source groups or path patterns that it may use; hosts to fetch from, as
            `web:docs.python.org`.
        boundaries: What is out of bounds for it.
        acceptance: How code can tell that it is done.
        covers: Aspects of the goal that it answers, word for word from the plan's.
        areas: Decision areas that concern it.
        depends_on: Titles of lanes whose findings must be admitted first.
        sources_avoided: Source groups or path patterns that it may not use.
        tools_avoided: Tools that it may not use although its role has them.
        writes: Paths that it may write.
    """

    title: Annotated[str, msgspec.Meta(max_length=80)] = ""
    output: Line = ""
    objective: Line = ""
    sources: tuple[str, ...] = ()
    boundaries: tuple[Line, ...] = ()
    acceptance: tuple[Criterion, ...] = ()
    covers: tuple[Aspect, ...] = ()
    areas: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    sources_avoided: tuple[str, ...] = ()
    tools_avoided: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def within(self) -> tuple[str, ...]:
        """What it may read, as the library takes it."""
        sources = tuple(source for source in self.sources if not source.startswith(WEB))
        return (*sources, *(AVOIDED + source for source in self.sources_avoided))

    @property
    def web(self) -> tuple[str, ...]:
        """The hosts among its sources, as it names them."""
        return tuple(source for source in self.sources if source.startswith(WEB))


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the goal is divided.

    Attributes:
        title: What the answer will be called.
        effort: What the goal asks for: `fact`, `comparison` or `broad`.
        aspects: Parts of the goal that the answer has to cover, word for word.
        lanes: Its parts.
        constraints: Constraints of the goal, word for word; every lane carries them.
    """

    title: Line
    lanes: Annotated[tuple[Lane, ...], msgspec.Meta(min_length=1, max_length=64)]
    effort: Effort | None = None
    aspects: tuple[Aspect, ...] = ()
    constraints: tuple[Aspect, ...] = ()


REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "Plan": ("title", "effort", "aspects", "lanes"),
    "Lane": ("title", "output", "objective", "sources", "boundaries", "acceptance", "covers"),
}
"""What a plan is sent back without. Not required by the types, so that all is named at once."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A source and how many tokens it is taken to have."""

    source: str
    tokens: int


class Ability(msgspec.Struct, frozen=True, kw_only=True):
    """What a seat brings: the models that may answer, the tools it may use."""

    model: str
    tools: tuple[str, ...]


class PlanFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rules look at beside the plan.

    Attributes:
        goal: The goal, as the user put it.
        mode: What the user asked for.
        groups: The sources, by group.
        covered: The sources that a lane may read, of all that there are, in their order;
            all of them for None.
        rules: When a team is worth it.
        teammates_max: Workers at once.
        lead: What the lead brings.
        worker: What a worker brings: the tools of a lane.
        writable: Paths that policy lets a worker write, as patterns.
        hosts: Hosts of the web that a worker may fetch from, as the policy names them.
    """

    goal: str
    groups: tuple[SourceGroupDoc, ...]
    covered: Callable[[tuple[str, ...] | None], tuple[Size, ...]]
    lead: Ability
    worker: Ability
    rules: TriageRules = TriageRules()
    teammates_max: int = 8
    mode: Mode = "auto"
    writable: tuple[str, ...] = ("*",)
    hosts: tuple[str, ...] = ()

    @property
    def window(self) -> int:
        """Tokens of sources that one lane may have."""
        return int(self.rules.window_tokens * self.rules.window_share)

    def cap(self, effort: Effort) -> int:
        """How many lanes a plan of some effort may have."""
        return lanes_cap(
            effort,
            self.goal,
            comparison_max=self.rules.comparison_max,
            teammates_max=self.teammates_max,
            mode=self.mode,
        )

    def tokens(self, lane: Lane) -> int:
        """How many tokens the sources of a lane have."""
        return sum(size.tokens for size in self.covered(lane.within))


@lru_cache(maxsize=4_096)
def words(text: str) -> frozenset[str]:
    """The telling words of a text, lower-cased."""
    return frozenset(_WORD.findall(text.lower())) - _COMMON


def likeness(a: str, b: str) -> float:
    """How much two texts share: common telling words over all of them, 0 to 1."""
    ours, theirs = words(a), words(b)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0


# --- what is sent back -----------------------------------------------------------

PlanRule = Callable[[Plan, PlanFacts], list[str]]


def _missing(field: str) -> PlanRule:
    """Each lane has something in a field; blanks are nothing."""

    def rule(plan: Plan, _: PlanFacts) -> list[str]:
        return [
            f"{_named(lane, number)} has no {field}"
            for number, lane in enumerate(plan.lanes, start=1)
            if not _is_given(getattr(lane, field))
        ]

    return rule


def _is_given(value: str | tuple[str, ...]) -> bool:
    lines = (value,) if isinstance(value, str) else value
    return bool(lines) and all(line.strip() for line in lines)


def _sources(plan: Plan, facts: PlanFacts) -> list[str]:
    """Each lane names sources there are, and has some left without those it avoids."""
    names = sorted(group.name for group in facts.groups)
    problems = _missing("sources")(plan, facts)
    for lane in plan.lanes:
        unknown = [s for s in lane.within if s not in names and not facts.covered((s,))]
        unknown = [s for s in unknown if s in lane.sources]
        odd = [s for s in (*lane.sources, *lane.sources_avoided) if s.startswith(AVOIDED)]
        problems += [
            f"lane {lane.title!r}: source {source!r} is not one of {', '.join(names)}"
            if not set("*?/") & set(source)
            else f"lane {lane.title!r}: source {source!r} names nothing that is there"
            for source in unknown
        ]
        problems += [
            f"lane {lane.title!r}: write {source!r} without {AVOIDED!r}, in sources_avoided"
            for source in odd
        ]
        problems += [
            f"lane {lane.title!r}: {host!r} is not one of {', '.join(WEB + h for h in facts.hosts)}"
            if facts.hosts
            else f"lane {lane.title!r}: {host!r}: the policy names no host to fetch from"
            for host in lane.web
            if not names_host(host.removeprefix(WEB), facts.hosts)
        ]
        is_read = lane.sources and not lane.web
        if is_read and not unknown and not odd and not facts.covered(lane.within):
            problems.append(f"lane {lane.title!r}: nothing is left of its sources")
    return problems


def _acceptance(plan: Plan, facts: PlanFacts) -> list[str]:
    """Each lane has criteria, all of which code can check and its sources can meet."""
    problems: list[str] = []
    for number, lane in enumerate(plan.lanes, start=1):
        name = _named(lane, number)
        if not lane.acceptance:
            problems.append(f"{name} has no acceptance criterion")
        for one in lane.acceptance:
            there = len(facts.covered(lane.within))
            if not one.text.strip():
                problems.append(f"{name}: a criterion has no text")
            if not is_checkable(one):
                fix = "give claims_min, sources_min or mentions"
                problems.append(f"{name}: code can't check {one.text!r}; {fix}")
            if one.sources_min > there and not lane.web:
                asked = f"asks for {one.sources_min} sources"
                problems.append(f"{name}: {one.text!r} {asked}, the lane has {there}")
            if one.claims_min > CLAIMS_MAX:
                asked = f"asks for {one.claims_min} claims"
                problems.append(f"{name}: {one.text!r} {asked}, a finding has {CLAIMS_MAX} at most")
    return problems


def _covers(plan: Plan, facts: PlanFacts) -> list[str]:
    """Each lane covers aspects of the plan, and each aspect is covered."""
    problems = _missing("covers")(plan, facts)
    covered = {folded(aspect) for lane in plan.lanes for aspect in lane.covers}
    aspects = {folded(aspect) for aspect in plan.aspects}
    problems += [
        f"lane {lane.title!r} covers {aspect!r}, which is none of the plan's aspects"
        for lane in plan.lanes
        for aspect in lane.covers
        if folded(aspect) not in aspects
    ]
    problems += [
        f"no lane covers the aspect {aspect!r}"
        for aspect in plan.aspects
        if folded(aspect) not in covered
    ]
    return problems


def _aspects(plan: Plan, facts: PlanFacts) -> list[str]:
    """Aspects stand in the goal, and with the constraints hold all that the goal lists."""
    if not _is_given(plan.aspects):
        return ["the plan names no aspects of the goal"]
    problems = [
        f"the aspect {aspect!r} does not stand in the goal word for word"
        for aspect in plan.aspects
        if not stands_in(facts.goal, aspect)
    ]
    parts = (*plan.aspects, *plan.constraints)
    problems += [
        f"the goal lists {item!r}, and no aspect has it"
        for item in listed(facts.goal)
        if not any(stands_in(part, item) for part in parts)
    ]
    return problems


def _constraints(plan: Plan, facts: PlanFacts) -> list[str]:
    """Each constraint stands in the goal."""
    return [
        f"the constraint {constraint!r} does not stand in the goal word for word"
        for constraint in plan.constraints
        if not stands_in(facts.goal, constraint)
    ]


def _tools(plan: Plan, facts: PlanFacts) -> list[str]:
    """What a lane avoids is a tool that it would have, and something is left."""
    problems: list[str] = []
    for lane in plan.lanes:
        problems += [
            f"lane {lane.title!r} avoids {tool!r}, which is no tool of a lane"
            for tool in lane.tools_avoided
            if not covers(facts.worker.tools, tool)
        ]
        if not tools_of(lane, facts.worker.tools):
            problems.append(f"lane {lane.title!r} has no tool left")
    return problems


def _lanes(plan: Plan, _: PlanFacts) -> list[str]:
    """Titles are unique, what is depended on is there, areas can be named on the bus."""
    titles = [lane.title for lane in plan.lanes]
    problems = [f"the title of lane {n} is empty" for n, t in enumerate(titles, 1) if not t.strip()]
    problems += [
        f"lane title {title!r} is used twice"
        for title in dict.fromkeys(titles)
        if titles.count(title) > 1
    ]
    problems += [
        f"lane {lane.title!r} depends on {needed!r}, which is no other lane"
        for lane in plan.lanes
        for needed in lane.depends_on
        if needed not in titles or needed == lane.title
    ]
    problems += [
        f"lane {lane.title!r}: area {area!r} is not a token of letters, digits, '_', '-'"
        for lane in plan.lanes
        for area in lane.areas
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", area)
    ]
    if not problems and has_circle(plan.lanes):
        problems.append("the lanes depend on each other in a circle")
    return problems


def _writes(plan: Plan, _: PlanFacts) -> list[str]:
    """Paths to be written stay inside the project."""
    return [
        f"lane {lane.title!r}: {path!r} is no path inside the project"
        for lane in plan.lanes
        for path in lane.writes
        if not _is_inside(path)
    ]


def _allowed_writes(plan: Plan, facts: PlanFacts) -> list[str]:
    """Paths to be written are among those that policy gives the role."""
    may = ", ".join(facts.writable) or "nothing"
    return [
        f"lane {lane.title!r}: policy does not let its role write {path!r}, but {may}"
        for lane in plan.lanes
        for path in lane.writes
        if not any(fnmatchcase(path, pattern) for pattern in facts.writable)
    ]


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith(("/", "~")) and ".." not in parts


def _effort(plan: Plan, _: PlanFacts) -> list[str]:
    """The plan says how much work the goal asks for."""
    return [] if plan.effort else [f"the plan has no effort: one of {', '.join(EFFORTS)}"]


def _size(plan: Plan, facts: PlanFacts) -> list[str]:
    """No more lanes than the goal needs, by the lead's own word, by code's, and by policy."""
    effort: Effort = plan.effort or "broad"
    cap = facts.cap(effort)
    if len(plan.lanes) <= cap:
        return []
    read = "; the goal is one short question, no more than a comparison"
    why = read if effort == "broad" and is_simple(facts.goal) else ""
    return [f"{len(plan.lanes)} lanes, at most {cap} for effort {effort!r}{why}"]


PLAN_RULES: Final[dict[str, PlanRule]] = {
    codes.EFFORT: _effort,
    codes.LANES_MAX: _size,
    codes.LANES: _lanes,
    codes.OBJECTIVE: _missing("objective"),
    codes.OUTPUT: _missing("output"),
    codes.SOURCES: _sources,
    codes.BOUNDARIES: _missing("boundaries"),
    codes.ACCEPTANCE: _acceptance,
    codes.ASPECTS: _aspects,
    codes.COVERS: _covers,
    codes.CONSTRAINT_INVENTED: _constraints,
    codes.TOOLS: _tools,
    codes.WRITES: _writes,
    WRITE: _allowed_writes,
}


def plan_problems(
    plan: Plan, facts: PlanFacts, rules: Mapping[str, PlanRule] = PLAN_RULES
) -> list[str]:
    """Say what must be mended before a plan can be used, with codes; empty if nothing."""
    problems: list[str] = []
    for code, rule in rules.items():
        try:
            found = rule(plan, facts)
        except Exception as error:
            found = [f"the check failed: {error!r}"]
        problems += [f"{code}: {problem}" for problem in found]
    return problems


def _named(lane: Lane, number: int) -> str:
    return f"lane {lane.title!r}" if lane.title.strip() else f"lane {number}"


def folded(text: str) -> str:
    """A text as it is compared: white space and case aside."""
    return " ".join(text.split()).casefold()


def has_circle(lanes: Sequence[Lane]) -> bool:
    """Whether lanes wait for each other, so that none of them can begin."""
    needs = {lane.title: set(lane.depends_on) for lane in lanes}
    while needs:
        free = [title for title, needed in needs.items() if not needed & needs.keys()]
        if not free:
            return True
        for title in free:
            del needs[title]
    return False


# --- what it becomes -------------------------------------------------------------


def tools_of(lane: Lane, tools: Sequence[str]) -> tuple[str, ...]:
    """Those of a role's tools that a lane leaves to its member."""
    return tuple(tool for tool in tools if not covers(lane.tools_avoided, tool))


def contract_of(lane: Lane, plan: Plan, tools: Sequence[str], budget: Budget) -> Contract:
    """Make the contract of a lane: what the lead said, and its slice of the run's budget."""
    return Contract(
        objective=lane.objective,
        output_format=f"A finding of the type {OUTPUT_TYPE}, returned with submit_finding; "
        f"`team schema {OUTPUT_TYPE}` prints its JSON Schema. {lane.output}",
        sources=lane.sources,
        sources_avoided=lane.sources_avoided,
        tools=tools_of(lane, tools),
        tools_avoided=lane.tools_avoided,
        boundaries=lane.boundaries,
        acceptance=tuple(criterion.text for criterion in lane.acceptance),
        criteria=lane.acceptance,
        areas=tuple(dict.fromkeys((*lane.areas, COMMON_AREA))),
        constraints=plan.constraints,
        covers=lane.covers,
        writes=lane.writes,
        budget=budget,
    )
