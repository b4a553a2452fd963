"""Claims that contradict each other across lanes: what may be cited of them."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

CONFLICTS: Final[tuple[Rule, ...]] = (
    Rule(
        code="G301",
        name="claims-contradict",
        says="Of two claims of different lanes that contradict each other, only what the lead "
        "has ruled to stand is cited.",
        why="Each lane is right about its own sources, and an answer with both is wrong.",
        fix="Read the ruling in `team show`; narrow each claim to the part that it holds for.",
    ),
    Rule(
        code="G302",
        name="conflict-not-settled",
        says="Of two claims that may contradict each other, and that nobody has called "
        "compatible or ruled on, neither is cited.",
        why="Time, rulings or verifiers ran out; what was not looked at is not known to be true.",
        fix="Give the run more time, or narrow its lanes so that fewer claims overlap.",
    ),
    Rule(
        code="G303",
        name="conflict-search-failed",
        says="A run in which the search for contradictions fails ends as rejected.",
        why="What was not compared must not pass for what agrees.",
        fix="Report the error that the result names; it is a fault of the program.",
    ),
)
