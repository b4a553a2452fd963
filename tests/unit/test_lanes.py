"""What code does to lanes before dispatch: merges, lets wait, splits; nothing gets lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Criterion
from team.policy import TriageRules
from team.rules.contracts import is_checkable
from team.rules.lanes import (
    exact_names,
    joined,
    leans_on,
    let_wait,
    merge_same,
    merge_short,
    merge_writers,
    one_lane,
    packs,
    split_broad,
)
from team.rules.plan import Lane, PlanFacts, Size, contract_of, has_circle, plan_problems
from tests.support.builders import (
    DOCUMENTS,
    a_budget,
    a_criterion,
    a_lane,
    a_plan,
    is_within,
    some_facts,
)

FACTS = some_facts()
GOAL = FACTS.goal


def reads(lane: Lane, facts: PlanFacts = FACTS) -> set[str]:
    return {size.source for size in facts.covered(lane.within)}


# --- the same -----------------------------------------------------------------------


def test_two_lanes_that_say_the_same_over_the_same_sources_are_merged() -> None:
    first = a_lane("pools", objective="How are connection pools limited?")
    twin = a_lane("pooling", objective="Limited connection pools: how?")
    other = a_lane("timeouts", objective="Which timeouts are there?")

    lanes, reasons = merge_same([first, twin, other], FACTS)

    assert lanes == [first, other]
    assert reasons == ["lane 'pooling' says the same as 'pools' and was merged"]


def test_a_lane_inside_anothers_sources_is_merged_into_the_wider() -> None:
    narrow = a_lane("pools", sources=("docs/a.md",), objective="pool limits", areas=("x",))
    wide = a_lane("pooling", sources=("docs",), objective="limits pool", areas=("y",))

    [lane], _ = merge_same([narrow, wide], FACTS)

    assert (lane.title, lane.sources, lane.areas) == ("pools", ("docs",), ("x", "y"))


def test_the_same_question_over_other_sources_is_another_lane() -> None:
    lanes = [
        a_lane("docs", objective="Which limits?"),
        a_lane("code", objective="Which limits?", sources=("code",)),
    ]

    assert merge_same(lanes, FACTS) == (lanes, [])


def test_who_depends_on_a_merged_lane_waits_for_its_twin() -> None:
    first, twin = a_lane("a", objective="pool limits"), a_lane("b", objective="limits pool")
    third = a_lane("c", objective="timeouts", depends_on=("b",))
    fourth = a_lane("d", objective="retries", depends_on=("b", "a", "c"))

    lanes, _ = merge_same([first, twin, third, fourth], FACTS)

    assert [lane.depends_on for lane in lanes] == [(), ("a",), ("a", "c")]


def test_a_lane_never_waits_for_itself_after_merging() -> None:
    first = a_lane("a", objective="pool limits", depends_on=("b",))
    twin = a_lane("b", objective="limits pool")

    lanes, _ = merge_same([first, twin], FACTS)

    assert lanes == [a_lane("a", objective="pool limits")]


def test_merging_closes_no_circle() -> None:
    """`a` waits for `c`, `c` for `b`, and `b` is `a`'s twin."""
    lanes = [
        a_lane("a", objective="pool limits", depends_on=("c",)),
        a_lane("b", objective="limits pool"),
        a_lane("c", objective="timeouts", depends_on=("b",)),
    ]

    merged, _ = merge_same(lanes, FACTS)

    assert not plan_problems(a_plan(*merged), FACTS)
    assert [lane.depends_on for lane in merged] == [("c",), ()]


# --- writers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("notes/a.md", "notes/a.md", True),
        ("notes", "notes/a.md", True),
        ("notes/*.md", "notes/b.md", True),
        ("**/x", "src/y", True),
        ("./notes/a.md", "notes/a.md", True),
        ("notes/a.md", "notes/b.md", False),
        ("notes/a*", "docs/a*", False),
        ("note", "notes", False),
    ],
)
def test_lanes_that_may_write_to_the_same_files_are_merged(
    one: str, other: str, meet: bool
) -> None:
    lanes = [a_lane("a", writes=(one,)), a_lane("b", writes=(other,)), a_lane("c")]

    kept, reasons = merge_writers(lanes, FACTS)

    assert [lane.title for lane in kept] == (["a and b", "c"] if meet else ["a", "b", "c"])
    assert reasons == (
        ["lanes 'a' and 'b' may write to the same files and were merged"] if meet else []
    )


def test_what_waits_between_two_writers_is_merged_with_them() -> None:
    """Else the merged lane would wait for itself."""
    lanes = [
        a_lane("a", writes=("x",), depends_on=("c",)),
        a_lane("b", writes=("x",)),
        a_lane("c", depends_on=("b",)),
        a_lane("d", depends_on=("a",)),
    ]

    kept, _ = merge_writers(lanes, FACTS)

    assert [(lane.title, lane.depends_on) for lane in kept] == [
        ("a and b and c", ()),
        ("d", ("a and b and c",)),
    ]


