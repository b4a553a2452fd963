"""Reading decision files: what each form says, what is left out and why, never a traceback.

Promises: docs of `team.adr.read`. The sample files are in `tests/support/adrs`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from team.adr import Adr, AdrError, AdrSet, LeftOut, read_adrs
from team.adr.find import FILES_MAX, Found
from team.adr.inline import as_escaped, as_written, one_line, plain
from team.adr.read import FILE_BYTES_MAX, read_bytes
from tests.support.decision_files import (
    CHOICE,
    SAMPLES,
    a_file,
    read,
    reason_for,
)

# ------------------------------------------------------------------ the forms


def test_all_samples_are_read_in_the_order_of_their_paths() -> None:
    found = read_adrs(["adrs"], SAMPLES.parent)

    assert [(adr.path, adr.number, adr.name, adr.status) for adr in found.adrs] == [
        ("adrs/0001-keep-times-in-utc.md", 1, "data/keep-times-in-utc", "accepted"),
        ("adrs/0002-queue-for-outgoing-mail.md", 2, "team/queue-for-outgoing-mail", "accepted"),
        ("adrs/0003-use-sqlite-for-search.md", 3, "team/use-sqlite-for-search", "superseded"),
        ("adrs/0004-errors.md", 4, "team/errors", "accepted"),
    ]
    assert found.left_out == ()


def test_madr_4_is_read_with_its_options_and_reasons() -> None:
    adr = read((SAMPLES / "0001-keep-times-in-utc.md").read_bytes())

    assert adr.statement == "Keep all times in UTC: Store UTC and convert on display"
    assert adr.alternatives == ("Store local time with the name of its zone", "Store both")
    assert adr.rationale.startswith("because it leaves one meaning")
    assert "harder to read" in adr.rationale
    assert "nine time zones" in adr.rationale
    assert "A report must be right" in adr.rationale
    assert "drift apart" not in adr.rationale


def test_madr_2_is_read_from_bullets_and_an_option_by_its_number() -> None:
    adr = read((SAMPLES / "0002-queue-for-outgoing-mail.md").read_bytes())

    assert adr.statement == "Queue for outgoing mail: A table in the database we have"
    assert adr.alternatives == ("RabbitMQ", "A thread in the web process")
    assert adr.status == "accepted"


def test_what_adr_tools_wrote_is_read_with_its_successor() -> None:
    adr = read((SAMPLES / "0003-use-sqlite-for-search.md").read_bytes())

    assert adr.title == "Use SQLite for search"
    assert (adr.status, adr.superseded_by) == ("superseded", "0007-search-service.md")
    assert adr.rationale.startswith("We will search")
    assert "forty thousand" in adr.rationale


def test_a_file_without_a_status_counts_as_accepted_if_it_decides() -> None:
    adr = read((SAMPLES / "0004-errors.md").read_bytes())

    assert (adr.status, adr.title) == ("accepted", "How errors reach the user")
    assert adr.statement == (
        "How errors reach the user: Handlers raise, and one middleware turns every error into a "
        "page with a number that support can look up."
    )
    assert adr.alternatives == ("A result type in every signature", "Error codes")


@pytest.mark.parametrize(
    ("outcome", "statement"),
    [
        ('"Choose a queue", because', "Choose a queue"),
        ('"RabbitMQ", because it is there.', "Choose a queue: RabbitMQ"),
        ("**RabbitMQ**, since `x`", "Choose a queue: RabbitMQ"),
        ("[Rabbit](https://x/y_(z)) because…", "Choose a queue: Rabbit"),
        ('"Say "hi", then wait", because', 'Choose a queue: Say "hi", then wait'),
        ('"Option 2: Kafka", because', "Choose a queue: Kafka"),
        ("{title of option 1}, because", "Choose a queue"),
        ("TBD", "Choose a queue"),
        ("Option 7", "Choose a queue"),
        ("\n\n* `Kafka`", "Choose a queue: Kafka"),
        (f'"{"x" * 270}"', "Choose a queue"),
    ],
)
def test_the_chosen_option_follows_the_title_unless_that_says_it(
    outcome: str, statement: str
) -> None:
    assert read(CHOICE + outcome).statement == statement


@pytest.mark.parametrize(
    ("outcome", "rationale"),
    [
        (
            'Chosen option: "A", because it\nis there.\n\nAnd more.',
            "because it is there.\n\nAnd more.",
        ),
        ('Chosen option: "A". It is there.', 'Chosen option: "A". It is there.'),
        ("We take `A`\\*.\n\n### Consequences\n\n* good", "We take `A`*.\n\nConsequences:\n* good"),
        ("<!-- a\nb -->We take A.\n\n\n\n```\n# A\n```", "We take A.\n\n```\n# A\n```"),
    ],
)
def test_the_rationale_starts_with_the_reasons_of_the_outcome(outcome: str, rationale: str) -> None:
    assert read(f"# X\n\n## Context\n\nOld.\n\n## Decision Outcome\n\n{outcome}\n").rationale == (
        f"{rationale}\n\nOld."
    )


@pytest.mark.parametrize(
    ("decision", "statement"),
    [
        ("We will use Postgres.", "Database: We will use Postgres."),
        ("Use Postgres, e.g. version 16. It is there.", "Database: Use Postgres, e.g. version 16."),
        ("We will use the database.", "Database"),
        ("The following:\n\n* a", "Database"),
        ("* one\n* two", "Database"),
        ("```\ncode\n```", "Database"),
        ("Word " * 60, "Database"),
    ],
)
def test_a_first_sentence_follows_a_title_that_is_a_topic(decision: str, statement: str) -> None:
    assert read(f"# 3. Database\n\n## Decision\n\n{decision}\n").statement == statement


@pytest.mark.parametrize(
    "heading",
    [
        "# 3. Use it",
        "# 0003: Use it",
        "# ADR-3: Use it",
        "# ADR 3 – Use it",
        "# [ADR-0003] - Use it",
        "# Decision Record: Use it",
        "Use it\n======",
        "# Use it #",
        "# **Use** <!-- x -->[it](x.md)",
    ],
)
def test_a_title_is_read_without_its_number_and_syntax(heading: str) -> None:
    assert read(f"{heading}\n\n## Decision\n\nUse it.\n").title == "Use it"


def test_links_by_name_are_followed_and_code_is_not_taken_for_headings() -> None:
    adr = read(
        "# X\n\n## Considered options\n\n* [Bazel]\n* [Nx][nx]\n\n## Decision\n\n"
        "```\n# no heading\n```\n\n[bazel]: https://b.example\n[nx]: <https://n.example> 'Nx'\n"
    )

    assert adr.alternatives == ("Bazel", "Nx")
    assert "# no heading" in adr.rationale


def test_options_may_be_headings_and_at_most_ten_are_kept() -> None:
    options = "\n\n".join(f"### Option {n}: Way {n}\n\n* good" for n in range(14))

    adr = read(f"# X\n\n## Considered Options\n\n{options}\n\n## Decision\n\nOption 3.\n")

    assert len(adr.alternatives) == 10
    assert adr.alternatives[0] == "Option 0: Way 0"


def test_nothing_is_longer_than_it_may_be() -> None:
    long = "word " * 2_000
    other = "option " * 2_000
    adr = read(f"# {long}\n\n## Options\n\n* {other}\n\n## Decision\n\nA {long}\n")

    assert len(adr.statement) <= 280
    assert len(adr.rationale) <= 4_000
    assert [len(line) <= 280 for line in adr.alternatives] == [True]
    assert all(text.endswith("word…") for text in (adr.statement, adr.rationale))


# ------------------------------------------------------------------ area and key


@pytest.mark.parametrize(
    ("front", "folders", "area"),
    [
        ("area: HTTP API!", ("web",), "http-api"),
        ("tags: [Front End, x]", (), "front-end"),
        ("categories: data, api", (), "data"),
        ("status: accepted", ("docs", "Back End", "adr"), "back-end"),
        ("status: accepted", ("packages", "ui"), "packages-ui"),
        ("status: accepted", (), "team"),
        ("area: 接口", (), "team"),
        ("area: on", (), "on"),
        (f"area: {'a' * 80}", (), "a" * 64),
    ],
)
def test_an_area_is_a_field_or_else_a_folder(
    front: str, folders: tuple[str, ...], area: str
) -> None:
    assert read(f"---\n{front}\n---\n# X\n\n## Decision\n", folders=folders).area == area


@pytest.mark.parametrize(
    ("name", "key", "number"),
    [
        ("0003-use-postgres.md", "use-postgres", 3),
        ("adr-001-Use_ADRs.md", "use_adrs", 1),
        ("20201016-ids-are-slugs.md", "ids-are-slugs", None),
        ("Über uns.md", "uber-uns", None),
        ("0007.md", "the-title", 7),
        (f"0001-{'a' * 99}.md", "a" * 64, 1),
        ("接口.md", "decision", None),
    ],
)
def test_a_key_is_the_name_of_the_file(name: str, key: str, number: int | None) -> None:
    adr = read("# The title\n\n## Decision\n", name)

    assert (adr.key, adr.number) == (key, number)


def test_of_two_with_one_name_the_one_that_holds_is_taken(tmp_path: Path) -> None:
    a_file(tmp_path, "0001-db.md", "# A\n\n## Status\n\nSuperseded by 2\n")
    a_file(tmp_path, "0002-db.md", "# B\n\n## Status\n\nAccepted\n")
    a_file(tmp_path, "0003-db.md", "# C\n\n## Status\n\nProposed\n")
    a_file(tmp_path, "0004-db.md", "# D\n\n## Status\n\nAccepted\n")

    found = read_adrs(["."], tmp_path)

    assert [adr.title for adr in found.adrs] == ["D"]
    assert reason_for(found, "0001-db.md") == "it is superseded; of team/db, 0004-db.md holds"
    assert "same area and key (team/db) as 0004-db.md" in reason_for(found, "0002-db.md")
    assert "rename one" in reason_for(found, "0003-db.md")


# ------------------------------------------------------------------ what is left out


def test_every_file_that_is_not_used_is_told_with_a_reason(tmp_path: Path) -> None:
    a_file(tmp_path, "d/0001-x.md")
    a_file(tmp_path, "d/README.md")
    a_file(tmp_path, "d/index.md")
    a_file(tmp_path, "d/adr-template-bare.md")
    a_file(tmp_path, "d/templates/a.md")
    a_file(tmp_path, "d/.git/a.md")
    a_file(tmp_path, "d/.a.md")
    a_file(tmp_path, "d/notes.txt")
    a_file(tmp_path, "d/no-title.md", "Text only.\n")
    a_file(tmp_path, "d/blank.md", "# ADR-3: <br>\n\n## Decision\n\nx\n")
    a_file(tmp_path, "d/topless.md", "## Context\n\nx\n\n## Decision\n\ny\n")
    a_file(tmp_path, "d/guide.md", "# Guide\n\n## Install\n")
    a_file(tmp_path, "d/unknown.md", "# X\n\n## Status\n\nexperimental\n")
    a_file(tmp_path, "d/empty.md", "---\nstatus:\n---\n# X\n")
    a_file(tmp_path, "d/choice.md", "# X\n\n* Status: [proposed | rejected | accepted | …]\n")
    a_file(tmp_path, "d/unfilled.md", "# {short title}\n\n## Decision\n\ny\n")
    a_file(tmp_path, "d/large.md", "x" * (FILE_BYTES_MAX + 1))
    (tmp_path / "d/latin.md").write_bytes(b"# Caf\xe9\n")
    (tmp_path / "d/loop.md").symlink_to("loop.md")
    (tmp_path / "d/inside.md").symlink_to("0001-x.md")
    (tmp_path / "d/outside").symlink_to("/etc", target_is_directory=True)
    os.mkfifo(tmp_path / "d/pipe.md")

    found = read_adrs(["d"], tmp_path)

    assert [adr.path for adr in found.adrs] == ["d/0001-x.md"]
    expected = {
        "d/.a.md": "hidden",
        "d/.git": "hidden",
        "d/README.md": "index",
        "d/adr-template-bare.md": "template",
        "d/blank.md": "no title",
        "d/choice.md": "still the template's",
        "d/empty.md": "empty; write proposed, accepted",
        "d/guide.md": "no status and no section Decision",
        "d/index.md": "index",
        "d/inside.md": "link to d/0001-x.md, which is read itself",
        "d/large.md": "more than 256 KiB",
        "d/latin.md": "byte 5 is not UTF-8",
        "d/loop.md": "leads nowhere, or in a circle",
        "d/no-title.md": "no title",
        "d/outside": "leads outside",
        "d/pipe.md": "not a regular file",
        "d/templates/a.md": "template",
        "d/topless.md": "no title",
        "d/unfilled.md": "its title is still the template's",
        "d/unknown.md": 'unknown status "experimental"; write',
    }
    assert [each.path for each in found.left_out] == sorted(expected)
    for path, words in expected.items():
        assert words in reason_for(found, path)


def test_a_decision_about_templates_is_a_decision(tmp_path: Path) -> None:
    a_file(tmp_path, "0012-choose-template-engine.md")
    a_file(tmp_path, "0013-email-template.md")

    assert len(read_adrs(["."], tmp_path).adrs) == 2


def test_files_folders_and_globs_may_be_named_and_none_is_read_twice(tmp_path: Path) -> None:
    a_file(tmp_path, "docs/adr/api/0001-x.md")
    a_file(tmp_path, "docs/adr/0002-y.md")
    a_file(tmp_path, "docs/adr/README.md")

    for paths in (["docs/adr"], ["docs/adr/**/*.md"], ["docs/adr/*", "docs/adr/0002-y.md"]):
        found = read_adrs(paths, tmp_path)
        assert [adr.name for adr in found.adrs] == ["team/y", "api/x"]
    assert [adr.key for adr in read_adrs(["docs/adr/README.md"], tmp_path).adrs] == ["readme"]
    assert read_adrs([], tmp_path) == AdrSet(adrs=(), left_out=())


def test_a_file_elsewhere_is_shown_with_its_whole_path(tmp_path: Path) -> None:
    path = a_file(tmp_path, "elsewhere/0001-x.md")
    (tmp_path / "here").mkdir()

    (adr,) = read_adrs([str(path)], tmp_path / "here").adrs

    assert adr.path == path.resolve().as_posix()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent", "no such file or folder; check the spelling"),
        ("", "no such file or folder"),
        ("a\0b", "no such file or folder"),
        ("x" * 5_000, "no such file or folder"),
        ("*.rst", "matches no file; check it"),
        ("/dev/null", "neither a file nor a folder"),
    ],
)
def test_a_path_that_means_nothing_is_an_error_that_names_it(
    tmp_path: Path, path: str, message: str
) -> None:
    with pytest.raises(AdrError, match=message) as caught:
        read_adrs([path], tmp_path)

    assert (caught.value.path, repr(path) in str(caught.value)) == (path, True)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    first = a_file(tmp_path)
    for number in range(FILES_MAX):
        (tmp_path / f"{number}-y.md").hardlink_to(first)

    with pytest.raises(AdrError, match=f"more than {FILES_MAX} Markdown .* narrower"):
        read_adrs(["."], tmp_path)


# ------------------------------------------------------------------ whatever is in a file

PIECES = st.sampled_from(
    [
        *"--- # ## | * - ` ``` ~~~ <!-- --> [ ] ( ) \\ { } \" ' : = Status accepted".split(),
        *("\n", "\r", "\t", " ", "\0", "\u2028", "---\n", "## Status\n"),
        *(each.read_text() for each in sorted(SAMPLES.glob("*.md"))),
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sample with pieces cut out, doubled and put in."""
    data = draw(st.sampled_from(sorted(SAMPLES.glob("*.md")))).read_bytes()
    for _ in range(draw(st.integers(1, 6))):
        start, end = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
        piece = draw(PIECES).encode()
        data = draw(st.sampled_from([data[:start] + piece + data[end:], data[:end] + data[start:]]))
    return data


