"""Statuses of decision files: in whatever words, which of several counts, what is no status."""

from __future__ import annotations

from pathlib import Path

import pytest

from team.adr import LeftOut
from team.adr.find import Found
from team.adr.read import read_bytes
from team.adr.status import is_choice, read_status
from tests.support.decision_files import (
    read,
)

# ------------------------------------------------------------------ status


@pytest.mark.parametrize(
    ("text", "status", "by"),
    [
        ("ACCEPTED", "accepted", None),
        ("Accepted, 2024-01-02", "accepted", None),
        ("accepted (partially)", "accepted", None),
        ("accepted; supersedes ADR-0045", "accepted", None),
        ("✅ **Approved** by the board", "accepted", None),
        ("Decided. We are open to new ideas.", "accepted", None),
        ("Partly superseded", "accepted", None),
        ("draft", "proposed", None),
        ("in-progress", "proposed", None),
        ("Not accepted", "rejected", None),
        ("Deprecated.", "deprecated", None),
        ("superseded by [ADR-0005](0005-x.md)", "superseded", "0005-x.md"),
        ("Superseded by 5", "superseded", "5"),
        ("Accepted\n\nSuperceded by [5. X](0005-x.md#a)", "superseded", "0005-x.md#a"),
        ("replaced by `ADR-5`.", "superseded", "ADR-5"),
    ],
)
def test_states_are_known_in_the_words_people_use(text: str, status: str, by: str | None) -> None:
    found = read_status(text)

    assert found is not None
    assert (found.status, found.superseded_by) == (status, by)


@pytest.mark.parametrize(
    ("text", "status", "by"),
    [
        ("Not yet accepted", "proposed", None),
        ("Has not been approved yet", "proposed", None),
        ("To be decided", "proposed", None),
        ("Not final", "proposed", None),
        ("No longer accepted", "deprecated", None),
        ("Accepted\n\nDeprecated by [5. x](5-x.md)", "deprecated", None),
        ("Deprecated by [5. x](5-x.md)\n\nAccepted", "deprecated", None),
        ("Accepted on 2020-01-01\n\nSuperseded by [5. x](5-x.md)", "superseded", "5-x.md"),
        ("* 2020-01-01: Proposed\n* 2020-02-01: Accepted\n* 2021: Rejected", "rejected", None),
        ("* 2020-01-01 proposed\n* 2020-02-01 accepted", "accepted", None),
        ("Proposed, 2020-01-01. Accepted, 3 May 2020", "accepted", None),
        ("Proposed → Accepted → Deprecated", "deprecated", None),
        ("Accepted in May.\nIt was withdrawn in June.", "rejected", None),
        ("~~Accepted~~ Rejected", "rejected", None),
        ("Rejected ~~Accepted~~", "rejected", None),
        ("<del>Accepted</del> draft", "proposed", None),
        ("~~Superseded by [5](5.md)~~ Accepted", "accepted", None),
        ("- [ ] proposed\n- [x] accepted\n- [ ] rejected", "accepted", None),
        ("| Rejected | 2020-01-01 |", "rejected", None),
        ("| Date | State |\n|---|---|\n| 2020 | Accepted |\n| 2021 | Rejected |", "rejected", None),
        # These stay accepted: what follows speaks of something else.
        ("Accepted, supersedes [2. Rejected y](2-y.md)", "accepted", None),
        ("Accepted, not yet implemented", "accepted", None),
        ("Accepted, pending implementation", "accepted", None),
        ("Accepted\n\nProposed by: Ada\nDiscussion: https://x.example", "accepted", None),
        ("Accepted. Rejected alternatives: Kafka", "accepted", None),
        ("Accepted after a review; Kafka was rejected", "accepted", None),
        ("Accepted, partially superseded by [5. x](5-x.md)", "accepted", None),
        ("Proposed by Ada, accepted by the board", "accepted", None),
        ("The board has approved it", "accepted", None),
        # And a word for work or talk does not bring back what was turned down.
        ("Rejected, decided on 2020-01-01 by the board", "rejected", None),
        ("Rejected (was accepted until 2020)", "rejected", None),
    ],
)
def test_of_several_states_the_one_that_holds_is_read(
    text: str, status: str, by: str | None
) -> None:
    found = read_status(text)

    assert found is not None
    assert (found.status, found.superseded_by) == (status, by)
    assert not is_choice(text)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("# X\n\n| Status | Rejected |\n|---|---|\n| Date | 2020 |\n", "rejected"),
        ("# X\n\n| Date | 2020 |\n|---|---|\n| **Status:** | Draft |\n", "proposed"),
        ("# X\n\n| Date | Status |\n|---|---|\n| 2020 | Rejected |\n", "rejected"),
        ("# X\n\n| Status | Date |\n|---|---|\n| Rejected | 2020 |\n", "rejected"),
        ("# X\n\n| Size | Speed |\n|---|---|\n| 2 | 3 |\n", "accepted"),
        ("---\nstatus:\n- accepted\n- rejected\n---\n# X\n", "rejected"),
        ("\n---\nstatus: rejected\n---\n# X\n", "rejected"),
        ("---\nstatus: accepted\n---\n# X\n\n## Status\n\nRejected\n", "rejected"),
        ("---\nstatus: rejected\n---\n# X\n\n## Status\n\nAccepted\n", "rejected"),
        ("# X\n\n* Status: accepted\n\n## Status\n\nSuperseded by 5\n", "superseded"),
    ],
)
def test_a_state_is_found_wherever_it_stands(text: str, status: str) -> None:
    assert read(f"{text}\n## Decision\n\nYes.\n").status == status


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("---\nstatus: rejected\n\n# X\n", "its front matter is not closed; end it with"),
        ("---\n\nstatus: rejected\n# X\n", "its front matter is not closed; end it with"),
        (
            '+++\nstatus = "rejected"\n+++\n# X\n',
            "its front matter is TOML (+++); write it as YAML",
        ),
        ('+++\nstatus = "rejected"\n# X\n', "its front matter is TOML (+++); write it as YAML"),
        ("# X\n\n## Status\n\n~~Accepted~~\n", "its status is struck out; write proposed,"),
    ],
)
def test_a_state_that_can_not_be_read_is_not_taken_for_accepted(text: str, reason: str) -> None:
    data = f"{text}\n## Decision\n\nYes.\n".encode()

    found = read_bytes(data, Found(path=Path("a.md"), shown="a.md", folders=()))

    assert isinstance(found, LeftOut)
    assert found.reason.startswith(reason)


