"""What a member may be sent: its consumer's filter list, made from its contract.

This list is the isolation boundary. A teammate is sent the run's spec, who is in
the team, its own tasks, its own mail and control, and the decision areas that its
contracts name; never another's turns, findings or mail.
"""

from __future__ import annotations

from collections.abc import Iterable

from bus import subjects
from bus.ids import LEAD, check_token


def verifier_filters(run: str, name: str, tasks: Iterable[str]) -> tuple[str, ...]:
    """The filter list of a verifier: claims and evidence, and nobody's mail."""
    mail = subjects.pattern(run, "mail", name)
    return tuple(one for one in teammate_filters(run, name, tasks, ()) if one != mail)


def teammate_filters(
    run: str, name: str, tasks: Iterable[str], areas: Iterable[str]
) -> tuple[str, ...]:
    """The filter list of a teammate, for the tasks that it may claim.

    Raises:
        InvalidNameError: A name would widen the list to others' subjects.
    """
    tasks = [check_token("task", task) for task in dict.fromkeys(tasks)]
    areas = [check_token("area", area) for area in dict.fromkeys(areas)]
    check_token("member", name)
    return (
        subjects.pattern(run, "spec"),
        subjects.pattern(run, "member"),
        subjects.pattern(run, "mail", name),
        subjects.pattern(run, "control", name),
        *(subjects.pattern(run, "task", task) for task in tasks),
        *(subjects.pattern(run, "decision", area) for area in areas),
    )


def lead_filters(run: str) -> tuple[str, ...]:
    """The filter list of the lead: all but others' journals and mail."""
    return (
        *(
            subjects.pattern(run, kind)
            for kind in ("spec", "member", "task", "finding", "verdict", "decision", "usage")
        ),
        *(subjects.pattern(run, kind) for kind in ("conflict", "approval", "refusal", "snapshot")),
        subjects.pattern(run, "result"),
        subjects.pattern(run, "mail", LEAD),
        subjects.pattern(run, "control"),
    )
