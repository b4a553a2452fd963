"""Fetching: what may be asked, what comes of it, and what the run then has of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from bus.artifacts import create_artifacts, get_artifact
from bus.messages import ActRefused, Evidence, SnapshotKept, TurnActed
from bus.run_stream import RunStream
from team.agent.tools.base import ToolAnswer
from team.agent.tools.source_tools import ReadSource
from team.agent.tools.toolbox import mail_tools, research_tools, verify_tools
from team.agent.tools.web_tools import Fetch
from team.agent.web.fetcher import HOPS_MAX, PAUSE_S_MAX, Fetcher
from team.agent.world import World
from team.codes.limits import HOST
from team.policy import ProjectPolicy, RoleRules, WebRules
from team.sources import Library
from tests.bus.test_refusals import records, under
from tests.support.builders import a_contract, a_role, a_task
from tests.support.decisions import CONTEXT, Scripted, a_world, an_agent, an_assignment, call_tool
from tests.support.web_site import (
    POOLS,
    SENTENCE,
    Page,
    Site,
    html,
    leads_to,
    packed,
    web_site,
)

PAGES = {
    "/pools": html(POOLS),
    "/on": leads_to("/pools"),
    "/out": leads_to("http://example.org/pools"),
    "/circle": leads_to("/circle"),
    "/nowhere": leads_to(""),
    "/image": Page(body=b"x", kind="image/png"),
    "/large": Page(body=b"x" * 5_000, kind="text/plain"),
    "/bomb": packed(b"0" * 5_000_000),
    "/endless": Page(kind="text/plain", is_endless=True),
    "/odd": Page(body=b"x", kind="text/plain", headers={"content-encoding": "br"}),
    "/private/x": html("<p>Not for us.</p>"),
    "/broken": Page(status=500, body=b"oh"),
}


@pytest.fixture(autouse=True)
async def _a_place_for_artifacts(stream: RunStream) -> None:
    await create_artifacts(stream.connection, stream.run)


async def fetched(world: World, site: Site, path: str, *hosts: str, **changes: Any) -> ToolAnswer:
    """What the tool gives for a page, with the contract's hosts as given, else this site."""
    fetcher = Fetcher(site.rules(**changes), pause_s=0.0)
    tool = Fetch(world, fetcher, CONTEXT, hosts or (site.host,))
    url = path if "://" in path else site.url + path
    return await call_tool(world, tool, url=url)


async def test_a_page_is_brought_as_data_kept_and_can_be_quoted(
    stream: RunStream, library: Library
) -> None:
    """Escaped, under a name, with its origin after redirects; the bytes are kept as they came."""
    world = await a_world(stream, "ada", library=library)
    async with web_site(PAGES) as site:
        answer = await fetched(world, site, "/on")

    kept = next(r.body for r in await records(stream) if isinstance(r.body, SnapshotKept))
    name = f"snapshot:{kept.text.sha256[:20]}"
    lines = (await get_artifact(stream.connection, stream.run, kept.text)).decode().split("\n")
    assert kept.raw is not None
    assert await get_artifact(stream.connection, stream.run, kept.raw) == POOLS.encode()
    assert (kept.origin, kept.media_type) == (f"{site.url}/pools", "text/html")
    assert f'<outside source="{name}" origin="{site.url}/pools">' in answer.content
    assert "# Pools of &lt;connections&gt;" in answer.content
    line = lines.index(SENTENCE) + 1
    quote = Evidence(source=name, locator=f"L{line}", quote=SENTENCE)
    assert await world.first_quote_problem([quote]) is None
    wrong = msgspec.structs.replace(quote, quote=SENTENCE.replace("ten", "two"))
    assert await world.first_quote_problem([wrong]) is not None


