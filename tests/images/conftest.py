"""What the tests of the images share: a Docker engine with the base image, the images, a report of what was seen."""

import statistics
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.events import HANDLERS, events_for
from tests.images.base import prepare, wheelhouse
from tests.images.engine import Engine, EngineMissingError, engine
from tests.images.sam import BUILT, Function, Sam
from tests.images.wheels import WheelsMissingError


@dataclass(slots=True)
class Report:
    """What was measured, printed in the end and kept as build/images/report.md."""

    base: str
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(
        self, image: str, *, megabytes: float, ours: float, cold: list[float], warm: list[float], peak: float
    ) -> None:
        """One image's sizes in MB, and one function's times in seconds."""
        times = (f"{statistics.median(cold):.2f} s", f"{statistics.median(warm) * 1000:.0f} ms")
        self.rows.append((image, f"{megabytes:.0f} MB", f"{ours:.0f} MB", *times, f"{peak:.0f} MB"))

    def __str__(self) -> str:
        head = ("image", "size", "of it ours", "first call", "later calls", "peak memory")
        rows = [head, ("---", *("---:",) * (len(head) - 1)), *self.rows]
        return "\n".join([f"On {self.base}, medians:", "", *("| " + " | ".join(row) + " |" for row in rows), ""])


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """The Docker engine."""
    try:
        with engine() as running:
            yield running
    except EngineMissingError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def report(docker: Engine) -> Iterator[Report]:
    """The report, begun with the base image, without which nothing can be seen."""
    try:
        made = Report(prepare(docker))
    except (EngineMissingError, WheelsMissingError) as error:
        pytest.exit(str(error), returncode=2)
    yield made
    if made.rows:
        BUILT.mkdir(parents=True, exist_ok=True)
        (BUILT / "report.md").write_text(str(made))
        print(f"\n{made}")


@pytest.fixture(scope="session")
def sam(docker: Engine) -> Sam:
    """SAM."""
    return Sam(docker)


@pytest.fixture(scope="session")
def functions(sam: Sam, report: Report) -> dict[str, Function]:
    """The functions by their handlers, their images built."""
    with wheelhouse():
        return {function.handler: function for function in sam.build()}


@pytest.fixture(scope="session")
def answers(sam: Sam, functions: dict[str, Function]) -> Iterator[dict[Path, Future[Any]]]:
    """What `sam local invoke` gives for every event: two at a time, for each has a container to start."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {
            event: pool.submit(sam.invoke, functions[handler].name, event)
            for recipient, handler in HANDLERS.items()
            for event in events_for(recipient)
        }
        pool.shutdown(wait=True, cancel_futures=True)
