"""Faults that are put into a sound run, or before a rule, and what meets each of them.

`FAULTS` is the matrix of docs/failure-modes.md: fourteen modes, at least one fault each.
What meets a fault is found by doing it: the audit folds the spoiled stream; rules, checks and
the lead of a run on paper get the spoiled input (`ruled_faults`, `led_faults`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from bus.ids import GATE
from bus.messages import (
    ActRefused,
    Claim,
    ConflictRaised,
    ContextClosed,
    FindingSubmitted,
    Intake,
    Judgement,
    MemberSeated,
    Question,
    TaskSettled,
    TurnReplied,
    VerdictGiven,
)
from team.audit import audit
from team.codes import limits
from team.sources import Library
from tests.support.audited import (
    LANE_TOOLS,
    LINES,
    Change,
    Tale,
    a_sound_run,
    change,
    leave_out,
    write_library,
)
from tests.support.builders import (
    a_budget,
    a_claim,
    a_contract,
    a_finding,
    an_evidence,
    calls,
    opens,
    says,
)
from tests.support.fault import Fault
from tests.support.led_faults import LED
from tests.support.ruled_faults import RULED

After = Callable[[Tale], None]


def _spoiled(
    mode: str,
    name: str,
    changes: Mapping[str, Change] | None = None,
    after: Mapping[str, After] | None = None,
) -> Fault:
    """A fault in a stream: what the audit says of its mode."""

    def meets(folder: Path, library: Library) -> str:
        report = audit(a_sound_run(changes, after, folder=folder).records, library)
        seen = {(one.code, one.weight) for one in (*report.breaches, *report.signs)}
        seen &= {(o.code, o.weight) for o in (*report.breaches, *report.signs) if o.mode == mode}
        return ", ".join(f"{code} {weight}" for code, weight in sorted(seen))

    return Fault(mode=mode, name=name, meets=meets)


# --- what is changed --------------------------------------------------------------


def _asks(**call: Any) -> Change:
    """Another tool call in place of a turn's own, with the same id."""

    def changed(body: TurnReplied) -> TurnReplied:
        [block] = msgspec.json.decode(body.content)
        content = msgspec.Raw(msgspec.json.encode([{**block, **call}]))
        return msgspec.structs.replace(body, content=content)

    return changed


def _ran(tool: str, content: str = "") -> Change:
    """What a turn's tool gave, under another tool's name."""

    def changed(body: Any) -> Any:
        outcomes = tuple(
            msgspec.structs.replace(one, tool=tool, content=content or one.content)
            for one in body.outcomes
        )
        return msgspec.structs.replace(body, outcomes=outcomes)

    return changed


def _claims(edit: Callable[[Claim], Claim]) -> Change:
    """The finding with its first claim changed."""

    def changed(body: FindingSubmitted) -> FindingSubmitted:
        first, *others = body.claims
        return msgspec.structs.replace(body, claims=(edit(first), *others))

    return changed


def _quotes(quote: str, **place: str) -> Change:
    def edit(claim: Claim) -> Claim:
        [one] = claim.evidence
        evidence = msgspec.structs.replace(one, quote=quote, **place)
        return msgspec.structs.replace(claim, evidence=(evidence,))

    return _claims(edit)


def _with_canary(body: Any) -> Any:
    planted = a_claim("c3", "Pools never close a connection.")
    return msgspec.structs.replace(body, material=(*body.material, planted))


# --- what is added ----------------------------------------------------------------


def _again(turns: int, tool: str = "search_sources", **given: str) -> After:
    """More turns of whoever is at work, each with the same call."""

    def added(tale: Tale) -> None:
        for number in range(turns):
            tale.mind.turn(f"extra {number}", calls(f"x{number}", tool, **given), gives=LINES[0])

    return added


def _strays(tale: Tale) -> None:
    for query in ("kernel scheduler", "quantum gravity", "violin makers"):
        tale.mind.turn(query, calls(query, "search_sources", query=query), gives=query)


def _says(times: int, text: str) -> After:
    def added(tale: Tale) -> None:
        for number in range(times):
            content = msgspec.Raw(msgspec.json.encode([says(f"{text} {number}")]))
            replied = TurnReplied(
                context="mail:9", turn=number + 1, content=content, stop_reason="end_turn"
            )
            tale.tell("journal", author="ada", body=replied)

    return added


def _tells(kind: str, *names: str, author: str, body: Any) -> After:
    def added(tale: Tale) -> None:
        tale.tell(kind, *names, author=author, body=body)

    return added


def _judges(author: str, *claims: str, outcome: Any = "upheld") -> After:
    def added(tale: Tale) -> None:
        said = tuple(
            Judgement(check="verification", outcome=outcome, reason="so it is", claim=claim)
            for claim in claims
        )
        body = VerdictGiven(finding_seq=tale.seqs["finding"], judgements=said)
        tale.tell("verdict", "t1", author=author, body=body)

    return added


