"""The subject grammar as one table: build a subject, parse a subject.

Every stored message is published on `run.<run>.<kind>[.<name> …].<author>`: the
author is always the last token, so that a server's permissions prove who wrote
what, and a compare-and-set over `<key>.*` covers all authors of one key. Nobody
else formats or splits a subject.

Source: docs/protocol.md, "Subjects".
"""

from __future__ import annotations

from typing import Final

import msgspec

from bus.errors import InvalidSubjectError
from bus.ids import LEAD, check_token

NAMES_OF_KIND: Final[dict[str, tuple[str, ...]]] = {
    "spec": (),
    "member": ("member",),
    "task": ("task",),
    "mail": ("member",),
    "control": ("member",),
    "decision": ("area", "key"),
    "rationale": ("area", "key"),
    "finding": ("task",),
    "verdict": ("task",),
    "conflict": ("conflict",),
    "approval": ("approval",),
    "refusal": (),
    "snapshot": ("snapshot",),
    "journal": (),
    "usage": (),
    "result": (),
}
"""Which names stand between the kind and the author, by kind."""

_OWN_KINDS: Final = frozenset({"journal", "usage", "refusal"})
"""Kinds whose key is their author: each member has its own, and nobody else writes there."""

_TOKENS_MIN: Final = 4
_CORE_TOKENS: Final = 3
LIVE_KINDS: Final = ("live", "beat", "pace")
"""Kinds on core NATS, outside the stream: streamed text, heartbeats, who may call when."""


class Subject(msgspec.Struct, frozen=True, order=True):
    """One subject of a run's stream, taken apart.

    Attributes:
        run: The run.
        kind: One of `NAMES_OF_KIND`.
        names: The tokens between kind and author, as many as the kind has.
        author: Who publishes; always the last token.
    """

    run: str
    kind: str
    names: tuple[str, ...]
    author: str

    def __str__(self) -> str:
        return ".".join(("run", self.run, self.kind, *self.names, self.author))

    @property
    def key(self) -> str:
        """The one filter that all writers of this key compare and set over."""
        if self.kind in _OWN_KINDS:
            return str(self)
        return ".".join(("run", self.run, self.kind, *self.names, "*"))


def build(run: str, kind: str, *names: str, author: str) -> Subject:
    """Make a subject from its parts.

    Raises:
        InvalidNameError: A part can't stand in a subject.
        InvalidSubjectError: No such kind, or the wrong number of names.
    """
    expected = NAMES_OF_KIND.get(kind)
    if expected is None or len(expected) != len(names):
        raise InvalidSubjectError(".".join(("run", run, kind, *names, author)))
    check_token("run", run)
    for label, name in zip(expected, names, strict=True):
        check_token(label, name)
    check_token("author", author)
    return Subject(run, kind, names, author)


def parse(text: str) -> Subject:
    """Take a subject apart; the inverse of `str(build(…))`.

    Raises:
        InvalidSubjectError: Not a subject of a run's stream.
        InvalidNameError: A token has characters that no name here may have.
    """
    tokens = text.split(".")
    if len(tokens) < _TOKENS_MIN or tokens[0] != "run":
        raise InvalidSubjectError(text)
    return build(tokens[1], tokens[2], *tokens[3:-1], author=tokens[-1])


def spec(run: str) -> Subject:
    """Where a run says what it is: goal, team, policy, sources."""
    return build(run, "spec", author=LEAD)


def result(run: str) -> Subject:
    """Where a run ends."""
    return build(run, "result", author=LEAD)


def member(run: str, name: str, author: str) -> Subject:
    """Where a member's seat, arrival, departure and loss are told."""
    return build(run, "member", name, author=author)


def task(run: str, task_id: str, author: str) -> Subject:
    """Where a task changes state."""
    return build(run, "task", task_id, author=author)


def mail(run: str, to: str, author: str) -> Subject:
    """Where typed messages from one member to another go."""
    return build(run, "mail", to, author=author)


def control(run: str, to: str, author: str) -> Subject:
    """Where the lead or a person tells a member to stop, cancel or wrap up."""
    return build(run, "control", to, author=author)


def decision(run: str, area: str, key: str, author: str) -> Subject:
    """Where one architectural choice is recorded, challenged, ruled on."""
    return build(run, "decision", area, key, author=author)


def rationale(run: str, area: str, key: str, author: str) -> Subject:
    """Where the reasons of a decision are kept; no member's consumer is sent them."""
    return build(run, "rationale", area, key, author=author)


