"""Captions: caption a picture, unless the same one was captioned before. The way in for the functions.

"The same" is the same bytes, captioned by the same bundle with the same decoding options. Trouble with the store never
costs a caption: it is logged, under "captioning", and the caption is made and served uncached.
"""

import logging
from dataclasses import dataclass
from hashlib import sha256

from captioning.captioner import Captioner
from captioning.decoding import Decoding
from captioning.errors import CaptionStoreError
from captioning.store import CaptionStore

_log = logging.getLogger("captioning")


@dataclass(frozen=True, slots=True)
class Captioned:
    """An answer: what the picture shows, how sure the model is of its words (0 to 1), and whether it was stored."""

    caption: str
    confidence: float
    model_version: str
    cached: bool


def caption_picture(
    captioner: Captioner, store: CaptionStore, picture: bytes, decoding: Decoding | None = None
) -> Captioned:
    """Caption a picture, by the bundle's own decoding options or by others.

    Raises PictureError or BundleError, as `Captioner.caption` does; never an error of the store.
    """
    key = caption_key(picture, captioner.model_version, decoding or captioner.decoding)
    store_answers = True
    try:
        if stored := store.get(key):
            return Captioned(stored.text, stored.confidence, stored.model_version, cached=True)
    except CaptionStoreError as error:
        _log.warning("caption store not read: %s", error)
        store_answers = False
    made = captioner.caption(picture, decoding)
    if store_answers:
        try:
            store.put(key, made)
        except CaptionStoreError as error:
            _log.warning("caption store not written: %s", error)
    return Captioned(made.text, made.confidence, made.model_version, cached=False)


def caption_key(picture: bytes, model_version: str, decoding: Decoding) -> str:
    """The key of a caption: the picture's sha256, the bundle's version and the decoding options."""
    options = (decoding.beam_width, float(decoding.length_penalty), decoding.max_words, decoding.no_repeat_ngram)
    return "/".join((sha256(picture).hexdigest(), model_version, "-".join(map(str, options))))