def test_a_rule_at_the_start_is_no_front_matter() -> None:
    assert read("---\n\n# X\n\n## Decision\n\nYes.\n").status == "accepted"


@pytest.mark.parametrize(
    "text", ["proposed | accepted | rejected", "{proposed, accepted, superseded by ADR-2024}"]
)
def test_the_states_of_a_template_are_no_history(text: str) -> None:
    assert is_choice(text)


def test_what_could_steer_a_terminal_is_not_in_what_was_read() -> None:
    steering = "\x1b[2K\x07\x9b\u202e\u2066\u200f"
    adr = read(
        f"# Use{steering} it&#x202e;&#27;\n\n## Status\n\nSuperseded by [2](2{steering}.md)\n\n"
        f"## Options\n\n* A{steering}b\n\n## Decision\n\nBy{steering} far.\n\tYes.\n"
    )

    texts = (adr.title, adr.statement, adr.rationale, adr.superseded_by or "", *adr.alternatives)
    assert not set("".join(texts)) & set("\x1b\x07\x9b\u202e\u2066\u200f")
    assert adr.title == "Use [2K it"
    assert adr.rationale.endswith("far.\n\tYes.")


@pytest.mark.parametrize(
    "front",
    [
        "status: accepted # or not",
        "Status: 'Accepted'",
        "status: {accepted}",
        "status: [accepted]",
        "status:\n- accepted",
        "status: accepted\ndeciders: @ada, `bob`\ntitle: a: b: c",
    ],
)
def test_front_matter_is_read_even_if_it_is_hardly_yaml(front: str) -> None:
    assert read(f"---\n{front}\n---\n# X\n").status == "accepted"
