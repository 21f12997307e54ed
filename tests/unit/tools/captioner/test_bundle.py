"""Writing bundles, with the models of the shipped one: what is written is what the serving layer opens."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from captioning.model.bundle import DECODER, ENCODER, MANIFEST, VOCABULARY, Quantization, open_bundle
from captioning.model.decoding import Decoding
from tools.captioner.bundle import BundleParts, model_version, write_bundle
from tools.captioner.calibration import to_document
from tools.captioner.errors import UnfitBundleError

SHIPPED = Path("models/flickr8k")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> BundleParts:
    folder = tmp_path_factory.mktemp("parts")
    for name in (ENCODER, DECODER, VOCABULARY):
        shutil.copyfile(SHIPPED / name, folder / name)
    return BundleParts(
        folder=folder,
        encoder_quantization=Quantization.DYNAMIC,
        decoding=Decoding(2, 0.5, 12),
        provenance={"data": "Flickr8k — 6,000 pictures"},
        licence={"data": "theirs"},
    )


def with_vocabulary(parts: BundleParts, folder: Path, words: int) -> BundleParts:
    """The same parts with so many words in the vocabulary."""
    shutil.copytree(parts.folder, folder)
    document = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
    document["words"] = document["words"][:words]
    (folder / VOCABULARY).write_text(json.dumps(document), encoding="utf-8")
    return BundleParts(folder, parts.encoder_quantization, parts.decoding, parts.provenance, parts.licence)


def test_what_is_written_is_what_the_serving_layer_opens(parts: BundleParts, tmp_path: Path) -> None:
    version = write_bundle(tmp_path / "birds", parts)
    opened = open_bundle(f"file://{tmp_path}/birds").manifest
    assert opened.model_version == version
    assert opened.decoding == parts.decoding
    assert opened.encoder_quantization is Quantization.DYNAMIC
    assert opened.decoder_quantization is Quantization.NONE
    assert sorted(path.name for path in (tmp_path / "birds").iterdir()) == sorted(
        (ENCODER, DECODER, VOCABULARY, MANIFEST)
    )


def test_a_weight_of_topics_is_written_where_there_is_one(tmp_path: Path) -> None:
    topics = Path("tests/bundles/tiny-topics")
    opened = open_bundle(f"file://{topics}").manifest
    tiny = BundleParts(topics, opened.encoder_quantization, opened.decoding, {}, {}, input=opened.input)
    write_bundle(tmp_path / "weighed", tiny)
    write_bundle(tmp_path / "plain", replace(tiny, decoding=replace(opened.decoding, topic_weight=0.0)))
    weighed, plain = (
        json.loads((tmp_path / name / MANIFEST).read_text(encoding="utf-8"))["decoding"]
        for name in ("weighed", "plain")
    )
    # Releases before topics refuse the field, and have no need of it where it says nothing.
    assert weighed.pop("topic_weight") == 1.5
    assert weighed == plain


def test_the_manifest_is_written_the_same_way_each_time(parts: BundleParts, tmp_path: Path) -> None:
    for name in ("once", "again"):
        write_bundle(tmp_path / name / "birds", parts)
    once, again = ((tmp_path / name / "birds" / MANIFEST).read_text(encoding="utf-8") for name in ("once", "again"))
    assert once == again
    assert once == json.dumps(json.loads(once), sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    assert "—" in once


def test_the_version_names_the_folder_the_format_and_the_content(parts: BundleParts, tmp_path: Path) -> None:
    version = model_version("birds", parts.folder)
    assert version.startswith("birds-1-")
    changed = with_vocabulary(parts, tmp_path / "changed", -1)
    assert model_version("birds", changed.folder) != version


def test_a_confidence_is_written_where_there_is_one_and_is_part_of_the_version(
    parts: BundleParts, tmp_path: Path
) -> None:
    confidence = {"intercept": -0.5, "factors": {"mean": {"weight": 2.0, "mean": -0.4}}, "sure_from": 0.25}
    plain = write_bundle(tmp_path / "birds", parts)
    assert "confidence" not in json.loads((tmp_path / "birds" / MANIFEST).read_text(encoding="utf-8"))
    calibrated = replace(parts, confidence=confidence, decoder_quantization=Quantization.DYNAMIC)
    assert write_bundle(tmp_path / "birds", calibrated) != plain
    manifest = open_bundle(f"file://{tmp_path}/birds").manifest
    assert manifest.calibration is not None
    assert to_document(manifest.calibration) == confidence
    assert manifest.decoder_quantization is Quantization.DYNAMIC


def test_parts_that_do_not_fit_are_refused_and_what_was_there_stays(parts: BundleParts, tmp_path: Path) -> None:
    out = tmp_path / "birds"
    version = write_bundle(out, parts)
    with pytest.raises(UnfitBundleError, match="words, and the decoder has"):
        write_bundle(out, with_vocabulary(parts, tmp_path / "changed", -1))
    assert open_bundle(f"file://{out}").manifest.model_version == version


def test_the_shipped_bundle_is_named_after_its_content_and_small_enough_to_commit() -> None:
    manifest = open_bundle(f"file://{SHIPPED}").manifest
    assert manifest.calibration is not None
    assert manifest.model_version == model_version("flickr8k", SHIPPED, to_document(manifest.calibration))
    sizes = [(SHIPPED / name).stat().st_size for name in (ENCODER, DECODER, VOCABULARY)]
    assert max(sizes) <= 30 * 1000 * 1000
    assert sum(sizes) <= 40 * 1000 * 1000
