"""Files that people write by hand, read so that everything wrong with them is found at once."""

from __future__ import annotations

from team.written.check import Checked, check_document
from team.written.document import Document, dotted, parse_document, read_document
from team.written.positions import Keys, Spot, positions
from team.written.problem import Problem, severity_of

__all__ = [
    "Checked",
    "Document",
    "Keys",
    "Problem",
    "Spot",
    "check_document",
    "dotted",
    "parse_document",
    "positions",
    "read_document",
    "severity_of",
]
