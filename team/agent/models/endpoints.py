"""Which client answers for a model: one for each provider, made when it is first asked.

A model `NAME/model` is asked at `[providers.NAME]` of the policy, any other at the default
provider. A run on the rehearsal model asks nobody else, whatever its models are called.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import anthropic
import httpx2

from team.agent.models.abilities import PORTABLE, Abilities, abilities_of
from team.agent.models.cassette.environment import Tape, is_first_party
from team.agent.models.cassette.lane import Lane
from team.agent.models.client import REHEARSAL, TIMEOUT, below, fingerprint, make_client
from team.agent.models.failures import DEFAULT_PLACE, Place, unusable
from team.agent.models.filling import FillingTransport
from team.agent.models.needs import unmet
from team.agent.models.silence import SILENT_S, SILENT_UNPINGED_S
from team.errors import ModelRefusedError
from team.policy import Provider, at_provider

Client = anthropic.AsyncAnthropic | anthropic.AsyncAnthropicBedrock | anthropic.AsyncAnthropicVertex

NO_KEY: Final = "none"
"""What is sent where no key is needed; never a key that is meant for another address."""


class Endpoint(NamedTuple):
    """Where one provider's models answer.

    Attributes:
        name: The provider's name; empty for the default.
        client: The SDK's client.
        key: Whose limits its calls count against; tells nothing of the key.
        can: What may be asked for.
        place: What errors call its key and its address.
    """

    name: str
    client: Client
    key: str
    can: Abilities
    place: Place

    def model_there(self, model: str) -> str:
        """The name that the provider itself has for a model."""
        return model.removeprefix(f"{self.name}/") if self.name else model

    def model_here(self, asked: str, said: str | None) -> str:
        """The name under which an answer is booked.

        What another server or a cloud calls its model is no name that a policy could know.
        """
        return asked if self.name else said or asked


class Endpoints:
    """The endpoints of one member."""

    def __init__(
        self,
        default: str,
        providers: Mapping[str, Provider],
        transport: httpx2.AsyncBaseTransport | None,
        tape: Tape,
    ) -> None:
        """Make none yet.

        Args:
            default: `anthropic` or `rehearsal`.
            providers: Others, by name.
            transport: What stands below all clients in place of all else.
            tape: The member's lane, where its calls are recorded or replayed.
        """
        self._default = default
        self._providers = {} if default == REHEARSAL else providers
        self._transport = transport
        self._tape = tape
        self._made: dict[str, Endpoint] = {}

    def of(self, model: str) -> Endpoint:
        """The endpoint at which a model answers.

        Raises:
            ModelRefusedError: It can't be used here; names what is missing.
        """
        name, _ = at_provider(model, self._providers)
        if name not in self._made:
            self._made[name] = self._named(model, name) if name else self._default_one()
        return self._made[name]

    async def close(self) -> None:
        """Close the connections to all providers; may be called twice."""
        made, self._made = list(self._made.values()), {}
        for endpoint in made:
            await endpoint.client.close()

    def _default_one(self) -> Endpoint:
        client = make_client(self._default, self._transport, tape=self._tape)
        if self._default == REHEARSAL:
            return Endpoint("", client, fingerprint(client), PORTABLE, DEFAULT_PLACE)
        can = abilities_of(None, is_first_party=is_first_party(self._tape))
        return Endpoint("", client, fingerprint(client), can, DEFAULT_PLACE)

    def _named(self, model: str, name: str) -> Endpoint:
        provider = self._providers[name]
        is_replay = isinstance(self._tape, Lane)
        problem = None if is_replay else unmet(name, provider)
        if problem is not None:
            raise ModelRefusedError(model, problem.reason, f"{problem.fix}, then 'team resume'")
        key = NO_KEY if is_replay else os.environ.get(provider.key_variable or "", "")
        place = _place(name, provider)
        try:
            client = _MAKERS[provider.kind](provider, key, self._http(provider), is_replay)
        except Exception as error:  # a region or a profile that the SDK can't find
            raise unusable(model, error, place) from error
        can = abilities_of(provider, is_first_party=is_first_party(self._tape))
        limits_of = f"{provider.kind} {client.base_url} {provider.project} {key}"
        pace = hashlib.sha256(limits_of.encode()).hexdigest()[:16]
        return Endpoint(name, client, pace, can, place)

    def _http(self, provider: Provider) -> httpx2.AsyncClient:
        is_elsewhere = bool(provider.base_url) or not is_first_party(self._tape)
        is_own_server = provider.kind == "anthropic" and is_elsewhere
        silent_s = SILENT_UNPINGED_S if is_own_server else SILENT_S
        transport = below("anthropic", self._tape, self._transport, silent_s)
        if is_own_server:
            transport = FillingTransport(transport)
        return anthropic.DefaultAsyncHttpxClient(transport=transport)


def _place(name: str, provider: Provider) -> Place:
    table = f"[providers.{name}]"
    if provider.kind == "bedrock":
        return Place(
            key=provider.key_variable or "your AWS credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID)",
            address=f"the `region` of {table}",
        )
    if provider.kind == "vertex":
        return Place(
            key=provider.key_variable or "your Google credentials (gcloud auth, or a key file)",
            address=f"`region` and `project` of {table}",
        )
    return Place(
        key=provider.key_variable or f"the `key_variable` of {table}",
        address=f"the `base_url` of {table}" if provider.base_url else "ANTHROPIC_BASE_URL",
    )


def _anthropic(provider: Provider, key: str, http: httpx2.AsyncClient, _: bool) -> Client:
    # Without `base_url` it is the SDK's own address, and its own key. With one, a key that is
    # not named for it stays here: a given key makes the SDK read none from the environment.
    if not key and provider.base_url:
        key = NO_KEY
    has_key = os.environ.get("ANTHROPIC_API_KEY") or os.environ.get("ANTHROPIC_AUTH_TOKEN")
    return anthropic.AsyncAnthropic(
        api_key=key or (None if has_key else NO_KEY),
        base_url=provider.base_url or None,
        default_headers=_own_headers(key) if provider.base_url else None,
        max_retries=0,
        timeout=TIMEOUT,
        http_client=http,
    )


def _own_headers(key: str) -> dict[str, Any]:
    """Headers in place of those that the user gave for the default address alone."""
    lines = os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n")
    names = [name.strip() for name, colon, _ in (line.partition(":") for line in lines) if colon]
    return {
        name: f"Bearer {key}" if name.lower() == "authorization" else anthropic.omit
        for name in names
    }


def _bedrock(provider: Provider, key: str, http: httpx2.AsyncClient, is_replay: bool) -> Client:
    return anthropic.AsyncAnthropicBedrock(
        aws_region=provider.region or ("none" if is_replay else None),
        api_key=key or None,
        base_url=provider.base_url or None,
        max_retries=0,
        timeout=TIMEOUT,
        http_client=http,
    )


def _vertex(provider: Provider, key: str, http: httpx2.AsyncClient, is_replay: bool) -> Client:
    given: dict[str, Any] = {"region": provider.region, "project_id": provider.project}
    if is_replay:
        given = {name: value or "none" for name, value in given.items()}
    return anthropic.AsyncAnthropicVertex(
        **{name: value for name, value in given.items() if value},
        access_token=key or None,
        base_url=provider.base_url or None,
        max_retries=0,
        timeout=TIMEOUT,
        http_client=http,
    )


_MAKERS: Final = {"anthropic": _anthropic, "bedrock": _bedrock, "vertex": _vertex}
