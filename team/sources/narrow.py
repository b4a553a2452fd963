"""Two limits on sources at once: a contract's and a role's, as one.

Not for reading: what comes out is a `within` as `Library` takes it.
"""

from __future__ import annotations

from collections import Counter
from glob import escape

from team.policy import AVOIDED
from team.sources.library import Library


def narrowed(
    library: Library, within: tuple[str, ...] | None, also: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Give what lies inside both limits, each as `Library` takes it.

    Whole groups by their names, else the sources one by one. A limit that only takes
    away, with `!`, leaves all the rest.
    """
    if also is None:
        return within
    if also and all(entry.startswith(AVOIDED) for entry in also):
        also = (*{document.group for document in library.documents()}, *also)
    if within is None:
        return also
    allowed = {document.path for document in library.documents(also)}
    inside = [d for d in library.documents(within) if d.path in allowed]
    counts = Counter(document.group for document in inside)
    files = Counter(document.group for document in library.documents())
    whole = {group for group, count in counts.items() if count == files[group]}
    others = [escape(document.path) for document in inside if document.group not in whole]
    return (*sorted(whole), *others)
