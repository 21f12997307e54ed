"""Logs: JSON lines on standard output, and nothing else there; on a terminal, lines for people.

Powertools' loggers and the standard library's root logger write in the same form, so that what a library reports (a
warning, a failed fit) comes out as the same JSON, with the id of the current request. No line is lost: text that UTF-8
or the stream cannot encode is replaced or escaped.
"""

import json
import logging
import re
import sys
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from web.text import replaced

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id that API Gateway gave the current request; None outside a request."""


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that would move a terminal's cursor, colour or reorder its text, or end the line."""

_PLAIN = re.compile(r"[^\s\"=\\]+")
"""A value that needs no quotes in a line for people."""

_IN_FRONT = ("timestamp", "level", "service", "message")
_NOT_FOR_PEOPLE = frozenset({*_IN_FRONT, "location", "exception", "exception_name", "xray_trace_id", "request_id"})


class _RequestIdFilter(logging.Filter):
    """Filter that sets the request id on every record, whichever logger made it; the formatter writes it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if (current := request_id.get()) is not None:
            record.request_id = current
        return True


class _StandardOutput(logging.StreamHandler):  # type: ignore[type-arg]
    """Handler that looks standard output up for each record: a host may replace the stream after import."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        line = replaced(super().format(record))
        try:
            line.encode(self.stream.encoding or "utf-8")
        except UnicodeEncodeError:
            # A stream with another encoding gets the same JSON in ASCII.
            return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], line)
        return line


class _Formatter(LambdaPowertoolsFormatter):
    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001  (whatever a caller's text or an object's str() raises, a line is written)
            said = {"level": record.levelname, "timestamp": self.formatTime(record), "message": repr(record.msg)}
            told = {"request_id": getattr(record, "request_id", None), "not_formatted": repr(error)}
            return self.serialize(said | told)


class _Readable(_Formatter):
    """Formatter of lines for people: time, level, service, message, then `name=value`; a trace follows."""

    def serialize(self, log: Mapping[str, Any]) -> str:
        """Return the line of one record."""
        moment, level, service, message = (str(log.get(name) or "-") for name in _IN_FRONT)
        facts = [f"{name}={_shown(value)}" for name, value in log.items() if name not in _NOT_FOR_PEOPLE]
        if request := log.get("request_id"):
            facts.append(f"request_id={_shown(request)}")
        time = datetime.fromisoformat(moment).astimezone()
        line = " ".join([f"{time:%H:%M:%S}", f"{level:7}", f"{service}:", _UNSEEN.sub(_escape, message), *facts])
        trace = str(log.get("exception") or "").splitlines()
        return "\n".join([line, *(f"  {_UNSEEN.sub(_escape, row)}" for row in trace)])


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, str) and not _PLAIN.fullmatch(text):
        text = json.dumps(text, ensure_ascii=False)
    return _UNSEEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _formatter(form: str) -> LambdaPowertoolsFormatter:
    readable = form == "text" or (form == "auto" and sys.stdout.isatty())
    return (_Readable if readable else _Formatter)(
        log_record_order=["timestamp", "level", "message", "request_id"],
        datefmt="%Y-%m-%dT%H:%M:%S.%FZ",
        utc=True,
        # `exception` has the trace already, in the form that people read.
        serialize_stacktrace=False,
        # A message stays text, even if it could be parsed as JSON.
        json_deserializer=str,
    )


def _handler(form: str) -> logging.Handler:
    handler = _StandardOutput()
    handler.addFilter(_RequestIdFilter())
    handler.setFormatter(_formatter(form))
    return handler


@cache
def _take_over_root(form: str) -> None:
    root = logging.getLogger()
    # The Lambda runtime adds a plain-text handler to the root logger; ours replaces it.
    root.handlers = [_handler(form)]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    # From Python 3.12 on every record would carry the name of its asyncio task, which says nothing here.
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # not before 3.12


def logger(service: str, *, level: str, form: str = "auto", packages: Collection[str] = ()) -> Logger:
    """Return Powertools' logger for `service`, at `level` (a name of the standard library's levels).

    `form` is `json`, `text` (lines for people) or `auto`: text if standard output is a terminal.

    The loggers of `packages`, the layers that the service uses, are set to `level` too. All others stay at WARNING:
    botocore's debug lines would contain what is sent to AWS.
    """
    _take_over_root(form)
    for package in packages:
        logging.getLogger(package).setLevel(level)
    return Logger(service=service, level=level, logger_handler=_handler(form), logger_formatter=_formatter(form))
