"""What a Keras file says of its model: the layers, their options, and who is called with whose output.

A model may hold models (`Sequential` or `Functional` parts); `flatten` puts their layers in their places, so that one
graph of calls is left. A layer in a part is named by its way: `text_part/lstm`.

Refuses nothing by what a layer does: that is for `tools.captioner.keras.layers`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from tools.captioner.errors import KerasFileError

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Call", "Graph", "Layer", "Model", "Sender", "flatten", "parse_model"]

MAX_PARTS_DEPTH: Final = 8
MAX_CALLS: Final = 10_000
_MODELS: Final = frozenset({"Functional", "Model", "Sequential"})


@dataclass(frozen=True, slots=True)
class Sender:
    """An output that a call takes: of which layer, of its how-manieth call, and which output of it, from 0."""

    layer: str
    call: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True)
class LayerCall:
    """What a layer is called with: the outputs `inputs`, and those that options name, such as an initial state."""

    inputs: tuple[Sender, ...]
    options: Mapping[str, tuple[Sender, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """What the description says of one layer: its class, its options as Keras writes them, its calls.

    `part` is the model that the layer is, if it is one.
    """

    name: str
    kind: str
    options: Mapping[str, object]
    calls: tuple[LayerCall, ...]
    part: "Model | None" = None


@dataclass(frozen=True, slots=True)
class Model:
    """The description of a model: its class, its layers in Keras's order, its inputs and outputs.

    A Sequential names neither inputs nor outputs.
    """

    kind: str
    layers: tuple[Layer, ...]
    inputs: tuple[Sender, ...]
    outputs: tuple[Sender, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A layer's call in the flat graph: `inputs` are the keys of calls, with the number of the output taken."""

    name: str
    kind: str
    options: Mapping[str, object]
    inputs: tuple[tuple[str, int], ...]
    given: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Graph:
    """All calls by key, in an order in which inputs come first, and the calls that give the outputs."""

    calls: Mapping[str, Call]
    outputs: tuple[tuple[str, int], ...]


def parse_model(document: object) -> Model:
    """Return the description of a model, as Keras serialises it. Raises what a malformed one leads to."""
    return _parse(cast("dict[str, Any]", document), 0)


def _parse(document: "dict[str, Any]", depth: int) -> Model:
    if depth > MAX_PARTS_DEPTH:
        raise KerasFileError(f"the model has parts within parts, over {MAX_PARTS_DEPTH} deep")
    content = document["config"]
    # The first versions of Sequential have a bare list.
    whole = isinstance(content, dict)
    listed = content.get("layers", []) if whole else content
    layers = []
    for layer in listed:
        kind, options = str(layer["class_name"]), layer["config"]
        part = _parse(layer, depth + 1) if kind in _MODELS else None
        name = layer.get("name") or (options.get("name") if isinstance(options, dict) else None) or kind.lower()
        calls = tuple(_call(node) for node in layer.get("inbound_nodes", []))
        layers.append(Layer(str(name), kind, dict(options) if isinstance(options, dict) else {}, calls, part))
    inputs, outputs = (
        tuple(_senders(content.get(end, []))) if whole else () for end in ("input_layers", "output_layers")
    )
    return Model(str(document["class_name"]), tuple(layers), inputs, outputs)


def _call(node: object) -> LayerCall:
    """Read one call: [[name, call, output, options], ...] in Keras 2, {"args": ..., "kwargs": ...} in 3."""
    options: dict[str, tuple[Sender, ...]] = {}
    match node:
        case {"args": arguments, **others}:
            match others.get("kwargs"):
                case dict() as named:
                    options = {str(name): found for name, value in named.items() if (found := tuple(_senders(value)))}
            # `layer(inputs=x)` says the same as `layer(x)`.
            first = options.pop("inputs", ())
            return LayerCall((*_senders(arguments), *first), options)
        case list():
            # A function of TensorFlow's, such as `+`, has its one entry unwrapped.
            for entry in [node] if node and isinstance(node[0], str) else node:
                match entry:
                    case [str(), int(), int(), dict() as named]:
                        options |= {name: found for name, value in named.items() if (found := tuple(_senders(value)))}
            return LayerCall(tuple(_senders(node)), options)
    raise TypeError(f"a layer is called with {node!r:.80}")


def _senders(nodes: object) -> Iterator[Sender]:
    """Return the outputs that are listed: [name, call, output, ...] in Keras 2, `keras_history` in 3."""
    match nodes:
        case [str(name), int(call), int(output), *_] | {"keras_history": [str(name), int(call), int(output)]}:
            yield Sender(name, call, output)
        case list():
            for node in nodes:
                yield from _senders(node)
        case {"class_name": "__keras_tensor__", "config": inner}:
            yield from _senders(inner)
        case {"class_name": _}:
            return
        case dict():
            for node in nodes.values():
                yield from _senders(node)


