"""Every message that crosses a process line, as frozen tagged structs.

Facts are past tense (`TaskClaimed`), asks are verbs (`CancelRun`). On the wire a
message is JSON whose `type` names it. Unknown fields are ignored and new fields
have defaults, so that versions can mix. What a message may say of models, roles
or policy is opaque here: `bus` carries it and does not read it.

Source: docs/protocol.md, "Messages".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

Confidence = Literal["high", "medium", "low"]
Outcome = Literal["upheld", "refuted", "unsure"]
RulingOutcome = Literal["upheld", "superseded", "withdrawn"]
RunStatus = Literal["admitted", "partial", "rejected", "cancelled", "stalled"]
Count = Annotated[int, msgspec.Meta(ge=0)]
"""How many; fewer than none would give back what was spent, so it can't be read."""
Measure = Annotated[float, msgspec.Meta(ge=0)]
"""How much, in the unit that its field names; never less than nothing."""


def _no_answer() -> msgspec.Raw:
    return msgspec.Raw(b"null")


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a message."""


class ArtifactRef(Wire, frozen=True, kw_only=True):
    """Bytes kept beside the stream, named by their hash.

    Attributes:
        sha256: Hash of the bytes, 64 hex digits.
        size_bytes: How many there are.
        name: What they are, for people.
    """

    sha256: str
    size_bytes: int
    name: str = ""


class Budget(Wire, frozen=True, kw_only=True):
    """What a task may use up; the runtime stops at each of these.

    Attributes:
        turns_max: Model calls.
        tokens_max: Input and output tokens of all calls together.
        seconds_max: Wall time from claim to submission, in seconds.
        tool_calls_max: Tool calls, the returning one not counted; 0 stands for no limit.
        usd_max: US dollars of all calls together; absent: no limit in dollars.
    """

    turns_max: Count
    tokens_max: Count
    seconds_max: Measure
    tool_calls_max: Count = 0
    usd_max: Measure | None = None


class Criterion(Wire, frozen=True, kw_only=True):
    """One thing by which code can tell that a task is done; all that is given must hold.

    Attributes:
        text: What is asked, for people and models.
        claims_min: At least so many claims.
        sources_min: At least so many different sources are quoted.
        mentions: Each of these words stands in a claim, in a quote, or in an open question.
    """

    text: str
    claims_min: int = 0
    sources_min: int = 0
    mentions: tuple[str, ...] = ()


class Contract(Wire, frozen=True, kw_only=True):
    """What a task asks: objective, output, tools and sources, boundaries.

    Attributes:
        objective: What is to be found out, in a sentence or two.
        output_format: What the finding must look like.
        sources: Which source groups or path patterns may be used; never empty.
        tools: Which tools may be used.
        boundaries: What is out of bounds, a sentence each; never empty.
        acceptance: How it is told that the task is done, a sentence each.
        areas: Decision areas that concern it.
        constraints: Constraints of the goal, word for word.
        budget: What it may use up.
        criteria: Acceptance criteria that code checks.
        sources_avoided: Source groups or path patterns that may not be used.
        tools_avoided: Tools that may not be used although the role has them.
        writes: Paths that may be written; nothing else is.
        covers: Aspects of the goal that it answers, word for word.
    """

    objective: str
    output_format: str
    sources: tuple[str, ...]
    tools: tuple[str, ...]
    boundaries: tuple[str, ...]
    budget: Budget
    acceptance: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    sources_avoided: tuple[str, ...] = ()
    tools_avoided: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()


class Evidence(Wire, frozen=True, kw_only=True):
    """A place in a source and what stands there.

    Attributes:
        source: Absolute path or URL.
        locator: Where in it: `L12-L19`, or `p3:L1-L4` on a page.
        quote: What stands there, word for word, whitespace aside.
    """

    source: str
    locator: str
    quote: str


class Premise(Wire, frozen=True, kw_only=True):
    """A decision that something rests on, at the revision that was read.

    Attributes:
        area: Its area.
        key: Its key.
        revision: Which revision; 0 stands for the one that the author was shown.
    """

    area: str
    key: str
    revision: int = 0


class Fact(Wire, frozen=True, kw_only=True):
    """What a claim says, so that code can compare it with what others say.

    Attributes:
        subject: Of what, for example `the session cookie`.
        attribute: What of it, for example `lifetime`.
        value: Which value it has, for example `30 minutes`.
    """

    subject: str
    attribute: str
    value: str


class Claim(Wire, frozen=True, kw_only=True):
    """One statement of a finding.

    Attributes:
        id: Short name, unique within the finding.
        text: The statement.
        confidence: How sure its author is.
        evidence: What it rests on; a claim without any is not admitted.
        relied_on: Decisions that this claim rests on.
        revised_after: Id of the peer's message that changed it, if one did.
        facts: What it says, in parts that can be compared across lanes.
    """

    id: str
    text: str
    confidence: Confidence
    evidence: tuple[Evidence, ...] = ()
    relied_on: tuple[Premise, ...] = ()
    revised_after: str | None = None
    facts: tuple[Fact, ...] = ()


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Anything that is sent or stored."""


