"""What `make deploy` looks at beforehand, each thing missing in turn, and what it does in the end."""

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from tests.support.stack import ROOT, Stack
from tools.deployment.__main__ import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder like the repository, with a tiny bundle, and a `docker` that answers."""
    shutil.copy(ROOT / "template.yaml", tmp_path)
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    shutil.copytree(ROOT / "tests/bundles/tiny", tmp_path / "models/flickr8k")
    docker(tmp_path, "echo 27.0.1")
    return tmp_path


def docker(root: Path, does: str) -> None:
    """Puts a program where Docker's client would be."""
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin/docker").write_text(f"#!/bin/sh\n{does}\n")
    (root / "bin/docker").chmod(0o755)


@pytest.fixture
def run(
    root: Path, ministack_endpoint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs the tool against the emulator, in an account of its own; gives status, what it said and complained."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("PATH", str(root / "bin"))

    def ran(command: str, environment: str, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return main([command, environment, "--root", str(root), *arguments]), *capsys.readouterr()

    return ran


ACCOUNT = "222222222222"
INTRODUCED = "nothing was deployed; what is missing:\n- "


def test_where_nothing_is_missing_it_says_what_will_be_deployed_and_where(run: Run) -> None:
    status, said, told = run("check", "dev")

    assert (status, told) == (0, "")
    assert said.startswith("to be deployed: the stack pictures-dev, Docker, eu-west-1, the account 222222222222: ")
    assert run("check", "prod")[0] == 0


def test_an_environment_that_is_not_there_is_named_beside_those_that_are(run: Run) -> None:
    assert run("check", "staging") == (
        1,
        "",
        f"{INTRODUCED}ENV is staging, which samconfig.toml does not have; it has dev, prod\n",
    )


def test_a_docker_that_is_missing_or_silent_is_said(run: Run, root: Path) -> None:
    docker(root, "echo 'Cannot connect to the Docker daemon.' >&2; exit 1")
    status, _, told = run("check", "dev")
    assert status == 1
    assert told == (
        f"{INTRODUCED}Docker does not answer; start it (sudo systemctl start docker): "
        "Cannot connect to the Docker daemon.\n"
    )
    (root / "bin/docker").unlink()
    status, _, told = run("check", "dev")
    assert (status, told.startswith(f"{INTRODUCED}Docker is not installed")) == (1, True)


def test_credentials_that_are_missing_are_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    status, _, told = run("check", "dev")

    assert (status, told) == (
        1,
        f"{INTRODUCED}AWS accepts no credentials: Unable to locate credentials; `aws configure` or `aws sso login`\n",
    )


def test_a_region_that_nobody_names_is_said_and_samconfigs_will_do(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    # SAM and boto3 read this one nowhere.
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    status, _, told = run("check", "dev")
    assert (status, told) == (
        1,
        f"{INTRODUCED}no region is known: export AWS_DEFAULT_REGION=eu-west-1, or `aws configure set region`\n",
    )
    config = root / "samconfig.toml"
    config.write_text(
        config.read_text().replace("[dev.deploy.parameters]", '[dev.deploy.parameters]\nregion = "eu-west-3"')
    )
    assert "eu-west-3" in run("check", "dev")[1]


def test_a_quota_that_is_too_small_is_said_with_what_to_do(
    run: Run, ministack_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): ...")
    with client("lambda", ministack_endpoint, "333333333333") as functions:
        functions.create_function(
            FunctionName="greedy",
            Runtime="python3.11",
            Handler="index.handler",
            Role="arn:aws:iam::333333333333:role/any",
            Code={"ZipFile": code.getvalue()},
        )
        functions.put_function_concurrency(FunctionName="greedy", ReservedConcurrentExecutions=900)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "333333333333")
    status, _, told = run("check", "prod")
    assert status == 1
    assert told == (
        f"{INTRODUCED}the account has 100 concurrent executions to reserve from, and the stack needs 155: add "
        "ReserveConcurrency=false to parameter_overrides in samconfig.toml, or ask for more in Service Quotas\n"
    )
    # A development stack reserves none.
    assert run("check", "dev")[0] == 0


def test_everything_that_is_missing_is_said_at_once(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "bin/docker").unlink()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    status, _, told = run("check", "staging")

    assert status == 1
    assert [line.split()[1] for line in told.splitlines()[1:]] == ["ENV", "Docker", "no", "AWS"]


@contextmanager
def client(service: str, endpoint: str, account: str) -> Iterator[Any]:
    made = botocore.session.get_session().create_client(
        service, endpoint_url=endpoint, aws_access_key_id=account, aws_secret_access_key=account
    )
    yield made
    made.close()


RESOURCES = {
    "Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": True, "Value": "a-key-of-twenty-letters"}},
    "Bucket": {"Type": "AWS::S3::Bucket"},
}
"""Of a stack whose API is a local one."""


def test_in_the_end_the_stack_is_tried_with_its_own_key_and_the_status_is_the_smoke_tests(
    run: Run, root: Path, ministack_endpoint: str, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    stack = Stack(tmp_path / "data", API_KEY="a-key-of-twenty-letters", CAPTION_MODEL="file://tests/bundles/tiny")
    outputs = {"ApiKeyId": {"Ref": "Key"}, "ModelBucketName": {"Ref": "Bucket"}, "Url": stack.url}
    template = {"Resources": RESOURCES, "Outputs": {name: {"Value": value} for name, value in outputs.items()}}
    with client("cloudformation", ministack_endpoint, ACCOUNT) as cloudformation:
        cloudformation.create_stack(StackName="pictures-dev", TemplateBody=json.dumps(template))
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="pictures-dev", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
    status, said, _ = run("finish", "dev")
    stack.stop()

    assert status == 0, said
    assert re.search(r"^(\d+) of \1 checks passed$", said, re.MULTILINE), said
    assert f"URL        {stack.url}\n" in said
    assert "a-key-of-twenty-letters" not in said
    status, _, told = run("finish", "dev")
    assert (status, "no answer" in told) == (1, True)


@pytest.mark.parametrize("target", ["redrive", "restore", "export"])
def test_a_target_without_what_it_needs_says_how_it_is_called(target: str) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "--old-file=.venv/local.stamp", target],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in {"STACK", "FROM", "TO"}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].endswith(("STACK=pictures-prod", "FROM=backups/...", "TO=ratings.csv"))
