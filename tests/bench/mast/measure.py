"""Precision and recall of the detectors beside what people saw, on annotated traces.

    PEERTEAM_MAST_TRACES=DIR python -m tests.bench.mast.measure
    python -m tests.bench.mast.measure --traces DIR --set HyperAgent

DIR is `annotated_traces` of the public repository
multi-agent-systems-failure-taxonomy/MASFT, with its former `annotations.csv` (history) put
beside the folders for MetaGPT. HyperAgent is what the thresholds were looked at on; AG2 and
MetaGPT are held back: look at their figures, and change nothing because of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from tests.bench.mast.adapters import SETS
from tests.bench.mast.score import Score, scores, table

VARIABLE = "PEERTEAM_MAST_TRACES"


def main() -> int:
    """Print the table, or say why there is none."""
    parser = argparse.ArgumentParser(
        description="Compare the detectors with human labels on annotated traces."
    )
    parser.add_argument("--traces", default=os.environ.get(VARIABLE, ""), metavar="DIR")
    parser.add_argument("--set", choices=SETS, action="append", help="may be repeated; all else")
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    options = parser.parse_args()
    folder = Path(options.traces) if options.traces else None
    if folder is None or not folder.is_dir():
        print(f"skipped: no annotated traces; name their folder in {VARIABLE} or --traces")
        return 0
    found: list[Score] = []
    for name in options.set or SETS:
        try:
            traces = list(SETS[name](folder))
        except FileNotFoundError as error:
            print(f"skipped {name}: {error}", file=sys.stderr)
            continue
        found += scores(name, traces)
    if options.json:
        print(json.dumps([score.as_row() for score in found], indent=2))
    else:
        print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