# --- the run ---------------------------------------------------------------------


class RunOpened(Message, frozen=True, kw_only=True, tag="run.opened"):
    """A run begins: what is asked, of which team, under which rules.

    Attributes:
        goal: The question, as the user put it.
        spec: The resolved team spec, policy and roles; opaque to the bus.
        sources: The library of sources, indexed once; absent without sources.
        mode: What the user asked for.
        model: Name of the model that answers by default.
        replay: Whether recorded replies answer, and no model ever may.
    """

    goal: str
    spec: msgspec.Raw
    mode: Literal["auto", "team", "solo"] = "auto"
    model: str = ""
    sources: ArtifactRef | None = None
    replay: bool = False


class RunTriaged(Message, frozen=True, kw_only=True, tag="run.triaged"):
    """Code has ruled whether a team is worth it.

    Attributes:
        mode: What the run will be.
        reasons: Why, a sentence each.
        title: What the plan calls itself.
    """

    mode: Literal["team", "solo"]
    reasons: tuple[str, ...]
    title: str = ""


class PlanMade(Message, frozen=True, kw_only=True, tag="plan.made"):
    """The lead's plan has passed the rules; nothing is on the board yet.

    Attributes:
        mode: Team or solo, as code has ruled.
        reasons: Why, a sentence each: the ruling, what was merged, cut, split.
        title: What the plan calls itself.
        tasks: What will be put on the board, in order.
        constraints: Constraints of the goal, word for word.
        aspects: Parts of the goal that the answer has to cover, word for word.
        round: 1, then one more each time a person has refused the plan before.
    """

    mode: Literal["team", "solo"]
    reasons: tuple[str, ...]
    tasks: tuple[PlannedTask, ...]
    title: str = ""
    constraints: tuple[str, ...] = ()
    aspects: tuple[str, ...] = ()
    round: int = 1


class RunForked(Message, frozen=True, kw_only=True, tag="run.forked"):
    """All before this was copied from another run; what follows is this run's own.

    Attributes:
        origin: The run that was copied.
        at_seq: Up to which sequence of it.
    """

    origin: str
    at_seq: int


class Citation(Wire, frozen=True, kw_only=True):
    """An admitted claim that the synthesis leans on."""

    ref: str
    claim: str
    member: str
    source: str
    locator: str
    quote: str


class ResultPublished(Message, frozen=True, kw_only=True, tag="result.published"):
    """The run's end: the gated synthesis, or why there is none.

    Attributes:
        status: How the run ended.
        text: The synthesis as Markdown; empty if there is none.
        citations: Every claim it cites.
        missing: What the goal asked for and the result lacks, with reasons.
        rejected: Claims and findings that were refused or struck out, with reasons.
    """

    status: RunStatus
    text: str = ""
    citations: tuple[Citation, ...] = ()
    missing: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


# --- members ---------------------------------------------------------------------


class MemberSeated(Message, frozen=True, kw_only=True, tag="member.seated"):
    """The lead has recruited a member and laid out its world.

    Attributes:
        role: Which role it plays.
        filters: Subject filters of its consumer: all it will ever be sent.
        areas: Decision areas among these.
        works_on: Its lane in a few words, so that peers know whom to ask.
        pocket: What it may use up beside its tasks, for mail and disputes.
    """

    role: str
    filters: tuple[str, ...]
    areas: tuple[str, ...] = ()
    works_on: str = ""
    pocket: Budget | None = None


