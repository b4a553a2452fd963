"""All arguments of all commands, and nothing that takes time to import.

Each command names its handler as `module:function`; `main` imports it when it is
called, so that `team --help` answers at once.
"""

from __future__ import annotations

import argparse
from typing import Any

from bus.subjects import NAMES_OF_KIND
from team.cli import parser_cost
from team.cli.parser_compare import add_compare
from team.cli.parser_mcp import add_mcp
from team.cli.parser_source import add_source_command
from team.cli.parser_tools import add_tools_command

DESCRIPTION = "Run a team of LLM agents as peers on a message bus, to a gated and cited result."
EPILOG = """start here:
  team doctor                                     what is installed and reachable
  team run research "…" --source DIR              run a team
  team ps                                         the runs there are
  team show RUN                                   one of them

Every command has --help with examples."""

RUN_EXAMPLES = """examples:
  team run research "How do these packages cancel work?" --source src/ --source "docs/*.md"
  team run research "…" --source notes.pdf --model rehearsal      no key, no cost
  team run teams/mine.toml "…" --source . --json > result.json    progress goes to stderr
  team run research "…" --source . --mode solo --run nightly-42
  team run research "…" --source src/ --decisions docs/decisions  what is decided already

exit status: 0 admitted, 3 partial, 4 rejected, 5 stalled, 6 cancelled,
             2 bad input, 7 no usable NATS server, 8 waits for a person, 130 interrupted"""


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="team",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_run_commands(commands)
    add_compare(_command, commands)
    _add_look_commands(commands)
    add_source_command(_command, commands)
    _add_act_commands(commands)
    _add_decision_commands(commands)
    _add_project_commands(commands)
    add_tools_command(commands, _command)
    _add_server_commands(commands)
    _add_move_commands(commands)
    return parser


def _add_run_commands(commands: Any) -> None:
    run = _command(
        commands, "run", "run_command:run_command", "run a team on a goal, to a cited result"
    )
    run.epilog = RUN_EXAMPLES.replace("\n\nexit", f"{parser_cost.EXAMPLES}\n\nexit")
    run.add_argument("spec", metavar="TEAM", help="a team spec: a name such as research, or a path")
    run.add_argument("goal", metavar="GOAL", help="what the team is to find out; - reads stdin")
    run.add_argument(
        "--source",
        "-s",
        action="append",
        default=[],
        metavar="PATH",
        help="a file, folder or glob to work from; may be given often",
    )
    run.add_argument(
        "--decisions",
        "-d",
        action="append",
        default=[],
        metavar="PATH",
        help="decision records (ADR files) that hold from the start; may be given often",
    )
    run.add_argument(
        "--policy", metavar="FILE", help="a policy in place of the project's peerteam.toml"
    )
    run.add_argument("--mode", choices=("auto", "team", "solo"), default="auto")
    run.add_argument("--model", metavar="NAME", help="a model for all; 'rehearsal' uses none")
    run.add_argument("--run", metavar="ID", help="name the run; otherwise one is made up")
    tape = run.add_mutually_exclusive_group()
    tape.add_argument("--record", metavar="FILE", help="record the run into a new file")
    tape.add_argument("--replay", metavar="FILE", help="replay such a file; calls no model")
    run.add_argument(
        "--replicas",
        type=int,
        choices=(1, 3, 5),
        default=1,
        help="on how many nodes of a cluster the run is kept; default: 1",
    )
    parser_cost.add_cost_options(run)
    _add_quiet(run)
    _add_no_wait(run)
    resume = _command(
        commands,
        "resume",
        "run_command:resume_command",
        "take up a run where it stopped; what is done and paid is not done again",
        "team resume r1121-101500-3fa2",
        "team resume nightly-42 --json",
        "team resume --last                 the one that was at work last",
    )
    resume.add_argument("run", metavar="RUN", nargs="?", help="left out: say which there are")
    resume.add_argument(
        "--last", action="store_true", help="the newest run that has no result and nobody works on"
    )
    _add_quiet(resume)
    _add_no_wait(resume)


