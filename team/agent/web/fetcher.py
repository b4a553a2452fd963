"""Fetches one page after another, as the policy lets it: every hop is checked, and limited.

    check the address ─▶ ask robots.txt ─▶ pause ─▶ resolve, check ─▶ connect to what was checked
          ▲                                                              │
          └──────────────────────── redirect ◀───────────────────────────┘

The name is resolved here and the connection made to the address that was checked, so a name
that answers differently the second time leads nowhere. No proxy, no cookies, no keys.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import metadata
from typing import Final

import httpx2
import msgspec

from team.agent.web.bodies import ACCEPTED, read_body
from team.agent.web.robots import AGENT, ROBOTS_BYTES_MAX, Robots, RobotsFile
from team.codes.limits import HOST
from team.errors import FetchError
from team.policy import WebRules
from team.rules.hosts import Place, Reach, is_within, place_of, reach_of

HOPS_MAX: Final = 5
"""How many redirects are followed."""
PAUSE_S: Final = 1.0
"""The least time between two requests to one host, in seconds."""
PAUSE_S_MAX: Final = 30.0
"""The longest pause that a host gets, whatever it asks for, in seconds."""
TAKES: Final = (
    "text/html, text/markdown, text/plain, application/json, application/pdf, text/*;q=0.5"
)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What came: from where in the end, as what, which bytes.

    Attributes:
        url: After redirects.
        content_type: What the server says that it is.
        body: Its bytes.
        left_s: What is left of the time that policy gives the page, in seconds.
    """

    url: str
    content_type: str
    body: bytes
    left_s: float = 0.0


