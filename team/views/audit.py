"""An audit as people read it: breaches first, then signs, the modes, the chains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from team.audit import AuditReport, Chain, Remark
from team.codes import RULES
from team.views.columns import columns

SEQS_SHOWN: Final = 6
QUOTE_SHOWN: Final = 100
_MODE: Final = "M"


def audit_text(report: AuditReport, *, with_chains: bool) -> str:
    """Write an audit for people; every chain if asked for, else those with a hole."""
    parts = [
        _head(report),
        _remarks("Breaches", report.breaches),
        _remarks("Signs (each may be harmless)", report.signs),
        _modes(report),
        _refusals(report),
        _chains(report, with_chains=with_chains),
    ]
    return "\n\n".join(part for part in parts if part)


def _head(report: AuditReport) -> str:
    status = report.status or "no result yet"
    verdict = "clean" if report.is_clean else _count(len(report.breaches), "breach", "breaches")
    signs = _count(len(report.signs), "sign", "signs")
    return f"{report.run}: {verdict}, {signs}; {status}, {report.records} records"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _remarks(title: str, remarks: Sequence[Remark]) -> str:
    if not remarks:
        return ""
    lines = [title]
    for code, those in groupby(remarks, key=lambda remark: remark.code):
        rule = RULES[code]
        lines.append(f"  {code} {rule.name}: {rule.says}")
        lines += [f"    {_remark(one)}" for one in those]
    return "\n".join(lines)


def _remark(one: Remark) -> str:
    where = _seqs(one.seqs)
    who = f"{one.member}: " if one.member else ""
    mode = f" [{one.mode}]" if one.mode and not one.code.startswith(_MODE) else ""
    return f"{where}{who}{one.what}{mode}"


def _seqs(seqs: tuple[int, ...]) -> str:
    if not seqs:
        return ""
    shown = ", ".join(f"#{seq}" for seq in seqs[:SEQS_SHOWN])
    more = f" and {len(seqs) - SEQS_SHOWN} more" if len(seqs) > SEQS_SHOWN else ""
    return f"{shown}{more}  "


def _modes(report: AuditReport) -> str:
    seen = [row for row in report.modes if row.breaches or row.signs]
    if not seen:
        return "Failure modes (MAST): none of the fourteen was seen."
    rows = [
        (
            f"  {row.code}",
            row.name,
            _count(row.breaches, "breach", "breaches"),
            _count(row.signs, "sign", "signs"),
        )
        for row in seen
    ]
    return "\n".join(["Failure modes (MAST) seen", *columns(rows)])


def _refusals(report: AuditReport) -> str:
    if not report.refusals:
        return ""
    counts = ", ".join(f"{one.code} {one.count} times" for one in report.refusals)
    return f"Refused before it was done: {counts}"


def _chains(report: AuditReport, *, with_chains: bool) -> str:
    if not report.chains:
        return "Claims: none was admitted."
    cited = sum(bool(chain.citations) for chain in report.chains)
    broken = [chain for chain in report.chains if chain.holes]
    lines = [
        f"Claims: {len(report.chains)} admitted or cited, {cited} cited, "
        f"{len(report.chains) - len(broken)} chains are whole, {len(broken)} have a hole"
    ]
    for chain in report.chains if with_chains else broken:
        lines += _chain(chain)
    return "\n".join(lines)


def _chain(chain: Chain) -> Iterator[str]:
    numbers = "".join(f"[{number}]" for number in chain.citations) or "not cited"
    yield f"  {chain.ref} {numbers} “{chain.text}”"
    if chain.lane:
        by = f"by {chain.producer}, #{chain.finding_seq}"
        yield f"    lane {chain.lane!r}, round {chain.round}, {by}"
    for link in chain.evidence:
        state = link.problem or ("stands" if link.is_checked else "not read again")
        yield f"    {link.source} {link.locator}: “{link.quote[:QUOTE_SHOWN]}”: {state}"
    for verdict in chain.verdicts:
        void = "" if verdict.counts else " (does not count)"
        said = f"{verdict.member}: {verdict.check} {verdict.outcome}"
        yield f"    #{verdict.seq}  {said}{void}"
    for ruling in chain.rulings:
        may = "may be cited" if ruling.may_be_cited else "may not be cited"
        yield f"    conflict {ruling.conflict} with {ruling.other}: {ruling.state}, {may}"
    if chain.settled_seq:
        yield f"    #{chain.settled_seq}  admitted"
    for code in chain.holes:
        yield f"    hole: {code} {RULES[code].name}"
