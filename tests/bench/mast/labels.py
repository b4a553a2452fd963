"""Which label of the annotated traces stands for which mode.

The traces were labelled with an older list of names than the fourteen; what has no mode
there (invented content, say) is left out.
"""

from __future__ import annotations

from typing import Final

MODE_OF_LABEL: Final = {
    "Poor adherence to specified constraints": "M1.1",
    "Blurring role": "M1.2",
    "Blurring roles": "M1.2",
    "Step repetition": "M1.3",
    "Discontinued reasoning": "M1.4",
    "Unaware of stopping conditions": "M1.5",
    "Trajectory restart": "M2.1",
    "Fail to elicit clarification": "M2.2",
    "Derailing from task objectives": "M2.3",
    "Withholding relevant information": "M2.4",
    "Ignoring good suggestions from other agent": "M2.5",
    "Misalignment between internal thoughts and response message": "M2.6",
    "Claiming that a task is done while it is not true.": "M3.1",
    "No attempt to verify outcome": "M3.2",
    "Evaluator agent fails to be critical": "M3.3",
}

_SAID: Final = {"yes": True, "true": True, "no": False, "false": False}


def labels_of(given: dict[str, str]) -> dict[str, bool]:
    """Modes that people have looked for in a trace, and whether they saw them."""
    found: dict[str, bool] = {}
    for label, said in given.items():
        mode, value = MODE_OF_LABEL.get(label), _SAID.get(str(said).strip().lower())
        if mode is not None and value is not None:
            found[mode] = found.get(mode, False) or value
    return found
