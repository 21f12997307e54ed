"""How Keras numbers the layers in a file of weights that does not tell their names: by class, in the model's order."""

import re
from collections import Counter

from tools.captioner.keras.description import Model


def names_by_group(model: Model, way: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Return the layers' names by their groups' names, at every depth."""
    counts: Counter[str] = Counter()
    names: dict[tuple[str, ...], str] = {}
    for layer in model.layers:
        # How Keras makes a group's name of a class's: BatchNormalization, batch_normalization.
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", layer.kind)).lower()
        group = (*way, f"{kind}_{counts[kind]}" if counts[kind] else kind)
        names[group] = layer.name
        counts[kind] += 1
        if layer.part is not None:
            names |= names_by_group(layer.part, group)
    return names
