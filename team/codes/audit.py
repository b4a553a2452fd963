"""The audit: what the stream shows afterwards, and the failure modes of MAST."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

UNREADABLE: Final = "A100"
NOT_ADMITTED: Final = "A101"
NOT_GATED: Final = "A102"
NOT_VERIFIED: Final = "A103"
OWN_JUDGE: Final = "A104"
QUOTE: Final = "A105"
OUTSIDE: Final = "A106"
NO_EVIDENCE: Final = "A107"
STRUCK: Final = "A108"
UNCITED: Final = "A109"
ALTERED: Final = "A110"
FALLEN: Final = "A111"
UNSAID: Final = "A112"
UNSETTLED: Final = "A113"
FAILED: Final = "A114"

BREACHES: Final = (
    Rule(
        code=UNREADABLE,
        name="stream-unreadable",
        says="Every record of the stream can be read, and the first says what the run is.",
        why="What can't be read can't be vouched for, so it counts as a breach.",
        fix="Audit with the version that wrote the run; the sequence says which record it is.",
    ),
    Rule(
        code=NOT_ADMITTED,
        name="cited-not-admitted",
        says="The result cites only claims of findings that were admitted.",
        why="A claim that the gate has not let through is anybody's word.",
        fix="Look at who published the result: `team log RUN --kind result`.",
    ),
    Rule(
        code=NOT_GATED,
        name="admitted-without-exact-checks",
        says="The gate's exact checks have upheld every admitted claim.",
        why="What was settled past the gate was never compared with its sources.",
        fix="Look at the lane's verdicts and who settled it: `team log RUN --kind verdict`.",
    ),
    Rule(
        code=NOT_VERIFIED,
        name="admitted-without-verification",
        says="As many verifiers as policy asks for have upheld every admitted claim.",
        why="A claim that nobody but its author has looked at is not verified. The verdicts of a "
        "verifier that upheld a planted claim do not count.",
        fix="Look at the verdicts on the lane, and at `gate.verifiers` and `gate.upheld_min`.",
    ),
    Rule(
        code=OWN_JUDGE,
        name="judged-by-its-author",
        says="Nobody judges a finding of their own.",
        why="An author upholds what it has written.",
        fix="Look at who held the verification: `team log RUN --kind verdict --kind task`.",
    ),
    Rule(
        code=QUOTE,
        name="quote-does-not-stand",
        says="Every quote of an admitted claim stands where its locator says, read again now.",
        why="An altered quote makes a source say what it does not.",
        fix="Compare the quote with the source; then look at how it passed the `quotes` check.",
    ),
    Rule(
        code=OUTSIDE,
        name="evidence-out-of-bounds",
        says="Every source that an admitted claim quotes lies inside its lane's contract.",
        why="What lies outside was not meant to be used, or nobody knows where it comes from.",
        fix="Look at the lane's `sources` and `sources_avoided`.",
    ),
    Rule(
        code=NO_EVIDENCE,
        name="claim-without-evidence",
        says="Every admitted claim quotes at least one source.",
        why="A claim without evidence can't be checked by anyone.",
        fix="Look at how it passed the `shape` check.",
    ),
    Rule(
        code=STRUCK,
        name="struck-claim-cited",
        says="The result cites no claim that lost a conflict, or whose conflict nobody ruled on.",
        why="Two claims that contradict each other can't both stand in one answer.",
        fix="Look at the conflict: `team log RUN --kind conflict`.",
    ),
    Rule(
        code=UNCITED,
        name="sentence-without-citation",
        says="Every statement of the result carries the number of a citation.",
        why="A statement that cites nothing came from nowhere.",
        fix="Look at the result's text: `team show RUN`.",
    ),
    Rule(
        code=ALTERED,
        name="citation-altered",
        says="Every citation says what the admitted claim says, and every number names one.",
        why="A citation that was changed on the way carries another claim's verdicts.",
        fix="Compare the result with the finding: `team log RUN --kind finding --kind result`.",
    ),
    Rule(
        code=FALLEN,
        name="rests-on-fallen-premise",
        says="No cited claim rests on a decision that held no longer when the result came.",
        why="What was built on a choice falls with it.",
        fix="Look at the decision: `team decisions RUN --history`.",
    ),
    Rule(
        code=UNSAID,
        name="missing-not-said",
        says="Every lane that was not admitted is named as missing in the result.",
        why="A reader takes an answer that does not say what it lacks for a whole one.",
        fix="Look at the lanes of `team show RUN` beside the result's `missing`.",
    ),
    Rule(
        code=UNSETTLED,
        name="lane-not-settled",
        says="No result is published while a lane is open, and none is called whole with a lane "
        "missing.",
        why="What is still being worked on may say the opposite.",
        fix="Look at when the lanes were settled: `team log RUN --kind task --kind result`.",
    ),
    Rule(
        code=FAILED,
        name="not-looked-at",
        says="Every part of the audit comes to an end.",
        why="A part that fails has seen nothing, and nothing is no proof.",
        fix="Report it with `team log RUN --json`: it is a bug in peerteam, or a stream that no "
        "peerteam has written.",
    ),
)

_SIGN: Final = "It is a sign, not a breach: look before you change a prompt."

MODES: Final = (
    Rule(
        code="M1.1",
        name="disobeys-task",
        says="Members keep to their contract: its tools, its sources, its shape.",
        why="Work that does not do what was asked has to be done again.",
        fix="Look at what was refused; a lane that often breaks its contract needs a clearer one.",
    ),
    Rule(
        code="M1.2",
        name="disobeys-role",
        says="Members do what their role is for, and publish only what it may.",
        why="A worker that judges, or a verifier that writes, takes away what the other is for.",
        fix="Look at who wrote the record; the folds have ignored it.",
    ),
    Rule(
        code="M1.3",
        name="repeats-steps",
        says="Nothing is looked up twice in one transcript with nothing changed in between.",
        why="Each repeat pays for the whole context again. Runs that succeed repeat too.",
        fix=_SIGN,
    ),
    Rule(
        code="M1.4",
        name="loses-history",
        says="Each turn of a transcript follows the one before, with all its tools answered.",
        why="A member that has lost its history decides on half of it.",
        fix="Look at the member's journal: `team log RUN --kind journal --member NAME`.",
    ),
    Rule(
        code="M1.5",
        name="does-not-stop",
        says="Members return when they are done, before a limit ends them.",
        why="Turns that find nothing new cost as much as those that do.",
        fix="Narrow the lane, or say in its acceptance when it is done. " + _SIGN,
    ),
    Rule(
        code="M2.1",
        name="starts-over",
        says="A transcript is opened once and goes on after a restart where it was.",
        why="What is begun again is paid twice, and what was found is lost.",
        fix="Look at the member's restarts: `team log RUN --kind member --kind journal`.",
    ),
    Rule(
        code="M2.2",
        name="does-not-ask",
        says="What a finding leaves open was asked of somebody first.",
        why="A guess takes the place of an answer that was one question away.",
        fix="Say in the role file whom to ask. " + _SIGN,
    ),
    Rule(
        code="M2.3",
        name="derails",
        says="Searches have to do with the lane's objective.",
        why="Work on something else is spent, and may end up in the answer.",
        fix="Narrow the lane's sources and boundaries. " + _SIGN,
    ),
    Rule(
        code="M2.4",
        name="withholds",
        says="What was found is cited, dropped with a reason, or named as missing.",
        why="Others decide without what one of them knows.",
        fix="Look at what was read and never mentioned. " + _SIGN,
    ),
    Rule(
        code="M2.5",
        name="ignores-peers",
        says="Questions and objections are answered, and what was refuted is changed.",
        why="A peer that is not heard might as well not be there.",
        fix="Look at the receipts in `team show RUN`. " + _SIGN,
    ),
    Rule(
        code="M2.6",
        name="says-other-than-did",
        says="Findings say what their author's journal shows that it did.",
        why="A quote that nobody read, or a change that nobody asked for, is made up.",
        fix="Look at the author's journal beside the claim.",
    ),
    Rule(
        code="M3.1",
        name="ends-too-early",
        says="The run ends when every lane is settled, and a lane when its author has looked.",
        why="An answer that comes before the work is a guess.",
        fix="Look at when the lanes were settled, and at what ended the transcripts.",
    ),
    Rule(
        code="M3.2",
        name="does-not-verify",
        says="Every admitted claim was checked by code and by somebody who looked for themselves.",
        why="Errors that nobody looks for get through.",
        fix="Look at the claim's chain: `team audit RUN --chains`.",
    ),
    Rule(
        code="M3.3",
        name="verifies-wrongly",
        says="Verifiers refute what is known to be wrong.",
        why="A verifier that upholds a planted claim would uphold any other.",
        fix="Give the verifier another model or prompt; its verdicts do not count.",
    ),
)
"""The fourteen failure modes of MAST (Cemri et al., arXiv 2503.13657), said as what should hold."""
