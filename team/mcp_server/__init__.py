"""Peerteam as an MCP server: `team mcp`, so that any MCP client starts and follows teams.

A door beside the command line and nothing more: every tool calls the functions that a
command calls, and what it answers is folded from the run's own stream. Runs live in
processes of their own and go on when the client, or this server, has left.

Needs the extra `mcp`. Source: docs/mcp-server.md.
"""
