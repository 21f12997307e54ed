"""Our way of serving, measured over the bundles that were made of the original's model."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from tqdm import tqdm

from benchmarks.captioning import measuring
from captioning.captioner import Captioner, decode
from captioning.model.bundle import open_bundle
from captioning.model.decoding import Decoding
from captioning.model.interpreter import Decoder, Encoder
from captioning.pictures.tensors import read_picture

MATRIX = 2_048


def measure(bundle: Path, picture: Path, repeats: int) -> dict[str, float]:
    """Median seconds of one picture's caption, of its parts, of a beam of five; and of what bounds the encoder.

    `matrix` is one product of two float32 matrices of 2,048 x 2,048, 17.2 GFLOP, by NumPy's BLAS on one thread.
    """
    opened = open_bundle(f"file://{bundle.resolve()}")
    captioner, encoder, decoder = Captioner(opened), Encoder(opened.encoder), Decoder(opened.decoder)
    content, own = picture.read_bytes(), captioner.decoding
    pixels = read_picture(content, opened.manifest.input)
    features = encoder.encode(pixels)
    beam = Decoding(5, 1.0, 12, no_repeat_ngram=0)
    left = np.random.default_rng(1).normal(size=(MATRIX, MATRIX)).astype(np.float32)
    right = left.T.copy()

    def seconds(call: Callable[[], object], times: int = repeats) -> float:
        call()
        return median(measuring.seconds(call) for _ in range(times))

    return {
        "caption": seconds(lambda: captioner.caption(content)),
        "encode": seconds(lambda: encoder.encode(pixels)),
        "decode": seconds(lambda: decode(decoder, opened.vocabulary, features, own), 10 * repeats),
        "beam": seconds(lambda: decode(decoder, opened.vocabulary, features, beam), 10 * repeats),
        "matrix": seconds(lambda: left @ right),
        "words": len(captioner.caption(content).text.split()),
    }


def caption_all(bundle: Path, folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return what the bundle says of each picture."""
    captioner = Captioner(open_bundle(f"file://{bundle.resolve()}"))
    return {
        name: captioner.caption((folder / name).read_bytes()).text for name in tqdm(names, "captioning", leave=False)
    }


def main(arguments: Sequence[str]) -> None:
    """`measure BUNDLE PICTURE REPEATS`, or `captions BUNDLE FOLDER NAMES`, a JSON file whose keys they are."""
    command, bundle, place, last = arguments
    if command == "measure":
        print(json.dumps(measure(Path(bundle), Path(place), int(last))))
    else:
        names = list(json.loads(Path(last).read_text(encoding="utf-8")))
        print(json.dumps(caption_all(Path(bundle), Path(place), names)))


if __name__ == "__main__":
    main(sys.argv[1:])