class _Response(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: httpx2.Headers
    body: bytes


class Fetcher:
    """What one member fetches with; close it at the end."""

    def __init__(
        self,
        rules: WebRules,
        *,
        resolve: Resolve | None = None,
        pause_s: float = PAUSE_S,
    ) -> None:
        """Make one; nothing is opened before it is used.

        Args:
            rules: The policy's word on the web.
            resolve: Finds the addresses of a name; absent: the system does.
            pause_s: The least time between two requests to one host, in seconds.
        """
        self._rules = rules
        self._resolve = resolve or _resolve
        self._pause_s = pause_s
        self._robots = Robots(self._read_robots)
        self._turns: dict[str, asyncio.Lock] = {}
        self._asked: dict[str, float] = {}

    async def fetch(self, url: str, within: Sequence[str] | None = None) -> Fetched:
        """Fetch a page.

        Args:
            url: Its address.
            within: Hosts of the contract, which narrow the policy's; absent: all of these.

        Raises:
            FetchError: Policy forbids it, the host does, or it can't be had; says which.
        """
        place = self._place(url, within)
        try:
            async with asyncio.timeout(self._rules.page_seconds) as limit:
                fetched = await self._follow(place, within, limit)
                left_s = (limit.when() or 0.0) - asyncio.get_running_loop().time()
                return msgspec.structs.replace(fetched, left_s=max(0.0, left_s))
        except TimeoutError as error:
            reason = f"it did not come within {self._rules.page_seconds:g} s"
            raise FetchError(place.url, reason) from error

    async def _follow(
        self, place: Place, within: Sequence[str] | None, limit: asyncio.Timeout
    ) -> Fetched:
        for _ in range(HOPS_MAX + 1):
            pause_s, due = await self._pause_asked(place), limit.when()
            limit.reschedule(None)  # a pause that a host wants is no time of the page's
            waited_s = await self._wait_for_turn(place, pause_s)
            limit.reschedule(None if due is None else due + waited_s)
            response = await self._get(place, self._rules.page_bytes_max, TAKES)
            if response.status not in _REDIRECTS:
                return _whole(place, response)
            place = self._next(place, response, within)
        raise FetchError(place.url, f"it leads on more than {HOPS_MAX} times")

    async def _pause_asked(self, place: Place) -> float | None:
        return await self._robots.check(place) if self._rules.robots else None

    def _place(self, url: str, within: Sequence[str] | None, base: Place | None = None) -> Place:
        """An address that policy and contract allow."""
        try:
            place = place_of(url, base)
        except ValueError as error:
            raise FetchError(
                repr(url[:200]), f"this is no address to fetch: {error}", HOST
            ) from error
        self._reach(place)
        if within is not None and reach_of(place, within) is None:
            allowed = ", ".join(within) or "none"
            reason = f"the contract does not allow {place.netloc!r}; its hosts are: {allowed}"
            raise FetchError(place.url, reason, HOST)
        return place

    def _next(
        self, place: Place, response: _Response, within: Sequence[str] | None = None
    ) -> Place:
        led = response.headers.get("location", "")
        if not led:
            raise FetchError(place.url, f"it leads on ({response.status}) to nowhere")
        try:
            return self._place(led, within, place)
        except FetchError as error:
            raise FetchError(place.url, f"it leads on to {error}", error.code) from error

    def _reach(self, place: Place) -> Reach:
        """How far a place may lead, by the policy."""
        reach = reach_of(place, self._rules.hosts)
        if reach is None:
            allowed = ", ".join(self._rules.hosts) or "none"
            reason = f"the policy does not allow {place.netloc!r}; [web] hosts are: {allowed}"
            raise FetchError(place.url, reason, HOST)
        return reach

    async def _get(
        self, place: Place, bytes_max: int, accept: str, *, cut: bool = False
    ) -> _Response:
        """One request to an address that was checked; redirects are not followed."""
        addresses = await self._addresses(place)
        failed: Exception | None = None
        for address in addresses:
            try:
                return await self._ask(place, address, bytes_max, accept, cut=cut)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
            except (httpx2.TransportError, httpx2.InvalidURL) as error:
                failed = error
                break
        raise FetchError(place.url, f"it can't be reached: {failed!r}") from failed

    async def _ask(
        self, place: Place, address: str, bytes_max: int, accept: str, *, cut: bool
    ) -> _Response:
        host = f"[{address}]" if ":" in address else address
        url = httpx2.URL(f"{place.scheme}://{host}:{place.port}{place.target}")
        headers = {
            "host": place.netloc,
            "user-agent": _user_agent(),
            "accept": accept,
            "accept-encoding": ACCEPTED,
        }
        named = {} if place.address is not None else {"sni_hostname": place.host}
        request = httpx2.Request("GET", url, headers=headers, extensions=named)
        transport = httpx2.AsyncHTTPTransport(trust_env=False, http2=False)
        async with transport:
            response = await transport.handle_async_request(request)
            try:
                headers_there = response.headers
                body = b""
                if response.status_code == _OK:
                    encoding = headers_there.get("content-encoding", "")
                    pieces = response.aiter_raw()
                    body = await read_body(place.url, pieces, encoding, bytes_max, cut=cut)
            finally:
                await response.aclose()
        return _Response(status=response.status_code, headers=headers_there, body=body)

    async def _addresses(self, place: Place) -> Sequence[str]:
        """The addresses of a place, all of which it may lead to."""
        reach = self._reach(place)
        if place.address is not None:
            found: Sequence[str] = [place.host]
        else:
            try:
                found = await self._resolve(place.host, place.port)
            except OSError as error:
                raise FetchError(place.url, f"{place.host} has no address: {error}") from error
        for address in found:
            if not is_within(place, reach, ipaddress.ip_address(address)):
                reason = f"{place.host} is {address}, of this machine or a private network"
                raise FetchError(place.url, reason, HOST)
        if not found:
            raise FetchError(place.url, f"{place.host} has no address")
        return found

    async def _read_robots(self, place: Place) -> RobotsFile:
        """A host's robots.txt, wherever that leads within the policy."""
        try:
            for _ in range(HOPS_MAX + 1):
                self._asked[place.site] = time.monotonic()
                response = await self._get(place, ROBOTS_BYTES_MAX, "text/plain", cut=True)
                if response.status not in _REDIRECTS:
                    text = response.body.decode(errors="replace")
                    reason = f"it answers {response.status}"
                    return RobotsFile(status=response.status, text=text, reason=reason)
                place = self._next(place, response)
        except FetchError as error:
            if error.code:
                raise  # what policy forbids is no matter of robots
            return RobotsFile(status=0, reason=str(error))
        return RobotsFile(status=404, reason="it leads on for too long")

    async def _wait_for_turn(self, place: Place, asked_s: float | None) -> float:
        """Leave a host the pause it wants; requests to one host come one after another.

        Returns:
            How long that took, in seconds.
        """
        began = time.monotonic()
        pause = min(max(self._pause_s, asked_s or 0.0), PAUSE_S_MAX)
        async with self._turns.setdefault(place.site, asyncio.Lock()):
            last = self._asked.get(place.site)
            if last is not None:
                await asyncio.sleep(max(0.0, last + pause - time.monotonic()))
            self._asked[place.site] = time.monotonic()
        return time.monotonic() - began


def _whole(place: Place, response: _Response) -> Fetched:
    if response.status != _OK:
        raise FetchError(place.url, f"the host answers {response.status}")
    kind = response.headers.get("content-type", "")
    return Fetched(url=place.url, content_type=kind, body=response.body)


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))


def _user_agent() -> str:
    try:
        return f"{AGENT}/{metadata.version('peerteam')}"
    except metadata.PackageNotFoundError:
        return AGENT
