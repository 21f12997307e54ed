"""The encoder learns what people say of pictures: its later blocks alone, and as if it had never been interrupted.

It needs TensorFlow, except to refuse.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.captioner import adaptation
from tools.captioner.adaptation import AdaptationSummary, CaptionedPictures, adapt_encoder
from tools.captioner.archive import ConvolutionGroup
from tools.captioner.checkpoint import Checkpoint
from tools.captioner.encoder import (
    EncoderWeights,
    build_folded_network,
    build_network,
    folded_group,
    list_convolutions,
    run_network,
)
from tools.captioner.errors import DatasetError
from tools.captioner.pictures import INPUT, read_sample
from tools.captioner.settings import AdaptationSettings

# Keras's, when it turns a variable into an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

COLOURS = ("red", "green", "blue", "yellow")


@pytest.fixture(scope="module")
def weights() -> EncoderWeights:
    """An InceptionV3 that has learned nothing."""
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow belongs to the tools' requirements")
    rng = np.random.default_rng(0)
    empty = tensorflow.keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(299, 299, 3))
    groups = []
    for convolution in list_convolutions(empty):
        height, width, channels, filters = convolution.kernel.shape
        kernel = rng.normal(0, np.sqrt(2 / (height * width * channels)), convolution.kernel.shape)
        beta, mean, variance = rng.normal(0, 0.1, filters), rng.normal(0, 0.1, filters), rng.uniform(0.5, 1.5, filters)
        groups.append(ConvolutionGroup(*(array.astype(np.float32) for array in (kernel, beta, mean, variance))))
    return EncoderWeights(tuple(groups))


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> CaptionedPictures:
    """Squares of four colours, and what ten people say of each."""
    folder = tmp_path_factory.mktemp("squares")
    for colour in COLOURS:
        Image.new("RGB", (64, 48), colour).save(folder / f"{colour}.png")
    captions = tuple(((colour, "square"),) * 10 for colour in COLOURS)
    return CaptionedPictures(folder, tuple(f"{colour}.png" for colour in COLOURS), captions)


def adapt(
    weights: EncoderWeights, squares: CaptionedPictures, folder: Path, epochs: int = 2
) -> tuple[EncoderWeights, AdaptationSummary]:
    settings = AdaptationSettings(adapt_epochs=epochs, adapt_rate=1e-4)
    return adapt_encoder(weights, squares, squares, settings, checkpoint=Checkpoint(folder / "adaptation.npz", "x"))


def test_a_folded_network_says_what_the_network_says(weights: EncoderWeights, squares: CaptionedPictures) -> None:
    folded = build_folded_network(weights)
    unfolded = EncoderWeights(tuple(folded_group(*layer.get_weights()) for layer in list_convolutions(folded)))
    said = [
        run_network(network, (read_sample(squares.folder / name, INPUT) for name in squares.names))
        for network in (build_network(weights), folded, build_network(unfolded))
    ]
    assert np.ptp(said[0], axis=0).max() > 0
    for other in said[1:]:
        np.testing.assert_allclose(other, said[0], rtol=1e-3, atol=1e-4 * np.abs(said[0]).max())


def test_the_later_blocks_learn_what_is_said_and_the_first_stay(
    weights: EncoderWeights, squares: CaptionedPictures, tmp_path: Path
) -> None:
    adapted, summary = adapt(weights, squares, tmp_path, epochs=20)
    assert summary.topics == len(COLOURS) + 1
    assert len(summary.training_losses) == len(summary.validation_losses) == 20
    assert summary.validation_losses[-1] < summary.before / 2
    before = [layer.get_weights()[0] for layer in list_convolutions(build_folded_network(weights))]
    changed = [not np.array_equal(group.kernel, old) for group, old in zip(adapted.groups, before, strict=True)]
    first = changed.index(True)
    assert 20 < first < 50
    assert not any(changed[:first])
    assert changed[-1]


def test_an_interrupted_run_sees_what_it_would_have_seen(
    weights: EncoderWeights, squares: CaptionedPictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    expected, figures = adapt(weights, squares, tmp_path / "whole")
    view = adaptation._view
    seen = 0

    def stop_in_the_second_epoch(path: Path, seed: int) -> np.ndarray:
        nonlocal seen
        seen += 1
        if seen > len(COLOURS):
            raise KeyboardInterrupt
        return view(path, seed)

    monkeypatch.setattr(adaptation, "_view", stop_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        adapt(weights, squares, tmp_path)
    monkeypatch.undo()
    resumed, again = adapt(weights, squares, tmp_path)
    assert again.before == figures.before
    np.testing.assert_allclose(again.training_losses, figures.training_losses, rtol=1e-3)
    for ours, theirs in zip(resumed.groups, expected.groups, strict=True):
        np.testing.assert_allclose(ours.kernel, theirs.kernel, atol=1e-4)


def test_a_picture_that_is_none_is_named(weights: EncoderWeights, squares: CaptionedPictures, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(b"no picture")
    for name in squares.names[1:]:
        (tmp_path / name).write_bytes((squares.folder / name).read_bytes())
    with pytest.raises(DatasetError, match=r"red\.png cannot be read as a picture"):
        adapt(weights, CaptionedPictures(tmp_path, squares.names, squares.captions), tmp_path)


def test_captions_that_repeat_nothing_teach_the_encoder_nothing(squares: CaptionedPictures, tmp_path: Path) -> None:
    few = replace(squares, captions=tuple(((colour, "square"),) for colour in COLOURS))
    with pytest.raises(DatasetError, match="take --adapt-epochs 0"):
        adapt_encoder(
            EncoderWeights(()), few, few, AdaptationSettings(), checkpoint=Checkpoint(tmp_path / "adaptation.npz", "")
        )
