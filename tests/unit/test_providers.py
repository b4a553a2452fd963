"""Where a model is asked: which client, which key, which features; docs/models.md."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from team.agent.models.abilities import FIRST_PARTY, PORTABLE, abilities_of
from team.agent.models.call import Caller, Reply
from team.agent.models.cassette.lane import Lane, LaneFile
from team.agent.models.cassette.record import RecordingTransport
from team.agent.models.needs import unmet
from team.errors import ModelBusyError, ModelRefusedError
from team.policy import Feature, Provider, at_provider
from tests.support.cassettes import Scripted, asking, never_waits, streamed
from tests.support.messages_api import KEY, messages_api
from tests.support.messages_api_clouds import CloudApi, cloud_api, failed_frame, framed
from tests.support.model_streams import SHAPES, begun, ended, text, thinking, tool
from tests.support.rehearsed import a_request

FIRST_KEY = "sk-first-party-key"
OURS = Provider(base_url="http://models.test:8000")


@pytest.fixture(autouse=True)
def variables(tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """No key and no cloud of this machine, and no look for one on its network."""
    with pytest.MonkeyPatch.context() as context:
        for name in [*os.environ]:
            if name.startswith(("ANTHROPIC_", "AWS_", "GOOGLE_", "CLOUD_ML_", "CLOUDSDK_")):
                context.delenv(name)
        context.setenv("AWS_EC2_METADATA_DISABLED", "true")
        context.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        context.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        context.setenv("NO_GCE_CHECK", "true")
        context.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
        yield context


class Noted(httpx2.AsyncBaseTransport):
    """Answers each request, and keeps it."""

    def __init__(self, *events: bytes) -> None:
        self.events = events or tuple(SHAPES["text"])
        self.requests: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        return streamed(*self.events)

    @property
    def last(self) -> httpx2.Request:
        return self.requests[-1]


@asynccontextmanager
async def a_caller(
    transport: httpx2.AsyncBaseTransport | None, providers: Mapping[str, Provider]
) -> Any:
    caller = Caller("anthropic", transport, providers=providers)
    try:
        yield caller
    finally:
        await caller.close()


async def ask(caller: Caller, model: str, **changes: Any) -> Reply:
    request = asking("Hello", **({"model": model} | changes))
    return await caller.call(request, on_text=lambda _: None, on_wait=never_waits)


# --- which one ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("local/qwen3", ("local", "qwen3")),
        ("local/team/qwen3:8b", ("local", "team/qwen3:8b")),
        ("other/qwen3", ("", "other/qwen3")),
        ("local", ("", "local")),
        ("local/", ("", "local/")),
        ("claude-sonnet-4-5", ("", "claude-sonnet-4-5")),
    ],
)
def test_a_model_names_its_provider_before_the_first_slash(
    model: str, wanted: tuple[str, str]
) -> None:
    assert at_provider(model, {"local": OURS}) == wanted


async def test_members_models_are_asked_each_at_its_own_place(
    variables: pytest.MonkeyPatch,
) -> None:
    """One caller, two servers: the name is sent without the provider's, and booked with it."""
    variables.setenv("ANTHROPIC_API_KEY", FIRST_KEY)
    variables.setenv("LOCAL_KEY", "sk-local-key")
    local = msgspec.structs.replace(OURS, key_variable="LOCAL_KEY")
    noted = Noted()
    async with a_caller(noted, {"local": local}) as caller:
        ours = await ask(caller, "local/qwen3")
        theirs = await ask(caller, "m1")

    assert [str(r.url) for r in noted.requests] == [
        "http://models.test:8000/v1/messages",
        "https://api.anthropic.com/v1/messages",
    ]
    sent = [msgspec.json.decode(r.content)["model"] for r in noted.requests]
    assert sent == ["qwen3", "m1"]
    assert (ours.model, theirs.model) == ("local/qwen3", "m1")
    assert [r.headers["authorization"] for r in noted.requests] == [
        "Bearer sk-local-key",
        f"Bearer {FIRST_KEY}",
    ]


