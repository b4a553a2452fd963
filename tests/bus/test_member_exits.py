"""How a member leaves when the bus fails it: with a code that counts as no death.

Promises: `team.runtime.exit_codes`; docs/reliability.md, "When the bus fails".
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from bus import subjects
from bus.access import Access
from bus.connection import Connection, connect
from bus.feed import create_feed
from bus.messages import MemberSeated, RunOpened
from bus.run_stream import Entry, create_run
from team.members.seat import SeatKey
from team.runtime.exit_codes import EXIT_BUS_FULL, EXIT_NO_BUS
from team.runtime.process import _live
from tests.support.builders import a_resolved_spec
from tests.support.nats_server import a_nats_server
from tests.support.odd_servers import a_server
from tests.support.wire import WAIT_S

SHORT_S = 0.3


def a_key(access: Access, folder: Path) -> SeatKey:
    """Ada's key to a run, with little patience."""
    return SeatKey(
        run="r1",
        name="ada",
        access=access,
        provider="rehearsal",
        cache_dir=str(folder),
        log_path=str(folder / "ada.log"),
        patience_s=SHORT_S,
    )


async def test_a_member_that_finds_no_bus_leaves_with_a_code_of_its_own(tmp_path: Path) -> None:
    async with a_server() as url:
        pass

    assert await _live(a_key(Access(url=url), tmp_path)) == EXIT_NO_BUS


async def test_a_member_that_finds_no_room_leaves_with_another(tmp_path: Path) -> None:
    """It reads its seat; that it has joined is what it can't store."""
    folder = tmp_path / "server"
    folder.mkdir()
    async with (
        a_nats_server(folder, max_file_store="1MB") as access,
        connect(access, name="lead") as lead,
    ):
        await _seat(lead)
        await lead.call("STREAM.CREATE.JUNK", {"name": "JUNK", "subjects": ["junk"]})
        while b"10023" not in (await lead.ask("junk", bytes(40_000), timeout_s=WAIT_S)).data:
            continue

        assert await _live(a_key(access, tmp_path)) == EXIT_BUS_FULL


async def _seat(lead: Connection) -> None:
    stream = await create_run(lead, "r1")
    filters = (subjects.pattern("r1", "spec"), subjects.pattern("r1", "mail", "ada"))
    await create_feed(lead, "r1", "ada", filters)
    opened = RunOpened(goal="g", spec=msgspec.Raw(msgspec.json.encode(a_resolved_spec())))
    seat = MemberSeated(role="researcher", filters=filters)
    await stream.append(Entry(subject=subjects.spec("r1"), body=opened))
    await stream.append(Entry(subject=subjects.member("r1", "ada", "lead"), body=seat))
