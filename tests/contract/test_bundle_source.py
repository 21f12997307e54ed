"""What every source of bundles promises, be it a folder or a prefix in S3."""

import json
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from captioning.captioner import Captioner
from captioning.errors import BundleError
from captioning.model.bundle import DECODER, ENCODER, MANIFEST, VOCABULARY
from captioning.sources import open_source
from captioning.sources.folder import FolderSource
from captioning.sources.port import BundleSource
from captioning.sources.publication import Release
from captioning.sources.s3 import S3Source
from storage.urls import S3Place
from tests.support.published import make_bucket, rewrite, s3_client, tiny_bundle
from tools.captioner.publishing import publish_bundle

FILES = (MANIFEST, ENCODER, DECODER, VOCABULARY)


class Place(ABC):
    """Somewhere that bundles can be put, taken from and damaged."""

    source: BundleSource

    @abstractmethod
    def put(self, bundle: Path) -> None:
        """Make a bundle current."""

    @abstractmethod
    def damage(self, name: str, content: bytes | None) -> None:
        """Replace a file of the current bundle by something else, or remove it."""


class Folder(Place):
    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "served"
        self.folder.mkdir()
        self.source = FolderSource(self.folder)

    def put(self, bundle: Path) -> None:
        for name in (*FILES[1:], MANIFEST):
            (self.folder / "new").write_bytes((bundle / name).read_bytes())
            (self.folder / "new").replace(self.folder / name)

    def damage(self, name: str, content: bytes | None) -> None:
        (self.folder / name).unlink()
        if content is not None:
            (self.folder / name).write_bytes(content)


class Bucket(Place):
    def __init__(self, tmp_path: Path, endpoint: str) -> None:
        self.bucket, self.client = make_bucket(endpoint), s3_client(endpoint)
        self.url = f"s3://{self.bucket}/some/captions?region=us-east-1&endpoint={endpoint}"
        place = S3Place(self.bucket, "some/captions", "us-east-1", endpoint)
        self.source = S3Source(place, cache=tmp_path / "cache")
        self.version = ""

    def put(self, bundle: Path) -> None:
        self.version = publish_bundle(bundle, self.url)

    def damage(self, name: str, content: bytes | None) -> None:
        where = {"Bucket": self.bucket, "Key": f"some/captions/{self.version}/{name}"}
        if content is None:
            self.client.delete_object(**where)
        else:
            self.client.put_object(**where, Body=content)


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Folder(tmp_path)
    return Bucket(tmp_path, request.getfixturevalue("ministack_endpoint"))


def test_what_was_put_there_is_current_and_can_be_fetched_and_run(place: Place, tmp_path: Path) -> None:
    place.put(tiny_bundle(tmp_path / "a", "a-1"))
    release = place.source.current()
    bundle = place.source.fetch(release)
    assert release.model_version == bundle.manifest.model_version == "a-1"
    assert Captioner(bundle).model_version == "a-1"
    for path in (bundle.encoder, bundle.decoder):
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()


def test_another_bundle_is_another_release_and_the_one_in_use_stays_usable(
    place: Place, tmp_path: Path, picture: bytes
) -> None:
    place.put(tiny_bundle(tmp_path / "a", "a-1"))
    first = place.source.current()
    captioner = Captioner(place.source.fetch(first))
    before = captioner.caption(picture)
    place.put(tiny_bundle(tmp_path / "b", "b-2", dog="cat"))
    second = place.source.current()
    assert second != first
    assert place.source.current() == second
    assert "cat" in place.source.fetch(second).vocabulary.words
    place.source.discard(first)
    assert captioner.caption(picture) == before


