"""Comparing a bundle with captions of the user's own run: by the bundle that is there, and without TensorFlow."""

import sys
from pathlib import Path

import pytest

from captioning.captioner import Captioner
from captioning.model.bundle import open_bundle
from tools.captioner.__main__ import main
from tools.captioner.errors import DatasetError, UnfitBundleError
from tools.captioner.own_run import Agreement, compare_with_own_run, read_own_run, require_agreement
from tools.captioner.pictures import draw_pictures

BUNDLE = Path("models/flickr8k")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_pictures(tmp_path_factory.mktemp("pictures") / "drawn")[:3]


@pytest.fixture(scope="module")
def said(pictures: list[Path]) -> list[str]:
    captioner = Captioner(open_bundle(f"file://{BUNDLE}"))
    return [captioner.caption(picture.read_bytes()).text for picture in pictures]


def test_the_same_words_are_the_same_whatever_stands_around_them(
    pictures: list[Path], said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = [f"<start> {said[0].upper()} <end>", f"{said[1]} .", "another caption"]
    table = tmp_path / "mine.csv"
    lines = (f"{path.name};{caption}" for path, caption in zip(pictures, written, strict=True))
    table.write_text("\ufeffImage;Caption\n" + "\n".join(lines) + "\n", encoding="utf-8")
    found = ["verify", "--bundle", str(BUNDLE), "--captions", str(table), "--pictures", str(pictures[0].parent)]
    assert main(found) == 0
    summary = capsys.readouterr().out
    assert summary.startswith(
        "2 of 3 captions of your own run are the same; of drawn2.png, yours says 'another caption'"
    )
    assert "tensorflow" not in sys.modules


def test_a_float32_bundle_has_to_repeat_all_of_them() -> None:
    require_agreement(Agreement(3, 3, ()))
    with pytest.raises(UnfitBundleError, match=r"2 of 3 captions .*a\.jpg, yours says 'x' .*--encoder.*--resampling"):
        require_agreement(Agreement(3, 2, (("a.jpg", "x", "y"),)))


def test_pictures_lie_beside_the_table_unless_a_folder_is_named(pictures: list[Path], tmp_path: Path) -> None:
    table = pictures[0].parent / "mine.csv"
    table.write_text(f"picture,caption\n{pictures[0].name},a\n", encoding="utf-8")
    assert [one.picture for one in read_own_run(table, None)] == [pictures[0]]
    with pytest.raises(DatasetError, match=r"line 2 of .*mine\.csv names drawn0\.png, which is not in"):
        read_own_run(table, tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "begins with nothing, and the columns picture and caption"),
        (b"name,words\na,b\n", "begins with name, words, and the columns picture and caption"),
        (b"picture,caption\n", "has no captions"),
        (b"picture,caption\n,a dog\n", "line 2 of .* has no picture"),
        (b"picture,caption\ndrawn0.png,\n", "line 2 of .* has no caption"),
        (b"picture,caption\n\xff\xfe,a dog\n", "cannot be read as a CSV in UTF-8"),
    ],
)
def test_a_table_that_is_none_is_refused_by_its_line(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=reason):
        read_own_run(tmp_path / "mine.csv", None)


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "mine.csv").write_text("picture,caption\na.jpg,a dog\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"a\.jpg cannot be read as a picture"):
        compare_with_own_run(open_bundle(f"file://{BUNDLE}"), read_own_run(tmp_path / "mine.csv", None))
