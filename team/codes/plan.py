"""Triage and contracts: what a plan must be before anything is dispatched."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

LANES_MIN: Final = "T101"
NEEDS_ANOTHER: Final = "T102"
TOO_SHORT: Final = "T103"
SAME_WRITES: Final = "T104"
NOTHING_GAINED: Final = "T105"
OVERLAP: Final = "T106"
TOO_BROAD: Final = "T107"
LANES_MAX: Final = "T108"
OBJECTIVE: Final = "C101"
OUTPUT: Final = "C102"
SOURCES: Final = "C103"
BOUNDARIES: Final = "C104"
ACCEPTANCE: Final = "C105"
COVERS: Final = "C106"
ASPECTS: Final = "C107"
CONSTRAINT_DROPPED: Final = "C108"
CONSTRAINT_INVENTED: Final = "C109"
TOOLS: Final = "C110"
BUDGET: Final = "C111"
OUTPUT_TYPE: Final = "C112"
LANES: Final = "C113"
WRITES: Final = "C114"
EFFORT: Final = "C115"

TRIAGE: Final[tuple[Rule, ...]] = (
    Rule(
        code=LANES_MIN,
        name="too-few-lanes",
        says="A team works on at least `triage.lanes_min` lanes that can begin apart.",
        why="Lanes that wait for each other cost a team and are worked on one after the other.",
        fix="Nothing: one context does it. `--mode team` overrules.",
    ),
    Rule(
        code=NEEDS_ANOTHER,
        name="lane-needs-another",
        says="A lane whose output can't be said without another lane's waits for that lane.",
        why="Two that need each other's result guess at it, or wait in a circle.",
        fix="Say the lane's output without the other, or let it depend on the other openly.",
    ),
    Rule(
        code=TOO_SHORT,
        name="lane-too-short",
        says="A lane has sources of at least `triage.lane_tokens_min` tokens, or is merged.",
        why="To brief a member costs more than to read a page oneself.",
        fix="Give more sources, lower `lane_tokens_min`, or overrule with `--mode team`.",
    ),
    Rule(
        code=SAME_WRITES,
        name="same-writes",
        says="Lanes that may write to the same files are one lane.",
        why="Two that write the same file undo each other's work.",
        fix="Plan lanes by the files that they write.",
    ),
    Rule(
        code=NOTHING_GAINED,
        name="nothing-gained",
        says="A team needs another model or other tools than the lead, or more than one window.",
        why="The same model with the same tools sees as much in one context, without dispatch.",
        fix="Nothing: one context does it. `--mode team` overrules.",
    ),
    Rule(
        code=OVERLAP,
        name="lanes-overlap",
        says="Lanes that ask the same of the same sources are one lane.",
        why="Two members are paid for one answer, and may give two.",
        fix="Give each lane an objective or sources of its own.",
    ),
    Rule(
        code=TOO_BROAD,
        name="lane-too-broad",
        says="A lane's sources fill at most `triage.window_share` of a context, or are split.",
        why="What does not fit into a context is skimmed, or forgotten half-way.",
        fix="Name fewer sources in the lane, or plan more lanes.",
    ),
    Rule(
        code=LANES_MAX,
        name="too-many-lanes",
        says="A fact has one lane, a comparison `triage.comparison_max`, nothing more than policy.",
        why="Each lane costs a context; a simple question is not answered better by fifty.",
        fix="Plan fewer lanes.",
    ),
)

CONTRACTS: Final[tuple[Rule, ...]] = (
    Rule(
        code=OBJECTIVE,
        name="objective-missing",
        says="Each lane says what is to be found out.",
        why="A vague lane is worked on twice, or not at all.",
        fix="Write one question, and what decides that it is answered.",
    ),
    Rule(
        code=OUTPUT,
        name="output-missing",
        says="Each lane says what it returns, in one sentence.",
        why="What can't be said in a sentence is no lane yet.",
        fix="Write the sentence, without naming another lane.",
    ),
    Rule(
        code=SOURCES,
        name="sources-missing",
        says="Each lane names sources that are there, and that it need not avoid.",
        why="A member without bounds reads what is another's, one without sources invents.",
        fix="Name groups or path patterns of the run's sources.",
    ),
    Rule(
        code=BOUNDARIES,
        name="boundaries-missing",
        says="Each lane says what is out of its bounds.",
        why="Neighbours without a fence do the same work.",
        fix="Name what the lane leaves out, and which lane has it.",
    ),
    Rule(
        code=ACCEPTANCE,
        name="acceptance-missing",
        says="Each lane has a criterion that code can check and its sources can meet.",
        why="Done is otherwise whatever the producer says it is.",
        fix="Give `claims_min`, `sources_min` or `mentions`.",
    ),
    Rule(
        code=COVERS,
        name="aspect-not-covered",
        says="Each lane covers aspects of the goal, and each aspect is covered.",
        why="What no lane has to answer is missing from the result, and nobody notices.",
        fix="List in `covers` what the lane answers, word for word from `aspects`.",
    ),
    Rule(
        code=ASPECTS,
        name="aspect-not-of-the-goal",
        says="Aspects stand in the goal word for word; what the goal lists is among them.",
        why="A plan for another question than the one that was asked looks just as good.",
        fix="Copy the parts of the goal as they stand there.",
    ),
    Rule(
        code=CONSTRAINT_DROPPED,
        name="constraint-dropped",
        says="Each constraint of the goal stands in each contract.",
        why="Handoffs lose conditions; who never heard of one can't keep it.",
        fix="Code adds them; a contract that lacks one was made or changed elsewhere.",
    ),
    Rule(
        code=CONSTRAINT_INVENTED,
        name="constraint-invented",
        says="A constraint that the lead names stands in the goal word for word.",
        why="A limit that nobody has set narrows the answer.",
        fix="Copy it from the goal, or make it a boundary of the lanes that it is for.",
    ),
    Rule(
        code=TOOLS,
        name="tools-missing",
        says="A contract grants tools that there are, and none that it tells to avoid.",
        why="A member without tools can only make things up.",
        fix="Avoid fewer tools, or give the role more.",
    ),
    Rule(
        code=BUDGET,
        name="budget-missing",
        says="A contract grants turns, tokens and seconds; dollars, if they are limited.",
        why="What has no end is not granted.",
        fix="Set the limits in the team spec or in peerteam.toml above 0.",
    ),
    Rule(
        code=OUTPUT_TYPE,
        name="output-type-missing",
        says="A contract names the type that it returns, which has a JSON Schema.",
        why="What has no shape can't be checked.",
        fix="`team schema finding.submitted` prints the schema of a lane's finding.",
    ),
    Rule(
        code=LANES,
        name="lanes-unsound",
        says="Lanes have titles of their own, wait for lanes there are, and not in a circle.",
        why="A lane that waits for nothing that comes is never begun.",
        fix="Change the titles, areas or `depends_on` that are named.",
    ),
    Rule(
        code=WRITES,
        name="writes-unsound",
        says="Paths that a lane writes are relative and stay inside the project.",
        why="A path that leads out of the project reaches what is not the run's.",
        fix="Name paths below the project's root, without `..`.",
    ),
    Rule(
        code=EFFORT,
        name="effort-missing",
        says="A plan says whether the goal asks for a fact, a comparison or broad work.",
        why="How many lanes are too many depends on it.",
        fix="Give `effort`: fact, comparison or broad.",
    ),
)
