"""The caption decoder as a network of operations, and how a caption's next word is computed from it.

A network is a list of nodes, inputs first. A node's value is one of three things:

    picture     [1, n]                    depends on the features alone: computed once per picture, by `project`
    words       n numbers per position    one array [B, n] for each token in view
    caption     [B, n]                    one per caption

`Network.recurrent` tells how the words are run. True: the state after the words so far is all that the next word needs,
so `step` has one token in view and carries the state. That is exact if every recurrent layer runs forward and skips the
padding. False (no mask, or a layer that runs backward): the state is the caption itself, padded to `length` as in
training, and `step` runs over all of it for every word. That is exact too, and costs `length` times as much.

The mathematics is written once, over `Operations`: TensorFlow's to convert a decoder, NumPy's to check it without.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Bidirectional",
    "Cell",
    "Dense",
    "Domain",
    "Embedding",
    "Gru",
    "Input",
    "Join",
    "LayerNormalization",
    "Lstm",
    "Network",
    "NetworkNode",
    "Normalization",
    "Operation",
    "Operations",
    "Padding",
    "Prepend",
    "Recurrent",
    "Repeat",
    "SimpleRnn",
]

Value = Any
"""An array of NumPy's, or a tensor of TensorFlow's."""


class Operations(Protocol):
    """What the mathematics asks of NumPy or TensorFlow; beside it, arrays have `+`, `-`, `*` and `@`."""

    def constant(self, array: "Floats") -> Value:
        """Return weights as a value."""

    def concatenate(self, arrays: Sequence[Value]) -> Value:
        """Join arrays along the last axis."""

    def take(self, table: Value, tokens: Value) -> Value:
        """Return the rows of [V, E] for int32 [B]: [B, E]."""

    def where(self, mask: Value, yes: Value, no: Value) -> Value:
        """Choose row by row, by bool [B, 1]."""

    def zeros(self, like: Value, width: int) -> Value:
        """Return zeros, [B, width], for `like` [B, ...]."""

    def whole(self, numbers: Value) -> Value:
        """Return float32 as int32."""

    def number(self, tokens: Value) -> Value:
        """Return int32 [B] as float32 [B, 1]."""

    def total(self, array: Value) -> Value:
        """Return the sum along the last axis, [B, n] -> [B, 1]."""

    def root(self, array: Value) -> Value:
        """Return the square root."""

    def maximum(self, one: Value, other: Value) -> Value:
        """Return the larger, number by number."""

    def minimum(self, one: Value, other: Value) -> Value:
        """Return the smaller, number by number."""

    def exp(self, array: Value) -> Value:
        """Return the exponential."""

    def tanh(self, array: Value) -> Value:
        """Return the hyperbolic tangent."""

    def sigmoid(self, array: Value) -> Value:
        """Return 1 / (1 + exp(-x))."""


def _elu(xp: Operations, x: Value) -> Value:
    return xp.maximum(x, 0.0) + xp.exp(xp.minimum(x, 0.0)) - 1.0


ACTIVATIONS: Final[Mapping[str, Callable[[Operations, Value], Value]]] = {
    "linear": lambda _, x: x,
    "relu": lambda xp, x: xp.maximum(x, 0.0),
    "tanh": lambda xp, x: xp.tanh(x),
    "sigmoid": lambda xp, x: xp.sigmoid(x),
    "elu": _elu,
    # Klambauer et al., "Self-normalizing neural networks", 2017.
    "selu": lambda xp, x: 1.0507009873554805 * (xp.maximum(x, 0.0) + 1.6732632423543772 * _elu(xp, xp.minimum(x, 0.0))),
    "swish": lambda xp, x: x * xp.sigmoid(x),
    # Two functions have had the name: Keras 1 and 2's, and Keras 3's.
    "hard_sigmoid_2": lambda xp, x: xp.minimum(xp.maximum(0.2 * x + 0.5, 0.0), 1.0),
    "hard_sigmoid_3": lambda xp, x: xp.minimum(xp.maximum(x * (1 / 6) + 0.5, 0.0), 1.0),
}
"""By Keras's names."""


