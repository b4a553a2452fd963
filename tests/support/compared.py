"""Builders for comparisons: tasks, plans, rows, and a file of three tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from team.agent.models.rehearsal.brain import MODEL, compose
from team.agent.models.rehearsal.transport import message_events
from team.compare.arms import contrasts_of
from team.compare.graders import Outcome
from team.compare.results import Plan, Row
from team.compare.spending import Spending
from team.compare.tasks import Contains, Task
from team.policy import Policy

ARMS = ("single", "single-again", "team", "sham")
MARKS = {"right": "r", "wrong": "w", "withheld": "-"}


def a_compared_task(name: str = "t1", **changes: Any) -> Task:
    task = Task(id=name, goal="Why?", sources=("docs",), graders=(Contains(any=("because",)),))
    return msgspec.structs.replace(task, **changes)


def a_comparison(n: int = 40, **changes: Any) -> Plan:
    """A plan of `n` tasks on a model with a price."""
    arms = changes.get("arms", ARMS)
    plan = Plan(
        package="0.1.0",
        made_at="2026-11-21T12:00:00Z",
        cwd="/project",
        tasks_file="/project/tasks.jsonl",
        tasks=tuple(a_compared_task(f"t{number:03}") for number in range(n)),
        sources={},
        arms=arms,
        contrasts=contrasts_of(arms),
        trials=1,
        seed=7,
        budget=100_000,
        column="tokens",
        unit_usd=None,
        lead_call=14_000.0,
        team="research",
        setting={},
        models={"lead": "m1", "worker": "m1", "verifier": "m1"},
        provider="anthropic",
        model="m1",
        policy=None,
        limits=Policy(),
        enough=0.8,
        asks_all=True,
        tasks_min=30,
        alpha=0.05,
        placebo_peers=2,
    )
    return msgspec.structs.replace(plan, **changes)


def rows_of(arm: str, outcomes: str, *, tokens: int = 1_000, trial: int = 1) -> list[Row]:
    """One row a letter: `r` right, `w` wrong, `-` withheld; by task from the first."""
    named: dict[str, Outcome] = {"r": "right", "w": "wrong", "-": "withheld"}
    return [
        Row(
            arm=arm,
            task=f"t{number:03}",
            trial=trial,
            runs=(f"c0-{arm}-t{number:03}-{trial}",),
            outcome=named[mark],
            statuses=("admitted",),
            answer="because" if mark == "r" else "",
            graded=(),
            reserved=100_000,
            spent=Spending(input=tokens, calls=1, peak_context=tokens, seconds=2.0),
            lanes=1 if arm.startswith("single") else 3,
        )
        for number, mark in enumerate(outcomes)
    ]


def some_tasks(folder: Path, lanes: Sequence[Path], count: int = 3, **changes: Any) -> Path:
    """A file of tasks: one that the rehearsal model happens to get right, one that it can't, …

    Args:
        folder: Where the file goes.
        lanes: Folders of sources.
        count: How many tasks, at most three.
        changes: Fields that each task has besides.
    """
    sources = [str(lane) for lane in lanes]
    tasks = [
        ("refuse", "When may a task refuse to cancel?", {"any": ["next point of waiting"]}),
        ("moon", "How far is the moon?", {"all": ["384,400 km"]}),
        ("signal", "How is a worker ended?", {"all": ["by a signal"]}),
    ]
    lines = [
        {
            "id": name,
            "goal": goal,
            "sources": sources,
            "graders": [{"type": "contains"} | grader],
        }
        | changes
        for name, goal, grader in tasks[:count]
    ]
    path = folder / "tasks.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def by_name(body: dict[str, Any], _: int) -> httpx2.Response:
    """The rehearsal model's answer, from the model that was asked: one that may have a price."""
    ours, theirs = msgspec.json.encode(MODEL), msgspec.json.encode(body["model"])
    data = b"".join(message_events(body, compose(body))).replace(ours, theirs)
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)
