"""What a tool is: a name, a typed input, and an answer with what it would send.

A tool never writes to the bus itself. It returns entries, and these are committed
with the turn, all or none. If a key among them has moved on, the tool is run
again and sees what the other has written.

What it does otherwise, it says in `effect`:

- `read-only`: it looks. Run at the same time as others, and again after a crash.
- `idempotent`: it does nothing but return entries. Run one by one, in order, and again
  after a crash or when overtaken: what it would send is stored once.
- `effectful`: it changes something outside the stream. Its intent is stored before it runs,
  its outcome after; it is never run twice. Its entries expect nothing of any key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from bus.messages import DecisionTold, Picture
from bus.run_stream import Entry

Input = TypeVar("Input", bound=msgspec.Struct)
Effect = Literal["read-only", "idempotent", "effectful"]


class ToolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool call gives.

    Attributes:
        content: The text that goes back to the model.
        is_error: Whether it failed; the model may try again, differently.
        entries: Messages to be committed with the turn.
        answer: The typed answer that ends the assignment, as JSON.
        told: Decisions that the text shows.
        refusal: The code of the rule by which the call was refused, if one did.
        pictures: What enters the context beside the text.
    """

    content: str
    is_error: bool = False
    entries: tuple[Entry, ...] = ()
    answer: bytes | None = None
    told: tuple[DecisionTold, ...] = ()
    refusal: str = ""
    pictures: tuple[Picture, ...] = ()


class Tool(ABC, Generic[Input]):
    """One tool. `input_type` is decoded before `run` sees it.

    A tool that does not say what it does to the world is taken to change it.
    """

    name: ClassVar[str]
    input_type: type[Input]
    effect: ClassVar[Effect] = "effectful"
    reaches_out: ClassVar[bool] = False
    """Whether what it gives comes from outside the run: a replay takes it from the recording."""

    @abstractmethod
    async def run(self, given: Input) -> ToolAnswer:
        """Do it, and return what it gives and what it would send."""

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as the Messages API wants it described; the docstring is the text."""
        return {
            "name": self.name,
            "description": " ".join((type(self).__doc__ or self.name).split()),
            "input_schema": schema_of(self.input_type),
        }

    async def call(self, raw: dict[str, Any]) -> ToolAnswer:
        """Decode the input and run; an input that does not fit is an answer that says so."""
        try:
            given = msgspec.convert(raw, self.input_type)
        except msgspec.ValidationError as error:
            return refuse(f"{self.name}: the input does not fit: {error}")
        return await self.run(given)


def refuse(reason: str, told: tuple[DecisionTold, ...] = (), *, code: str = "") -> ToolAnswer:
    """An answer that tells the model what was wrong.

    Args:
        reason: What was wrong, and what to do.
        told: Decisions that the text shows.
        code: The rule that forbids it; absent if it was only done wrongly.
    """
    return ToolAnswer(content=reason, is_error=True, told=told, refusal=code)


@cache
def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a type, with its root inline, as tools need it."""
    (root,), parts = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    name = root["$ref"].rsplit("/", 1)[-1]
    schema: dict[str, Any] = dict(parts.pop(name))
    schema.pop("title", None)
    if parts:
        schema["$defs"] = parts
    return schema
