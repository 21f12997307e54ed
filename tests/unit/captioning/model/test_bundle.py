"""Bundles: a whole one opens, and every kind of damage is refused with the name of the file at fault."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from captioning.captioner import Captioner, decode
from captioning.errors import BundleError
from captioning.model.bundle import (
    DECODER,
    ENCODER,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    VOCABULARY,
    Channels,
    Quantization,
    Resampling,
    open_bundle,
    parse_manifest,
)
from captioning.model.confidence import Calibration, Evidence, Factor
from captioning.model.decoding import Decoding
from captioning.model.interpreter import Decoder, Encoder
from captioning.model.topics import support_of
from captioning.pictures.tensors import read_picture
from tests.support.pictures import speckled

TINY = Path("tests/bundles/tiny")
# The same, and a layer that knows topics.
TOPICS = Path("tests/bundles/tiny-topics")
Manifest = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "a bundle"))


def rewrite(folder: Path, change: Callable[[Manifest], object]) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Put another file in, and let the manifest vouch for it."""
    (folder / name).write_bytes(content)
    described = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    rewrite(folder, lambda manifest: manifest["files"].update({name: described}))


def test_a_bundle_opens_by_a_relative_and_by_an_absolute_url(folder: Path) -> None:
    bundle = open_bundle("file://tests/bundles/tiny")
    assert bundle.manifest.input.width == 75
    assert bundle.manifest.input.resampling is Resampling.BILINEAR
    assert bundle.manifest.decoding == Decoding(3, 0.7, 12, no_repeat_ngram=2)
    assert bundle.manifest.encoder_quantization is Quantization.DYNAMIC
    assert bundle.vocabulary.words[bundle.vocabulary.end] == "<end>"
    assert open_bundle(folder.as_uri()).manifest == open_bundle(f"file://{folder}").manifest == bundle.manifest


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "models/flickr8k", "http://host/x", "file://", "", "file:/x"])
def test_other_urls_are_refused_with_an_example(url: str) -> None:
    with pytest.raises(BundleError, match="file://models/flickr8k"):
        open_bundle(url)


@pytest.mark.parametrize("name", [MANIFEST, ENCODER, DECODER, VOCABULARY])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: No such file"):
        open_bundle(f"file://{folder}")


@pytest.mark.parametrize("name", [MANIFEST, ENCODER, DECODER, VOCABULARY])
def test_a_folder_in_a_files_place_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(BundleError, match=name):
        open_bundle(f"file://{folder}")


