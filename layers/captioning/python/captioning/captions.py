"""Captions: caption a picture, unless the same one was captioned before. The way in for the functions.

"The same" is the same bytes, captioned by the same bundle with the same decoding options. Trouble with the store never
costs a caption: it is logged, under "captioning", and the caption is made and served uncached.
"""

import logging
from dataclasses import dataclass, replace
from hashlib import sha256

from captioning.caption import Alternative, Caption
from captioning.captioner import Captioner
from captioning.errors import CaptionStoreError
from captioning.model.decoding import Decoding
from captioning.stores.port import CaptionStore

_log = logging.getLogger("captioning")


@dataclass(frozen=True, slots=True)
class Captioned:
    """An answer: what the picture shows, how sure the model is of its words (0 to 1), what else the beam found, better-
    ranked first, and whether all this was stored."""

    caption: str
    confidence: float
    model_version: str
    alternatives: tuple[Alternative, ...]
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
        # Releases before 1.0 stored empty captions too.
        if (stored := store.get(key)) and stored.text:
            return _captioned(stored, cached=True)
    except CaptionStoreError as error:
        _log.warning("caption store not read: %s", error)
        store_answers = False
    made = captioner.caption(picture, decoding)
    if store_answers:
        try:
            store.put(key, made)
        except CaptionStoreError as error:
            _log.warning("caption store not written: %s", error)
    return _captioned(made, cached=False)


def choose_decoding(
    own: Decoding,
    *,
    beam_width: int | None = None,
    length_penalty: float | None = None,
    alternatives: int | None = None,
) -> Decoding:
    """A bundle's own decoding options but for those that a caller chose; None is no choice.

    For several `alternatives` the beam is as wide as they are many, unless the caller chose its width. Raises
    DecodingError if a choice is outside its limits.
    """
    return replace(
        own,
        beam_width=max(own.beam_width, alternatives or 1) if beam_width is None else beam_width,
        length_penalty=own.length_penalty if length_penalty is None else length_penalty,
    )


def _captioned(caption: Caption, *, cached: bool) -> Captioned:
    return Captioned(caption.text, caption.confidence, caption.model_version, caption.alternatives, cached)


def caption_key(picture: bytes, model_version: str, decoding: Decoding) -> str:
    """The key of a caption: the picture's sha256, the bundle's version and the decoding options."""
    options = (decoding.beam_width, float(decoding.length_penalty), decoding.max_words, decoding.no_repeat_ngram)
    return "/".join((sha256(picture).hexdigest(), model_version, "-".join(map(str, options))))
