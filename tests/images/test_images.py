"""The images, built and run: what they hold, and that they answer as the functions do outside them.

`make images` runs this; it takes minutes and a Docker engine, which it starts where there is none.
"""

import base64
import json
import re
import subprocess
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.template import read
from tests.http.test_upload_events import AGAIN, ANSWERS, CAPTIONED, PICTURE, STATUSES, put, statuses_and_failures
from tests.images.base import architecture, base_name
from tests.images.conftest import Measured, Report
from tests.images.engine import Engine
from tests.images.instance import BUCKET, Instance, instance
from tests.images.recipe import LAYERS, PAGE, wanted
from tests.images.sam import Function, Sam
from tests.images.wheels import pins
from tests.support.events import ENVIRONMENT, EVENTS, HANDLERS, assert_answered, events_for
from tests.support.events import WARM as WARM_ANSWER
from tests.support.readme import requests_shown
from tests.support.spaces import MIXED, assert_legal
from tests.support.stack import ROOT
from tuning.observations import Setting
from tuning.validation.space_file import load_spaces

pytestmark = [pytest.mark.images, pytest.mark.timeout(1800)]

SAMPLES = {"suggest": "suggest-parameters", "update": "update-model", "caption": "caption-generate"}
COLD, WARM = 5, 20
PING_SECONDS = 0.1
"""Of a ping to a warm container, by HTTP and the runtime's loop; what the function itself takes, unit tests bound."""

_LIST = """
import importlib.metadata, importlib.util, json, os
files, stale = {}, []
for top in ("/opt/python", os.environ["LAMBDA_TASK_ROOT"]):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            files[path] = os.stat(path).st_mode
            if name.endswith(".py"):
                compiled = importlib.util.cache_from_source(path)
                # Flags of PEP 552: a hash, and nobody is to check it.
                if not os.path.exists(compiled) or open(compiled, "rb").read(8)[4:] != bytes([1, 0, 0, 0]):
                    stale.append(path)
held = [(one.name, one.version) for one in importlib.metadata.distributions(path=["/opt/python"])]
print(json.dumps({"files": files, "stale": stale, "held": held}))
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image has beyond its base: its files with their modes, sources without bytecode, and the packages."""

    files: dict[str, int]
    stale: tuple[str, ...]
    held: frozenset[tuple[str, str]]


