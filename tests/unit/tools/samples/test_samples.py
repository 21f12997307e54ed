"""The pictures of samples/: the script draws those that are shipped, and the page says of each where it is from."""

import re

import numpy as np
from PIL import Image

from captioning.pictures.limits import MAX_BYTES
from tests.support.stack import ROOT
from tools.samples.__main__ import drawn
from tools.samples.rooms import VARIANTS

FOLDER = ROOT / "samples"
LARGEST = 250_000
"""Bytes of a picture: they are fetched with the project by everybody."""


def test_the_script_draws_what_is_shipped() -> None:
    made = dict(drawn())
    assert {path.name for path in FOLDER.glob("*.jpg")} - {"photographer.jpg"} == made.keys()
    for name, picture in made.items():
        with Image.open(FOLDER / name) as shipped:
            assert shipped.size == picture.size, name
            away = np.asarray(shipped, dtype=float) - np.asarray(picture, dtype=float)
        # JPEG moves a grain here and there, and another release of Pillow an outline.
        assert float(np.abs(away).mean()) < 6, name


def test_a_variant_is_neither_its_render_nor_another_variant() -> None:
    made = {name: np.asarray(picture, dtype=float) for name, picture in drawn() if "-" in name or "kitchen" in name}
    kitchens = [made["kitchen.jpg"], *(made[f"kitchen-{variant}.jpg"] for variant in VARIANTS)]
    for at, one in enumerate(kitchens):
        for other in kitchens[at + 1 :]:
            assert float(np.abs(one - other).mean()) > 3


def test_they_are_small_and_can_be_sent_to_the_api() -> None:
    for path in FOLDER.glob("*.jpg"):
        assert path.stat().st_size <= LARGEST < MAX_BYTES, path.name
        with Image.open(path) as picture:
            assert picture.format == "JPEG"
            assert not picture.getexif()


def test_the_page_names_every_picture_with_its_licence_and_no_other() -> None:
    page = (FOLDER / "README.md").read_text()
    named: set[str] = set()
    for cell, licence in re.findall(r"^\| (`[^|]+) \|.*\| ([^|]+) \|$", page, re.MULTILINE):
        if ".jpg" in cell:
            assert licence.startswith("CC0 1.0"), cell
            named.update(re.findall(r"`([a-z-]+\.jpg)`", cell))
    # Those of the rooms stand once, and the variants have a table of their own.
    named |= {f"{room}-{variant}.jpg" for room in ("kitchen", "living-room") for variant in VARIANTS}
    assert named == {path.name for path in FOLDER.glob("*.jpg")}


def test_the_table_of_variants_is_that_of_the_script() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    assert {name: tuple(map(float, values)) for name, *values in rows} == {
        name: (how.strength, how.guidance, how.control) for name, how in VARIANTS.items()
    }
