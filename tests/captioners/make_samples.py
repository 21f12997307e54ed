"""Makes the small Keras captioners under `tests/captioners`, on which the reading of users' models is tested.

They are genuine: built, saved and run by Keras itself, in every form in which it saves. Their weights are random but
seeded and their sizes all differ. It needs TensorFlow, of two ages, so the results are committed:

    pip install tensorflow-cpu==2.15.1 && python tests/captioners/make_samples.py keras2
    pip install tensorflow-cpu==2.21.0 && python tests/captioners/make_samples.py keras3
"""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow import keras

try:
    from keras.src.legacy.preprocessing.text import Tokenizer
except ImportError:
    from keras.preprocessing.text import Tokenizer

layers = keras.layers
FEATURES, UNITS, EMBEDDING, HIDDEN, LONGEST = 16, 8, 6, 10, 9
CAPTIONS = [
    "startseq two brown dogs run through the grass endseq",
    "startseq a small child sits on the street endseq",
    "startseq a man jumps over water with his ball endseq",
    "startseq the start of a race endseq",
]


def build(tokens: int) -> keras.Model:
    features = keras.Input((FEATURES,), name="Features_Input")
    image = layers.BatchNormalization()(features)
    image = layers.Dense(UNITS, activation="relu")(image)
    image = layers.BatchNormalization(epsilon=0.002)(image)
    sequence = keras.Input((LONGEST,), name="Sequence_Input")
    words = layers.Embedding(tokens, EMBEDDING, mask_zero=True)(sequence)
    words = layers.Dropout(0.5)(words)
    words = layers.LSTM(UNITS)(words)
    merged = layers.add([image, words])
    merged = layers.Dense(HIDDEN, activation="relu")(merged)
    probabilities = layers.Dense(tokens, activation="softmax", name="Output_Layer")(merged)
    return keras.Model(inputs=[features, sequence], outputs=probabilities, name="Image_Captioning")


def main() -> None:
    folder = Path(__file__).parent / sys.argv[1]
    folder.mkdir(exist_ok=True)
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(CAPTIONS)
    tokens = len(tokenizer.word_index) + 1
    network = build(tokens)
    rng = np.random.default_rng(5)
    network.set_weights([rng.normal(size=array.shape).astype(np.float32) for array in network.get_weights()])
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta, mean, np.abs(variance) + np.float32(0.5)])
    # A step of training, so that the files hold an optimizer's numbers beside the model's, as users' do.
    network.compile(loss="categorical_crossentropy", optimizer="adam")
    features = rng.normal(size=(len(CAPTIONS), FEATURES)).astype(np.float32)
    sequences = np.zeros((len(CAPTIONS), LONGEST), np.float32)
    for row, numbers in enumerate(tokenizer.texts_to_sequences(CAPTIONS)):
        prefix = numbers[: row + 2]
        sequences[row, LONGEST - len(prefix) :] = prefix
    network.train_on_batch([features, sequences], np.eye(tokens, dtype=np.float32)[: len(CAPTIONS)])
    network.save(folder / "caption_model.keras")
    network.save(str(folder / "caption_model.h5"))
    network.save_weights(str(folder / "caption_model.weights.h5"))
    if not tf.version.VERSION.startswith("2.21"):
        network.save_weights(str(folder / "legacy_weights.h5"))
    with (folder / "tokenizer.pkl").open("wb") as file:
        pickle.dump(tokenizer, file)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer.to_json()) + "\n", encoding="utf-8")
    probabilities = np.asarray(network([features, sequences], training=False))
    np.savez(
        folder / "expected.npz", features=features, sequences=sequences.astype(np.int32), probabilities=probabilities
    )


if __name__ == "__main__":
    main()