class MemberJoined(Message, frozen=True, kw_only=True, tag="member.joined"):
    """A member's process has started.

    Attributes:
        pid: Its process id, on its host.
        host: The host's name.
        incarnation: 1 for the first process of this member, 2 for the next …
        idle_since: Of a supervisor that takes up a run again: since when nobody worked on it, in
            seconds since 1970; not every member was sent the run's last message.
    """

    pid: int
    host: str
    incarnation: int = 1
    idle_since: Measure = 0.0


class MemberLeft(Message, frozen=True, kw_only=True, tag="member.left"):
    """A member's process has ended on purpose."""

    reason: str


class MemberLost(Message, frozen=True, kw_only=True, tag="member.lost"):
    """A member died and will not be started again.

    Attributes:
        reason: What was seen.
        restarts: How often it had been started again.
    """

    reason: str
    restarts: int = 0


class MemberStuck(Message, frozen=True, kw_only=True, tag="member.stuck"):
    """A member lives and gets nowhere; the lead tells it, then replaces it.

    Attributes:
        reason: What was seen, for the member and for people.
        waits_for: Members that it waits for, if they wait for it in turn.
    """

    reason: str
    waits_for: tuple[str, ...] = ()


# --- tasks -----------------------------------------------------------------------


class TaskState(StrEnum):
    """Where a task stands on the board."""

    open = "open"
    claimed = "claimed"
    submitted = "submitted"
    admitted = "admitted"
    rejected = "rejected"
    failed = "failed"
    cancelled = "cancelled"


class TaskOpened(Message, frozen=True, kw_only=True, tag="task.opened"):
    """A task is on the board, or back on it.

    Attributes:
        title: A few words, for people and the roster.
        contract: What it asks.
        role: Which role may claim it.
        purpose: `research` for a lane, `verify` for judging another's finding, `compare`
            for judging whether claims of two lanes contradict each other.
        depends_on: Tasks that must be admitted before it may be claimed.
        subject_task: For `verify`: the task whose finding is judged.
        material: For `verify`: what is to be judged, claims and evidence only.
        subject_seq: For `verify`: sequence of the finding that is judged.
        round: 1, then one more each time it comes back.
        reasons: Why it came back; empty the first time.
        notes: Partial results of earlier rounds, so that nothing is looked up twice.
        offered_to: Only this member may claim it; absent: any of the role.
        not_by: Members that may not claim it: it is to go to somebody fresh.
    """

    title: str
    contract: Contract
    role: str
    purpose: Literal["research", "verify", "compare"] = "research"
    depends_on: tuple[str, ...] = ()
    subject_task: str | None = None
    material: tuple[Claim, ...] = ()
    subject_seq: int | None = None
    round: int = 1
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    offered_to: str | None = None
    not_by: tuple[str, ...] = ()


class PlannedTask(Wire, frozen=True, kw_only=True):
    """A task before it is on the board."""

    id: str
    opened: TaskOpened


class TaskClaimed(Message, frozen=True, kw_only=True, tag="task.claimed"):
    """The author works on the task from now on."""


class TaskSubmitted(Message, frozen=True, kw_only=True, tag="task.submitted"):
    """The author has delivered what the contract asked, in the same batch."""


class TaskFailed(Message, frozen=True, kw_only=True, tag="task.failed"):
    """The author could not return a clean finding."""

    reason: str


class TaskSettled(Message, frozen=True, kw_only=True, tag="task.settled"):
    """The lead has closed the task.

    Attributes:
        state: Admitted, rejected, failed or cancelled.
        reasons: Why, a sentence each.
    """

    state: Literal["admitted", "rejected", "failed", "cancelled"]
    reasons: tuple[str, ...] = ()


# --- mail and control ------------------------------------------------------------


