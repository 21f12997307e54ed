"""Ministack, an emulator of AWS's services by other hands than Amazon's.

Of DynamoDB it is the second: what holds on both is not one emulator's whim. Of S3, SQS, Lambda, API Gateway and
CloudFormation it is the only one here.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.stack import ROOT

_SERVER = ROOT / ".venv-ministack" / "bin" / "hypercorn"
_START_SECONDS = 30
_SERVICES = "apigateway,cloudformation,cloudwatch,dynamodb,iam,lambda,logs,s3,sns,sqs,sts"


class MinistackMissingError(Exception):
    """Ministack is not installed; the message says how it is."""


@contextmanager
def ministack() -> Iterator[str]:
    """An empty Ministack on a free port of the loopback; gives its endpoint. Raises MinistackMissingError."""
    if not _SERVER.is_file():
        raise MinistackMissingError("`make .venv-ministack/stamp` installs it, and `make test` does so by itself")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Its own command listens on every interface; its application, under its own server, listens where it is told.
    # No workers: a server killed with its workers running would leave them behind.
    command = [str(_SERVER), "--workers", "0", "--bind", f"127.0.0.1:{port}", "ministack.app:app"]
    environment = {**os.environ, "SERVICES": _SERVICES, "GATEWAY_PORT": str(port)}
    # A whole account's, whatever the machine.
    environment["LAMBDA_ACCOUNT_CONCURRENCY"] = "1000"
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and not _listens(port):
            assert time.monotonic() < deadline, "Ministack did not start in time"
            time.sleep(0.05)
        assert process.poll() is None, f"Ministack ended with {process.returncode}"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
