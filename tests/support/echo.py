"""A Lambda handler for the gateway's tests: it answers what it was sent, or does what the path says."""

import json
import time
from typing import Any

BEGUN: list[str] = []
"""The paths of all events so far."""


def handler(event: dict[str, Any], context: Any) -> Any:
    path = event["path"].rstrip("/")
    BEGUN.append(path)
    if path == "/fail":
        raise RuntimeError("on purpose")
    if path == "/nonsense":
        return "not a response"
    if path == "/huge":
        return {"statusCode": 200, "headers": {}, "body": "x" * 7_000_000}
    if path == "/surrogate":
        return {"statusCode": 200, "headers": {}, "body": "\ud800"}
    if path == "/header":
        return {"statusCode": 200, "headers": {"x-a": "1\r\nx-b: 2"}, "body": ""}
    if path == "/slow":
        time.sleep(0.3)
    if path == "/binary":
        return {"statusCode": 200, "headers": {"content-type": "image/x"}, "body": "AAH/", "isBase64Encoded": True}
    seen = {"event": event, "function": context.function_name, "left": context.get_remaining_time_in_millis()}
    return {
        "statusCode": 201,
        "headers": {"content-type": "application/json"},
        "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]},
        "body": json.dumps(seen),
    }
