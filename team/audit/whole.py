"""The audit of one run: everything that the other modules see, in one order.

A part of it that fails has seen nothing, so it counts as a breach: unknown means no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from bus.run_stream import Record
from team.audit.approvals import approval_breaches
from team.audit.case import Case
from team.audit.chains import chains_of
from team.audit.limits import limit_breaches
from team.audit.looking import Detector, Seen
from team.audit.modes import DETECTORS
from team.audit.permissions import permission_breaches
from team.audit.report import AuditReport, Chain, RefusalCount, Remark, mode_rows
from team.audit.results import result_breaches
from team.codes import audit as codes
from team.sources import Library

Part = Callable[[Case, tuple[Chain, ...]], Iterable[Remark]]


def _mode(detector: Detector) -> Part:
    def part(case: Case, chains: tuple[Chain, ...]) -> Iterator[Remark]:
        return detector(Seen(trace=case.trace, run=case, chains=chains))

    return part


PARTS: Final[dict[str, Part]] = {
    "limits": lambda case, _: limit_breaches(case),
    "permissions": lambda case, _: permission_breaches(case),
    "approvals": lambda case, _: approval_breaches(case),
    "result": result_breaches,
    **{mode: _mode(detector) for mode, detector in DETECTORS.items()},
}
"""What an audit looks for, by name."""


def audit(
    records: Sequence[Record], library: Library | None = None, parts: Mapping[str, Part] = PARTS
) -> AuditReport:
    """Fold a run's stream again and say what does not hold.

    Pure: the same records and sources give the same report, byte for byte.

    Args:
        records: The whole stream, in order.
        library: The run's sources; without them quotes are not read again.
        parts: What to look for.
    """
    case = Case(records, library)
    found: set[Remark] = set()
    chains: tuple[Chain, ...] = ()
    try:
        chains = chains_of(case)
    except Exception as error:
        found.add(_failed("chains", error))
    for name, part in parts.items():
        try:
            found.update(part(case, chains))
        except Exception as error:
            found.add(_failed(name, error))
    remarks = tuple(sorted(found, key=_place))
    return AuditReport(
        run=case.records[0].subject.run if case.records else "",
        status=_status(case),
        records=len(case.records),
        has_library=library is not None,
        breaches=tuple(one for one in remarks if one.weight == "breach"),
        signs=tuple(one for one in remarks if one.weight == "sign"),
        modes=mode_rows(remarks),
        chains=chains,
        refusals=_refusals(case),
    )


def _failed(name: str, error: Exception) -> Remark:
    what = f"{name} could not be looked at: {type(error).__name__}"
    return Remark(code=codes.FAILED, seqs=(), member="", what=what)


def _place(remark: Remark) -> tuple[str, tuple[int, ...], str, str]:
    return remark.code, remark.seqs, remark.member, remark.what


def _status(case: Case) -> str:
    return case.state.result.status if case.state.result is not None else ""


def _refusals(case: Case) -> tuple[RefusalCount, ...]:
    counts = Counter(refusal.refused.code for refusal in case.state.refusals.all)
    return tuple(RefusalCount(code=code, count=counts[code]) for code in sorted(counts))
