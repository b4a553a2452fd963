"""The names of all tools, for whoever checks a role file without loading the tools."""

from __future__ import annotations

from typing import Final

TOOL_NAMES: Final = frozenset(
    {
        "list_sources",
        "search_sources",
        "read_source",
        "note",
        "send_message",
        "wait_for_mail",
        "record_decision",
        "search_decisions",
        "read_decision",
        "challenge_decision",
        "rebut_challenge",
        "withdraw_decision",
        "submit_finding",
        "submit_verdict",
        "submit_plan",
        "submit_synthesis",
        "submit_ruling",
        "submit_comparison",
        "submit_conflict_ruling",
    }
)
