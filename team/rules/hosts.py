"""Which addresses of the web may be reached: `[web] hosts` of the policy, and nothing else.

An entry is a host (`docs.python.org`), a pattern of hosts (`*.python.org`, which is every host
below it), or either with a port. Without a port it means the usual one of the scheme. Only an
entry that is an address itself, or a host with its port, or `localhost`, may lead to the machine
or a private network: so a public name that someone points there leads nowhere.

One parser reads an address, here; what is requested is put together from its parts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal
from urllib.parse import urljoin, urlsplit

import msgspec

PORTS: Final = {"http": 80, "https": 443}
"""What may be spoken, and its usual port."""
URL_CHARACTERS_MAX: Final = 2_000
WEB: Final = "web:"
"""What a source of a contract begins with that is a host to fetch from."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Reach = Literal["public", "private", "any"]
"""How far an entry leads: to public addresses, to private ones too, to whatever it names."""

_REACHES: Final[tuple[Reach, ...]] = ("public", "private", "any")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL: Final = ipaddress.IPv6Network("2000::/3")
_CARRYING: Final = tuple(
    ipaddress.IPv6Network(network) for network in ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48")
)
"""Networks that are not public and whose last 32 bits may be an IPv4 address."""
_LAST: Final = 0xFFFFFFFF
_BAD: Final = re.compile(r"[\\\s\x00-\x20\x7f]")
_MARKUP: Final = frozenset('<>"`{}|^[]')
_PORT_MAX: Final = 65_535
_OURS: Final = frozenset({"localhost"})


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an address of the web leads.

    Attributes:
        scheme: `http` or `https`.
        host: In lower case, without a last dot; an IPv6 address without brackets.
        port: Always there.
        target: Path and query as they are asked for.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def netloc(self) -> str:
        """Host and port as a `Host` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def site(self) -> str:
        """What all pages of the host have in common."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def url(self) -> str:
        """The whole address, without a fragment."""
        return f"{self.site}{self.target}"

    @property
    def address(self) -> Address | None:
        """The address that the host is, if it is no name."""
        return _address(self.host)


def place_of(url: str, base: Place | None = None) -> Place:
    """Read an address, as a page at `base` would mean it.

    Raises:
        ValueError: It is none that can be fetched; says why.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise ValueError(f"it has {len(url)} characters, at most {URL_CHARACTERS_MAX}")
    whole = urljoin(base.url, url) if base is not None else url
    if _BAD.search(whole):
        raise ValueError("it holds a space, a backslash or a control character")
    parts = urlsplit(whole)
    if parts.scheme not in PORTS:
        raise ValueError(f"only http and https are fetched, not {parts.scheme or 'nothing'!r}")
    if "@" in parts.netloc:
        raise ValueError("it carries a user or a password")
    host, port = _host(parts.hostname or ""), parts.port
    target = _quoted(parts.path or "/") + (f"?{_quoted(parts.query)}" if parts.query else "")
    return Place(
        scheme=parts.scheme,
        host=host,
        port=PORTS[parts.scheme] if port is None else port,
        target=target,
    )


def reach_of(place: Place, entries: Sequence[str]) -> Reach | None:
    """How far the entries let a place lead; nothing if none of them names it."""
    found = [reach for entry in entries if (reach := _reach(place, entry)) is not None]
    return max(found, key=_REACHES.index, default=None)


def is_within(place: Place, reach: Reach, address: Address) -> bool:
    """Whether a place that leads so far may be looked for at an address."""
    if reach == "any":
        return True
    meant = _meant(address)
    if any(one.is_multicast or one.is_unspecified for one in meant):
        return False
    if place.address is None and any(one.is_link_local for one in meant):
        return False
    return reach == "private" or all(_is_public(one) for one in meant)


def entry_problem(entry: str) -> str | None:
    """Why an entry can't be one of `[web] hosts`; nothing if it can."""
    if "/" in entry or "@" in entry or not entry.strip() or entry != entry.strip():
        return "write a host such as docs.python.org, a pattern such as *.python.org, or host:port"
    try:
        host, port = _split(entry)
    except UnicodeError:
        return "it can't be written in ASCII: write the host as xn--…"
    except ValueError as error:
        return str(error)
    if not host.strip("*.") and host != "*":
        return "it names no host"
    return None if port is None or 0 < port <= _PORT_MAX else f"{port} is no port"


