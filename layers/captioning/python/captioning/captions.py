"""Captions: caption a picture, unless the same one was captioned before. The functions' entry point.

"The same" means the same bytes, captioned by the same bundle with the same decoding options. An error of the store
never prevents a caption: it is logged, under "captioning", and the caption is made and served without the store.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from captioning.caption import Alternative, Caption
from captioning.captioner import Captioner
from captioning.errors import CaptionStoreError, PictureError
from captioning.model.decoding import Decoding
from captioning.pictures.formats import name_of
from captioning.stores.port import CaptionStore

_log = logging.getLogger("captioning")


@dataclass(frozen=True, slots=True)
class Captioned:
    """A caption with the same fields as `Caption`, and `cached`: whether it came from the store.

    `sure` is whether the captioner is; None if its confidence is no probability.
    """

    caption: str
    confidence: float
    model_version: str
    alternatives: tuple[Alternative, ...]
    cached: bool
    sure: bool | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a picture was refused, without anything of the picture.

    `reason` is one of the words of `captioning.errors`, `why` a sentence. `format` is the name of the file's format,
    None if it is not known, and `size` its bytes, None if it was not read.
    """

    reason: str
    why: str
    format: str | None
    size: int | None


def refusal_of(error: PictureError, picture: bytes | None) -> Refusal:
    """Return the refusal of `picture`, None if it was not read, that `error` is."""
    if picture is None:
        return Refusal(error.reason, error.found, None, None)
    return Refusal(error.reason, error.found, name_of(picture), len(picture))


def caption_picture(
    captioner: Captioner,
    store: CaptionStore,
    picture: bytes,
    decoding: Decoding | None = None,
    *,
    observe: Callable[[Refusal], None] = lambda _: None,
) -> Captioned:
    """Return the stored caption of a picture, or make and store one; with `decoding` None, by the bundle's options.

    Errors of the store are logged and never raised. `observe` is called with the refusal of a picture.

    Raises:
        PictureError, PictureReaderUnavailableError, BundleError: as `Captioner.caption` raises them.
    """
    key = caption_key(picture, captioner.model_version, decoding or captioner.decoding)
    store_answers = True
    try:
        # Releases before 1.0 stored empty captions too.
        if (stored := store.get(key)) and stored.text:
            return _captioned(stored, captioner, cached=True)
    except CaptionStoreError as error:
        _log.warning("caption store not read: %s", error)
        store_answers = False
    try:
        made = captioner.caption(picture, decoding)
    except PictureError as error:
        observe(refusal_of(error, picture))
        raise
    if store_answers:
        try:
            store.put(key, made)
        except CaptionStoreError as error:
            _log.warning("caption store not written: %s", error)
    return _captioned(made, captioner, cached=False)


def choose_decoding(
    own: Decoding,
    *,
    beam_width: int | None = None,
    length_penalty: float | None = None,
    alternatives: int | None = None,
) -> Decoding:
    """Return a bundle's `own` decoding options with those replaced that a caller chose; None is no choice.

    Unless the caller chose `beam_width`, it is at least the number of `alternatives`.

    Raises:
        DecodingError: a choice is outside its limits.
    """
    return replace(
        own,
        beam_width=max(own.beam_width, alternatives or 1) if beam_width is None else beam_width,
        length_penalty=own.length_penalty if length_penalty is None else length_penalty,
    )


def _captioned(caption: Caption, captioner: Captioner, *, cached: bool) -> Captioned:
    sure = captioner.is_sure(caption.confidence)
    return Captioned(caption.text, caption.confidence, caption.model_version, caption.alternatives, cached, sure)


def caption_key(picture: bytes, model_version: str, decoding: Decoding) -> str:
    """Return the key of a caption: the picture's sha256, the bundle's version and the decoding options."""
    options = [decoding.beam_width, float(decoding.length_penalty), decoding.max_words, decoding.no_repeat_ngram]
    # What most bundles do not have is no part of their keys, so that captions stored before it was known are found.
    options += [float(decoding.topic_weight)] if decoding.topic_weight else []
    return "/".join((sha256(picture).hexdigest(), model_version, "-".join(map(str, options))))
