"""A tool that brings from outside what it is given: stands for a page or a server's answer."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from team.agent.tools.base import Effect, Tool, ToolAnswer, refuse
from team.agent.tools.outside import brought
from team.agent.world import World


class BringInput(msgspec.Struct, frozen=True, kw_only=True):
    """What it brings, and where that is said to be from."""

    text: str
    origin: str = "server docs, tool look"


class Bring(Tool[BringInput]):
    """Bring a text from outside."""

    name: ClassVar[str] = "bring"
    input_type = BringInput
    effect: ClassVar[Effect] = "read-only"
    reaches_out: ClassVar[bool] = True

    def __init__(self, world: World, context: str) -> None:
        self._world, self._context = world, context
        self.asked = 0

    async def run(self, given: BringInput) -> ToolAnswer:
        self.asked += 1
        if given.text == "fail":
            return refuse("the server does not answer")
        return await brought(
            self._world,
            given.text,
            tool=self.name,
            origin=given.origin,
            context=self._context,
            title="Pools",
        )
