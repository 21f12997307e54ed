"""Several decoders as one: the product of their distributions, each to the power of its weight.

    log p(word) = sum over members m of weight_m * log p_m(word) + constant

Logarithms of probabilities are logits up to a constant, so that the product is a network like the others: the members
side by side, and one last layer over all of them, whose kernel is the members' kernels, weighted, one above the other.
(Hinton, "Training products of experts by minimizing contrastive divergence", 2002.)

It refuses members that do not end in a linear layer over the same tokens.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tools.captioner.errors import SettingsError
from tools.captioner.network import Dense, Domain, Input, Join, Network, NetworkNode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["product_of"]


def product_of(members: "Sequence[Network]", weights: "Sequence[float]") -> Network:
    """Join decoders of the same features and tokens in one. Raises SettingsError for others, or for weights amiss."""
    if not members or len(members) != len(weights) or not all(weight > 0 for weight in weights):
        raise SettingsError(f"{len(members)} decoders do not go with the weights {list(weights)}")
    if len({(member.features, member.tokens, member.recurrent) for member in members}) > 1 or not members[0].recurrent:
        raise SettingsError("the decoders are not of the same features and tokens, or do not run word by word")
    nodes = [NetworkNode("features", Input(members[0].features), (), Domain.PICTURE, members[0].features)]
    tops: list[int] = []
    kernels, biases = [], []
    for number, (member, weight) in enumerate(zip(members, weights, strict=True), start=1):
        places: list[int] = []
        for node in member.nodes[:-1]:
            if isinstance(node.operation, Input):
                places.append(0)
                continue
            inputs = tuple(places[source] for source in node.inputs)
            nodes.append(replace(node, name=f"{node.name}_{number}", inputs=inputs))
            places.append(len(nodes) - 1)
        last = member.nodes[-1]
        if not isinstance(last.operation, Dense) or last.operation.activation != "linear":
            raise SettingsError(f"decoder {number} does not end in a linear layer")
        tops.append(places[last.inputs[0]])
        kernels.append(last.operation.kernel * np.float32(weight))
        biases.append(last.operation.bias * np.float32(weight))
    logits = Dense(np.concatenate(kernels), np.sum(biases, axis=0, dtype=np.float32))
    width = sum(nodes[top].width for top in tops)
    nodes.append(NetworkNode("members", Join("concatenate"), tuple(tops), Domain.CAPTION, width))
    nodes.append(NetworkNode("logits", logits, (len(nodes) - 1,), Domain.CAPTION, members[0].tokens))
    return Network(tuple(nodes), length=0)
