"""DynamoDB Local, Amazon's own engine for tests: fetched once with Maven, run in memory for as long as it is asked for.

Not the service: it knows no TTL, throttles nobody and checks no credentials. It listens on the loopback alone, which
takes a few lines of Java: see emulators/dynamodb-local/Loopback.java.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import botocore.session

from local import tables

ROOT = Path(__file__).resolve().parents[2]
_POM = ROOT / "tests" / "emulators" / "dynamodb-local" / "pom.xml"
_LAUNCHER = ROOT / "tests" / "emulators" / "dynamodb-local" / "Loopback.java"
_JARS = ROOT / "build" / "dynamodb-local"
# Both together stay under the time that a test may take, since the first test to ask waits for them.
_FETCH_SECONDS = 90
_START_SECONDS = 20


RUNNING = "DYNAMODB_LOCAL"
"""The variable that names the endpoint of one that runs already, for who starts the tests a thousand times."""


class DynamoDBMissingError(Exception):
    """DynamoDB Local cannot be had on this machine; the message says what it lacks."""


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """The endpoint of a new DynamoDB Local on a free port, or of one that is RUNNING. Raises DynamoDBMissingError."""
    if running := os.environ.get(RUNNING):
        yield running
        return
    if missing := [program for program in ("java", "mvn") if not shutil.which(program)]:
        raise DynamoDBMissingError(f"it needs a JDK, 17 or later, and Maven; not installed: {', '.join(missing)}")
    _fetch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile("w+") as said:
        # The quick compiler alone: the thorough one takes longer than what it saves in the minutes that the tests take.
        command = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{_JARS}/*"]
        command += [str(_LAUNCHER)]
        command += ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
        process = subprocess.Popen(command, cwd=_JARS, stdout=said, stderr=subprocess.STDOUT)
        try:
            endpoint = f"http://127.0.0.1:{port}"
            if not _answers(endpoint, process):
                said.seek(0)
                raise DynamoDBMissingError(f"it did not start: {said.read().strip()[-500:]}")
            _warm_up(endpoint)
            yield endpoint
        finally:
            process.kill()
            process.wait()


def make_table(endpoint: str, resource: str) -> str:
    """Makes an empty table with the keys of `resource` in template.yaml; gives its name, which no other table has."""
    name = f"{resource}-{uuid.uuid4().hex}"
    client = botocore.session.get_session().create_client("dynamodb", endpoint_url=endpoint)
    tables.make_table(client, name, resource)
    client.close()
    return name


def _fetch() -> None:
    """Copies the jars that the POM names, unless they are there. One process at a time; the others wait."""
    _JARS.parent.mkdir(exist_ok=True)
    with _JARS.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = _JARS / _POM.name
        if held.is_file() and held.read_bytes() == _POM.read_bytes():
            return
        with tempfile.TemporaryDirectory(dir=_JARS.parent) as scratch:
            folder = Path(scratch) / _JARS.name
            command = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
            try:
                done = subprocess.run(
                    [*command, f"-DoutputDirectory={folder}"],
                    capture_output=True,
                    text=True,
                    timeout=_FETCH_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise DynamoDBMissingError(f"Maven did not fetch it within {_FETCH_SECONDS} s; try again") from None
            if done.returncode:
                raise DynamoDBMissingError(f"Maven could not fetch it: {done.stdout.strip()[:500]}")
            shutil.copy(_POM, folder)
            shutil.rmtree(_JARS, ignore_errors=True)
            folder.rename(_JARS)


def _answers(endpoint: str, process: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(endpoint, timeout=1).close()  # noqa: S310 - our own loopback address
        except urllib.error.HTTPError as refusal:
            # An unsigned request is refused, by whoever is at home.
            refusal.close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def _warm_up(endpoint: str) -> None:
    """Writes and reads an item: on a busy machine the engine's first calls outlast what a store waits for an answer."""
    client = botocore.session.get_session().create_client("dynamodb", endpoint_url=endpoint)
    table, key = make_table(endpoint, "CaptionsTable"), {"pk": {"S": "first"}}
    client.put_item(TableName=table, Item=key, ConditionExpression="attribute_not_exists(pk)")
    client.get_item(TableName=table, Key=key, ConsistentRead=True)
    client.delete_table(TableName=table)
    client.close()


@contextmanager
def nobodys_account() -> Iterator[None]:
    """Credentials that are valid nowhere, in the environment: no test can reach anyone's account by accident."""
    mine = {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nobody",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(mine)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
