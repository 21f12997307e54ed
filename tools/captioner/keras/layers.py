"""Each kind of Keras layer that a decoder may have: which arrays it has, and which operation it is.

Refuses, by the layer's name and with what would have to be done: kinds that are not here, and every option under which
the operation would not be the layer's to the last digit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from tools.captioner.errors import KerasFileError
from tools.captioner.network import (
    ACTIVATIONS,
    Activation,
    Bidirectional,
    Dense,
    Domain,
    Embedding,
    Gru,
    Join,
    LayerNormalization,
    Lstm,
    NetworkNode,
    Normalization,
    Prepend,
    Recurrent,
    Repeat,
    SimpleRnn,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.captioner.network import Cell, Operation

    Floats = NDArray[np.float32]
    Shape = tuple[int | None, ...]

__all__ = [
    "KINDS",
    "PASSED_OVER",
    "REMEDIES",
    "GivenLayer",
    "arrays_of_kind",
    "make_node",
    "name_of_function",
    "refuse",
    "refuse_kind",
]

# They do something while a model learns, and nothing after.
PASSED_OVER: Final = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "SpatialDropout1D",
    }
)
_JOINS: Final = {"Add": "add", "Concatenate": "concatenate", "Multiply": "multiply", "Average": "average"}
_GATES: Final = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
_MERGE_MODES: Final = {"concat": "concatenate", "sum": "add", "mul": "multiply", "ave": "average"}
_REBUILD: Final = "rebuild the model without it, give it the weights, and save that"
REMEDIES: Final = {
    **dict.fromkeys(
        ("Attention", "AdditiveAttention", "MultiHeadAttention"),
        "attention looks at many vectors per picture or at all words at once: train a merge model (features of one "
        "vector per picture, Embedding, LSTM or GRU) in its place",
    ),
    **dict.fromkeys(
        ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "MaxPooling2D", "GlobalAveragePooling2D", "Rescaling"),
        "the model takes pictures themselves: cut it behind the CNN's pool, and give the CNN as --encoder and the "
        "rest, which takes the features, as --model",
    ),
    **dict.fromkeys(
        ("CuDNNLSTM", "CuDNNGRU"),
        "it ran on GPUs alone: in the Keras that saved it, build the model with LSTM or GRU(reset_after=True) in its "
        "place, load the weights into that, and save it",
    ),
    "Lambda": "a Lambda is a program, and programs in files are not run: put a layer of Keras's in its place",
    "TFOpLambda": "put a layer of Keras's, such as Add, in the place of the function",
    "SlicingOpLambda": "put a layer of Keras's in the place of the function",
    "Merge": "Keras 1 wrote this: load the model in Keras 2 and save it again",
    "Masking": "give the Embedding mask_zero=True in its place",
}


@dataclass(frozen=True, slots=True)
class GivenLayer:
    """A call to be made a node: its layer, the arrays, the nodes that it takes, and the version that wrote the file."""

    name: str
    kind: str
    options: Mapping[str, Any]
    arrays: "Sequence[Floats]"
    nodes: Sequence[NetworkNode]
    keras: str

    @property
    def width(self) -> int:
        """The width of what it takes."""
        return self.nodes[0].width

    def wants(self, option: str, wanted: object, why: str, *, unsaid: object = None) -> None:
        """Refuse the layer if the option is another; `unsaid` is what files mean that do not have it."""
        value = self.options.get(option, wanted if unsaid is None else unsaid)
        if value != wanted:
            refuse(self.name, self.kind, f"has {option} {value!r}, and {wanted!r} was looked for: {why}")

    def function(self, option: str, unsaid: str) -> str:
        """Return the name in `ACTIVATIONS` of the function that an option names."""
        name = name_of_function(self.options.get(option, unsaid))
        if name == "hard_sigmoid":
            if not self.keras[:1].isdigit():
                refuse(
                    self.name,
                    self.kind,
                    f"has {option} 'hard_sigmoid', which is another function in Keras 3 than before, and the file does "
                    "not say which Keras wrote it: save the whole model, or the JSON of model.to_json() with its "
                    "keras_version",
                )
            return "hard_sigmoid_3" if self.keras.startswith("3") else "hard_sigmoid_2"
        if name not in ACTIVATIONS:
            known = ", ".join(sorted({*ACTIVATIONS, "hard_sigmoid"} - {"hard_sigmoid_2", "hard_sigmoid_3"}))
            refuse(self.name, self.kind, f"has {option} {name!r}, and one of {known} was looked for: {_REBUILD}")
        return name


def refuse(name: str, kind: str, complaint: str) -> NoReturn:
    """Refuse a layer by its name. Raises KerasFileError."""
    raise KerasFileError(f"{name} ({kind}) {complaint}")


def refuse_kind(name: str, kind: str) -> NoReturn:
    """Refuse a layer of a kind that is not here. Raises KerasFileError."""
    remedy = REMEDIES.get(kind, f"{_REBUILD}, or train one of the layers that docs/converting.md lists")
    refuse(name, kind, f"is not a layer that can be converted (looked for: {', '.join(sorted(KINDS))}); {remedy}")


def name_of_function(function: object) -> str:
    """Return a function's name: some versions write {"class_name": "function", "config": name}, or a layer's."""
    if isinstance(function, dict):
        inner = function.get("config")
        function = inner if isinstance(inner, str) else function.get("registered_name") or function.get("class_name")
        function = function.lower() if function in {"ReLU", "Softmax"} else function
    if function is None or function == "linear":
        return "linear"
    return "swish" if function == "silu" else str(function)


def arrays_of_kind(kind: str, options: Mapping[str, Any]) -> "tuple[Shape, ...]":
    """Return the shapes of a layer's arrays, None for sizes that the options do not tell; empty for none."""
    if kind in {"TimeDistributed", "Bidirectional"}:
        return arrays_of_kind(*_wrapped(options)) * (2 if kind == "Bidirectional" else 1)
    if kind in {"BatchNormalization", "LayerNormalization"}:
        learned = bool(options.get("center", True)) + bool(options.get("scale", True))
        return ((None,),) * (learned + (2 if kind == "BatchNormalization" else 0))
    if kind == "Embedding":
        return ((_size(options, "input_dim"), _size(options, "output_dim")),)
    units = _size(options, "units")
    shapes: tuple[Shape, ...] = ()
    if kind == "Dense":
        shapes = ((None, units), (units,))
    elif kind in _GATES:
        gates = units and units * _GATES[kind]
        bias = (2, gates) if kind == "GRU" and options.get("reset_after", False) else (gates,)
        shapes = ((None, gates), (units, gates), bias)
    return shapes if options.get("use_bias", True) else shapes[:-1]


