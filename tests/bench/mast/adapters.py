"""Traces of three other systems as events: what an agent said, planned, called.

These traces are logs of text: no tool ids, no sequences, no journals. What a log does not
say stays out of the events; detectors that need it then see nothing, and the bench says so.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from team.audit import Event, Trace
from team.audit.likeness import canonical
from team.audit.trace import Effect
from tests.bench.mast.labels import labels_of


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """One annotated trace: what was done, and which modes people saw in it."""

    name: str
    goal: str
    trace: Trace
    labels: dict[str, bool]


# --- HyperAgent: a planner and three inner agents, a log of lines ---------------------

_HYPER_LINE: Final = re.compile(r"^HyperAgent_\S+ - \w+ - (.*)$")
_HYPER_SAID: Final = re.compile(r"^(?:Inner-)?(\w+?)(?:-Assistant)?(?:'s Response|->Planner): ?")
_HYPER_CALL: Final = re.compile(r"(\w+)\._run\((.*?)\)\s*$", re.MULTILINE)
_EXECUTOR: Final = "Inner-Executor"
_EDITS: Final = "edit"


def read_hyperagent(folder: Path) -> Iterator[Labelled]:
    """The annotated HyperAgent traces below a folder."""
    for path in sorted((folder / "HyperAgent").glob("*_human.json")):
        data = json.loads(path.read_text())
        yield Labelled(
            name=path.stem,
            goal=" ".join(data["problem_statement"]),
            trace=tuple(_hyper_events(data["trajectory"])),
            labels=labels_of(data["note"]["options"]),
        )


def _hyper_events(lines: list[str]) -> Iterator[Event]:
    world = 0
    for seq, message in enumerate(_messages(lines, _HYPER_LINE), start=1):
        said = _HYPER_SAID.match(message)
        if said is None:
            continue
        agent, text = said.group(1), message[said.end() :]
        yield Event(seq=seq, agent=agent, kind="said", text=text)
        if agent == "Planner":
            yield Event(seq=seq, agent=agent, kind="planned", text=text)
        if message.startswith(_EXECUTOR):
            yield Event(seq=seq, agent=agent, kind="called", tool=agent, effect="checks")
        if message.startswith("Inner-Editor"):
            yield Event(seq=seq, agent=agent, kind="called", tool=agent, effect="writes")
        for tool, arguments in _HYPER_CALL.findall(text):
            effect: Effect = "writes" if _EDITS in tool else "reads"
            world += effect == "writes"
            yield Event(
                seq=seq,
                agent=agent,
                kind="called",
                tool=tool,
                arguments=canonical(arguments),
                effect=effect,
                world=world,
            )


# --- AG2 MathChat: two agents that talk --------------------------------------------


def read_ag2(folder: Path) -> Iterator[Labelled]:
    """The annotated AG2 traces below a folder."""
    for path in sorted((folder / "AG2").glob("*_human.json")):
        data = json.loads(path.read_text())
        yield Labelled(
            name=path.stem,
            goal=" ".join(data["problem_statement"]),
            trace=tuple(_ag2_events(data["trajectory"])),
            labels=labels_of(data["note"]["options"]),
        )


def _ag2_events(messages: list[dict[str, Any]]) -> Iterator[Event]:
    for seq, message in enumerate(messages, start=1):
        text = "\n".join(message["content"])
        yield Event(seq=seq, agent=message["name"], kind="said", text=text)


# --- MetaGPT: coder, tester, reviewer ----------------------------------------------

_META_LINE: Final = re.compile(r"^\d{4}-\d\d-\d\d [^|]*\|[^|]*\|(.*)$")
_META_ACT: Final = re.compile(r"(\w+)\((\w+)\): to do (\w+)\(")
_META_EFFECTS: Final[dict[str, Effect]] = {
    "SimpleWriteCode": "writes",
    "SimpleWriteTest": "checks",
    "SimpleWriteReview": "none",
}
ANNOTATIONS: Final = "annotations.csv"


def read_metagpt(folder: Path) -> Iterator[Labelled]:
    """The annotated MetaGPT traces below a folder; their labels stand in a table beside it."""
    with (folder / ANNOTATIONS).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["MultiAgentSystem Name"] == "MetaGPT"]
    for row in rows:
        number = row["Task ID (Specific to MAS)"]
        data = json.loads((folder / "metagpt" / f"run_{number}.json").read_text())
        yield Labelled(
            name=f"run_{number}",
            goal=data["prompt"],
            trace=tuple(_meta_events(data["content"].split("\n"))),
            labels=labels_of(row),
        )


def _meta_events(lines: list[str]) -> Iterator[Event]:
    for seq, message in enumerate(_messages(lines, _META_LINE), start=1):
        act = _META_ACT.search(message.split("\n", 1)[0])
        if act is None:
            continue
        agent, tool = act.group(1), act.group(3)
        text = message.partition("\n")[2]
        effect = _META_EFFECTS.get(tool, "none")
        yield Event(seq=seq, agent=agent, kind="said", text=text)
        yield Event(
            seq=seq,
            agent=agent,
            kind="called",
            tool=tool,
            arguments=canonical(text),
            effect=effect,
        )


# --- logs --------------------------------------------------------------------------


def _messages(lines: list[str], head: re.Pattern[str]) -> Iterator[str]:
    """The messages of a log, each with the lines that follow its first."""
    message: list[str] = []
    for line in lines:
        found = head.match(line)
        if found is None:
            message.append(line)
            continue
        if message:
            yield "\n".join(message)
        message = [found.group(1)]
    if message:
        yield "\n".join(message)


SETS: Final = {"HyperAgent": read_hyperagent, "AG2": read_ag2, "MetaGPT": read_metagpt}
"""The annotated sets; the first is to develop on, the others are held back."""
