"""Decisions that a repository keeps as files: read them, and say what was left out.

MADR 2 to 4, adr-tools, and looser forms with the same headings. Reading never fails over
what is in a file. Not for writing any: that is `team.adr.write`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct

from team.adr import content
from team.adr.choices import STATEMENT_CHARS_MAX, alternatives, choice
from team.adr.content import Provenance
from team.adr.document import Document, read_document
from team.adr.find import Found, LeftOut, find_files, number_of
from team.adr.inline import one_line, unlabelled
from team.adr.reasons import rationale
from team.adr.status import AdrStatus, Status, is_choice, read_status, standing_text
from team.adr.words import cut, says, token

FILE_BYTES_MAX: Final = 256 * 1024
"""The largest file that is read."""
AREA_DEFAULT: Final = "team"

_AREA_FIELDS = ("area", "tags", "categories", "category")
# Folders that say that there are decisions in them, and not which.
_SHELVES = frozenset("adr adrs doc docs decision decisions records architecture".split())
_RANKS: Final[dict[AdrStatus, int]] = {"accepted": 2, "proposed": 1}
_STATES = "proposed, accepted, superseded, deprecated or rejected"


class Adr(Struct, frozen=True, kw_only=True):
    """One decision as a file keeps it.

    Attributes:
        path: The file, relative to where the caller is if it is below.
        number: In the file's name, or else in its title; None for a date or nothing.
        area: What it concerns; a token.
        key: What it settles there; a token, from the file's name.
        title: Without its number.
        statement: One line, 1 to 280 characters.
        rationale: The text that explains it, at most 4,000 characters.
        alternatives: What was considered and not chosen, a line each, at most 10.
        status: No word at all for it counts as accepted.
        superseded_by: What came in its place, as the file names it: a link's target, or words.
    """

    path: str
    number: int | None
    area: str
    key: str
    title: str
    statement: str
    rationale: str = ""
    alternatives: tuple[str, ...] = ()
    status: AdrStatus
    superseded_by: str | None = None

    @property
    def name(self) -> str:
        """Area and key, as people write it."""
        return f"{self.area}/{self.key}"


class AdrSet(Struct, frozen=True, kw_only=True):
    """What some paths hold.

    Attributes:
        adrs: By path; no area and key twice.
        left_out: By path: every file that was seen and not used.
    """

    adrs: tuple[Adr, ...]
    left_out: tuple[LeftOut, ...]


def read_adrs(paths: Sequence[str], cwd: Path) -> AdrSet:
    """Read all decisions below some paths.

    Args:
        paths: Folders (all `*.md` below them, save indexes and templates), files, globs.
        cwd: What relative paths are relative to.

    Returns:
        Of files with the same area and key the one that holds: accepted before proposed
        before the rest, then the highest number. The others are left out.

    Raises:
        AdrError: A path does not exist, or there is too much below it.
    """
    files, unwanted = find_files(paths, cwd)
    read = [read_file(file) for file in files]
    adrs, doubled = _one_of_each([each for each in read if isinstance(each, Adr)])
    left_out = [*unwanted, *(each for each in read if isinstance(each, LeftOut)), *doubled]
    return AdrSet(
        adrs=tuple(sorted(adrs, key=lambda adr: PurePosixPath(adr.path).parts)),
        left_out=tuple(sorted(left_out, key=lambda each: PurePosixPath(each.path).parts)),
    )


def read_file(file: Found) -> Adr | LeftOut:
    """Read one file; what is wrong with it is told, not raised."""
    try:
        with file.path.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        return LeftOut(path=file.shown, reason=f"it can't be read ({error.strerror})")
    return read_bytes(data, file)


def read_bytes(data: bytes, file: Found) -> Adr | LeftOut:
    """Read what one file holds."""
    if len(data) > FILE_BYTES_MAX:
        reason = f"it has more than {FILE_BYTES_MAX // 1024} KiB; shorten it"
        return LeftOut(path=file.shown, reason=reason)
    try:
        document = read_document(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8; save it as UTF-8"
        return LeftOut(path=file.shown, reason=reason)
    status = told_status(document)
    reason = _unfit(document) or (status if isinstance(status, str) else "")
    if reason or isinstance(status, str):
        return LeftOut(path=file.shown, reason=reason)
    return _adr(document, status, file)


def _unfit(document: Document) -> str:
    """Say why a document is no decision; "" if it may be one."""
    if document.flaw:
        return document.flaw
    written = written_title(document)
    if not one_line(unlabelled(written)):
        return "it has no title; start it with a line `# Title`"
    if content.PLACEHOLDER.fullmatch(written):
        return "its title is still the template's; write one"
    if not content.is_decision(document):
        return "it has no status and no section Decision; add one if it is a decision"
    return ""


def told_status(document: Document) -> Status | str:
    """Return the state, or else what is wrong with the words for it.

    A file that says in one place that it is accepted, and otherwise in another, is not.
    """
    texts = content.status_texts(document)
    first = _status(texts[0]) if texts else Status(status="accepted")
    if isinstance(first, Status) and first.status == "accepted":
        others = (None if is_choice(text) else read_status(text) for text in texts[1:])
        return next((other for other in others if other and other.status != "accepted"), first)
    return first


def _status(text: str) -> Status | str:
    if not (words := one_line(text)):
        return f"its status is empty; write {_STATES}"
    if not one_line(standing_text(text)):
        return f"its status is struck out; write {_STATES}"
    if is_choice(text):
        return f"its status is still the template's; write {_STATES}"
    return read_status(text) or f'unknown status "{cut(words, 60)}"; write {_STATES}'


def _adr(document: Document, status: Status, file: Found) -> Adr:
    number, _, stem = number_of(file.path.name)
    source = content.provenance(document)
    written = written_title(document)
    title = one_line(unlabelled(written))
    chosen = None if source else choice(document)
    return Adr(
        path=file.shown,
        number=_title_number(written) if number is None else number,
        area=_area(document, file, source),
        key=_key(stem or title, source),
        title=title,
        statement=_statement(title, chosen),
        rationale=rationale(document, title),
        alternatives=alternatives(document, title, chosen),
        status=status.status,
        superseded_by=status.superseded_by,
    )


def written_title(document: Document) -> str:
    """Return the title as written: the first heading, or else a field of the front matter."""
    section = content.title_section(document)
    heading = section.heading if section and one_line(section.heading) else ""
    return heading or content.field(document, "title") or ""


def _title_number(written: str) -> int | None:
    label = written[: len(written.strip()) - len(unlabelled(written))]
    found = re.search(r"\d{1,6}(?!\d)", label)
    return int(found[0]) if found else None


def _statement(title: str, chosen: str | None) -> str:
    whole = f"{title.rstrip(' .:')}: {chosen}"
    is_told = chosen is None or says(title, chosen) or len(whole) > STATEMENT_CHARS_MAX
    return cut(title, STATEMENT_CHARS_MAX) if is_told else whole


def _area(document: Document, file: Found, source: Provenance | None) -> str:
    """Return the area: a field's, that of the run it comes from, or the folder's."""
    for name in _AREA_FIELDS:
        text = (content.field(document, name) or "").split(",")[0]
        if area := token(text, ""):
            # A run's own spelling, unless somebody has changed the field since.
            return source.area if source and token(source.area, "") == area else area
    if source:
        return source.area
    folders = [name for name in file.folders if name.lower() not in _SHELVES]
    return token("-".join(folders), AREA_DEFAULT)


def _key(stem: str, source: Provenance | None) -> str:
    key = token(stem, "decision")
    return source.key if source and token(source.key, "decision") == key else key


def _one_of_each(adrs: Sequence[Adr]) -> tuple[list[Adr], list[LeftOut]]:
    """Return the decision that holds for each area and key, and the files of all others."""
    held: dict[str, Adr] = {}
    for adr in sorted(adrs, key=weight):
        held[adr.name] = adr
    others = [adr for adr in adrs if held[adr.name] is not adr]
    doubled = [LeftOut(path=adr.path, reason=_outweighed(adr, held[adr.name])) for adr in others]
    return list(held.values()), doubled


def _outweighed(adr: Adr, other: Adr) -> str:
    if adr.status not in _RANKS:
        return f"it is {adr.status}; of {adr.name}, {other.path} holds"
    same = f"it has the same area and key ({adr.name}) as {other.path}"
    return f"{same}, which holds; rename one, or mark this one superseded"


def weight(adr: Adr) -> tuple[int, int, str]:
    """Return how much a decision weighs against others of its area and key."""
    number = -1 if adr.number is None else adr.number
    return _RANKS.get(adr.status, 0), number, adr.path
