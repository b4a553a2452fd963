"""The sources of a run: find them, read and search them, check what is quoted from them.

`collect` turns arguments into files, `build_library` puts these into one file, and
`Library` is all that members ever see of them. What a finding or a decision
quotes is checked with `quote_problem`.
"""

from team.sources.build import Document, LibraryInfo, build_library
from team.sources.collect import GENERATED, Collection, Skipped, SourceFile, SourceGroup, collect
from team.sources.library import Hit, Library, Page
from team.sources.locators import (
    LOCATOR_LINES_MAX,
    Locator,
    find_quote,
    fold,
    parse_locator,
    quote_stands,
)
from team.sources.pictures import Looks, tokens_of_image
from team.sources.quotes import first_problem, quote_problem
from team.sources.sentences import sentences
from team.sources.snapshots import KeptText, is_snapshot, snapshot_id, snapshot_name

__all__ = [
    "GENERATED",
    "LOCATOR_LINES_MAX",
    "Collection",
    "Document",
    "Hit",
    "KeptText",
    "Library",
    "LibraryInfo",
    "Locator",
    "Looks",
    "Page",
    "Skipped",
    "SourceFile",
    "SourceGroup",
    "build_library",
    "collect",
    "find_quote",
    "first_problem",
    "fold",
    "is_snapshot",
    "parse_locator",
    "quote_problem",
    "quote_stands",
    "sentences",
    "snapshot_id",
    "snapshot_name",
    "tokens_of_image",
]
