"""Whole conversions by the command line, as tutorials' readers would run them. Part of `make captioners`.

The models have random weights; all else is as people have it.
"""

import csv
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioning.captioner import Captioner
from captioning.model.bundle import open_bundle
from tests.captioners.keras_modules import keras_module
from tools.captioner.__main__ import main
from tools.captioner.encoders.networks import BY_NAME
from tools.captioner.pictures import draw_pictures

pytestmark = [
    pytest.mark.captioners,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),
]
WORDS = ("startseq", "endseq", *(f"word{number}" for number in range(3, 60)))
LONGEST = 12


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file such as Keras downloads, of random numbers."""
    keras = keras_module("keras2")
    keras.utils.set_random_seed(6)
    path = tmp_path_factory.mktemp("encoder") / "inception_v3_notop.h5"
    keras.applications.InceptionV3(include_top=False, weights=None, pooling="avg").save_weights(str(path))
    return path


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The plain merge model, and the tokenizer as a pickle of NumPy's numbers."""
    keras = keras_module("keras3")
    layers = keras.layers
    keras.utils.set_random_seed(6)
    folder = tmp_path_factory.mktemp("captioner")
    inputs1, inputs2 = keras.Input((2048,)), keras.Input((LONGEST,))
    fe2 = layers.Dense(16, activation="relu")(layers.Dropout(0.5)(inputs1))
    se3 = layers.LSTM(16)(layers.Dropout(0.5)(layers.Embedding(len(WORDS) + 1, 16, mask_zero=True)(inputs2)))
    decoder2 = layers.Dense(16, activation="relu")(layers.add([fe2, se3]))
    outputs = layers.Dense(len(WORDS) + 1, activation="softmax")(decoder2)
    model = keras.Model(inputs=[inputs1, inputs2], outputs=outputs)
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(size=array.shape).astype(np.float32) for array in model.get_weights()])
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    model.save(folder / "model_19.h5")
    with (folder / "wordtoix.pkl").open("wb") as file:
        pickle.dump({word: np.int64(number) for number, word in enumerate(WORDS, start=1)}, file)
    return folder / "model_19.h5", folder / "wordtoix.pkl"


def convert(captioner: tuple[Path, Path], out: Path, *options: object) -> int:
    model, tokenizer = captioner
    arguments = ("convert", "--model", model, "--tokenizer", tokenizer, "--out", out, *options)
    return main([str(argument) for argument in arguments])


def provenance(out: Path) -> Any:
    return json.loads((out / "manifest.json").read_bytes())["provenance"]


def test_in_float32_nothing_changes_and_the_captions_of_an_own_run_prove_it(
    captioner: tuple[Path, Path], inception: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("--encoder", "keras", "--encoder-weights", inception, "--quantize", "none")
    exact = tmp_path / "exact"
    assert convert(captioner, exact, *named, "--verify") == 0, capsys.readouterr().err
    said = capsys.readouterr().err
    assert "from the picture on, 8 of 8 greedy captions stayed the same" in said
    assert "WARNING" not in said
    found = provenance(exact)
    assert found["encoder"]["named"] is True
    assert found["verification"]["largest_probability_difference"] < 1e-5
    # A run of one's own, and the same with a word changed.
    pictures = draw_pictures(tmp_path / "pictures")
    served = Captioner(open_bundle(exact.as_uri()))
    captions = [served.caption(path.read_bytes()).text for path in pictures]
    for name, said_last in (("mine.csv", captions[-1]), ("other.csv", "something else")):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            rows = zip(pictures, [*captions[:-1], said_last], strict=True)
            csv.writer(file).writerows([("picture", "caption"), *((path.name, caption) for path, caption in rows)])
    eight_bits = tmp_path / "eight_bits"
    told = ("--encoder", inception, "--pictures", tmp_path / "pictures")
    assert convert(captioner, eight_bits, *told, "--verify", tmp_path / "mine.csv") == 0, capsys.readouterr().err
    said = capsys.readouterr().err
    assert "with a float32 encoder, 8 of 8 captions of your own run are the same" in said
    assert "with the 8-bit encoder, " in said
    found = provenance(eight_bits)
    assert found["verification"]["own_run"]["same_by_float32"] == 8
    assert found["encoder"]["compared_by"].startswith("the captions of the user's own run")
    refused = tmp_path / "refused"
    assert convert(captioner, refused, *told, "--verify", tmp_path / "other.csv") == 1
    assert "7 of 8 captions of your own run are the same; of drawn7.png, yours says" in capsys.readouterr().err
    assert not refused.exists()


def test_an_encoder_that_nobody_named_is_said_so_on_screen_and_in_the_manifest(
    captioner: tuple[Path, Path],
    inception: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tools.captioner.encoders.choosing.locate_packaged_weights", lambda: inception)
    monkeypatch.setattr("tools.captioner.encoders.choosing.ChosenEncoder.build", _random_inception)
    assert convert(captioner, tmp_path / "mine") == 0, capsys.readouterr().err
    said = capsys.readouterr().err
    assert "WARNING: no encoder was named, and nobody has compared the features" in said
    assert "not compared: of a thousand photographs, 673 kept their caption" in said
    encoder = provenance(tmp_path / "mine")["encoder"]
    assert encoder["named"] is False
    assert encoder["compared_by"] is None
    assert "not named" in encoder["warning"]


def _random_inception(_: object) -> Any:
    return BY_NAME["keras"].build()


def test_the_encoder_is_asked_for_where_it_is_not_and_found_where_keras_put_it(
    captioner: tuple[Path, Path],
    inception: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert convert(captioner, tmp_path / "mine", "--encoder", "keras") == 1
    said = capsys.readouterr().err
    assert "no package carries InceptionV3's weights, and " in said
    assert "give its file with --encoder-weights" in said
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / BY_NAME["keras"].file).write_bytes(inception.read_bytes())
    assert convert(captioner, tmp_path / "mine", "--encoder", "keras") == 0, capsys.readouterr().err
    assert provenance(tmp_path / "mine")["encoder"]["network"] == "InceptionV3, average-pool features"
