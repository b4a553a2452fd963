"""The rules of this project that no other tool holds (CONTRIBUTING.md, "House rules").

Each test lists everything that breaks its rule, with file and line.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bus", "roles", "team")
ERROR_ROOTS = {"bus": "BusError", "roles": "RoleError", "team": "TeamError"}

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
# What may be longer, and why: {"team/example.py": "one table, read as one"}
LONGER_FILES: dict[str, str] = {
    "bus/messages.py": "every message that crosses a process line, in one place",
    "tests/unit/test_roles.py": "one short test for each way in which a role file can be wrong",
}
LONGER_FUNCTIONS: dict[str, str] = {}

LOGGERS = {"log", "_log", "logger", "_logger"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
EVENT = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")


# ------------------------------------------------------------------ what is in the repository


@cache
def project_files() -> tuple[Path, ...]:
    """Give the files git has or would take: tracked, and new ones that are not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=30,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout: an unpacked archive holds nothing to commit")
    names = listing.stdout.decode().split("\0")
    return tuple(sorted({ROOT / name for name in names if name and (ROOT / name).is_file()}))


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in project_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    # Put together here, so that this file does not break its own rule.
    hosts = ["files.python" + "hosted.org", "py" + "pi.org/simple", "npm" + "js.org"]
    hosts += ["proxy.go" + "lang.org", "static.crates" + ".io", "extra-" + "index-url"]

    found = lines_matching(re.compile("|".join(re.escape(host) for host in hosts)))

    assert not found, "\n".join(found)


def test_no_file_names_a_path_of_one_machine() -> None:
    places = ["work", "tmp/v", r"root/\.pyenv", "Users/[A-Za-z]+"]
    one_machine = re.compile(r"(?<![\w.*$}~>-])/(" + "|".join(places) + r")/(?=[\w.])")

    found = lines_matching(one_machine)

    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["runtime", "dev", "bench"])
def test_requirements_are_pinned_and_hashed_and_name_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", text) if entry[0] != "#"]

    unpinned = [entry for entry in entries if not re.match(r"[A-Za-z0-9._-]+==[\w.]+", entry)]
    unhashed = [entry for entry in entries if "--hash=sha256:" not in entry]

    assert entries
    assert not unpinned
    assert not unhashed
    assert "://" not in text
    assert not re.search(r"(?m)^-", text)


def test_runtime_pins_are_among_the_dev_pins() -> None:
    runtime, dev = (
        set(re.findall(r"(?m)^\S+==\S+", (ROOT / "requirements" / f"{name}.txt").read_text()))
        for name in ("runtime", "dev")
    )

    assert not runtime - dev


def test_change_fragments_are_named_by_kind() -> None:
    allowed = re.compile(r"README\.md|[a-z0-9-]+\.(added|changed|fixed|removed)\.md")
    names = [path.name for path in project_files() if path.parent == ROOT / "changes"]

    assert not [name for name in names if not allowed.fullmatch(name)]


# ------------------------------------------------------------------ documents


def documents() -> list[Path]:
    return [path for path in project_files() if path.suffix == ".md" and "tests" not in path.parts]


def links_in(path: Path) -> Iterator[Path]:
    """Give the files a document links to; code blocks and addresses are left out."""
    prose = re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", path.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        name = target.partition("#")[0]
        if name and not re.match(r"[a-z]+:", name):
            yield (path.parent / name).resolve()


def test_links_between_documents_lead_somewhere() -> None:
    dead = [
        f"{path.relative_to(ROOT)} -> {target}"
        for path in documents()
        for target in links_in(path)
        if not target.exists()
    ]

    assert not dead, "\n".join(dead)


def test_every_decision_record_is_linked() -> None:
    records = {path for path in documents() if path.parent == ROOT / "docs" / "decisions"}
    linked = {target for path in documents() for target in links_in(path) if target != path}

    assert not {str(path.relative_to(ROOT)) for path in records - linked} - {
        "docs/decisions/README.md"
    }


# ------------------------------------------------------------------ size