def _add_look_commands(commands: Any) -> None:
    _command(
        commands,
        "ps",
        "look_commands:ps",
        "list the runs on the server",
        "team ps",
        "team ps --json",
    )
    show = _command(
        commands,
        "show",
        "look_commands:show",
        "show one run: members, tasks, decisions, mail with receipts, result, cost",
        "team show r1121-101500-3fa2",
        "team show nightly-42 --json",
    )
    show.add_argument("run", metavar="RUN")
    watch = _command(
        commands,
        "watch",
        "look_commands:watch",
        "follow a run live until it ends",
        "team watch r1121-101500-3fa2",
        "team watch nightly-42 --json | jq .type",
    )
    watch.add_argument("run", metavar="RUN")
    log = _command(
        commands,
        "log",
        "look_commands:log",
        "print a run's stream, message by message",
        "team log nightly-42 --kind mail --kind decision",
        "team log nightly-42 --member ada --follow",
        "team log nightly-42 --json | jq .type",
    )
    log.add_argument("run", metavar="RUN")
    log.add_argument(
        "--kind", action="append", choices=sorted(NAMES_OF_KIND), help="may be repeated"
    )
    log.add_argument("--member", action="append", metavar="NAME", help="may be repeated")
    log.add_argument("--follow", "-f", action="store_true", help="go on until the run ends")
    _add_diff(commands)
    _add_audit(commands)


def _add_diff(commands: Any) -> None:
    diff = _command(
        commands,
        "diff",
        "diff_command:diff",
        "show what differs between the shapes of two runs, or of a run and a baseline",
        "team diff nightly-41 nightly-42",
        "team diff nightly-40 nightly-41 --write baseline.toml",
        "team diff nightly-42 --baseline baseline.toml      exits with 9 past a bound",
    )
    diff.add_argument("run", metavar="RUN", help="a run, or a shape saved as a .json file")
    diff.add_argument("more", nargs="*", metavar="RUN", help="another to compare it with")
    against = diff.add_mutually_exclusive_group()
    against.add_argument("--write", metavar="FILE", help="write a baseline of these runs")
    against.add_argument("--baseline", metavar="FILE", help="compare with a baseline")
    diff.add_argument(
        "--exit-code", action="store_true", help="exit with 9 if two runs differ beyond bounds"
    )
    diff.add_argument("--all", action="store_true", help="equal fields too")


def _add_audit(commands: Any) -> None:
    audit = _command(
        commands,
        "audit",
        "audit_command:audit",
        "fold a run's stream again: breaches, failure modes, the chain of every claim",
        "team audit nightly-42",
        "team audit nightly-42 --chains",
        "team audit nightly-42 --strict --format json     for CI; exit status 9 if it is not clean",
    )
    audit.add_argument("run", metavar="RUN")
    audit.add_argument("--format", choices=("text", "json"), default="text")
    audit.add_argument("--chains", action="store_true", help="every chain, not only broken ones")
    audit.add_argument("--strict", action="store_true", help="signs count as well as breaches")


def _add_act_commands(commands: Any) -> None:
    say = _command(
        commands,
        "say",
        "act_commands:say",
        "write to a member; it reads it before its next turn",
        'team say nightly-42 ada "Leave Windows out."',
        'team say nightly-42 bea "What is still open?" --ask',
    )
    say.add_argument("run", metavar="RUN")
    say.add_argument("member", metavar="MEMBER")
    say.add_argument("text", metavar="TEXT")
    say.add_argument("--ask", action="store_true", help="expect an answer")
    cancel = _command(
        commands,
        "cancel",
        "act_commands:cancel",
        "end a run now, even in a model call; for a pause that can be resumed, use Ctrl-C",
        "team cancel nightly-42",
        'team cancel nightly-42 --why "wrong goal"',
    )
    cancel.add_argument("run", metavar="RUN")
    cancel.add_argument("--why", default="a person cancelled it", metavar="TEXT")

    approve = _command(
        commands,
        "approve",
        "approve_commands:approve",
        "say yes to what a run waits for: its plan, money, its result, a decision",
        "team approve nightly-42",
        "team approve nightly-42 plan",
        'team approve nightly-42 api/paging --why "as we discussed"',
    )
    _add_answer(approve)
    approve.add_argument("--why", default="", metavar="TEXT")
    reject = _command(
        commands,
        "reject",
        "approve_commands:reject",
        "say no to what a run waits for; the lead is told why",
        'team reject nightly-42 plan --why "Leave the legacy client out."',
        'team reject nightly-42 result --why "The second section has no figures."',
    )
    _add_answer(reject)
    reject.add_argument("--why", required=True, metavar="TEXT")


def _add_answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN")
    parser.add_argument(
        "id", nargs="?", metavar="ID", help="what is answered; default: the one thing it waits for"
    )


