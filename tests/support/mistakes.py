"""Files with mistakes, for tests of what finds them."""

from __future__ import annotations

TEN_MISTAKES = """\
[limits]
teammate_max = 4
turns_max = "many"
rounds_max = 65
seconds_max = 3_000
run_seconds_max = 1_800

[gate]
verifiers = 1
upheld_min = 2
checks = [
    "acceptance",
    "speling",
]

[roles.reseacher]
tools = ["read_source"]

[roles.researcher]
tools = ["read_source", "serch_sources"]
writes = ["../elsewhere"]

[approve]
areas = [
    "api.v2",
]
"""
