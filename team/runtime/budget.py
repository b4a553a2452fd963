"""What one run may spend by its user's word: it tightens policy, and never widens it.

Not for holding it: the run's limits are granted in slices (`team.rules.grants`) and kept to
before each call, whoever has set them.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from team.errors import SpecError
from team.policy import Limits, Policy, tightened_policy
from team.spec import TeamSpec

USD_MAX: Final = 1_000_000.0
TOKENS_MAX: Final = 1_000_000_000
_TOKENS: Final = re.compile(r"(\d[\d_,]*)(?:\.(\d+))?\s*([kKmM]?)")
_UNITS: Final = {"": 1, "k": 1_000, "m": 1_000_000}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What the user lets a run spend; absent: no word on it."""

    usd: float | None = None
    tokens: int | None = None


def parse_ask(budget: str | None, max_tokens: str | None) -> Ask:
    """Read `--budget` and `--max-tokens`.

    Raises:
        SpecError: One of them is no amount that a run can have.
    """
    return Ask(
        usd=None if budget is None else _dollars(budget),
        tokens=None if max_tokens is None else parse_tokens(max_tokens, "--max-tokens"),
    )


def check_ask(ask: Ask) -> None:
    """Refuse amounts that no spec can hold, whoever has asked for them.

    Raises:
        SpecError: Names the option and its range.
    """
    if ask.usd is not None and not 0 < ask.usd <= USD_MAX:
        reason = f"{ask.usd:g} is not above 0 and at most {USD_MAX:,.0f}"
        raise SpecError("--budget", "", reason, "give US dollars: 2.50")
    if ask.tokens is not None and not 1 <= ask.tokens <= TOKENS_MAX:
        reason = f"{ask.tokens} is no whole number from 1 to {TOKENS_MAX:,}"
        raise SpecError("--max-tokens", "", reason, "give as many as the run may take: 500000")


def _dollars(text: str) -> float:
    try:
        usd = float(text.strip().removeprefix("$"))
    except ValueError as error:
        raise SpecError("--budget", "", f"{text!r} is no amount", "give dollars: 2.50") from error
    check_ask(Ask(usd=usd))
    return usd


def parse_tokens(text: str, option: str, fix: str = "give 500000, 500k or 2M") -> int:
    """Read a number of tokens.

    Args:
        text: As a person writes it.
        option: Where it was given.
        fix: What to do if it is none.

    Raises:
        SpecError: It is no number of tokens that a run can have.
    """
    found = _TOKENS.fullmatch(text.strip())
    if found is None:
        raise SpecError(option, "", f"{text!r} is no number of tokens", fix)
    whole, part, unit = found.groups()
    number = float(f"{re.sub('[_,]', '', whole)}.{part or 0}") * _UNITS[unit.lower()]
    if not (number.is_integer() and 1 <= number <= TOKENS_MAX):
        reason = f"{text!r} is no whole number from 1 to {TOKENS_MAX:,}"
        raise SpecError(option, "", reason, fix)
    return int(number)


def within(team: TeamSpec, ask: Ask) -> TeamSpec:
    """A team that may spend no more than was asked for, nor more than it might before."""
    limits = Limits(run_dollars_max=ask.usd, run_tokens_max=ask.tokens)
    return msgspec.structs.replace(team, policy=tightened_policy(team.policy, limits))


def said_of(ask: Ask, policy: Policy) -> tuple[str, ...]:
    """For each amount that was asked for, which limit holds, a sentence each."""
    lines: list[str] = []
    if ask.usd is not None:
        holds = policy.run_dollars_max
        assert holds is not None
        lines.append(_holds("--budget", f"${ask.usd:,.2f}", f"${holds:,.2f}", holds < ask.usd))
    if ask.tokens is not None:
        held = policy.run_tokens_max
        same = f"{ask.tokens:,} tokens"
        lines.append(_holds("--max-tokens", same, f"{held:,} tokens", held < ask.tokens))
    return tuple(lines)


def _holds(option: str, asked: str, held: str, is_stricter: bool) -> str:
    if is_stricter:
        return f"limit: policy's {held} holds, which is below {option} {asked}"
    return f"limit: this run may take {asked} ({option})"