class Mail(Message, frozen=True, kw_only=True):
    """Something one member tells another; data, never an instruction.

    Attributes:
        text: What is said.
        in_reply_to: Id of the message that this answers.
        about: What it is about: a claim's text, a decision, a task.
        evidence: What the author shows for it.
    """

    text: str
    in_reply_to: str | None = None
    about: str | None = None
    evidence: tuple[Evidence, ...] = ()


class Question(Mail, frozen=True, kw_only=True, tag="mail.question"):
    """The author wants to know something and expects an answer."""


class Answer(Mail, frozen=True, kw_only=True, tag="mail.answer"):
    """The author answers a question."""


class Challenge(Mail, frozen=True, kw_only=True, tag="mail.challenge"):
    """The author objects to a claim, a decision or a hypothesis."""


class Rebuttal(Mail, frozen=True, kw_only=True, tag="mail.rebuttal"):
    """The author replies to a challenge, or concedes it."""


class Note(Mail, frozen=True, kw_only=True, tag="mail.note"):
    """The author lets somebody know; no answer is expected."""


class CancelRun(Message, frozen=True, kw_only=True, tag="control.cancel"):
    """Stop now, even in a model call; the run ends as cancelled."""

    reason: str


class StopMember(Message, frozen=True, kw_only=True, tag="control.stop"):
    """There is no more work for this member: leave."""

    reason: str


class WrapUp(Message, frozen=True, kw_only=True, tag="control.wrap_up"):
    """Submit what there is.

    Attributes:
        reason: Why now, for the member.
        stuck_seq: Sequence of the `member.stuck` that led to it; 0 without one.
    """

    reason: str
    stuck_seq: int = 0


# --- decisions -------------------------------------------------------------------


class Choice(Message, frozen=True, kw_only=True):
    """What one says of an architectural choice, in a line; its reasons travel apart.

    Attributes:
        statement: The choice, one line of at most 280 characters.
        supersedes: Revision of the decision on this key that it replaces.
        relied_on: Decisions that it rests on.
        distinct_from: Decisions with similar words that its author was shown and says
            are something else, as `area/key`.
    """

    statement: str
    supersedes: int | None = None
    relied_on: tuple[Premise, ...] = ()
    distinct_from: tuple[str, ...] = ()


class DecisionProposed(Choice, frozen=True, kw_only=True, tag="decision.proposed"):
    """A choice is put forward; it holds once somebody who may says so."""


class DecisionRecorded(Choice, frozen=True, kw_only=True, tag="decision.recorded"):
    """A choice is in force from now on.

    Attributes:
        standing: The file that it comes from, if it is older than the run.
    """

    standing: str = ""


class DecisionChallenged(Message, frozen=True, kw_only=True, tag="decision.challenged"):
    """The author objects to a decision; it holds until it is ruled on.

    Attributes:
        revision: The decision objected to.
        reason: Why.
        instead: What should hold in its place, if the author knows.
        evidence: What the author shows for it.
    """

    revision: int
    reason: str
    instead: str = ""
    evidence: tuple[Evidence, ...] = ()


class DecisionRebutted(Message, frozen=True, kw_only=True, tag="decision.rebutted"):
    """The decision's author answers the objections and keeps to it.

    Attributes:
        revision: The decision.
        reason: Why it should hold.
        evidence: What the author shows for it.
    """

    revision: int
    reason: str
    evidence: tuple[Evidence, ...] = ()


class DecisionWithdrawn(Message, frozen=True, kw_only=True, tag="decision.withdrawn"):
    """The decision holds no longer, and nothing holds in its place.

    Attributes:
        revision: The decision.
        reason: Why.
    """

    revision: int
    reason: str


class DecisionRuled(Message, frozen=True, kw_only=True, tag="decision.ruled"):
    """The lead or a person has ruled; that binds the members.

    Attributes:
        revision: The decision ruled on.
        outcome: It holds, something else holds in its place, or nothing does.
        reason: Why.
        statement: What holds now, if it is superseded; this message is its revision.
        relied_on: What it rests on from now on; absent: what it rested on before.
    """

    revision: int
    outcome: RulingOutcome
    reason: str
    statement: str = ""
    relied_on: tuple[Premise, ...] | None = None


