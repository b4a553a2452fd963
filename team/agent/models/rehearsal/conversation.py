"""Read a Messages API request as a member's situation: briefing, calls, mail.

Stateless, like the API: all there is to know stands in the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any

import msgspec

from bus.messages import Evidence
from team.agent.briefing import CUT_OFF_SAID, Briefing
from team.agent.earlier import Earlier, read_earlier
from team.sources import Locator, parse_locator
from team.tool_names import FETCH, RECALL

_FENCE = re.compile(r"```json\n(.*?)\n```", re.DOTALL)
_MAIL = re.compile(r"<mail ([^>]*)>\n(.*?)\n?</mail>", re.DOTALL)
_EVIDENCE = re.compile(r'<evidence source="([^"]*)" locator="([^"]*)">(.*?)</evidence>', re.DOTALL)
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_HEAD = re.compile(r"== (\S+) (\S+) \(([^,)]+)")
_DECISION = re.compile(
    r"(?<![\w/~])([\w-]+)/([\w-]+) r(\d+) \(([\w-]+)(?:, standing)?\)(?: \[contested\])?: ([^\n]*)"
)
_WHY = re.compile(r" Why: .*$")
_LINE = re.compile(r"L(\d+)\| ?(.*)")
_OUTSIDE = re.compile(r'<outside source="([^"]+)" origin="([^"]*)">')
_RECALLED = re.compile(r"turn (\d+), call (\d+): [^\n]*\n(.*)", re.DOTALL)


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that was called and what it gave back.

    Attributes:
        left: Turn and call, if what it gave has left the context, but for how it begins.
        is_recalled: Whether that was given back since.
    """

    tool: str
    input: dict[str, Any]  # what the model wrote
    content: str
    is_error: bool
    left: tuple[int, int] | None = None
    is_recalled: bool = False


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it stands in a context."""

    id: str
    author: str
    kind: str
    text: str
    in_reply_to: str
    evidence: tuple[Evidence, ...]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as a context or a tool's answer shows it."""

    area: str
    key: str
    revision: int
    author: str
    statement: str


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of a source as a tool has shown them."""

    source: str
    group: str
    locator: Locator
    lines: tuple[str, ...]


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What a member has been told and has done so far.

    A call that was cut off was not made, so it is not among what was done.

    Attributes:
        briefing: What its assignment began with.
        done: Its calls, in order; not the looks at turns that have left the context.
        mail: What it was sent.
        texts: All that entered beside answers, in order.
        tools: What it may do.
        recalls: How many looks at such turns have left the context themselves.
        was_cut_off: Whether a call was cut off.
    """

    briefing: Briefing
    done: tuple[Done, ...]
    mail: tuple[Mail, ...]
    texts: tuple[str, ...]
    tools: frozenset[str]
    recalls: int = 0
    was_cut_off: bool = False

    def calls_of(self, tool: str) -> list[Done]:
        """What was called of one tool, in order."""
        return [call for call in self.done if call.tool == tool]

    @property
    def out_of_sight(self) -> list[tuple[int, int]]:
        """Searches and reads, by turn and call, that have left the context, if one is not back.

        All of them, since they are of use only together, and may not fit in one by one.
        """
        looks = (*self.calls_of("search_sources"), *self.calls_of("read_source"))
        left = [call for call in looks if call.left is not None]
        is_seen = all(call.is_recalled for call in left)
        return [] if is_seen else [call.left for call in left if call.left is not None]

    @property
    def passages(self) -> list[Passage]:
        """Everything that searches and reads have shown, in order."""
        looks = ("search_sources", "read_source", FETCH)
        shown = [call for tool in looks for call in self.calls_of(tool)]
        return [passage for call in shown for passage in self.shown_by(call)]

    def shown_by(self, call: Done) -> list[Passage]:
        """What one search or read has shown; nothing if it failed."""
        return [] if call.is_error else list(_passages(call))

    @property
    def decisions(self) -> dict[tuple[str, str], Choice]:
        """The newest revision of each decision that was shown, by area and key."""
        blocks = [text for text in self.texts if text.startswith("<decisions>")]
        answers = [c.content for c in self.done if c.tool.endswith(("_decision", "_decisions"))]
        found: dict[tuple[str, str], Choice] = {}
        for text in (*blocks, *answers):
            for area, key, revision, author, said in _DECISION.findall(text):
                choice = Choice(
                    area=area,
                    key=key,
                    revision=int(revision),
                    author=author,
                    statement=unescape(_WHY.sub("", said)),
                )
                known = found.get((area, key))
                if known is None or choice.revision >= known.revision:
                    found[area, key] = choice
        return found

    def is_ruled(self, area: str, key: str) -> bool:
        """Whether a context was told how a dispute over a decision has ended."""
        told = re.compile(rf"^! {area}/{key} r\d+ .*is (upheld|superseded|withdrawn)", re.M)
        return any(told.search(text) for text in self.texts)

    @property
    def is_wrapping_up(self) -> bool:
        """Whether the runtime asked to return now."""
        return any(text.startswith("Wrap up:") for text in self.texts)

    @property
    def unanswered(self) -> list[Mail]:
        """Questions and challenges that no call has replied to."""
        replied = {call.input.get("in_reply_to") for call in self.calls_of("send_message")}
        asks = ("question", "challenge")
        return [m for m in self.mail if m.kind in asks and m.id not in replied]


