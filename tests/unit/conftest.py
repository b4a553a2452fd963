"""How properties are searched here: a busy machine is no failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("peerteam", deadline=None)
settings.load_profile("peerteam")