class DecisionExplained(Message, frozen=True, kw_only=True, tag="decision.explained"):
    """Why a decision was taken; kept beside it, read on demand, never pushed.

    The envelope's `cause` names the decision's message.

    Attributes:
        rationale: Why.
        alternatives: What else was considered, a line each.
        evidence: What it rests on in the sources.
    """

    rationale: str = ""
    alternatives: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class DecisionTold(Wire, frozen=True, kw_only=True):
    """A decision that entered a context, as it then stood.

    Attributes:
        area: Its area.
        key: Its key.
        revision: Which revision.
        seq: The newest change of that revision that was told.
    """

    area: str
    key: str
    revision: int
    seq: int


# --- findings and verdicts -------------------------------------------------------


class FindingNoted(Message, frozen=True, kw_only=True, tag="finding.noted"):
    """A partial result, kept so that it can be salvaged."""

    text: str


class FindingSubmitted(Message, frozen=True, kw_only=True, tag="finding.submitted"):
    """A member's typed digest for a task.

    Attributes:
        summary: What was found, in a few sentences.
        claims: The statements, each with evidence.
        round: Which round of the task it answers.
        open_questions: What stays unknown.
        relied_on: Decisions that all of it rests on.
        in_context: Decisions that its author had been shown; the runtime says so.
        dropped: Claims given up since the last round, with the reason.
    """

    summary: str
    claims: tuple[Claim, ...]
    round: int = 1
    open_questions: tuple[str, ...] = ()
    relied_on: tuple[Premise, ...] = ()
    in_context: tuple[Premise, ...] = ()
    dropped: tuple[str, ...] = ()


class Judgement(Wire, frozen=True, kw_only=True):
    """One check's or verifier's word on a finding, or on one claim of it.

    Attributes:
        check: Which check: `shape`, `contract`, `quotes`, `premises`, `budget`,
            `verification` …
        outcome: Only `upheld` admits; unsure is a no.
        reason: Why, in a sentence.
        claim: Id of the claim; absent: the finding as a whole.
    """

    check: str
    outcome: Outcome
    reason: str
    claim: str | None = None


class VerdictGiven(Message, frozen=True, kw_only=True, tag="verdict.given"):
    """Judgements on one submitted finding.

    Attributes:
        finding_seq: Sequence of the finding that was judged.
        judgements: What was found.
    """

    finding_seq: int
    judgements: tuple[Judgement, ...]


# --- conflicts between claims ----------------------------------------------------


class ConflictRaised(Message, frozen=True, kw_only=True, tag="conflict.raised"):
    """Two admitted claims of different lanes may contradict each other.

    Attributes:
        first: One of them, as `<task>.<claim>`.
        second: The other.
        reason: What code has seen.
        is_certain: Whether their facts say different things, so that nobody needs to look.
    """

    first: str
    second: str
    reason: str
    is_certain: bool = False


class ConflictJudged(Message, frozen=True, kw_only=True, tag="conflict.judged"):
    """A verifier has compared the two claims; unsure counts as contradicting.

    Attributes:
        outcome: Whether both can be true.
        reason: Why.
    """

    outcome: Literal["contradict", "compatible", "unsure"]
    reason: str


class ConflictRuled(Message, frozen=True, kw_only=True, tag="conflict.ruled"):
    """The lead has ruled which of two contradicting claims may be cited.

    Attributes:
        stands: The first, the second, both (each for its own part), or neither.
        reason: Why.
    """

    stands: Literal["first", "second", "both", "neither"]
    reason: str


# --- people and refusals ---------------------------------------------------------


class ApprovalAsked(Message, frozen=True, kw_only=True, tag="approval.asked"):
    """The run waits until a person has said yes or no.

    Attributes:
        what: The plan, spending beyond an amount, or the result.
        text: What is to be approved, for people.
        usd: For spending: up to how many US dollars.
    """

    what: Literal["plan", "spending", "result"]
    text: str
    usd: float | None = None


class ApprovalGiven(Message, frozen=True, kw_only=True, tag="approval.given"):
    """A person has answered.

    Attributes:
        outcome: Yes or no.
        reason: Why; never empty for a no.
    """

    outcome: Literal["approved", "rejected"]
    reason: str = ""


