"""Everything that is wrong with what people write for a team, before anything is spent.

Not for a run: it reads the same files and stops at the first error.
"""

from __future__ import annotations

from team.lint.check import Report, check_files

__all__ = ["Report", "check_files"]
