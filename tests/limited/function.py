"""A Lambda handler that takes its time, and writes down what it began: the body of a call, the key of a picture."""

import os
import time
from pathlib import Path
from typing import Any

SECONDS = float(os.environ["SLOW_SECONDS"])
BEGUN = Path(os.environ["BEGUN"])


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    if "Records" in event:
        return _slow(event["Records"][0]["s3"]["object"]["key"])
    if event["path"] == "/slow":
        return _slow(event["body"])
    if event["path"] == "/large":
        return {"statusCode": 200, "headers": {}, "body": "x" * 6_000_000}
    if event["path"] == "/fail":
        raise RuntimeError("half of a surrogate: \udc80")
    return {"statusCode": 200, "headers": {}, "body": "quick"}


def _slow(what: str) -> dict[str, Any]:
    with BEGUN.open("a") as stream:
        stream.write(f"{what}\n")
    time.sleep(SECONDS)
    return {"statusCode": 200, "headers": {}, "body": what}
