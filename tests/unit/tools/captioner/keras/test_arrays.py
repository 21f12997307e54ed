"""Whose arrays are whose, where a file numbers its layers by class and does not tell their names."""

import numpy as np
import pytest

from tools.captioner.errors import KerasFileError
from tools.captioner.keras.arrays import assign_arrays
from tools.captioner.keras.description import parse_model
from tools.captioner.keras.files import KerasFile, LayerArrays


def _dense(name: str, units: int) -> dict[str, object]:
    return {"class_name": "Dense", "config": {"name": name, "units": units, "use_bias": True}}


# A wrapped layer stands between two of the class that it wraps.
MODEL = parse_model(
    {
        "class_name": "Sequential",
        "config": {
            "name": "decoder",
            "layers": [
                {"class_name": "InputLayer", "config": {"name": "words", "batch_input_shape": [None, 3, 2]}},
                _dense("first", 4),
                {"class_name": "TimeDistributed", "config": {"name": "each", "layer": _dense("inner", 5)}},
                _dense("last", 6),
            ],
        },
    }
)


def _stored(*sizes: tuple[str, int, int]) -> KerasFile:
    layers = tuple(
        LayerArrays(
            name,
            (np.zeros((before, after), np.float32), np.zeros(after, np.float32)),
            ("vars/0", "vars/1"),
        )
        for name, before, after in sizes
    )
    return KerasFile("", None, layers, named=False)


def test_classes_are_counted_apart_as_keras_counts_them() -> None:
    found = assign_arrays(MODEL, _stored(("dense", 2, 4), ("dense_1", 5, 6), ("time_distributed", 4, 5)))

    assert {name: arrays[0].shape for name, arrays in found.items()} == {
        "first": (2, 4),
        "each": (4, 5),
        "last": (5, 6),
    }


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(KerasFileError):
        assign_arrays(MODEL, _stored(("dense", 2, 4), ("dense_1", 5, 7), ("time_distributed", 4, 5)))
    with pytest.raises(KerasFileError):
        assign_arrays(MODEL, _stored(("dense", 2, 4), ("dense_1", 5, 6), ("dense_2", 6, 6), ("time_distributed", 4, 5)))
