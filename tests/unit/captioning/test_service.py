"""The captioner in service: loaded once, replaced when another bundle is current, and kept when that one is no good."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from captioning.captioner import Captioner
from captioning.errors import BundleError, BundleUnavailableError, CaptioningError
from captioning.model.bundle import ENCODER, Bundle, read_bundle
from captioning.service import CHECK_SECONDS, REFUSED_SECONDS, RETRY_SECONDS, CaptionerService, Loading
from captioning.sources.port import BundleSource
from captioning.sources.publication import Release
from tests.support.published import replace_file, tiny_bundle


class Shelf(BundleSource):
    """Bundles in folders, one of them current; counts what it is asked, and fails when it is told to."""

    def __init__(self, *folders: Path) -> None:
        self.folders = {folder.name: folder for folder in folders}
        self.now = folders[0].name if folders else "nothing"
        self.trouble: Exception | None = None
        self.looks = 0
        self.fetched: list[str] = []
        self.discarded: list[str] = []
        self.before_fetch: Callable[[], object] = lambda: None

    def current(self) -> Release:
        self.looks += 1
        if self.trouble:
            raise self.trouble
        return Release(self.now, "0" * 64)

    def fetch(self, release: Release) -> Bundle:
        self.before_fetch()
        self.fetched.append(release.model_version)
        return read_bundle(self.folders[release.model_version])

    def discard(self, release: Release) -> None:
        self.discarded.append(release.model_version)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A service over a shelf with a good bundle, another good one and one whose encoder is none."""

    def __init__(self, tmp_path: Path) -> None:
        folders = [tiny_bundle(tmp_path / version, version) for version in ("good-1", "good-2", "bad-3")]
        replace_file(folders[2], ENCODER, b"no model at all")
        self.shelf, self.clock, self.told = Shelf(*folders), Clock(), list[Loading]()
        self.service = CaptionerService(self.shelf, observe=self.told.append, clock=self.clock)

    def version(self) -> str:
        return self.service.captioner().model_version

    def later(self, seconds: float) -> "Bench":
        self.clock.now += seconds
        return self


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_nothing_is_loaded_before_somebody_asks_and_then_once(bench: Bench) -> None:
    assert bench.shelf.looks == 0
    assert {bench.version() for _ in range(5)} == {"good-1"}
    assert (bench.shelf.looks, bench.shelf.fetched) == (1, ["good-1"])
    assert [(one.model_version, one.serving, one.error) for one in bench.told] == [("good-1", "good-1", None)]


def test_the_source_is_looked_at_no_oftener_than_the_period_says(bench: Bench) -> None:
    bench.version()
    for _ in range(10):
        bench.later(CHECK_SECONDS / 5 - 0.001).version()
    assert bench.shelf.looks == 2
    assert bench.shelf.fetched == ["good-1"]


def test_another_bundle_takes_over_within_the_period_and_the_old_ones_room_is_given_up(bench: Bench) -> None:
    before = bench.service.captioner()
    bench.shelf.now = "good-2"
    assert bench.version() == "good-1"
    assert bench.later(CHECK_SECONDS).version() == "good-2"
    assert bench.shelf.discarded == ["good-1"]
    assert before.model_version == "good-1"
    assert bench.service.trouble is None


def test_a_request_that_has_a_captioner_keeps_it_while_another_takes_over(bench: Bench, picture: bytes) -> None:
    begun = bench.service.captioner()
    caption = begun.caption(picture)
    bench.shelf.now = "good-2"
    bench.later(CHECK_SECONDS).version()
    assert begun.caption(picture) == caption


def test_a_bundle_that_cannot_be_used_leaves_the_old_one_in_service_and_says_so(bench: Bench) -> None:
    bench.version()
    bench.shelf.now = "bad-3"
    assert bench.later(CHECK_SECONDS).version() == "good-1"
    assert bench.service.refused_version == "bad-3"
    assert isinstance(bench.service.trouble, BundleError)
    assert bench.shelf.discarded == []
    told = bench.told[-1]
    assert (told.model_version, told.serving) == ("bad-3", "good-1")
    assert "encoder.tflite: the runtime refuses the model" in str(told.error)


def test_a_refused_bundle_is_left_alone_for_a_while_and_then_tried_again(bench: Bench) -> None:
    bench.version()
    bench.shelf.now = "bad-3"
    for _ in range(int(REFUSED_SECONDS / CHECK_SECONDS)):
        bench.later(CHECK_SECONDS).version()
    assert bench.shelf.fetched == ["good-1", "bad-3"]
    assert bench.service.trouble is not None
    bench.later(CHECK_SECONDS).version()
    assert bench.shelf.fetched == ["good-1", "bad-3", "bad-3"]


