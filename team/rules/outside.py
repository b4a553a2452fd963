"""May a text that a tool brought from outside be cited under a contract?

A text is no source that a contract names. It counts as inside if a tool that the contract
gives has brought it: then whoever holds the contract could have brought it, too.
"""

from __future__ import annotations

from bus.messages import Contract
from roles.tool_patterns import covers
from team.state import Snapshots


def may_cite(snapshots: Snapshots, snapshot_id: str, contract: Contract) -> bool:
    """Whether a finding under a contract may quote a text from outside; if unknown, it may not."""
    return any(
        covers(contract.tools, one.kept.tool) and not covers(contract.tools_avoided, one.kept.tool)
        for one in snapshots.of(snapshot_id)
    )
