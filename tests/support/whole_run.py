"""A run on paper with mail and a decision in it, of which every invariant holds."""

from __future__ import annotations

import msgspec

from bus.messages import (
    ContextClosed,
    ContextOpened,
    DecisionExplained,
    DecisionRecorded,
    Intake,
    Question,
    TokenCounts,
    TurnReplied,
    UsageSpent,
)
from bus.run_stream import Record
from tests.support.audited import Tale, a_sound_run
from tests.support.builders import calls, says

LETTER = "letter-1"
TOKENS = TokenCounts(input=5, output=1)


def a_whole_run() -> list[Record]:
    """One lane and its verifier; the author decides something and asks the lead something."""
    return a_sound_run(after={"look !": _decides, "read !": _asks, "return $": _reads}).records


def _decides(tale: Tale) -> None:
    tale.mind.turn("decide", calls("a4", "note", text="What is a pool?"), gives="Noted.")
    recorded = DecisionRecorded(statement="A pool is a set of connections.")
    tale.tell("decision", "terms", "pool", author="ada", body=recorded)
    explained = DecisionExplained(rationale="So the page says.")
    tale.tell("rationale", "terms", "pool", author="ada", body=explained)


def _asks(tale: Tale) -> None:
    call = calls("a5", "send_message", to="lead", kind="question", text="Since when?")
    tale.mind.turn("ask", call, gives=f"Sent to lead as {LETTER}.")
    tale.tell("mail", "lead", author="ada", body=Question(text="Since when?"), message_id=LETTER)


def _reads(tale: Tale) -> None:
    """The lead reads the question between two batches of its author."""
    context, seq = "mail:1", next(r.seq for r in tale.records if r.id == LETTER)
    replied = TurnReplied(
        context=context,
        turn=1,
        content=msgspec.Raw(msgspec.json.encode([says("I do not know.")])),
        stop_reason="end_turn",
        intake=(Intake(seq=seq, message_id=LETTER, author="ada"),),
        request_id="req-1",
        tokens=TOKENS,
    )
    opened = ContextOpened(context=context, system="s", opening="Mail.", tools=(), model="m1")
    usage = UsageSpent(
        context=context, turn=1, model="m1", tokens=TOKENS, request_id="req-1", cost_usd=0.001
    )
    closed = ContextClosed(context=context, returned=True, reason="done")
    tale.tell("journal", author="lead", body=opened)
    tale.tell("journal", author="lead", body=replied)
    tale.tell("usage", author="lead", body=usage)
    tale.tell("journal", author="lead", body=closed)