class ActRefused(Message, frozen=True, kw_only=True, tag="act.refused"):
    """Code has refused something before it was done.

    Attributes:
        code: The rule, as `team check --explain` explains it.
        what: What was tried: a tool, a model call, a spending.
        reason: Why it was refused.
        context: In which transcript; empty outside of one.
        turn: In which turn of it.
    """

    code: str
    what: str
    reason: str
    context: str = ""
    turn: int = 0


# --- journal and usage -----------------------------------------------------------


class SnapshotKept(Message, frozen=True, kw_only=True, tag="snapshot.kept"):
    """What a tool brought from outside is kept word for word, so that quotes can be checked.

    Attributes:
        tool: The tool that brought it.
        origin: Where it is from: an address, or a server and what it was asked.
        text: What it says, as UTF-8 lines: this is what is quoted.
        raw: The bytes as they came, if these are something else.
        media_type: What kind of bytes they are.
        title: What it calls itself, if anything.
        lines: Lines that the text has.
        context: The transcript in which it was brought.
    """

    tool: str
    origin: str
    text: ArtifactRef
    raw: ArtifactRef | None = None
    media_type: str = "text/plain"
    title: str = ""
    lines: Count = 0
    context: str = ""


class ToolDefined(Wire, frozen=True, kw_only=True):
    """A tool of an MCP server, as a context was given it.

    Attributes:
        name: What models and contracts call it.
        original: What its server calls it.
        description: What a model is told of it.
        input_schema: JSON Schema of its input, as its server has it.
        sha256: Hash of the server's own definition; a call of another is refused.
    """

    name: str
    original: str
    description: str
    input_schema: msgspec.Raw
    sha256: str


class ServerListed(Wire, frozen=True, kw_only=True):
    """What a context has of one MCP server.

    Attributes:
        server: The server's name as its tools' names have it.
        tools: Its tools.
        problem: Why it has none, if it could not be started.
    """

    server: str
    tools: tuple[ToolDefined, ...] = ()
    problem: str = ""


class ContextOpened(Message, frozen=True, kw_only=True, tag="context.opened"):
    """A member starts a fresh transcript for one assignment.

    Attributes:
        context: What it is for: `task:<id>:<round>`, `plan`, `synthesis` …
        system: The system prompt, word for word.
        opening: The first user message, word for word.
        tools: Names of the tools that it may call.
        model: The model asked for.
        claim_seq: Sequence of the claim that it works under, if it does.
        servers: What its MCP servers have said their tools are.
    """

    context: str
    system: str
    opening: str
    tools: tuple[str, ...]
    model: str
    claim_seq: int = 0
    servers: tuple[ServerListed, ...] = ()


class TokenCounts(Wire, frozen=True, kw_only=True):
    """Tokens of one model call, as the provider counts them.

    Attributes:
        input: Tokens read that came neither from the cache nor went into it.
        cache_read: Tokens read from the cache.
        cache_write: Tokens written to the cache.
        cache_write_hour: Those of them that are kept for an hour, which costs more.
        output: Tokens written by the model, thinking included.
        web_searches: Searches that the provider made, which have a price of their own.
    """

    input: Count = 0
    cache_read: Count = 0
    cache_write: Count = 0
    output: Count = 0
    cache_write_hour: Count = 0
    web_searches: Count = 0

    @property
    def total(self) -> int:
        """All tokens of the call."""
        return self.input + self.cache_read + self.cache_write + self.output

    def plus(self, other: TokenCounts) -> TokenCounts:
        """These and others together, kind by kind."""
        return TokenCounts(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
            cache_write_hour=self.cache_write_hour + other.cache_write_hour,
            web_searches=self.web_searches + other.web_searches,
        )


class Intake(Wire, frozen=True, kw_only=True):
    """One message that entered a context."""

    seq: int
    message_id: str
    author: str


