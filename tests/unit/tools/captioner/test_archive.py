"""Reading TorchScript archives: the tensors come out, and nothing else gets in."""

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tools.captioner import archive
from tools.captioner.archive import read_convolution_groups
from tools.captioner.errors import WeightsArchiveError

HEIGHT, WIDTH, ADMITTED, PRODUCED = 3, 2, 4, 5

Tensors = dict[str, np.ndarray]


def layer_tensors(seed: int = 0) -> Tensors:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"weight": (PRODUCED, ADMITTED, HEIGHT, WIDTH)}
    shapes |= dict.fromkeys(("beta", "mean", "var"), (PRODUCED,))
    return {name: rng.normal(size=shape).astype("<f4") for name, shape in shapes.items()}


def unicode(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def whole(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def several(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def tensor(key: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    """A tensor, in the instructions that torch writes for one."""
    length = whole(int(np.prod(shape)))
    storage = several(unicode("storage"), b"ctorch\nFloatStorage\n", unicode(key), unicode("cpu"), length) + b"Q"
    sizes, steps = (several(*map(whole, numbers)) for numbers in (shape, strides))
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + several(storage, whole(offset), sizes, steps, b"\x89", hooks) + b"R"


def module(kind: str, attributes: dict[str, bytes]) -> bytes:
    state = b"".join(unicode(name) + value for name, value in attributes.items())
    return f"c__torch__.net\n{kind}\n".encode() + b")\x81}(" + state + b"ub"


def contiguous(array: np.ndarray) -> tuple[int, ...]:
    return tuple(step // array.itemsize for step in array.strides)


def tree_of(layers: list[Tensors]) -> tuple[bytes, dict[str, bytes]]:
    """The pickle and the raw tensors of a network of convolution layers."""
    raw: dict[str, bytes] = {}
    modules = {}
    for index, layer in enumerate(layers):
        attributes = {"training": b"\x89", "padding": b"ctorch.jit._pickle\nbuild_intlist\n](K\x01K\x01e\x85R"}
        for name, array in layer.items():
            key = str(len(raw))
            raw[key] = array.tobytes()
            attributes[name] = tensor(key, array.shape, contiguous(array))
        modules[f"layer{index}"] = module("Conv2dLayer", attributes)
    return b"\x80\x02" + module("Net", modules) + b".", raw


def write(path: Path, program: bytes, raw: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("net/data.pkl", program)
        for key, content in (raw or {}).items():
            file.writestr(f"net/data/{key}", content)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pt"


def test_every_layer_comes_out_in_order_with_its_kernel_in_keras_order(path: Path) -> None:
    layers = [layer_tensors(seed) for seed in range(3)]
    groups = read_convolution_groups(write(path, *tree_of(layers)))
    assert len(groups) == len(layers)
    for group, layer in zip(groups, layers, strict=True):
        assert group.kernel.shape == (HEIGHT, WIDTH, ADMITTED, PRODUCED)
        np.testing.assert_array_equal(group.kernel[2, 1, 3, 4], layer["weight"][4, 3, 2, 1])
        np.testing.assert_array_equal(group.beta, layer["beta"])
        np.testing.assert_array_equal(group.mean, layer["mean"])
        np.testing.assert_array_equal(group.variance, layer["var"])


class Attack:
    """Pickles to a call of `target`, which the test would notice."""

    def __init__(self, target: Callable[..., object], *arguments: object) -> None:
        self.call = (target, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "attack",
    [
        lambda witness: Attack(os.system, f"touch {witness}"),
        lambda witness: Attack(eval, f"open({str(witness)!r}, 'w')"),
        lambda witness: Attack(os.mkdir, str(witness)),
        lambda witness: [{"weight": (Attack(getattr, Attack(__import__, "os"), "mkdir"), str(witness))}],
    ],
    ids=["os.system", "eval", "os.mkdir", "nested"],
)
def test_a_pickle_that_calls_anything_is_refused_unrun(
    path: Path, tmp_path: Path, attack: Callable[[Path], object], protocol: int
) -> None:
    witness = tmp_path / "witness"
    with pytest.raises(WeightsArchiveError, match=r"asks for|uses"):
        read_convolution_groups(write(path, pickle.dumps(attack(witness), protocol)))
    assert not witness.exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (b"\x80\x02ctorch._utils\n_rebuild_parameter\n.", "asks for torch._utils._rebuild_parameter"),
        (b"\x80\x02ccollections\nOrderedDict.fromkeys\n.", "asks for collections.OrderedDict.fromkeys"),
        (b"\x80\x02cbuiltins\ngetattr\n.", "asks for builtins.getattr"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "uses SHORT_BINUNICODE"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".", "expected 1099511627776 bytes"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1) + b"x.", "uses BYTEARRAY8"),
        (b"(S'true'\nios\nsystem\n.", "uses STRING"),
        (b"\x80\x02\x82\x01.", "uses EXT1"),
        (b"\x80\x02(" + unicode("storage") + unicode("x") + b"tQ.", "unknown way"),
        (b"\x80\x02}(K\x01", "damaged"),
        (b"\x80\x02.", "damaged"),
        (b"\x80\x02h\x07.", "damaged"),
        (b"", "damaged"),
        (b"\x80\x02N.", "no convolution layers"),
    ],
)
def test_an_instruction_or_a_name_that_no_tensor_needs_is_refused(path: Path, program: bytes, reason: str) -> None:
    with pytest.raises(WeightsArchiveError, match=reason):
        read_convolution_groups(write(path, program))


def test_a_memo_index_of_four_billion_costs_no_memory(path: Path) -> None:
    program, raw = tree_of([layer_tensors()])
    program = program[:-1] + b"r" + struct.pack("<I", 0xFFFFFFFF) + b"."
    assert len(read_convolution_groups(write(path, program, raw))) == 1


@pytest.mark.parametrize("index", range(4))
def test_a_tensor_of_another_size_than_described_is_refused(path: Path, index: int) -> None:
    program, raw = tree_of([layer_tensors()])
    raw[str(index)] += b"\0\0\0\0"
    with pytest.raises(WeightsArchiveError, match=f"tensor {index} has"):
        read_convolution_groups(write(path, program, raw))


def test_a_tensor_that_is_not_in_the_archive_is_refused(path: Path) -> None:
    program, raw = tree_of([layer_tensors()])
    del raw["2"]
    with pytest.raises(WeightsArchiveError, match="damaged"):
        read_convolution_groups(write(path, program, raw))


def test_a_tensor_used_twice_is_refused_before_it_multiplies(path: Path) -> None:
    program, raw = tree_of([layer_tensors()])
    with pytest.raises(WeightsArchiveError, match="used twice"):
        read_convolution_groups(write(path, program.replace(unicode("2"), unicode("1")), raw))


@pytest.mark.parametrize(
    "broken", [tensor("0", (4,), (2,)), tensor("0", (4,), (1,), offset=1), tensor("0", (2, 2), (1, 2))]
)
def test_a_tensor_that_is_no_contiguous_block_is_refused(path: Path, broken: bytes) -> None:
    program = b"\x80\x02" + module("Conv2dLayer", {"weight": broken}) + b"."
    with pytest.raises(WeightsArchiveError, match="contiguous"):
        read_convolution_groups(write(path, program, {"0": bytes(16)}))


def test_a_key_cannot_lead_out_of_the_archives_folder(path: Path) -> None:
    program = b"\x80\x02" + module("Conv2dLayer", {"weight": tensor("../data.pkl", (4,), (1,))}) + b"."
    with pytest.raises(WeightsArchiveError, match="unknown way"):
        read_convolution_groups(write(path, program))


@pytest.mark.parametrize("missing", ["beta", "mean", "var"])
def test_a_layer_without_one_of_its_tensors_is_refused(path: Path, missing: str) -> None:
    layer = layer_tensors()
    del layer[missing]
    with pytest.raises(WeightsArchiveError, match="lacks one of"):
        read_convolution_groups(write(path, *tree_of([layer])))


def test_vectors_that_do_not_fit_the_kernel_are_refused(path: Path) -> None:
    layer = layer_tensors() | {"mean": np.zeros(PRODUCED + 1, "<f4")}
    with pytest.raises(WeightsArchiveError, match="not a convolution"):
        read_convolution_groups(write(path, *tree_of([layer])))


def test_numbers_that_are_not_finite_are_refused(path: Path) -> None:
    layer = layer_tensors()
    layer["var"][1] = np.nan
    with pytest.raises(WeightsArchiveError, match="not finite"):
        read_convolution_groups(write(path, *tree_of([layer])))


def test_a_file_that_is_no_zip_is_refused(path: Path) -> None:
    path.write_bytes(b"\x80\x02}q\0.")
    with pytest.raises(WeightsArchiveError, match="cannot be read"):
        read_convolution_groups(path)


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(WeightsArchiveError, match="cannot be read"):
        read_convolution_groups(path)


def test_a_truncated_archive_is_refused(path: Path) -> None:
    write(path, *tree_of([layer_tensors()]))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WeightsArchiveError, match="cannot be read"):
        read_convolution_groups(path)


def test_an_archive_with_a_flipped_bit_is_refused(path: Path) -> None:
    program, raw = tree_of([layer_tensors()])
    content = bytearray(write(path, program, raw).read_bytes())
    content[content.index(raw["0"]) + 7] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsArchiveError, match="cannot be read"):
        read_convolution_groups(path)


@pytest.mark.parametrize("names", [[], ["data.pkl"], ["a/data.pkl", "b/data.pkl"]])
def test_an_archive_needs_one_module_tree(path: Path, names: list[str]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"\x80\x02N.")
    with pytest.raises(WeightsArchiveError, match="module trees"):
        read_convolution_groups(path)


def test_a_zip_bomb_is_refused_by_what_it_says_it_unpacks_to(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("net/data.pkl", b"\x80\x02N.")
        with file.open("net/data/0", "w") as bomb:
            for _ in range(archive.MAX_ARCHIVE_BYTES // 2**20):
                bomb.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(WeightsArchiveError, match="would unpack to over"):
        read_convolution_groups(path)


def test_a_module_tree_over_its_limit_is_refused(path: Path) -> None:
    program = b"\x80\x02" + b"N0" * archive.MAX_PICKLE_BYTES + b"N."
    with pytest.raises(WeightsArchiveError, match="module tree of"):
        read_convolution_groups(write(path, program))


def test_too_many_files_are_refused(path: Path) -> None:
    with pytest.raises(WeightsArchiveError, match=f"would unpack to over .* or {archive.MAX_ENTRIES} files"):
        read_convolution_groups(write(path, b"\x80\x02N.", {str(key): b"" for key in range(archive.MAX_ENTRIES)}))


def test_any_damage_to_the_module_tree_is_an_error_of_ours_or_harmless(path: Path) -> None:
    program, raw = tree_of([layer_tensors()])
    rng = np.random.default_rng(7)
    for _ in range(500):
        damaged = bytearray(program)
        for place in rng.integers(len(program), size=rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        with suppress(WeightsArchiveError):
            assert len(read_convolution_groups(write(path, bytes(damaged), raw))) == 1