@pytest.mark.parametrize("name", [ENCODER, DECODER, VOCABULARY])
def test_one_flipped_bit_is_found(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: has the sha256"):
        open_bundle(f"file://{folder}")


@pytest.mark.parametrize("name", [ENCODER, DECODER, VOCABULARY])
def test_a_truncated_file_is_found(folder: Path, name: str) -> None:
    os.truncate(folder / name, 100)
    with pytest.raises(BundleError, match=f"{name}: has 100 bytes"):
        open_bundle(f"file://{folder}")


def put(place: str, value: object) -> Callable[[Manifest], object]:
    *path, last = place.split(">")

    def change(manifest: Manifest) -> None:
        for name in path:
            manifest = manifest[name]
        manifest[last] = value

    return change


def drop(place: str) -> Callable[[Manifest], object]:
    *path, last = place.split(">")

    def change(manifest: Manifest) -> None:
        for name in path:
            manifest = manifest[name]
        del manifest[last]

    return change


WRONG: list[tuple[str, object]] = [
    *(("format_version", value) for value in (0, 2, "1", 1.0, True, None)),
    *(("model_version", value) for value in ("", 1, None, "a b", "../x", "a/b", "x" * 101, "-x", "x\n")),
    ("files", []),
    *((f"files>{name}", {"sha256": "0" * 64, "bytes": 1}) for name in ("extra.bin", "../encoder.bin", "/etc/hostname")),
    *((f"files>{ENCODER}>sha256", value) for value in ("", "0" * 63, "G" * 64, "0" * 65, 7, None)),
    *((f"files>{ENCODER}>bytes", value) for value in (0, -1, 1.5, "11952", True, None)),
    (f"files>{ENCODER}>path", "/etc/passwd"),
    *((f"input>{side}", value) for side in ("width", "height") for value in (0, -1, 2049, 75.0, "75", True)),
    *(("input>resampling", value) for value in ("", "BILINEAR", "area", 2, None)),
    *(("input>exif_transpose", value) for value in (1, "true", None)),
    *((f"input>{name}", value) for name in ("scale", "offset") for value in ("1", None, True, 1e7, 10**400)),
    ("input>scale", float("nan")),
    ("input>offset", float("inf")),
    *(("input>scaled_decoding", value) for value in (1, "true", None)),
    *(("input>channels", value) for value in ("RGB", "grb", 3, None)),
    *(
        (f"input>{name}", value)
        for name in ("scale", "offset")
        for value in ([], [1.0, 1.0], [1.0, "1", 1.0], [1e7] * 3)
    ),
    ("input>mean", 0.5),
    *(("decoding>beam_width", value) for value in (0, 11, "3", True)),
    *(("decoding>length_penalty", value) for value in (-1, "0.7", float("nan"))),
    *(("decoding>max_words", value) for value in (0, 101)),
    *(("decoding>no_repeat_ngram", value) for value in (-1, None)),
    *(("decoding>topic_weight", value) for value in (-0.5, 100.5, "1", True, None)),
    ("decoding>temperature", 1),
    *((f"quantization>{name}", value) for name in ("encoder", "decoder") for value in ("int4", "", None, True)),
    ("quantization>head", "none"),
    *((name, value) for name in ("provenance", "licence", "input", "decoding") for value in ("", None, 7)),
    ("comment", "hello"),
    *(("confidence", value) for value in ("", None, 7, True)),
]
CONFIDENCE = {
    "intercept": -0.7,
    "factors": {"mean": {"weight": 2, "mean": -0.4}, "lead": {"weight": 0.5, "mean": 0.1}},
    "sure_from": 0.25,
}


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_a_wrong_field_of_the_manifest_is_named(folder: Path, place: str, value: object) -> None:
    rewrite(folder, put(place, value))
    with pytest.raises(BundleError, match=r"manifest\.json: ") as caught:
        open_bundle(f"file://{folder}")
    assert place.rsplit(">", maxsplit=1)[-1] in str(caught.value)
    assert caught.value.file.endswith(MANIFEST)


@pytest.mark.parametrize(
    "place",
    ["format_version", "model_version", "files", "input", "decoding", "quantization", "provenance", "licence"]
    + [f"files>{name}" for name in (ENCODER, DECODER, VOCABULARY)]
    + [f"files>{ENCODER}>sha256", f"files>{DECODER}>bytes", "quantization>decoder"]
    + [f"input>{name}" for name in ("width", "height", "resampling", "exif_transpose", "scale", "offset")]
    + [f"decoding>{name}" for name in ("beam_width", "length_penalty", "max_words")],
)
def test_a_missing_field_of_the_manifest_is_named(folder: Path, place: str) -> None:
    rewrite(folder, drop(place))
    with pytest.raises(BundleError, match=r"manifest\.json: ") as caught:
        open_bundle(f"file://{folder}")
    assert place.rsplit(">", maxsplit=1)[-1] in str(caught.value)


@pytest.mark.parametrize("name", ["/etc/hostname", "../encoder.tflite", "sub/encoder.tflite"])
def test_no_file_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    def rename(manifest: Manifest) -> None:
        manifest["files"][name] = manifest["files"].pop(ENCODER)

    rewrite(folder, rename)
    with pytest.raises(BundleError, match=r"manifest\.json: files"):
        open_bundle(f"file://{folder}")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"format_version": 1' + b"0" * 5_000 + b"}"),
        b" " * (MAX_MANIFEST_BYTES + 1),
    ],
    ids=["empty", "cut", "not utf-8", "list", "null", "deep", "huge number", "too long"],
)
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json: "):
        open_bundle(f"file://{folder}")