def _asks_ada_in_vain(tale: Tale) -> None:
    question = Question(text="Does that hold on Windows?")
    seq = tale.tell("mail", "ada", author="lead", body=question, message_id="q1")
    intake = (Intake(seq=seq, message_id="q1", author="lead"),)
    replied = TurnReplied(
        context="mail:1", turn=1, content=msgspec.Raw(b"[]"), stop_reason="end_turn", intake=intake
    )
    tale.tell("journal", author="ada", body=replied)


def _loses_a_lane(tale: Tale) -> None:
    tale.tell("task", "t2", body=opens("timeouts"))
    body = TaskSettled(state="failed", reasons=("out of turns",))
    tale.tell("task", "t2", body=body)


def _came_back(tale: Tale) -> None:
    """A finding of an earlier round, with a claim that was refuted and one that vanishes."""
    gone = a_claim("c9", "Pools share their locks.", evidence=(an_evidence(LINES[2]),))
    finding = a_finding(*tale_claims(tale), gone)
    tale.seqs["before"] = tale.tell("finding", "t1", author="ada", body=finding)
    said = Judgement(check="quotes", outcome="refuted", reason="not there", claim="c1")
    body = VerdictGiven(finding_seq=tale.seqs["before"], judgements=(said,))
    tale.tell("verdict", "t1", author=GATE, body=body)


def tale_claims(tale: Tale) -> tuple[Claim, ...]:
    """The claims that the sound finding will have."""
    sound = a_sound_run(folder=_folder_of(tale))
    return sound.finding.claims


def _folder_of(tale: Tale) -> Path:
    read = next(
        block["input"]["source"]
        for record in tale.records
        if isinstance(record.body, TurnReplied)
        for block in msgspec.json.decode(record.body.content)
        if block.get("name") == "read_source"
    )
    return Path(read).parent.parent


def _misshapen(tale: Tale) -> None:
    """A finding without a claim, and what the gate said of it."""
    finding = msgspec.structs.replace(a_finding(), claims=())
    seq = tale.tell("finding", "t1", author="ada", body=finding)
    said = Judgement(check="shape", outcome="refuted", reason="there is no claim")
    tale.tell("verdict", "t1", author=GATE, body=VerdictGiven(finding_seq=seq, judgements=(said,)))


def _refuses(code: str, what: str) -> After:
    refused = ActRefused(code=code, what=what, reason="it is not allowed", context="task:t1:1")
    return _tells("refusal", author="ada", body=refused)


def _source_in(body: TurnReplied) -> Path:
    [block] = msgspec.json.decode(body.content)
    return Path(block["input"]["source"])


