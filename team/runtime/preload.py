"""Imported once by the forkserver, so that a member starts in a tenth of the time.

Importing the SDK takes most of a cold start; forked members share it.
"""

from __future__ import annotations

import gc

import team.members.lead
import team.members.teammate
import team.runtime.process  # noqa: F401 - as above

gc.collect()
gc.freeze()