def test_an_optional_field_has_its_default_and_may_be_given() -> None:
    manifest = json.loads((TINY / MANIFEST).read_bytes())
    assert "no_repeat_ngram" not in manifest["decoding"]
    manifest["decoding"]["no_repeat_ngram"] = 3
    assert parse_manifest(json.dumps(manifest).encode()).decoding.no_repeat_ngram == 3
    assert "scaled_decoding" not in manifest["input"]
    assert parse_manifest(json.dumps(manifest).encode()).input.scaled_decoding is False
    manifest["input"]["scaled_decoding"] = True
    assert parse_manifest(json.dumps(manifest).encode()).input.scaled_decoding is True


def test_a_manifest_may_scale_each_channel_and_name_their_order() -> None:
    manifest = json.loads((TINY / MANIFEST).read_bytes())
    assert "channels" not in manifest["input"]
    plain = parse_manifest(json.dumps(manifest).encode()).input
    assert plain.channels is Channels.RGB
    assert isinstance(plain.scale, float)
    manifest["input"] |= {"channels": "bgr", "scale": [1, 0.5, 2.0], "offset": [-103.939, -116.779, -123.68]}
    given = parse_manifest(json.dumps(manifest).encode()).input
    assert given.channels is Channels.BGR
    assert (given.scale, given.offset) == ((1.0, 0.5, 2.0), (-103.939, -116.779, -123.68))


def test_a_manifest_may_say_how_to_read_a_confidence() -> None:
    manifest = json.loads((TINY / MANIFEST).read_bytes())
    assert parse_manifest(json.dumps(manifest).encode()).calibration is None
    manifest["confidence"] = CONFIDENCE
    assert parse_manifest(json.dumps(manifest).encode()).calibration == Calibration(
        -0.7, {Evidence.MEAN: Factor(2.0, -0.4), Evidence.LEAD: Factor(0.5, 0.1)}, 0.25
    )


def test_a_confidence_may_weigh_the_pictures_features(folder: Path) -> None:
    weights = [0.5] * Encoder(folder / ENCODER).features
    weighed = json.loads(json.dumps(CONFIDENCE))
    weighed["factors"]["picture"] = {"weight": 2.0, "mean": 0.1}
    weighed["picture"] = weights
    rewrite(folder, put("confidence", weighed))
    bundle = open_bundle(f"file://{folder}")
    assert bundle.manifest.calibration is not None
    assert bundle.manifest.calibration.picture == tuple(weights)
    features = Encoder(folder / ENCODER).encode(read_picture(speckled(1), bundle.manifest.input))
    found = decode(Decoder(bundle.decoder), bundle.vocabulary, features, bundle.manifest.decoding)
    expected = bundle.manifest.calibration.probability(found, 0, features[0])
    assert expected != bundle.manifest.calibration.probability(found, 0)
    assert Captioner(bundle).caption(speckled(1)).confidence == expected
    rewrite(folder, put("confidence>picture", weights[1:]))
    with pytest.raises(BundleError, match=r"encoder\.tflite: gives \d+ features; the manifest's confidence weighs"):
        Captioner(open_bundle(f"file://{folder}"))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("picture", [1.0]),
        ("factors>picture", {"weight": 1.0, "mean": 0.0}),
        ("intercept", "0"),
        ("intercept", float("nan")),
        ("factors", []),
        ("factors>luck", {"weight": 1.0, "mean": 0.0}),
        ("factors>mean>weight", None),
        ("factors>mean>spread", 1.0),
        ("factors>lead", 0.5),
        *(("sure_from", value) for value in (-0.1, 1.1, "0.5", None)),
        ("threshold", 0.5),
    ],
)
def test_a_wrong_field_of_a_confidence_is_named(folder: Path, place: str, value: object) -> None:
    rewrite(folder, put("confidence", json.loads(json.dumps(CONFIDENCE))))
    rewrite(folder, put(f"confidence>{place}", value))
    with pytest.raises(BundleError, match=r"manifest\.json: confidence") as caught:
        open_bundle(f"file://{folder}")
    assert place.rsplit(">", maxsplit=1)[-1] in str(caught.value)