class Domain(StrEnum):
    """What a node's value is; see the module."""

    PICTURE = "picture"
    WORDS = "words"
    CAPTION = "caption"


class Padding(StrEnum):
    """Where a caption shorter than the model's input is padded: in front, as Keras does unasked, or behind."""

    PRE = "pre"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Input:
    """The features, [1, width]."""

    width: int


@dataclass(frozen=True, slots=True)
class Embedding:
    """The tokens' vectors, `table` [V, E]. `masked` is whether padding is skipped by what comes after."""

    table: "Floats"
    masked: bool


@dataclass(frozen=True, slots=True)
class Dense:
    """`activation(x @ kernel + bias)`, `kernel` [in, out], `bias` [out]."""

    kernel: "Floats"
    bias: "Floats"
    activation: str = "linear"


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of `ACTIVATIONS`, or with `slope`, the leaky relu of that slope below 0."""

    name: str
    slope: float | None = None


@dataclass(frozen=True, slots=True)
class Normalization:
    """A batch normalisation as it runs once trained, over float32 [N]."""

    gamma: "Floats"
    beta: "Floats"
    mean: "Floats"
    variance: "Floats"
    epsilon: float

    def as_affine(self) -> "tuple[Floats, Floats]":
        """Return the equivalent scale and shift, [N] each."""
        scale = self.gamma / np.sqrt(self.variance + self.epsilon)
        return scale, self.beta - self.mean * scale


@dataclass(frozen=True, slots=True)
class LayerNormalization:
    """Ba, Kiros, Hinton, "Layer normalization", 2016, eq. 4: over the last axis, `gamma` and `beta` [N]."""

    gamma: "Floats"
    beta: "Floats"
    epsilon: float


@dataclass(frozen=True, slots=True)
class Join:
    """Several values in one: "add", "multiply", "average", or "concatenate", in the order of the inputs."""

    how: str


@dataclass(frozen=True, slots=True)
class Prepend:
    """The picture's vector as a position before the first of the words; the inputs are the picture and the words."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The picture's vector at every position of the words."""


@dataclass(frozen=True, slots=True)
class Lstm:
    """An LSTM of U units over inputs of E: [E, 4U], [U, 4U] and [4U], the gates in Keras's order.

    With a forget gate: Gers, Schmidhuber, Cummins, "Learning to forget", 2000.
    """

    input_kernel: "Floats"
    state_kernel: "Floats"
    bias: "Floats"
    activation: str = "tanh"
    gate: str = "sigmoid"

    @property
    def units(self) -> int:
        """U."""
        return len(self.state_kernel)

    def step(self, xp: Operations, x: Value, h: Value, c: Value) -> tuple[Value, Value]:
        """Return the next state, h and c [B, U]."""
        gates = x @ xp.constant(self.input_kernel) + h @ xp.constant(self.state_kernel) + xp.constant(self.bias)
        admit, forget, candidate, expose = _cut(gates, self.units, 4)
        open_, squash = ACTIVATIONS[self.gate], ACTIVATIONS[self.activation]
        c = open_(xp, forget) * c + open_(xp, admit) * squash(xp, candidate)
        return open_(xp, expose) * squash(xp, c), c


@dataclass(frozen=True, slots=True)
class Gru:
    """A GRU of U units over inputs of E: [E, 3U], [U, 3U], and biases [3U] of the input and of the state.

    Cho et al., "Learning phrase representations", 2014, in Keras's order of the gates: update, reset, candidate.
    `reset_after` is the variant that resets the state after its product with the kernel; without it, `state_bias` is 0.
    """

    input_kernel: "Floats"
    state_kernel: "Floats"
    bias: "Floats"
    state_bias: "Floats"
    reset_after: bool
    activation: str = "tanh"
    gate: str = "sigmoid"

    @property
    def units(self) -> int:
        """U."""
        return len(self.state_kernel)

    def step(self, xp: Operations, x: Value, h: Value, c: Value) -> tuple[Value, Value]:
        """Return the next state h [B, U], and c as it is."""
        units = self.units
        open_, squash = ACTIVATIONS[self.gate], ACTIVATIONS[self.activation]
        from_input = _cut(x @ xp.constant(self.input_kernel) + xp.constant(self.bias), units, 3)
        if self.reset_after:
            from_state = _cut(h @ xp.constant(self.state_kernel) + xp.constant(self.state_bias), units, 3)
            update = open_(xp, from_input[0] + from_state[0])
            candidate = from_input[2] + open_(xp, from_input[1] + from_state[1]) * from_state[2]
        else:
            gates, last = self.state_kernel[:, : 2 * units], self.state_kernel[:, 2 * units :]
            from_state = _cut(h @ xp.constant(gates), units, 2)
            update = open_(xp, from_input[0] + from_state[0])
            reset = open_(xp, from_input[1] + from_state[1])
            candidate = from_input[2] + (reset * h) @ xp.constant(last)
        return update * h + (1.0 - update) * squash(xp, candidate), c


@dataclass(frozen=True, slots=True)
class SimpleRnn:
    """A recurrent layer without gates (Elman, "Finding structure in time", 1990): [E, U], [U, U] and [U]."""

    input_kernel: "Floats"
    state_kernel: "Floats"
    bias: "Floats"
    activation: str = "tanh"

    @property
    def units(self) -> int:
        """U."""
        return len(self.state_kernel)

    def step(self, xp: Operations, x: Value, h: Value, c: Value) -> tuple[Value, Value]:
        """Return the next state h [B, U], and c as it is."""
        x = x @ xp.constant(self.input_kernel) + h @ xp.constant(self.state_kernel) + xp.constant(self.bias)
        return ACTIVATIONS[self.activation](xp, x), c


Cell = Lstm | Gru | SimpleRnn


@dataclass(frozen=True, slots=True)
class Recurrent:
    """A cell over the words. `sequences`: its state at every position, else the last; `backward`: last word first."""

    cell: Cell
    sequences: bool = False
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Bidirectional:
    """Two cells over the words, one forward, one backward; their outputs are joined as `how` says (see `Join`)."""

    forward: Cell
    backward: Cell
    sequences: bool
    how: str


Operation = (
    Input
    | Embedding
    | Dense
    | Activation
    | Normalization
    | LayerNormalization
    | Join
    | Prepend
    | Repeat
    | Recurrent
    | Bidirectional
)


@dataclass(frozen=True, slots=True)
class NetworkNode:
    """An operation on the values of the nodes `inputs`, which come before it; `name` is the layer's in its file.

    `masked` is whether padding is skipped by what comes after; `frame`, whether a picture's vector is a sequence of
    one.
    """

    name: str
    operation: Operation
    inputs: tuple[int, ...]
    domain: Domain
    width: int
    masked: bool = False
    frame: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """A decoder. The last node gives the logits [B, V].

    `length` is how many tokens captions were padded to, and `padding` where; they matter if it is not `recurrent`.
    """

    nodes: tuple[NetworkNode, ...]
    length: int
    padding: Padding = Padding.PRE

    @property
    def features(self) -> int:
        """The width of the features."""
        return next(node.width for node in self.nodes if isinstance(node.operation, Input))

    @property
    def tokens(self) -> int:
        """The number of tokens, padding among them."""
        return self.nodes[-1].width

    @property
    def recurrent(self) -> bool:
        """Whether one word in view is enough; see the module."""
        for node in self.nodes:
            match node.operation:
                case Bidirectional() | Recurrent(backward=True) | Prepend():
                    return False
                case Recurrent() if not self.nodes[node.inputs[0]].masked:
                    return False
        return True

    @property
    def state(self) -> int:
        """The width of h, and of c."""
        return sum(cell.units for cell in self._cells()) if self.recurrent else self.length

    @property
    def seen_widths(self) -> list[int]:
        """The widths of the parts of the image vector."""
        return [self.nodes[place].width for place in self._seen()]

    @property
    def features_mean(self) -> "Floats | None":
        """What the first normalisation of the features has learned of them, [F]; None without one."""
        sources = {place for place, node in enumerate(self.nodes) if isinstance(node.operation, Input)}
        for node in self.nodes:
            if isinstance(node.operation, Normalization) and set(node.inputs) <= sources:
                return node.operation.mean
        return None

    def project(self, xp: Operations, features: Value) -> Value:
        """Return the image vector [1, I] of features [1, F]: all that the words will need of the picture."""
        values: dict[int, Value] = {}
        for place, node in enumerate(self.nodes):
            if node.domain is Domain.PICTURE:
                given = [values[source] for source in node.inputs]
                values[place] = features if isinstance(node.operation, Input) else _apply(xp, node.operation, given)
        return xp.concatenate([values[place] for place in self._seen()])

    def step(self, xp: Operations, token: Value, h: Value, c: Value, image: Value) -> tuple[Value, Value, Value]:
        """Return the logits [B, V] and the next state, h and c [B, S], after the words `token` int32 [B]."""
        if self.recurrent:
            states = zip(_cut_as(h, self._units()), _cut_as(c, self._units()), strict=True)
            logits, after = self._run(xp, [token], [None], image, states)
            return logits, *(xp.concatenate(list(part)) for part in zip(*after, strict=True))
        window = self._pushed(xp, xp.number(token), h)
        tokens = [xp.whole(window[:, place]) for place in range(self.length)]
        masks = [window[:, place : place + 1] > 0.5 for place in range(self.length)]  # noqa: PLR2004 - padding is 0
        logits, _ = self._run(xp, tokens, masks, image, None)
        return logits, window, c

    def _pushed(self, xp: Operations, token: Value, window: Value) -> Value:
        """Return the padded caption [B, length] with a token [B, 1] more."""
        if self.padding is Padding.PRE:
            return xp.concatenate([window[:, 1:], token])
        # Tokens are whole and at least 1: the number of those that are there is the place of the next.
        held = xp.total(xp.minimum(window, 1.0))
        places = xp.constant(np.arange(self.length, dtype=np.float32)[np.newaxis])
        here = xp.maximum(1.0 - xp.maximum(places - held, held - places), 0.0)
        return window + here * token

    def _run(
        self,
        xp: Operations,
        tokens: Sequence[Value],
        masks: Sequence[Value],
        image: Value,
        states: "Iterator[tuple[Value, Value]] | None",
    ) -> tuple[Value, list[tuple[Value, Value]]]:
        values: dict[int, Any] = dict(zip(self._seen(), _cut_as(image, self.seen_widths), strict=True))
        after: list[tuple[Value, Value]] = []
        for place, node in enumerate(self.nodes):
            if node.domain is Domain.PICTURE:
                continue
            given = [values[source] for source in node.inputs]
            match node.operation:
                case Embedding(table=table):
                    values[place] = [xp.take(xp.constant(table), token) for token in tokens]
                case Prepend():
                    values[place] = [given[0] + xp.zeros(tokens[0], node.width), *given[1]]
                case Repeat():
                    # Its rows are as many as the captions'.
                    values[place] = [given[0] + xp.zeros(token, node.width) for token in tokens]
                case Recurrent(cell=cell, sequences=sequences, backward=backward):
                    masked = self.nodes[node.inputs[0]].masked
                    outputs, state = _over(
                        xp,
                        cell,
                        given[0],
                        masks if masked else None,
                        next(states) if states else None,
                        backward=backward,
                    )
                    after.append(state)
                    values[place] = outputs if sequences else outputs[-1]
                case Bidirectional(forward=forward, backward=backward_cell, sequences=sequences, how=how):
                    seen = masks if self.nodes[node.inputs[0]].masked else None
                    there, _ = _over(xp, forward, given[0], seen, None)
                    back, _ = _over(xp, backward_cell, given[0], seen, None, backward=True)
                    pairs = zip(there, reversed(back), strict=True) if sequences else [(there[-1], back[-1])]
                    joined = [_joined(xp, how, pair) for pair in pairs]
                    values[place] = joined if sequences else joined[0]
                case operation if node.domain is Domain.WORDS:
                    values[place] = [_apply(xp, operation, list(one)) for one in zip(*given, strict=True)]
                case operation:
                    values[place] = _apply(xp, operation, given)
        return values[len(self.nodes) - 1], after

    def _cells(self) -> list[Cell]:
        return [node.operation.cell for node in self.nodes if isinstance(node.operation, Recurrent)]

    def _units(self) -> list[int]:
        return [cell.units for cell in self._cells()]

    def _seen(self) -> list[int]:
        """Return the picture's nodes that the words' nodes look at, in order."""
        looked_at = {source for node in self.nodes if node.domain is not Domain.PICTURE for source in node.inputs}
        return sorted(place for place in looked_at if self.nodes[place].domain is Domain.PICTURE)


def _over(
    xp: Operations,
    cell: Cell,
    positions: Sequence[Value],
    masks: Sequence[Value] | None,
    state: tuple[Value, Value] | None,
    *,
    backward: bool = False,
) -> tuple[list[Value], tuple[Value, Value]]:
    """Run a cell over the positions; its outputs in the order in which it ran, and its last state.

    Where a mask says that a position is padding, output and state stay as they were (Keras's `backend.rnn`).
    """
    zeros = xp.zeros(positions[0], cell.units)
    h, c = state or (zeros, zeros)
    outputs = []
    places = range(len(positions))
    # What stands before the words is not padding.
    first_word = len(positions) - len(masks or positions)
    for place in reversed(places) if backward else places:
        next_h, next_c = cell.step(xp, positions[place], h, c)
        mask = masks[place - first_word] if masks and place >= first_word else None
        h = next_h if mask is None else xp.where(mask, next_h, h)
        c = next_c if mask is None else xp.where(mask, next_c, c)
        outputs.append(h)
    return outputs, (h, c)


def _apply(xp: Operations, operation: Operation, given: Sequence[Value]) -> Value:
    """Apply an operation that treats every position alike."""
    match operation:
        case Dense(kernel=kernel, bias=bias, activation=activation):
            return ACTIVATIONS[activation](xp, given[0] @ xp.constant(kernel) + xp.constant(bias))
        case Activation(slope=float(slope)):
            return xp.maximum(given[0], 0.0) + slope * xp.minimum(given[0], 0.0)
        case Activation(name=name):
            return ACTIVATIONS[name](xp, given[0])
        case Normalization() as normalization:
            scale, shift = normalization.as_affine()
            return given[0] * xp.constant(scale) + xp.constant(shift)
        case LayerNormalization(gamma=gamma, beta=beta, epsilon=epsilon):
            share = 1.0 / len(gamma)
            centred = given[0] - xp.total(given[0]) * share
            deviation = xp.root(xp.total(centred * centred) * share + epsilon)
            return centred / deviation * xp.constant(gamma) + xp.constant(beta)
        case Join(how=how):
            return _joined(xp, how, given)
    raise AssertionError("unreachable")


def _joined(xp: Operations, how: str, given: Sequence[Value]) -> Value:
    if how == "concatenate":
        # A picture beside captions has one row; concatenation, unlike a sum, does not repeat it.
        rows = sum((one[:, :1] * 0.0 for one in given[1:]), given[0][:, :1] * 0.0)
        return xp.concatenate([one + rows for one in given])
    if how == "multiply":
        return reduce(lambda one, other: one * other, given)
    total = reduce(lambda one, other: one + other, given)
    return total * (1.0 / len(given)) if how == "average" else total


def _cut(array: Value, width: int, pieces: int) -> list[Value]:
    return _cut_as(array, [width] * pieces)


def _cut_as(array: Value, widths: Sequence[int]) -> list[Value]:
    """Cut [B, sum of widths] into pieces of these widths."""
    ends = np.cumsum(widths).tolist()
    return [array[:, end - width : end] for width, end in zip(widths, ends, strict=True)]