async def test_clients_are_made_when_they_are_asked_and_closed_together() -> None:
    async with a_caller(Noted(), {"local": OURS, "bad": Provider(key_variable="NONE")}) as caller:
        assert caller._endpoints._made == {}
        await ask(caller, "local/qwen3")
        assert list(caller._endpoints._made) == ["local"]
        client = caller._endpoints.of("local/x").client

    assert client.is_closed()


async def test_the_rehearsal_model_answers_for_every_name() -> None:
    noted = Noted()
    caller = Caller("rehearsal", noted, providers={"local": OURS})

    reply = await ask(caller, "local/qwen3")
    await caller.close()

    assert str(noted.last.url).startswith("http://rehearsal.invalid")
    assert reply.model == "m1"


# --- keys --------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
async def test_a_server_of_ones_own_is_never_sent_the_key_to_anthropic(
    variables: pytest.MonkeyPatch, variable: str
) -> None:
    variables.setenv(variable, FIRST_KEY)
    variables.setenv("ANTHROPIC_CUSTOM_HEADERS", f"X-Gateway: {FIRST_KEY}\nAuthorization: Basic a")
    noted = Noted()
    async with a_caller(noted, {"local": OURS}) as caller:
        await ask(caller, "local/qwen3")

    assert not any(FIRST_KEY in value for value in noted.last.headers.values())
    assert noted.last.headers["authorization"] == "Bearer none"


async def test_a_second_account_at_anthropic_has_a_key_of_its_own(
    variables: pytest.MonkeyPatch,
) -> None:
    variables.setenv("ANTHROPIC_API_KEY", FIRST_KEY)
    variables.setenv("SECOND_KEY", "sk-second")
    noted = Noted()
    async with a_caller(noted, {"second": Provider(key_variable="SECOND_KEY")}) as caller:
        await ask(caller, "second/m1", effort="low")

    assert noted.last.headers["authorization"] == "Bearer sk-second"
    assert b"cache_control" in noted.last.content


async def test_a_key_that_is_not_set_stops_before_the_call_and_names_the_variable() -> None:
    noted = Noted()
    async with a_caller(noted, {"local": Provider(key_variable="LOCAL_KEY")}) as caller:
        with pytest.raises(ModelRefusedError, match="LOCAL_KEY is not set") as caught:
            await ask(caller, "local/qwen3")

    assert caught.value.fix == "set LOCAL_KEY, then 'team resume'"
    assert noted.requests == []


async def test_a_key_that_is_refused_is_named_by_its_variable_and_not_by_its_value(
    variables: pytest.MonkeyPatch,
) -> None:
    variables.setenv("LOCAL_KEY", "sk-wrong-key")
    local = msgspec.structs.replace(OURS, key_variable="LOCAL_KEY")
    refusal = httpx2.Response(401, json={"error": {"type": "auth", "message": "no"}})
    async with a_caller(Scripted(refusal), {"local": local}) as caller:
        with pytest.raises(ModelRefusedError) as caught:
            await ask(caller, "local/qwen3")

    assert "check LOCAL_KEY" in str(caught.value)
    assert "sk-wrong-key" not in str(caught.value)


async def test_each_provider_and_key_has_a_pace_of_its_own_that_tells_nothing(
    variables: pytest.MonkeyPatch,
) -> None:
    variables.setenv("ONE", "sk-one")
    variables.setenv("TWO", "sk-two")
    variables.setenv("ANTHROPIC_API_KEY", FIRST_KEY)
    one, two = (msgspec.structs.replace(OURS, key_variable=name) for name in ("ONE", "TWO"))
    async with a_caller(Noted(), {"one": one, "two": two, "same": one}) as caller:
        keys = [caller._endpoints.of(f"{name}/m").key for name in ("one", "two", "same")]
        default = caller._endpoints.of("m").key

    assert keys[0] == keys[2]
    assert len({*keys, default}) == 3
    assert not any(part in "".join(keys) for part in ("sk-", "one", "two"))


# --- features ----------------------------------------------------------------------------


