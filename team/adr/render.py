"""A decision of a run as the text of a file, MADR 4 or as adr-tools writes it.

Pure. What people and models wrote comes out as data: each text is read back with the
reader of this package before it is used, and escaped if it reads differently.
Not for names, numbers and files: that is `team.adr.write`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Literal

import yaml
from msgspec import Struct

from bus.ids import PERSON
from team.adr.choices import ALTERNATIVES_MAX, STATEMENT_CHARS_MAX
from team.adr.content import Provenance
from team.adr.find import Found
from team.adr.inline import as_escaped, as_prose, as_written, plain
from team.adr.read import Adr, read_bytes
from team.adr.reasons import RATIONALE_CHARS_MAX
from team.adr.words import cut

Form = Literal["madr", "nygard"]
_Spell = Callable[[str], str]


class Replaced(Struct, frozen=True, kw_only=True):
    """A decision that a record brought into a run, and that no longer holds.

    Attributes:
        area: As it was read in the run; a token.
        key: Likewise.
        statement: Likewise.
        path: Likewise; for people only, as nobody knows any more what it is relative to.
    """

    area: str
    key: str
    statement: str
    path: str


class NewAdr(Struct, frozen=True, kw_only=True):
    """What a run decided.

    Attributes:
        area: What it concerns; a token.
        key: What it settles there; a token.
        statement: The choice, one line.
        rationale: Why; as many lines as it takes.
        alternatives: What was considered and not chosen.
        author: The member that recorded it.
        decided_on: The day, `YYYY-MM-DD`.
        run: The run it was recorded in; a token.
        revision: The sequence it has there.
        objections: What was objected and how it was ruled, a line each.
        relied_on: Decisions it rests on, as `area/key`.
        replaces: The decision that it supersedes, if that came from a record.
    """

    area: str
    key: str
    statement: str
    rationale: str = ""
    alternatives: tuple[str, ...] = ()
    author: str
    decided_on: str
    run: str
    revision: int
    objections: tuple[str, ...] = ()
    relied_on: tuple[str, ...] = ()
    replaces: Replaced | None = None

    @property
    def provenance(self) -> Provenance:
        """What names it among all decisions of all runs."""
        return Provenance(run=self.run, area=self.area, key=self.key, revision=self.revision)


class Predecessor(Struct, frozen=True, kw_only=True):
    """The decision that a new one supersedes, and the link from the new file to it."""

    number: int | None
    title: str
    href: str


def render(new: NewAdr, name: str, form: Form, old: Predecessor | None) -> str:
    """Return the text of the file `name`, with as few escapes as it needs to be read back."""
    text = _text(new, as_written, form, old, name)
    return text if _reads_back(text, new, name) else _text(new, as_escaped, form, old, name)


def _text(new: NewAdr, spell: _Spell, form: Form, old: Predecessor | None, name: str) -> str:
    pieces = _madr(new, spell, old) if form == "madr" else _nygard(new, spell, old, name)
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def _reads_back(text: str, new: NewAdr, name: str) -> bool:
    found = read_bytes(text.encode(), Found(path=Path(name), shown=name, folders=()))
    alternatives = [cut(line, STATEMENT_CHARS_MAX) for line in _lines(new.alternatives)]
    return (
        isinstance(found, Adr)
        and (found.area, found.key, found.status) == (new.area, new.key, "accepted")
        and found.title == plain(new.statement)
        and found.alternatives == tuple(alternatives[:ALTERNATIVES_MAX])
        and plain(new.rationale)[: RATIONALE_CHARS_MAX // 2] in plain(found.rationale)
    )


def _lines(texts: tuple[str, ...]) -> list[str]:
    """Return texts as lines, none of them empty or twice."""
    return list(dict.fromkeys(filter(None, map(plain, texts))))


# --- the two forms -------------------------------------------------------------------------


def _madr(new: NewAdr, spell: _Spell, old: Predecessor | None) -> Iterator[str]:
    statement = spell(new.statement)
    yield f"---\n{_front_matter(new)}---"
    yield f"# {statement}"
    yield "## Context and Problem Statement"
    yield _origin(new, spell)
    yield "## Considered Options"
    yield _bullets((new.statement, *_lines(new.alternatives)), spell)
    yield "## Decision Outcome"
    rationale = as_prose(new.rationale)
    yield f'Chosen option: "{statement}"{", because:" if rationale else "."}'
    yield rationale
    yield from _objections(new, spell)
    if new.replaces or new.relied_on:
        yield "## More Information"
        yield _premises(new, spell)
        yield f"It supersedes [{as_escaped(old.title)}]({old.href})." if old else _elsewhere(new)


def _nygard(new: NewAdr, spell: _Spell, old: Predecessor | None, name: str) -> Iterator[str]:
    yield f"# {int(name.partition('-')[0])}. {spell(new.statement)}"
    yield f"Date: {new.decided_on}"
    yield f"<!-- peerteam: {new.provenance} -->"
    yield "## Status"
    yield "Accepted"
    if old:
        number = "" if old.number is None else f"{old.number}. "
        yield f"Supersedes [{number}{as_escaped(old.title)}]({old.href})"
    yield "## Context"
    yield _origin(new, spell)
    yield "" if old else _elsewhere(new)
    yield "## Decision"
    yield spell(new.statement)
    yield as_prose(new.rationale)
    yield from _objections(new, spell)
    if alternatives := _lines(new.alternatives):
        yield "## Alternatives considered"
        yield _bullets(alternatives, spell)
    if new.relied_on:
        yield "## Consequences"
        yield _premises(new, spell)


def _front_matter(new: NewAdr) -> str:
    fields = {
        "status": "accepted",
        "date": date.fromisoformat(new.decided_on),
        "decision-makers": [plain(new.author)],
        "area": new.area,
        "peerteam": str(new.provenance),
    }
    return yaml.safe_dump(
        fields, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=None
    )


def _elsewhere(new: NewAdr) -> str:
    """Name a record that is superseded and kept in another place."""
    return f"It supersedes {as_escaped(new.replaces.path)}." if new.replaces else ""


def _origin(new: NewAdr, spell: _Spell) -> str:
    if new.author == PERSON:
        return (
            f"A person decided `{new.area}/{new.key}` in the run `{new.run}` of a team of agents, "
            f"on {new.decided_on}; it is revision {new.revision}."
        )
    return (
        f"A team of agents settled `{new.area}/{new.key}` in its run `{new.run}`; "
        f"{spell(new.author)} recorded it on {new.decided_on} as revision {new.revision}."
    )


def _objections(new: NewAdr, spell: _Spell) -> Iterator[str]:
    if lines := _lines(new.objections):
        yield "### Objections"
        yield _bullets(lines, spell)


def _premises(new: NewAdr, spell: _Spell) -> str:
    names = ", ".join(map(spell, _lines(new.relied_on)))
    return f"It holds as long as what it rests on: {names}." if names else ""


def _bullets(texts: tuple[str, ...] | list[str], spell: _Spell) -> str:
    return "\n".join(f"* {spell(text)}" for text in texts)
