"""What Lambda calls a function with: a ping that keeps it warm, or an event, which errors call by its name.

Plug-ins and schedules call a function every few minutes, so that callers seldom wait for its start. This module imports
nothing for them.
"""

_WARMERS = ("warmer", "warmup")
_PLUGIN = "serverless-plugin-warmup"
_SCHEDULED = "Scheduled Event"
_SCHEDULERS = ("aws.events", "aws.scheduler")
_NAMED_MEMBERS = 5
_LONGEST = 60
"""Characters of a text of the event's that an error repeats."""


class EventError(ValueError):
    """The function cannot do anything with the event; the message names the event and what is taken instead.

    A retry does not help. The function fails, so that an alarm tells of it and a dead-letter queue keeps the event.
    """


def is_ping(event: object) -> bool:
    """Tell whether `event` only keeps the function warm: it asks for nothing, and is answered at once.

    That is nothing at all, `{"warmer": true}` or `{"warmup": true}`, what serverless-plugin-warmup sends, or a
    scheduled event of EventBridge, of which a schedule's own input may have the source alone. What holds records or a
    request is none, whatever stands beside them.
    """
    if not isinstance(event, dict):
        return event is None
    if not event:
        return True
    if "Records" in event or "requestContext" in event:
        return False
    if event.get("detail-type", _SCHEDULED) == _SCHEDULED and event.get("source") in _SCHEDULERS:
        return True
    return event.get("source") == _PLUGIN or any(event.get(name) is True for name in _WARMERS)


def described(event: object) -> str:
    """Return what `event` is, in words, for the message of an `EventError`."""
    if not isinstance(event, dict):
        return f"a JSON value of type {type(event).__name__}"
    if isinstance(event.get("Records"), list):
        return _described_records(event["Records"])
    if isinstance(context := event.get("requestContext"), dict):
        return _described_request(event, context)
    if "detail-type" in event:
        return f"an event of EventBridge, {_short(event['detail-type'])} of {_short(event.get('source'))}"
    if not event:
        return "an empty object"
    names = ", ".join(_short(name) for name in list(event)[:_NAMED_MEMBERS])
    more = len(event) - _NAMED_MEMBERS
    return f"an object with {names}" + (f" and {more} more" if more > 0 else "")


def _described_records(records: list[object]) -> str:
    first = records[0] if records and isinstance(records[0], dict) else {}
    source = first.get("eventSource") or first.get("EventSource")
    return f"an event with records of {_short(source)}" if source else "an event with records of no known source"


def _described_request(event: dict[str, object], context: dict[str, object]) -> str:
    if "elb" in context:
        return "a request of a load balancer"
    if "connectionId" in context:
        return "a message of a WebSocket API"
    if event.get("version") == "2.0":
        return "a request of an HTTP API or a function URL"
    if "requestPayload" in event:
        return "a report to a destination of Lambda"
    return "a request of API Gateway"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