async def test_another_server_is_sent_the_basic_fields_only() -> None:
    noted = Noted()
    async with a_caller(noted, {"local": OURS}) as caller:
        await ask(caller, "local/qwen3", effort="high")

    sent = set(msgspec.json.decode(noted.last.content))
    assert sent == {"model", "max_tokens", "system", "messages", "tools", "stream"}


async def test_what_a_policy_says_that_a_server_can_is_asked_of_it() -> None:
    noted = Noted()
    local = msgspec.structs.replace(OURS, can=("effort",))
    async with a_caller(noted, {"local": local}) as caller:
        await ask(caller, "local/qwen3", effort="high")

    sent = msgspec.json.decode(noted.last.content)
    assert sent["output_config"] == {"effort": "high"}
    assert "cache_control" not in sent


@pytest.mark.parametrize(
    ("provider", "is_first_party", "wanted"),
    [
        (None, True, FIRST_PARTY),
        (None, False, PORTABLE),
        (Provider(), True, FIRST_PARTY),
        (Provider(), False, PORTABLE),
        (OURS, True, PORTABLE),
        (Provider(kind="bedrock"), True, PORTABLE),
        (Provider(kind="vertex"), True, PORTABLE),
    ],
)
def test_what_is_expected_of_whom_is_decided_in_one_place(
    provider: Provider | None, is_first_party: bool, wanted: object
) -> None:
    assert abilities_of(provider, is_first_party=is_first_party) == wanted


@pytest.mark.parametrize("feature", Feature.__args__)
def test_each_feature_can_be_switched_on_by_itself(feature: Feature) -> None:
    can = abilities_of(Provider(kind="bedrock", can=(feature,)), is_first_party=True)

    assert [name for name in can.__struct_fields__ if getattr(can, name)] == [feature]


# --- what is missing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (Provider(key_variable="NO_SUCH"), "NO_SUCH is not set"),
        (Provider(base_url="localhost:11434"), "is no http or https address"),
        (Provider(base_url="http://[::1"), "is no http or https address"),
        (Provider(kind="vertex", project="p"), "has no `region`"),
        (Provider(kind="vertex", region="eu"), "has no `project`"),
    ],
)
def test_what_a_provider_lacks_is_said_with_what_to_do(provider: Provider, said: str) -> None:
    missing = unmet("x", provider)

    assert missing is not None
    assert said in missing.reason
    assert missing.fix


@pytest.mark.parametrize(("kind", "package"), [("bedrock", "botocore"), ("vertex", "google.auth")])
def test_a_cloud_without_its_extra_is_told_with_the_command_that_installs_it(
    variables: pytest.MonkeyPatch, kind: Any, package: str
) -> None:
    """Looked for, not imported: an empty search path is a machine without the package."""
    with tempfile.TemporaryDirectory() as nowhere:
        variables.setattr("sys.path", [nowhere])
        variables.setattr("sys.path_importer_cache", {})
        for name in (package.partition(".")[0], package):
            variables.delitem(__import__("sys").modules, name, raising=False)
        missing = unmet("cloud", Provider(kind=kind, region="r", project="p"))

    assert missing is not None
    assert missing.reason == f"{package} is not installed"
    assert missing.fix == f"pip install 'peerteam[{kind}]'"


# --- servers that speak it almost ----------------------------------------------------------

NO_USAGE = b'event: message_start\ndata: {"type": "message_start", "message": {"id": "m", '
NO_USAGE += b'"type": "message", "role": "assistant", "content": [], "model": "x"}}\n\n'


def a_delta(stop_reason: str | None = "end_turn", **usage: int) -> list[bytes]:
    delta: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": stop_reason}}
    if usage:
        delta["usage"] = usage
    data = msgspec.json.encode(delta)
    return [b"event: message_delta\ndata: " + data + b"\n\n", ended("end_turn")[1]]