# --- leaning on another -------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "leans"),
    [
        ("What timeouts do.", False),
        ("Where Pools and this one differ.", True),
        ("A table beside the other lane's.", True),
        ("Limits, based on how sockets are pooled.", True),
        ("Limits, and how sockets end.", False),
        ("Timeouts after a second.", False),
        ("What spools do.", False),
    ],
)
def test_an_output_that_needs_anothers_is_seen(output: str, leans: bool) -> None:
    other = a_lane("pools", objective="How are sockets pooled and reused?")

    assert leans_on(a_lane("timeouts", output=output), other, GOAL) is leans


def test_a_lane_may_name_itself_and_what_its_own_title_holds() -> None:
    lane = a_lane("thread pools", output="What thread pools are about.")

    assert not leans_on(lane, a_lane("pools"), GOAL)


def test_a_lane_that_leans_on_another_waits_for_it() -> None:
    lanes = [a_lane("summary", output="What pools do, shorter."), a_lane("pools")]

    kept, reasons = let_wait(lanes, FACTS)

    assert [lane.depends_on for lane in kept] == [("pools",), ()]
    assert reasons == ["the output of 'summary' can't be said without 'pools', and waits for it"]


def test_lanes_that_lean_on_each_other_are_one() -> None:
    lanes = [
        a_lane("pools", output="How pools differ from timeouts."),
        a_lane("timeouts", output="How timeouts differ from pools."),
    ]

    [lane], reasons = let_wait(lanes, FACTS)

    assert (lane.title, lane.depends_on) == ("pools and timeouts", ())
    assert reasons[-1].endswith("which waits for it: they were merged")


def test_a_lane_that_says_it_waits_is_left_as_it_is() -> None:
    lanes = [a_lane("pools"), a_lane("sum", output="Pools in short.", depends_on=("pools",))]

    assert let_wait(lanes, FACTS) == (lanes, [])


# --- too short ----------------------------------------------------------------------


def test_lanes_too_short_to_pay_for_dispatch_are_merged_the_shortest_first() -> None:
    facts = some_facts({"a/1": 300, "b/1": 200, "c/1": 5_000, "d/1": 600})
    lanes = [a_lane(name, sources=(name,)) for name in "abcd"]

    kept, reasons = merge_short(lanes, facts)

    assert [lane.title for lane in kept] == ["a and b and d", "c"]
    assert reasons == [
        "lane 'b' has 200 tokens of sources, fewer than 1000: one lane with 'a'",
        "lane 'a and b' has 500 tokens of sources, fewer than 1000: one lane with 'd'",
    ]


def test_lanes_long_enough_are_left_alone() -> None:
    lanes = [a_lane("a"), a_lane("b")]

    assert merge_short(lanes, FACTS) == (lanes, [])


def test_a_short_lane_is_not_merged_into_a_circle() -> None:
    """`c` waits for `b`, which waits for `a`: of the short `a` and `c`, only `b` can take one."""
    facts = some_facts({"a/1": 10, "b/1": 5_000, "c/1": 20})
    lanes = [
        a_lane("a", sources=("a",)),
        a_lane("b", sources=("b",), depends_on=("a",)),
        a_lane("c", sources=("c",), depends_on=("b",)),
    ]

    kept, _ = merge_short(lanes, facts)

    assert not has_circle(kept)
    assert [lane.title for lane in kept] == ["a and b and c"]


# --- too broad ----------------------------------------------------------------------

SMALL = TriageRules(window_tokens=10_000, window_share=0.5, comparison_max=4)


def test_a_lane_that_outgrows_a_context_is_split_by_its_documents() -> None:
    facts = some_facts({"g/a": 3_000, "g/b": 3_000, "g/x/c": 1_000, "h/z": 10}, rules=SMALL)
    broad = a_lane("broad", sources=("g",), acceptance=(a_criterion(sources_min=3),))
    after = a_lane("after", sources=("h",), depends_on=("broad",))

    kept, reasons = split_broad([broad, after], facts, 4)

    assert [(lane.title, lane.sources) for lane in kept] == [
        ("broad (1 of 2)", ("g/a",)),
        ("broad (2 of 2)", ("g/b", "g/x/")),
        ("after", ("h",)),
    ]
    assert kept[2].depends_on == ("broad (1 of 2)", "broad (2 of 2)")
    assert [lane.acceptance[0].sources_min for lane in kept[:2]] == [1, 2]
    assert reasons == [
        "lane 'broad' has 7000 tokens of sources, more than 5000, and was split into 2 parts"
    ]