def read_request(request: dict[str, Any]) -> Situation | None:
    """Read a request; nothing if it is not one of this runtime's."""
    opening, *texts = [*_texts(request)] or [""]
    found = _FENCE.search(opening)
    if found is None:
        return None
    try:
        briefing = msgspec.json.decode(found.group(1), type=Briefing)
    except msgspec.DecodeError:
        return None
    earlier = read_earlier(texts[0]) if texts else None
    now = list(_calls(request))
    if earlier is not None:
        texts = [*earlier.told, *earlier.mail, *texts[1:]]
    return Situation(
        briefing=briefing,
        done=tuple(call for call in (*_earlier(earlier, now), *now) if _was_done(call)),
        mail=tuple(mail for text in texts for mail in _mail(text)),
        texts=tuple(texts),
        tools=frozenset(tool["name"] for tool in request.get("tools", [])),
        recalls=0 if earlier is None else earlier.recalls,
        was_cut_off=any(map(_is_cut_off, now)),
    )


def _was_done(call: Done) -> bool:
    return call.tool != RECALL and not _is_cut_off(call)


def _earlier(earlier: Earlier | None, now: Sequence[Done]) -> Iterator[Done]:
    """Calls of turns that have left the context, with their answers where these were recalled."""
    recalled = {
        (int(found.group(1)), int(found.group(2))): found.group(3)
        for call in now
        if call.tool == RECALL and (found := _RECALLED.match(call.content)) is not None
    }
    for call in earlier.calls if earlier is not None else ():
        place = call.turn, call.call
        yield Done(
            tool=call.tool,
            input=call.input,
            content=recalled.get(place, call.gave),
            is_error=call.is_error,
            left=place if call.characters > len(call.gave) else None,
            is_recalled=place in recalled,
        )


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _texts(request: dict[str, Any]) -> Iterator[str]:
    for message in request["messages"]:
        if message["role"] == "user":
            for block in _blocks(message):
                if block["type"] == "text":
                    yield block["text"]


def _calls(request: dict[str, Any]) -> Iterator[Done]:
    asked: dict[str, dict[str, Any]] = {}
    for message in request["messages"]:
        for block in _blocks(message):
            if block["type"] == "tool_use":
                asked[block["id"]] = block
            elif block["type"] == "tool_result":
                call = asked[block["tool_use_id"]]
                yield Done(
                    tool=call["name"],
                    input=call["input"],
                    content=block["content"],
                    is_error=block.get("is_error", False),
                )


def _is_cut_off(call: Done) -> bool:
    return call.is_error and CUT_OFF_SAID in call.content


def _mail(text: str) -> Iterator[Mail]:
    for head, body in _MAIL.findall(text):
        named = {key: unescape(value) for key, value in _ATTRIBUTE.findall(head)}
        evidence = tuple(
            Evidence(source=unescape(s), locator=unescape(at), quote=unescape(quote))
            for s, at, quote in _EVIDENCE.findall(body)
        )
        yield Mail(
            id=named.get("id", ""),
            author=named.get("from", ""),
            kind=named.get("kind", ""),
            text=unescape(_EVIDENCE.sub("", body)).strip(),
            in_reply_to=named.get("in_reply_to", ""),
            evidence=evidence,
        )


def _passages(call: Done) -> Iterator[Passage]:
    if call.tool == FETCH:
        yield from _fetched(call)
        return
    for part in call.content.split("\n\n== "):
        head, *rest = part.removeprefix("== ").split("\n")
        found = _HEAD.match(f"== {head}")
        if found is None:
            continue
        lines = [matched.group(2) for line in rest if (matched := _LINE.match(line))]
        if lines:
            source, locator, group = found.groups()
            yield Passage(
                source=source, group=group, locator=parse_locator(locator), lines=tuple(lines)
            )


def _fetched(call: Done) -> Iterator[Passage]:
    """What a page shows: one passage of all its lines."""
    found = _OUTSIDE.match(call.content)
    lines = [m.group(2) for line in call.content.split("\n") if (m := _LINE.match(line))]
    if found is not None and lines:
        yield Passage(
            source=found.group(1),
            group=found.group(2),
            locator=Locator(page=None, first=1, last=len(lines)),
            lines=tuple(unescape(line) for line in lines),
        )