def _size(options: Mapping[str, Any], name: str) -> int | None:
    size = options.get(name)
    return size if type(size) is int else None


def _wrapped(options: Mapping[str, Any], name: str = "layer") -> tuple[str, Mapping[str, Any]]:
    inner = options[name]
    return str(inner["class_name"]), inner["config"]


def make_node(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    """Make the node of a layer; what it takes stands at `inputs` in the network. Raises KerasFileError."""
    if given.kind not in KINDS:
        refuse_kind(given.name, given.kind)
    _check_precision(given)
    frame = next((node.name for node in given.nodes if node.frame), None)
    if frame is not None and given.kind != "Concatenate":
        refuse(
            given.name, given.kind, f"takes {frame}, a sequence of one vector, which only Concatenate may: {_REBUILD}"
        )
    return KINDS[given.kind](given, inputs)


def _check_precision(given: GivenLayer) -> None:
    policy = given.options.get("dtype", "float32")
    if isinstance(policy, dict):
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, dict) else policy
    if isinstance(policy, str) and "16" in policy:
        refuse(
            given.name,
            given.kind,
            f"computes in {policy}, and float32 was looked for: build the model with the policy float32, give it the "
            "weights, and save that",
        )


def _node(
    given: GivenLayer, operation: "Operation", inputs: tuple[int, ...], width: int, domain: Domain | None = None
) -> NetworkNode:
    return NetworkNode(
        given.name,
        operation,
        inputs,
        domain or given.nodes[0].domain,
        width,
        any(node.masked for node in given.nodes) and (domain or given.nodes[0].domain) is Domain.WORDS,
    )


