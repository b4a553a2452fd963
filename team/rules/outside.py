"""May a text that a tool brought from outside be cited under a contract?

A text is no source that a contract names. It counts as inside if a tool that the contract
gives has brought it: then whoever holds the contract could have brought it, too. A page of the
web also has to be from a host that the contract names.
"""

from __future__ import annotations

from bus.messages import Contract, SnapshotKept
from roles.tool_patterns import covers
from team.rules.hosts import hosts_of, place_of, reach_of
from team.state import Snapshots
from team.tool_names import FETCH


def may_cite(snapshots: Snapshots, snapshot_id: str, contract: Contract) -> bool:
    """Whether a finding under a contract may quote a text from outside; if unknown, it may not."""
    return any(_could_bring(contract, one.kept) for one in snapshots.of(snapshot_id))


def _could_bring(contract: Contract, kept: SnapshotKept) -> bool:
    if not covers(contract.tools, kept.tool) or covers(contract.tools_avoided, kept.tool):
        return False
    if kept.tool != FETCH:
        return True
    try:
        return reach_of(place_of(kept.origin), hosts_of(contract.sources)) is not None
    except ValueError:
        return False
