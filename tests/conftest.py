"""What tests share: one real nats-server a session, a fresh run a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from secrets import token_hex

import pytest
import structlog

from bus.access import SERVER_DIRECTORY, Access
from bus.connection import Connection, connect
from bus.ids import new_run_id
from bus.run_stream import RunStream, create_run
from bus.server import start_server, stop_server
from tests.support.chaos import kill_table
from tests.support.cli import Cli
from tests.support.sources import three_lanes


@pytest.fixture(autouse=True)
def _logs_go_to_the_test_that_runs() -> Iterator[None]:
    """A command that a test has run in this process has set where logs go, for ever."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """A nats-server of this test session, with JetStream, ended afterwards."""
    directory: Path = tmp_path_factory.mktemp("nats")
    server = start_server(directory)
    try:
        yield Access(url=server.url, token=server.token)
    finally:
        stop_server(directory)


@pytest.fixture
async def connection(access: Access) -> AsyncIterator[Connection]:
    """A connection of this test's own."""
    async with connect(access, name="test") as opened:
        yield opened


@pytest.fixture
async def stream(connection: Connection) -> RunStream:
    """The stream of a new, empty run."""
    # Tests make many in a second: an id as users get it would soon be one that is taken.
    return await create_run(connection, f"{new_run_id()}-{token_hex(4)}", label="a test")


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """`team` in a home of its own, on the rehearsal model; its server is ended afterwards."""
    cwd = tmp_path / "project"
    cwd.mkdir()
    made = Cli(tmp_path / "home", cwd)
    try:
        yield made
    finally:
        stop_server(made.home / SERVER_DIRECTORY)


@pytest.fixture
def lanes(tmp_path: Path) -> list[Path]:
    """Sources for three lanes."""
    return three_lanes(tmp_path / "sources")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end who was killed by the chaos suite, and when in the run."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    kills = [
        value
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "kill"
    ]
    if kills:
        terminalreporter.section("kills by process and phase of the run")
        terminalreporter.write_line("\n".join(kill_table(kills)))