def _dense(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    kernel = given.arrays[0]
    _fit(given, kernel.shape[0])
    bias = given.arrays[1] if given.options.get("use_bias", True) else np.zeros(kernel.shape[1], np.float32)
    if len(bias) != kernel.shape[1]:
        refuse(given.name, given.kind, f"has {len(bias)} biases for {kernel.shape[1]} units: the arrays are damaged")
    return _node(given, Dense(kernel, bias, given.function("activation", "linear")), inputs, kernel.shape[1])


def _fit(given: GivenLayer, taken: int) -> None:
    if taken != given.width:
        refuse(
            given.name,
            given.kind,
            f"has arrays for {taken} numbers, and takes {given.width} of {given.nodes[0].name}: the weights are of "
            "another model",
        )


def _activation(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    return _node(given, Activation(given.function("activation", "linear")), inputs, given.width)


def _relu(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    why = f"put Activation('relu') in its place; {_REBUILD}"
    given.wants("max_value", None, why)
    slope = float(given.options.get("negative_slope") or 0.0)
    if given.options.get("threshold") not in {None, 0}:
        given.wants("threshold", 0.0, why)
    return _node(given, Activation("relu", slope or None), inputs, given.width)


def _leaky_relu(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    slope = given.options.get("negative_slope", given.options.get("alpha", 0.3))
    if isinstance(slope, dict):  # an array, as early releases wrote it
        slope = slope.get("value")
    if not isinstance(slope, int | float) or isinstance(slope, bool):
        refuse(given.name, given.kind, f"has the slope {slope!r}, and a number was looked for: {_REBUILD}")
    return _node(given, Activation("leaky relu", float(slope)), inputs, given.width)


def _normalization(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    _require_last_axis(given)
    width = given.width
    arrays = list(given.arrays)
    gamma = arrays.pop(0) if given.options.get("scale", True) else np.ones(width, np.float32)
    beta = arrays.pop(0) if given.options.get("center", True) else np.zeros(width, np.float32)
    mean, variance = arrays
    _fit(given, len(mean))
    if variance.min() < 0:
        raise KerasFileError(f"{given.name} (BatchNormalization) has a negative variance: the arrays are damaged")
    return _node(given, Normalization(gamma, beta, mean, variance, _epsilon(given)), inputs, width)


def _layer_normalization(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    _require_last_axis(given)
    given.wants("rms_scaling", False, _REBUILD)
    width = given.width
    arrays = list(given.arrays)
    gamma = arrays.pop(0) if given.options.get("scale", True) else np.ones(width, np.float32)
    beta = arrays.pop(0) if given.options.get("center", True) else np.zeros(width, np.float32)
    _fit(given, len(gamma))
    return _node(given, LayerNormalization(gamma, beta, _epsilon(given)), inputs, width)


def _require_last_axis(given: GivenLayer) -> None:
    axis = given.options.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    last = 2 if given.nodes[0].domain is Domain.WORDS else 1
    if axis not in {-1, last}:
        refuse(given.name, given.kind, f"has the axis {axis!r}, and the last was looked for: {_REBUILD}")


def _epsilon(given: GivenLayer) -> float:
    epsilon = given.options.get("epsilon", 1e-3)
    if not isinstance(epsilon, float) or not epsilon > 0:
        refuse(given.name, given.kind, f"has the epsilon {epsilon!r}, and a number over 0 was looked for")
    return epsilon


def _join(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    if any(node.frame for node in given.nodes):
        return _prepend(given, inputs)
    domains = {node.domain for node in given.nodes}
    if Domain.WORDS in domains and len(domains) > 1:
        picture = next(node.name for node in given.nodes if node.domain is not Domain.WORDS)
        refuse(
            given.name,
            given.kind,
            f"joins one vector ({picture}) with one per word: put RepeatVector behind {picture}, or let the last "
            "recurrent layer give its last output alone (return_sequences=False)",
        )
    widths = [node.width for node in given.nodes]
    how = _JOINS[given.kind]
    if how == "concatenate":
        last = 2 if Domain.WORDS in domains else 1
        if given.options.get("axis", -1) not in {-1, last}:
            given.wants("axis", -1, f"the vectors are joined end to end; {_REBUILD}")
    elif len(set(widths)) > 1:
        refuse(given.name, given.kind, f"joins vectors of {widths} numbers, which do not fit each other")
    elif len(widths) < 2:  # noqa: PLR2004 - the two branches
        refuse(given.name, given.kind, f"joins {len(widths)} inputs, and two were looked for")
    domain = max(domains, key=list(Domain).index)
    width = sum(widths) if how == "concatenate" else widths[0]
    return NetworkNode(given.name, Join(how), inputs, domain, width, domain is Domain.WORDS and _joined_mask(given))


def _prepend(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    first, *others = given.nodes
    domains = [node.domain for node in others]
    if not first.frame or domains != [Domain.WORDS] or given.options.get("axis", -1) not in {1, -2}:
        names = ", ".join(node.name for node in given.nodes)
        refuse(
            given.name,
            given.kind,
            f"joins {names} along the axis {given.options.get('axis', -1)!r}, and the picture before the words, along "
            f"the axis 1, was looked for: {_REBUILD}",
        )
    if first.width != others[0].width:
        refuse(given.name, given.kind, f"joins vectors of {first.width} and {others[0].width} numbers end to end")
    return NetworkNode(given.name, Prepend(), inputs, Domain.WORDS, first.width, others[0].masked)


def _joined_mask(given: GivenLayer) -> bool:
    """Whether padding is skipped behind a join: Keras 2 joins masks by "and", Keras 3 by "or"."""
    masks = {node.masked for node in given.nodes}
    if len(masks) == 1:
        return masks.pop()
    if not given.keras[:1].isdigit():
        refuse(
            given.name,
            given.kind,
            "joins a branch that skips padding with one that does not, which Keras 3 does in another way than Keras 2, "
            "and the file does not say which Keras wrote it: save the whole model",
        )
    return not given.keras.startswith("3")


def _repeat(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    if given.nodes[0].domain is not Domain.PICTURE:
        refuse(given.name, given.kind, f"repeats {given.nodes[0].name}, and the picture's vector was looked for")
    if given.options.get("n") == 1:
        return _frame(given, inputs)
    return _node(given, Repeat(), inputs, given.width, Domain.WORDS)


def _frame(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    return NetworkNode(given.name, Activation("linear"), inputs, Domain.PICTURE, given.width, frame=True)


def _flatten(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    if given.nodes[0].domain is Domain.WORDS:
        refuse(
            given.name,
            given.kind,
            f"takes all positions of {given.nodes[0].name} at once, and a recurrent layer over them was looked for "
            "(LSTM or GRU with return_sequences=False): train the model with one in its place",
        )
    shape = given.options.get("target_shape")
    if given.nodes[0].domain is Domain.PICTURE and shape is not None and list(shape) in ([1, given.width], [1, -1]):
        return _frame(given, inputs)
    if shape is not None and list(shape) not in ([given.width], [-1]):
        refuse(given.name, given.kind, f"has target_shape {shape!r}, and a vector was looked for: {_REBUILD}")
    return _node(given, Activation("linear"), inputs, given.width)


def _time_distributed(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    kind, options = _wrapped(given.options)
    if kind in PASSED_OVER:
        return _node(given, Activation("linear"), inputs, given.width)
    if kind not in {"Dense", "Activation"} or given.nodes[0].domain is not Domain.WORDS:
        refuse(given.name, given.kind, f"repeats {kind}, and Dense at every word was looked for: {_REBUILD}")
    return make_node(replace(given, kind=kind, options=options), inputs)


def _recurrent(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    sequences = bool(given.options.get("return_sequences"))
    backward = bool(given.options.get("go_backwards"))
    if backward and sequences:
        given.wants("go_backwards", False, f"put Bidirectional around it; {_REBUILD}")
    cell = _cell(given, given.kind, given.options, given.arrays)
    domain = Domain.WORDS if sequences else Domain.CAPTION
    return _node(given, Recurrent(cell, sequences, backward), inputs, cell.units, domain)


def _bidirectional(given: GivenLayer, inputs: tuple[int, ...]) -> NetworkNode:
    kind, options = _wrapped(given.options)
    backward = given.options.get("backward_layer")
    if isinstance(backward, dict):
        other = dict(backward["config"])
        if backward["class_name"] != kind or other.get("units") != options.get("units"):
            refuse(given.name, given.kind, "has a backward layer of another kind or size: " + _REBUILD)
    if kind not in {"LSTM", "GRU", "SimpleRNN"}:
        refuse_kind(f"{given.name}, around which Bidirectional stands,", kind)
    mode = given.options.get("merge_mode", "concat")
    if mode not in _MERGE_MODES:
        refuse(
            given.name,
            given.kind,
            f"has merge_mode {mode!r}, and one of {', '.join(_MERGE_MODES)} was looked for: {_REBUILD}",
        )
    half = len(given.arrays) // 2
    forward_cell, backward_cell = (
        _cell(given, kind, options, arrays) for arrays in (given.arrays[:half], given.arrays[half:])
    )
    sequences = bool(options.get("return_sequences"))
    how = _MERGE_MODES[mode]
    width = forward_cell.units * (2 if how == "concatenate" else 1)
    domain = Domain.WORDS if sequences else Domain.CAPTION
    return _node(given, Bidirectional(forward_cell, backward_cell, sequences, how), inputs, width, domain)


def _cell(given: GivenLayer, kind: str, options: Mapping[str, Any], arrays: "Sequence[Floats]") -> "Cell":
    inner = replace(given, kind=kind, options=options, arrays=arrays)
    if given.nodes[0].domain is not Domain.WORDS:
        refuse(
            given.name,
            kind,
            f"takes {given.nodes[0].name}, which is one vector, and one per word was looked for (return_sequences=True "
            "in a recurrent layer before it)",
        )
    for option in ("stateful", "time_major"):
        inner.wants(option, False, f"every caption begins anew; {_REBUILD}")
    input_kernel, state_kernel = arrays[:2]
    _fit(inner, input_kernel.shape[0])
    gates = _GATES[kind] * len(state_kernel)
    if {state_kernel.shape[1], input_kernel.shape[1], *(array.shape[-1] for array in arrays[2:])} != {gates}:
        shapes = " ".join(str(list(array.shape)) for array in arrays)
        refuse(given.name, kind, f"has arrays of {shapes}, which do not fit each other: they are damaged")
    activation = inner.function("activation", "tanh")
    if kind == "SimpleRNN":
        bias = arrays[2] if len(arrays) > 2 else np.zeros(state_kernel.shape[1], np.float32)  # noqa: PLR2004
        return SimpleRnn(input_kernel, state_kernel, bias, activation)
    # Keras 1 to 2.2 had another default, and wrote it.
    gate = inner.function("recurrent_activation", "sigmoid")
    bias = arrays[2] if len(arrays) > 2 else np.zeros(state_kernel.shape[1], np.float32)  # noqa: PLR2004
    if kind == "LSTM":
        return Lstm(input_kernel, state_kernel, bias, activation, gate)
    reset_after = bool(options.get("reset_after", False))
    biases = bias if bias.ndim > 1 else np.stack([bias, np.zeros_like(bias)])
    return Gru(input_kernel, state_kernel, biases[0], biases[1], reset_after, activation, gate)


def _embedding(given: GivenLayer, _: tuple[int, ...]) -> NetworkNode:
    if given.options.get("lora_rank"):
        refuse(given.name, given.kind, f"has lora_rank, and a plain table was looked for: {_REBUILD}")
    table = given.arrays[0]
    masked = bool(given.options.get("mask_zero"))
    return NetworkNode(given.name, Embedding(table, masked), (), Domain.WORDS, table.shape[1], masked)


KINDS: Final[Mapping[str, Callable[[GivenLayer, tuple[int, ...]], NetworkNode]]] = {
    "Activation": _activation,
    "BatchNormalization": _normalization,
    "Bidirectional": _bidirectional,
    "Dense": _dense,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": _leaky_relu,
    "ReLU": _relu,
    "RepeatVector": _repeat,
    "Reshape": _flatten,
    "SimpleRNN": _recurrent,
    "TimeDistributed": _time_distributed,
    **dict.fromkeys(_JOINS, _join),
}
"""What makes each kind's node."""
