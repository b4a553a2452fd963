"""Which texts from outside a finding may quote: those that its contract could have brought."""

from __future__ import annotations

import hashlib

import pytest

from bus.messages import ArtifactRef, SnapshotKept
from team.audit.case import Case
from team.rules.outside import may_cite
from tests.support.builders import a_contract, a_story

SHA256 = hashlib.sha256(b"a page").hexdigest()
NAME = SHA256[:20]


@pytest.mark.parametrize(
    ("origin", "sources", "may"),
    [
        ("https://docs.python.org/3/", ("web:docs.python.org",), True),
        ("https://docs.python.org/3/", ("docs", "web:*.python.org"), True),
        ("https://docs.python.org/3/", ("web:python.org",), False),
        ("https://docs.python.org:8443/3/", ("web:docs.python.org",), False),
        ("https://docs.python.org/3/", ("docs.python.org",), False),
        ("https://docs.python.org/3/", (), False),
        ("no address", ("web:*",), False),
    ],
)
def test_a_page_is_cited_only_under_a_contract_that_names_its_host(
    origin: str, sources: tuple[str, ...], *, may: bool
) -> None:
    """Whoever has fetched it; the audit says the same."""
    story = a_story()
    ref = ArtifactRef(sha256=SHA256, size_bytes=6)
    body = SnapshotKept(tool="fetch", origin=origin, text=ref, lines=1)
    story.tell("snapshot", NAME, author="ada", body=body)
    contract = a_contract(tools=("fetch",), sources=sources)

    assert may_cite(story.state.snapshots, NAME, contract) is may
    assert Case(story.records, None).is_outside(f"snapshot:{NAME}", contract) is not may
