"""What a member's process says by its exit code.

| code | meaning | the supervisor |
| --- | --- | --- |
| 0 | left on purpose, or was told to stop | does nothing |
| 1 | crashed | starts it again, with backoff and a limit |
| 10 | fenced: another process acts as this member | starts it again, unless it has lost the run |
| 11 | can't succeed; it has said why in the stream | gives it up |
| 12 | no bus for longer than it may wait | the lead's ends the session, another starts again |
| 13 | no room on the bus for so long | ends the session |

The last two are no deaths: they are not counted against the member.
"""

from __future__ import annotations

from typing import Final

EXIT_DONE: Final = 0
EXIT_CRASHED: Final = 1
EXIT_FENCED: Final = 10
EXIT_FINAL: Final = 11
EXIT_NO_BUS: Final = 12
EXIT_BUS_FULL: Final = 13
