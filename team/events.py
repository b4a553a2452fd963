"""Every log event that `team` emits, with a sentence: the names are stable."""

from __future__ import annotations

from typing import Final

EVENTS: Final[dict[str, str]] = {
    "member.joined": "A member's process has taken its seat; `incarnation` counts its processes.",
    "member.left": "A member has left on purpose; `reason` says why.",
    "member.failed": "A member ends with an error; `error` says which.",
    "member.started": "The supervisor has started a process; `member`, `pid`, `incarnation`.",
    "member.restarted": "The supervisor starts a member again after `pause_s`; `exit_code`.",
    "member.lost": "The supervisor has given a member up; `reason`, `restarts`.",
    "server.revived": "The embedded server had died and is started again; `url`.",
    "member.silent": "A member's process lives but sends no heartbeat and is killed.",
    "task.claimed": "A teammate has claimed a task; `task_id`, `round`.",
    "claim.lost": "Another member claimed the task first; `task_id`.",
    "task.finished": "A teammate's work on a task has ended; `returned`, `reason`, `took_s`.",
    "task.reopened": "The lead has put a task back on the board; `task_id`, `round`, `reasons`.",
    "task.settled": "The lead has closed a task; `task_id`, `state`, `reasons`.",
    "plan.made": "The lead's plan has passed the rules; `mode`, `lanes`, `round`.",
    "approval.asked": "The run waits for a person; `approval` is what `team approve` takes.",
    "run.taken_over": "Another command supervises the run from now on; this one ends.",
    "run.triaged": "The plan is on the board; `mode`, `lanes`.",
    "plan.refused": "A plan could not be checked, and the run ends; `reason`.",
    "members.recruited": "The lead has laid out seats; `role`, `count`.",
    "finding.checked": "The exact checks have run on a finding; `task_id`, `refused`.",
    "decision.ruled": "A dispute over a decision has ended; `decision`, `revision`.",
    "conflicts.raised": "Admitted claims may contradict each other; `count`.",
    "conflict.ruled": "The lead has ruled on two claims, or could not; `conflict`.",
    "step.overtaken": "Another writer moved first, the lead asks the rules again; `step`, `keys`.",
    "sources.closed": "What a role may read can't be told, so it reads nothing; `role`, `error`.",
    "tools.closed": "What a role may use can't be told, so it only returns; `role`, `error`.",
    "result.published": "The run has ended; `status`, `missing`.",
}
