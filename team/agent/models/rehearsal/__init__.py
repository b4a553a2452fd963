"""The rehearsal model: no language model at all, behind the same SDK client.

It plans from the words of the goal, searches the sources, quotes them, records,
objects, concedes and submits, through the very tools that a model has. What it
returns is a plain extract of the sources. A pure function of the request: the same
request always gets the same reply, so every path of the runtime runs without a key.

Source: docs/rehearsal.md.
"""
