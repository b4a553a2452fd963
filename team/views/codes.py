"""The catalogue of rules, for people who meet a code."""

from __future__ import annotations

from collections.abc import Iterable

from team.codes import Rule
from team.views.columns import columns


def rules_list(rules: Iterable[Rule]) -> str:
    """All rules, a line each."""
    rows = [("CODE", "NAME", "SAYS")]
    return "\n".join(columns([*rows, *((rule.code, rule.name, rule.says) for rule in rules)]))


def rule_text(rule: Rule) -> str:
    """One rule, with its reason and what to do."""
    head = f"{rule.code} {rule.name} ({rule.severity})"
    return f"{head}\n\n{rule.says}\n\nWhy: {rule.why}\nFix: {rule.fix}"
