"""Cassettes: record a run's model calls below the SDK, and replay them later for nothing.

Each member has a file of its own, `DIR/<member>.jsonl`: a header, then one line for each
finished exchange, with the request, the response's status, a few of its headers, and its
body in the pieces it came in. `PEERTEAM_RECORD=DIR` writes them, `PEERTEAM_REPLAY=DIR`
answers from them and never from anywhere else.

A replay proves that the runtime does the same with the same replies. It says nothing of
how good a model is. The files hold prompts, sources and replies in clear text; keys,
cookies and organization ids are left out.

Reading order: `format`, `record`, `volatile`, `match`, `rewrite`, `replay`, `environment`.
"""
