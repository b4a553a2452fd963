"""What the floor's forkserver imports before it forks: the SDK and a NATS client."""

from __future__ import annotations

import gc

import anthropic  # noqa: F401 - for its memory, shared by all children

import tests.bench.fork_floor  # noqa: F401 - as above

gc.collect()
gc.freeze()
