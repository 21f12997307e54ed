import json
import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from web import logs


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _run(program: str, **environment: str) -> list[dict[str, str]]:
    whole = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=whole)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_timestamp_is_iso_8601_in_utc_wherever_the_machine_is() -> None:
    (line,) = _run("from web import logs; logs.logger('clock', level='INFO').info('now')", TZ="Asia/Kathmandu")

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert abs(datetime.fromisoformat(line["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (line["level"], line["message"], line["service"]) == ("INFO", "now", "clock")


def test_what_a_library_logs_has_the_same_shape_and_the_request_id(capsys: pytest.CaptureFixture[str]) -> None:
    logs.logger("host", level="INFO")
    token = logs.request_id.set("id-7")
    try:
        logging.getLogger("some.library").warning("careful with %s", "that")
    finally:
        logs.request_id.reset(token)

    (line,) = _lines(capsys)
    assert (line["message"], line["request_id"], line["level"]) == ("careful with that", "id-7", "WARNING")
    assert line["timestamp"].endswith("Z")


def test_a_line_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        logs.logger("again", level="INFO").info("once")

    assert [line["message"] for line in _lines(capsys)] == ["once", "once"]


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.logger("quiet", level="ERROR").warning("not this")

    assert _lines(capsys) == []


@pytest.mark.parametrize(
    ("level", "told"),
    [("DEBUG", ["DEBUG", "INFO", "WARNING"]), ("INFO", ["INFO", "WARNING"]), ("WARNING", ["WARNING"]), ("ERROR", [])],
)
def test_the_layers_write_from_the_level_on_that_is_set(
    capsys: pytest.CaptureFixture[str], level: str, told: list[str]
) -> None:
    logs.logger("host", level=level, packages=["layer"])
    for one in (logging.DEBUG, logging.INFO, logging.WARNING):
        logging.getLogger("layer.room").log(one, "said")
        logging.getLogger("botocore.auth").log(min(one, logging.INFO), "a secret")

    assert [line["level"] for line in _lines(capsys)] == told


def test_a_warning_of_a_library_is_a_line_too() -> None:
    (line,) = _run("import warnings; from web import logs; logs.logger('x', level='INFO'); warnings.warn('old way')")

    assert "old way" in line["message"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize(
    ("said", "shown"), [("half \ud800 of a pair", "half \ufffd of a pair"), ("ñ 🐶 \x00\r\n", "ñ 🐶 \x00\r\n")]
)
def test_any_text_is_one_line_on_any_stream(encoding: str, said: str, shown: str) -> None:
    program = f"""
from web import logs
log = logs.logger("text", level="INFO")
said = {said!r}
log.info(said, extra={{"path": said, "record": {{said: [said]}}}})
try:
    raise ValueError(said)
except ValueError:
    log.exception("it failed: %s", said)
"""
    whole = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=whole)
    assert done.stderr == b""
    told, failed = (json.loads(line) for line in done.stdout.decode(encoding).removesuffix("\n").split("\n"))

    assert (told["message"], told["path"], told["record"]) == (shown, shown, {shown: [shown]})
    assert failed["message"] == f"it failed: {shown}"
    assert f"ValueError: {shown}"[:20] in failed["exception"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_lines_for_people_have_the_time_first_and_no_character_that_a_terminal_obeys(encoding: str) -> None:
    program = r"""
from web import logs
log = logs.logger("desk", level="INFO", form="text")
logs.request_id.set("id-9")
log.info("request\n", method="GET", path="/a b\x1b[31m\x9b2J\u202e", status=0, alike=["ñ", 1])
try:
    raise ValueError("half \ud800\x1b[2J")
except ValueError:
    log.exception("it failed")
"""
    whole = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=whole)
    told, failed, *trace = done.stdout.decode(encoding).splitlines()
    letter = "ñ" if encoding == "utf-8" else "\\u00f1"

    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    desk: request.*", told)
    assert told.endswith(
        f'desk: request\\n method=GET path="/a b\\u001b[31m\\x9b2J\\u202e" status=0 '
        f'alike=["{letter}", 1] request_id=id-9'
    )
    assert failed[8:] == " ERROR   desk: it failed request_id=id-9"
    assert trace[0] == "  Traceback (most recent call last):"
    assert trace[-1].startswith("  ValueError: half ")
    assert "\x1b" not in done.stdout.decode(encoding)


def test_what_is_no_terminal_gets_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.logger("pipe", level="INFO", form="auto").info("said")

    assert [line["message"] for line in _lines(capsys)] == ["said"]


@pytest.mark.parametrize("said", ["[" * 100_000, '{"a": 1}', "NaN", "1e999", '"\\ud800"', "null"])
def test_a_message_that_could_be_read_as_json_stays_text(capsys: pytest.CaptureFixture[str], said: str) -> None:
    logs.logger("plain", level="INFO").info(said)

    (line,) = _lines(capsys)
    assert line["message"] == said


def test_a_line_whose_parts_cannot_be_written_is_left_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    token = logs.request_id.set("id-8")
    try:
        logs.logger("mute", level="INFO").error("look", extra={"what": Unspeakable()})
    finally:
        logs.request_id.reset(token)

    (unspoken,) = _lines(capsys)
    assert (unspoken["message"], unspoken["level"], unspoken["request_id"]) == ("'look'", "ERROR", "id-8")
    assert "no words" in unspoken["not_formatted"]
