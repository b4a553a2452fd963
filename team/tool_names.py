"""The names of all tools, for whoever needs them without loading the tools."""

from __future__ import annotations

from typing import Final

READ: Final = "read_source"
SOURCE_TOOLS: Final = ("list_sources", "search_sources", READ)
"""Tools to look at the sources."""

SEND: Final = "send_message"
WAIT: Final = "wait_for_mail"
MAIL_TOOLS: Final = frozenset({SEND, WAIT})
"""Tools that do nothing but trade mail."""

VIEW: Final = "view_source"
"""Looks at pictures. Whoever may read sources has it, if its model sees and there are any."""

PEER_TOOLS: Final = (
    "note",
    SEND,
    WAIT,
    "record_decision",
    "search_decisions",
    "read_decision",
    "challenge_decision",
    "rebut_challenge",
    "withdraw_decision",
)
"""Tools to deal with a team."""

FETCH: Final = "fetch"
"""Brings pages of the web, where the policy names hosts."""

RESEARCH_TOOLS: Final = (*SOURCE_TOOLS, FETCH, *PEER_TOOLS, "submit_finding")
"""What a role may be given for a lane."""

RETURNING_TOOLS: Final = frozenset(
    {
        "submit_finding",
        "submit_verdict",
        "submit_comparison",
        "submit_plan",
        "submit_synthesis",
        "submit_ruling",
        "submit_conflict_ruling",
    }
)
"""How an assignment ends; no matter of permission."""

RECALL: Final = "recall"
"""Looks at turns that have left a context. Whose context they left has it, whoever that is."""

LOAD_SKILL: Final = "load_skill"
"""Reads skills. Whose role the policy gives skills has it, unless its file refuses it."""

TOOL_NAMES: Final = frozenset({*RESEARCH_TOOLS, *RETURNING_TOOLS, RECALL, LOAD_SKILL, VIEW})