@pytest.mark.parametrize(
    "events",
    [
        [begun(input_tokens=0, output_tokens=0), *text(0, "Two"), *a_delta(output_tokens=0)],
        [NO_USAGE, *text(0, "Two"), *a_delta(output_tokens=0)],
        [NO_USAGE, *text(0, "Two"), *a_delta()],
        [begun(input_tokens=0, output_tokens=0), *text(0, "Two"), *a_delta()],
    ],
    ids=["zeros", "none at first", "none at all", "none at the end"],
)
async def test_an_answer_without_counts_is_counted_by_an_estimate_and_says_so(
    events: list[bytes],
) -> None:
    async with a_caller(Noted(*events), {"local": OURS}) as caller:
        reply = await ask(caller, "local/qwen3")

    assert reply.text == "Two"
    assert reply.is_estimated
    assert reply.tokens.input == asking("Hello", model="local/qwen3").estimated_input_tokens()
    assert reply.tokens.output > 0


async def test_counts_that_are_told_only_at_the_end_are_taken() -> None:
    events = [NO_USAGE, *text(0, "Two"), *a_delta(input_tokens=70, output_tokens=9)]
    async with a_caller(Noted(*events), {"local": OURS}) as caller:
        reply = await ask(caller, "local/qwen3")

    assert (reply.tokens.input, reply.tokens.output) == (70, 9)
    assert not reply.is_estimated


async def test_counts_are_filled_in_wherever_the_bytes_are_cut() -> None:
    whole = b"".join([NO_USAGE, *text(0, "Two"), *a_delta()]).replace(b"\n", b"\r\n")
    for size in (1, 7, 64, len(whole)):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        async with a_caller(Noted(*pieces), {"local": OURS}) as caller:
            reply = await ask(caller, "local/qwen3")

        assert (reply.text, reply.is_estimated) == ("Two", True)


@pytest.mark.parametrize(
    ("given", "wanted"), [("", {}), ('{"query": "a"}', {"query": "a"}), (None, {})]
)
async def test_a_tool_input_in_a_text_is_read(given: object, wanted: dict[str, str]) -> None:
    """And is sent back as the object that the API wants."""
    start = {"type": "tool_use", "id": "t1", "name": "search", "input": given}
    data = {"type": "content_block_start", "index": 0, "content_block": start}
    block = [
        b"event: content_block_start\ndata: " + msgspec.json.encode(data) + b"\n\n",
        b'event: content_block_stop\ndata: {"type": "content_block_stop", "index": 0}\n\n',
    ]
    async with a_caller(Noted(begun(), *block, *ended("tool_use")), {"local": OURS}) as caller:
        reply = await ask(caller, "local/qwen3")

    assert reply.calls[0].input == wanted
    assert msgspec.json.decode(reply.content)[0]["input"] == wanted


def test_a_ping_less_server_may_be_silent_for_longer(variables: pytest.MonkeyPatch) -> None:
    from team.agent.models.silence import SILENT_S, SILENT_UNPINGED_S, silent_from_environment

    assert silent_from_environment() == SILENT_S < SILENT_UNPINGED_S
    assert silent_from_environment(SILENT_UNPINGED_S) == SILENT_UNPINGED_S
    variables.setenv("PEERTEAM_MODEL_SILENT_S", "7")
    assert silent_from_environment(SILENT_UNPINGED_S) == 7.0


async def test_a_server_on_loopback_is_asked_over_real_http(
    variables: pytest.MonkeyPatch,
) -> None:
    variables.setenv("LOCAL_KEY", KEY)
    async with messages_api() as api:
        local = Provider(base_url=api.url, key_variable="LOCAL_KEY")
        async with a_caller(None, {"local": local}) as caller:
            reply = await ask(caller, "local/m1", **_asked())

    assert reply.stop_reason == "tool_use"
    assert api.requests[0]["model"] == "m1"
    assert api.keys == [KEY]


def _asked() -> dict[str, Any]:
    body = a_request()
    return {name: body[name] for name in ("messages", "tools", "system", "max_tokens")}


# --- clouds ------------------------------------------------------------------------------


def at_bedrock(api: CloudApi, **changes: Any) -> Provider:
    return Provider(**({"kind": "bedrock", "base_url": api.url, "region": "eu-west-1"} | changes))


