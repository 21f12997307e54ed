"""The original's way of serving: InceptionV3 in Keras, and one `predict` over the whole padded caption for each word.

`prepare` takes the network that `make model` trained, or trains one for two epochs, and leaves it as Keras files and,
converted by our tools, as bundles: what is compared is one model. The rest reads these files.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import tensorflow as tf

from benchmarks.captioning import measuring
from captioning.model.bundle import DECODER, ENCODER, VOCABULARY, Quantization
from captioning.model.decoding import Decoding
from captioning.model.vocabulary import Vocabulary, parse_vocabulary
from captioning.pictures.tensors import read_picture
from tools.captioner.bundle import BundleParts, write_bundle
from tools.captioner.checkpoint import Checkpoint
from tools.captioner.dataset import read_dataset, read_features, read_names
from tools.captioner.decoder import UNITS, build_decoder, convert_decoder
from tools.captioner.encoder import (
    FEATURE_WIDTH,
    INPUT_SIZE,
    build_network,
    convert_encoder,
    locate_packaged_weights,
    read_encoder_weights,
)
from tools.captioner.pictures import INPUT
from tools.captioner.progress import announce, progress
from tools.captioner.settings import TrainingSettings
from tools.captioner.training import train_decoder
from tools.captioner.vocabulary import END, START, build_vocabulary
from tools.captioner.vocabulary import to_json as vocabulary_to_json

EPOCHS: Final = 2
PADDED_WORDS: Final = 35
"""The length that every partial caption is padded to: that of Flickr8k's longest captions, as is the custom."""

BATCH: Final = 50
GREEDY: Final = Decoding(1, 0.0, PADDED_WORDS - 1, no_repeat_ngram=0)


def build_captioner(vocabulary_size: int) -> Any:
    """Return the original architecture.

    Features [b, 2048] and words [b, 35], padded in front, to the next word's probabilities.
    """
    layers = tf.keras.layers
    features, words = tf.keras.Input((FEATURE_WIDTH,)), tf.keras.Input((PADDED_WORDS,))
    image = layers.BatchNormalization(name="features_normalization")(features)
    image = layers.Dense(UNITS, activation="relu", name="projection")(image)
    image = layers.BatchNormalization(name="projection_normalization")(image)
    said = layers.Embedding(vocabulary_size, UNITS, mask_zero=True, name="embedding")(words)
    said = layers.LSTM(UNITS, name="lstm")(said)
    merged = layers.Add()([image, said])
    merged = layers.Dense(UNITS, activation="relu", name="hidden")(merged)
    return tf.keras.Model([features, words], layers.Dense(vocabulary_size, activation="softmax", name="logits")(merged))


def prepare(work: Path, data: Path) -> None:
    """Make the model and its bundles, `exact` (float32) and `dynamic` (8-bit encoder), unless they are there."""
    if (work / "prepared").is_file():
        return
    (work / "captions.json").unlink(missing_ok=True)
    weights = read_encoder_weights(locate_packaged_weights())
    announce("converting the encoder")
    build_network(weights).save(work / "encoder.keras")
    network, vocabulary = _network(work, data)
    captioner = build_captioner(len(vocabulary.words))
    for layer in captioner.layers:
        if layer.get_weights():
            layer.set_weights(network.get_layer(layer.name).get_weights())
    captioner.save(work / "captioner.keras")
    (work / DECODER).write_bytes(convert_decoder(network))
    (work / VOCABULARY).write_text(vocabulary_to_json(vocabulary), encoding="utf-8")
    for name, quantization in (("exact", Quantization.NONE), ("dynamic", Quantization.DYNAMIC)):
        (work / ENCODER).write_bytes(convert_encoder(weights, quantization))
        write_bundle(work / name, BundleParts(work, quantization, GREEDY, provenance={}, licence={}))
    (work / "prepared").touch()


def _network(work: Path, data: Path) -> tuple[Any, Vocabulary]:
    """Return the network that `make model` trained last, or one trained now, long enough to make sentences."""
    trained = work.parent / "captioner"
    if (trained / "decoder.weights.h5").is_file():
        vocabulary = parse_vocabulary((trained / VOCABULARY).read_bytes(), file=VOCABULARY)
        network = build_decoder(len(vocabulary.words), FEATURE_WIDTH, dropout=0.0, seed=1)
        network.load_weights(trained / "decoder.weights.h5")
        return network, vocabulary
    training, validation = (
        read_dataset(data, split, read_features(data / f"features_{split}.npz")) for split in ("train", "val")
    )
    settings = TrainingSettings(epochs=EPOCHS)
    vocabulary = build_vocabulary((said for captions in training.captions for said in captions), settings.min_count)
    checkpoint = Checkpoint(work / "training.npz", f"{data.resolve()}, {EPOCHS} epochs")
    best = work / "decoder.weights.h5"
    return train_decoder(training, validation, vocabulary, settings, best=best, checkpoint=checkpoint)[0], vocabulary


