"""A team of LLM agents as peers on a message bus: who says what, and when.

Reading order, lowest first: `spec`, `state` (folds of the stream), `rules` (what
code decides), `sources`, `agent` (one member's mind), `members`, `runtime`,
`views`, `cli`. Each knows only those before it.
"""
