"""Limits and permissions that the runtime holds before an act, and the audit counts after it."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

TEAMMATES: Final = "P101"
DEPTH: Final = "P102"
ROUNDS: Final = "P103"
TURNS: Final = "P104"
TOOL_CALLS: Final = "P105"
TOKENS: Final = "P106"
DOLLARS: Final = "P107"
SECONDS: Final = "P108"
RUN_TOKENS: Final = "P109"
RUN_DOLLARS: Final = "P110"
RUN_SECONDS: Final = "P111"
OUTPUT_TOKENS: Final = "P112"
TOOL: Final = "P201"
SOURCE: Final = "P202"
AREA: Final = "P203"
MODEL: Final = "P204"
WRITE: Final = "P205"
MESSAGE: Final = "P206"
HOST: Final = "P207"
APPROVE_PLAN: Final = "P301"
APPROVE_AREA: Final = "P302"
APPROVE_SPENDING: Final = "P303"
APPROVE_RESULT: Final = "P304"

LIMITS: Final = (
    Rule(
        code=TEAMMATES,
        name="too-many-teammates",
        says="No more workers are in at once than `teammates_max`.",
        why="Published teams stop gaining near four workers; every further one costs its context.",
        fix="Raise `teammates_max` in the team spec or in peerteam.toml, or ask for less.",
    ),
    Rule(
        code=DEPTH,
        name="too-deep",
        says="Only the lead recruits; a teammate has nobody below it.",
        why="Teams that recruit teams multiply their cost, and nobody sees all of it.",
        fix="Let the lead split the lane instead.",
    ),
    Rule(
        code=ROUNDS,
        name="too-many-rounds",
        says="A lane has at most `rounds_max` rounds, then `fresh_rounds_max` by somebody fresh.",
        why="A finding that is refused again and again is not mended by one more try.",
        fix="Read the reasons of the refusals; raise the limits only if they get better.",
    ),
    Rule(
        code=TURNS,
        name="too-many-turns",
        says="No model call is made beyond the contract's `turns_max`.",
        why="An agent that does not notice it is done goes on until somebody stops it.",
        fix="Narrow the lane, or raise `turns_max`.",
    ),
    Rule(
        code=TOOL_CALLS,
        name="too-many-tool-calls",
        says="No tool is run beyond the contract's `tool_calls_max`, but the one that returns.",
        why="Searching on and on fills the context with what is not used.",
        fix="Narrow the lane, or raise `tool_calls_max`.",
    ),
    Rule(
        code=TOKENS,
        name="too-many-tokens",
        says="No model call is made that could pass the contract's `tokens_max`.",
        why="Tokens are what a run costs, and what a context holds.",
        fix="Narrow the lane or its sources, or raise `tokens_max`.",
    ),
    Rule(
        code=DOLLARS,
        name="too-many-dollars",
        says="No model call is made that could pass the contract's dollars, at the listed price.",
        why="A limit that is noticed after the call is no limit.",
        fix="Raise `dollars_max`, or choose a cheaper model for the role.",
    ),
    Rule(
        code=SECONDS,
        name="too-many-seconds",
        says="No model call is made after the contract's `seconds_max` are over.",
        why="A lane that hangs keeps the whole run waiting.",
        fix="Narrow the lane, or raise `seconds_max`.",
    ),
    Rule(
        code=RUN_TOKENS,
        name="run-too-many-tokens",
        says="All slices that were granted together never exceed `run_tokens_max`.",
        why="Many small budgets make a large one that nobody has set.",
        fix="Raise `run_tokens_max`, or plan fewer lanes.",
    ),
    Rule(
        code=RUN_DOLLARS,
        name="run-too-many-dollars",
        says="All slices that were granted together never exceed `run_dollars_max`.",
        why="Many small budgets make a large one that nobody has set.",
        fix="Raise `run_dollars_max`, or plan fewer lanes.",
    ),
    Rule(
        code=RUN_SECONDS,
        name="run-too-many-seconds",
        says="When `run_seconds_max` are over, open lanes end and what is admitted is written up.",
        why="A late answer is often none.",
        fix="Raise `run_seconds_max`, or plan fewer lanes.",
    ),
    Rule(
        code=OUTPUT_TOKENS,
        name="too-many-output-tokens",
        says="A model call may write no more than `output_tokens_max`.",
        why="A reply without an end costs most of all.",
        fix="Raise `output_tokens_max` if answers are cut off.",
    ),
)

PERMISSIONS: Final = (
    Rule(
        code=TOOL,
        name="tool-not-allowed",
        says="A member uses only tools that its role, the policy and its contract allow.",
        why="An agent that can do more than its task needs will do it when a text asks it to.",
        fix="Add the tool to the role file and to `[roles.NAME] tools`, if the role needs it.",
    ),
    Rule(
        code=SOURCE,
        name="source-not-allowed",
        says="A member reads only sources inside its contract and its role's policy.",
        why="What lies outside the contract is another lane's, or nobody's business.",
        fix="Name the source in the lane's contract, or in `[roles.NAME] sources`.",
    ),
    Rule(
        code=AREA,
        name="area-not-allowed",
        says="A member decides only in areas that its role's policy names.",
        why="A choice that binds others belongs to whoever can answer for it.",
        fix="Add the area to `[roles.NAME] areas`, or leave the choice to another role.",
    ),
    Rule(
        code=MODEL,
        name="model-not-allowed",
        says="Only models that the policy allows answer for a role.",
        why="A model nobody has approved may cost more, or keep what it is sent.",
        fix="Name the model in `[models] allow`, or choose another.",
    ),
    Rule(
        code=WRITE,
        name="write-not-allowed",
        says="A contract lets a member write only inside its role's `writes`.",
        why="Two that write the same file undo each other's work.",
        fix="Add the path to `[roles.NAME] writes`, or plan the lane without it.",
    ),
    Rule(
        code=MESSAGE,
        name="message-not-allowed",
        says="A member publishes only kinds of messages that its place in the team has.",
        why="A teammate that gives verdicts or results acts as somebody else.",
        fix="Look at who wrote it with `team log`; the run's folds have ignored it.",
    ),
    Rule(
        code=HOST,
        name="host-not-allowed",
        says="Pages are fetched only from hosts that `[web] hosts` and the contract name.",
        why="A page that a text names may be a trap, or a way out for what the run knows.",
        fix="Name the host in `[web] hosts`; one of a private network with its port.",
    ),
)

APPROVALS: Final = (
    Rule(
        code=APPROVE_PLAN,
        name="plan-not-approved",
        says="Nothing is put on the board until a person has approved the plan.",
        why="Most of what a run will cost is settled by its plan.",
        fix="team approve RUN plan, or team reject RUN plan --why …",
    ),
    Rule(
        code=APPROVE_AREA,
        name="decision-not-approved",
        says="In these areas a decision holds only when a person has ruled.",
        why="Some choices outlive the run.",
        fix="team approve RUN AREA/KEY, or team reject RUN AREA/KEY --why …",
    ),
    Rule(
        code=APPROVE_SPENDING,
        name="spending-not-approved",
        says="No more than `over_dollars` are granted until a person has approved it.",
        why="Money is easier to hold back than to get back.",
        fix="team approve RUN ID, or team reject RUN ID --why …",
    ),
    Rule(
        code=APPROVE_RESULT,
        name="result-not-approved",
        says="The synthesis is not published until a person has approved it.",
        why="Somebody has to answer for what is said outside.",
        fix="team approve RUN result, or team reject RUN result --why …",
    ),
)
