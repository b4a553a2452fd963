"""Measure the runtime against floors of the same run: `python tests/bench/run.py`.

    run.py                        all benchmarks, some minutes
    run.py turns peers --quick    some of them, less exactly
    run.py --json > figures.json
    python -m tests.bench.decisions --help    the decisions log, with tables of its own

What the figures mean, and what they are not: docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import sys
from pathlib import Path
from typing import Final

# Run as a script, the folder of this file would come first, and its names shadow others.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import msgspec
import structlog

from tests.bench import kit

BENCHMARKS: Final = {
    "turns": "what the runtime adds to a model turn, at 0 and 50 ms a call",
    "ready": "from command to all teammates ready, for 1, 4 and 16 of them",
    "memory": "what each member's process holds, in the runs of `ready`",
    "peers": "one message of 1 KB from one member's process to another's",
    "live": "from a piece of a model's text to who watches",
    "recovery": "from a kill to work going on: teammate, lead, server",
    "whole": "the demo from command to result, and its critical path",
    "cluster_failover": "a node of a cluster lost, to the next commit; some ten minutes",
    "decisions.tokens": "what the decisions log adds to each turn, beside two other ways",
    "decisions.recall": "which decisions reach the contexts that need them",
    "decisions.latency": "from a commit to another's digest; decisions per second",
}


def main() -> int:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(
        description="Measure the runtime beside floors of the same run.",
        epilog="\n".join(f"  {name:<17} {what}" for name, what in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all, if none is named")
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    # Both end the servers and processes that were started, in a shell's background too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A member in this process would log on stdout, among the figures.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    reports: list[kit.Report] = []
    machine = kit.machine()
    for name in options.names or BENCHMARKS:
        report = importlib.import_module(f"tests.bench.{name}").run(is_quick=options.quick)
        reports.append(report)
        if not options.json:
            print(kit.show(report), flush=True)
    if options.json:
        found = {"machine": machine, "is_quick": options.quick, "reports": reports}
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