@cache
def sources(*tops: str) -> tuple[tuple[str, ast.Module, int], ...]:
    """Give name, tree and number of lines of each Python file below these folders."""
    found = []
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            text = path.read_text()
            found.append((str(path.relative_to(ROOT)), ast.parse(text), len(text.splitlines())))
    return tuple(found)


EVERYWHERE = (*PACKAGES, "deploy", "examples", "tests")


def test_no_file_is_too_long_to_read() -> None:
    long = [
        f"{name}: {lines} lines"
        for name, _, lines in sources(*EVERYWHERE)
        if lines >= FILE_LINES_MAX and name not in LONGER_FILES
    ]

    assert not long, "\n".join(long)


def test_no_function_is_too_long_to_read() -> None:
    long = [
        f"{name}:{node.lineno}: {node.name} has {size} lines"
        for name, tree, _ in sources(*EVERYWHERE)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
        and f"{name}::{node.name}" not in LONGER_FUNCTIONS
    ]

    assert not long, "\n".join(long)


# ------------------------------------------------------------------ errors


def modules_of(package: str) -> Iterator[ModuleType]:
    top = importlib.import_module(package)
    yield top
    for found in pkgutil.walk_packages(top.__path__, f"{package}."):
        if not found.name.endswith(".__main__"):
            yield importlib.import_module(found.name)


@cache
def errors_of(package: str) -> tuple[type[Exception], ...]:
    """Give the public exceptions a package defines, the root of its tree first."""
    found: dict[type[Exception], None] = {}
    for module in modules_of(package):
        for name, value in vars(module).items():
            if (
                isinstance(value, type)
                and issubclass(value, Exception)
                and value.__module__ == module.__name__
                and not name.startswith("_")
            ):
                found[value] = None
    return tuple(sorted(found, key=lambda error: (len(error.__mro__), error.__name__)))


