"""A run as plain text for a terminal: who, what, what it cost, what was said to whom."""

from __future__ import annotations

from collections.abc import Sequence

from team.views.columns import columns
from team.views.lines import one_line
from team.views.run_object import BroughtRow, MemberRow, RunObject
from team.views.usage import money, remains, stop_lines, tokens_table, usage_lines
from team.views.waiting import waiting_lines, waiting_text


def summary_text(shown: RunObject) -> str:
    """The few lines that end a run: status, cost, what is missing, where the report is."""
    usage = shown.usage
    members = len(shown.members)
    lines = [
        f"{shown.run}: {shown.status} after {shown.wall_s:.1f} s; {shown.mode or 'not triaged'}, "
        f"{members} members, {usage.calls} model calls",
        *usage_lines(usage, shown.model),
        *remains(usage),
    ]
    lines += [f"changed by a peer: {one_line(line, 300)}" for line in shown.changed_by_peers]
    lines += [f"rejected at the gate: {one_line(line, 300)}" for line in shown.rejected]
    lines += waiting_lines(shown.run, shown.waits_for)
    lines += _to_rule_on(shown)
    lines += [f"missing: {one_line(line, 300)}" for line in shown.missing]
    lines += stop_lines(usage)
    if shown.report:
        lines.append(f"report: {shown.report}")
    return "\n".join(lines)


def _to_rule_on(shown: RunObject) -> list[str]:
    """Decisions of persons that others object to; nothing waits for these."""
    asked = {one.id for one in shown.waits_for}
    return [
        f"waits for you: {row.name} r{row.revision} is {row.state}; rule on it with: "
        f"team rule {shown.run} {row.name} …"
        for row in shown.decisions
        if row.waits_for == "person" and row.name not in asked and shown.result is None
    ]


def show_text(shown: RunObject) -> str:
    """All that `team show` prints."""
    parts = [
        f"goal: {shown.goal}",
        *_origin(shown),
        *_indented(waiting_text(shown.run, shown.waits_for)),
        *_table("members", _members(shown)),
        *_table("tasks", _tasks(shown)),
        *_table("decisions", _decisions(shown)),
        *_table("conflicts", _conflicts(shown)),
        *_table("mail", _mail(shown)),
        *_table("brought from outside", brought_lines(shown.brought)),
        *_table("refused", _refused(shown)),
        *_table("usage", tokens_table(shown.usage)),
        "",
        summary_text(shown),
    ]
    if shown.result is not None:
        parts += ["", shown.result.text]
    return "\n".join(parts)


def _origin(shown: RunObject) -> list[str]:
    if shown.forked is None:
        return []
    return [f"fork of: {shown.forked.origin}, from its message {shown.forked.at_seq} on"]


def _indented(text: str) -> list[str]:
    return ["", *(f"  {line}".rstrip() for line in text.splitlines())] if text else []


def _table(title: str, rows: list[tuple[str, ...]]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in columns(rows))] if rows else []


def _conflicts(shown: RunObject) -> list[tuple[str, ...]]:
    return [
        (f"{row.first} / {row.second}", row.state, row.ruling or "", one_line(row.reason, 80))
        for row in shown.conflicts
    ]


def _members(shown: RunObject) -> list[tuple[str, ...]]:
    return [
        (
            m.name,
            m.role,
            m.state,
            f"pid {m.pid or '-'}",
            f"{m.turns} turns" + (f", compacted {m.compactions}×" if m.compactions else ""),
            f"{m.input_tokens + m.output_tokens:,} tokens" + _cached(m),
            money(m.cost_usd),
            m.ended or m.stuck or m.works_on,
        )
        for m in shown.members
    ]


def _cached(row: MemberRow) -> str:
    share = row.cache_read_tokens / row.input_tokens if row.input_tokens else 0.0
    return f", {share:.0%} cached" if share else ""


def _tasks(shown: RunObject) -> list[tuple[str, ...]]:
    return [
        (t.id, t.state.value, t.member or "-", f"round {t.round}", one_line(t.title, 80))
        for t in shown.tasks
    ]


def _decisions(shown: RunObject) -> list[tuple[str, ...]]:
    return [
        (f"{d.area}/{d.key}", f"revision {d.revision}", d.author, d.state, d.statement)
        for d in shown.decisions
    ]


def brought_lines(rows: Sequence[BroughtRow]) -> list[tuple[str, ...]]:
    """Texts from outside, a line for each: name, who brought it when, from where."""
    return [
        (row.source, row.member, row.tool, row.at, one_line(row.origin, 120), f"{row.lines} lines")
        for row in rows
    ]


def _refused(shown: RunObject) -> list[tuple[str, ...]]:
    return [
        (r.code, r.member, r.what, r.context or "-", one_line(r.reason, 90)) for r in shown.refusals
    ]


def _mail(shown: RunObject) -> list[tuple[str, ...]]:
    return [
        (f"{x.author} → {x.to}", x.kind, x.receipt, one_line(x.text, 90))
        for x in shown.messages.letters
    ]
