"""Training the decoder: what is dealt to it, and that its conversion changes nothing. The second needs TensorFlow."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from captioning.model.vocabulary import Vocabulary
from tools.captioner import training
from tools.captioner.archive import ConvolutionGroup
from tools.captioner.checkpoint import Checkpoint
from tools.captioner.dataset import Dataset
from tools.captioner.decoder import build_decoder, convert_decoder
from tools.captioner.encoder import EncoderWeights, build_network
from tools.captioner.errors import SettingsError, UnfitBundleError, WeightsArchiveError
from tools.captioner.policy import read_policy, write_policy
from tools.captioner.settings import TrainingSettings
from tools.captioner.training import EncodedCaptions, TrainingSummary, deal_batches, train_decoder
from tools.captioner.verification import verify_decoder
from tools.captioner.vocabulary import END, PADDING, START, UNKNOWN, build_vocabulary, encode_caption

if TYPE_CHECKING:
    from keras import Model

# Keras's, when it turns a variable into an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

WORDS = ("dog", "cat", "bird", "runs", "sleeps", "sings")


def captions_of_lengths(*lengths: int) -> EncodedCaptions:
    """Captions of so many tokens, each token the number of its caption + 10; two captions a picture."""
    tokens = tuple(np.full(length, index + 10, np.int32) for index, length in enumerate(lengths))
    return EncodedCaptions(np.arange(len(lengths)) // 2, tokens)


def dealt(captions: EncodedCaptions, seed: int, batch_size: int = 8) -> list[int]:
    rng = np.random.default_rng(seed)
    return [int(line[0]) - 10 for batch in deal_batches(captions, batch_size, rng) for line in batch.tokens]


def test_every_caption_is_dealt_once_with_its_own_picture() -> None:
    rng = np.random.default_rng(0)
    captions = captions_of_lengths(*rng.integers(3, 20, size=1000))
    assert sorted(dealt(captions, 1)) == list(range(1000))
    for batch in deal_batches(captions, 8, rng):
        np.testing.assert_array_equal(batch.rows, (batch.tokens[:, 0] - 10) // 2)


def test_targets_are_the_next_tokens_and_padding_comes_last() -> None:
    (batch,) = deal_batches(
        EncodedCaptions(np.zeros(2, np.int64), (np.array([1, 5, 2], np.int32), np.array([1, 6, 7, 2], np.int32))),
        2,
        np.random.default_rng(0),
    )
    assert sorted(batch.tokens.tolist()) == [[1, 5, 2], [1, 6, 7]]
    assert sorted(batch.targets.tolist()) == [[5, 2, 0], [6, 7, 2]]


def test_batches_hold_captions_of_about_one_length() -> None:
    captions = captions_of_lengths(*np.random.default_rng(0).integers(3, 30, size=2000))
    padding = [np.mean(batch.targets == 0) for batch in deal_batches(captions, 8, np.random.default_rng(0))]
    assert np.mean(padding) < 0.05


def test_the_order_follows_the_seed_and_differs_from_pass_to_pass() -> None:
    captions = captions_of_lengths(*[5] * 100)
    rng = np.random.default_rng(3)
    passes = [[int(line[0]) for batch in deal_batches(captions, 8, rng) for line in batch.tokens] for _ in range(2)]
    assert passes[0] != passes[1]
    assert dealt(captions, 3) == dealt(captions, 3)
    assert dealt(captions, 3) != dealt(captions, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"min_count": 0},
        {"batch_size": 0},
        {"patience": 0},
        {"max_words": 0},
        {"seed": -1},
        {"learning_rate": 0.0},
        {"learning_rate": 1.0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"label_smoothing": 1.0},
    ],
)
def test_settings_that_cannot_train_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        TrainingSettings(**wrong)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def animals() -> Dataset:
    """Pictures of three animals doing three things, told apart by their features alone."""
    pytest.importorskip("tensorflow", reason="TensorFlow belongs to the tools' requirements")
    rng = np.random.default_rng(0)
    kinds = rng.integers(3, size=(120, 2))
    features = rng.normal(scale=0.1, size=(120, 64)).astype(np.float32)
    features[np.arange(120), kinds[:, 0]] += 1
    features[np.arange(120), 3 + kinds[:, 1]] += 1
    captions = tuple((("a", WORDS[animal], WORDS[3 + action]),) for animal, action in kinds)
    return Dataset(tuple(map(str, range(120))), features, captions)


def vocabulary_of(dataset: Dataset) -> Vocabulary:
    return build_vocabulary((caption for said in dataset.captions for caption in said), 1)


def train(
    learned: Dataset, validation: Dataset, settings: TrainingSettings, folder: Path
) -> "tuple[Model, TrainingSummary]":
    best, checkpoint = folder / "decoder.weights.h5", Checkpoint(folder / "training.npz", "these ingredients")
    return train_decoder(learned, validation, vocabulary_of(learned), settings, best=best, checkpoint=checkpoint)


def test_the_decoder_learns_to_name_what_the_features_show_and_converts_exactly(
    animals: Dataset, tmp_path: Path
) -> None:
    vocabulary = vocabulary_of(animals)
    settings = TrainingSettings(
        epochs=40, patience=40, batch_size=16, dropout=0.0, label_smoothing=0.0, learning_rate=5e-3
    )
    network, summary = train(animals, animals, settings, tmp_path)
    # Perfect foresight of three kinds of animal and of action leaves nothing to be surprised by.
    assert min(summary.validation_losses) < 0.1
    assert summary.validation_losses[summary.best_epoch - 1] == min(summary.validation_losses)
    assert (tmp_path / "decoder.weights.h5").is_file()

    path = tmp_path / "decoder.tflite"
    path.write_bytes(convert_decoder(network))
    assert verify_decoder([(network, 1.0)], path, animals, vocabulary, pictures=20) < 1e-5

    network.get_layer("lstm").set_weights([weights * 1.01 for weights in network.get_layer("lstm").get_weights()])
    with pytest.raises(UnfitBundleError, match="probabilities differ"):
        verify_decoder([(network, 1.0)], path, animals, vocabulary, pictures=20)


def test_training_stops_when_patience_ends_and_gives_the_best_weights_back(animals: Dataset, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=60, patience=2, batch_size=16, dropout=0.0, learning_rate=2e-2)
    wrong = replace(animals, captions=animals.captions[::-1])
    _, summary = train(animals, wrong, settings, tmp_path)
    assert len(summary.validation_losses) == summary.best_epoch + 2 < 60


def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(
    animals: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainingSettings(epochs=4, batch_size=16, dropout=0.3)
    (tmp_path / "whole").mkdir()
    expected, figures = train(animals, animals, settings, tmp_path / "whole")
    passes = 0
    run = training._run

    def stop_in_the_third_epoch(*arguments: object) -> float:
        nonlocal passes
        passes += 1
        if passes == 6:
            raise KeyboardInterrupt
        return run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "_run", stop_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(animals, animals, settings, tmp_path)
    monkeypatch.undo()
    resumed, again = train(animals, animals, settings, tmp_path)
    assert again.training_losses == figures.training_losses
    assert again.validation_losses == figures.validation_losses
    for ours, theirs in zip(resumed.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_policy_is_the_network_and_goes_back_into_it(animals: Dataset) -> None:
    vocabulary = vocabulary_of(animals)
    network = build_decoder(len(vocabulary.words), 64, 0.5, seed=1)
    for name in ("features_normalization", "projection_normalization"):
        layer = network.get_layer(name)
        rng = np.random.default_rng(2)
        layer.set_weights([rng.uniform(0.5, 1.5, weights.shape) for weights in layer.get_weights()])
    policy = read_policy(network)
    caption = encode_caption(animals.captions[0][0], vocabulary)
    logits = np.array(network([animals.features[:1], caption[np.newaxis, :-1]], training=False))[0].astype(np.float64)
    logits[:, [PADDING, START, UNKNOWN]] = -np.inf
    logits[0, END] = -np.inf
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[np.arange(len(caption) - 1), caption[1:]]).mean()
    said = [tuple(caption[1:].tolist())]
    gradient, surprise = policy.gradient(animals.features[:1], np.zeros(1, np.intp), said, np.ones(1))
    assert surprise == pytest.approx(expected, abs=1e-5)

    for weight, slope in zip(policy.weights, gradient, strict=True):
        np.subtract(weight, np.float32(0.1) * slope, out=weight)
    assert read_policy(network).weights.embedding.tolist() != policy.weights.embedding.tolist()
    write_policy(policy, network)
    for ours, theirs in zip(read_policy(network).weights, policy.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_of_another_network_are_refused() -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow belongs to the tools' requirements")
    vector = np.zeros(32, np.float32)
    first = ConvolutionGroup(np.zeros((3, 3, 3, 32), np.float32), vector, vector, vector)
    with pytest.raises(WeightsArchiveError, match="holds 1 convolutions, InceptionV3 has 94"):
        build_network(EncoderWeights((first,), of_2015=True))
    with pytest.raises(WeightsArchiveError, match="layer 1 of the encoder's file has a kernel"):
        build_network(EncoderWeights((first,) * 94, of_2015=True))
