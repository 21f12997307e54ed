"""The report: a page that shows good and bad captions alike, and stands on its own."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioning.model.decoding import Decoding
from tools.captioner.dataset import Dataset
from tools.captioner.errors import DatasetError
from tools.captioner.figures import Evaluation
from tools.captioner.report import write_report
from tools.captioner.scores import score_captions
from tools.captioner.sentences import judge_sentences

NAMES = tuple(f"picture <{number}>.png" for number in range(40))


@pytest.fixture
def dataset() -> Dataset:
    captions = tuple(((f"word{number}", "in", "the", "grass"), ("a", "picture")) for number in range(40))
    return Dataset(NAMES, np.zeros((40, 2), np.float32), captions)


@pytest.fixture
def evaluations(dataset: Dataset) -> list[Evaluation]:
    """Right captions for the first half of the pictures, and none for the others; and another way of decoding."""
    captions = tuple((f"word{number}", "in", "the", "grass") if number < 20 else ("&",) for number in range(40))
    scores = score_captions(captions, dataset.captions)
    sentences = judge_sentences(captions, dataset.captions)
    return [
        Evaluation(Decoding(width, 0.7, 20, topic_weight=1.2), scores, captions, sentences, None) for width in (1, 3)
    ]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        Image.new("RGB", (800, 600), (number, 0, 0)).save(folder / name)
    return folder


def test_it_shows_captions_from_the_best_to_the_worst_beside_their_pictures(
    dataset: Dataset, evaluations: list[Evaluation], pictures: Path, tmp_path: Path
) -> None:
    page = write_report(tmp_path / "out", "a model & its <figures>", evaluations, dataset, pictures)
    text = page.read_text(encoding="utf-8")
    assert "<h1>a model &amp; its &lt;figures&gt;</h1>" in text
    assert text.count('<tr class="best"><td>1<td>0.7<td>1.2<td>barred<td>') == 1
    scores = [float(score) for score in re.findall(r"</b>CIDEr-D ([\d.]+)", text)]
    assert len(scores) == 24
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0 == scores[-1]
    shown = re.findall(r'<img src="([^"]+)" alt="picture &lt;\d+&gt;.png">', text)
    assert len(set(shown)) == 24
    for file in shown:
        with Image.open(page.parent / file) as image:
            assert image.size == (320, 240)
    assert "http" not in text


def test_without_pictures_it_names_them(dataset: Dataset, evaluations: list[Evaluation], tmp_path: Path) -> None:
    text = write_report(tmp_path, "a model", evaluations, dataset, None).read_text(encoding="utf-8")
    assert "<img" not in text
    assert "picture &lt;0&gt;.png" in text


def test_a_picture_that_is_none_is_named(
    dataset: Dataset, evaluations: list[Evaluation], pictures: Path, tmp_path: Path
) -> None:
    for name in NAMES:
        (pictures / name).write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"picture <\d+>\.png cannot be read as a picture"):
        write_report(tmp_path / "out", "a model", evaluations, dataset, pictures)
