"""Imported once, before members are forked, by a run that has MCP servers: it is slow to import.

What the package itself logs is dropped: it quotes what servers say.
"""

from __future__ import annotations

import logging

import jsonschema.validators  # type: ignore[import-untyped]  # noqa: F401
import mcp.client.streamable_http  # noqa: F401

_quiet = logging.getLogger("mcp")
_quiet.propagate = False
_quiet.addHandler(logging.NullHandler())
