"""The TFLite runtime: the only module that imports it, and the only one that knows its calls.

The runtime is LiteRT (`ai-edge-litert`), the present name of TensorFlow Lite, or `tflite-runtime` if only that is
installed. The latter is for float32 models only: it runs 8-bit kernels six times slower and with different results. It
runs on one thread: a Lambda has a fraction of a CPU, and two threads on one core are slower.

One caller at a time: an `Encoder` or a `Decoder` holds the buffers of its run. `Captioner` has the lock for this. Sizes
are read from the models; a model that does not have the form of the bundle format is refused. LiteRT prints a line or
two on standard error when it starts, and has no option against it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioning.errors import BundleError

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

    _IS_OLD = True
else:
    _IS_OLD = False

Floats = NDArray[np.float32]

_THREADS = 1


class Encoder:
    """The encoder, from a picture to its features: float32 [1, height, width, 3] -> [1, features]."""

    def __init__(self, path: Path) -> None:
        """Map the model into memory. Raises BundleError if the runtime refuses it or its form is wrong."""
        self._file = str(path)
        self._interpreter = _load(path)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BundleError(self._file, f"has {len(inputs)} inputs and {len(outputs)} outputs instead of one of each")
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        _, self.height, self.width, _ = _shape(self._file, inputs[0], (1, None, None, 3))
        _, self.features = _shape(self._file, outputs[0], (1, None))

    def encode(self, pixels: Floats) -> Floats:
        """Return the features of a picture, float32 [1, features].

        Raises:
            BundleError: the model fails, or its features are not finite.
        """
        with _running(self._file):
            self._interpreter.set_tensor(self._input, pixels)
            self._interpreter.invoke()
            features: Floats = self._interpreter.get_tensor(self._output)
        if not np.isfinite(features).all():
            raise BundleError(self._file, "gives features that are not finite")
        return features


class Decoder:
    """The decoder: features to an image vector, once; then one step per word, for a whole beam at once.

    `features`, `state`, `tokens` and `topics` are the sizes of the features, of the LSTM's state, of the vocabulary and
    of the topics, which are 0 for a decoder that knows none.
    """

    def __init__(self, path: Path) -> None:
        """Map the model into memory. Raises BundleError if the runtime refuses it or its form is wrong."""
        self._file = str(path)
        self._interpreter = _load(path)
        self._project = self._signature("project", {"features"}, {"image"})
        self._step = self._signature("step", {"token", "h", "c", "image"}, {"logits", "h", "c"})
        projected, given = self._project.get_input_details(), self._step.get_input_details()
        _, self.features = _shape(self._file, projected["features"], (1, None))
        _, self.state = _shape(self._file, given["h"], (-1, None))
        _, image = _shape(self._file, self._project.get_output_details()["image"], (1, None))
        _shape(self._file, given["c"], (-1, self.state))
        _shape(self._file, given["image"], (1, image))
        _shape(self._file, given["token"], (-1,), np.int32)
        _, self.tokens = _shape(self._file, self._step.get_output_details()["logits"], (-1, None))
        self.topics = 0
        if "topics" in self._interpreter.get_signature_list():
            self._topics = self._signature("topics", {"features"}, {"shares"})
            _shape(self._file, self._topics.get_input_details()["features"], (1, self.features))
            _, self.topics = _shape(self._file, self._topics.get_output_details()["shares"], (1, None))

    def project(self, features: Floats) -> Floats:
        """Return the image vector, float32 [1, image], of features [1, features].

        Raises:
            BundleError: the model fails.
        """
        with _running(self._file):
            image: Floats = self._project(features=features)["image"]
        return image

    def shares(self, features: Floats) -> Floats:
        """Return which share of people's captions has each topic, float32 [1, topics], by features [1, features].

        Raises:
            BundleError: the model fails, or a share is not within 0 to 1, as a logit is not.
        """
        with _running(self._file):
            shares: Floats = self._topics(features=features)["shares"]
        # What is not a number compares as false.
        if not ((shares >= 0) & (shares <= 1)).all():
            raise BundleError(self._file, "gives shares of topics that are not within 0 to 1")
        return shares

    def step(self, token: NDArray[np.int32], h: Floats, c: Floats, image: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the logits [B, tokens] and the next state, h and c [B, state], after the words `token` [B].

        The logits are not normalised.

        Raises:
            BundleError: the model fails.
        """
        with _running(self._file):
            outputs = self._step(token=token, h=h, c=c, image=image)
        return outputs["logits"], outputs["h"], outputs["c"]

    def _signature(self, name: str, inputs: set[str], outputs: set[str]) -> Any:
        signature = self._interpreter.get_signature_list().get(name)
        if signature is None:
            raise BundleError(self._file, f"has no signature {name!r}")
        found = set(signature["inputs"]), set(signature["outputs"])
        if found != (inputs, outputs):
            raise BundleError(self._file, f"signature {name!r} has inputs and outputs {found}, not {(inputs, outputs)}")
        return self._interpreter.get_signature_runner(name)


def _load(path: Path) -> Any:
    with _running(str(path)):
        interpreter = Interpreter(model_path=str(path), num_threads=_THREADS)
        interpreter.allocate_tensors()
    if _IS_OLD and any(tensor["dtype"] is np.int8 for tensor in interpreter.get_tensor_details()):
        raise BundleError(
            str(path),
            "has 8-bit kernels, which are not for tflite-runtime: install ai-edge-litert in its place, or convert the "
            "model with --quantize none",
        )
    return interpreter


@contextmanager
def _running(file: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise BundleError(file, f"the runtime refuses the model: {error}") from error


def _shape(
    file: str, tensor: Mapping[str, Any], expected: tuple[int | None, ...], dtype: type[np.generic] = np.float32
) -> tuple[int, ...]:
    """Return a tensor's shape, -1 for a free size, after a check against `expected`, where None is any fixed size."""
    shape = tuple(int(size) for size in tensor["shape_signature"])
    fits = len(shape) == len(expected) and all(
        size > 0 if wanted is None else size == wanted for size, wanted in zip(shape, expected, strict=True)
    )
    if not fits or tensor["dtype"] is not dtype:
        wanted = ", ".join("N" if size is None else str(size) for size in expected)
        raise BundleError(
            file, f"{tensor['name']} is {tensor['dtype'].__name__} {list(shape)} instead of {dtype.__name__} [{wanted}]"
        )
    return shape