@pytest.mark.parametrize(
    ("asked", "of_a_part"),
    [
        (a_criterion(claims_min=0, mentions=("HTTP/2",)), a_criterion(claims_min=1)),
        (a_criterion(claims_min=30), a_criterion(claims_min=1)),
        (a_criterion(claims_min=30, sources_min=2), a_criterion(claims_min=1, sources_min=1)),
        (a_criterion(claims_min=0, sources_min=2), a_criterion(claims_min=0, sources_min=1)),
    ],
)
def test_no_part_of_a_lane_must_meet_alone_what_was_asked_of_the_whole(
    asked: Criterion, of_a_part: Criterion
) -> None:
    """Which part has the word, and how many claims there are in each, nobody knows before."""
    facts = some_facts({"g/a": 3_000, "g/b": 3_000}, rules=SMALL)

    kept, _ = split_broad([a_lane("broad", sources=("g",), acceptance=(asked,))], facts, 4)

    assert [lane.acceptance for lane in kept] == [(of_a_part,), (of_a_part,)]
    assert is_checkable(of_a_part)


@pytest.mark.parametrize(
    ("documents", "changes", "cap", "why"),
    [
        ({"g/a": 3_000, "g/b": 3_000}, {}, 1, "2 parts, and room for 1"),
        ({"g/a": 9_000}, {}, 4, "it is one document"),
        (
            {"g/a": 3_000, "g/b": 3_000},
            {"writes": ("x",)},
            4,
            "its parts would write to the same files",
        ),
    ],
)
def test_a_lane_that_cannot_be_split_stays_and_the_reason_is_said(
    documents: dict[str, int], changes: dict[str, tuple[str, ...]], cap: int, why: str
) -> None:
    lane = a_lane("broad", sources=("g",), **changes)

    kept, [reason] = split_broad([lane], some_facts(documents, rules=SMALL), cap)

    assert kept == [lane]
    assert reason.endswith(f"; it stays whole: {why}")


# --- as one -------------------------------------------------------------------------


def test_what_one_lane_avoids_and_the_other_uses_stays_readable_and_nothing_else() -> None:
    a = a_lane("a", sources=("docs", "code"), sources_avoided=("code/a.py", "docs/a.md"))
    b = a_lane("b", sources=("code/a.py",), sources_avoided=("docs/a.md",))

    both = joined(a, b, FACTS)

    assert reads(both) == reads(a) | reads(b) == {"docs/b.md", "code/a.py", "code/b.py"}
    assert both.sources_avoided == ("docs/a.md",)


def test_bounds_that_only_one_of_two_has_are_said_to_be_of_that_one() -> None:
    a, b = a_lane("a", boundaries=("No code.", "Now.")), a_lane("b", boundaries=("Now.",))

    assert joined(a, b, FACTS).boundaries == ("As for a: No code.", "Now.")


def test_tools_that_either_avoids_are_avoided_unless_none_is_left() -> None:
    tools = FACTS.worker.tools
    a, b = a_lane("a", tools_avoided=tools[:2]), a_lane("b", tools_avoided=tools[1:])

    assert joined(a, a_lane("b"), FACTS).tools_avoided == tools[:2]
    assert joined(a, b, FACTS).tools_avoided == (tools[1],)


def test_a_run_without_a_team_is_one_lane_over_all_sources() -> None:
    lanes = (
        a_lane("a", sources=("docs", "code"), areas=("x",), boundaries=("Not B.",)),
        a_lane("b", sources=("code",), areas=("y", "x"), depends_on=("a",)),
    )

    lane = one_lane(lanes, a_plan(*lanes, title="T" * 200), FACTS)

    assert (lane.sources, lane.areas, lane.depends_on) == (("docs", "code"), ("x", "y"), ())
    assert (lane.objective, len(lane.title)) == (GOAL, 80)
    assert lane.boundaries == ("As for a: Not B.", "As for b: Nothing else.")
    assert lane.covers == a_plan().aspects


# --- whatever the lanes are ---------------------------------------------------------

names = st.lists(
    st.tuples(st.sampled_from("gh"), st.sampled_from(["", "x/", "x/y/"]), st.integers(0, 3)),
    min_size=1,
    max_size=12,
    unique=True,
).map(lambda found: sorted(f"{group}/{folder}{number}" for group, folder, number in found))


@given(every=names, data=st.data())
def test_sources_that_are_named_exactly_are_those_and_no_others(
    every: list[str], data: st.DataObject
) -> None:
    wanted = data.draw(st.sets(st.sampled_from(every)))

    named = exact_names(sorted(wanted), every)

    assert {source for source in every if named and is_within(source, named)} == wanted


