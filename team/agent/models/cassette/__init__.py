"""Cassettes: record a run below the SDK and beside its stream, and replay it for nothing.

Each member has a lane of its own: a header, then one line for each finished model call (the
request, the response's status, a few of its headers, its body in the pieces it came in) and one
for all else that it met (see `team.agent.arrivals`). The stream lies beside the lanes. A replay
answers from them and never from anywhere else.

It proves that the runtime does the same with the same replies. It says nothing of how good a
model is. The files hold prompts, sources and replies in clear text; keys, cookies and
organization ids are left out.

Reading order: `format`, `lane`, `record`, `volatile`, `match`, `rewrite`, `replay`,
`recording`, `environment`.
"""