def test_the_same_version_with_another_manifest_is_another_release(place: Place, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "a", "a-1")
    place.put(bundle)
    first = place.source.current()
    rewrite(bundle, decoding={"beam_width": 1, "length_penalty": 0, "max_words": 3})
    if isinstance(place, Bucket):
        place.damage(MANIFEST, (bundle / MANIFEST).read_bytes())
        with pytest.raises(BundleError, match=r"a-1/manifest\.json: has the sha256"):
            place.source.fetch(first)
    else:
        place.put(bundle)
        assert place.source.current().model_version == "a-1"
        assert place.source.current() != first
        with pytest.raises(BundleError, match="no longer holds a-1"):
            place.source.fetch(first)


def test_with_nothing_there_the_error_names_the_place(place: Place) -> None:
    with pytest.raises(BundleError, match=r"current\.json: is not there|manifest\.json: No such file"):
        place.source.current()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(place: Place, tmp_path: Path, name: str) -> None:
    place.put(tiny_bundle(tmp_path / "a", "a-1"))
    release = place.source.current()
    place.damage(name, None)
    with pytest.raises(BundleError, match=rf"{name}: (is not there|No such file)"):
        place.source.fetch(release)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["one byte", "cut", "longer", "empty"])
def test_a_damaged_file_is_named(place: Place, tmp_path: Path, name: str, change: str) -> None:
    bundle = tiny_bundle(tmp_path / "a", "a-1")
    place.put(bundle)
    release = place.source.current()
    content = (bundle / name).read_bytes()
    flipped = content[:100] + bytes([content[100] ^ 1]) + content[101:]
    damaged = {"one byte": flipped, "cut": content[:-1], "longer": content + bytes(1_000_000), "empty": b""}[change]
    place.damage(name, damaged)
    with pytest.raises(BundleError) as caught:
        place.source.fetch(release)
    assert name in caught.value.file or (name == MANIFEST and "no longer holds" in str(caught.value))


def test_a_release_that_was_never_there_is_refused(place: Place, tmp_path: Path) -> None:
    place.put(tiny_bundle(tmp_path / "a", "a-1"))
    with pytest.raises(BundleError):
        place.source.fetch(Release("never-1", "0" * 64))


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_bundle_of_another_format_is_refused(place: Place, tmp_path: Path, version: object) -> None:
    bundle = tiny_bundle(tmp_path / "a", "a-1")
    place.put(bundle)
    content = json.dumps({**json.loads((bundle / MANIFEST).read_bytes()), "format_version": version}).encode()
    place.damage(MANIFEST, content)
    with pytest.raises(BundleError, match=r"format_version|has the sha256"):
        place.source.fetch(place.source.current())


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("s3://", "s3://bucket/prefix"),
        ("s3://bucket", "s3://bucket/prefix"),
        ("s3://bucket/", "s3://bucket/prefix"),
        ("s3:///prefix", "s3://bucket/prefix"),
        ("s3://UPPER/prefix", "s3://bucket/prefix"),
        ("s3://a/prefix", "s3://bucket/prefix"),
        ("s3://bucket/a/../b", "s3://bucket/prefix"),
        ("s3://bucket/a//b", "s3://bucket/prefix"),
        ("s3://bucket/a b", "s3://bucket/prefix"),
        ("s3://bucket/prefix#x", "s3://bucket/prefix"),
        ("s3://[bucket/prefix", "s3://bucket/prefix"),
        ("file://models?x", "%3F"),
        ("s3://bucket/prefix?region", "bad query field"),
        ("s3://bucket/prefix?region=", "each once"),
        ("s3://bucket/prefix?region=a&region=b", "each once"),
        ("s3://bucket/prefix?timeout=5", "nothing else"),
        ("s3://bucket/prefix?endpoint=127.0.0.1:9000", "endpoint must be a URL"),
        ("s3://bucket/prefix?region=not a region", "not a region"),
        ("models/flickr8k", "file://models/flickr8k"),
        ("http://host/x", "file://models/flickr8k"),
        ("", "file://models/flickr8k"),
    ],
)
def test_a_url_that_names_no_source_is_refused_with_what_would_do(url: str, complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint):
        open_source(url)