def flatten(model: Model) -> Graph:
    """Put the layers of parts in their places. Raises KerasFileError for calls that the description does not have."""
    calls: dict[str, Call] = {}
    return Graph(calls, tuple(_Part(calls, model, "", "", None).outputs()))


_Source = tuple[str, int]


class _Part:
    """A model whose calls are added to a flat graph; `path` and `way` begin the names of its layers and its calls.

    `given` are the sources of its inputs; None for the whole model.
    """

    def __init__(
        self, calls: dict[str, Call], model: Model, path: str, way: str, given: Sequence[_Source] | None
    ) -> None:
        self._calls, self._model, self._path, self._way = calls, model, path, way
        self._layers = model.layers if model.kind != "Sequential" else tuple(_chained(model.layers))
        self._by_name = {layer.name: layer for layer in self._layers}
        entries = [sender.layer for sender in model.inputs] or [
            layer.name for layer in self._layers if layer.kind == "InputLayer"
        ]
        self._given = {} if given is None else dict(zip(entries, given, strict=False))
        # None while a call is under way.
        self._done: dict[tuple[str, int], Sequence[_Source] | None] = {}

    def outputs(self) -> list[_Source]:
        """Add the calls that the outputs need, inputs first, and return the outputs."""
        last = self._model.outputs
        if not last and self._model.kind == "Sequential" and self._layers:
            last = (Sender(self._layers[-1].name),)
        return [self._resolve(sender) for sender in last]

    def _resolve(self, sender: Sender) -> _Source:
        layer = self._by_name.get(sender.layer)
        if layer is None:
            raise KerasFileError(f"a layer has the input {sender.layer!r}, which the model does not have")
        if sender.layer in self._given:
            return self._given[sender.layer]
        known = (sender.layer, sender.call)
        if known not in self._done:
            self._done[known] = None
            self._done[known] = self._call(layer, sender.call)
        found = self._done[known]
        if found is None:
            raise KerasFileError(f"{self._path}{sender.layer} takes its own output")
        if layer.part is None:
            return found[0][0], sender.output
        if sender.output >= len(found):
            raise KerasFileError(f"{self._path}{sender.layer} has no output {sender.output}")
        return found[sender.output]

    def _call(self, layer: Layer, number: int) -> Sequence[_Source]:
        """Add a layer's call, or the calls of the part that it is, and return the outputs."""
        name, key = f"{self._path}{layer.name}", f"{self._way}{layer.name}" + (f":{number}" if number else "")
        if len(self._calls) > MAX_CALLS:
            raise KerasFileError(f"the model has over {MAX_CALLS} calls of layers")
        own = number - (_first_call(self._layers, self._model, layer) if layer.part is not None else 0)
        if layer.calls and not 0 <= own < len(layer.calls):
            raise KerasFileError(f"{name} is called {len(layer.calls)} times, and its call {number} is used")
        call = layer.calls[own] if layer.calls else LayerCall(())
        inputs = tuple(self._resolve(sender) for sender in call.inputs)
        if layer.part is not None:
            return _Part(self._calls, layer.part, f"{name}/", f"{key}/", inputs).outputs()
        named = {option: tuple(map(self._resolve, senders)) for option, senders in call.options.items()}
        if layer.kind == "TFOpLambda":  # a function, whose second argument has a name
            inputs, named = (*inputs, *(source for sources in named.values() for source in sources)), {}
        self._calls[key] = Call(name, layer.kind, layer.options, inputs, named)
        return [(key, 0)]


def _first_call(layers: Sequence[Layer], model: Model, part: Layer) -> int:
    """Return the number of a part's first call: 1 where Keras 2 counts the making of the part as its call 0."""
    senders = [
        *model.outputs,
        *(
            sender
            for layer in layers
            for call in layer.calls
            for group in (call.inputs, *call.options.values())
            for sender in group
        ),
    ]
    highest = max((sender.call for sender in senders if sender.layer == part.name), default=0)
    return max(0, highest - (len(part.calls) - 1))


def _chained(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Give a Sequential's layers the calls that their order says."""
    before: Layer | None = None
    if layers and layers[0].kind != "InputLayer":
        # Old files leave the input out; its shape is then an option of the first layer.
        shape = layers[0].options.get("batch_input_shape") or layers[0].options.get("batch_shape")
        before = Layer(f"{layers[0].name}_input", "InputLayer", {"batch_shape": shape}, ())
        yield before
    for layer in layers:
        calls = (LayerCall((Sender(before.name),)),) if before and layer.kind != "InputLayer" else ()
        before = Layer(layer.name, layer.kind, layer.options, calls, layer.part)
        yield before
