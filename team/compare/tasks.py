"""A file of tasks, one JSON object a line: what is asked, of which sources, what is right.

Read whole and checked whole before anything is spent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from team.compare.answers import normalized
from team.errors import SpecError
from team.policy import Seconds, Token

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
TASKS_MAX: Final = 5_000
"""More tasks than anybody pays for."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=200)]
Part = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Exact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="exact"):
    """The answer is one of these; case, punctuation and articles aside."""

    answers: Texts


class Contains(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="contains"
):
    """The answer has all of `all` in it and, if `any` is given, one of these; case aside."""

    all: tuple[Text, ...] = ()
    any: tuple[Text, ...] = ()


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="regex"):
    """A regular expression, in Python's syntax, is found in the answer."""

    pattern: Text


class Overlap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="f1"):
    """The words of the answer overlap with one of `answers` by an F1 of `min` at least."""

    answers: Texts
    min: Part = 0.5


class Quotes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="quotes"):
    """The cited quotes hold the share `min` of the `gold` sentences at least."""

    gold: Texts
    min: Part = 1.0


class Forbidden(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="forbidden"
):
    """None of these sources, as path patterns such as `*/old/*`, is cited."""

    sources: Texts


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="command"):
    """A program of yours exits with 0; it reads the answer on stdin."""

    argv: Texts
    seconds: Seconds = 60.0


Grader = Exact | Contains | Pattern | Overlap | Quotes | Forbidden | Command


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task as its line says it.

    Attributes:
        id: Short and unique.
        goal: What is asked, of every arm in the same words.
        sources: Files, folders or globs; relative to the file of tasks.
        graders: All must pass for the answer to be right.
        answer: `line`: every arm is asked to end with a line `Answer: …`, and that line is
            graded; `text`: all that it states is.
    """

    id: Token
    goal: Text
    sources: Texts
    graders: Annotated[tuple[Grader, ...], msgspec.Meta(min_length=1, max_length=20)]
    answer: Literal["text", "line"] = "text"


def read_tasks(path: Path, *, allows_commands: bool) -> tuple[Task, ...]:
    """Read a file of tasks.

    Args:
        path: The file.
        allows_commands: Whether graders may start programs.

    Raises:
        SpecError: The first thing that is wrong, with file, line, field and fix.
    """
    found: dict[str, Task] = {}
    for number, line in _lines(path):
        place = f"{path}:{number}"
        task = _task(line, place)
        if task.id in found:
            raise SpecError(place, "id", f"{task.id!r} is taken", "give each task an id of its own")
        _check(task, place, allows_commands=allows_commands)
        found[task.id] = task
        if len(found) > TASKS_MAX:
            raise SpecError(place, "", f"more than {TASKS_MAX} tasks", "split the file")
    if not found:
        raise SpecError(str(path), "", "it has no task", "write one JSON object a line")
    return tuple(found.values())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers."""
    try:
        if path.is_dir():
            fix = "name a file in it, one JSON object a line"
            raise SpecError(str(path), "", "it is a folder, not a file of tasks", fix)
        if not path.is_file():
            raise SpecError(str(path), "", "there is no such file", "check the path")
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SpecError(str(path), "", f"more than {FILE_BYTES_MAX} bytes", "split the file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(str(path), "", f"can't be read: {error}", "check the path") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _task(line: str, place: str) -> Task:
    try:
        return msgspec.json.decode(line.encode(), type=Task)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".")
        raise SpecError(place, field, reason, _fix_of(reason, field)) from error
    except msgspec.DecodeError as error:
        fix = "write one JSON object a line, without line breaks in it"
        raise SpecError(place, "", str(error), fix) from error


def _fix_of(reason: str, field: str) -> str:
    kinds = ", ".join(sorted(str(one.__struct_config__.tag) for one in Grader.__args__))
    if "Invalid value '" in reason and field.endswith("type"):
        return f"`type` of a grader is one of: {kinds}"
    if field.startswith("graders"):
        return "docs/comparing-arms.md has the fields of each grader"
    return f"a task has: {', '.join(Task.__struct_fields__)}"


def _check(task: Task, place: str, *, allows_commands: bool) -> None:
    """See to what types can't say.

    Raises:
        SpecError: Names the grader.
    """
    for number, grader in enumerate(task.graders):
        field = f"graders[{number}]"
        match grader:
            case Contains(all=(), any=()):
                raise SpecError(place, field, "it looks for nothing", "fill `all` or `any`")
            case Pattern(pattern=pattern):
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise SpecError(place, f"{field}.pattern", str(error), "mend it") from error
            case Exact(answers=texts) | Overlap(answers=texts):
                _check_words(texts, place, field)
            case Contains():
                _check_words((*grader.all, *grader.any), place, field)
            case Command() if not allows_commands:
                fix = "give --allow-commands, or take the grader out"
                raise SpecError(place, field, "it would start a program of yours", fix)
            case _:
                pass


def _check_words(texts: tuple[str, ...], place: str, field: str) -> None:
    """Refuse what could never be found: words are compared without punctuation and articles.

    Raises:
        SpecError: Names the text.
    """
    for text in texts:
        if not normalized(text):
            reason = f"nothing is left of {text!r} without punctuation and articles"
            raise SpecError(place, field, reason, "use a grader of type regex for it")
