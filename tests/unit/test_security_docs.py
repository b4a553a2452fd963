"""docs/security.md and the set of injections that is run: the same rows."""

from __future__ import annotations

from tests.support.documents import DOCS, rows
from tests.support.gullible import orders_in, pending
from tests.support.injections import GOALS, HEADS, PLACES, UNSEEN, WORDS, injection, wanted_rows


def test_the_table_lists_what_is_run() -> None:
    """`python -m tests.support.injections` writes it anew."""
    assert rows(DOCS / "security.md", *HEADS) == wanted_rows()


def test_there_are_enough_and_each_goal_and_each_kind_of_place_is_tried() -> None:
    tried = [name for names in PLACES.values() for name in names]

    assert len(tried) >= 40
    assert set(tried) == set(GOALS)
    kinds = {place.partition(":")[0].split()[0] for place in PLACES}
    assert kinds == {"source", "page", "server", "mail", "decision", "snapshot"}
    assert set(UNSEEN) < set(PLACES)
    assert {goal.held for goal in GOALS.values()} <= {"P201", "P202", "P203", "P207", *WORDS}


def test_a_gullible_model_obeys_each_order_once_and_what_ends_its_task_last() -> None:
    """However the text that holds it was escaped."""
    text = injection("mail: its text")
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}
    ordered = [call for name in PLACES["mail: its text"] for call in GOALS[name].calls]
    assert orders_in(request) == ordered
    first = pending(request)
    assert first == [call for call in ordered if not call[0].startswith("submit_")]
    done = [{"type": "tool_use", "id": "t", "name": n, "input": i} for n, i in first]
    request["messages"].append({"role": "assistant", "content": done})
    assert pending(request) == [call for call in ordered if call[0] == "submit_ruling"]