def _add_decision_commands(commands: Any) -> None:
    decisions = _command(
        commands,
        "decisions",
        "decision_commands:decisions",
        "list the decisions of a run, or write them as decision records",
        "team decisions nightly-42",
        "team decisions nightly-42 --history --area api",
        "team decisions nightly-42 --export docs/decisions",
    )
    decisions.add_argument("run", metavar="RUN")
    decisions.add_argument("--area", help="only this area")
    decisions.add_argument(
        "--history", action="store_true", help="every revision, with reasons, disputes and rulings"
    )
    decisions.add_argument(
        "--export", metavar="DIR", help="write what the run decided as files (ADRs) into a folder"
    )
    decisions.add_argument(
        "--format",
        choices=("madr", "nygard"),
        help="how to write them; default: as the files in DIR, else madr",
    )
    decide = _decision_act(
        commands,
        "decide",
        "decide something for all members; it outranks what they decided",
        'team decide nightly-42 api/paging "List endpoints return an opaque cursor."',
        'team decide nightly-42 api/paging "Offsets only." --why "the client can\'t keep state"',
    )
    decide.add_argument("statement", metavar="STATEMENT", help="one line, at most 280 characters")
    decide.add_argument("--why", default="", metavar="TEXT", help="the reasons, read on demand")
    decide.add_argument(
        "--considered",
        action="append",
        default=[],
        metavar="TEXT",
        help="what else; may be given often",
    )
    decide.add_argument(
        "--distinct", action="store_true", help="similar decisions hold, and say something else"
    )
    challenge = _decision_act(
        commands,
        "challenge",
        "object to a decision; the lead rules on it",
        'team challenge nightly-42 api/paging --why "Deep pages time out."',
        'team challenge nightly-42 api/paging --why "…" --instead "Cursors only."',
    )
    challenge.add_argument("--why", required=True, metavar="TEXT")
    challenge.add_argument("--instead", metavar="TEXT", help="what should hold, in one line")
    rule = _decision_act(
        commands,
        "rule",
        "rule on a decision or a proposal; that binds everybody",
        'team rule nightly-42 api/paging --uphold --why "It was measured."',
        'team rule nightly-42 api/paging --instead "Cursors only." --why "Offsets time out."',
        'team rule nightly-42 api/paging --withdraw --why "Nothing has to be settled here."',
    )
    ways = rule.add_mutually_exclusive_group(required=True)
    ways.add_argument("--uphold", action="store_true", help="it holds")
    ways.add_argument("--instead", metavar="TEXT", help="this holds in its place, in one line")
    ways.add_argument("--withdraw", action="store_true", help="nothing holds")
    rule.add_argument("--why", required=True, metavar="TEXT")


def _decision_act(
    commands: Any, name: str, help_text: str, *examples: str
) -> argparse.ArgumentParser:
    parser = _command(commands, name, f"decision_commands:{name}", help_text, *examples)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("decision", metavar="AREA/KEY")
    return parser


def _add_project_commands(commands: Any) -> None:
    roles = _command(
        commands,
        "roles",
        "project_commands:roles",
        "list the role files there are, and which of them wins",
        "team roles",
        "team roles --json",
        "team roles --report ~/agents       what each field of each file becomes here",
        has_bus=False,
    )
    roles.add_argument(
        "--report",
        nargs="?",
        const="",
        metavar="DIR",
        help="say what became of each field, of all files below DIR or of those that are found",
    )
    check = _command(
        commands,
        "check",
        "check_command:check",
        "check policy, team specs and role files before anything is spent",
        "team check",
        "team check teams/mine.toml .claude/agents",
        "team check --format sarif > check.sarif",
        "team check --explain L201",
        has_bus=False,
        has_logs=False,  # the library for logs takes longer to import than a check takes
    )
    check.add_argument("paths", nargs="*", metavar="PATH", help="files or folders; default: all")
    check.add_argument(
        "--format",
        choices=("text", "json", "sarif", "github"),
        help="for people (default), programs, code scanning, or as GitHub's annotations",
    )
    check.add_argument(
        "--policy", metavar="FILE", help="a policy in place of the project's peerteam.toml"
    )
    check.add_argument("--strict", action="store_true", help="warnings are errors")
    check.add_argument(
        "--explain", nargs="?", const="all", metavar="CODE", help="what a code means; default: all"
    )
    _command(
        commands,
        "doctor",
        "project_commands:doctor",
        "say what is installed, reachable, and which key is used",
        "team doctor",
        "team doctor --nats nats://token@host:4222",
        "team doctor --nats nats://token@a:4222,nats://b:4222,nats://c:4222",
    )
    schema = _command(
        commands,
        "schema",
        "project_commands:schema",
        "print the JSON Schema of a wire type, of the team spec or of the result",
        "team schema                 the names there are",
        "team schema result",
        "team schema task.opened",
        has_bus=False,
    )
    schema.add_argument("type", nargs="?", metavar="TYPE")


