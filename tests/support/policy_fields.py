"""The fields of a policy, and what may stand in each, as docs/policy.md lists them."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec

from team.policy import (
    Approvals,
    GateLimits,
    Limits,
    McpRules,
    ModelRules,
    Price,
    Provider,
    RoleRules,
    TriageLimits,
    WebRules,
)

TABLES: dict[str, type[msgspec.Struct]] = {
    "limits": Limits,
    "triage": TriageLimits,
    "gate": GateLimits,
    "models": ModelRules,
    "models.prices.MODEL": Price,
    "roles.NAME": RoleRules,
    "approve": Approvals,
    "web": WebRules,
    "mcp": McpRules,
    "providers.NAME": Provider,
}
APART = {"models.prices"}
"""Fields that are tables themselves, and stand in `TABLES`."""
LISTS = {
    "checks": "names of checks",
    "allow": "names or patterns",
    "models": "names or patterns",
    "tools": "names of tools",
    "sources": "names or patterns",
    "areas": "names of areas",
    "writes": "paths",
    "instructions": "paths",
    "skills": "names or folders",
    "hosts": "hosts or patterns",
    "servers": "names of servers",
    "read_only": "names or patterns of tools",
    "kind": "`anthropic`, `bedrock` or `vertex`",
    "base_url": "an address",
    "key_variable": "a variable",
    "region": "a region",
    "project": "a project",
    "can": "`cache`, `effort`, `thinking`, `images`, `count`",
}


def wanted_fields() -> list[tuple[str, str]]:
    """Each field with what may stand there."""
    found: list[tuple[str, str]] = []
    for table, kind in TABLES.items():
        found.append((f"`[{table}]`", ""))
        found += [
            (f"`{table}.{field.encode_name}`", _may_be(field.encode_name, field.type))
            for field in msgspec.structs.fields(kind)
            if f"{table}.{field.encode_name}" not in APART
        ]
    return found


def _may_be(name: str, kind: Any) -> str:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(one for one in typing.get_args(kind) if one is not type(None))
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.BoolType):
        return "`true` or `false`"
    if not isinstance(info, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return LISTS[name]
    low = f"{info.ge:,}" if info.ge is not None else f"above {info.gt:,}"
    if info.ge == info.le:
        return low
    return f"{low} to {info.le:,}"
