"""The audit of one run: everything that the other modules see, in one order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bus.run_stream import Record
from team.audit.approvals import approval_breaches
from team.audit.case import Case
from team.audit.chains import chains_of
from team.audit.limits import limit_breaches
from team.audit.looking import Seen
from team.audit.modes import look
from team.audit.permissions import permission_breaches
from team.audit.report import AuditReport, RefusalCount, Remark, mode_rows
from team.audit.results import result_breaches
from team.sources import Library


def audit(records: Sequence[Record], library: Library | None = None) -> AuditReport:
    """Fold a run's stream again and say what does not hold.

    Pure: the same records and sources give the same report, byte for byte.

    Args:
        records: The whole stream, in order.
        library: The run's sources; without them quotes are not read again.
    """
    case = Case(records, library)
    chains = chains_of(case)
    seen = Seen(trace=case.trace, run=case, chains=chains)
    found = {
        *limit_breaches(case),
        *permission_breaches(case),
        *approval_breaches(case),
        *result_breaches(case, chains),
        *look(seen),
    }
    remarks = tuple(sorted(found, key=_place))
    result = case.state.result
    return AuditReport(
        run=case.records[0].subject.run if case.records else "",
        status=result.status if result is not None else "",
        records=len(case.records),
        has_library=library is not None,
        breaches=tuple(one for one in remarks if one.weight == "breach"),
        signs=tuple(one for one in remarks if one.weight == "sign"),
        modes=mode_rows(remarks),
        chains=chains,
        refusals=_refusals(case),
    )


def _place(remark: Remark) -> tuple[str, tuple[int, ...], str, str]:
    return remark.code, remark.seqs, remark.member, remark.what


def _refusals(case: Case) -> tuple[RefusalCount, ...]:
    counts = Counter(refusal.refused.code for refusal in case.state.refusals.all)
    return tuple(RefusalCount(code=code, count=counts[code]) for code in sorted(counts))
