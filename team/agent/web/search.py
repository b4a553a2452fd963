"""Search of the web by the provider: what is asked for of it, and for whom.

What it finds says where to look; to be cited a page has to be fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from bus.messages import Contract
from team.policy import WebRules
from team.rules.hosts import entry_problem, hosts_of, in_ascii
from team.tool_names import FETCH

SEARCH_TYPE: Final = "web_search_20260318"
"""The version of the provider's tool."""
SEARCH: Final = "web_search"


def search_tools(
    rules: WebRules, contract: Contract, tools: Collection[str]
) -> tuple[dict[str, Any], ...]:
    """The provider's tools for a lane: search, where it may fetch what that finds.

    None is made under a limit in dollars: a search has a price that no call's ceiling holds.

    Args:
        rules: The policy's word on the web.
        contract: The lane's.
        tools: Names of the tools that its member has.
    """
    hosts = hosts_of(contract.sources)
    domains = domains_of(hosts)
    is_anywhere = "*" in hosts
    is_priced = contract.budget.usd_max is not None
    if not rules.searches_max or FETCH not in tools or is_priced or not (domains or is_anywhere):
        return ()
    tool: dict[str, Any] = {
        "type": SEARCH_TYPE,
        "name": SEARCH,
        "max_uses": rules.searches_max,
        "allowed_callers": ["direct"],
    }
    return (tool if is_anywhere else tool | {"allowed_domains": domains},)


def domains_of(hosts: Sequence[str]) -> list[str]:
    """The public hosts among some, as the provider takes them: each with all below it."""
    return list(
        dict.fromkeys(
            in_ascii(host.removeprefix("*."))
            for host in hosts
            if entry_problem(host) is None and _is_public(host.removeprefix("*."))
        )
    )


def _is_public(host: str) -> bool:
    """Whether a host may be one that a search finds: a name without a port or a pattern."""
    is_name = "." in host and not set("*?[:") & set(host)
    return is_name and not host.replace(".", "").isdecimal()
