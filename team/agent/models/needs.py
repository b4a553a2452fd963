"""What stands in the way of using a provider, as far as can be seen without calling it.

Reads the environment and looks for installed packages; imports neither the SDK nor a
cloud's library, so that a command may ask before a run.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

import msgspec

from team.policy import Provider

DEFAULT_VARIABLES: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")
"""Any of these makes the default provider usable."""
VERTEX_PROJECT_VARIABLE: Final = "ANTHROPIC_VERTEX_PROJECT_ID"
VERTEX_REGION_VARIABLE: Final = "CLOUD_ML_REGION"

_PACKAGE_OF_KIND: Final = {"bedrock": "botocore", "vertex": "google.auth"}


class Unmet(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is missing, and what to do about it. Neither holds a secret."""

    reason: str
    fix: str


def unmet_of_default() -> Unmet | None:
    """What keeps the default provider from being used; nothing if it may be."""
    if any(os.environ.get(name) for name in DEFAULT_VARIABLES):
        return None
    return Unmet(reason="there is no key", fix="set ANTHROPIC_API_KEY")


def unmet(name: str, provider: Provider) -> Unmet | None:
    """What keeps a provider of the policy from being used; nothing if it may be."""
    table = f"[providers.{name}]"
    return (
        _package(provider)
        or _key(table, provider)
        or _address(table, provider)
        or _place_in_cloud(table, provider)
    )


def _package(provider: Provider) -> Unmet | None:
    package = _PACKAGE_OF_KIND.get(provider.kind)
    if package is None or _is_installed(package):
        return None
    return Unmet(
        reason=f"{package} is not installed", fix=f"pip install 'peerteam[{provider.kind}]'"
    )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _key(table: str, provider: Provider) -> Unmet | None:
    variable = provider.key_variable
    if not variable or os.environ.get(variable):
        return None
    return Unmet(
        reason=f"{variable} is not set, which {table} names as its key", fix=f"set {variable}"
    )


def _address(table: str, provider: Provider) -> Unmet | None:
    if not provider.base_url:
        return None
    try:
        parts = urlsplit(provider.base_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if is_address:
        return None
    reason = f"{provider.base_url!r}, the `base_url` of {table}, is no http or https address"
    return Unmet(reason=reason, fix="write it as http://host:port, without /v1")


def _place_in_cloud(table: str, provider: Provider) -> Unmet | None:
    """Vertex needs both by name; what Bedrock lacks, its own library may find elsewhere."""
    if provider.kind != "vertex":
        return None
    if not (provider.region or os.environ.get(VERTEX_REGION_VARIABLE)):
        fix = f"write it there, or set {VERTEX_REGION_VARIABLE}"
        return Unmet(reason=f"{table} has no `region`", fix=fix)
    if not (provider.project or os.environ.get(VERTEX_PROJECT_VARIABLE)):
        fix = f"write it there, or set {VERTEX_PROJECT_VARIABLE}"
        return Unmet(reason=f"{table} has no `project`", fix=fix)
    return None
