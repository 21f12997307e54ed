"""Pictures that are meant to stop the service, sent every way: each gets its answer, and nobody else waits for it."""

import json
import time
from pathlib import Path

import pytest

from tests.support.costly_pictures import some_costly_pictures
from tests.support.stack import Stack

FOUND = 200
UNREADABLE = 422
API_BYTES = 4_500_000
# Wide, for a busy machine; a caption that waited for every bomb would take a minute where nothing else runs.
PATIENCE = 60


def outcome(stack: Stack, key: str) -> tuple[int, str]:
    """The status and the reason, once there are any."""
    until = time.monotonic() + PATIENCE
    while (answer := stack.get(f"/captions/{key}")).status_code == 202 or answer.status_code == 404:
        assert time.monotonic() < until, key
        time.sleep(0.1)
    return answer.status_code, answer.json().get("detail", "")


def uploads_told(stack: Stack) -> list[dict[str, object]]:
    """What the log says of uploads."""
    lines = [json.loads(line) for line in stack.output.splitlines() if line.startswith("{")]
    return [line for line in lines if line["message"] == "upload"]


@pytest.mark.timeout(240)
def test_bombs_get_their_answers_and_a_restart_does_not_run_into_them_again(tmp_path: Path, picture: bytes) -> None:
    stack = Stack(tmp_path)
    try:
        bombs = some_costly_pictures()
        (tmp_path / "uploads").mkdir(exist_ok=True)
        for name, (content, _) in bombs.items():
            (tmp_path / "uploads" / name).write_bytes(content)
        # By HTTP while the folder is worked through.
        for name, (content, statuses) in bombs.items():
            answer = stack.post("/generate-caption/", files={"file": (name, content)})
            assert answer.status_code in ({413} if len(content) > API_BYTES else statuses), (name, answer.text)
            assert stack.get("/generate-caption/health").status_code == FOUND
            assert stack.post("/generate-caption/", files={"file": ("sun.jpg", picture)}).status_code == FOUND

        for name, (_, statuses) in bombs.items():
            found, reason = outcome(stack, f"uploads/{name}")
            assert (name, found) == (name, FOUND if statuses == {FOUND} else UNREADABLE)
            assert found == FOUND or reason.startswith("the picture cannot be captioned: the picture")

        told = len(uploads_told(stack))
        assert stack.stop() == 0
        stack.start()
        # What became of each is known: none is read again. Announced they would be within this time.
        time.sleep(3.0)
        assert uploads_told(stack)[told:] == []
    finally:
        assert stack.stop() == 0
