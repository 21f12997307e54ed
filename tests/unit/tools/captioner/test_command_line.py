"""The tools' command line: help without TensorFlow, and errors in one line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.captioner.__main__ import main
from tools.captioner.errors import ToolchainError
from tools.captioner.toolchain import require

COMMANDS = (
    "adapt",
    "build",
    "convert",
    "convert-encoder",
    "encode",
    "train",
    "bundle",
    "evaluate",
    "publish",
    "verify",
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of two pictures without features."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "captions.txt").write_text("image,caption\na.jpg,A dog\nb.jpg,A cat\n", encoding="utf-8")
    (folder / "train.txt").write_text("a.jpg\n", encoding="utf-8")
    (folder / "val.txt").write_text("b.jpg\n", encoding="utf-8")
    return folder


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.captioner", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert command in capsys.readouterr().out


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from tools.captioner.__main__ import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'numpy', 'tensorflow', 'keras', 'PIL', 'tqdm', 'ai_edge_litert'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert all(re.search(rf"^    {command}\s", done.stdout, re.MULTILINE) for command in COMMANDS)
    assert done.stdout.endswith("[]\n")


def test_a_command_that_does_not_exist_is_an_error_of_usage() -> None:
    done = run("fly")
    assert done.returncode == 2
    assert "invalid choice: 'fly'" in done.stderr


def test_an_error_is_one_line_on_stderr_and_nothing_on_stdout(tmp_path: Path) -> None:
    done = run("train", "--data", str(tmp_path / "nowhere"), "--work", str(tmp_path / "work"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("tools.captioner: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("convert-encoder", "--weights", "nowhere.pt"), "nowhere.pt is not a file"),
        (("train", "--data", "{data}"), "there are no features for train.txt"),
        (("train", "--data", "{data}", "--dropout", "1"), "dropout"),
        (("adapt", "--data", "{data}", "--adapt-rate", "0"), "adapt_rate must lie between 0 and 1"),
        (("build", "--data", "{data}", "--out", "out", "--adapt-epochs", "-1"), "adapt_epochs and adapt_seed"),
        (("train", "--data", "{data}", "--draws", "1"), "draws must be at least 2, not 1"),
        (("build", "--data", "{data}", "--out", "out", "--epochs", "0"), "epochs must be at least 1, not 0"),
        (("bundle", "--data", "{data}", "--out", "out"), "holds no decoder.tflite: run train first"),
        (("encode", "--data", "{data}"), "run convert-encoder first"),
        (("evaluate", "--data", "{data}", "--bundle", "nowhere"), "nowhere/manifest.json"),
        (("evaluate", "--data", "{data}", "--bundle", "models/flickr8k", "--beam-width", "11"), "beam_width"),
        (("evaluate", "--data", "{data}", "--bundle", "tests/bundles/tiny", "--topic-weight", "2"), "knows no topics"),
        (("evaluate", "--data", "{data}", "--bundle", "models/flickr8k"), "learned from pictures, and needs them"),
    ],
)
def test_what_is_wrong_is_said_precisely(
    arguments: tuple[str, ...], reason: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = () if arguments[0] == "evaluate" else ("--work", str(tmp_path / "work"))
    assert main([argument.format(data=data) for argument in (*arguments, *work)]) == 1
    assert reason in capsys.readouterr().err


def test_a_package_that_is_missing_is_named_with_the_file_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ToolchainError, match=r"tensorflow is not installed: .*tools/captioner/requirements.txt"):
        require("tensorflow")


def test_a_weights_package_that_is_missing_is_named_with_the_file_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.captioner.encoder.WEIGHTS_PACKAGE", "a-package-that-nobody-has")
    assert main(["convert-encoder", "--work", str(tmp_path)]) == 1
    assert "tools/captioner/weights.txt" in capsys.readouterr().err