class TurnReplied(Message, frozen=True, kw_only=True, tag="turn.replied"):
    """A model call has ended and is paid; it is never made again.

    Attributes:
        context: Which transcript.
        turn: 1 for the member's first call in this transcript.
        added: Content blocks added to the user side before this call, as sent.
        intake: Mail among these.
        told: Decisions among these.
        decisions_seq: Every change of a decision up to here was told or counted.
        decisions_heard: How many changes these were.
        content: The model's content blocks, as received.
        stop_reason: Why the model stopped.
        stop_details: What the model's provider says of that, if anything.
        request_id: The provider's id of the call.
        tokens: What the call took.
        lost: What tries of it took whose answer broke off, as far as the provider has said.
    """

    context: str
    turn: int
    content: msgspec.Raw
    stop_reason: str
    added: tuple[str, ...] = ()
    intake: tuple[Intake, ...] = ()
    told: tuple[DecisionTold, ...] = ()
    decisions_seq: int = 0
    decisions_heard: int = 0
    stop_details: str = ""
    request_id: str = ""
    tokens: TokenCounts = TokenCounts()
    lost: TokenCounts = TokenCounts()


class Picture(Wire, frozen=True, kw_only=True):
    """A picture among the sources that entered a context; its bytes are in the library.

    Attributes:
        source: Its name as a source.
        sha256: Hash of its file, in hex.
        media_type: What kind of picture it is.
        width: In pixels.
        height: In pixels.
    """

    source: str
    sha256: str
    media_type: str
    width: Count
    height: Count


class ToolOutcome(Wire, frozen=True, kw_only=True):
    """What one tool call gave back.

    Attributes:
        call_id: The id the model gave the call.
        tool: The tool's name.
        content: The text that goes back to the model.
        is_error: Whether it failed.
        told: Decisions that the text shows.
        shown: How many characters of the text entered the context; absent: all.
        pictures: What entered it beside the text.
    """

    call_id: str
    tool: str
    content: str
    is_error: bool = False
    told: tuple[DecisionTold, ...] = ()
    shown: Count | None = None
    pictures: tuple[Picture, ...] = ()


class CallBegun(Message, frozen=True, kw_only=True, tag="call.begun"):
    """A call that changes the world begins; if it never ends, its outcome is unknown.

    Attributes:
        context: Which transcript.
        turn: Which turn of it.
        call_id: The id the model gave the call.
        tool: The tool's name.
    """

    context: str
    turn: int
    call_id: str
    tool: str


class CallEnded(Message, frozen=True, kw_only=True, tag="call.ended"):
    """A call that changes the world has ended; it is never made again.

    Attributes:
        context: Which transcript.
        turn: Which turn of it.
        outcome: What it gave back.
    """

    context: str
    turn: int
    outcome: ToolOutcome


class ContextCompacted(Message, frozen=True, kw_only=True, tag="context.compacted"):
    """The first turns of a transcript leave its context; the journal keeps them.

    Attributes:
        context: Which transcript.
        upto: The last turn that leaves.
        text: What stands in their place, word for word.
        reason: Why.
        tokens_before: About how many tokens the next call would have read.
    """

    context: str
    upto: int
    text: str
    reason: str
    tokens_before: Count = 0


class TurnActed(Message, frozen=True, kw_only=True, tag="turn.acted"):
    """The turn's tools have run; what they sent is in the same batch.

    Attributes:
        context: Which transcript.
        turn: Which turn of it.
        outcomes: What the tools gave back, in the order of the calls.
        ends: Whether this turn returned the assignment's answer.
        answer: The typed answer as JSON, if it did.
    """

    context: str
    turn: int
    outcomes: tuple[ToolOutcome, ...]
    ends: bool = False
    answer: msgspec.Raw = msgspec.field(default_factory=_no_answer)


class ContextClosed(Message, frozen=True, kw_only=True, tag="context.closed"):
    """An assignment has ended otherwise than by an answer.

    Attributes:
        context: Which transcript.
        returned: Whether that is a clean end (mail was dealt with, say).
        reason: How it ended.
    """

    context: str
    returned: bool
    reason: str


class UsageReserved(Message, frozen=True, kw_only=True, tag="usage.reserved"):
    """A model call is about to be made: the most that it can take, until it is said what it took.

    A later reservation of the same turn takes the place of this one.

    Attributes:
        context: Which transcript.
        turn: Which turn of it this is to be.
        model: The model that is asked.
        tokens: Tokens at most, what tries before it have lost included.
        usd: US dollars at most, these included; absent where the price is unknown.
    """

    context: str
    turn: Count
    model: str
    tokens: Count
    usd: Measure | None = None