def at_vertex(api: CloudApi, **changes: Any) -> Provider:
    given = {"kind": "vertex", "base_url": api.url, "region": "eu", "project": "p1"}
    return Provider(**(given | {"key_variable": "CLOUD_KEY"} | changes))


async def test_bedrock_is_asked_by_its_own_client_and_answers_in_frames(
    variables: pytest.MonkeyPatch,
) -> None:
    """Signed with AWS credentials; the secret one is never sent."""
    pytest.importorskip("botocore")
    variables.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    variables.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    async with cloud_api("bedrock") as api, a_caller(None, {"aws": at_bedrock(api)}) as caller:
        reply = await ask(caller, "aws/anthropic.claude-x-v1:0", **_asked())

    assert reply.stop_reason == "tool_use"
    assert reply.model == "aws/anthropic.claude-x-v1:0"
    assert reply.request_id
    assert api.paths == ["/model/anthropic.claude-x-v1:0/invoke-with-response-stream"]
    assert api.keys[0].startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/")
    assert "very-secret" not in api.keys[0]
    assert set(api.requests[0]) == {
        *("anthropic_version", "max_tokens", "messages", "system", "tools")
    }


@pytest.mark.parametrize("shape", SHAPES)
async def test_answers_of_every_shape_are_the_same_through_a_cloud(
    variables: pytest.MonkeyPatch, shape: str
) -> None:
    pytest.importorskip("botocore")
    variables.setenv("CLOUD_KEY", KEY)
    async with a_caller(Noted(*SHAPES[shape]), {"local": OURS}) as caller:
        wanted = await ask(caller, "local/m1")
    async with cloud_api("bedrock", lambda *_: framed("bedrock", SHAPES[shape])) as api:
        aws = at_bedrock(api, key_variable="CLOUD_KEY")
        async with a_caller(None, {"aws": aws}) as caller:
            framed_reply = await ask(caller, "aws/m1")
    async with (
        cloud_api("vertex", lambda *_: framed("vertex", SHAPES[shape])) as api,
        a_caller(None, {"gcp": at_vertex(api)}) as caller,
    ):
        sse_reply = await ask(caller, "gcp/m1")

    for reply in (framed_reply, sse_reply):
        assert (reply.content, reply.calls, reply.tokens) == (
            wanted.content,
            wanted.calls,
            wanted.tokens,
        )


