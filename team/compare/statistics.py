"""The few figures that a comparison of pairs needs, exact where that is possible.

Everything is paired by task. Nothing here looks at a clock; chance comes from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import ceil, comb, exp, log, sqrt
from statistics import fmean
from typing import Final

Z_95: Final = 1.96
RESAMPLES: Final = 4_000


def sign_test(wins: int, losses: int) -> float:
    """How likely a split at least as uneven is by chance; exact, two-sided.

    With one trial a task this is McNemar's exact test: tasks on which both do the same say
    nothing and are left out.
    """
    n = wins + losses
    if n == 0:
        return 1.0
    tail = sum(comb(n, k) for k in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / (1 << n))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that may be looked at together (Holm's step-down), in the given order."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    adjusted = [1.0] * len(p_values)
    reached = 0.0
    for rank, at in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = reached
    return adjusted


def interval(
    differences: Sequence[float], seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Where the mean difference lies in 95 of 100 draws of as many tasks, with replacement."""
    if not differences:
        return 0.0, 0.0
    if min(differences) == max(differences):
        return differences[0], differences[0]
    chance = random.Random(seed)  # noqa: S311 - statistics, not secrets
    count = len(differences)
    means = sorted(fmean(chance.choices(differences, k=count)) for _ in range(resamples))
    cut = round(0.025 * resamples)
    return means[cut], means[-cut - 1]


def disagreement(differences: Sequence[float]) -> float:
    """The mean square of paired differences; with one trial: the share of tasks that differ."""
    return fmean(one * one for one in differences) if differences else 0.0


def half_width(disagree: float, n: int) -> float:
    """By how much a mean paired difference may be off, at 95 %: what n tasks buy.

    Never less than the share of tasks that may differ although none of n did: that nothing
    differed in three tasks says little.
    """
    if n == 0:
        return 1.0
    return min(1.0, max(Z_95 * sqrt(disagree / n), 1 - exp(log(0.05) / n)))


def tasks_needed(disagree: float, width: float) -> int:
    """How many tasks make that half-width."""
    return ceil(disagree * (Z_95 / width) ** 2)
