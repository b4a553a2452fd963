"""The gate: what a finding, and then the synthesis, must pass."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

CHECKS: Final[tuple[Rule, ...]] = (
    Rule(
        code="G101",
        name="finding-misshapen",
        says="A finding has a summary and claims; each has its own id, text and evidence.",
        why="What has no parts can't be judged part by part.",
        fix="Submit claims of one statement each, with the quotes that they rest on.",
    ),
    Rule(
        code="G102",
        name="contract-not-kept",
        says="A finding answers the round that was asked, by whoever holds the task.",
        why="A late answer, or another's, answers what nobody asks any more.",
        fix="Submit under the claim in force, for its round.",
    ),
    Rule(
        code="G103",
        name="source-out-of-bounds",
        says="A finding quotes only sources of its contract, and none that it is to avoid.",
        why="What lies outside was kept out on purpose, or is another lane's.",
        fix="Quote from the contract's sources, or widen them in the plan.",
    ),
    Rule(
        code="G104",
        name="quote-not-there",
        says="Each quote stands word for word, white space aside, where its locator says.",
        why="An altered quote proves nothing, and looks just like a true one.",
        fix="Read the place again and copy what stands there.",
    ),
    Rule(
        code="G105",
        name="premise-fallen",
        says="Each decision that a finding rests on was shown to its author and still stands.",
        why="Work that rests on a choice that was taken back is worth nothing.",
        fix="Look up what holds now, and mend the claims that rested on it.",
    ),
    Rule(
        code="G106",
        name="budget-passed",
        says="A task's calls, tokens and dollars stayed within what its contract granted.",
        why="A limit that may be passed by those who return something is none.",
        fix="Narrow the lane, or grant more.",
    ),
    Rule(
        code="G107",
        name="producer-not-clean",
        says="A finding comes from a seated member, under its claim, that was neither lost nor "
        "told that its budget was used up while it worked.",
        why="What a twin, or half a transcript, returns looks like a finding and is none.",
        fix="Nothing for its author: the lane is worked on again.",
    ),
    Rule(
        code="G108",
        name="acceptance-not-met",
        says="Every acceptance criterion of the contract holds, and it has every constraint of "
        "the goal.",
        why="Constraints get lost when work is handed on, and nobody sees it in the answer.",
        fix="Do what the criterion asks; a lost constraint is the plan's to mend.",
    ),
    Rule(
        code="G109",
        name="claims-to-be-verified",
        says="A finding says nothing of its own verification, nor to who judges it.",
        why="Readers, and models that judge, believe what calls itself verified.",
        fix="Leave these words out; if a source says them, quote it.",
    ),
    Rule(
        code="G110",
        name="orders-an-agent",
        says="No claim and no quote is an order to an agent.",
        why="An order in a source that gets quoted is read by every agent after it.",
        fix="Quote another sentence; if the attack itself is the finding, describe it.",
    ),
    Rule(
        code="G111",
        name="not-verified",
        says="Enough verifiers, none of whom had a part in it, uphold each claim; doubt, silence "
        "and a voided word uphold nothing.",
        why="An author finds its own mistakes last.",
        fix="Mend what the verifiers' reasons name, or drop the claim.",
    ),
    Rule(
        code="G112",
        name="canary-upheld",
        says="A verifier that upholds a claim known to be false has judged nothing: its words "
        "are void, and the verification is made anew.",
        why="A verifier that upholds everything is worse than none.",
        fix="Look at its transcript with `team log`; use another model for the verifier.",
    ),
    Rule(
        code="G190",
        name="check-failed",
        says="A check that can't be loaded, crashes or takes longer than `check_seconds` is a no.",
        why="A gate that opens when it breaks is opened by breaking it.",
        fix="Mend the check, install the package that brings it, or take it out of `gate.checks`.",
    ),
)

SYNTHESIS: Final[tuple[Rule, ...]] = (
    Rule(
        code="G201",
        name="nothing-cited",
        says="Each sentence of the answer cites at least one claim, and admitted claims only; of "
        "several that share their citations a cited claim says each.",
        why="What cites nothing comes from nowhere.",
        fix="Cite the claims that bear the sentence out, or drop it; put each in an entry of its "
        "own.",
    ),
    Rule(
        code="G202",
        name="quotation-loose",
        says="A quotation of four words or more stands in a claim cited for it, or its evidence.",
        why="Quotation marks promise that somebody said it so.",
        fix="Quote what stands there, or take the marks off.",
    ),
    Rule(
        code="G203",
        name="own-mark",
        says="Only code numbers citations.",
        why="A number that the text gives itself points at the wrong evidence.",
        fix="Name claims in `cites`, and write no `[1]`.",
    ),
    Rule(
        code="G204",
        name="lane-unused",
        says="Every lane that was admitted is used.",
        why="What was paid for and found sound may be what the answer turns on.",
        fix="Say what the lane has found, in a sentence that cites it.",
    ),
    Rule(
        code="G205",
        name="aspect-missing",
        says="Every aspect of the goal is answered from a lane that covers it, or is said to be "
        "missing.",
        why="A part of the question that is silently left out looks answered.",
        fix="Cite a claim of a lane that covers it, or name it in `missing`, word for word.",
    ),
    Rule(
        code="G206",
        name="constraint-not-met",
        says="Every constraint of the goal is kept: code checks what it can, of the rest the "
        "lead says how.",
        why="An answer that breaks what was asked of it is no answer.",
        fix="Keep to it; say in `constraints` how, word for word what the constraint is.",
    ),
    Rule(
        code="G207",
        name="refused-claim-used",
        says="Neither a sentence nor a heading, the title or a line of what is missing says what a "
        "refused or struck claim said, if no admitted one says it.",
        why="What was turned away at the door may come in under another claim's name.",
        fix="Drop it.",
    ),
)