def error_root(package: str) -> type[Exception]:
    name = ERROR_ROOTS[package]
    roots = [error for error in errors_of(package) if error.__name__ == name]
    assert roots, f"{package} defines no {name}"
    return roots[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_errors_of_a_package_form_one_shallow_tree(package: str) -> None:
    root = error_root(package)
    problems = []
    for error in errors_of(package):
        depth = sum(issubclass(base, root) for base in error.__mro__)
        if not issubclass(error, root):
            problems.append(f"{error.__qualname__} is no {root.__name__}")
        if depth > 3:
            problems.append(f"{error.__qualname__} is {depth} levels deep")
        if not error.__name__.endswith("Error"):
            problems.append(f"{error.__qualname__} does not end in Error")

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_error_says_what_to_do_next_and_whether_to_retry(package: str) -> None:
    error_root(package)
    problems = []
    for error in errors_of(package):
        if not re.search(r"(?m)^\s*Next: \S", error.__doc__ or ""):
            problems.append(f"{error.__qualname__} has no 'Next:' line")
        if not isinstance(getattr(error, "retryable", None), bool):
            problems.append(f"{error.__qualname__} has no 'retryable'")

    assert not problems, "\n".join(problems)


def sample_value(name: str, annotation: object, number: int) -> object:
    """Give a value that can be found again in a text; None where we know no such value."""
    annotation = getattr(annotation, "__supertype__", annotation)
    options = [part for part in typing.get_args(annotation) if part is not type(None)]
    if typing.get_origin(annotation) in {tuple, list}:
        return typing.get_origin(annotation)([f"{name}-sample"])
    if options:
        annotation = options[0]
    samples = {str: f"{name}-sample", int: 7_000 + number, Path: Path(f"{name}-sample")}
    return samples.get(annotation) if isinstance(annotation, type) else None


def fields_missing_from_text(error: type[Exception]) -> list[str]:
    if "__init__" not in vars(error):
        return []
    hints = typing.get_type_hints(error.__init__)
    parameters = [
        (at, parameter)
        for at, parameter in enumerate(inspect.signature(error).parameters.values())
        if parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]
    values = {p.name: sample_value(p.name, hints.get(p.name), at) for at, p in parameters}
    if any(value is None for value in values.values()):
        return []
    positional = [values[p.name] for _, p in parameters if p.kind is not p.KEYWORD_ONLY]
    named = {p.name: values[p.name] for _, p in parameters if p.kind is p.KEYWORD_ONLY}
    # Numbers may be printed in groups of three digits.
    text = str(error(*positional, **named)).replace(",", "")
    return [
        f"{error.__qualname__}: {name} is not in its text: {text!r}"
        for name, value in values.items()
        if not any(
            str(part) in text for part in (value if isinstance(value, tuple | list) else [value])
        )
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_error_names_its_fields_in_its_text(package: str) -> None:
    missing = [line for error in errors_of(package) for line in fields_missing_from_text(error)]

    assert not missing, "\n".join(missing)


# ------------------------------------------------------------------ log events


def is_logger(node: ast.expr) -> bool:
    """Tell whether this is `log`, `self._log`, or either of them with `.bind(…)`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in {"bind", "new"} and is_logger(node.func.value)
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
    return name in LOGGERS


def logged_events(package: str) -> Iterator[tuple[str, ast.expr]]:
    """Give place and event of each log call in a package."""
    for name, tree, _ in sources(package):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr.removeprefix("a") in LEVELS
                and is_logger(node.func.value)
            ):
                event = node.args[0] if node.args else ast.Constant(value=None)
                yield f"{name}:{node.lineno}", event


def constants_of(event: ast.expr) -> list[object]:
    """Give the texts an event can be: one, or the two of a conditional expression."""
    if isinstance(event, ast.IfExp):
        return constants_of(event.body) + constants_of(event.orelse)
    return [event.value if isinstance(event, ast.Constant) else None]


def test_log_events_are_constant_and_read_noun_verb() -> None:
    odd = [
        f"{place}: {ast.unparse(event)}"
        for package in PACKAGES
        for place, event in logged_events(package)
        if not all(isinstance(text, str) and EVENT.fullmatch(text) for text in constants_of(event))
    ]

    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("package", ["bus", "team"])
def test_log_events_and_their_catalogue_agree_both_ways(package: str) -> None:
    catalogue: dict[str, str] = importlib.import_module(f"{package}.events").EVENTS
    used = {text for _, event in logged_events(package) for text in constants_of(event)}

    assert not used - set(catalogue), f"logged, but not in {package}/events.py"
    assert not set(catalogue) - used, f"in {package}/events.py, but never logged"
    assert all(sentence.strip() for sentence in catalogue.values())


def test_roles_logs_nothing() -> None:
    assert not list(logged_events("roles"))


# ------------------------------------------------------------------ what an import costs


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import team.spec", id="team.spec"),
        pytest.param(
            "import team.cli.run_command; sys.modules.pop('nats')", id="what team run is made of"
        ),
        pytest.param("from team.cli.main import main; main()", id="team --help"),
    ],
)
def test_neither_sdk_nor_nats_is_loaded_without_need(program: str) -> None:
    # `--help` builds the whole parser. The SDK alone would cost 1.5 s and 66 MB.
    script = (
        "import sys\n"
        "sys.argv = ['team', '--help']\n"
        "try:\n"
        f"    {program}\n"
        "except SystemExit as done:\n"
        "    assert not done.code, done.code\n"
        "print('loaded:', sorted({'anthropic', 'nats', 'httpx2'} & set(sys.modules)))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_one_place_alone_says_what_a_write_expects() -> None:
    """Writers of one key that name different filters are both let through on a cluster."""
    named = _code_with(r"Nats-Expected-" + "Last")
    set_by = [line for line in _code_with(r"EXPECTED_SUBJECT\] = ") if "subjects.under" not in line]

    assert {line.split(":")[0] for line in named} == {"bus/run_stream.py"}, "\n".join(named)
    assert len(set_by) == 1, "\n".join(set_by)
    assert "entry.subject.key" in set_by[0]


def _code_with(pattern: str) -> list[str]:
    found = lines_matching(re.compile(pattern))
    return [line for line in found if line.startswith(("bus/", "team/"))]
