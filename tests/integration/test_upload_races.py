"""Races of uploads: processes deliver the same events shuffled and doubled, and arithmetic says what must be there.

The models stand aside: a caption says who made it, so that two captions of one version would be told apart.
"""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from captioning.buckets.folder import FolderBucket
from captioning.caption import Caption
from captioning.errors import CaptionStoreUnavailableError
from captioning.model.decoding import Decoding
from captioning.outcomes import Outcome, Upload, comparable
from captioning.stores import open_caption_store
from captioning.stores.port import CaptionStore
from tests.support.dynamodb import make_table

PROCESSES, KEYS, VERSIONS = 5, 2, 12

DELIVER = f"""
import json, sys, time
sys.path[:0] = {sys.path!r}
from captioning.errors import BucketUnavailableError, CaptionStoreUnavailableError
from captioning.stores import open_caption_store
from captioning.uploads import caption_upload
from tests.integration.test_upload_races import Bucket, Signing, deliveries
url, root, name = sys.argv[1:]
store, bucket = open_caption_store(url), Bucket(root)

def patiently(do, *arguments):
    while True:
        try:
            return do(*arguments)
        except (CaptionStoreUnavailableError, BucketUnavailableError):
            time.sleep(0.05)  # as Lambda does, a minute later

patiently(store.outcome, "uploads/none")
print("ready", flush=True)
input()
for upload in deliveries(name):
    outcome = patiently(caption_upload, Signing(name), store, bucket, upload)
    print(json.dumps([outcome.key, outcome.sequencer, outcome.caption.text]), flush=True)
"""


class Bucket(FolderBucket):
    """A bucket with versions, each of which can still be read when a newer one is there."""

    def read(self, upload: Upload, *, max_bytes: int) -> bytes:  # noqa: ARG002 - the port's parameters
        return f"{upload.key} as of {upload.sequencer}".encode()


class Signing:
    """Says of a picture what it is, and who says so."""

    decoding = Decoding(1, 0.0, 1)

    def __init__(self, name: str) -> None:
        # Captions of the same picture by other versions are no business of each other's.
        self.model_version = name

    def is_sure(self, _confidence: float) -> None:
        """It does not know."""

    def caption(self, picture: bytes, _decoding: object = None) -> Caption:
        return Caption(f"{picture.decode()} by {self.model_version}", 0.5, self.model_version)


def deliveries(name: str) -> list[Upload]:
    """Every version of every key twice, in an order of the process's own. Sequencers differ in length, as S3's may."""
    written = [f"{number:03X}" + "0" * (number % 3) + "1" * (number % 2) for number in range(VERSIONS)]
    all_of_them = [Upload(f"uploads/{key}", comparable(one)) for key in range(KEYS) for one in written] * 2
    random.Random(name).shuffle(all_of_them)  # noqa: S311 - no secret
    return all_of_them


def _patiently_found(store: CaptionStore, key: str) -> Outcome | None:
    for _ in range(20):
        with suppress(CaptionStoreUnavailableError):
            return store.outcome(key)
    return store.outcome(key)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("adapter", ["sqlite", "dynamodb"])
def test_one_caption_a_version_and_the_newest_stays(
    request: pytest.FixtureRequest, tmp_path: Path, adapter: str
) -> None:
    url = f"sqlite:///{tmp_path}/captions.db"
    if adapter == "dynamodb":
        endpoint = request.getfixturevalue("dynamodb_endpoint")
        url = f"dynamodb://{make_table(endpoint, 'CaptionsTable')}?endpoint={endpoint}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DELIVER, url, str(tmp_path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        with ThreadPoolExecutor(PROCESSES) as pool:
            printed = list(pool.map(lambda process: process.communicate("go\n", timeout=280)[0], processes))
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * PROCESSES

    said: dict[tuple[str, str], set[str]] = {}
    for lines in printed:
        newest: dict[str, str] = {}
        for key, sequencer, text in map(json.loads, lines.splitlines()):
            said.setdefault((key, sequencer), set()).add(text)
            # What a process has seen is never taken back.
            assert newest.get(key, "") <= sequencer
            newest[key] = sequencer
        assert len(lines.splitlines()) == 2 * KEYS * VERSIONS
    assert {len(texts) for texts in said.values()} == {1}

    store = open_caption_store(url)
    for key in {f"uploads/{number}" for number in range(KEYS)}:
        last = max(upload.sequencer for upload in deliveries("any") if upload.key == key)
        found = _patiently_found(store, key)
        assert found is not None
        assert found.caption is not None
        assert found.sequencer == last
        assert found.caption.text.startswith(f"{key} as of {last} by ")
        assert json.loads((tmp_path / f"captions/{key}.json").read_text()) == found.to_plain()
    store.close()
