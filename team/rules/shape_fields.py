"""A shape as flat fields with dotted names: what is compared, and what bounds are put on.

Source: docs/comparing-runs.md, "Fields".
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from team.rules.shape import Counts, Shape, Work

Value = int | float | str
"""A number, or a text such as a status."""

UNKNOWN: Final = "unknown"
NONE: Final = "none"

_WORK: Final = {
    "turns": "model calls",
    "tool_calls": "tool calls, returning ones too",
    "tools.<tool>": "calls of one tool",
    "tokens.input": "tokens read, cached ones included",
    "tokens.output": "tokens written",
    "dollars": "US dollars, or `unknown`",
}
FIELDS: Final[dict[str, str]] = {
    "status": "how the run ended, or `unfinished`",
    "mode": "`team` or `solo`",
    "lanes": "lanes on the board",
    "lanes_admitted": "lanes whose finding was admitted",
    "stages": "how deep the lanes wait for one another",
    "rounds": "rounds of all lanes together",
    "members": "members, the lead and verifiers too",
    **_WORK,
    "seconds": "wall time, waiting for a person not counted",
    "findings.submitted": "findings that were submitted",
    "findings.admitted": "findings that were admitted",
    "findings.rejected": "findings that were refused, or overtaken by a later one",
    "claims.submitted": "claims in all submitted findings",
    "claims.admitted": "claims that may be cited",
    "claims.rejected": "claims in refused findings",
    "claims.cited": "claims that the result cites",
    "missing": "things that the result says it lacks",
    "verdicts.<check>.upheld": "judgements of one check that uphold",
    "verdicts.<check>.refuted": "judgements of one check that refute",
    "verdicts.<check>.unsure": "judgements of one check that are unsure: a no as well",
    "mail.<kind>": "letters of one kind",
    "decisions.made": "revisions of decisions that the run made",
    "decisions.standing": "decisions that held from the start",
    "disputes.objections": "objections to decisions",
    "disputes.rulings": "rulings on decisions",
    "conflicts.<state>": "conflicts between claims, by how they stand",
    "refusals.<code>": "acts that code refused, by the rule's code",
    "unread": "records that this version of peerteam can't read",
    "roles.<role>.members": "members of one role",
    **{f"roles.<role>.{name}": f"{what}, by members of one role" for name, what in _WORK.items()},
    "lane.<title>.state": "how the task of one lane stands",
    "lane.<title>.sources": "what one lane may use",
    "lane.<title>.after": "lanes that one lane waits for",
    "lane.<title>.stage": "how deep one lane lies, from 1",
    "lane.<title>.rounds": "rounds of one lane",
    **{f"lane.<title>.{name}": f"{what}, for the task of one lane" for name, what in _WORK.items()},
    "setup.goal": "first digits of the goal's hash",
    "setup.team": "name of the team spec",
    "setup.models": "models that answered",
    "setup.roles.<role>": "first digits of one role file's hash",
}
"""Every field there can be and what it says; a part in angle brackets is any word."""

TEXTS: Final = frozenset(
    {
        "status",
        "mode",
        "lane.<title>.state",
        "lane.<title>.sources",
        "lane.<title>.after",
        "setup.goal",
        "setup.team",
        "setup.models",
        "setup.roles.<role>",
    }
)
"""The fields that are texts; all others are numbers."""

_PARTS: Final = {name: tuple(name.split(".")) for name in FIELDS}
_PLACES: Final = {name: place for place, name in enumerate(FIELDS)}
_HEADS: Final = [parts[0] for parts in _PARTS.values()]


def fields_of(shape: Shape) -> dict[str, Value]:
    """All fields of a shape, by name."""
    fields: dict[str, Value] = {
        "status": shape.status,
        "mode": shape.mode or NONE,
        "lanes": len(shape.lanes),
        "lanes_admitted": sum(lane.state == "admitted" for lane in shape.lanes),
        "stages": max((lane.stage for lane in shape.lanes), default=0),
        "rounds": sum(lane.rounds for lane in shape.lanes),
        "members": sum(role.members for role in shape.roles.values()),
        "seconds": shape.seconds,
        "missing": shape.missing,
        "unread": shape.unread,
        **_of_work("", shape.work),
        **_of_setup(shape),
    }
    for group in ("findings", "claims", "mail", "decisions", "disputes", "conflicts", "refusals"):
        fields |= _of_counts(group, getattr(shape, group))
    for check, outcomes in shape.verdicts.items():
        fields |= _of_counts(f"verdicts.{_word(check)}", outcomes)
    for role, played in shape.roles.items():
        place = f"roles.{_word(role)}"
        fields |= {f"{place}.members": played.members, **_of_work(f"{place}.", played.work)}
    return fields | _of_lanes(shape)


def template_of(name: str) -> str | None:
    """The entry of `FIELDS` that a field belongs to; nothing if there is no such field."""
    parts = name.split(".")
    return next((t for t, kind in _PARTS.items() if _fits(parts, kind, len(kind))), None)


def is_group(name: str) -> bool:
    """Whether a name is that of a field, or of a group of fields."""
    parts = name.split(".")
    return any(_fits(parts, kind, len(parts)) for kind in _PARTS.values())


def place_of(name: str) -> tuple[int, str, int, str]:
    """Where a field stands among others: by group, then by lane or role, then as in `FIELDS`."""
    template = template_of(name)
    if template is None:
        return (len(FIELDS), "", 0, name)
    kind = _PARTS[template]
    word = next((w for w, part in zip(name.split("."), kind, strict=True) if part[0] == "<"), "")
    return (_HEADS.index(kind[0]), word, _PLACES[template], name)


def absent(template: str) -> Value:
    """What a field says in a shape that does not have it."""
    return NONE if template in TEXTS else 0


def _fits(parts: list[str], kind: tuple[str, ...], length: int) -> bool:
    if len(parts) != length or length > len(kind):
        return False
    return all(
        bool(part) and (wanted == part or wanted.startswith("<"))
        for part, wanted in zip(parts, kind, strict=False)
    )


def _of_setup(shape: Shape) -> dict[str, Value]:
    setup = shape.setup
    return {
        "setup.goal": setup.goal,
        "setup.team": setup.team or NONE,
        "setup.models": ", ".join(setup.models) or NONE,
        **{f"setup.roles.{_word(role)}": digits for role, digits in setup.roles.items()},
    }


def _of_work(prefix: str, work: Work) -> dict[str, Value]:
    return {
        f"{prefix}turns": work.turns,
        f"{prefix}tool_calls": sum(work.tools.values()),
        **_of_counts(f"{prefix}tools", work.tools),
        f"{prefix}tokens.input": work.input_tokens,
        f"{prefix}tokens.output": work.output_tokens,
        f"{prefix}dollars": UNKNOWN if work.cost_usd is None else work.cost_usd,
    }


def _of_counts(group: str, counts: Counts) -> dict[str, Value]:
    summed: Counter[str] = Counter()
    for word, count in counts.items():
        summed[f"{group}.{_word(word)}"] += count
    return dict(summed)


def _of_lanes(shape: Shape) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    seen: Counter[str] = Counter()
    for lane in shape.lanes:
        word = _word(lane.title)
        seen[word] += 1
        place = f"lane.{word}" if seen[word] == 1 else f"lane.{word}~{seen[word]}"
        fields |= {
            f"{place}.state": lane.state,
            f"{place}.sources": ", ".join(lane.sources) or NONE,
            f"{place}.after": ", ".join(lane.after) or NONE,
            f"{place}.stage": lane.stage,
            f"{place}.rounds": lane.rounds,
            **_of_work(f"{place}.", lane.work),
        }
    return fields


def _word(text: str) -> str:
    """A text as one part of a dotted name."""
    kept = "".join(c if c.isalnum() or c in "_-" else " " for c in text)
    return "-".join(kept.split()) or "-"
