"""What a person does with decisions from outside a run: decide, challenge, rule.

A person outranks every member. Each act is one conditional write; if somebody moves
the key meanwhile, it is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from bus.errors import ConflictError
from bus.ids import PERSON, check_token
from bus.messages import (
    DecisionChallenged,
    DecisionExplained,
    DecisionRecorded,
    DecisionRuled,
    RulingOutcome,
)
from bus.run_stream import Entry, RunStream
from bus.subjects import decision as decision_subject
from bus.subjects import rationale as rationale_subject
from team.agent.decision_log import WholeLog
from team.agent.tools.decision_tools import RATIONALE_CHARACTERS_MAX, REASON_CHARACTERS_MAX
from team.agent.tools.ruling_tools import remaining_premises
from team.errors import NearDecisionError, SpecError, StateError
from team.rules.decision_lines import line_of
from team.state import Decision, Decisions
from team.state.decision import statement_problem, why_no_objection

TRIES_MAX: Final = 5


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """Which decision is meant."""

    area: str
    key: str

    def __str__(self) -> str:
        return f"{self.area}/{self.key}"


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What a person's act was stored as, and what it was about.

    Attributes:
        seq: Its sequence; of a decision, that is its revision.
        before: The decision that held or was proposed before.
    """

    seq: int
    before: Decision | None


def parse_name(text: str) -> Name:
    """Read `AREA/KEY`.

    Raises:
        SpecError: It is something else.
        InvalidNameError: A part has characters that no name may have.
    """
    area, slash, key = text.partition("/")
    if not slash or "/" in key:
        raise SpecError("AREA/KEY", "", f"{text!r} is not an area and a key", "write api/paging")
    return Name(area=check_token("area", area), key=check_token("key", key))


def check_line(label: str, text: str) -> str:
    """Return a text if it can be a statement, without spaces around it.

    Raises:
        SpecError: It is empty, too long, more than one line, or can't be seen.
    """
    line = text.strip()
    problem = statement_problem(line)
    if problem is not None:
        raise SpecError(label, "", problem, "say it in one line")
    return line


def check_text(label: str, text: str, characters_max: int = REASON_CHARACTERS_MAX) -> str:
    """Return a text if it says something and is not too long.

    Raises:
        SpecError: It is empty or too long.
    """
    if not text.strip():
        raise SpecError(label, "", "it is empty", "say why")
    return _check_length(label, text.strip(), characters_max)


async def decide(
    stream: RunStream,
    name: Name,
    statement: str,
    explained: DecisionExplained,
    *,
    is_distinct: bool = False,
) -> Acted:
    """Put a decision in force; what held for its key is superseded.

    Args:
        stream: The run's.
        name: Area and key.
        statement: One line of at most 280 characters.
        explained: Why; may be empty.
        is_distinct: Whether similar decisions were looked at and say something else.

    Raises:
        NearDecisionError: Similar decisions hold in the area; nothing was stored.
        StateError: Others kept writing there.
    """
    whole = WholeLog(stream)

    def make(log: Decisions) -> tuple[Decision | None, list[Entry]]:
        current = log.in_force(name.area, name.key)
        before = current or log.proposal(name.area, name.key)
        near = [d for d in whole.index.near(name.area, statement) if d.name != str(name)]
        if near and not is_distinct:
            raise NearDecisionError(str(name), tuple(line_of(decision) for decision in near))
        body = DecisionRecorded(
            statement=statement,
            supersedes=current.seq if current is not None else None,
            distinct_from=tuple(decision.name for decision in near),
        )
        entry = _entry(stream, name, log, body)
        if explained == DecisionExplained():
            return before, [entry]
        subject = rationale_subject(stream.run, name.area, name.key, PERSON)
        return before, [entry, Entry(subject=subject, body=explained, cause=entry.id)]

    return await _act(stream, whole, name, make)


