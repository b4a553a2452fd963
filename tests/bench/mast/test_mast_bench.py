"""That the traces of others are read as what they are, and that the figures add up."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pytest

from team.audit.report import MODE_CODES
from tests.bench.kit import ROOT
from tests.bench.mast.adapters import SETS, Labelled
from tests.bench.mast.labels import MODE_OF_LABEL, labels_of
from tests.bench.mast.measure import VARIABLE
from tests.bench.mast.score import ON_TEXT, Score, scores, table

HYPER = "HyperAgent_x__x-1 - INFO - "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One trace of each set, in its form, with words of our own."""
    for name in SETS:
        (tmp_path / {"MetaGPT": "metagpt"}.get(name, name)).mkdir()
    plan = "Planner's Response: Thought: look at the pool and say how many it keeps open at once"
    trajectory = [
        f"{HYPER}Initialized tools",
        *[f"{HYPER}{plan}"] * 2,
        f"{HYPER}Inner-Editor-Assistant's Response: Thought: mend it",
        "Action:",
        'result = editor._run(relative_file_path="pool.py")',
    ]
    note = {"options": {"Trajectory restart": "yes", "No attempt to verify outcome": "yes"}}
    hyper = {"problem_statement": ["Pools leak."], "trajectory": trajectory, "note": note}
    (tmp_path / "HyperAgent/one_human.json").write_text(json.dumps(hyper))
    messages = [{"name": "proxy", "role": "user", "content": ["Go on."]}] * 3
    note = {"options": {"Unaware of stopping conditions": "yes"}}
    ag2 = {"problem_statement": ["1 + 1"], "trajectory": messages, "note": note}
    (tmp_path / "AG2/one_human.json").write_text(json.dumps(ag2))
    line = (
        "2025-01-12 14:37:42.009 | INFO     | m:_act:1 - Al(SimpleCoder): to do SimpleWriteCode(x)"
    )
    meta = {"prompt": "a game", "content": f"{line}\nprint(1)"}
    (tmp_path / "metagpt/run_1.json").write_text(json.dumps(meta))
    with (tmp_path / "annotations.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        heads = ("MultiAgentSystem Name", "Task ID (Specific to MAS)")
        rows.writerow((*heads, "No attempt to verify outcome", "Step repetition"))
        rows.writerow(("MetaGPT", "1", "TRUE", ""))
    return tmp_path


def only(name: str, folder: Path) -> Labelled:
    [trace] = SETS[name](folder)
    return trace


def test_each_set_is_read_with_its_labels(folder: Path) -> None:
    assert only("HyperAgent", folder).labels == {"M2.1": True, "M3.2": True}
    assert only("AG2", folder).labels == {"M1.5": True}
    assert only("MetaGPT", folder).labels == {"M3.2": True}


def test_what_a_log_says_becomes_events(folder: Path) -> None:
    trace = only("HyperAgent", folder).trace

    assert [event.kind for event in trace if event.agent == "Planner"] == ["said", "planned"] * 2
    assert {event.effect for event in trace if event.kind == "called"} == {"writes"}
    assert [event.tool for event in only("MetaGPT", folder).trace if event.tool] == [
        "SimpleWriteCode"
    ]


@pytest.mark.parametrize(
    ("name", "mode"), [("HyperAgent", "M2.1"), ("AG2", "M1.5"), ("MetaGPT", "M3.2")]
)
def test_a_detector_and_a_label_that_agree_are_counted(name: str, mode: str, folder: Path) -> None:
    found = {score.mode: score for score in scores(name, [only(name, folder)])}

    assert (found[mode].tp, found[mode].precision, found[mode].recall) == (1, 1.0, 1.0)
    assert f"| {mode} | {name} | 1 | 1 | 1 / 0 / 0 / 0 | 1.00 | 1.00 |" in table([found[mode]])


def test_every_mode_has_a_label_and_an_empty_answer_is_none() -> None:
    assert set(MODE_OF_LABEL.values()) == set(MODE_CODES)
    assert labels_of({"Step repetition": ""}) == {}


def test_the_figures_in_the_docs_add_up() -> None:
    """Precision and recall there are those of the counts beside them."""
    text = (ROOT / "docs/failure-modes.md").read_text()
    lines = re.findall(
        r"(?m)^\| (M\d\.\d)[^|]*\| (\w+) \| (\d+) \| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
        text,
    )

    assert {mode for mode, *_ in lines} == set(MODE_CODES)
    for mode, name, total, positives, counts, precision, recall in lines:
        if mode not in ON_TEXT:
            assert (counts, precision, recall) == ("nothing on text", "none", "none")
            continue
        tp, fp, fn, tn = map(int, counts.split(" / "))
        score = Score(set=name, mode=mode, half="", tp=tp, fp=fp, fn=fn, tn=tn)
        assert tp + fp + fn + tn == int(total)
        assert tp + fn == int(positives)
        shown = [f"{v:.2f}" if v is not None else "none" for v in (score.precision, score.recall)]
        assert [precision, recall] == shown


def test_the_figures_in_the_docs_are_measured() -> None:
    """With the annotated traces at hand, they are measured again."""
    given = os.environ.get(VARIABLE, "")
    if not given or not Path(given).is_dir():
        pytest.skip(f"no annotated traces: {VARIABLE} names no folder")
    found = [one for name in SETS for one in scores(name, list(SETS[name](Path(given))))]

    assert table(found) in (ROOT / "docs/failure-modes.md").read_text()