class OriginalCaptioner:
    """The model as Keras serves it."""

    def __init__(self, work: Path) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.words: list[str] = json.loads((work / VOCABULARY).read_text(encoding="utf-8"))["words"]
        self.encoder = tf.keras.models.load_model(work / "encoder.keras", compile=False)
        self.captioner = tf.keras.models.load_model(work / "captioner.keras", compile=False)
        self._call = tf.function(lambda features, words: self.captioner([features, words], training=False))

    def encode(self, picture: Path) -> Any:
        """Features of a picture file, [1, 2048]."""
        image = tf.keras.utils.load_img(picture, target_size=(INPUT_SIZE, INPUT_SIZE), interpolation="bilinear")
        pixels = tf.keras.utils.img_to_array(image)[np.newaxis] / 127.5 - 1
        return self.encoder.predict(pixels, verbose=0)

    def decode(self, features: Any) -> list[str]:
        """Return the likeliest next word, one `predict` per word, until the end mark."""
        said = [START]
        while len(said) < PADDED_WORDS:
            chances = self.captioner.predict([features, _padded([said])], verbose=0)[0]
            word = int(chances.argmax())
            if word == END:
                break
            said.append(word)
        return [self.words[word] for word in said[1:]]

    def decode_many(self, features: Any) -> list[list[str]]:
        """Return the same for many pictures at once, [n, 2048]: not how it serves, but the same words."""
        said = [[START] for _ in features]
        going = list(range(len(said)))
        while going and len(said[going[0]]) < PADDED_WORDS:
            chances = self.captioner.predict([features[going], _padded([said[one] for one in going])], verbose=0)
            words = chances.argmax(axis=1)
            for one, word in zip(going, words, strict=True):
                if word != END:
                    said[one].append(int(word))
            going = [one for one, word in zip(going, words, strict=True) if word != END]
        return [[self.words[word] for word in one[1:]] for one in said]

    def search(self, features: Any, width: int, words: int) -> list[str]:
        """Beam search with one compiled call for each hypothesis and word."""
        held = tf.constant(features)
        beam: list[tuple[float, list[int]]] = [(0.0, [START])]
        for _ in range(words):
            longer: list[tuple[float, list[int]]] = []
            for score, said in beam:
                if said[-1] == END:
                    longer.append((score, said))
                    continue
                chances = self._call(held, tf.constant(_padded([said]))).numpy()[0]
                longer += [
                    (score + float(np.log(chances[word])), [*said, int(word)]) for word in np.argsort(chances)[-width:]
                ]
            beam = sorted(longer, key=lambda one: one[0] / len(one[1]), reverse=True)[:width]
            if all(said[-1] == END for _, said in beam):
                break
        return [self.words[word] for word in beam[0][1][1:]]


def _padded(said: Sequence[Sequence[int]]) -> Any:
    return tf.keras.utils.pad_sequences(said, maxlen=PADDED_WORDS)


def caption_all(work: Path, data: Path, count: int) -> None:
    """Caption the first validation pictures, in float32, for the comparison word by word, unless it was done before."""
    names, done = read_names(data, "val")[:count], work / "captions.json"
    if done.is_file() and tuple(json.loads(done.read_text(encoding="utf-8"))) == names:
        return
    original = OriginalCaptioner(work)
    features = np.concatenate(
        [
            original.encoder.predict_on_batch(
                np.concatenate([read_picture((data / "images_val" / name).read_bytes(), INPUT) for name in batch])
            )
            for batch in progress([names[at : at + BATCH] for at in range(0, len(names), BATCH)], "captioning in Keras")
        ]
    )
    said = original.decode_many(features)
    captions = {name: " ".join(words) for name, words in zip(names, said, strict=True)}
    done.write_text(json.dumps(captions, indent=1), encoding="utf-8")


def measure(work: Path, picture: Path, repeats: int) -> dict[str, float]:
    """Median seconds of one picture's caption, of its decoding, and of a beam of five, all of them warm."""
    original = OriginalCaptioner(work)
    features = original.encode(picture)
    original.decode(features)
    original.search(features, 5, 12)

    def seconds(call: Callable[[], object], times: int = repeats) -> float:
        return median(measuring.seconds(call) for _ in range(times))

    return {
        "caption": seconds(lambda: original.decode(original.encode(picture))),
        "encode": seconds(lambda: original.encode(picture)),
        "decode": seconds(lambda: original.decode(features)),
        "beam": seconds(lambda: original.search(features, 5, 12)),
    }


def main(arguments: Sequence[str]) -> None:
    """`prepare WORK DATA`, `captions WORK DATA COUNT`, `measure WORK PICTURE REPEATS`, `first WORK PICTURE`."""
    command, work, place, *number = arguments
    match command:
        case "prepare":
            prepare(Path(work), Path(place))
        case "captions":
            caption_all(Path(work), Path(place), int(number[0]))
        case "measure":
            print(json.dumps(measure(Path(work), Path(place), int(number[0]))))
        case "first":
            original = OriginalCaptioner(Path(work))
            print(" ".join(original.decode(original.encode(Path(place)))))


if __name__ == "__main__":
    began = time.monotonic()
    main(sys.argv[1:])
    announce(f"{sys.argv[1]}: {time.monotonic() - began:.0f} s")
