"""`team check`: is what people wrote sound, and what does a code mean?"""

from __future__ import annotations

import argparse
from importlib import metadata
from pathlib import Path

from team.cli import exit_codes
from team.codes import RULES, Rule
from team.errors import SpecError
from team.lint import Report, check_files
from team.views.codes import rule_text, rules_list
from team.views.output import write_data, write_json
from team.views.problems import github_lines, report_text, shown_report
from team.views.sarif import sarif
from team.written.words import near


def check(options: argparse.Namespace) -> int:
    """Check policy, team specs and role files, or explain a code."""
    if options.explain is not None:
        return _explain(options)
    report = check_files(Path.cwd(), tuple(options.paths), options.policy, is_strict=options.strict)
    _print(report, _format(options))
    return exit_codes.BAD_INPUT if report.errors else exit_codes.OK


def _format(options: argparse.Namespace) -> str:
    if options.format is not None and options.json and options.format != "json":
        raise SpecError("--json", "", f"--format is {options.format!r}", "give one of the two")
    return "json" if options.json else options.format or "text"


def _print(report: Report, form: str) -> None:
    if form == "json":
        write_json(shown_report(report))
    elif form == "sarif":
        write_json(sarif(report, _version()))
    elif form == "github":
        for line in github_lines(report):
            write_data(line)
    else:
        write_data(report_text(report))


def _version() -> str:
    try:
        return metadata.version("peerteam")
    except metadata.PackageNotFoundError:
        return "0"


def _explain(options: argparse.Namespace) -> int:
    form = _format(options)
    if form not in ("text", "json"):
        raise SpecError("--explain", "", f"there is no {form!r} of a code", "use text or json")
    asked = options.explain
    rules = list(RULES.values()) if asked.lower() == "all" else [_rule(asked)]
    if form == "json":
        write_json(rules)
    else:
        write_data(rules_list(rules) if asked.lower() == "all" else rule_text(rules[0]))
    return exit_codes.OK


def _rule(asked: str) -> Rule:
    """A rule by its code, or by its name."""
    by_name = {rule.name: rule for rule in RULES.values()}
    found = RULES.get(asked.upper()) or by_name.get(asked.lower())
    if found is None:
        # What looks like a code is compared with codes, letters that look like digits as digits.
        is_name = "-" in asked or not any(character.isdigit() for character in asked)
        code = asked[:1].upper() + asked[1:].upper().replace("O", "0").replace("I", "1")
        hint = near(asked.lower(), list(by_name)) if is_name else near(code, list(RULES))
        fix = hint if hint.startswith("did") else "'team check --explain' lists them"
        raise SpecError("--explain", asked, "there is no such code", fix)
    return found
