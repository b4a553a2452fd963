"""Load the exact checks that a policy names, and run each under its time limit.

A user's own checks are classes that a package names under the entry point `peerteam.checks`.
One that can't be loaded, crashes or takes too long is a no; none is ever passed over.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from importlib.metadata import EntryPoint, entry_points

from bus.messages import Judgement
from team.policy import CHECKS_GROUP, CORE_CHECKS
from team.rules.gate import CHECKS, Check, CheckFailed, GateInput, judgements_of, unsure


def names_of(asked: Iterable[str]) -> tuple[str, ...]:
    """The checks that a gate runs: those that a team asks for, and all that none can leave out."""
    asked = tuple(dict.fromkeys(asked))
    return (*(name for name in CORE_CHECKS if name not in asked), *asked)


def load_checks(
    names: Iterable[str], installed: Iterable[EntryPoint] | None = None
) -> tuple[Check, ...]:
    """Give the checks of these names, in this order.

    Args:
        names: Our own, and those that installed packages name.
        installed: Where to look for the latter; absent: what this Python has installed.
    """
    found = entry_points(group=CHECKS_GROUP) if installed is None else installed
    theirs: dict[str, list[EntryPoint]] = {}
    for one in found:
        theirs.setdefault(one.name, []).append(one)
    return tuple(_load(name, theirs) for name in names)


def _load(name: str, theirs: Mapping[str, list[EntryPoint]]) -> Check:
    """Make one check; ours go first, so that no package can stand in for one of them."""
    if name in CHECKS:
        return CHECKS[name]()
    named = theirs.get(name, [])
    if len(named) != 1:
        many = f"{len(named)} packages have" if named else "no installed package has"
        return CheckFailed(name, f"the check can't be loaded: {many} one of that name")
    try:
        check = named[0].load()()
    except Exception as error:
        return CheckFailed(name, f"the check can't be loaded: {error!r}")
    if not isinstance(check, Check) or check.name != name:
        return CheckFailed(name, f"the check can't be loaded: {check!r} is no check {name!r}")
    return check


async def run_checks(
    checks: Iterable[Check],
    given: GateInput,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Judgement, ...]:
    """Run checks one after the other, each for so many seconds at most.

    Cancelling: safe; a check that still runs is left behind, and nobody hears of it.
    """
    said: list[Judgement] = []
    for check in checks:
        said += await _run(check, given, seconds, clock)
    return tuple(said)


async def _run(
    check: Check, given: GateInput, seconds: float, clock: Callable[[], float]
) -> list[Judgement]:
    """Run one check in a thread of its own, which nobody waits for longer than it may take.

    The thread takes the time as well: a check that holds on to the interpreter is done by the
    time the loop wakes, however long it took.
    """
    done: Future[list[Judgement]] = Future()
    late = [unsure(check.name, f"the check took longer than {seconds:g} s")]

    def work() -> None:
        began = clock()
        judgements = judgements_of(check, given)
        is_late = not clock() - began <= seconds
        if done.set_running_or_notify_cancel():
            done.set_result(late if is_late else judgements)

    threading.Thread(target=work, name=f"check-{check.name}", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.wrap_future(done)
    except TimeoutError:
        return late
