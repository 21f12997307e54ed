"""Makes the small caption bundle `tests/bundles/tiny`, on which the serving side is tested.

Its weights are random but seeded and its words mean nothing; its form is a real bundle's. No size in it equals the
default bundle's: input 75 x 75, 48 features, state of 24, image vector of 20, 31 words. It needs TensorFlow, which the
project's environments do not hold, so the result is committed:

    pip install tensorflow-cpu && python tests/bundles/make_tiny.py
"""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parent / "tiny"
SIDE, FEATURES, STATE, IMAGE, EMBEDDING = 75, 48, 24, 20, 16
WORDS = [
    *("<pad>", "<start>", "<end>", "<unk>", "a", "the", "two", "brown", "black", "large", "small", "dog", "dogs"),
    *("man", "woman", "child", "runs", "jumps", "sits", "walks", "through", "over", "on", "in", "with", "grass"),
    *("water", "snow", "street", "ball", "'s"),
]

generator = np.random.default_rng(20)


def weights(*shape: int, scale: float) -> tf.Tensor:
    return tf.constant(generator.normal(0, scale, shape).astype(np.float32))


class Encoder(tf.Module):
    """Two convolutions and a mean: pictures of different colours and edges get different features."""

    def __init__(self) -> None:
        super().__init__()
        self.first = weights(7, 7, 3, 16, scale=0.2)
        self.second = weights(3, 3, 16, FEATURES, scale=0.3)

    @tf.function(input_signature=[tf.TensorSpec([1, SIDE, SIDE, 3], tf.float32)])
    def encode(self, pixels: tf.Tensor) -> tf.Tensor:
        hidden = tf.nn.relu(tf.nn.conv2d(pixels, self.first, strides=4, padding="SAME"))
        hidden = tf.nn.relu(tf.nn.conv2d(hidden, self.second, strides=2, padding="SAME"))
        return tf.reduce_mean(hidden, axis=[1, 2])


class Decoder(tf.Module):
    """One LSTM step a word; weights large enough for sharp, picture-dependent distributions."""

    def __init__(self) -> None:
        super().__init__()
        self.projection = weights(FEATURES, IMAGE, scale=0.12)
        self.embedding = weights(len(WORDS), EMBEDDING, scale=1.0)
        self.kernel = weights(EMBEDDING + STATE, 4 * STATE, scale=0.9)
        self.joint = weights(STATE, IMAGE, scale=1.5)
        self.output = weights(IMAGE, len(WORDS), scale=0.6)
        # Ending is made likely enough that captions of both kinds occur: ended, and stopped at the limit.
        self.bias = tf.constant(np.eye(len(WORDS), dtype=np.float32)[2] * 6.0)

    @tf.function(input_signature=[tf.TensorSpec([1, FEATURES], tf.float32, name="features")])
    def project(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": tf.matmul(features, self.projection)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int32, name="token"),
            tf.TensorSpec([None, STATE], tf.float32, name="h"),
            tf.TensorSpec([None, STATE], tf.float32, name="c"),
            tf.TensorSpec([1, IMAGE], tf.float32, name="image"),
        ]
    )
    def step(self, token: tf.Tensor, h: tf.Tensor, c: tf.Tensor, image: tf.Tensor) -> dict[str, tf.Tensor]:
        gates = tf.matmul(tf.concat([tf.gather(self.embedding, token), h], 1), self.kernel)
        i, f, g, o = tf.split(gates, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        joint = tf.nn.relu(tf.matmul(h, self.joint) + image)
        return {"logits": tf.matmul(joint, self.output) + self.bias, "h": h, "c": c}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    encoder, decoder = Encoder(), Decoder()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([encoder.encode.get_concrete_function()], encoder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    (FOLDER / "encoder.tflite").write_bytes(converter.convert())

    with tempfile.TemporaryDirectory() as saved:
        tf.saved_model.save(decoder, saved, signatures={"project": decoder.project, "step": decoder.step})
        converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=["project", "step"])
        (FOLDER / "decoder.tflite").write_bytes(converter.convert())

    vocabulary = {"words": WORDS, "start": "<start>", "end": "<end>", "unknown": "<unk>"}
    write_json(FOLDER / "vocabulary.json", vocabulary)
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name in ("encoder.tflite", "decoder.tflite", "vocabulary.json")
        for content in [(FOLDER / name).read_bytes()]
    }
    digest = hashlib.sha256("".join(files[name]["sha256"] for name in sorted(files)).encode()).hexdigest()
    write_json(
        FOLDER / "manifest.json",
        {
            "format_version": 1,
            "model_version": f"tiny-1-{digest[:12]}",
            "files": files,
            "input": {
                "width": SIDE,
                "height": SIDE,
                "resampling": "bilinear",
                "exif_transpose": True,
                "scale": 1 / 127.5,
                "offset": -1.0,
            },
            "decoding": {"beam_width": 3, "length_penalty": 0.7, "max_words": 12},
            "quantization": {"encoder": "dynamic", "decoder": "none"},
            "provenance": {"made_by": "tests/bundles/make_tiny.py", "seed": 20, "tensorflow": tf.__version__},
            "licence": {"weights": "random numbers", "data": "none"},
        },
    )


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