def test_confidences_are_what_the_bundle_says_and_without_it_what_they_were(folder: Path) -> None:
    plain = Captioner(open_bundle(f"file://{folder}"))
    rewrite(folder, put("confidence", CONFIDENCE))
    bundle = open_bundle(f"file://{folder}")
    calibrated = Captioner(bundle)
    for seed in range(5):
        picture = speckled(seed)
        before, after = plain.caption(picture), calibrated.caption(picture)
        pixels = read_picture(picture, bundle.manifest.input)
        found = decode(
            Decoder(bundle.decoder), bundle.vocabulary, Encoder(bundle.encoder).encode(pixels), bundle.manifest.decoding
        )
        assert bundle.manifest.calibration is not None
        said: dict[str, tuple[float, float]] = {}
        for place, hypothesis in enumerate(found):
            chance = bundle.manifest.calibration.probability(found, place)
            said.setdefault(bundle.vocabulary.detokenise(hypothesis.tokens), (hypothesis.confidence, chance))
        assert [(before.text, before.confidence), *((one.text, one.confidence) for one in before.alternatives)] == [
            (text, mean) for text, (mean, _) in said.items()
        ]
        assert [(after.text, after.confidence), *((one.text, one.confidence) for one in after.alternatives)] == [
            (text, chance) for text, (_, chance) in said.items()
        ]
    assert (plain.is_sure(0.9), calibrated.is_sure(0.25), calibrated.is_sure(0.2499)) == (None, True, False)


@pytest.fixture
def knowing(tmp_path: Path) -> Path:
    """A bundle that knows topics."""
    return Path(shutil.copytree(TOPICS, tmp_path / "a knowing bundle"))


def test_topics_order_what_the_search_finds_and_nothing_else(knowing: Path) -> None:
    bundle = open_bundle(f"file://{knowing}")
    decoder, encoder = Decoder(bundle.decoder), Encoder(bundle.encoder)
    assert decoder.topics == len(bundle.vocabulary.topics) == 11
    weighed = bundle.manifest.decoding
    assert weighed.topic_weight == 1.5
    reordered = 0
    for seed in range(20):
        features = encoder.encode(read_picture(speckled(seed), bundle.manifest.input))
        shares = decoder.shares(features)[0]
        assert ((shares >= 0) & (shares <= 1)).all()
        plain = decode(decoder, bundle.vocabulary, features, replace(weighed, topic_weight=0))
        ranked = decode(decoder, bundle.vocabulary, features, weighed)
        supports = {one.tokens: support_of(one.tokens, bundle.vocabulary.topics, shares) for one in plain}
        expected = sorted(plain, key=lambda one: -(one.score + 1.5 * supports[one.tokens]))
        assert [one.tokens for one in ranked] == [one.tokens for one in expected]
        assert [one.support for one in ranked] == [supports[one.tokens] for one in ranked]
        assert [one.log_probabilities for one in ranked] == [one.log_probabilities for one in expected]
        reordered += ranked[0].tokens != plain[0].tokens
        caption = Captioner(bundle).caption(speckled(seed))
        assert caption.text == bundle.vocabulary.detokenise(ranked[0].tokens)
    assert 2 <= reordered < 20


