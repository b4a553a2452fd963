"""How much the next call of a context reads: probably, and at most.

What it probably reads is told by what the provider has counted of this very context: how many
bytes a token of it has. It says when turns have to leave and when to wrap up; whether a call may
be made at all is decided by the most (`team/agent/models/bound.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from team.agent.journal import Transcript
from team.agent.models import bound
from team.agent.models.call import Request
from team.agent.models.pictures import picture_tokens
from team.rules.limits import CHARACTERS_PER_TOKEN

BYTES_PER_TOKEN_MIN: Final = 2.0
BYTES_PER_TOKEN_MAX: Final = 6.0
"""What is believed of what a provider counts: one that leaves out what it has cached, or counts
nothing, must not make a context look small."""
ANSWER_SHARE: Final = 4
"""A context's first answer is expected to take one of so many parts of what it may."""


def expected(request: Request, transcript: Transcript, added: Sequence[str]) -> int:
    """About how many tokens a call reads."""
    rate = bytes_per_token(request, transcript, added)
    whole = int(_size(request.system, request.messages, request.tools) / rate)
    whole += picture_tokens(request.messages)
    if not transcript.turns or transcript.is_just_compacted:
        return whole
    again = transcript.turns[-1].replied.tokens.total
    seen = picture_tokens([{"content": transcript.turns[-1].results}])
    return max(whole, again + seen + int(_size(*_new(transcript, added)) / rate))


def bytes_per_token(request: Request, transcript: Transcript, added: Sequence[str]) -> float:
    """How many bytes a token of this context has, by the last call that was counted."""
    if not transcript.turns:
        return CHARACTERS_PER_TOKEN
    last = transcript.turns[-1].replied
    read = last.tokens.total - last.tokens.output
    if read <= 0:
        return CHARACTERS_PER_TOKEN
    if transcript.is_just_compacted:
        size = _size(request.system, _as_before(transcript), request.tools)
    else:
        new = _size(*_new(transcript, added), last.content)
        size = _size(request.system, request.messages, request.tools) - new
    return min(max(size / read, BYTES_PER_TOKEN_MIN), BYTES_PER_TOKEN_MAX)


def expected_answer(transcript: Transcript, output_tokens_max: int) -> int:
    """About how many tokens the next call writes: no less than any before it."""
    written = [turn.replied.tokens.output for turn in transcript.turns]
    return min(output_tokens_max, max([output_tokens_max // ANSWER_SHARE, *written]))


class Sizes:
    """The most that calls read, by what this process knows of each context's last one."""

    def __init__(self) -> None:
        self._asked: dict[str, bytes] = {}

    def answered(self, request: Request, transcript: Transcript) -> None:
        """Take into account that a request of a context was answered, and so counted."""
        self._asked[transcript.opened.context] = _head(request)

    def at_most(self, request: Request, transcript: Transcript) -> int | None:
        """The most that a call reads, without asking anybody; nothing if there is no bound.

        It goes on from what the last call was counted to take, if that had the same system
        prompt and the same tools, and no turn has left since; else it begins anew.
        """
        tools = (*request.tools, *request.searches)
        whole = bound.of_request(request.system, request.messages, tools)
        same = self._asked.get(transcript.opened.context) == _head(request)
        if not same or not transcript.turns or transcript.is_just_compacted:
            return whole
        last = transcript.turns[-1]
        on = bound.after(last.replied.tokens, last.blocks, request.messages[-1]["content"])
        return on if whole is None else min(whole, on or whole)


def _new(transcript: Transcript, added: Sequence[str]) -> tuple[object, Sequence[str]]:
    """What has come since the last call."""
    return (transcript.turns[-1].results, added)


def _as_before(transcript: Transcript) -> list[dict[str, object]]:
    """The messages of the last call that was made, before its turns left the context."""
    then = Transcript(
        opened=transcript.opened,
        at=transcript.at,
        turns=transcript.turns[:-1],
        compacted=transcript.compacted_before,
        compacted_at=len(transcript.turns) - 1,
    )
    return then.messages(transcript.turns[-1].replied.added)


def _head(request: Request) -> bytes:
    return hashlib.sha256(msgspec.json.encode((request.system, request.tools))).digest()


def _size(*parts: object) -> int:
    return len(msgspec.json.encode(parts))
