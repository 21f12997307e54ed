"""The bundle that comes with the product: it opens, and it says something well formed about a picture."""

import io
from itertools import pairwise

import pytest
from PIL import Image, ImageDraw

from captioning.captioner import Captioner
from captioning.model.bundle import open_bundle
from captioning.model.decoding import Decoding

MAX_BUNDLE_BYTES = 40 * 1000 * 1000


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return Captioner(open_bundle("file://models/flickr8k"))


def meadow() -> bytes:
    """A brown animal on green grass under a blue sky, about as well as rectangles and ellipses can show it."""
    image = Image.new("RGB", (640, 480), (120, 170, 230))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 240, 640, 480), fill=(60, 140, 50))
    draw.ellipse((200, 230, 420, 340), fill=(120, 80, 40))
    draw.ellipse((390, 190, 470, 270), fill=(130, 90, 45))
    for x in (230, 270, 350, 390):
        draw.rectangle((x, 310, x + 16, 390), fill=(110, 70, 35))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def test_it_is_small_enough_for_the_image_of_a_function() -> None:
    manifest = open_bundle("file://models/flickr8k").manifest
    assert sum(file.size for file in manifest.files) <= MAX_BUNDLE_BYTES


@pytest.mark.parametrize("decoding", [None, Decoding(1, 0.0, 20), Decoding(5, 1.0, 20)], ids=["own", "greedy", "five"])
def test_its_captions_are_well_formed(captioner: Captioner, decoding: Decoding | None) -> None:
    caption = captioner.caption(meadow(), decoding)
    words = caption.text.split()
    assert 3 <= len(words) <= (decoding or captioner.decoding).max_words
    assert caption.text == caption.text.lower().strip()
    assert all(word.isascii() and word.strip("',-").isalnum() for word in words)
    pairs = list(pairwise(words))
    assert len(pairs) == len(set(pairs))
    assert all(a != b for a, b in pairs)
    assert 0 < caption.confidence <= 1


def test_it_says_the_same_of_the_same_picture(captioner: Captioner) -> None:
    assert captioner.caption(meadow()) == captioner.caption(meadow())