async def challenge(stream: RunStream, name: Name, reason: str, instead: str = "") -> Acted:
    """Object to a decision; the lead rules, or a person if a person had decided it.

    Raises:
        StateError: Nothing is decided there, or it can't be challenged.
    """

    def make(log: Decisions) -> tuple[Decision, list[Entry]]:
        target = _target(stream, log, name)
        problem = why_no_objection(PERSON, target)
        if target.author == PERSON:
            problem = "a person decided it"
        if problem is not None:
            raise StateError(stream.run, f"{name} can't be challenged: {problem}", _INSTEAD)
        body = DecisionChallenged(revision=target.seq, reason=reason, instead=instead)
        return target, [_entry(stream, name, log, body)]

    return await _act(stream, WholeLog(stream), name, make)


async def rule(
    stream: RunStream, name: Name, outcome: RulingOutcome, reason: str, statement: str = ""
) -> Acted:
    """Rule on a decision or a proposal; that binds everybody, the lead too.

    Raises:
        StateError: Nothing is decided or proposed there.
    """

    def make(log: Decisions) -> tuple[Decision, list[Entry]]:
        target = _target(stream, log, name)
        body = DecisionRuled(
            revision=target.seq,
            outcome=outcome,
            reason=reason,
            statement=statement,
            relied_on=remaining_premises(log, target),
        )
        return target, [_entry(stream, name, log, body)]

    return await _act(stream, WholeLog(stream), name, make)


_INSTEAD: Final = "decide it anew with 'team decide', or rule on it with 'team rule'"


def _target(stream: RunStream, log: Decisions, name: Name) -> Decision:
    """What can be disputed at a key: a proposal, else what holds."""
    target = log.proposal(name.area, name.key) or log.in_force(name.area, name.key)
    if target is None:
        known = sorted({d.name for d in (*log.all_in_force(), *log.disputes())})
        there = f"there are: {', '.join(known)}" if known else "nothing is decided yet"
        raise StateError(stream.run, f"{name} is not decided", f"decide it; {there}")
    return target


def _entry(
    stream: RunStream,
    name: Name,
    log: Decisions,
    body: DecisionRecorded | DecisionChallenged | DecisionRuled,
) -> Entry:
    subject = decision_subject(stream.run, name.area, name.key, PERSON)
    head = log.head_seqs.get((name.area, name.key), 0)
    return Entry(subject=subject, body=body, expect=head)


def _check_length(label: str, text: str, characters_max: int) -> str:
    if len(text) > characters_max:
        reason = f"{len(text)} characters, at most {characters_max}"
        raise SpecError(label, "", reason, "say it shorter")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SpecError(label, "", "it is not UTF-8", "give it as text") from error
    return text


def check_explained(why: str, considered: list[str]) -> DecisionExplained:
    """Reasons and alternatives as a person gave them.

    Raises:
        SpecError: One is empty or too long.
    """
    rationale = check_text("--why", why, RATIONALE_CHARACTERS_MAX) if why else ""
    alternatives = tuple(check_line("--considered", one) for one in considered)
    return DecisionExplained(rationale=rationale, alternatives=alternatives)


async def _act(
    stream: RunStream,
    whole: WholeLog,
    name: Name,
    make: Callable[[Decisions], tuple[Decision | None, list[Entry]]],
) -> Acted:
    """Write what is made of the log as it stands; again if others moved the key meanwhile."""
    seen: list[Decision | None] = []
    for _ in range(TRIES_MAX):
        before, entries = make(await whole.read())
        if seen and before != seen[0]:
            now = line_of(before) if before is not None else "nothing holds there any more"
            fix = "repeat this if you still mean it"
            raise StateError(stream.run, f"{name} was changed meanwhile: {now}", fix)
        seen.append(before)
        try:
            last_seq = await stream.commit(entries)
        except ConflictError:
            continue
        return Acted(seq=last_seq - len(entries) + 1, before=before)
    reason = f"others kept writing to {name}, {TRIES_MAX} times"
    raise StateError(stream.run, reason, "look with 'team decisions', then try again")
