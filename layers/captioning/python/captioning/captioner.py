"""The captioner: the models of a bundle, loaded, which caption pictures.

One captioner serves any number of threads, one caption at a time. Making one fails if the parts of the bundle do not
fit each other.
"""

import threading

import numpy as np
from numpy.typing import NDArray

from captioning.caption import Alternative, Caption
from captioning.errors import BundleError
from captioning.model.bundle import VOCABULARY, Bundle
from captioning.model.confidence import Evidence
from captioning.model.decoding import MAX_BEAM_WIDTH, Decoding, Floats, Hypothesis, Tokens, search
from captioning.model.interpreter import Decoder, Encoder
from captioning.model.topics import rank_by_support
from captioning.model.vocabulary import Vocabulary
from captioning.pictures.tensors import read_picture


def decode(decoder: Decoder, vocabulary: Vocabulary, features: Floats, decoding: Decoding) -> list[Hypothesis]:
    """Find captions, in tokens, for a picture's features, float32 [1, features]; best first.

    See `captioning.model.decoding.search`, and for a decoder that knows topics `captioning.model.topics`.

    Raises:
        BundleError: the decoder fails.
        ValueError: the decoder's logits are not finite.
    """
    image = decoder.project(features)
    h = c = np.zeros((decoding.beam_width, decoder.state), np.float32)

    def step(tokens: Tokens, parents: NDArray[np.intp]) -> Floats:
        nonlocal h, c
        logits, h, c = decoder.step(tokens, h[parents], c[parents], image)
        return logits

    found = search(step, start=vocabulary.start, end=vocabulary.end, barred=vocabulary.barred(), decoding=decoding)
    if not vocabulary.topics:
        return found
    return rank_by_support(found, vocabulary.topics, decoder.shares(features)[0], decoding.topic_weight)


class Captioner:
    """Captions pictures with the models of one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the models and caption one grey picture, so that the first caller does not wait for the warm-up.

        Raises:
            BundleError: the runtime refuses a model, or the parts do not fit each other; it names the file.
        """
        self._bundle = bundle
        self._encoder = Encoder(bundle.encoder)
        self._decoder = Decoder(bundle.decoder)
        self._lock = threading.Lock()
        self._check()
        grey = np.zeros((1, self._encoder.height, self._encoder.width, 3), np.float32)
        self._search(self._encoder.encode(grey), self.decoding)

    @property
    def model_version(self) -> str:
        """The version of the bundle."""
        return self._bundle.manifest.model_version

    @property
    def decoding(self) -> Decoding:
        """The decoding options in the bundle's manifest."""
        return self._bundle.manifest.decoding

    def is_sure(self, confidence: float) -> bool | None:
        """Tell whether a caption of this confidence can be relied on; None if the bundle has no calibration."""
        calibration = self._bundle.manifest.calibration
        return None if calibration is None else confidence >= calibration.sure_from

    def caption(self, picture: bytes, decoding: Decoding | None = None) -> Caption:
        """Caption a picture; with `decoding` None, by the bundle's own options. No caption is empty.

        Hypotheses that consist of full stops alone are dropped.

        Raises:
            PictureError: the picture cannot be read.
            PictureReaderUnavailableError: the picture cannot be read now.
            BundleError: the models give numbers that are not finite, or only captions of full stops.
        """
        pixels = read_picture(picture, self._bundle.manifest.input)
        with self._lock:
            features = self._encoder.encode(pixels)
            found = self._search(features, decoding or self.decoding)
        # Hypotheses that differ in a final full stop are the same sentence.
        calibration = self._bundle.manifest.calibration
        said: dict[str, float] = {}
        for place, hypothesis in enumerate(found):
            if sentence := self._bundle.vocabulary.detokenise(hypothesis.tokens):
                sure = calibration.probability(found, place, features[0]) if calibration else hypothesis.confidence
                said.setdefault(sentence, sure)
        if not said:
            # The bundle is at fault, not the picture; a caller cannot correct it.
            raise BundleError(str(self._bundle.decoder), "finds nothing but full stops in a picture")
        (text, confidence), *others = said.items()
        alternatives = tuple(Alternative(*other) for other in others[: MAX_BEAM_WIDTH - 1])
        return Caption(text, confidence, self.model_version, alternatives)

    def _search(self, features: Floats, decoding: Decoding) -> list[Hypothesis]:
        try:
            return decode(self._decoder, self._bundle.vocabulary, features, decoding)
        except ValueError as error:
            raise BundleError(str(self._bundle.decoder), f"{error}") from error

    def _check(self) -> None:
        bundle, encoder, decoder = self._bundle, self._encoder, self._decoder
        wanted = bundle.manifest.input
        if (encoder.width, encoder.height) != (wanted.width, wanted.height):
            raise BundleError(
                str(bundle.encoder),
                f"takes {encoder.width} x {encoder.height} pixels; the manifest says {wanted.width} x {wanted.height}",
            )
        if encoder.features != decoder.features:
            raise BundleError(
                str(bundle.decoder), f"takes {decoder.features} features, and the encoder gives {encoder.features}"
            )
        calibration = bundle.manifest.calibration
        if calibration and calibration.picture and len(calibration.picture) != encoder.features:
            raise BundleError(
                str(bundle.encoder),
                f"gives {encoder.features} features; the manifest's confidence weighs {len(calibration.picture)}",
            )
        if decoder.tokens != len(bundle.vocabulary.words):
            raise BundleError(
                str(bundle.decoder.with_name(VOCABULARY)),
                f"has {len(bundle.vocabulary.words)} words, and the decoder has {decoder.tokens}",
            )
        if decoder.topics != len(bundle.vocabulary.topics):
            raise BundleError(
                str(bundle.decoder.with_name(VOCABULARY)),
                f"has {len(bundle.vocabulary.topics)} topics, and the decoder has {decoder.topics}",
            )
        weighs_topics = self.decoding.topic_weight or (calibration and Evidence.SUPPORT in calibration.factors)
        if weighs_topics and not decoder.topics:
            raise BundleError(str(bundle.decoder), "knows no topics, and the manifest weighs them")