def names_host(host: str, entries: Sequence[str]) -> bool:
    """Whether a host that a lane names is one of the policy's, or inside one of its patterns."""
    if host in entries:
        return True
    try:
        name, port = _split(host)
        place = place_of(f"http{'s' if port is None else ''}://{host}/")
    except ValueError:
        return False
    return not set("*?[") & set(name) and reach_of(place, entries) is not None


def hosts_of(sources: Sequence[str]) -> tuple[str, ...]:
    """The hosts among the sources of a contract."""
    return tuple(source.removeprefix(WEB) for source in sources if source.startswith(WEB))


def in_ascii(host: str) -> str:
    """A host, or a pattern of hosts, as the net spells it (`münchen.de` is `xn--mnchen-3ya.de`).

    Raises:
        UnicodeError: It has no such spelling, or a pattern within a label that is not ASCII.
    """
    if host.isascii():
        return host
    for label in host.split("."):
        if not label.isascii() and set("*?[") & set(label):
            raise UnicodeError(f"{label!r} is a pattern and not ASCII")
    return host.encode("idna").decode().lower()


def _reach(place: Place, entry: str) -> Reach | None:
    try:
        host, port = _split(entry)
    except ValueError:
        return None
    if place.port != (PORTS[place.scheme] if port is None else port):
        return None
    if _address(host) is not None:
        return "any" if _address(host) == place.address else None
    if place.address is not None or not fnmatchcase(place.host, host):
        return None
    is_literal = not set("*?[") & set(host)
    return "private" if is_literal and (port is not None or host in _OURS) else "public"


def _split(entry: str) -> tuple[str, int | None]:
    """The host and the port of an entry."""
    if _address(entry) is not None:
        return entry, None
    parts = urlsplit(f"//{entry}") if entry.startswith("[") else None
    if parts is not None:
        return parts.hostname or "", parts.port
    host, colon, port = entry.lower().partition(":")
    if colon and not port.isdecimal():
        raise ValueError(f"{port!r} is no port")
    return in_ascii(host.rstrip(".")), int(port) if colon else None


def _host(host: str) -> str:
    if not host:
        raise ValueError("it names no host")
    if _address(host) is not None:
        return str(_address(host))
    try:
        name = host.rstrip(".").encode("idna").decode().lower()
    except UnicodeError as error:
        raise ValueError(f"its host is no name: {error}") from error
    if not name or not all(c.isalnum() or c in "-._" for c in name):
        raise ValueError("its host is no name")
    return name


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _meant(address: Address) -> tuple[Address, ...]:
    """The addresses that one stands for: what is inside of it, itself if that may be meant, too."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    last = ipaddress.IPv4Address(int(address) & _LAST)
    if address in _NAT64:
        return (last,)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        return (inner,)
    if address.teredo is not None:
        return address.teredo
    is_carrying = int(address) > 1 and any(address in network for network in _CARRYING)
    return (address, last) if is_carrying else (address,)


def _is_public(address: Address) -> bool:
    return address.is_global and (address.version == 4 or address in _GLOBAL)  # noqa: PLR2004


def _quoted(text: str) -> str:
    """A path or a query in ASCII, without what would be markup; what is escaped stays so."""
    return "".join(
        c
        if c.isascii() and c not in _MARKUP
        else "".join(f"%{byte:02X}" for byte in c.encode(errors="replace"))
        for c in text
    )
