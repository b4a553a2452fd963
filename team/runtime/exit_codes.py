"""What a member's process says by its exit code.

| code | meaning | the supervisor |
| --- | --- | --- |
| 0 | left on purpose, or was told to stop | does nothing |
| 1 | crashed | starts it again, with backoff and a limit |
| 10 | fenced: another process acts as this member | starts it again, with backoff |
| 11 | can't succeed; it has said why in the stream | gives it up |
"""

from __future__ import annotations

from typing import Final

EXIT_DONE: Final = 0
EXIT_CRASHED: Final = 1
EXIT_FENCED: Final = 10
EXIT_FINAL: Final = 11
