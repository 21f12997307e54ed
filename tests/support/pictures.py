"""Pictures to caption."""

import io

import numpy as np
from PIL import Image


def speckled(seed: int) -> bytes:
    """A PNG of 120 x 90 of coarse grain over one colour; every seed gives another."""
    generator = np.random.default_rng(seed)
    pixels = generator.uniform(0, 255, (1, 1, 3)) + generator.normal(0, 60, (90, 120, 3))
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
