r"""Finds the caption decoder in a Keras file: the network that it is, with the file's arrays in it.

Supported is the merge architecture (Tanti, Gatt, Camilleri, 2018) and what is near it: a branch of the features and a
branch of the words, of the layers in `tools.captioner.keras.layers`, joined before or behind the recurrent layer:

    features -> Dense ... ---------------------------\
                                                      + Add or Concatenate -> Dense ... -> Dense softmax
    tokens -> Embedding -> LSTM, GRU, stacked ... ---/

The description is followed from the output to the inputs. Layers that only matter in training (dropout and the like)
are passed over; a normalisation that is not there is none. Weights alone are recognised by their shapes.

Refuses any other architecture: by the layer's name, with what was looked for and what would have to be done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tools.captioner.errors import KerasFileError
from tools.captioner.keras.arrays import assign_arrays
from tools.captioner.keras.description import flatten
from tools.captioner.keras.layers import (
    KINDS,
    PASSED_OVER,
    GivenLayer,
    arrays_of_kind,
    make_node,
    name_of_function,
    refuse,
    refuse_kind,
)
from tools.captioner.keras.shapes import ASSUMED, describe_by_shapes
from tools.captioner.network import (
    Activation,
    Bidirectional,
    Domain,
    Embedding,
    Input,
    Network,
    NetworkNode,
    Padding,
    Prepend,
    Recurrent,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tools.captioner.keras.description import Call, Graph, Model
    from tools.captioner.keras.files import KerasFile

    Floats = NDArray[np.float32]

__all__ = ["SUPPORTED", "CaptionDecoder", "find_decoder"]

SUPPORTED: Final = (
    "supported is a branch of the features (Dense ...) and one of the words (Embedding, then LSTM or GRU), joined by "
    "Add or Concatenate, then Dense ... to a softmax; docs/converting.md has the whole list"
)
# Unrolled in the converted decoder, one position after the other.
MAX_WINDOW: Final = 200
_MODELS: Final = frozenset({"Functional", "Model"})
_AT_EVERY_POSITION: Final = (
    "gives a word at every position, and one at the end was looked for: build the model with return_sequences=False in "
    "its last recurrent layer, give it the weights, and save that"
)
_PICTURES: Final = 4
_MASKS: Final = frozenset({"NotEqual", "OnesLike", "ZerosLike"})
_OF_MASKS: Final = frozenset({"All", "Any", "BroadcastTo", "Concatenate", "ExpandDims", "LogicalAnd", "LogicalOr"})


@dataclass(frozen=True, slots=True)
class CaptionDecoder:
    """A decoder found in a file.

    `inputs` are the names of its inputs, features and tokens; None where the file does not say, as weights alone do
    not. `longest` is the most tokens that its input holds, None where the file does not say. `assumed` is what was
    taken for granted, None for nothing. `keras_version` is of the Keras that wrote the model.
    """

    network: Network
    inputs: tuple[str, str] | None
    longest: int | None
    assumed: str | None
    keras_version: str


def find_decoder(
    model: "KerasFile",
    weights: "KerasFile | None" = None,
    *,
    length: int | None = None,
    padding: Padding = Padding.PRE,
) -> CaptionDecoder:
    """Find the decoder in a model's file, or in one of weights alone; with both, the arrays are those of `weights`.

    `length` and `padding` are how captions were padded in training, where the file does not say; they matter only if
    the network is not `recurrent`. Raises KerasFileError, which says what was found and what is supported.
    """
    try:
        return _find(model, weights, length, padding)
    except RecursionError as error:
        raise KerasFileError(f"the model has too many layers in a row to be a caption decoder; {SUPPORTED}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        # What options lead to that no Keras writes.
        raise KerasFileError(f"the model's description is damaged: {error!r:.200}") from error


def _find(model: "KerasFile", weights: "KerasFile | None", length: int | None, padding: Padding) -> CaptionDecoder:
    source = weights or model
    if not source.arrays:
        raise KerasFileError(
            "this is a model's description, without its weights: give them with --weights, beside --model"
            if source is model
            else "the file given as weights is a description, without weights"
        )
    described = model.model
    if described is None:
        described = source.model or describe_by_shapes(source.arrays)
    _see_that_it_is_a_decoder(described)
    graph = flatten(described)
    _see_that_layers_are_known(graph)
    found = _Following(graph, assign_arrays(described, source), model.keras_version).run()
    stated = None if model.model is None and source.model is None else (found.features, found.tokens)
    held = found.longest or length
    network = Network(found.nodes, held or 0, padding)
    if network.recurrent:
        network = replace(network, length=0)
    elif held is None:
        raise KerasFileError(
            f"{found.reason}, so that captions are padded to one length, and the model does not say to which: give "
            "the `maxlen` of its pad_sequences with --padded-to"
        )
    elif held > MAX_WINDOW:
        raise KerasFileError(
            f"{found.reason}, so that all {held} positions are computed for every word; at most {MAX_WINDOW} are "
            "supported: train it with mask_zero=True and layers that run forward"
        )
    return CaptionDecoder(network, stated, found.longest, ASSUMED if stated is None else None, model.keras_version)


def _see_that_it_is_a_decoder(model: "Model") -> None:
    if model.kind not in _MODELS:
        kinds = ", ".join(layer.kind for layer in model.layers) or "no layers that the file describes"
        raise KerasFileError(
            f"the model is a {model.kind}, of {kinds}, and a functional model of two inputs was looked for "
            "(Model(inputs=[features, tokens], outputs=...)): build it so, give it the weights, and save that; "
            f"{SUPPORTED}"
        )
    for layer in model.layers:
        shape = layer.options.get("batch_shape", layer.options.get("batch_input_shape"))
        if layer.kind == "InputLayer" and isinstance(shape, list) and len(shape) == _PICTURES:
            refuse_kind(layer.name, "Conv2D" if shape[-1] in {1, 3} else "Attention")
    if len(model.outputs) != 1:
        raise KerasFileError(f"the model has {len(model.outputs)} outputs instead of one; {SUPPORTED}")


def _see_that_layers_are_known(graph: "Graph") -> None:
    known = {*KINDS, *PASSED_OVER, *_MASKS, *_OF_MASKS, "InputLayer", "Softmax"}
    for call in graph.calls.values():
        if _as_layer(call)[0] not in known:
            refuse_kind(call.name, call.kind)


@dataclass(slots=True)
class _Found:
    nodes: tuple[NetworkNode, ...]
    features: str
    tokens: str
    longest: int | None
    reason: str


class _Following:
    """Follows a flat graph, inputs first, and makes the nodes that the output needs."""

    def __init__(self, graph: "Graph", arrays: "Mapping[str, Sequence[Floats]]", keras: str) -> None:
        self._graph, self._arrays, self._keras = graph, arrays, keras
        self._nodes: list[NetworkNode] = []
        self._places: dict[str, int] = {}
        self._tokens: Call | None = None
        self._longest: int | None = None

    def run(self) -> _Found:
        output, number = self._graph.outputs[0]
        last = self._logits(output)
        if number:
            refuse(self._graph.calls[output].name, self._graph.calls[output].kind, f"is used for its output {number}")
        for key in self._needed(last):
            self._follow(key)
        node = self._nodes[self._places[last]]
        features = [node for node in self._nodes if isinstance(node.operation, Input)]
        if self._tokens is None or len(features) != 1:
            found = ", ".join(node.name for node in features) or "none"
            raise KerasFileError(
                f"the inputs are not features and tokens: of features there are {found}, of tokens "
                f"{self._tokens.name if self._tokens else 'none'}; {SUPPORTED}"
            )
        if node.domain is Domain.WORDS:
            raise KerasFileError(f"{node.name} {_AT_EVERY_POSITION}")
        if node.domain is Domain.PICTURE:
            raise KerasFileError(f"{node.name} does not depend on the words; {SUPPORTED}")
        table = next(node.operation.table for node in self._nodes if isinstance(node.operation, Embedding))
        if len(table) < node.width:
            raise KerasFileError(
                f"{node.name} gives {node.width} tokens, and the Embedding has {len(table)}: the model could say a "
                "word that it cannot take"
            )
        nodes = self._in_order(self._places[last])
        return _Found(nodes, features[0].name, self._tokens.name, self._longest, _why_all(nodes))

    def _logits(self, key: str) -> str:
        """Take the softmax away from the end, and return the key of the call that gives the logits."""
        call = self._graph.calls[key]
        while call.kind in PASSED_OVER:
            key = self._one_input(call)
            call = self._graph.calls[key]
        kind, options = call.kind, call.options
        if kind == "TimeDistributed":
            raise KerasFileError(f"{call.name} {_AT_EVERY_POSITION}")
        if kind == "Softmax" or (kind == "Activation" and name_of_function(options.get("activation")) == "softmax"):
            return self._one_input(call)
        activation = name_of_function(options.get("activation"))
        if kind != "Dense" or activation not in {"softmax", "linear"}:
            refuse(
                call.name,
                kind,
                f"gives the output{'' if kind != 'Dense' else f' with activation {activation!r}'}, and a Dense with "
                f"activation 'softmax' (or 'linear', for logits) was looked for; {SUPPORTED}",
            )
        calls = dict(self._graph.calls)
        calls[key] = replace(call, options={**options, "activation": "linear"})
        self._graph = replace(self._graph, calls=calls)
        return key

    def _needed(self, key: str) -> list[str]:
        wanted, queue = set(), [key]
        while queue:
            key = queue.pop()
            if key not in wanted:
                wanted.add(key)
                queue += [source for source, _ in self._graph.calls[key].inputs]
        return [key for key in self._graph.calls if key in wanted]

    def _one_input(self, call: "Call") -> str:
        if len(call.inputs) != 1:
            given = "an initial state: an LSTM that begins with the picture" if call.kind in {"LSTM", "GRU"} else "them"
            refuse(
                call.name,
                call.kind,
                f"has {len(call.inputs)} inputs, and one was looked for"
                + (f"; {given} is not supported: join the picture behind the recurrent layer" if call.inputs else ""),
            )
        return self._first_output(*call.inputs[0])

    def _first_output(self, source: str, number: int) -> str:
        """Return the call, if what is taken of it is what it gives first, or the same by another name."""
        sender = self._graph.calls[source]
        same = (
            sender.kind in {"LSTM", "GRU", "SimpleRNN"} and number == 1 and not sender.options.get("return_sequences")
        )
        if number and not same:
            refuse(sender.name, sender.kind, f"is used for its output {number} (a state), and its first was looked for")
        return source

    def _follow(self, key: str) -> None:
        call = self._graph.calls[key]
        self._see_what_is_given(call)
        if call.kind == "InputLayer":
            return
        if call.kind in PASSED_OVER:
            source = self._one_input(call)
            self._enter(source, call)
            if source in self._places:
                self._places[key] = self._places[source]
            return
        if call.kind == "Embedding":
            self._embed(key, call)
            return
        kind, options = _as_layer(call)
        if kind not in {"Add", "Concatenate", "Multiply", "Average"}:
            self._one_input(call)
        sources = [self._first_output(*source) for source in call.inputs]
        for source in sources:
            self._enter(source, call)
        inputs = tuple(self._places[source] for source in sources)
        given = [self._nodes[place] for place in inputs]
        arrays = self._arrays.get(call.name, ()) if arrays_of_kind(kind, options) else ()
        self._add(key, make_node(GivenLayer(call.name, kind, options, arrays, given, self._keras), inputs))

    def _enter(self, source: str, taker: "Call") -> None:
        """Make the node of an input that something else than an Embedding takes: it holds features."""
        call = self._graph.calls[source]
        if call.kind != "InputLayer" or source in self._places:
            return
        shape = call.options.get("batch_shape", call.options.get("batch_input_shape"))
        match shape:
            case [_, int(width)]:
                self._add(source, NetworkNode(call.name, Input(width), (), Domain.PICTURE, width))
            case [_, _, _, *_]:
                refuse_kind(f"{call.name}, which takes {shape[1:]} per picture,", "Attention")
            case _:
                refuse(
                    call.name,
                    call.kind,
                    f"has the shape {shape!r} and goes into {taker.name}: one vector of features per picture was "
                    "looked for, or tokens that go into an Embedding",
                )

    def _embed(self, key: str, call: "Call") -> None:
        source = self._one_input(call)
        tokens = self._graph.calls[source]
        while tokens.kind in PASSED_OVER:
            tokens = self._graph.calls[self._one_input(tokens)]
        if tokens.kind != "InputLayer":
            refuse(call.name, call.kind, f"takes {tokens.name} ({tokens.kind}), and the tokens' input was looked for")
        if self._tokens is not None and self._tokens.name != tokens.name:
            refuse(call.name, call.kind, f"is a second Embedding, of {tokens.name}; one input of tokens was looked for")
        self._tokens = tokens
        self._longest = _longest(tokens, call)
        arrays = self._arrays.get(call.name, ())
        self._add(key, make_node(GivenLayer(call.name, call.kind, call.options, arrays, (), self._keras), ()))

    def _add(self, key: str, node: NetworkNode) -> None:
        self._places[key] = len(self._nodes)
        self._nodes.append(node)

    def _see_what_is_given(self, call: "Call") -> None:
        for option, senders in call.given.items():
            # Keras 3 writes out how it makes one mask of others.
            if option == "mask" and all(self._is_of_masks(source) for source, _ in senders):
                continue
            refuse(
                call.name,
                call.kind,
                f"is given {option} from {', '.join(self._graph.calls[source].name for source, _ in senders)}, which "
                "is not supported: join the picture behind the recurrent layer, by Add or Concatenate",
            )

    def _is_of_masks(self, key: str) -> bool:
        """Whether a call only makes masks of the masks that the tokens' padding gives."""
        call = self._graph.calls[key]
        if call.kind in _MASKS:
            return True
        return call.kind in _OF_MASKS and all(self._is_of_masks(source) for source, _ in call.inputs)

    def _in_order(self, last: int) -> tuple[NetworkNode, ...]:
        """Put the node of the logits last."""
        nodes = self._nodes
        if last != len(nodes) - 1:
            last_node = nodes[last]
            nodes = [
                *nodes,
                NetworkNode(last_node.name, Activation("linear"), (last,), last_node.domain, last_node.width),
            ]
        return tuple(nodes)


def _as_layer(call: "Call") -> tuple[str, Mapping[str, Any]]:
    """Return the layer that a call is: `+` between layers is an Add."""
    if call.kind == "TFOpLambda" and call.options.get("function") in {"__operators__.add", "math.add"}:
        return "Add", {}
    return call.kind, call.options


def _longest(tokens: "Call", embedding: "Call") -> int | None:
    shape = tokens.options.get("batch_shape", tokens.options.get("batch_input_shape"))
    match shape:
        case [_, int(longest)] if longest > 0:
            return longest
    length = embedding.options.get("input_length")
    return length if type(length) is int and length > 0 else None


def _why_all(nodes: Sequence[NetworkNode]) -> str:
    for node in nodes:
        match node.operation:
            case Embedding() if not node.masked:
                return f"{node.name} (Embedding) has no mask_zero"
            case Recurrent() if not nodes[node.inputs[0]].masked:
                return f"{node.name} does not skip padding, as {nodes[node.inputs[0]].name} has no mask"
            case Recurrent(backward=True) | Bidirectional():
                return f"{node.name} runs backward"
            case Prepend():
                return f"{node.name} puts the picture before the padding"
    return ""
