"""Runs on paper from beginning to end, to be compared."""

from __future__ import annotations

from bus.ids import GATE, LEAD
from bus.messages import (
    Citation,
    ResultPublished,
    RunTriaged,
    TaskClaimed,
    TaskSettled,
    TaskSubmitted,
)
from tests.support.builders import (
    Story,
    a_claim,
    a_finding,
    a_judgement,
    a_story,
    a_usage,
    a_verdict,
    acts,
    opens,
    replies,
)


def works(story: Story, member: str, context: str, *, tokens: int = 10, calls: int = 2) -> None:
    """A member makes one model call, which costs half a dollar, and its tool calls."""
    call_ids = [f"x{number}" for number in range(calls)]
    story.tell("journal", author=member, body=replies(1, context=context))
    story.tell("usage", author=member, body=a_usage(context=context, input=tokens, output=1))
    story.tell("journal", author=member, body=acts(1, *call_ids, context=context))


def delivers(story: Story, task: str, member: str, *, is_upheld: bool = True) -> None:
    """A member claims a task, works, and delivers two claims; the gate judges them."""
    story.tell("task", task, author=member, body=TaskClaimed())
    works(story, member, f"task:{task}:{story.state.board.tasks[task].round}")
    finding = a_finding(a_claim("c1"), a_claim("c2"))
    seq = story.tell("finding", task, author=member, body=finding)
    story.tell("task", task, author=member, body=TaskSubmitted())
    judgement = a_judgement("upheld" if is_upheld else "refuted", check="quotes")
    story.tell("verdict", task, author=GATE, body=a_verdict(seq, judgement))


def a_run(*names: str, ids: tuple[str, str] = ("t1", "t2"), is_second_first: bool = False) -> Story:
    """Two lanes, the second after the first, under any names of two workers and two tasks."""
    ada, bea = names or ("ada", "bea")
    pools, timeouts = ids
    story = a_story()
    for name in (bea, ada) if is_second_first else (ada, bea):
        story.seat(name)
    story.tell("spec", body=RunTriaged(mode="team", reasons=("so",)))
    opened = [
        (pools, opens("pools", offered_to=ada)),
        (timeouts, opens("timeouts", offered_to=bea, depends_on=(pools,))),
    ]
    for task, body in reversed(opened) if is_second_first else opened:
        story.tell("task", task, body=body)
    delivers(story, pools, ada)
    story.tell("task", pools, body=TaskSettled(state="admitted"))
    delivers(story, timeouts, bea)
    story.tell("task", timeouts, body=TaskSettled(state="admitted"))
    works(story, LEAD, "synthesis:1", calls=1)
    cited = Citation(ref=f"{pools}.c1", claim="x", member=ada, source="s", locator="L1", quote="q")
    story.tell("result", body=ResultPublished(status="admitted", text="x", citations=(cited,)))
    return story
