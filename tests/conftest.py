"""What every test stands on."""

import asyncio
import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from typing import NoReturn

import botocore.session
import pytest
from botocore.loaders import create_loader
from hypothesis import settings
from PIL import Image, ImageDraw

from tests.support.dynamodb import DynamoDBMissingError, dynamodb_local, nobodys_account
from tests.support.ministack import MinistackMissingError, ministack
from tests.support.shared_server import shared_server
from tests.support.stack import ROOT, Stack
from tests.support.stores import new_store
from tests.support.thorough import examples
from tuning.stores.port import ObservationStore

# Where a test does not say how many cases it tries.
settings.register_profile("tests", settings(), max_examples=examples(100))
settings.load_profile("tests")

Emulators = Callable[[str, Callable[[], AbstractContextManager[str]]], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no lines where others run the same: on Python 3.11 to count them takes half as long again.

    Random cases have an example of each kind beside them, the second emulator has the first, several processes run what
    one has run, and what the benchmarks run of the product is the tuning, which has tests of its own.
    """
    for item in items:
        path = item.path.relative_to(ROOT / "tests").as_posix()
        if (
            item.get_closest_marker("hypothesis")
            or "ministack" in item.name
            or path.startswith("unit/benchmarks/")
            or (path.startswith("integration/") and not path.startswith("integration/test_local_"))
        ):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session", autouse=True)
def event_loop_of_the_process() -> Iterator[None]:
    """The main thread's event loop, on which Mangum runs an application, as in a Lambda process."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session", autouse=True)
def services_described_once() -> Iterator[None]:
    """botocore reads its descriptions of AWS's services once per process, and not 0.1 s long for every client."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(botocore.session, "create_loader", cache(create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def nobodys_credentials() -> Iterator[None]:
    """No test reaches a real account, and DynamoDB Local, which checks no credentials, is given some."""
    with nobodys_account():
        yield


def go_without(missing: str) -> NoReturn:
    """Skips what cannot be proved on this machine; under continuous integration it must be proved."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"needed under continuous integration: {missing}")
    pytest.skip(f"without {missing}")


@pytest.fixture(scope="session")
def emulators(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, nobodys_credentials: None
) -> Emulators:
    """Gives the endpoint of a server by its name and how it is started: one for all processes of a run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    # They end with the process and not with its last test: to wait for other processes is no part of that test's time.
    running = ExitStack()
    request.config.add_cleanup(running.close)
    return lambda name, start: running.enter_context(shared_server(folder, name, start))


@pytest.fixture(scope="session")
def dynamodb_endpoint(emulators: Emulators) -> str:
    """The URL of a DynamoDB Local, empty at first; all tests of a run share it, so tables need names of their own."""
    try:
        return emulators("dynamodb-local", dynamodb_local)
    except DynamoDBMissingError as error:
        go_without(f"DynamoDB Local: {error}")


@pytest.fixture(scope="session")
def ministack_endpoint(emulators: Emulators) -> str:
    """The URL of a Ministack, empty at first and shared like the other."""
    try:
        return emulators("ministack", ministack)
    except MinistackMissingError as error:
        go_without(f"Ministack: {error}")


@pytest.fixture
def store(url: str) -> Iterator[ObservationStore]:
    """The observation store at the `url` that the test's own module names."""
    store = new_store(url)
    yield store
    store.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack with empty stores, one for each test module."""
    running = Stack(tmp_path_factory.mktemp("stack"))
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A JPEG of 640 x 480: a yellow sun over a green meadow."""
    image = Image.new("RGB", (640, 480), "skyblue")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 300, 640, 480), fill="forestgreen")
    draw.ellipse((450, 40, 560, 150), fill="gold")
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()