async def test_vertex_is_asked_by_its_own_client(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("CLOUD_KEY", KEY)
    async with cloud_api("vertex") as api, a_caller(None, {"gcp": at_vertex(api)}) as caller:
        reply = await ask(caller, "gcp/claude-x@1", **_asked())

    assert reply.stop_reason == "tool_use"
    [path] = api.paths
    assert path == (
        "/projects/p1/locations/eu/publishers/anthropic/models/claude-x@1:streamRawPredict"
    )


@pytest.mark.parametrize("after", range(len(SHAPES["parallel tools"])))
async def test_a_stream_of_frames_that_is_cut_is_no_answer(
    variables: pytest.MonkeyPatch, after: int
) -> None:
    pytest.importorskip("botocore")
    variables.setenv("CLOUD_KEY", KEY)
    cut = SHAPES["parallel tools"][:after]
    async with cloud_api("bedrock", lambda *_: framed("bedrock", cut)) as api:
        aws = at_bedrock(api, key_variable="CLOUD_KEY")
        async with a_caller(None, {"aws": aws}) as caller:
            with pytest.raises(Exception, match="model 'aws/m1'"):
                await caller._once(asking("Hello", model="aws/m1"), lambda _: None)


async def test_a_frame_that_says_too_much_is_a_busy_provider(
    variables: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("botocore")
    variables.setenv("CLOUD_KEY", KEY)
    async with cloud_api("bedrock", _throttled) as api:
        aws = at_bedrock(api, key_variable="CLOUD_KEY")
        async with a_caller(None, {"aws": aws}) as caller:
            with pytest.raises(ModelBusyError, match="throttlingException in mid-answer"):
                await caller._once(asking("Hello", model="aws/m1"), lambda _: None)


def _throttled(_: dict[str, Any], __: int) -> httpx2.Response:
    from tests.support.messages_api import sent_in_pieces
    from tests.support.messages_api_clouds import FRAMED, as_frame

    first = as_frame(begun().partition(b"data: ")[2].strip())
    return sent_in_pieces(FRAMED, [first, failed_frame("throttlingException", "Slow down")])


@pytest.mark.parametrize("kind", ["bedrock", "vertex"])
async def test_a_cloud_without_credentials_is_refused_with_what_to_mend(kind: Any) -> None:
    """At the first call, not after some tries: it would fail the same way again."""
    pytest.importorskip("botocore")
    async with cloud_api(kind) as api:
        cloud = at_vertex(api, key_variable="")
        if kind == "bedrock":  # boto keeps what it finds for a region
            cloud = at_bedrock(api, region="eu-north-1")
        async with a_caller(None, {"c": cloud}) as caller:
            with pytest.raises(ModelRefusedError, match="no usable credentials") as caught:
                await ask(caller, "c/m1")

    assert "credentials" in caught.value.fix
    assert api.requests == []


async def test_bedrock_without_a_region_is_refused_with_what_to_mend() -> None:
    pytest.importorskip("botocore")
    async with a_caller(Noted(), {"aws": Provider(kind="bedrock")}) as caller:
        with pytest.raises(ModelRefusedError, match="region") as caught:
            await ask(caller, "aws/m1")

    assert "`region` of [providers.aws]" in caught.value.fix


@pytest.mark.parametrize("kind", ["bedrock", "vertex"])
async def test_credentials_that_a_cloud_refuses_are_named(
    variables: pytest.MonkeyPatch, kind: Any
) -> None:
    pytest.importorskip("botocore")
    variables.setenv("CLOUD_KEY", "sk-of-yesterday")
    async with cloud_api(kind) as api:
        cloud = at_bedrock(api, key_variable="CLOUD_KEY") if kind == "bedrock" else at_vertex(api)
        async with a_caller(None, {"c": cloud}) as caller:
            with pytest.raises(ModelRefusedError, match="403") as caught:
                await ask(caller, "c/m1")

    assert "check CLOUD_KEY" in caught.value.fix
    assert "sk-of-yesterday" not in str(caught.value)


async def test_thinking_and_tools_come_back_as_they_were_sent() -> None:
    events = [begun(), *thinking(0), *tool(1, "search", '{"query": "a"}'), *ended("tool_use")]
    async with a_caller(Noted(*events), {"local": OURS}) as caller:
        reply = await ask(caller, "local/m1")

    assert msgspec.json.decode(reply.content)[0] == {
        "type": "thinking",
        "thinking": "Which one?",
        "signature": "c2ln",
    }


# --- replays -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provider",
    [
        Provider(base_url="http://models.test:8000", key_variable="NOT_SET"),
        Provider(kind="vertex", key_variable="NOT_SET"),
        Provider(key_variable="NOT_SET"),
    ],
    ids=["own server", "vertex", "second account"],
)
async def test_a_replay_needs_neither_key_nor_place(tmp_path: Path, provider: Provider) -> None:
    """What was answered is in the recording; which fields were asked is in the policy."""
    path = tmp_path / "ada.jsonl"
    recorder = RecordingTransport(Noted(), LaneFile(path, is_first_party=False))
    settled = msgspec.structs.replace(provider, key_variable="", region="r", project="p")
    if provider.kind == "vertex":
        settled = msgspec.structs.replace(settled, key_variable="CLOUD_KEY")
    with pytest.MonkeyPatch.context() as context:
        context.setenv("CLOUD_KEY", KEY)
        context.setenv("ANTHROPIC_BASE_URL", "http://models.test")
        async with a_caller(recorder, {"x": settled}) as caller:
            recorded = await ask(caller, "x/m1")

    caller = Caller("anthropic", tape=Lane.open(path), providers={"x": provider})
    replayed = await ask(caller, "x/m1")
    await caller.close()

    assert (replayed.content, replayed.model) == (recorded.content, "x/m1")