def is_sound(found: Adr | LeftOut) -> bool:
    if isinstance(found, LeftOut):
        return bool(found.reason)
    lines = (found.title, found.statement, *found.alternatives)
    return (
        all(line and "\n" not in line for line in lines)
        and len(found.statement) <= 280
        and len(found.rationale) <= 4_000
    )


@settings(max_examples=100)
@given(data=st.binary(max_size=400) | damaged())
def test_any_bytes_are_a_decision_or_left_out(data: bytes) -> None:
    assert is_sound(read_bytes(data, Found(path=Path("a.md"), shown="a.md", folders=())))


HOSTILE = {
    "brackets": "[" * 200_000,
    "marks": "# " + "*_`[" * 50_000,
    "front matter": "---\n" + "[{" * 100 + "\n---\n# X",
    "long front matter": "---\n" + "a: [{" * 40_000 + "\n---\n# X",
    "a tag": "---\nstatus: !!int _\n---\n# X",
    "comments that do not end": "<!--" * 60_000,
    "comments on a line": "<!---->" * 30_000,
    "comment of many lines": "<!--" + "\n" * 50_000 + "-->",
    "options": "# X\n\n## Options\n\n" + "* [`*_" * 40_000,
    "headings": f"# {'`a' * 900}\n" * 120,
    "closing marks": "# X" + " #" * 100_000,
    "spaces": "# X\n\n* Status: accepted" + " " * 200_000 + "x",
    "status": "# X\n\n## Status\n\n" + "[](aaaaaaaa" * 20_000,
    "struck": "# X\n\n## Status\n\n" + "<s>~~a" * 40_000,
    "states": "# X\n\n## Status\n\n" + ("accepted never " * 90 + "\n") * 180,
    "rows": "# X\n\n" + "| status " * 200 + "\n" + "|a\n" * 60_000,
    "blank front matter": "---\n" + "\n" * 200_000,
    "references": "[a]: b\n" + "[a][" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_read_or_left_out_too(text: str) -> None:
    assert is_sound(read_bytes(text.encode(), Found(path=Path("a"), shown="a", folders=())))


@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=80))
def test_escaped_words_read_as_these_words(text: str) -> None:
    assert one_line(as_escaped(text or "x")) == plain(text or "x")


def test_words_without_syntax_are_written_as_they_are() -> None:
    text = "Use page_size & a cursor (50 at most), never 2 * n"

    assert as_written(text) == text
    assert one_line(text) == text
