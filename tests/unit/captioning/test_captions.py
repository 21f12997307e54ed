"""From a picture's bytes to a caption, with real models: the same picture, the same words, on any number of threads."""

import ast
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from captioning import captions
from captioning.caption import Caption
from captioning.captioner import Captioner
from captioning.captions import caption_key, caption_picture, choose_decoding
from captioning.errors import BundleError, CaptionStoreUnavailableError, EmptyPictureError, NotAPictureError
from captioning.model.bundle import open_bundle
from captioning.model.confidence import Calibration
from captioning.model.decoding import Decoding
from captioning.outcomes import Outcome
from captioning.stores import open_caption_store
from captioning.stores.port import CaptionStore
from tests.support.pictures import speckled

LAYER = Path(captions.__file__).parent


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return Captioner(open_bundle("file://tests/bundles/tiny"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaptionStore]:
    store = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    yield store
    store.close()


def test_a_caption_is_words_of_the_vocabulary_with_a_confidence_and_the_bundles_version(captioner: Captioner) -> None:
    words = set(open_bundle("file://tests/bundles/tiny").vocabulary.words[4:])
    captions = [captioner.caption(speckled(seed)) for seed in range(20)]
    for caption in captions:
        said = caption.text.replace("'s", " 's").split()
        assert 1 <= len(said) <= 12
        assert set(said) <= words
        assert 0 < caption.confidence <= 1
        assert caption.model_version == captioner.model_version
    assert len({caption.text for caption in captions}) > 5


def test_no_caption_repeats_a_pair_of_words(captioner: Captioner) -> None:
    for seed in range(20):
        words = captioner.caption(speckled(seed), Decoding(1, 0.0, 30)).text.split()
        pairs = list(pairwise(words))
        assert len(pairs) == len(set(pairs))
        assert all(a != b for a, b in pairs)


def test_decoding_options_may_be_given_with_the_picture(captioner: Captioner) -> None:
    greedy, short = Decoding(1, 0.0, 12), Decoding(3, 0.7, 2)
    assert any(captioner.caption(speckled(s)) != captioner.caption(speckled(s), greedy) for s in range(10))
    assert all(len(captioner.caption(speckled(s), short).text.split()) <= 2 for s in range(10))


def test_many_threads_get_the_captions_that_one_would_get(captioner: Captioner) -> None:
    pictures = [speckled(seed) for seed in range(12)] * 4
    # Beams of several widths make the threads' runs reshape the shared model under each other, were there no lock.
    decodings = [Decoding(1 + index % 5, 0.7, 12) for index in range(len(pictures))]
    alone = [captioner.caption(*pair) for pair in zip(pictures, decodings, strict=True)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(captioner.caption, pictures, decodings)) == alone


def test_the_same_picture_asked_twice_is_answered_from_the_store(captioner: Captioner, store: CaptionStore) -> None:
    first, second = (caption_picture(captioner, store, speckled(1)) for _ in range(2))
    assert not first.cached
    assert second == replace(first, cached=True)
    assert not caption_picture(captioner, store, speckled(2)).cached
    assert not caption_picture(captioner, store, speckled(1), Decoding(1, 0.7, 12)).cached
    assert caption_picture(captioner, store, speckled(1), captioner.decoding).cached
    store.close()


def test_a_stored_caption_is_as_sure_as_it_was(captioner: Captioner, store: CaptionStore) -> None:
    assert caption_picture(captioner, store, speckled(1)).sure is None
    tiny = open_bundle("file://tests/bundles/tiny")
    sureness = {}
    for sure_from in (0.0, 1.0):
        manifest = replace(
            tiny.manifest, model_version=f"sure-{sure_from}", calibration=Calibration(0.0, {}, sure_from)
        )
        calibrated = Captioner(replace(tiny, manifest=manifest))
        made, stored = (caption_picture(calibrated, store, speckled(1)) for _ in range(2))
        assert (made.confidence, made.cached, stored.cached) == (0.5, False, True)
        sureness[sure_from] = (made.sure, stored.sure)
    assert sureness == {0.0: (True, True), 1.0: (False, False)}
    store.close()


def test_a_stored_caption_is_served_without_running_the_models(captioner: Captioner, store: CaptionStore) -> None:
    key = caption_key(speckled(1), captioner.model_version, captioner.decoding)
    store.put(key, Caption("what was stored", 0.5, captioner.model_version))
    assert caption_picture(captioner, store, speckled(1)).caption == "what was stored"
    store.close()


def test_no_caption_is_empty_however_little_a_bundle_has_to_say(store: CaptionStore) -> None:
    tiny = open_bundle("file://tests/bundles/tiny")
    # The marks are the first four words; a sentence loses its final full stops.
    stops = (*tiny.vocabulary.words[:4], *("." * (1 + index) for index in range(len(tiny.vocabulary.words) - 4)))
    mute = Captioner(replace(tiny, vocabulary=replace(tiny.vocabulary, words=stops)))

    for _ in range(2):
        with pytest.raises(BundleError, match=r"decoder\.tflite: finds nothing but full stops"):
            caption_picture(mute, store, speckled(1))


def test_an_empty_caption_is_never_one_of_several(captioner: Captioner) -> None:
    tiny = open_bundle("file://tests/bundles/tiny")
    wide = Decoding(5, 0.7, 1)
    # Captions of one word: that of the best one becomes a full stop.
    best, *others = said_with(captioner, wide)
    words = tuple("." if word == best else word for word in tiny.vocabulary.words)
    changed = Captioner(replace(tiny, vocabulary=replace(tiny.vocabulary, words=words)))

    assert said_with(changed, wide) == others


def said_with(captioner: Captioner, decoding: Decoding) -> list[str]:
    found = captioner.caption(speckled(1), decoding)
    return [found.text, *(one.text for one in found.alternatives)]


def test_an_empty_caption_that_was_stored_is_made_anew(captioner: Captioner, store: CaptionStore) -> None:
    key = caption_key(speckled(1), captioner.model_version, captioner.decoding)
    store.put(key, Caption("", 0.5, captioner.model_version))
    found = caption_picture(captioner, store, speckled(1))
    assert (found.caption, found.cached) == (captioner.caption(speckled(1)).text, False)
    store.close()


def test_the_key_tells_apart_pictures_versions_and_every_option() -> None:
    base = Decoding(3, 0.7, 20)
    changed = [replace(base, beam_width=4), replace(base, length_penalty=0.70000001)]
    changed += [replace(base, max_words=21), replace(base, no_repeat_ngram=3), replace(base, topic_weight=0.5)]
    keys = [caption_key(b"a", "v1", base), caption_key(b"b", "v1", base), caption_key(b"a", "v2", base)]
    keys += [caption_key(b"a", "v1", decoding) for decoding in changed]
    assert len(set(keys)) == len(keys)
    # Captions that are stored already are found again.
    assert keys[0].endswith("/v1/3-0.7-20-2")
    assert caption_key(b"a", "v1", Decoding(3, 1, 20)) == caption_key(b"a", "v1", Decoding(3, 1.0, 20))
    whole, real = (caption_key(b"a", "v1", replace(base, topic_weight=weight)) for weight in (1, 1.0))
    assert whole == real


def test_a_picture_that_cannot_be_read_is_refused_and_not_stored(captioner: Captioner, store: CaptionStore) -> None:
    for _ in range(2):
        with pytest.raises(EmptyPictureError):
            caption_picture(captioner, store, b"")
        with pytest.raises(NotAPictureError):
            caption_picture(captioner, store, b"text")
    store.close()


def test_a_damaged_store_costs_a_log_line_and_not_the_caption(
    captioner: Captioner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "captions.db").write_bytes(b"this is no database" * 1000)
    store = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    with caplog.at_level(logging.WARNING, "captioning"):
        answer = caption_picture(captioner, store, speckled(1))
    store.close()
    assert answer.caption == captioner.caption(speckled(1)).text
    assert not answer.cached
    assert [record.name for record in caplog.records] == ["captioning"]
    assert "caption store not read" in caplog.text
    store.close()


def test_a_store_that_fails_between_reading_and_writing_costs_a_log_line(
    captioner: Captioner, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(CaptionStore):
        def get(self, key: str) -> Caption | None:  # noqa: ARG002 - the port's parameters
            return None

        def put(self, key: str, caption: Caption) -> None:  # noqa: ARG002 - the port's parameters
            raise CaptionStoreUnavailableError("disk full")

        def outcome(self, key: str) -> Outcome | None:
            raise NotImplementedError

        def outcomes(self, keys: Sequence[str]) -> Mapping[str, Outcome]:
            raise NotImplementedError

        def record(self, outcome: Outcome) -> Outcome:
            raise NotImplementedError

        def close(self) -> None: ...

    assert caption_picture(captioner, Full(), speckled(1)).caption == captioner.caption(speckled(1)).text
    assert "caption store not written: disk full" in caplog.text


def test_many_threads_may_ask_for_the_same_picture(captioner: Captioner, store: CaptionStore) -> None:
    start = threading.Barrier(8)

    def ask(_: int) -> str:
        start.wait()
        return caption_picture(captioner, store, speckled(3)).caption

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {captioner.caption(speckled(3)).text}
    store.close()


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "error"},
    ).stdout


