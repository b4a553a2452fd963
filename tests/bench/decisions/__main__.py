"""Measure the decisions log: `python -m tests.bench.decisions`."""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from tests.bench import kit

BENCHMARKS: Final = {
    "tokens": "what each turn is given, by three ways of sharing, as log and team grow",
    "recall": "which decisions of a labelled set reach the contexts that need them",
    "contradiction": "two lanes that find opposite conventions: without the log, with it, replayed",
    "latency": "from one member's commit to another's digest, and decisions per second",
}
EXAMPLES: Final = """
  python -m tests.bench.decisions                         all, about five minutes
  python -m tests.bench.decisions recall                  one of them
  python -m tests.bench.decisions all --quick             few rounds: does it run at all?
  python -m tests.bench.decisions tokens --json FILE      for the picture:
  python -m tests.bench.decisions.plot FILE               draws it anew (needs matplotlib)
"""


def main() -> int:
    """Measure what was named, print tables, and keep the figures if asked to."""
    options = _parser().parse_args()
    # Both end the servers and processes that were started, in a shell's background too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found: dict[str, Any] = {"machine": kit.machine(), "is_quick": options.quick}
    for name in BENCHMARKS if options.name == "all" else (options.name,):
        found[name], text = measured(name, is_quick=options.quick)
        print(f"## {name}: {BENCHMARKS[name]}\n\n{text}\n", flush=True)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2))
    return 0


def measured(name: str, *, is_quick: bool) -> tuple[Any, str]:
    """The figures of one benchmark, and their tables."""
    # Loaded here, because the sender's process loads this file too.
    module = importlib.import_module(f"tests.bench.decisions.{name}")
    tables = importlib.import_module("tests.bench.decisions.tables")
    figures = module.measure(is_quick=is_quick)
    return figures, getattr(tables, f"of_{name}")(figures)


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {name:<13} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.decisions",
        description="Measure the decisions log beside other ways of sharing and bare NATS.",
        epilog=f"{names}\n\nexamples:{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choices = (*BENCHMARKS, "all")
    parser.add_argument("name", nargs="?", choices=choices, default="all", help="which; else all")
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
