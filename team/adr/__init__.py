"""Standing decisions as files: read those a repository keeps, write those a run took.

`read_adrs` understands MADR, adr-tools and looser forms; `write_adrs` writes the first two.
Knows nothing of a run's stream or of the command line.
"""

from team.adr.errors import AdrError
from team.adr.find import LeftOut
from team.adr.read import Adr, AdrSet, read_adrs
from team.adr.render import NewAdr, Replaced
from team.adr.status import AdrStatus
from team.adr.write import Written, write_adrs

__all__ = [
    "Adr",
    "AdrError",
    "AdrSet",
    "AdrStatus",
    "LeftOut",
    "NewAdr",
    "Replaced",
    "Written",
    "read_adrs",
    "write_adrs",
]