async def test_we_say_who_asks_and_send_nothing_else_that_is_ours(
    stream: RunStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy, no cookie, no key, whatever the environment holds."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    pages = PAGES | {"/pools": Page(body=b"x", kind="text/plain", headers={"set-cookie": "a=b"})}
    world = await a_world(stream, "ada")
    async with web_site(pages) as site:
        for _ in range(2):
            assert not (await fetched(world, site, "/pools")).is_error

    assert site.asked == ["/robots.txt", "/pools"] * 2
    for head in site.heads:
        assert head["user-agent"].startswith("Peerteam/")
        assert head["host"] == site.host
        assert not {"cookie", "authorization", "referer"} & head.keys()


@pytest.mark.parametrize(
    ("path", "hosts", "said"),
    [
        ("http://example.org/", (), "policy does not allow 'example.org'"),
        ("http://127.0.0.1:1/", (), "policy does not allow"),
        ("http://localhost/", (), "policy does not allow"),
        ("file:///etc/passwd", (), "only http and https"),
        ("http://u:p@127.0.0.1/", (), "a user or a password"),
        ("/pools", ("docs.python.org",), "contract does not allow"),
        ("/out", (), "policy does not allow 'example.org'"),
    ],
)
async def test_what_policy_or_contract_does_not_name_is_refused_and_nothing_is_asked(
    stream: RunStream, path: str, hosts: tuple[str, ...], said: str
) -> None:
    """The last one is a redirect: each hop is asked about again."""
    world = await a_world(stream, "ada")
    async with web_site(PAGES) as site:
        answer = await fetched(world, site, path, *hosts)

    assert answer.is_error
    assert answer.refusal == HOST
    assert said in answer.content
    assert "/pools" not in site.asked
    assert not answer.entries


@pytest.mark.parametrize(
    ("path", "changes", "said"),
    [
        ("/circle", {}, f"more than {HOPS_MAX} times"),
        ("/nowhere", {}, "to nowhere"),
        ("/image", {}, "it is image/png"),
        ("/large", {"page_bytes_max": 1_000}, "larger than the 1000 bytes"),
        ("/bomb", {}, "larger than the 2000000 bytes"),
        ("/endless", {}, "larger than the 2000000 bytes"),
        ("/odd", {}, "packed as 'br'"),
        ("/missing", {}, "the host answers 404"),
        ("/broken", {}, "the host answers 500"),
    ],
)
async def test_a_page_that_cannot_be_had_is_an_answer_that_says_why(
    stream: RunStream, path: str, changes: dict[str, Any], said: str
) -> None:
    world = await a_world(stream, "ada")
    async with web_site(PAGES) as site:
        answer = await fetched(world, site, path, **changes)

    assert answer.is_error
    assert not answer.refusal
    assert said in answer.content


async def test_a_page_that_does_not_come_is_given_up_in_time(stream: RunStream) -> None:
    """Robots are read, then nothing more comes: no header, no byte."""
    world = await a_world(stream, "ada")
    slow = Page(kind="text/plain", headers={"content-length": "10"}, body=b"12345")
    async with web_site({"/slow": slow}) as site:
        site.stays_open = True
        answer = await fetched(world, site, "/slow", page_seconds=0.3)

    assert answer.is_error
    assert "did not come within 0.3 s" in answer.content


async def test_a_page_that_takes_minutes_to_read_is_given_up_in_time(stream: RunStream) -> None:
    """Its parser is ended: nothing of it goes on, and the loop has gone on meanwhile."""
    world = await a_world(stream, "ada")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    async with web_site({"/slow": html("<a x='" * 250_000)}) as site:
        answer = await fetched(world, site, "/slow", page_seconds=2.0)
        seen = ticks
    ticking.cancel()

    assert answer.is_error
    assert "could not be read in the time" in answer.content
    assert seen > 100


async def test_robots_are_asked_once_for_each_host_and_kept_to(stream: RunStream) -> None:
    rules = Page(body=b"User-agent: *\nDisallow: /private\n", kind="text/plain")
    world = await a_world(stream, "ada")
    async with web_site(PAGES | {"/robots.txt": rules}) as site:
        tool = Fetch(world, Fetcher(site.rules(), pause_s=0.0), CONTEXT, (site.host,))
        answers = [await tool.call({"url": f"{site.url}{p}"}) for p in ("/private/x", "/pools")]
        ignored = await fetched(world, site, "/private/x", robots=False)

    assert [answer.is_error for answer in answers] == [True, False]
    assert "forbids it to Peerteam" in answers[0].content
    assert site.asked == ["/robots.txt", "/pools", "/private/x"]
    assert not ignored.is_error


async def test_the_request_for_robots_counts_for_the_pause(
    stream: RunStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pages asked for at once: robots once, then each page after a pause."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        is_pause = 5 < seconds <= PAUSE_S_MAX  # the connection to the bus sleeps, too
        if is_pause:
            pauses.append(seconds)
        await sleep(0 if is_pause else seconds)

    world = await a_world(stream, "ada")
    async with web_site(PAGES) as site:
        tool = Fetch(world, Fetcher(site.rules(), pause_s=PAUSE_S_MAX), CONTEXT, (site.host,))
        monkeypatch.setattr(asyncio, "sleep", noted)
        answers = await asyncio.gather(
            *(tool.call({"url": site.url + path}) for path in ("/pools", "/on"))
        )
        monkeypatch.undo()

    assert not any(answer.is_error for answer in answers)
    assert site.asked.count("/robots.txt") == 1
    assert len(pauses) == len(site.asked) - 1


async def test_without_robots_that_can_be_had_nothing_is_fetched(stream: RunStream) -> None:
    world = await a_world(stream, "ada")
    async with web_site(PAGES | {"/robots.txt": Page(status=503)}) as site:
        answer = await fetched(world, site, "/pools")

    assert answer.is_error
    assert "robots.txt could not be had (it answers 503)" in answer.content
    assert "/pools" not in site.asked


class _Names:
    """Answers for a name, one list after another."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        del host, port
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["::ffff:127.0.0.1"], ["93.184.216.34", "10.0.0.1"]]
)
async def test_a_public_name_that_leads_inside_is_refused_before_a_connection_is_made(
    stream: RunStream, addresses: list[str]
) -> None:
    """One address inside is enough; the page would be there."""
    world = await a_world(stream, "ada")
    async with web_site(PAGES) as site:
        rules = WebRules(hosts=("inside.example", f"*.example:{site.port}"))
        fetcher = Fetcher(rules, resolve=_Names(addresses), pause_s=0.0)
        tool = Fetch(world, fetcher, CONTEXT, rules.hosts)
        for url in ("http://inside.example/pools", f"http://a.example:{site.port}/pools"):
            answer = await tool.call({"url": url})
            assert answer.refusal == HOST
            assert "of this machine or a private network" in answer.content

    assert not site.asked


async def test_a_connection_goes_to_the_address_that_was_checked(stream: RunStream) -> None:
    """A name that answers otherwise the next time is asked once for each request, and checked."""
    world = await a_world(stream, "ada")
    async with web_site(PAGES) as site:
        rules = WebRules(hosts=(f"wiki.example:{site.port}",), robots=False)
        names = _Names(["127.0.0.1"], ["169.254.169.254"])
        tool = Fetch(world, Fetcher(rules, resolve=names, pause_s=0.0), CONTEXT, rules.hosts)
        url = f"http://wiki.example:{site.port}/pools"
        first, second = [await tool.call({"url": url}) for _ in range(2)]

    assert not first.is_error
    assert names.asked == 2
    assert site.heads[0]["host"] == f"wiki.example:{site.port}"
    assert second.refusal == HOST
    assert len(site.asked) == 1


async def test_a_name_whose_addresses_cannot_be_told_is_not_asked(stream: RunStream) -> None:
    async def fails(host: str, port: int) -> Sequence[str]:
        raise OSError(f"no server knows {host}")

    world = await a_world(stream, "ada")
    rules = WebRules(hosts=("gone.example", "none.example"), robots=False)
    for resolve, said in ((fails, "no server knows"), (_Names([]), "has no address")):
        fetcher = Fetcher(rules, resolve=resolve, pause_s=0.0)
        tool = Fetch(world, fetcher, CONTEXT, rules.hosts)
        answer = await tool.call({"url": "http://gone.example/"})
        assert answer.is_error
        assert said in answer.content
        assert not answer.entries


async def _names(stream: RunStream, web: WebRules, sources: tuple[str, ...], **role: Any) -> str:
    """The tools of a lane under a policy, with such sources in its contract."""
    world = await under(stream, project=ProjectPolicy(web=web, **role))
    fetching = msgspec.structs.replace(world, web=Fetcher(web) if web.hosts else None)
    contract = a_contract(tools=("fetch", "note"), sources=sources)
    try:
        task = a_task(contract=contract)
        given = research_tools(fetching, a_role(), task)
        assert "fetch" not in {t.name for t in verify_tools(fetching, a_role(), task)}
        assert "fetch" not in {t.name for t in mail_tools(fetching, a_role(), None)}
        return " ".join(tool.name for tool in given)
    finally:
        await world.inbox.stop()


async def test_policy_role_and_contract_must_all_give_the_tool(stream: RunStream) -> None:
    """Verifiers never fetch: they read what was kept."""
    web = WebRules(hosts=("docs.python.org",))

    assert "fetch" in await _names(stream, web, ("web:docs.python.org",))


@pytest.mark.parametrize(
    ("web", "sources", "role"),
    [
        (WebRules(), ("web:docs.python.org",), {}),
        (WebRules(hosts=("docs.python.org",)), ("docs",), {}),
        (
            WebRules(hosts=("docs.python.org",)),
            ("web:docs.python.org",),
            {"roles": {"researcher": RoleRules(tools=("note",))}},
        ),
    ],
)
async def test_without_a_host_in_policy_or_contract_there_is_no_tool_to_fetch(
    stream: RunStream, web: WebRules, sources: tuple[str, ...], role: dict[str, Any]
) -> None:
    assert "fetch" not in await _names(stream, web, sources, **role)


async def test_a_refusal_is_an_event_and_a_page_enters_with_its_turn(
    stream: RunStream, library: Library
) -> None:
    """Two pages and one that is refused, in one turn of a member."""
    async with web_site(PAGES) as site:
        world = await under(stream, library, project=ProjectPolicy(web=site.rules()))
        fetcher = Fetcher(site.rules(), pause_s=0.0)
        urls = (f"{site.url}/pools", f"{site.url}/more", "http://example.org/")
        model = Scripted([("fetch", {"url": url}) for url in urls])
        tool = Fetch(world, fetcher, CONTEXT, (site.host,))
        site.pages["/more"] = Page(body=b"More.", kind="text/plain")
        try:
            await an_agent(world, model).work(an_assignment(tool))
        finally:
            await world.inbox.stop()

    found = await records(stream)
    acted = next(r for r in found if isinstance(r.body, TurnActed))
    kept = [r for r in found if isinstance(r.body, SnapshotKept)]
    refused = [r.body for r in found if isinstance(r.body, ActRefused)]
    assert [r.seq for r in kept] == [acted.seq + 1, acted.seq + 2]
    assert [(one.code, one.what) for one in refused] == [(HOST, "tool fetch")]
    state = world.state
    assert not state.snapshots.all  # a teammate is not sent them: it has what it brought
    reading = ReadSource(library, ("docs",), world.snapshots)
    name = f"snapshot:{kept[1].body.text.sha256[:20]}"  # type: ignore[union-attr]
    assert "L1| More." in (await call_tool(world, reading, source=name)).content
