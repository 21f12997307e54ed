"""What the page says of captioners is what the converter does: its tables are the code's."""

import argparse
import re
from pathlib import Path

from tools.captioner.__main__ import _parser
from tools.captioner.encoder import FEATURE_WIDTH, INPUT_SIZE
from tools.captioner.encoders.networks import BY_NAME, IMAGENET_2015
from tools.captioner.keras.description import MAX_CALLS, MAX_PARTS_DEPTH
from tools.captioner.keras.files import MAX_ARRAY_BYTES, MAX_CONFIG_BYTES, MAX_DEPTH, MAX_NODES
from tools.captioner.keras.layers import KINDS, PASSED_OVER, REMEDIES
from tools.captioner.network import ACTIVATIONS
from tools.captioner.tokenizers.choosing import MARKS, PLAIN_MARKS
from tools.captioner.tokenizers.containers import MAX_TOKENIZER_BYTES

PAGE = Path("docs/converting.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of the first table of a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_layers_that_are_taken_are_those_that_the_converter_knows() -> None:
    listed = [name for row in rows("What is taken") for name in names(row[0])]
    assert sorted(listed) == sorted({*KINDS, *PASSED_OVER, "InputLayer", "Softmax"})
    activations = next(names(row[2]) for row in rows("What is taken") if "`Activation`" in row[0])
    known = {name.removesuffix("_2").removesuffix("_3") for name in ACTIVATIONS}
    assert activations == sorted(known)


def test_the_layers_that_are_not_taken_are_those_that_have_a_remedy() -> None:
    listed = [name for row in rows("What is not taken") for name in names(row[0])]
    assert sorted(listed) == sorted(REMEDIES)
    assert not {*REMEDIES} & {*KINDS, *PASSED_OVER}


def test_the_encoders_are_those_that_can_be_named() -> None:
    listed = {names(row[0])[0]: (int(row[1]), int(row[2])) for row in rows("Encoders")}
    known = {network.name: (network.width, network.side) for network in BY_NAME.values()}
    assert listed == {**known, IMAGENET_2015: (FEATURE_WIDTH, INPUT_SIZE)}


def test_the_marks_are_those_that_are_looked_for() -> None:
    listed = re.findall(r"`(\S+)`\s`(\S+)`", section("Marks"))
    assert tuple(listed) == (*MARKS, *PLAIN_MARKS)


def test_the_options_are_those_of_the_command() -> None:
    commands = next(action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)).choices
    options = {option for action in commands["convert"]._actions for option in action.option_strings} - {"-h", "--help"}
    assert {name for row in rows("What goes in") for name in names(row[0])} == options


def test_the_limits_are_those_of_the_readers() -> None:
    said = re.sub(r"\s+", " ", section("What is refused"))
    mebibyte = 1024 * 1024
    assert f"{MAX_ARRAY_BYTES // mebibyte} MiB of arrays, {MAX_CONFIG_BYTES // mebibyte} MiB of description" in said
    assert f"{MAX_NODES:,} parts and {MAX_DEPTH} levels of HDF5, {MAX_CALLS:,} calls" in said
    assert f"parts {MAX_PARTS_DEPTH} deep" in said
    assert f"{MAX_TOKENIZER_BYTES // mebibyte} MiB of tokenizer" in said