def finding(run: str, task_id: str, author: str) -> Subject:
    """Where partial results and submitted digests of a task go."""
    return build(run, "finding", task_id, author=author)


def verdict(run: str, task_id: str, author: str) -> Subject:
    """Where judgements on a task's finding go."""
    return build(run, "verdict", task_id, author=author)


def conflict(run: str, conflict_id: str, author: str) -> Subject:
    """Where claims that may contradict each other are raised, judged, ruled on."""
    return build(run, "conflict", conflict_id, author=author)


def approval(run: str, approval_id: str, author: str) -> Subject:
    """Where a person is asked, and answers."""
    return build(run, "approval", approval_id, author=author)


def refusal(run: str, name: str) -> Subject:
    """Where a member's process says what code has refused it."""
    return build(run, "refusal", author=name)


def snapshot(run: str, snapshot_id: str, author: str) -> Subject:
    """Where it is told what a tool brought from outside, and under which hash it is kept."""
    return build(run, "snapshot", snapshot_id, author=author)


def journal(run: str, name: str) -> Subject:
    """Where a member commits its turns; only that member writes there."""
    return build(run, "journal", author=name)


def usage(run: str, name: str) -> Subject:
    """Where a member says what one model call took."""
    return build(run, "usage", author=name)


def pattern(run: str, kind: str, *names: str) -> str:
    """Make a filter for a kind, narrowed by its first names; `*` is any one name.

    Example: `pattern("r1", "mail", "ada")` is `run.r1.mail.ada.*`.
    """
    expected = NAMES_OF_KIND.get(kind)
    if expected is None or len(names) > len(expected):
        raise InvalidSubjectError(".".join(("run", run, kind, *names)))
    given = [name if name == "*" else check_token("name", name) for name in names]
    rest = ["*"] * (len(expected) - len(names))
    return ".".join(("run", check_token("run", run), kind, *given, *rest, "*"))


def matches(text: str, pattern: str) -> bool:
    """Whether a filter covers a subject: `*` is one token, `>` is all that follow."""
    tokens, wanted = text.split("."), pattern.split(".")
    if wanted[-1] == ">":
        wanted = wanted[:-1]
        tokens = tokens[: len(wanted)] if len(tokens) > len(wanted) else []
    return len(tokens) == len(wanted) and all(
        one in ("*", token) for one, token in zip(wanted, tokens, strict=True)
    )


def everything(run: str) -> str:
    """The filter that covers a whole run."""
    return f"run.{check_token('run', run)}.>"


def under(text: str, run: str) -> str:
    """The same subject or filter of another run; the run is the second token of each."""
    kind, _, rest = text.split(".", 2)
    return ".".join((kind, check_token("run", run), rest))


def is_of(text: str, run: str) -> bool:
    """Whether a subject or filter is one of a run's stream."""
    return text.startswith(f"run.{run}.")


def stream_name(run: str) -> str:
    """The name of a run's stream."""
    return f"RUN_{check_token('run', run)}"


def artifact_stream_name(run: str) -> str:
    """The name of the stream that keeps a run's artifacts."""
    return f"ART_{check_token('run', run)}"


def artifact_chunk(run: str, sha256: str, number: int | None) -> str:
    """Where one chunk of an artifact is kept; no number stands for all chunks."""
    last = "*" if number is None else str(number)
    return f"art.{check_token('run', run)}.{check_token('sha256', sha256)}.{last}"


def artifacts(run: str) -> str:
    """The filter that covers all artifacts of a run."""
    return f"art.{check_token('run', run)}.*.*"


def live(run: str, name: str = "*") -> str:
    """Where a member's streamed text goes on core NATS; `*` is every member."""
    return _core("live", run, name)


def beat(run: str, name: str = "*") -> str:
    """Where a member's heartbeats go on core NATS; `*` is every member."""
    return _core("beat", run, name)


def pace(run: str, name: str = "*") -> str:
    """Where a member asks whether to call its provider; `*` is every member."""
    return _core("pace", run, name)


def _core(kind: str, run: str, name: str) -> str:
    checked = [part if part == "*" else check_token("name", part) for part in (run, name)]
    return ".".join((kind, *checked))


def parse_core(text: str) -> tuple[str, str, str]:
    """Take a subject of `LIVE_KINDS` apart into kind, run and member.

    Raises:
        InvalidSubjectError: None of these.
    """
    tokens = text.split(".")
    if len(tokens) != _CORE_TOKENS or tokens[0] not in LIVE_KINDS:
        raise InvalidSubjectError(text)
    return tokens[0], check_token("run", tokens[1]), check_token("member", tokens[2])
