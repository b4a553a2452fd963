"""Files of tasks and their graders: what is read, what is refused, what is right."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.messages import Citation, ResultPublished
from team.compare.answers import NO_LINE, Answered, Quoted, answered, normalized, overlap, voted
from team.compare.commands import run_command, run_unless
from team.compare.graders import Graded, grade, outcome_of
from team.compare.tasks import (
    Command,
    Contains,
    Exact,
    Forbidden,
    Grader,
    Overlap,
    Pattern,
    Quotes,
    read_tasks,
)
from team.errors import SpecError
from tests.support.documents import DOCS, ROOT, blocks

WORDS = st.text(alphabet="ab c.", max_size=12)
TASK = {
    "id": "one",
    "goal": "Why?",
    "sources": ["docs"],
    "graders": [{"type": "exact", "answers": ["because"]}],
}
TEXT = """\
# Is it Berlin or Paris?

## Place

- It stands in Paris. [1]
- Answer: Paris [1][2]

## What is missing

- Berlin

## Evidence

[1] /src/a.md L1 (ada): “It stands in Paris.”
"""


def a_result(text: str = TEXT) -> ResultPublished:
    cited = Citation(
        ref="t1.c1",
        claim="It stands in Paris.",
        member="ada",
        source="/src/a.md",
        locator="L1",
        quote="It stands in Paris.",
    )
    return ResultPublished(status="admitted", text=text, citations=(cited,))


# ------------------------------------------------------------------ files


def _read(tmp_path: Path, *lines: object, allows_commands: bool = False) -> Any:
    path = tmp_path / "tasks.jsonl"
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return read_tasks(path, allows_commands=allows_commands)


def test_tasks_are_read_in_order_and_empty_lines_are_nothing(tmp_path: Path) -> None:
    first, second = _read(tmp_path, TASK, "", TASK | {"id": "two", "answer": "line"})

    assert (first.id, first.answer, second.id, second.answer) == ("one", "text", "two", "line")
    assert first.graders == (Exact(answers=("because",)),)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", (":2: ", "one JSON object a line")),
        (TASK, ("id", "'one' is taken")),
        (TASK | {"id": "a b"}, ("id", "a task has: id, goal")),
        (TASK | {"goall": "?"}, ("goall", "a task has: id, goal")),
        (TASK | {"id": "x", "sources": []}, ("sources", "a task has")),
        (TASK | {"id": "x", "graders": []}, ("graders", "docs/comparing-arms.md")),
        (TASK | {"id": "x", "graders": [{"type": "exakt"}]}, ("exakt", "contains, exact, f1")),
        (
            TASK | {"id": "x", "graders": [{"type": "f1", "answers": ["a"], "min": 2}]},
            ("graders[0].min", "docs/comparing-arms.md"),
        ),
        (
            TASK | {"id": "x", "graders": [{"type": "regex", "pattern": "("}]},
            ("graders[0].pattern", "mend it"),
        ),
        (TASK | {"id": "x", "graders": [{"type": "contains"}]}, ("it looks for nothing",)),
        (
            TASK | {"id": "x", "graders": [{"type": "contains", "any": ["the"]}]},
            ("'the'", "nothing is left"),
        ),
        (
            TASK | {"id": "x", "graders": [{"type": "command", "argv": ["true"]}]},
            ("graders[0]", "--allow-commands"),
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_field_and_fix(
    tmp_path: Path, line: object, words: tuple[str, ...]
) -> None:
    with pytest.raises(SpecError) as error:
        _read(tmp_path, TASK, line)

    said = str(error.value)
    assert all(word in said for word in (*words, "tasks.jsonl:2")), said


def test_a_file_without_tasks_and_none_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="it has no task"):
        _read(tmp_path, "")
    with pytest.raises(SpecError, match="there is no such file"):
        read_tasks(tmp_path / "none", allows_commands=False)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="can't be read"):
        read_tasks(tmp_path / "bytes", allows_commands=False)


def test_a_command_is_read_where_it_is_allowed(tmp_path: Path) -> None:
    graded = TASK | {"graders": [{"type": "command", "argv": ["true"]}]}

    [task] = _read(tmp_path, graded, allows_commands=True)

    assert task.graders == (Command(argv=("true",)),)


def test_the_example_and_every_task_in_the_document_can_be_read(tmp_path: Path) -> None:
    example = ROOT / "examples" / "compare" / "tasks.jsonl"
    tasks = read_tasks(example, allows_commands=False)
    shown = [
        line for block in blocks(DOCS / "comparing-arms.md", "json") for line in block.splitlines()
    ]

    assert len(tasks) >= 3
    assert all((example.parent / source).exists() for task in tasks for source in task.sources)
    assert shown
    assert len(_read(tmp_path, *shown, allows_commands=True)) == len(shown)


# ------------------------------------------------------------------ answers


def test_titles_marks_and_evidence_are_no_part_of_the_answer() -> None:
    """A goal that names both candidates is in the title, and would make any answer right."""
    said = answered(a_result(), "text")

    assert said.text == "It stands in Paris.\nAnswer: Paris"
    assert [one.source for one in said.quotes] == ["/src/a.md"]


def test_an_answer_line_stands_for_all_of_it() -> None:
    assert answered(a_result(), "line").text == "Paris"
    bold = TEXT.replace("Answer: Paris", "**Answer:** Paris")
    assert normalized(answered(a_result(bold), "line").text) == "paris"


def test_where_a_line_was_asked_for_a_text_that_mentions_every_candidate_is_not_right() -> None:
    text = TEXT.replace("- Answer: Paris [1][2]\n", "")

    said = answered(a_result(text), "line")

    assert said.text == NO_LINE
    graded = grade(Contains(any=("Paris",)), said)
    assert graded is not None
    assert not graded.passed


@pytest.mark.parametrize("said", ["unknown", "Unknown.", "not found"])
def test_an_arm_may_withhold_its_answer(said: str) -> None:
    result = a_result(TEXT.replace("Answer: Paris", f"Answer: {said}"))

    assert answered(result, "line") == Answered()


def test_no_result_and_one_without_a_text_are_no_answer() -> None:
    assert answered(None, "text") == answered(a_result(""), "line") == Answered()


def test_what_rests_on_a_page_that_says_nothing_is_no_part_of_the_answer() -> None:
    """A placebo team whose one working lane was refused has withheld its answer."""
    blank = msgspec.structs.replace(a_result().citations[0], source="/x/left-blank.md")
    both = msgspec.structs.replace(
        a_result("## A\n\n- It stands in Paris. [1]\n- It is blank. [2]\n- Both. [1][2]\n"),
        citations=(a_result().citations[0], blank),
    )
    alone = msgspec.structs.replace(a_result("- It is blank. [1]\n"), citations=(blank,))

    said = answered(both, "text", "/x/left-blank.md")

    assert said.text == "It stands in Paris.\nBoth."
    assert [one.source for one in said.quotes] == ["/src/a.md"]
    assert answered(alone, "text", "/x/left-blank.md") == Answered()
    assert answered(alone, "line", "/x/left-blank.md") == Answered()


@given(WORDS, WORDS)
def test_overlap_is_even_handed_and_full_only_for_the_same_words(one: str, other: str) -> None:
    score = overlap(one, other)

    assert 0 <= score <= 1
    assert score == overlap(other, one)
    is_same = sorted(normalized(one).split()) == sorted(normalized(other).split())
    assert (score == 1) == is_same


def _say(*texts: str) -> list[Answered]:
    return [Answered(text=text) for text in texts]


def test_the_majority_wins_whatever_the_case() -> None:
    assert voted(_say("Berlin", "paris", "The Paris.")).text == "paris"


def test_of_equals_the_first_wins_and_of_texts_the_one_that_is_most_like_the_others() -> None:
    assert voted(_say("Berlin", "Paris")).text == "Berlin"
    texts = ("it rains in Rome", "the tower stands in Paris", "a tower is in Paris")
    assert voted(_say(*texts)).text in texts[1:]


def test_who_withholds_has_no_vote_and_more_than_half_withhold_for_all() -> None:
    assert voted(_say("", "Paris", "Paris")).text == "Paris"
    assert voted(_say("", "", "Paris")).text == ""
    assert voted(_say("", "Paris")).text == "Paris"
    assert voted(_say("", "")).text == ""


# ------------------------------------------------------------------ graders


@pytest.mark.parametrize(
    ("grader", "text", "passes"),
    [
        (Exact(answers=("The Eiffel Tower",)), "eiffel tower.", True),
        (Exact(answers=("Paris",)), "in Paris", False),
        (Contains(all=("paris", "tower")), "A tower, in Paris", True),
        (Contains(all=("paris", "tower")), "In Paris", False),
        (Contains(any=("1", "2")), "12", False),
        (Contains(any=("12",)), "It is 12.", True),
        (Contains(all=("x",), any=("b", "c")), "X: c", True),
        (Pattern(pattern=r"\b\d{4}\b"), "in 1889", True),
        (Pattern(pattern=r"^\d"), "in 1889", False),
        (Overlap(answers=("red green",), min=0.5), "green blue", True),
        (Overlap(answers=("red green",), min=0.6), "green blue", False),
    ],
)
def test_each_grader_of_texts(grader: Grader, text: str, passes: bool) -> None:
    graded = grade(grader, Answered(text=text))

    assert graded is not None
    assert graded.passed is passes


def test_gold_sentences_are_found_in_quotes_and_by_half_of_them() -> None:
    gold = ("The tower was built in 1889.", "It is made of iron.")
    held = "Opening: the tower was  built in 1889. People came."
    answer = Answered(text="x", quotes=(Quoted(source="a", quote=held),))
    half = Answered(text="x", quotes=(Quoted(source="a", quote="It is made of"),))
    word = Answered(text="x", quotes=(Quoted(source="a", quote="iron"),))

    scores = [grade(Quotes(gold=gold, min=0.5), one) for one in (answer, half, word)]

    assert [(one.passed, one.score) for one in scores if one] == [
        (True, 0.5),
        (True, 0.5),
        (False, 0.0),
    ]


def test_a_forbidden_source_is_named() -> None:
    answer = Answered(text="x", quotes=(Quoted(source="/src/old/a.md", quote="q"),))

    bad = grade(Forbidden(sources=("*/old/*",)), answer)
    good = grade(Forbidden(sources=("*/new/*",)), answer)

    assert bad is not None
    assert (bad.passed, bad.note) == (False, "it cites /src/old/a.md")
    assert good is not None
    assert good.passed


def test_all_graders_must_pass_and_no_answer_is_withheld() -> None:
    answer = Answered(text="Paris")
    yes, no = grade(Exact(answers=("Paris",)), answer), grade(Exact(answers=("Rome",)), answer)
    assert yes
    assert no

    assert outcome_of(answer, [yes, yes]) == "right"
    assert outcome_of(answer, [yes, no]) == "wrong"
    assert outcome_of(Answered(), []) == "withheld"


async def test_a_command_reads_the_answer_and_says_yes_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    answer = Answered(text="Paris")

    async def graded(*argv: str, seconds: float = 20.0) -> Any:
        return await run_command(Command(argv=argv, seconds=seconds), answer, tmp_path)

    assert (await graded("grep", "-q", "Paris")).passed
    assert "exit status 1" in (await graded("grep", "-q", "Rome")).note
    assert "can't be started" in (await graded("no-such-program")).note
    assert "longer than" in (await graded("sleep", "30", seconds=0.05)).note
    assert (await graded("sh", "-c", 'test -z "$ANTHROPIC_API_KEY"')).passed


async def test_stopping_ends_a_command_and_all_that_it_started_at_once(tmp_path: Path) -> None:
    """The pipe is at its end once the last of them has gone; nothing is said of the answer."""
    os.mkfifo(tmp_path / "pipe")
    stop, script = asyncio.Event(), "exec 3>pipe; echo up >&3; sleep 600 & wait"
    grader = Command(argv=("sh", "-c", script), seconds=600.0)
    work = asyncio.create_task(run_unless(stop, grader, Answered(text="Paris"), tmp_path))

    with await asyncio.to_thread((tmp_path / "pipe").open) as pipe:
        assert await asyncio.to_thread(pipe.readline) == "up\n"
        stop.set()

        assert await work is None
        assert await asyncio.to_thread(pipe.read) == ""


async def test_a_command_has_a_session_of_its_own_so_that_ctrl_c_is_not_its_end(
    tmp_path: Path,
) -> None:
    script = "import os, sys; sys.exit(os.getsid(0) != os.getpid())"
    grader = Command(argv=(sys.executable, "-c", script))

    said = await run_unless(asyncio.Event(), grader, Answered(text="Paris"), tmp_path)

    assert said == Graded(type="command", passed=True)


async def test_a_command_that_a_signal_ended_says_nothing_of_the_answer(tmp_path: Path) -> None:
    grader = Command(argv=("sh", "-c", "kill -INT $$"))

    with pytest.raises(SpecError, match="signal 2 ended it"):
        await run_command(grader, Answered(text="Paris"), tmp_path)