def test_importing_captioning_brings_in_nothing_heavy() -> None:
    loaded = set(run("import captioning.captions, sys; print(*sys.modules)").split())
    heavy = {"tensorflow", "keras", "scipy", "sklearn", "skopt", "matplotlib", "pandas", "joblib", "h5py"}
    assert not loaded & (heavy | {"boto3", "botocore", "fastapi", "pydantic", "sqlite3", "PIL.ImageTk", "PIL.ImageQt"})
    plugins = {name for name in loaded if name.startswith("PIL.") and name.endswith("Plugin")}
    assert len(plugins) < 10


def test_nothing_is_written_to_standard_output() -> None:
    code = (
        "from captioning.model.bundle import open_bundle\nfrom captioning.captioner import Captioner\n"
        "Captioner(open_bundle('file://tests/bundles/tiny'))"
    )
    assert run(code) == ""


def test_only_the_modules_named_import_pillow_the_runtime_and_the_storage() -> None:
    importers: dict[str, set[str]] = {}
    for path in LAYER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                importers.setdefault(name.split(".")[0], set()).add(path.stem)
    assert importers["PIL"] == {"levels", "shrinking", "colours", "scans", "samples", "sixteen_bits"}
    assert importers["ai_edge_litert"] == importers["tflite_runtime"] == {"interpreter"}
    assert importers["sqlite3"] == {"sqlite"}
    assert not {"web", "tuning", "functions", "local", "tools", "boto3", "botocore"} & set(importers)


def test_what_a_caller_chooses_leaves_the_bundles_other_options_as_they_are() -> None:
    own = Decoding(4, 0.7, 20, no_repeat_ngram=3, topic_weight=1.2)
    assert choose_decoding(own) == own
    assert choose_decoding(own, beam_width=2, length_penalty=1.5) == replace(own, beam_width=2, length_penalty=1.5)
    assert choose_decoding(own, alternatives=3) == own
    assert choose_decoding(own, alternatives=9) == replace(own, beam_width=9)
