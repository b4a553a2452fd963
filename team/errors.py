"""Everything that can go wrong inside a team, split by what the caller does next.

Not for what goes wrong on the wire: that is `bus.errors`.
"""

from __future__ import annotations

from typing import ClassVar

from bus.messages import TokenCounts


class TeamError(Exception):
    """Something inside the team did not happen.

    Next: read the message; each subclass says what to do.
    """

    retryable: ClassVar[bool] = False


class SourceError(TeamError):
    """A source can't be used as it was asked for.

    Next: name another source, or do what the message proposes.
    """

    def __init__(self, source: str, reason: str, fix: str) -> None:
        self.source, self.reason, self.fix = source, reason, fix
        super().__init__(f"source {source!r}: {reason}; {fix}")


class UnknownSourceError(SourceError):
    """A name means no source, or more than one, of those allowed here.

    Next: use one of the names in the message; nothing else can be read.
    """

    def __init__(self, source: str, reason: str, near: tuple[str, ...]) -> None:
        self.near = near
        fix = f"did you mean {' or '.join(near)}?" if near else "list the sources and name one"
        super().__init__(source, reason, fix)


class FetchError(TeamError):
    """A page of the web was not had, or can't be read.

    Next: fetch another page, or do without; the same one again only if it was busy.
    """

    def __init__(self, url: str, reason: str, code: str = "") -> None:
        self.url, self.reason, self.code = url, reason, code
        super().__init__(f"{url}: {reason}" + (f" ({code})" if code else ""))


class LocatorError(TeamError, ValueError):
    """A text does not say where in a source something stands.

    Next: write it as `L12`, `L12-L19` or `p3:L1-L4`.
    """

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason
        super().__init__(
            f"locator {text!r} can't be used: {reason}; write 'L12', 'L12-L19' or 'p3:L1-L4'"
        )


class LibraryError(TeamError):
    """The library file of a run can't be written or read.

    Next: check the folder and the disk, then build the library again.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"library {path!r} can't be used: {reason}; build it again")


class SpecError(TeamError):
    """A team spec, or the way a run was asked for, is not usable.

    Next: mend what the message names.
    """

    def __init__(self, place: str, field: str, reason: str, fix: str) -> None:
        self.place, self.field, self.reason, self.fix = place, field, reason, fix
        named = f"{place}: {field}" if field else place
        super().__init__(f"{named}: {reason}; {fix}")


class StateError(TeamError):
    """What is asked for does not fit the state that a run is in.

    Next: look at the run with `team show`, then do what the message says.
    """

    def __init__(self, run: str, reason: str, fix: str) -> None:
        self.run, self.reason, self.fix = run, reason, fix
        super().__init__(f"run {run!r}: {reason}; {fix}")


class ReplayError(TeamError):
    """A replayed run does otherwise than the recorded one did.

    Next: undo what has changed since it was recorded, or record again.
    """

    def __init__(self, path: str, member: str, reason: str) -> None:
        self.path, self.member, self.reason = path, member, reason
        super().__init__(
            f"recording {path!r}: {member!r} leaves it: {reason}; "
            "undo what has changed since, or record again"
        )


class ArchiveError(TeamError):
    """A file is not a run that was exported, or not a whole one.

    Next: do what the message says; nothing was imported.
    """

    def __init__(self, path: str, reason: str, fix: str) -> None:
        self.path, self.reason, self.fix = path, reason, fix
        super().__init__(f"{path!r}: {reason}; {fix}")


class NearDecisionError(TeamError):
    """Decisions that say nearly the same hold already; nothing was stored.

    Next: leave it, decide theirs anew, or say that yours is distinct.
    """

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        self.name, self.near = name, near
        shown = "".join(f"\n  {line}" for line in near)
        super().__init__(
            f"{name} was not decided, since nearly the same holds already:{shown}\n"
            "decide that one anew, or repeat this with --distinct if yours says something else"
        )


class ModelError(TeamError):
    """A model call gave no usable reply.

    Next: see the subclass.
    """

    def __init__(self, model: str, reason: str, fix: str = "try again") -> None:
        self.model, self.reason, self.fix = model, reason, fix
        self.lost = TokenCounts()
        """What tries in vain have taken, as far as the provider has said."""
        self.unsettled_tokens = 0
        """What they may have taken beyond that, at most."""
        self.unsettled_usd: float | None = 0.0
        """The same in US dollars; absent where the price is unknown."""
        self.is_free = False
        """Whether the provider has taken nothing for this try: it said so, or was not reached."""
        super().__init__(f"model {model!r}: {reason}; {fix}")


class ModelBusyError(ModelError):
    """The provider asks to wait, or did not answer.

    Next: wait `retry_after_s` seconds and make the same call again.
    """

    retryable: ClassVar[bool] = True

    def __init__(
        self,
        model: str,
        reason: str,
        retry_after_s: float | None = None,
        *,
        is_asked: bool = False,
    ) -> None:
        """Make one; `is_asked` says that the provider itself asks for fewer calls."""
        self.retry_after_s, self.is_asked = retry_after_s, is_asked
        wait = "a moment" if retry_after_s is None else f"{retry_after_s:g} s"
        super().__init__(model, reason, f"wait {wait} and make the same call again")


class ModelAwayError(ModelError):
    """The provider stayed busy for as long as a turn that the run needs could wait.

    Next: `team resume` when it is back; nothing is lost.
    """

    def __init__(self, model: str, reason: str, waited_s: float) -> None:
        self.waited_s = waited_s
        reason = f"{reason}, after {waited_s:.0f} s of trying"
        super().__init__(model, reason, "nothing is lost: 'team resume' when it is back")


class ModelReplyError(ModelError):
    """The provider answered with something that is not a whole message.

    Next: make the same call again a few times, then treat it as not returned.
    """

    retryable: ClassVar[bool] = True


class ModelRefusedError(ModelError):
    """The provider will not take this call: key, money, model name or request.

    Next: mend what the message names, then `team resume`.
    """


class ModelTooLongError(ModelError):
    """The call has more in it than the model's window, or its provider, takes.

    Next: let turns leave the context and make the call again; with none left, give up.
    """

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason, "shorten the context and make the call again")


class McpError(TeamError):
    """An MCP server can't be started, does not answer, or has died.

    Next: look at its log in the run's folder, and mend its definition or the server.
    """

    def __init__(self, server: str, reason: str) -> None:
        self.server, self.reason = server, reason
        super().__init__(f"MCP server {server!r}: {reason}; look at its log in the run's folder")


class StopRequestedError(TeamError):
    """Somebody ended this member's work: a cancel, a stop, a signal.

    Next: leave without finishing the turn; what is committed stays.
    """

    def __init__(self, member: str) -> None:
        self.member = member
        super().__init__(f"{member!r} was told to stop; what is committed stays")
