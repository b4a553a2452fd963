"""Does what is quoted stand in the sources where it is said to stand?"""

from __future__ import annotations

from collections.abc import Iterable

from bus.messages import Evidence
from team.errors import SourceError
from team.sources.library import Library
from team.sources.locators import parse_locator, quote_stands


def quote_problem(library: Library | None, evidence: Evidence) -> str | None:
    """Why a quote does not stand at its locator in its source; nothing if it does."""
    if library is None:
        return "the run has no sources"
    try:
        place = parse_locator(evidence.locator)
        lines = library.lines(evidence.source, place.page)
    except (SourceError, ValueError) as error:
        return str(error)
    if quote_stands(lines, place, evidence.quote):
        return None
    return f"the quote does not stand at {evidence.locator} of {evidence.source!r}"


def first_problem(library: Library | None, evidence: Iterable[Evidence]) -> str | None:
    """What is wrong with the first quote that does not stand; nothing if all do."""
    problems = (quote_problem(library, one) for one in evidence)
    return next((problem for problem in problems if problem is not None), None)