_SPOILED: Final[tuple[Fault, ...]] = (
    _spoiled(
        "M1.1",
        "runs a tool that its contract does not name",
        {"task": change(contract=a_contract(tools=("read_source",)))},
    ),
    _spoiled(
        "M1.1",
        "reads a source outside its contract",
        {
            "read": lambda body: _asks(
                input={"source": str(_source_in(body).parent.parent / "secret/key.md")}
            )(body)
        },
    ),
    _spoiled("M1.1", "is refused a tool", after={"look": _refuses(limits.TOOL, "fetch_page")}),
    _spoiled("M1.1", "returns a finding without a claim", after={"read !": _misshapen}),
    _spoiled(
        "M1.2",
        "a verifier submits a finding",
        after={"verdict": _tells("finding", "t1", author="vera", body=a_finding())},
    ),
    _spoiled(
        "M1.2",
        "a teammate settles its own task",
        after={"submitted": _tells("task", "t1", author="ada", body=TaskSettled(state="admitted"))},
    ),
    _spoiled(
        "M1.2",
        "a teammate recruits",
        after={
            "look": _tells(
                "member", "bea", author="ada", body=MemberSeated(role="researcher", filters=())
            )
        },
    ),
    _spoiled("M1.2", "an author judges its own finding", after={"exact": _judges("ada", "c1")}),
    _spoiled(
        "M1.3",
        "searches for the same four times",
        after={"look !": _again(3, query="pools  connections")},
    ),
    _spoiled(
        "M1.3",
        "says nearly the same five times",
        after={
            "read !": _says(
                5,
                "I will look at the pool once more and see whether it closes what is idle, and "
                "when it does so, and who waits for it until then, and how long that may take, "
                "before I say anything of it to anybody else in this team, round",
            )
        },
    ),
    _spoiled("M1.4", "a turn is lost", dict.fromkeys(("read", "read $", "read !"), leave_out)),
    _spoiled("M1.4", "a tool's answer is lost", {"look !": leave_out}),
    _spoiled(
        "M1.4",
        "a member goes back to what it knew before",
        {"look": change(decisions_seq=9), "read": change(decisions_seq=3)},
    ),
    _spoiled(
        "M1.5",
        "goes on beyond its turns",
        {"task": change(contract=a_contract(tools=LANE_TOOLS, budget=a_budget(turns_max=2)))},
    ),
    _spoiled(
        "M1.5",
        "goes on after it has returned",
        after={"return !": _again(1, "read_source", source="pool.md")},
    ),
    _spoiled(
        "M1.5",
        "is stopped by its budget",
        after={
            "read !": _tells(
                "journal",
                author="ada",
                body=ContextClosed(
                    context="mail:7", returned=False, reason="budget: all 6 turns are used"
                ),
            )
        },
    ),
    _spoiled(
        "M1.5",
        "finds nothing new for three turns",
        after={"look !": _again(3, query="idle connections")},
    ),
    _spoiled(
        "M1.5",
        "is refused a call beyond its turns",
        after={"read !": _refuses(limits.TURNS, "call")},
    ),
    _spoiled(
        "M2.1",
        "opens its transcript again",
        after={"look !": lambda tale: tale.mind.opens()},
    ),
    _spoiled("M2.1", "takes a turn again", {"read": change(turn=1), "read !": change(turn=1)}),
    _spoiled(
        "M2.2",
        "leaves a question open and asks nobody",
        {"finding": change(open_questions=("Does it hold on Windows?",))},
    ),
    _spoiled(
        "M2.3",
        "searches three times for something else",
        after={"look !": _strays},
    ),
    _spoiled(
        "M2.3",
        "is refused a source of another lane",
        after={"look": _refuses(limits.SOURCE, "read_source secret/key.md")},
    ),
    _spoiled("M2.4", "a claim vanishes between two rounds", after={"read !": _came_back}),
    _spoiled(
        "M2.4", "a lane fails and the result does not say so", after={"triaged": _loses_a_lane}
    ),
    _spoiled(
        "M2.4",
        "reads a source and never mentions it",
        after={"look !": _again(1, "read_source", source="/src/docs/other.md")},
    ),
    _spoiled("M2.5", "reads a question and never answers", after={"read !": _asks_ada_in_vain}),
    _spoiled("M2.5", "returns a refuted claim word for word", after={"read !": _came_back}),
    _spoiled(
        "M2.5",
        "cites a claim whose conflict nobody ruled on",
        after={
            "exact": _tells(
                "conflict",
                "k1",
                author=GATE,
                body=ConflictRaised(
                    first="t1.c1", second="t1.c2", reason="ten or twenty", is_certain=True
                ),
            )
        },
    ),
    _spoiled(
        "M2.6",
        "quotes what does not stand there",
        {"finding": _quotes("A pool keeps at most ninety connections open.")},
    ),
    _spoiled("M2.6", "quotes what it never read", {"read !": _ran("read_source", "L1| nothing")}),
    _spoiled(
        "M2.6",
        "names a mail that was never sent as its reason",
        {"finding": _claims(lambda c: msgspec.structs.replace(c, revised_after="nobody"))},
    ),
    _spoiled("M3.1", "the result comes before its lane is settled", {"settled t1": leave_out}),
    _spoiled(
        "M3.1",
        "submits without having looked",
        dict.fromkeys(("look", "look !", "look $", "read", "read !", "read $"), leave_out),
    ),
    _spoiled("M3.2", "nobody verifies", {"verdict": leave_out}),
    _spoiled("M3.2", "the exact checks are left out", {"exact": leave_out}),
    _spoiled(
        "M3.2",
        "a verifier judges without looking",
        dict.fromkeys(("v read", "v read !", "v read $"), leave_out),
    ),
    _spoiled("M3.3", "a verifier upholds a planted claim", {"verify": _with_canary}),
    _spoiled(
        "M3.3",
        "a verifier upholds an altered quote",
        {"finding": _quotes("A pool keeps at most ninety connections open.")},
    ),
    _spoiled(
        "M3.3",
        "two verifiers disagree",
        after={"verdict": _judges("walt", "c1", outcome="refuted")},
    ),
)

FAULTS: Final[tuple[Fault, ...]] = tuple(
    sorted((*RULED, *LED, *_SPOILED), key=lambda fault: fault.mode)
)
"""Of each mode first what rules and checks say no to, then what the audit sees afterwards."""


def main() -> int:
    """Print the matrix as docs/failure-modes.md has it."""
    with TemporaryDirectory() as place:
        folder = Path(place).resolve()
        with Library.open(write_library(folder)) as library:
            for fault in FAULTS:
                print(f"| {fault.mode} | {fault.name} | {fault.meets(folder, library)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