def _add_server_commands(commands: Any) -> None:
    _command(
        commands,
        "up",
        "server_commands:up",
        "start the embedded NATS server; it stays until 'team down'",
        "team up",
        "team up --json",
        has_bus=False,
    )
    _command(
        commands,
        "down",
        "server_commands:down",
        "end the embedded NATS server; runs are kept, members at work wait for its return",
        "team down",
        has_bus=False,
    )
    add_mcp(
        _command(
            commands,
            "mcp",
            "mcp_command:mcp",
            "serve MCP clients: they start teams, follow them, read what came of it",
            "team mcp                           a client starts it, over stdin and stdout",
            "team mcp --http 8123               clients connect to http://127.0.0.1:8123/mcp",
            "team mcp --allow ../handbook       sources may lie there too",
            has_json=False,
        )
    )


def _add_move_commands(commands: Any) -> None:
    export = _command(
        commands,
        "export",
        "move_commands:export",
        "write a run into one file, ended or not",
        "team export nightly-42 nightly-42.run",
        "team export nightly-42 /mnt/backup/nightly-42.run --force",
    )
    export.add_argument("run", metavar="RUN")
    export.add_argument("file", metavar="FILE")
    export.add_argument("--force", action="store_true", help="replace a file that is there")
    taken = _command(
        commands,
        "import",
        "move_commands:import_command",
        "put a run from a file onto the server, to look at it or take it up",
        "team import nightly-42.run",
        "team import nightly-42.run --nats nats://token@host:4222 --replicas 3",
    )
    taken.add_argument("file", metavar="FILE")
    taken.add_argument("--replicas", type=int, choices=(1, 3, 5), default=1, help="on a cluster")
    fork = _command(
        commands,
        "fork",
        "move_commands:fork",
        "begin a new run from a point of an old one, which stays what it is",
        "team log nightly-42                shows the sequence of each message",
        "team fork nightly-42 --at 118",
        "team fork nightly-42 --at 118 --run nightly-42b",
    )
    fork.add_argument("run", metavar="RUN")
    fork.add_argument(
        "--at", type=int, required=True, metavar="SEQ", help="the last message to take over"
    )
    fork.add_argument("--run", dest="run_id", metavar="ID", help="name the fork")
    fork.add_argument(
        "--replicas", type=int, choices=(1, 3, 5), help="on a cluster; default: as RUN has"
    )
    _add_prune(commands)


def _add_prune(commands: Any) -> None:
    prune = _command(
        commands,
        "prune",
        "prune_command:prune",
        "remove runs by age and size, the oldest first; asks before",
        "team prune --older-than 30d",
        "team prune --keep-size 2GB --yes",
        "team prune --older-than 12h --stopped --dry-run --json",
    )
    prune.add_argument(
        "--older-than", metavar="AGE", help="runs that were silent for longer: 30d, 12h, 90m, 2w"
    )
    prune.add_argument(
        "--keep-size", metavar="SIZE", help="the oldest, until the rest fits: 2GB, 500MB"
    )
    prune.add_argument(
        "--stopped", action="store_true", help="runs without a result too, if nobody works on them"
    )
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    prune.add_argument("--yes", "-y", action="store_true", help="do not ask")


def _command(
    commands: Any,
    name: str,
    handler: str,
    help_text: str,
    *examples: str,
    has_bus: bool = True,
    has_logs: bool = True,
    has_json: bool = True,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=f"{help_text[0].upper()}{help_text[1:]}.",
        epilog="\n  ".join(("examples:", *examples)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler, has_logs=has_logs)
    if has_json:
        parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    if has_bus:
        parser.add_argument(
            "--nats",
            metavar="URL",
            help="use this NATS server (or set NATS_URL), not the embedded one; "
            "nodes of a cluster with commas between them",
        )
    return parser


def _add_no_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-wait", action="store_true", help="end when a person has to answer, with status 8"
    )


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, only the result")
