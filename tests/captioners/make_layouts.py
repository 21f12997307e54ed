"""Saves the layouts of `tests.captioners.layouts` as Keras does, with what Keras says to some captions.

The results are committed, so that the tests need no TensorFlow. `make .venv-captioners/stamp` installs what it needs:

    .venv-captioners/bin/python -m tests.captioners.make_layouts keras2
    .venv-captioners/bin/python -m tests.captioners.make_layouts keras3
"""

import importlib
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.captioners.layouts import FEATURES, LAYOUTS, LONGEST, TOKENS, build

MODULES = {"keras2": "tf_keras", "keras3": "keras"}
CAPTIONS = 3


def main() -> None:
    version = sys.argv[1]
    keras = importlib.import_module(MODULES[version])
    rng = np.random.default_rng(11)
    features = rng.normal(size=(CAPTIONS, FEATURES)).astype(np.float32)
    sequences = np.zeros((CAPTIONS, LONGEST), np.int32)
    for row in range(CAPTIONS):
        sequences[row, LONGEST - 2 - 3 * row :] = rng.integers(1, TOKENS, 2 + 3 * row)
    expected: dict[str, Any] = {"features": features, "sequences": sequences}
    path = Path(__file__).parent / version / "layouts.zip"
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for layout in LAYOUTS:
            keras.backend.clear_session()
            model = build(keras, layout)
            # A form each, in turn, so that every form meets many layouts.
            form = ("keras", "h5")[len(layout) % 2]
            saved = Path(folder) / f"{layout}.{form}"
            model.save(saved)
            archive.write(saved, saved.name)
            behind = np.stack([np.roll(row, np.count_nonzero(row)) for row in sequences])
            for name, padded in ((layout, sequences), (f"{layout}.post", behind)):
                outputs = np.asarray(model([features, padded], training=False))
                if layout == "odd_options":
                    outputs = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
                    outputs /= outputs.sum(axis=-1, keepdims=True)
                expected[name] = outputs
        np.savez_compressed(Path(folder) / "expected.npz", **expected)
        archive.write(Path(folder) / "expected.npz", "expected.npz")


if __name__ == "__main__":
    main()