def test_support_is_evidence_where_a_confidence_weighs_it(knowing: Path) -> None:
    weighed = json.loads(json.dumps(CONFIDENCE))
    weighed["factors"]["support"] = {"weight": 2.0, "mean": 0.5}
    rewrite(knowing, put("confidence", weighed))
    bundle = open_bundle(f"file://{knowing}")
    calibration = bundle.manifest.calibration
    assert calibration is not None
    features = Encoder(bundle.encoder).encode(read_picture(speckled(1), bundle.manifest.input))
    found = decode(Decoder(bundle.decoder), bundle.vocabulary, features, bundle.manifest.decoding)
    caption = Captioner(bundle).caption(speckled(1))
    assert caption.confidence == calibration.probability(found, 0)
    assert caption.confidence != calibration.probability([replace(one, support=None) for one in found], 0)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("decoding>topic_weight", 0.5),
        ("confidence", CONFIDENCE | {"factors": {"support": {"weight": 1.0, "mean": 0.5}}}),
    ],
)
def test_topics_that_the_decoder_does_not_know_cannot_be_weighed(folder: Path, place: str, value: object) -> None:
    rewrite(folder, put(place, value))
    with pytest.raises(BundleError, match=r"decoder\.tflite: knows no topics, and the manifest weighs them"):
        Captioner(open_bundle(f"file://{folder}"))


def test_topics_that_do_not_fit_the_decoder_are_found_out(folder: Path, knowing: Path) -> None:
    vocabulary = json.loads((knowing / VOCABULARY).read_bytes())
    replace_file(folder, VOCABULARY, json.dumps(vocabulary).encode())
    with pytest.raises(BundleError, match=r"vocabulary\.json: has 11 topics, and the decoder has 0"):
        Captioner(open_bundle(f"file://{folder}"))
    shorter = vocabulary | {"topics": vocabulary["topics"][1:], "rarities": vocabulary["rarities"][1:]}
    replace_file(knowing, VOCABULARY, json.dumps(shorter).encode())
    with pytest.raises(BundleError, match=r"vocabulary\.json: has 10 topics, and the decoder has 11"):
        Captioner(open_bundle(f"file://{knowing}"))
    replace_file(knowing, VOCABULARY, (TINY / VOCABULARY).read_bytes())
    with pytest.raises(BundleError, match=r"vocabulary\.json: has 0 topics, and the decoder has 11"):
        Captioner(open_bundle(f"file://{knowing}"))


NOT_SHARES = r"decoder\.tflite: gives shares of topics that are not within 0 to 1"


def test_shares_that_are_not_finite_are_the_bundles_fault() -> None:
    with pytest.raises(BundleError, match=NOT_SHARES):
        Decoder(TOPICS / DECODER).shares(np.full((1, 48), np.nan, np.float32))


def tanh_in_place_of_sigmoids(model: Any) -> None:
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.LOGISTIC:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.TANH


def another_name_for_the_shares(model: Any) -> None:
    signature = next(one for one in model.signatureDefs if one.signatureKey == b"topics")
    signature.outputs[0].name = b"logits"


def half_of_the_features(model: Any) -> None:
    place = next(one.subgraphIndex for one in model.signatureDefs if one.signatureKey == b"topics")
    features, weights, *_ = model.subgraphs[place].tensors
    features.shape, weights.shape = [1, 24], [11, 24]
    model.buffers[weights.buffer].data = model.buffers[weights.buffer].data[: 4 * 11 * 24]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (tanh_in_place_of_sigmoids, NOT_SHARES),
        (another_name_for_the_shares, r"decoder\.tflite: signature 'topics' has inputs and outputs"),
        (half_of_the_features, r"decoder\.tflite: topics_features:0 is float32 \[1, 24\] instead of float32 \[1, 48\]"),
    ],
)
def test_a_layer_of_topics_of_another_form_is_found_out(
    knowing: Path, change: Callable[[Any], None], fault: str
) -> None:
    model = schema.ModelT.InitFromPackedBuf((knowing / DECODER).read_bytes(), 0)
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    replace_file(knowing, DECODER, bytes(builder.Output()))
    with pytest.raises(BundleError, match=fault):
        Captioner(open_bundle(f"file://{knowing}")).caption(speckled(1))


