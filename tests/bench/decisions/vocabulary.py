"""Words of which invented decisions, reasons and contracts are made: dull, but of true length."""

from __future__ import annotations

from random import Random
from typing import Final

AREAS: Final[dict[str, tuple[str, ...]]] = {
    "api": ("endpoint", "cursor", "error body", "webhook", "rate limit", "version header"),
    "data": ("table", "migration", "foreign key", "index", "snapshot", "change feed"),
    "security": ("session token", "password hash", "role grant", "audit entry", "signing key"),
    "ui": ("form", "dialog", "date picker", "empty state", "toolbar", "keyboard shortcut"),
    "deploy": ("image", "rollout", "health probe", "secret mount", "region", "canary"),
    "observability": ("log line", "trace span", "metric label", "alert", "dashboard"),
    "billing": ("invoice", "refund", "tax rate", "ledger entry", "currency amount", "dunning mail"),
    "search": ("query parser", "ranking signal", "facet", "synonym list", "suggestion"),
    "testing": ("fixture", "golden file", "fuzz seed", "test database", "flaky test"),
    "mobile": ("push message", "offline queue", "sync batch", "deep link", "app update"),
    "privacy": ("consent record", "export file", "deletion request", "retention rule"),
    "naming": ("module name", "message tag", "environment variable", "branch name"),
    "i18n": ("message catalogue", "plural form", "number format", "time zone", "locale"),
    "build": ("lock file", "compiler flag", "artifact cache", "release tag", "code generator"),
}
"""Areas of decisions, the busiest first, and what is decided on in each."""

_SCOPES: Final = ("Every {}", "Each {}", "A {} of a tenant", "Any public {}", "The default {}")
_RULES: Final = (
    "is written once and never changed in place",
    "carries the tenant's id and is refused without it",
    "is kept for {n} days and then removed by the nightly job",
    "is retried {n} times with jitter, then parked for a person",
    "times out after {n} seconds and says which limit it hit",
    "is at most {n} KB; anything larger goes by reference",
    "is named in snake case, with its unit last",
    "is checked at the edge and trusted from there on",
    "is versioned by date, never by number",
    "goes through one adapter, which also counts its cost",
    "is cached for {n} minutes under a key with its revision",
    "is paged by an opaque cursor, {n} entries at most",
    "is in UTC with milliseconds until it is shown to a person",
    "is owned by one module, and others ask that module for it",
    "is rolled back as a whole if one of its parts fails",
    "is listed in a catalogue that a test compares with the code",
)
_CLAUSES: Final = (
    "", "", "",
    "; exceptions need a ruling",
    "; older clients get the previous form until May",
    "; the nightly check reports what differs",
    ", also in tests and in the demo",
    "; we do not make it configurable",
    ", and its author is stored beside it",
    "; a missing value is an error, not a default",
)  # fmt: skip
_REASONS: Final = (
    "We measured both ways on last month's traffic and the simpler one was within noise.",
    "The alternative needs a second store, which would have to be kept in step by hand.",
    "Two lanes had begun to do this differently, and the results could not be compared.",
    "Support has asked for it since the incident in spring, when nobody could tell the cause.",
    "It costs one more round trip, but that is hidden behind the write that follows anyway.",
    "A reader of the code sees at one place what may happen, instead of at every caller.",
    "The library we use does it by default, and working against it took a day without result.",
    "Auditors want to see who did it and when, and this is the cheapest record that holds up.",
    "If it turns out to be wrong it can be changed behind the same interface in an afternoon.",
    "The limit is far above what we have seen, and far below what would hurt the database.",
    "Without it a restart in the middle leaves half of the work visible to other members.",
    "It is what the neighbouring team does, so their tools can read ours without a converter.",
)
_TASKS: Final = (
    "Work out how the {0} and the {1} behave under load, and propose what to change.",
    "Implement the {0} so that a {1} can rely on it, with tests and a short note.",
    "Review what exists for the {0}; compare it with the {1}; list the risks.",
)
_STATEMENT_CHARACTERS_MAX: Final = 280


def statement(random: Random, area: str) -> str:
    """A decision in one line, 40 to 140 characters."""
    scope = random.choice(_SCOPES).format(random.choice(AREAS[area]))
    rule = random.choice(_RULES).format(n=random.choice((2, 5, 10, 30, 50, 90, 200)))
    text = f"{scope} {rule}{random.choice(_CLAUSES)}."
    assert len(text) <= _STATEMENT_CHARACTERS_MAX
    return text


def sentence(random: Random) -> str:
    """One reason."""
    return random.choice(_REASONS)


def rationale(random: Random, length: int) -> str:
    """Reasons of a length, in characters."""
    text = sentence(random)
    while len(text) < length:
        text = f"{text} {sentence(random)}"
    return text[:length]


def key(random: Random, area: str) -> str:
    """What a decision in an area may be about, as a token."""
    return random.choice(AREAS[area]).replace(" ", "-")


def task(random: Random, area: str) -> str:
    """What a contract may ask for in an area."""
    return random.choice(_TASKS).format(*random.sample(AREAS[area], 2))