class UsageSpent(Message, frozen=True, kw_only=True, tag="usage.spent"):
    """What one model call took.

    Attributes:
        context: Which transcript.
        turn: Which turn of it; of a call that gave no answer, which it was to be.
        model: The model that answered, or was asked.
        request_id: The provider's id of the call.
        tokens: Tokens by kind.
        lost: What tries of it took whose answer broke off, as far as the provider has said.
        unsettled_tokens: What tries of it may have taken beyond that, at most: nobody has said.
        unsettled_usd: The same in US dollars; absent where the model's price is unknown.
        cost_usd: US dollars, these tries included; absent where the model's price is unknown.
        took_s: From request to last byte, in seconds.
        is_estimated: Whether tokens were estimated (the rehearsal model does).
    """

    context: str
    turn: Count
    model: str
    tokens: TokenCounts
    lost: TokenCounts = TokenCounts()
    unsettled_tokens: Count = 0
    unsettled_usd: Measure | None = 0.0
    request_id: str = ""
    cost_usd: Measure | None = None
    took_s: Measure = 0.0
    is_estimated: bool = False

    @property
    def is_in_vain(self) -> bool:
        """Whether the call never gave an answer: no turn has what it took."""
        return not self.tokens.total and not self.request_id


AnyMail = Question | Answer | Challenge | Rebuttal | Note
AnyMessage = (
    RunOpened
    | PlanMade
    | RunTriaged
    | RunForked
    | ResultPublished
    | MemberSeated
    | MemberJoined
    | MemberLeft
    | MemberLost
    | MemberStuck
    | TaskOpened
    | TaskClaimed
    | TaskSubmitted
    | TaskFailed
    | TaskSettled
    | Question
    | Answer
    | Challenge
    | Rebuttal
    | Note
    | CancelRun
    | StopMember
    | WrapUp
    | DecisionProposed
    | DecisionRecorded
    | DecisionChallenged
    | DecisionRebutted
    | DecisionWithdrawn
    | DecisionRuled
    | DecisionExplained
    | FindingNoted
    | FindingSubmitted
    | VerdictGiven
    | ConflictRaised
    | ConflictJudged
    | ConflictRuled
    | ApprovalAsked
    | ApprovalGiven
    | ActRefused
    | SnapshotKept
    | ContextOpened
    | TurnReplied
    | CallBegun
    | CallEnded
    | TurnActed
    | ContextCompacted
    | ContextClosed
    | UsageReserved
    | UsageSpent
)

TYPES_OF_KIND: dict[str, tuple[type[Message], ...]] = {
    "spec": (RunOpened, PlanMade, RunTriaged, RunForked),
    "member": (MemberSeated, MemberJoined, MemberLeft, MemberLost, MemberStuck),
    "task": (TaskOpened, TaskClaimed, TaskSubmitted, TaskFailed, TaskSettled),
    "mail": (Question, Answer, Challenge, Rebuttal, Note),
    "control": (CancelRun, StopMember, WrapUp),
    "decision": (
        DecisionProposed,
        DecisionRecorded,
        DecisionChallenged,
        DecisionRebutted,
        DecisionWithdrawn,
        DecisionRuled,
    ),
    "rationale": (DecisionExplained,),
    "finding": (FindingNoted, FindingSubmitted),
    "verdict": (VerdictGiven,),
    "conflict": (ConflictRaised, ConflictJudged, ConflictRuled),
    "approval": (ApprovalAsked, ApprovalGiven),
    "refusal": (ActRefused,),
    "snapshot": (SnapshotKept,),
    "journal": (
        ContextOpened,
        TurnReplied,
        CallBegun,
        CallEnded,
        TurnActed,
        ContextCompacted,
        ContextClosed,
    ),
    "usage": (UsageReserved, UsageSpent),
    "result": (ResultPublished,),
}
"""Which messages may be published on which kind of subject."""


def type_name(message: type[Message] | Message) -> str:
    """The name that a message has on the wire, for example `task.claimed`."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