@pytest.mark.parametrize("rarity", [1e-6, 1e6])
def test_captions_are_found_with_the_rarest_and_the_commonest_topics(knowing: Path, rarity: float) -> None:
    vocabulary = json.loads((knowing / VOCABULARY).read_bytes())
    replace_file(knowing, VOCABULARY, json.dumps(vocabulary | {"rarities": [rarity] * 11}).encode())
    rewrite(knowing, put("decoding>topic_weight", 100))
    captioner = Captioner(open_bundle(f"file://{knowing}"))
    # Some of these pictures have captions with a topic.
    for seed in range(20):
        caption = captioner.caption(speckled(seed))
        assert caption.text
        assert 0 < caption.confidence < 1


@pytest.mark.parametrize("name", [ENCODER, DECODER])
@pytest.mark.parametrize("content", [b"not a model", b"\x00" * 5_000], ids=["text", "zeros"])
def test_a_model_that_the_runtime_refuses_is_named(folder: Path, name: str, content: bytes) -> None:
    replace_file(folder, name, content)
    with pytest.raises(BundleError, match=f"{name}: the runtime refuses the model"):
        Captioner(open_bundle(f"file://{folder}"))


def test_models_in_each_others_place_are_named(folder: Path) -> None:
    encoder, decoder = (folder / ENCODER).read_bytes(), (folder / DECODER).read_bytes()
    replace_file(folder, ENCODER, decoder)
    with pytest.raises(BundleError, match=r"encoder\.tflite: "):
        Captioner(open_bundle(f"file://{folder}"))
    replace_file(folder, ENCODER, encoder)
    replace_file(folder, DECODER, encoder)
    with pytest.raises(BundleError, match=r"decoder\.tflite: has no signature 'project'"):
        Captioner(open_bundle(f"file://{folder}"))


def test_a_manifest_of_another_input_size_is_found_out(folder: Path) -> None:
    rewrite(folder, put("input>width", 299))
    with pytest.raises(BundleError, match=r"encoder\.tflite: takes 75 x 75 pixels; the manifest says 299 x 75"):
        Captioner(open_bundle(f"file://{folder}"))


def test_a_vocabulary_that_does_not_fit_the_decoder_is_found_out(folder: Path) -> None:
    vocabulary = json.loads((folder / VOCABULARY).read_bytes())
    vocabulary["words"].append("surplus")
    replace_file(folder, VOCABULARY, json.dumps(vocabulary).encode())
    with pytest.raises(BundleError, match=r"vocabulary\.json: has 32 words, and the decoder has 31"):
        Captioner(open_bundle(f"file://{folder}"))


def test_models_of_different_bundles_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "features", property(lambda _: 2048, lambda *_: None), raising=False)
    with pytest.raises(BundleError, match=r"decoder\.tflite: takes 48 features, and the encoder gives 2048"):
        Captioner(open_bundle("file://tests/bundles/tiny"))


def test_features_that_are_not_finite_are_the_bundles_fault() -> None:
    with pytest.raises(BundleError, match=r"encoder\.tflite: gives features that are not finite"):
        Encoder(TINY / ENCODER).encode(np.full((1, 75, 75, 3), np.inf, np.float32))


def test_sizes_are_read_from_the_models() -> None:
    encoder, decoder = Encoder(TINY / ENCODER), Decoder(TINY / DECODER)
    assert (encoder.width, encoder.height, encoder.features) == (75, 75, 48)
    assert (decoder.features, decoder.state, decoder.tokens) == (48, 24, 31)


def test_a_model_that_fails_while_it_runs_is_the_bundles_fault() -> None:
    decoder = Decoder(TINY / DECODER)
    state, image = np.zeros((1, 24), np.float32), np.zeros((1, 20), np.float32)
    with pytest.raises(BundleError, match=r"decoder\.tflite"):
        decoder.step(np.array([31], np.int32), state, state, image)
