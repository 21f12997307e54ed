"""The work folder: features come from the encoder that will serve, and nothing is done twice."""

import json
import shutil
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioning.model.interpreter import Encoder
from captioning.pictures.tensors import read_picture
from tools.captioner import pictures
from tools.captioner.dataset import Features, read_features
from tools.captioner.errors import DatasetError, UnfitBundleError
from tools.captioner.pictures import INPUT, encode_pictures, find_pictures
from tools.captioner.settings import AdaptationSettings, Recipe
from tools.captioner.verification import verify_encoder
from tools.captioner.views import look_again
from tools.captioner.workshop import Workshop

ENCODER = Path("models/flickr8k/encoder.tflite")
COLOURS = {"red.png": "red", "green.png": "green", "blue.png": "blue"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "Images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        noise = Image.fromarray(rng.integers(256, size=(80, 60, 3), dtype=np.uint8))
        Image.blend(noise, Image.new("RGB", (60, 80), colour), 0.5).save(folder / "Images" / name)
    lines = [f"{name},A {colour} square" for name, colour in COLOURS.items()]
    (folder / "captions.txt").write_text("image,caption\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (folder / "train.txt").write_text("red.png\ngreen.png\n", encoding="utf-8")
    (folder / "val.txt").write_text("blue.png\n", encoding="utf-8")
    return folder


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "work").mkdir()
    shutil.copyfile(ENCODER, tmp_path / "work" / "encoder.tflite")
    return Workshop(tmp_path / "work")


def save(path: Path, features: Features) -> None:
    np.savez(path, names=features.names, features=features.features)


def test_pictures_become_the_features_that_the_served_encoder_gives(workshop: Workshop, data: Path) -> None:
    workshop.encode(data, pictures=None)
    training = read_features(workshop.folder / "features_train.npz")
    assert training.names == ("red.png", "green.png")
    pixels = read_picture((data / "Images" / "green.png").read_bytes(), INPUT)
    np.testing.assert_array_equal(training.features[1], Encoder(ENCODER).encode(pixels)[0])
    assert read_features(workshop.folder / "features_val.npz").names == ("blue.png",)


def test_a_finished_step_is_not_repeated_and_an_unfinished_one_is(
    workshop: Workshop, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = workshop.folder / "features_train.npz"
    workshop.encode(data, pictures=None)
    made.write_bytes(b"untouched")
    workshop.encode(data, pictures=None)
    assert made.read_bytes() == b"untouched"
    assert "features: nothing has changed" in capsys.readouterr().err
    (workshop.folder / "features.json").unlink()
    workshop.encode(data, pictures=None)
    assert read_features(made).names == ("red.png", "green.png")


def test_a_step_is_repeated_when_what_it_is_made_from_changes(workshop: Workshop, data: Path) -> None:
    workshop.encode(data, pictures=None)
    (data / "train.txt").write_text("red.png\n", encoding="utf-8")
    workshop.encode(data, pictures=None)
    assert read_features(workshop.folder / "features_train.npz").names == ("red.png",)


def test_a_step_that_broke_off_over_other_ingredients_leaves_nothing_that_passes_for_the_old(
    workshop: Workshop, data: Path
) -> None:
    workshop.encode(data, pictures=None)
    (data / "train.txt").write_text("green.png\n", encoding="utf-8")
    (data / "Images" / "blue.png").rename(data / "blue.png")
    with pytest.raises(DatasetError, match="blue"):
        workshop.encode(data, pictures=None)
    (data / "train.txt").write_text("red.png\ngreen.png\n", encoding="utf-8")
    (data / "blue.png").rename(data / "Images" / "blue.png")
    workshop.encode(data, pictures=None)
    assert read_features(workshop.folder / "features_train.npz").names == ("red.png", "green.png")


def test_features_that_the_data_brings_are_used_if_the_encoder_agrees(workshop: Workshop, data: Path) -> None:
    for split, names in (("train", ("red.png", "green.png")), ("val", ("blue.png",))):
        save(data / f"features_{split}.npz", encode_pictures(ENCODER, data / "Images", names))
    workshop.encode(data, pictures=None)
    assert not (workshop.folder / "features_val.npz").exists()
    record = json.loads((workshop.folder / "features.json").read_text(encoding="utf-8"))
    assert record["cosine_minimum"] == 1.0
    assert record["cosine_pictures"] == 1


def test_other_views_of_the_training_pictures_are_encoded_and_those_of_an_earlier_run_go(
    workshop: Workshop, data: Path
) -> None:
    workshop.encode(data, pictures=None, views=2)
    whole = read_features(workshop.folder / "features_train.npz")
    views = [read_features(workshop.folder / f"view-{number}.npz") for number in (1, 2)]
    assert {view.names for view in views} == {whole.names}
    assert not np.allclose(views[0].features, views[1].features)
    assert not np.allclose(views[0].features, whole.features)
    assert json.loads((workshop.folder / "features.json").read_text(encoding="utf-8"))["views"] == 2
    workshop.encode(data, pictures=None, views=1)
    assert [path.name for path in workshop.folder.glob("view-*")] == ["view-1.npz"]
    np.testing.assert_array_equal(read_features(workshop.folder / "view-1.npz").features, views[0].features)


def test_views_are_left_out_where_the_data_brings_features_alone(
    workshop: Workshop, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, names in (("train", ("red.png", "green.png")), ("val", ("blue.png",))):
        save(data / f"features_{split}.npz", encode_pictures(ENCODER, data / "Images", names))
    (data / "Images" / "red.png").unlink()
    workshop.encode(data, pictures=None, views=2)
    assert "learned from as a whole only" in capsys.readouterr().err
    assert not list(workshop.folder.glob("view-*"))


def test_a_view_is_most_of_its_picture_and_now_and_then_mirrored(tmp_path: Path) -> None:
    across, down = 80, 60
    shades = np.zeros((down, across, 3), np.uint8)
    shades[..., 0], shades[..., 1] = np.arange(across), np.arange(down)[:, np.newaxis]
    Image.fromarray(shades).save(tmp_path / "ramp.png")
    seen = []
    for number in range(40):
        view = look_again((tmp_path / "ramp.png").read_bytes(), np.random.default_rng(number))
        pixels = np.asarray(Image.open(BytesIO(view))).astype(int)
        assert pixels.shape[0] >= 0.75 * down
        assert pixels.shape[1] >= 0.75 * across
        steps = np.diff(pixels[0, :, 0])
        assert set(steps) in ({1}, {-1})
        assert set(np.diff(pixels[:, 0, 1])) == {1}
        seen.append((pixels.shape, int(steps[0])))
    assert {step for _, step in seen} == {1, -1}
    assert len({shape for shape, _ in seen}) > 20


def test_features_of_another_encoder_are_refused(workshop: Workshop, data: Path) -> None:
    for split, names in (("train", ("red.png", "green.png")), ("val", ("blue.png",))):
        other = encode_pictures(ENCODER, data / "Images", names)
        save(data / f"features_{split}.npz", Features(names, other.features[:, ::-1]))
    with pytest.raises(UnfitBundleError, match=r"features of blue.png have a cosine of 0\.\d+"):
        workshop.encode(data, pictures=None)
    assert not (workshop.folder / "features.json").exists()


def test_agreement_is_judged_by_the_worst_picture() -> None:
    ours = Features(("a", "b"), np.array([[1, 0], [1, 0]], np.float32))
    theirs = Features(("b", "a"), np.array([[1, 0.2], [5, 0]], np.float32))
    with pytest.raises(UnfitBundleError, match=r"features of b have a cosine of 0\.9806"):
        verify_encoder(ours, theirs)
    near = Features(("b", "a"), np.array([[1, 0.1], [5, 0]], np.float32))
    median, smallest = verify_encoder(ours, near)
    assert smallest == pytest.approx(1 / np.sqrt(1.01))
    assert median == pytest.approx((1 + smallest) / 2)


def test_features_that_the_data_brings_are_not_those_of_an_encoder_that_has_learned(
    workshop: Workshop, data: Path
) -> None:
    record = {"made_from": "pictures", "adaptation": {"pictures": 2}}
    (workshop.folder / "encoder.json").write_text(json.dumps(record), encoding="utf-8")
    for split, names in (("train", ("red.png", "green.png")), ("val", ("blue.png",))):
        save(data / f"features_{split}.npz", encode_pictures(ENCODER, data / "Images", names))
    with pytest.raises(DatasetError, match=r"neither .*work/features_train\.npz nor"):
        workshop.train(data, Recipe())
    # The encoder is held to the network that learned, whose weights are missing here.
    with pytest.raises(DatasetError, match=r"holds no adaptation\.json: run adapt first"):
        workshop.encode(data, pictures=None)
    (workshop.folder / "adaptation.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(DatasetError, match="run adapt again"):
        workshop.encode(data, pictures=None)
    assert read_features(workshop.folder / "features_train.npz").names == ("red.png", "green.png")


def test_an_encoder_learns_only_where_there_are_pictures_and_it_is_wished(
    workshop: Workshop, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = workshop.folder / "adaptation.json"
    record.write_text(json.dumps({"made_from": "pictures"}), encoding="utf-8")
    workshop.adapt(data, None, None, AdaptationSettings(adapt_epochs=0))
    assert not record.exists()
    assert capsys.readouterr().err == ""
    (data / "Images" / "red.png").unlink()
    workshop.adapt(data, None, None, AdaptationSettings())
    assert "stays as ImageNet made it" in capsys.readouterr().err


def test_a_picture_that_is_missing_or_none_is_named(workshop: Workshop, data: Path) -> None:
    (data / "Images" / "green.png").write_text("not a picture")
    with pytest.raises(DatasetError, match=r"green\.png cannot be read as a picture"):
        workshop.encode(data, pictures=None)
    (data / "Images" / "green.png").unlink()
    with pytest.raises(DatasetError, match=r"green\.png cannot be read as a picture"):
        workshop.encode(data, pictures=None)


def test_data_without_pictures_and_features_say_what_to_give(workshop: Workshop, data: Path) -> None:
    shutil.rmtree(data / "Images")
    with pytest.raises(DatasetError, match="give --pictures"):
        workshop.encode(data, pictures=None)


def test_a_splits_own_folder_of_pictures_comes_first(data: Path) -> None:
    (data / "images_val").mkdir()
    assert find_pictures(data, "val") == data / "images_val"
    assert find_pictures(data, "train") == data / "Images"


def test_pictures_in_an_archive_are_unpacked_once(workshop: Workshop, data: Path) -> None:
    with tarfile.open(data / "images_train.tar", "w") as archive:
        for name in ("red.png", "green.png"):
            archive.add(data / "Images" / name, f"../some/{name}")
    (data / "Images").rename(data / "images_val")
    workshop.encode(data, pictures=None, views=1)
    assert read_features(workshop.folder / "view-1.npz").names == ("red.png", "green.png")
    assert sorted(path.name for path in (workshop.folder / "images_train").iterdir()) == ["green.png", "red.png"]
    (data / "images_train.tar").write_bytes(b"not read again")
    workshop.encode(data, pictures=None, views=0)


def test_a_picture_in_an_archive_has_a_largest_size(
    workshop: Workshop, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (data / "Images" / "red.png").stat().st_size
    monkeypatch.setattr(pictures, "_MAX_BYTES", size - 1)
    with tarfile.open(data / "images_train.tar", "w") as archive:
        archive.add(data / "Images" / "red.png", "red.png")
    (data / "Images").rename(data / "images_val")
    with pytest.raises(DatasetError, match=rf"red\.png in .* has {size} bytes, over {size - 1}"):
        workshop.encode(data, pictures=None)


@pytest.mark.parametrize(
    ("members", "reason"),
    [(("red.png",), "lacks 1 of the pictures, the first is green.png"), (None, "cannot be unpacked")],
)
def test_an_archive_that_lacks_a_picture_or_is_none_leaves_no_folder(
    workshop: Workshop, data: Path, members: tuple[str, ...] | None, reason: str
) -> None:
    (data / "Images").rename(data / "images_val")
    archive = data / "images_train.tar"
    if members is None:
        archive.write_bytes(b"no archive")
    else:
        with tarfile.open(archive, "w") as opened:
            for name in members:
                opened.add(data / "images_val" / name, name)
    with pytest.raises(DatasetError, match=reason):
        workshop.encode(data, pictures=None)
    assert not (workshop.folder / "images_train").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00"])
def test_a_record_that_is_none_is_named_with_the_way_out(workshop: Workshop, data: Path, content: str) -> None:
    (workshop.folder / "features.json").write_text(content)
    with pytest.raises(DatasetError, match=r"features\.json"):
        workshop.encode(data, pictures=None)
