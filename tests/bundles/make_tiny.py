"""Makes the small caption bundles `tiny`, `tiny-float32` and `tiny-topics`, on which the serving side is tested.

Its weights are random but seeded and its words mean nothing; its form is a real bundle's. No size in it equals the
default bundle's: input 75 x 75, 48 features, state of 24, image vector of 20, 31 words. It needs TensorFlow, which the
project's environments do not hold, so the result is committed. The second has the same weights, none in 8 bits; the
third has them too, and a layer that knows topics.

    pip install tensorflow-cpu && python tests/bundles/make_tiny.py
"""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parent
SIDE, FEATURES, STATE, IMAGE, EMBEDDING = 75, 48, 24, 20, 16
WORDS = [
    *("<pad>", "<start>", "<end>", "<unk>", "a", "the", "two", "brown", "black", "large", "small", "dog", "dogs"),
    *("man", "woman", "child", "runs", "jumps", "sits", "walks", "through", "over", "on", "in", "with", "grass"),
    *("water", "snow", "street", "ball", "'s"),
]

TOPICS = dict(
    zip(
        [*("dog", "dogs", "man", "woman", "child", "water", "ball", "runs"), "brown dog", "dog runs", "man sits"],
        [*(1.5, 2.5, 1.0, 2.0, 3.0, 3.5, 4.0, 2.25), 3.25, 4.5, 5.0],
        strict=True,
    )
)

generator = np.random.default_rng(20)


def weights(*shape: int, scale: float) -> np.ndarray:
    return generator.normal(0, scale, shape).astype(np.float32)


def encoders() -> dict[str, bytes]:
    """Two convolutions and a mean: pictures of different colours and edges get different features. By quantization."""
    first, second = weights(7, 7, 3, 16, scale=0.2), weights(3, 3, 16, FEATURES, scale=0.3)

    def encode(pixels: Any) -> Any:
        hidden = tf.nn.relu(tf.nn.conv2d(pixels, first, strides=4, padding="SAME"))
        hidden = tf.nn.relu(tf.nn.conv2d(hidden, second, strides=2, padding="SAME"))
        return tf.reduce_mean(hidden, axis=[1, 2])

    function = tf.function(encode, input_signature=[tf.TensorSpec([1, SIDE, SIDE, 3], tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
    plain = bytes(converter.convert())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return {"none": plain, "dynamic": bytes(converter.convert())}


def decoders() -> tuple[bytes, bytes]:
    """One LSTM step a word, with weights large enough for sharp distributions; the second decoder knows topics too."""
    projection = weights(FEATURES, IMAGE, scale=0.12)
    embedding = weights(len(WORDS), EMBEDDING, scale=1.0)
    kernel = weights(EMBEDDING + STATE, 4 * STATE, scale=0.9)
    joint, output = weights(STATE, IMAGE, scale=1.5), weights(IMAGE, len(WORDS), scale=0.6)
    # Ending is made likely enough that captions of both kinds occur: ended, and stopped at the limit.
    bias = 6 * np.eye(len(WORDS), dtype=np.float32)[WORDS.index("<end>")]
    layer = weights(FEATURES, len(TOPICS), scale=0.1)

    def project(features: Any) -> Any:
        return {"image": tf.matmul(features, projection)}

    def step(token: Any, h: Any, c: Any, image: Any) -> Any:
        gates = tf.matmul(tf.concat([tf.gather(embedding, token), h], 1), kernel)
        i, f, g, o = tf.split(gates, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        return {"logits": tf.matmul(tf.nn.relu(tf.matmul(h, joint) + image), output) + bias, "h": h, "c": c}

    def share(features: Any) -> Any:
        return {"shares": tf.sigmoid(tf.matmul(features, layer))}

    features = tf.TensorSpec([1, FEATURES], tf.float32, name="features")
    token = tf.TensorSpec([None], tf.int32, name="token")
    h, c = (tf.TensorSpec([None, STATE], tf.float32, name=name) for name in "hc")
    image = tf.TensorSpec([1, IMAGE], tf.float32, name="image")
    signatures = {
        "project": tf.function(project, input_signature=[features]),
        "step": tf.function(step, input_signature=[token, h, c, image]),
    }
    knowing = signatures | {"topics": tf.function(share, input_signature=[features])}
    return convert(signatures), convert(knowing)


def convert(signatures: dict[str, Any]) -> bytes:
    module = tf.Module()
    for name, function in signatures.items():
        setattr(module, name, function)
    with tempfile.TemporaryDirectory() as saved:
        tf.saved_model.save(module, saved, signatures=signatures)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=list(signatures)).convert())


def main() -> None:
    encoded, (decoded, knowing) = encoders(), decoders()
    write_bundle(FOLDER / "tiny", encoded["dynamic"], decoded, "dynamic")
    write_bundle(FOLDER / "tiny-float32", encoded["none"], decoded, "none")
    write_bundle(FOLDER / "tiny-topics", encoded["none"], knowing, "none", topics=TOPICS)


def write_bundle(
    folder: Path, encoder: bytes, decoder: bytes, quantization: str, topics: dict[str, float] | None = None
) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "encoder.tflite").write_bytes(encoder)
    (folder / "decoder.tflite").write_bytes(decoder)
    vocabulary: dict[str, Any] = {"words": WORDS, "start": "<start>", "end": "<end>", "unknown": "<unk>"}
    decoding: dict[str, float] = {"beam_width": 3, "length_penalty": 0.7, "max_words": 12}
    if topics:
        vocabulary |= {"topics": list(topics), "rarities": list(topics.values())}
        decoding["topic_weight"] = 1.5
    write_json(folder / "vocabulary.json", vocabulary)
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "manifest.json"}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    digest = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()
    manifest = {
        "format_version": 1,
        "model_version": f"{folder.name}-1-{digest[:12]}",
        "files": {name: {"sha256": hashes[name], "bytes": len(content)} for name, content in contents.items()},
        "input": {
            "width": SIDE,
            "height": SIDE,
            "resampling": "bilinear",
            "exif_transpose": True,
            "scale": 1 / 127.5,
            "offset": -1.0,
        },
        "decoding": decoding,
        "quantization": {"encoder": quantization, "decoder": "none"},
        "provenance": {"made_by": "tests/bundles/make_tiny.py", "seed": 20, "tensorflow": tf.__version__},
        "licence": {"weights": "random numbers", "data": "none"},
    }
    write_json(folder / "manifest.json", manifest)


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
