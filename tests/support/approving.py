"""Runs whose policy asks a person."""

from __future__ import annotations

from typing import Any

import msgspec

from bus.messages import RunOpened
from team.policy import Approvals
from tests.support.builders import OPENED_AT, Story, a_resolved_spec, a_story

NOW = OPENED_AT + 50.0


def a_waiting_story(*, policy: dict[str, Any] | None = None, **approve: Any) -> Story:
    """A run whose policy asks a person; opened, and nothing else."""
    story = a_story()
    spec = a_resolved_spec(**(policy or {}))
    team = msgspec.structs.replace(spec.team, approve=Approvals(**approve))
    raw = msgspec.json.encode(msgspec.structs.replace(spec, team=team))
    opened = RunOpened(goal="Compare pools.", spec=msgspec.Raw(raw))
    body = story.records[0]
    story.records[0] = msgspec.structs.replace(
        body, envelope=msgspec.structs.replace(body.envelope, body=opened)
    )
    return story
