"""One run at several providers over HTTP: docs/models.md."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bus.messages import ContextOpened, UsageSpent
from tests.support.cli import GOAL, Cli, as_team
from tests.support.messages_api import KEY, messages_api
from tests.support.messages_api_clouds import cloud_api
from tests.support.messages_api_odd import odd

TEAM = """
name = "mixed"
[models]
lead = "m-lead"
worker = "local/m-worker"
verifier = ["gcp/m-first", "local/m-second"]
[gate]
verifiers = 2
"""
POLICY = """
[providers.local]
base_url = "{local}"
key_variable = "LOCAL_KEY"

[providers.gcp]
kind = "vertex"
base_url = "{gcp}"
key_variable = "GCP_TOKEN"
region = "eu"
project = "p1"
"""


@pytest.mark.slow
async def test_members_of_one_run_are_asked_at_different_providers(
    cli: Cli, lanes: list[Path]
) -> None:
    """Lead, workers and each of two verifiers have a provider of their own; nobody else's key."""
    async with messages_api() as first, messages_api() as local, cloud_api("vertex") as gcp:
        (cli.cwd / "mixed.toml").write_text(TEAM)
        (cli.cwd / "peerteam.toml").write_text(POLICY.format(local=local.url, gcp=gcp.url))
        keys = {"LOCAL_KEY": KEY, "GCP_TOKEN": KEY, "ANTHROPIC_API_KEY": KEY}
        environment = keys | {"ANTHROPIC_BASE_URL": first.url}
        asked = ["run", "./mixed.toml", GOAL, *as_team(lanes), "--run", "mixed", "--json"]
        done = await asyncio.to_thread(cli.run, *asked, **environment)
        assert done.returncode == 0, done.stderr
        audited = await asyncio.to_thread(cli.run, "audit", "mixed")
        doctor = await asyncio.to_thread(cli.run, "doctor", "--json", **environment)

    assert json.loads(done.stdout)["status"] == "admitted"
    assert audited.returncode == 0, audited.stdout
    assert {body["model"] for body in first.requests} == {"m-lead"}
    assert {body["model"] for body in local.requests} == {"m-worker", "m-second"}
    assert all("m-first" in path for path in gcp.paths)
    records = await cli.records("mixed")
    opened = {
        (r.subject.author, r.body.model) for r in records if isinstance(r.body, ContextOpened)
    }
    verifiers = {author: model for author, model in opened if author in ("vera", "walt")}
    assert sorted(verifiers.values()) == ["gcp/m-first", "local/m-second"]
    spent = {record.body.model for record in records if isinstance(record.body, UsageSpent)}
    assert {"local/m-worker", "gcp/m-first", "local/m-second"} < spent
    stored = b"".join(bytes(str(record), "utf-8") for record in records)
    assert KEY.encode() not in stored
    signs = {sign["what"]: sign for sign in json.loads(doctor.stdout)}
    assert signs["provider local"]["is_ok"]
    assert "key from LOCAL_KEY" in signs["provider local"]["says"]
    assert KEY not in doctor.stdout


def test_doctor_and_run_say_what_a_provider_lacks(cli: Cli, lanes: list[Path]) -> None:
    policy = POLICY.format(local="http://127.0.0.1:1", gcp="http://127.0.0.1:1")
    (cli.cwd / "peerteam.toml").write_text(policy)

    doctor = cli.run("doctor", "--json", GCP_TOKEN="t")
    run = cli.run("run", "research", GOAL, *as_team(lanes), "--model", "local/m")

    signs = {sign["what"]: sign for sign in json.loads(doctor.stdout)}
    assert doctor.returncode == 1
    assert signs["provider local"]["says"].endswith(": set LOCAL_KEY")
    assert signs["provider gcp"]["is_ok"]
    assert run.returncode == 2
    assert "LOCAL_KEY is not set" in run.stderr


@pytest.mark.slow
async def test_a_server_that_tells_no_tokens_carries_a_run_that_is_counted_all_the_same(
    cli: Cli, lanes: list[Path]
) -> None:
    """Within its limits, by estimates that are marked as such; no call counts as nothing."""
    async with messages_api(odd) as local:
        policy = f'[providers.local]\nbase_url = "{local.url}"\nkey_variable = "LOCAL_KEY"\n'
        (cli.cwd / "peerteam.toml").write_text(policy)
        options = ("--run", "odd", "--model", "local/m")
        done, shown = await asyncio.to_thread(
            cli.team_run, lanes, *options, PEERTEAM_MODEL_SILENT_S="20", LOCAL_KEY=KEY
        )

    assert done.returncode == 0, done.stderr
    assert shown["status"] == "admitted"
    assert shown["usage"]["is_estimated"]
    spent = [r.body for r in await cli.records("odd") if isinstance(r.body, UsageSpent)]
    assert spent
    assert all(one.tokens.input > 100 and one.tokens.output > 0 for one in spent)