def test_going_back_to_the_bundle_in_service_ends_the_trouble(bench: Bench) -> None:
    bench.version()
    bench.shelf.now = "bad-3"
    bench.later(CHECK_SECONDS).version()
    bench.shelf.now = "good-1"
    assert bench.later(CHECK_SECONDS).version() == "good-1"
    assert (bench.service.trouble, bench.service.refused_version) == (None, None)
    assert bench.shelf.fetched == ["good-1", "bad-3"]


def test_a_refused_bundle_is_followed_by_a_good_one(bench: Bench) -> None:
    bench.version()
    for version in ("bad-3", "good-2"):
        bench.shelf.now = version
        found = bench.later(CHECK_SECONDS).version()
    assert found == "good-2"
    assert (bench.service.trouble, bench.service.refused_version) == (None, None)


@pytest.mark.parametrize("trouble", [BundleUnavailableError("s3://x", "out of reach"), ZeroDivisionError("a bug")])
def test_a_source_in_trouble_costs_no_request_while_a_bundle_is_in_service(bench: Bench, trouble: Exception) -> None:
    bench.version()
    bench.shelf.trouble = trouble
    assert bench.later(CHECK_SECONDS).version() == "good-1"
    assert str(trouble) in str(bench.service.trouble)
    assert bench.service.refused_version is None
    bench.shelf.trouble = None
    assert bench.later(CHECK_SECONDS).version() == "good-1"
    assert bench.service.trouble is None


def test_what_came_to_be_unavailable_while_it_was_fetched_is_tried_again_at_the_next_look(bench: Bench) -> None:
    bench.version()
    bench.shelf.now = "good-2"

    def fail() -> None:
        raise BundleUnavailableError("s3://x", "broke off")

    bench.shelf.before_fetch = fail
    assert bench.later(CHECK_SECONDS).version() == "good-1"
    bench.shelf.before_fetch = lambda: None
    assert bench.later(CHECK_SECONDS).version() == "good-2"


def test_with_nothing_in_service_the_error_is_raised_and_the_source_not_hammered(bench: Bench) -> None:
    bench.shelf.now = "bad-3"
    for _ in range(5):
        with pytest.raises(BundleError, match=r"encoder\.tflite"):
            bench.version()
    assert bench.shelf.looks == 1
    with pytest.raises(BundleError, match=r"encoder\.tflite"):
        bench.later(RETRY_SECONDS).version()
    assert bench.shelf.looks == 2
    bench.shelf.now = "good-1"
    assert bench.later(RETRY_SECONDS).version() == "good-1"
    assert bench.service.trouble is None


def test_an_unexpected_error_is_a_bundles_error_and_names_its_cause(bench: Bench) -> None:
    bench.shelf.now = "never"
    with pytest.raises(BundleError, match=r"never: cannot be loaded: KeyError\('never'\)") as caught:
        bench.version()
    assert isinstance(caught.value.__cause__, KeyError)


def test_nobody_waits_while_another_loads_the_new_bundle(bench: Bench) -> None:
    bench.version()
    bench.shelf.now = "good-2"
    fetching, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        fetching.set()
        assert go_on.wait(30)

    bench.shelf.before_fetch = wait
    bench.later(CHECK_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(bench.version)
        assert fetching.wait(30)
        assert [bench.version() for _ in range(3)] == ["good-1"] * 3
        go_on.set()
        assert slow.result(30) == "good-2"
    assert bench.version() == "good-2"


def test_many_first_requests_load_one_captioner(bench: Bench) -> None:
    start = threading.Barrier(8)

    def ask(_: int) -> Captioner:
        start.wait()
        return bench.service.captioner()

    with ThreadPoolExecutor(8) as pool:
        assert len({id(found) for found in pool.map(ask, range(8))}) == 1
    assert bench.shelf.fetched == ["good-1"]


def test_many_first_requests_of_a_bad_bundle_all_get_the_error(bench: Bench) -> None:
    bench.shelf.now = "bad-3"
    start = threading.Barrier(8)

    def ask(_: int) -> str:
        start.wait()
        try:
            return bench.version()
        except CaptioningError as error:
            return type(error).__name__

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"BundleError"}
    assert bench.shelf.looks == 1


def test_captions_go_on_while_bundles_are_replaced_under_them(bench: Bench, picture: bytes) -> None:
    texts = {bench.service.captioner().caption(picture).text}
    stop = threading.Event()

    def replace() -> None:
        try:
            for number in range(20):
                bench.shelf.now = f"good-{1 + number % 2}"
                bench.later(CHECK_SECONDS)
                bench.version()
        finally:
            stop.set()

    with ThreadPoolExecutor(3) as pool:
        replacing = pool.submit(replace)

        def caption() -> set[str]:
            said = set()
            while not stop.is_set():
                said.add(bench.service.captioner().caption(picture).text)
            return said

        said = [pool.submit(caption) for _ in range(2)]
        replacing.result(60)
        for one in said:
            texts |= one.result(60)
    assert len(texts) == 1