@given(tokens=st.lists(st.integers(0, 50), min_size=1, max_size=20), limit=st.integers(1, 60))
def test_documents_are_packed_in_order_each_once_and_within_the_limit(
    tokens: list[int], limit: int
) -> None:
    sizes = [Size(source=f"g/{number}", tokens=count) for number, count in enumerate(tokens)]

    packed = packs(sizes, limit)

    assert [size for part in packed for size in part] == sizes
    assert all(len(part) == 1 or sum(s.tokens for s in part) <= limit for part in packed)


@given(
    documents=st.dictionaries(
        st.sampled_from([f"{g}/{f}{n}" for g in "gh" for f in ("", "x/") for n in range(3)]),
        st.integers(0, 6_000),
        min_size=1,
    ),
    cap=st.integers(1, 6),
)
def test_every_document_of_a_lane_is_in_exactly_one_of_its_parts(
    documents: dict[str, int], cap: int
) -> None:
    facts = some_facts(documents, rules=SMALL)
    group = min(documents).split("/")[0]
    lane = a_lane("broad", sources=(group,))
    other = a_lane("other", sources=(max(documents).split("/")[0],), depends_on=("broad",))
    before = [lane, other][: max(1, min(cap, 2))]

    kept, _ = split_broad(before, facts, cap)

    assert len(kept) <= cap
    assert (kept, _) == split_broad(before, facts, cap)
    parts = [one for one in kept if one.title.startswith("broad")]
    held = [source for part in parts for source in sorted(reads(part, facts))]
    assert sorted(held) == sorted(reads(lane, facts))
    assert not has_circle(kept)
    assert all(set(one.depends_on) <= {each.title for each in kept} for one in kept)


objectives = st.lists(st.sampled_from(["pool", "limit", "timeout"]), min_size=1, max_size=3)
places = st.sampled_from([("docs",), ("code",), ("docs/a.md",), ("docs", "code/a.py")])
avoided = st.sampled_from([(), (), ("docs/b.md",), ("code/a.py",)])
writes = st.sampled_from([(), (), ("x",), ("y",)])
outputs = st.sampled_from(["It.", "Based on l1.", "What l0 is.", "After the other lane."])


@st.composite
def sound_lanes(draw: st.DrawFn) -> list[Lane]:
    """Lanes of a plan that would be taken."""
    said = draw(st.lists(objectives, min_size=1, max_size=6))
    titles = [f"l{number}" for number in range(len(said))]
    order = draw(st.permutations(titles))
    lanes: list[Lane] = []
    for title, objective in zip(titles, said, strict=True):
        before = order[: order.index(title)]
        lane = a_lane(
            title,
            objective=" ".join(objective),
            output=draw(outputs),
            sources=draw(places),
            sources_avoided=draw(avoided),
            writes=draw(writes),
            depends_on=tuple(sorted(draw(st.sets(st.sampled_from(before), max_size=2))))
            if before
            else (),
        )
        lanes.append(lane if reads(lane) else a_lane(title))
    return lanes


@given(lanes=sound_lanes(), least=st.integers(0, 10_000))
def test_a_plan_that_was_sound_is_sound_whatever_is_done_to_it(
    lanes: list[Lane], least: int
) -> None:
    """No circle, no title twice; what lanes may read, write and cover stays the same in all."""
    facts = some_facts(
        teammates_max=64,
        rules=TriageRules(lane_tokens_min=least, comparison_max=64),
    )
    assert not plan_problems(a_plan(*lanes), facts)
    for shape in (merge_same, merge_writers, let_wait, merge_short):
        kept, reasons = shape(lanes, facts)

        assert (kept, reasons) == shape(lanes, facts)
        assert not plan_problems(a_plan(*kept), facts), shape
        assert bool(reasons) or kept == lanes
        assert _all(kept, "reads") == _all(lanes, "reads")
        assert _all(kept, "writes") == _all(lanes, "writes")
        assert _all(kept, "covers") == _all(lanes, "covers")
        if shape in (merge_same, merge_writers):
            assert shape(kept, facts) == (kept, [])


def _all(lanes: list[Lane], what: str) -> set[str]:
    return {
        one for lane in lanes for one in (reads(lane) if what == "reads" else getattr(lane, what))
    }


@given(lanes=sound_lanes(), constraints=st.sets(st.sampled_from(["Only X", "no more than 3"])))
def test_every_contract_carries_every_constraint(lanes: list[Lane], constraints: set[str]) -> None:
    plan = a_plan(*lanes, constraints=tuple(sorted(constraints)))
    kept, _ = let_wait(lanes, FACTS)

    contracts = [contract_of(lane, plan, ("read_source",), a_budget()) for lane in kept]

    assert all(set(contract.constraints) == constraints for contract in contracts)
    assert set(DOCUMENTS) >= {s for lane in kept for s in reads(lane)}