@pytest.fixture(scope="module", params=LAYERS)
def recipient(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def function(functions: dict[str, Function], recipient: str) -> Function:
    return functions[HANDLERS[recipient]]


@pytest.fixture(scope="module")
def contents(docker: Engine, function: Function) -> Contents:
    listing = json.loads(docker.docker("run", "--rm", "--entrypoint", "python", function.image, "-c", _LIST))
    held = frozenset((canonicalize_name(name), version) for name, version in listing["held"])
    return Contents(listing["files"], tuple(listing["stale"]), held)


@pytest.mark.parametrize("event", [event for name in HANDLERS for event in events_for(name)], ids=lambda one: one.stem)
def test_an_event_gets_its_answer_from_the_image(answers: dict[Path, Future[Any]], event: Path) -> None:
    assert_answered(event, answers[event].result())


def test_the_readmes_requests_get_answers_of_the_shape_it_shows(sam: Sam, functions: dict[str, Function]) -> None:
    with sam.serve() as url:
        for command, shown in requests_shown("README.md"):
            here = command.replace("http://127.0.0.1:8000", url).rstrip() + " --silent --show-error"
            done = subprocess.run(["bash", "-c", here], cwd=ROOT, capture_output=True, text=True, check=True)
            assert set(json.loads(done.stdout)) == set(shown), f"{command}{done.stdout}"


def test_an_image_holds_the_packages_that_are_pinned_and_no_others(contents: Contents, recipient: str) -> None:
    lock = ROOT / "functions" / recipient / "requirements.txt"
    pinned = {Requirement(pin.partition(" --hash=")[0]) for pin in pins(lock, architecture())}

    assert contents.held == {(canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")) for pin in pinned}


def test_an_image_holds_its_function_and_its_layers_and_no_other_code(contents: Contents, recipient: str) -> None:
    expected = wanted(recipient)
    # A search space of a team's own lies beside the packages, where third parties' are too.
    ours = (
        "/var/task/",
        "/opt/python/web/",
        "/opt/python/tuning/",
        "/opt/python/captioning/",
        "/opt/python/storage/",
        *expected,
    )

    held = {path for path in contents.files if path.startswith(ours) and "__pycache__" not in path}
    # Of the page itself; what it names has a hash in its name.
    of_page = {path for path in held if re.search(r"/suggest/studio/studio/[\w.-]+-[\w-]{8}\.(js|css)$", path)}
    assert held - of_page == expected
    assert bool(of_page) == (recipient in PAGE)


def test_an_image_holds_no_tests_and_no_programs(contents: Contents) -> None:
    assert [path for path in contents.files if "/tests/" in path or path.startswith("/opt/python/bin/")] == []


def test_every_source_is_compiled_and_nobody_checks_it_again(contents: Contents) -> None:
    assert contents.stale == ()


def test_every_file_can_be_read_by_any_user(contents: Contents) -> None:
    assert [path for path, mode in contents.files.items() if not mode & 0o004] == []


def test_an_image_runs_its_function_without_being_told_which(docker: Engine, function: Function) -> None:
    command = json.loads(docker.docker("image", "inspect", "--format", "{{json .Config.Cmd}}", function.image))

    assert command == [function.handler]


def test_pictures_in_the_bucket_are_captioned_by_one_image_as_several_functions(
    docker: Engine, functions: dict[str, Function], tmp_path: Path
) -> None:
    for name in (*CAPTIONED, "pending.jpg", "replaced.jpg"):
        put(tmp_path, name, PICTURE)
    put(tmp_path, "damaged.jpg", b"hello")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777)
    environment = _environment() | {
        "UPLOAD_BUCKET": f"file://{BUCKET}",
        "CAPTION_STORE": f"sqlite:///{BUCKET}/captions.db",
    }
    with instance(docker, functions[HANDLERS["upload"]], environment, mounts={tmp_path: BUCKET}) as running:
        done = {name: running.invoke(_event(name)).content for name in STATUSES | AGAIN}
    with instance(docker, functions[HANDLERS["status"]], environment, mounts={tmp_path: BUCKET}) as running:
        told = {name: running.invoke(_event(name)).content for name in ANSWERS}

    assert statuses_and_failures(done) == STATUSES | AGAIN
    assert {name: answer["statusCode"] for name, answer in told.items()} == ANSWERS


def test_functions_that_tune_work_in_the_search_space_that_is_named(
    docker: Engine, functions: dict[str, Function], tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(MIXED)
    environment = _environment() | {"SPACES": "/opt/python/own.toml"}
    mounts = {own: environment["SPACES"]}
    with instance(docker, functions[HANDLERS["suggest"]], environment, mounts=mounts) as running:
        suggested = running.invoke(_with_body(_event(SAMPLES["suggest"]), {"num_suggestions": 3})).content
    settings = json.loads(suggested["body"])["suggestions"]
    results = [{"parameters": setting, "rating": 4} for setting in settings]
    with instance(docker, functions[HANDLERS["update"]], environment, mounts=mounts) as running:
        updated = running.invoke(_with_body(_event(SAMPLES["update"]), {"results": results})).content

    for setting in settings:
        assert_legal(load_spaces(own).modes[0], Setting.from_plain(setting))
    assert updated["statusCode"] == 200, updated
    assert json.loads(updated["body"])["samples_seen"] == 3


def _event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return found


def _with_body(event: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return {**event, "body": json.dumps(body), "isBase64Encoded": False}


def _environment() -> dict[str, str]:
    """What the template gives every function, the number of threads among it, and what `events/env.local.json` sets."""
    return {**read(ROOT / "template.yaml").environment, **json.loads(ENVIRONMENT.read_text())["Parameters"]}


def _with_another_picture(event: dict[str, Any], number: int) -> dict[str, Any]:
    """The same picture with a few bytes after its end: to the caption store it is another one."""
    body = base64.b64decode(event["body"])
    before, end, after = body.rpartition(b"\xff\xd9")
    changed = before + end + f"{number:04}".encode() + after
    return {**event, "body": base64.b64encode(changed).decode()}


def test_an_image_answers_as_lambda_would_run_it(
    docker: Engine, report: Report, function: Function, recipient: str
) -> None:
    """Measures as well: the first call to each of several instances, later calls to the last, and its memory."""
    environment = _environment()
    sample = _event(SAMPLES[recipient])
    cold, warm = [], []
    for _ in range(COLD):
        with instance(docker, function, environment) as running:
            seconds = _succeed(running, sample)
            started = running.usage()
            cold.append((seconds, started.processor_seconds))
            if len(cold) == COLD:
                for number in range(WARM):
                    event = _with_another_picture(sample, number) if recipient == "caption" else sample
                    warm.append(_succeed(running, event))
                used = running.usage()
    whole, base = (
        int(docker.docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
        for image in (function.image, base_name())
    )
    report.add(
        Measured(
            image=recipient,
            megabytes=whole,
            megabytes_of_ours=whole - base,
            first_seconds=median(seconds for seconds, _ in cold),
            first_processor_seconds=median(seconds for _, seconds in cold),
            later_seconds=median(warm),
            later_processor_seconds=(used.processor_seconds - started.processor_seconds) / WARM,
            peak_memory=used.peak_memory,
        )
    )
    # What reads pictures is a process of its own, and counted.
    assert used.processes == (2 if recipient == "caption" else 1)
    assert used.peak_memory < function.memory


def test_a_ping_is_answered_at_once_and_is_no_error(docker: Engine, function: Function) -> None:
    with instance(docker, function, _environment()) as running:
        assert running.invoke({}).content == WARM_ANSWER
        pings = [running.invoke(_event(path.stem)) for path in EVENTS.glob("*-ping*.json")]

    assert [ping.content for ping in pings] == [WARM_ANSWER] * len(pings)
    assert median(ping.seconds for ping in pings) < PING_SECONDS


def _succeed(running: Instance, event: dict[str, Any]) -> float:
    """Seconds until the answer, which must be a new one and no error."""
    answer = running.invoke(event)
    assert answer.content["statusCode"] == 200, answer.content
    assert '"cached":true' not in answer.content["body"]
    return answer.seconds
