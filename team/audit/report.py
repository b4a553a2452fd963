"""What an audit says: breaches, signs, the modes they belong to, the chain of every claim."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from team.codes import RULES, limits
from team.codes import audit as codes

Weight = Literal["breach", "sign"]

MODE_CODES: Final = tuple(rule.code for rule in codes.MODES)
"""The fourteen modes of MAST, in their order."""

MODE_OF_BREACH: Final[dict[str, str]] = {
    limits.TOOL: "M1.1",
    limits.SOURCE: "M1.1",
    limits.WRITE: "M1.1",
    limits.HOST: "M1.1",
    limits.DEPTH: "M1.2",
    limits.AREA: "M1.2",
    limits.MESSAGE: "M1.2",
    codes.OWN_JUDGE: "M1.2",
    limits.ROUNDS: "M1.5",
    limits.TURNS: "M1.5",
    limits.TOOL_CALLS: "M1.5",
    limits.TOKENS: "M1.5",
    limits.DOLLARS: "M1.5",
    limits.SECONDS: "M1.5",
    codes.UNSAID: "M2.4",
    codes.STRUCK: "M2.5",
    codes.QUOTE: "M2.6",
    codes.ALTERED: "M2.6",
    codes.UNSETTLED: "M3.1",
    limits.APPROVE_RESULT: "M3.1",
    codes.NOT_ADMITTED: "M3.2",
    codes.NOT_GATED: "M3.2",
    codes.NOT_VERIFIED: "M3.2",
    codes.NO_EVIDENCE: "M3.2",
    codes.UNCITED: "M3.2",
}
"""Which mode a breach of another rule is an instance of; the others are of none."""


class Remark(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing that the audit has seen.

    Attributes:
        code: The rule, as `team check --explain` explains it; `M…` for a mode of MAST.
        seqs: Records of the stream that show it, in order; empty for what is lacking.
        member: Who did it; empty where nobody in particular did.
        what: What was seen, in a sentence.
        weight: A breach is certain; a sign may be harmless.
    """

    code: str
    seqs: tuple[int, ...]
    member: str
    what: str
    weight: Weight = "breach"

    @property
    def mode(self) -> str:
        """The mode of MAST that this is an instance of; empty if it is of none."""
        if self.code in MODE_CODES:
            return self.code
        return MODE_OF_BREACH.get(self.code, "") if self.weight == "breach" else ""


class ModeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One mode of MAST and how often it was seen."""

    code: str
    name: str
    breaches: int
    signs: int


class EvidenceLink(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence, read again.

    Attributes:
        source: Absolute path or URL.
        locator: Where in it.
        quote: What is said to stand there.
        problem: Why it does not; empty if it does.
        is_checked: Whether the run's library was at hand to look.
    """

    source: str
    locator: str
    quote: str
    problem: str = ""
    is_checked: bool = False


class VerdictLink(msgspec.Struct, frozen=True, kw_only=True):
    """One word on a claim.

    Attributes:
        seq: The record.
        member: Whose word: `gate` for exact checks, else a verifier.
        check: Which check, or `verification`.
        outcome: Upheld, refuted or unsure.
        counts: Whether it counts; a verifier that passed a canary has no say.
    """

    seq: int
    member: str
    check: str
    outcome: str
    counts: bool = True


class RulingLink(msgspec.Struct, frozen=True, kw_only=True):
    """One conflict that a claim was part of.

    Attributes:
        conflict: Its name.
        other: The other claim, as `<task>.<claim>`.
        state: `raised`, `open`, `compatible` or `ruled`.
        may_be_cited: Whether the claim came out of it citable.
    """

    conflict: str
    other: str
    state: str
    may_be_cited: bool


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """How one claim came into the result, link by link.

    Attributes:
        ref: The claim, as `<task>.<claim>`.
        text: What it says.
        lane: Title of its task; empty if there is no such task.
        producer: Who submitted it.
        round: In which round of the task.
        finding_seq: The finding; 0 if there is none.
        settled_seq: The record that admitted it; 0 if none did.
        evidence: What it quotes.
        verdicts: What was said of it, in order.
        rulings: Conflicts that it was part of.
        citations: Its numbers in the result.
        holes: Codes of what the chain lacks; empty for a whole one.
    """

    ref: str
    text: str
    lane: str = ""
    producer: str = ""
    round: int = 0
    finding_seq: int = 0
    settled_seq: int = 0
    evidence: tuple[EvidenceLink, ...] = ()
    verdicts: tuple[VerdictLink, ...] = ()
    rulings: tuple[RulingLink, ...] = ()
    citations: tuple[int, ...] = ()
    holes: tuple[str, ...] = ()


class RefusalCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often code has refused an act under one rule; no breach: it was not done."""

    code: str
    count: int


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole audit; the same stream gives the same bytes.

    Attributes:
        run: The run.
        status: How it ended; empty if it has no result yet.
        records: How many records were folded.
        has_library: Whether quotes were read again.
        breaches: What broke a rule.
        signs: What may be a failure of a kind, and may be harmless.
        modes: All fourteen, seen or not.
        chains: Every admitted or cited claim.
        refusals: What code has refused before it was done, by rule.
    """

    run: str
    status: str
    records: int
    has_library: bool
    breaches: tuple[Remark, ...]
    signs: tuple[Remark, ...]
    modes: tuple[ModeRow, ...]
    chains: tuple[Chain, ...]
    refusals: tuple[RefusalCount, ...]

    @property
    def is_clean(self) -> bool:
        """Whether no rule was broken; signs do not count."""
        return not self.breaches


def mode_rows(remarks: tuple[Remark, ...]) -> tuple[ModeRow, ...]:
    """Count remarks by mode."""
    return tuple(
        ModeRow(
            code=code,
            name=RULES[code].name,
            breaches=sum(r.mode == code and r.weight == "breach" for r in remarks),
            signs=sum(r.mode == code and r.weight == "sign" for r in remarks),
        )
        for code in MODE_CODES
    )
