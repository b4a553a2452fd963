"""`team mcp`: serve MCP clients."""

from __future__ import annotations

import argparse
from pathlib import Path

from team.agent.models.cassette.environment import refuse_cassette
from team.cli import exit_codes
from team.cli.common import nats_url
from team.errors import SpecError
from team.project import the_policy
from team.views.output import write_note


def mcp(options: argparse.Namespace) -> int:
    """Serve MCP clients until they leave, or until Ctrl-C."""
    refuse_cassette()
    folder = Path.cwd()
    the_policy(folder, None)
    from team.mcp_server.bounds import bounds_of

    bounds = bounds_of(folder, options.allow)
    try:
        from team.mcp_server.serve import serve_http, serve_stdio
    except ModuleNotFoundError as error:
        fix = "run: pip install 'peerteam[mcp]'"
        raise SpecError("team mcp", "", f"the extra is not installed ({error})", fix) from error
    if options.http is None:
        serve_stdio(bounds, nats_url(options), may_approve=options.may_approve)
    else:
        serve_http(
            bounds,
            nats_url(options),
            options.http,
            may_approve=options.may_approve,
            on_listening=lambda url: write_note(f"MCP clients connect to {url}"),
        )
    return exit_codes.OK
