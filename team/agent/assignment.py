"""One thing for a member to do in a fresh context, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bus.messages import Budget, ServerListed
from team.agent.tools.toolbox import AnyTool

REPAIRS_MAX: Final = 1


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One thing for a member to do in a fresh context.

    Attributes:
        context: Its name in the journal, unique for this member.
        system: The system prompt.
        opening: The first user message.
        tools: What the member may do.
        servers: What its MCP servers have said their tools are.
        ends_with: The tool that returns the answer; absent: ending the turn is enough.
        model: The model asked for.
        effort: How hard it should think, if its role says.
        budget: What it may use up.
        output_tokens_max: What one call may write.
        claim_seq: Sequence of the claim that it works under, if any.
        about: What it is for, in words: decisions are ranked by it.
        repairs_max: How often an answer that was refused may be mended.
        is_wanted: Whether it still is to be done; asked before each model call.
        is_vital: Whether the run can't end well without it. If the provider stays busy for as
            long as it may wait, it is left open, for `team resume`.
        searches: Tools of the provider that look outside, as the Messages API takes them.
    """

    context: str
    system: str
    opening: str
    tools: tuple[AnyTool, ...]
    model: str
    budget: Budget
    output_tokens_max: int
    servers: tuple[ServerListed, ...] = ()
    ends_with: str | None = None
    effort: str | None = None
    claim_seq: int = 0
    about: str = ""
    repairs_max: int = REPAIRS_MAX
    is_wanted: Callable[[], bool] = lambda: True
    is_vital: bool = False
    searches: tuple[dict[str, Any], ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an assignment ended.

    Attributes:
        returned: Whether it gave a clean answer.
        reason: How it ended, for people.
        answer: The typed answer as JSON, if there is one.
        refusal: The code of the limit that ended it, if one did.
    """

    returned: bool
    reason: str
    answer: bytes | None = None
    refusal: str = ""
