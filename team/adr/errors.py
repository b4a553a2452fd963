"""What can go wrong with decision files as a whole.

Not for one file that can't be read: that is a `LeftOut`, and no error.
"""

from __future__ import annotations

from team.errors import TeamError


class AdrError(TeamError):
    """Decision files can't be found, or can't be written.

    Next: do what the message says about the path it names, then ask again; what was
    written before stays and is recognized.
    """

    def __init__(self, path: str, reason: str, fix: str) -> None:
        self.path, self.reason, self.fix = path, reason, fix
        super().__init__(f"decision files at {path!r}: {reason}; {fix}")
