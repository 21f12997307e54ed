"""What a deployment needs, looked at before the images are built: each thing that is missing in one line.

Nothing is changed, and nothing is read but the account's id and its quota.
"""

import re
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3

from local.template import parse
from tools.stack import StackError, connect, exists, told

_DOCKER_SECONDS = 30
_UNRESERVED = 100
"""What AWS wants left over of an account's concurrency."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One of samconfig.toml: the stack's name, the region (None: AWS's own settings), the parameters that it sets."""

    stack: str
    region: str | None
    parameters: Mapping[str, str]


class PrerequisiteError(Exception):
    """Something that a deployment needs is missing; the message says what, and what to do."""


def read_environment(name: str, path: Path) -> Environment:
    """Read an environment of samconfig.toml.

    Raises:
        PrerequisiteError: there is none of this name, or the file cannot be read.
    """
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PrerequisiteError(f"{path.name} cannot be read: {error}") from error
    found = {one: table for one, table in config.items() if isinstance(table, dict)}
    if name not in found:
        raise PrerequisiteError(f"ENV is {name}, which samconfig.toml does not have; it has {', '.join(sorted(found))}")
    of_all = found[name].get("global", {}).get("parameters", {})
    of_deploy = {**of_all, **found[name].get("deploy", {}).get("parameters", {})}
    if "stack_name" not in of_deploy:
        raise PrerequisiteError(f"samconfig.toml gives {name} no stack_name: add it to [{name}.global.parameters]")
    overrides = of_deploy.get("parameter_overrides", "")
    pairs = overrides.split() if isinstance(overrides, str) else list(overrides)
    parameters = {key: value.strip('"') for key, _, value in (pair.partition("=") for pair in pairs)}
    return Environment(of_deploy["stack_name"], of_deploy.get("region"), parameters)


def check_docker() -> None:
    """See that a Docker engine answers.

    Raises:
        PrerequisiteError: none does.
    """
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],  # noqa: S607 - whichever the person has
            capture_output=True,
            text=True,
            timeout=_DOCKER_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise PrerequisiteError(
            "Docker is not installed; the images are built with it: docs.docker.com/engine"
        ) from None
    except subprocess.TimeoutExpired:
        raise PrerequisiteError(f"Docker does not answer within {_DOCKER_SECONDS} s: restart it") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason is given").splitlines()[-1]
        raise PrerequisiteError(f"Docker does not answer; start it (sudo systemctl start docker): {said}")


def check_region(environment: Environment) -> str:
    """Return the region that is deployed to.

    Raises:
        PrerequisiteError: none is known.
    """
    region = environment.region or boto3.Session().region_name
    if not region:
        raise PrerequisiteError(
            "no region is known: export AWS_DEFAULT_REGION=eu-west-1, or `aws configure set region`"
        )
    return str(region)


def check_credentials() -> str:
    """Return whose credentials there are.

    Raises:
        PrerequisiteError: there are none, or AWS does not accept them.
    """
    try:
        # Any region knows.
        client = connect("sts", region_name=boto3.Session().region_name or "us-east-1")
        with told():
            return str(client.get_caller_identity()["Arn"])
    except StackError as error:
        raise PrerequisiteError(f"AWS accepts no credentials: {error}; `aws configure` or `aws sso login`") from error


def check_concurrency(environment: Environment, region: str, template: str) -> None:
    """See that the account has the concurrency that the functions reserve. A stack that is there has it already.

    Raises:
        PrerequisiteError: it has not, or AWS does not say.
    """
    if environment.parameters.get("ReserveConcurrency", "true") != "true":
        return
    try:
        if exists(environment.stack):
            return
        client = connect("lambda", region_name=region)
        with told():
            free = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    except StackError as error:
        raise PrerequisiteError(f"the quota of concurrency cannot be looked up: {error}") from error
    needed = reserved(template) + _UNRESERVED
    if free < needed:
        raise PrerequisiteError(
            f"the account has {free} concurrent executions to reserve from, and the stack needs {needed}: add "
            "ReserveConcurrency=false to parameter_overrides in samconfig.toml, or ask for more in Service Quotas"
        )


def reserved(template: str) -> int:
    """Return how many concurrent executions the functions of a template reserve in all."""
    functions = [one.get("Properties", {}) for one in parse(template)["Resources"].values()]
    reserves = [one["ReservedConcurrentExecutions"] for one in functions if "ReservedConcurrentExecutions" in one]
    # `!If [ReservesConcurrency, 20, ...]`, or a plain number.
    return sum(one["Fn::If"][1] if isinstance(one, dict) else one for one in reserves)


def check_all(name: str, root: Path) -> tuple[list[str], list[str]]:
    """Look at everything that a deployment needs; return what is there and what is missing, in one line each."""
    there, missing = list[str](), list[str]()
    environment: Environment | None = None
    region = ""
    try:
        environment = read_environment(name, root / "samconfig.toml")
        there.append(f"the stack {environment.stack}")
    except PrerequisiteError as error:
        missing.append(str(error))
    try:
        check_docker()
        there.append("Docker")
    except PrerequisiteError as error:
        missing.append(str(error))
    try:
        region = check_region(environment or Environment("", None, {}))
        there.append(region)
    except PrerequisiteError as error:
        missing.append(str(error))
    try:
        there.append(re.sub(r".*::(\d+):", r"the account \1: ", check_credentials()))
        if environment and region:
            check_concurrency(environment, region, (root / "template.yaml").read_text(encoding="utf-8"))
    except PrerequisiteError as error:
        missing.append(str(error))
    return there, missing
