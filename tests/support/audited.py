"""A whole run on paper that an audit finds nothing in, and how to spoil one step of it.

A spoiled step is what it was, changed, left out, or followed by something that does not
belong there; all that comes later is told as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from bus.ids import GATE, LEAD
from bus.messages import (
    AnyMessage,
    Claim,
    ContextOpened,
    FindingSubmitted,
    Judgement,
    ResultPublished,
    RunOpened,
    RunTriaged,
    TaskClaimed,
    TaskOpened,
    TaskSettled,
    TaskSubmitted,
    TokenCounts,
    ToolOutcome,
    TurnActed,
    TurnReplied,
    UsageSpent,
    VerdictGiven,
)
from team.policy import Approvals, GateRules, Policy, ProjectPolicy
from team.rules.synthesis import AdmittedClaim, Section, Sentence, Synthesis, render
from team.sources import build_library, collect
from team.spec import ResolvedSpec, TeamSpec
from tests.support.builders import (
    QUOTE,
    Story,
    a_budget,
    a_claim,
    a_contract,
    a_finding,
    a_resolved_spec,
    an_evidence,
    calls,
    opens,
)

Change = Callable[[Any], AnyMessage | None]
"""What a step says instead; nothing leaves the step out."""

LANE_TOOLS: Final = ("search_sources", "read_source", "note", "send_message", "wait_for_mail")
LINES: Final = (QUOTE, "Idle ones are closed after a minute.", "Nobody waits for more than that.")
CHECKS: Final = ("shape", "contract", "quotes", "premises", "budget")


def write_library(folder: Path) -> Path:
    """Write the sources of the sound run, one of them outside its contract, as a library."""
    for name in ("docs/pool.md", "secret/key.md"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(LINES) + "\n")
    library = folder / "library.db"
    build_library(collect(["docs", "secret"], folder), library)
    return library


class Tale(Story):
    """A run that is told step by step; a test says which steps are spoiled.

    Attributes:
        seqs: Where each step stands.
        finding: The finding, as it was told.
        mind: The transcript that was opened last; extra turns go there.
    """

    mind: Mind

    def __init__(
        self,
        changes: Mapping[str, Change] | None = None,
        after: Mapping[str, Callable[[Tale], None]] | None = None,
    ) -> None:
        super().__init__()
        self.changes = changes or {}
        self.after = after or {}
        self.seqs: dict[str, int] = {}
        self.finding: FindingSubmitted = a_finding()

    def step(
        self, name: str, kind: str, *names: str, author: str = LEAD, body: AnyMessage
    ) -> AnyMessage | None:
        """Tell one step, spoiled if a test wants it so; gives what was told."""
        change = self.changes.get(name)
        told = body if change is None else change(body)
        if told is not None:
            self.seqs[name] = self.tell(kind, *names, author=author, body=told)
        if name in self.after:
            self.after[name](self)
        return told


def change(**fields: Any) -> Change:
    """A change of some fields of a step."""
    return lambda body: msgspec.structs.replace(body, **fields)


def leave_out(_: Any) -> None:
    """A step that does not happen."""
    return


def a_spec(
    *,
    approve: Approvals | None = None,
    project: ProjectPolicy | None = None,
    gate: GateRules | None = None,
    **policy: Any,
) -> ResolvedSpec:
    """The spec of the sound run."""
    team = TeamSpec(
        name="research",
        policy=Policy(**policy),
        gate=gate or GateRules(),
        approve=approve or Approvals(),
    )
    project = project or ProjectPolicy()
    return msgspec.structs.replace(a_resolved_spec(), team=team, project=project)


def a_sound_run(
    changes: Mapping[str, Change] | None = None,
    after: Mapping[str, Callable[[Tale], None]] | None = None,
    *,
    folder: Path = Path("/src"),
    spec: ResolvedSpec | None = None,
) -> Tale:
    """Tell the run: one lane, one finding of two claims, one verifier, one result."""
    tale = Tale(changes, after)
    raw = msgspec.Raw(msgspec.json.encode(spec or a_spec()))
    tale.step("opened", "spec", body=RunOpened(goal="How do pools behave?", spec=raw))
    for name, role in ((LEAD, "lead"), ("ada", "researcher"), ("vera", "skeptic")):
        tale.seat(name, role)
    tale.step("triaged", "spec", body=RunTriaged(mode="solo", reasons=("one lane",)))
    _research(tale, folder)
    _gate(tale)
    _verify(tale, folder)
    for name in ("v-t1-1-1", "t1"):
        body = TaskSettled(state="admitted")
        tale.step(f"settled {name}", "task", name, body=body)
    _end(tale)
    return tale


def _research(tale: Tale, folder: Path) -> None:
    path = str(folder / "docs/pool.md")
    contract = a_contract(tools=LANE_TOOLS, budget=a_budget(tool_calls_max=10))
    tale.step("task", "task", "t1", body=opens(contract=contract, offered_to="ada"))
    tale.step("claimed", "task", "t1", author="ada", body=TaskClaimed())
    mind = Mind(tale, "ada", "task:t1:1", (*LANE_TOOLS, "submit_finding"))
    mind.opens()
    mind.turn("look", calls("a1", "search_sources", query="pools connections"), gives=LINES[0])
    shown = "\n".join(f"L{n}| {line}" for n, line in enumerate(LINES, start=1))
    read = calls("a2", "read_source", source=path, locator="L1-L3")
    mind.turn("read", read, gives=shown)
    claims = (
        a_claim("c1", "Ten connections at most.", evidence=(an_evidence(source=path),)),
        Claim(
            id="c2",
            text="Idle connections go after a minute.",
            confidence="high",
            evidence=(msgspec.structs.replace(an_evidence(LINES[1], path), locator="L2"),),
        ),
    )
    mind.turn("return", calls("a3", "submit_finding"), gives="Submitted.", ends=True)
    body = a_finding(*claims)
    told = tale.step("finding", "finding", "t1", author="ada", body=body)
    tale.finding = told if isinstance(told, FindingSubmitted) else body
    tale.step("submitted", "task", "t1", author="ada", body=TaskSubmitted())


def _gate(tale: Tale) -> None:
    said = tuple(Judgement(check=check, outcome="upheld", reason="kept") for check in CHECKS)
    body = VerdictGiven(finding_seq=tale.seqs.get("finding", 0), judgements=said)
    tale.step("exact", "verdict", "t1", author=GATE, body=body)


def _verify(tale: Tale, folder: Path) -> None:
    tools = ("search_sources", "read_source", "submit_verdict")
    body = TaskOpened(
        title="verify pools",
        contract=a_contract(tools=tools),
        role="skeptic",
        purpose="verify",
        subject_task="t1",
        subject_seq=tale.seqs.get("finding", 0),
        material=tuple(
            msgspec.structs.replace(claim, confidence="medium") for claim in tale.finding.claims
        ),
        offered_to="vera",
    )
    told = tale.step("verify", "task", "v-t1-1-1", body=body)
    material = told.material if isinstance(told, TaskOpened) else body.material
    tale.step("v claimed", "task", "v-t1-1-1", author="vera", body=TaskClaimed())
    mind = Mind(tale, "vera", "task:v-t1-1-1:1", tools)
    mind.opens()
    path = str(folder / "docs/pool.md")
    mind.turn("v read", calls("b1", "read_source", source=path), gives="\n".join(LINES))
    mind.turn("v return", calls("b2", "submit_verdict"), gives="Submitted.", ends=True)
    said = tuple(
        Judgement(check="verification", outcome="upheld", reason="it stands", claim=claim.id)
        for claim in material
    )
    verdict = VerdictGiven(finding_seq=tale.seqs.get("finding", 0), judgements=said)
    tale.step("verdict", "verdict", "t1", author="vera", body=verdict)
    tale.step("v submitted", "task", "v-t1-1-1", author="vera", body=TaskSubmitted())


def _end(tale: Tale) -> None:
    admitted = [
        AdmittedClaim(ref=f"t1.{c.id}", task="t1", lane="pools", member="ada", claim=c)
        for c in tale.finding.claims
        if c.evidence
    ]
    sentences = tuple(Sentence(text=a.claim.text, cites=(a.ref,)) for a in admitted)
    synthesis = Synthesis(title="Pools", sections=(Section(heading="All", sentences=sentences),))
    text, citations = render(synthesis, admitted, ())
    body = ResultPublished(status="admitted", text=text, citations=citations)
    tale.step("result", "result", body=body)


class Mind:
    """One transcript of a member: it opens, and takes turns that call one tool each."""

    def __init__(self, tale: Tale, member: str, context: str, tools: tuple[str, ...]) -> None:
        self.tale, self.member, self.context, self.tools = tale, member, context, tools
        self.turns = 0
        tale.mind = self

    def opens(self) -> None:
        opened = ContextOpened(
            context=self.context, system="s", opening="Begin.", tools=self.tools, model="m1"
        )
        name = f"{self.member} opens"
        self.tale.step(name, "journal", author=self.member, body=opened)

    def turn(
        self, name: str, call: dict[str, Any], *, gives: str, ends: bool = False, tokens: int = 10
    ) -> None:
        """A model call, what it took, and what its tool gave: steps `name`, `name $`, `name !`."""
        self.turns += 1
        replied = TurnReplied(
            context=self.context,
            turn=self.turns,
            content=msgspec.Raw(msgspec.json.encode([call])),
            stop_reason="tool_use",
            tokens=TokenCounts(input=tokens, output=1),
        )
        usage = UsageSpent(
            context=self.context,
            turn=self.turns,
            model="m1",
            tokens=TokenCounts(input=tokens, output=1),
            cost_usd=0.001,
        )
        outcome = ToolOutcome(call_id=call["id"], tool=call["name"], content=gives)
        acted = TurnActed(context=self.context, turn=self.turns, outcomes=(outcome,), ends=ends)
        self.tale.step(name, "journal", author=self.member, body=replied)
        self.tale.step(f"{name} $", "usage", author=self.member, body=usage)
        self.tale.step(f"{name} !", "journal", author=self.member, body=acted)
