"""The folder in which a captioner is made, step by step, and the steps.

    adaptation.npz  adapted.npz  adaptation.json            adapt (only where the data has pictures)
    encoder.tflite  encoder.json                            convert-encoder
    images_train/  images_val/                              (what the data has in images_train.tar and images_val.tar)
    features_train.npz  features_val.npz  features.json     encode (unless the data has this encoder's features)
    view-N.npz                                              (of other views of the training pictures, if any)
    decoder.tflite  vocabulary.json  decoder.json           train
    decoder-N.weights.h5  training-N.npz  rewards-N.npz  grammar-N-M.npz  (of the seed N, how far train is)
    evaluation.json                                         bundle, which chooses how to decode, and fits the confidence

Each step writes its record (`*.json`) last, with a fingerprint of everything that it was made from. A step whose record
says the same again is not repeated, so that an interrupted build goes on where it stopped; within `train`, the longest
step, after the last whole epoch.

It refuses to bundle files that no earlier step has recorded.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from captioning.model.bundle import DECODER, ENCODER, VOCABULARY, Quantization
from captioning.model.decoding import Decoding
from captioning.model.vocabulary import parse_vocabulary
from tools.captioner.adaptation import CaptionedPictures, adapt_encoder
from tools.captioner.archive import ConvolutionGroup
from tools.captioner.bundle import BundleParts, sha256_of, to_json, write_bundle
from tools.captioner.calibration import fit_calibration, fit_picture_weights, to_document
from tools.captioner.checkpoint import Checkpoint
from tools.captioner.dataset import (
    Features,
    captions_of,
    part_of,
    read_captions,
    read_dataset,
    read_features,
    read_names,
)
from tools.captioner.decoder import build_decoder, convert_network, network_of
from tools.captioner.encoder import (
    PACKAGED_LICENCE,
    WEIGHTS_PACKAGE,
    WEIGHTS_VERSION,
    EncoderWeights,
    build_network,
    convert_encoder,
    locate_packaged_weights,
    read_encoder_weights,
    run_network,
)
from tools.captioner.ensemble import product_of
from tools.captioner.errors import DatasetError, WeightsArchiveError
from tools.captioner.evaluation import MAX_WORDS, evaluate_decodings, list_decodings, search_captions
from tools.captioner.figures import best_of, to_markdown
from tools.captioner.pictures import INPUT, encode_pictures, find_pictures, read_sample, unpack_pictures
from tools.captioner.policy import read_policy, write_policy
from tools.captioner.progress import announce
from tools.captioner.reinforcement import reinforce
from tools.captioner.toolchain import installed_versions
from tools.captioner.topic_network import learn_topics, with_topics
from tools.captioner.training import train_decoder
from tools.captioner.trust import as_good_as_people, score_each
from tools.captioner.verification import verify_decoder, verify_encoder, verify_topics
from tools.captioner.views import encode_views
from tools.captioner.vocabulary import build_vocabulary, tokenize
from tools.captioner.vocabulary import to_json as vocabulary_to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from keras import Model
    from numpy.typing import NDArray

    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.dataset import Dataset, Split
    from tools.captioner.settings import AdaptationSettings, Recipe

__all__ = ["FLICKR8K", "Workshop"]

FLICKR8K: Final = (
    'Flickr8k: M. Hodosh, P. Young, J. Hockenmaier, "Framing image description as a ranking task", JAIR 47 (2013). '
    "The photographs belong to their Flickr owners and were published for research and education; none is included."
)
_WEIGHTS_LICENCE: Final = f"Encoder: {PACKAGED_LICENCE}. Decoder: trained by this project."
_STEPS: Final = {
    "adaptation": "adapt",
    "encoder": "convert-encoder",
    "features": "encode",
    "decoder": "train",
    "evaluation": "bundle",
}
_VERIFIED_PICTURES: Final = 100
# Wider beams score no better and take longer; penalties between .7 and 1.5 differ by noise. A heavier weight of topics
# gains little, and of captions that are chosen by their support the support tells less: their confidence is worth less.
_BEAMS: Final = (1, 3, 4)
_PENALTIES: Final = (0.7,)
_TOPIC_WEIGHTS: Final = (0.0, 0.4, 0.8, 1.2)
_SPLITS: "Final[tuple[Split, Split]]" = ("train", "val")


@dataclass(frozen=True, slots=True)
class Workshop:
    """The steps over one folder. Every step raises CaptionerToolError, or the serving layer's CaptioningError."""

    folder: Path

    def adapt(self, data: Path, pictures: Path | None, weights: Path | None, settings: "AdaptationSettings") -> None:
        """Teach the encoder what people say of the training pictures, unless there are none or it is not wished."""
        record = self.folder / "adaptation.json"
        if not settings.adapt_epochs:
            record.unlink(missing_ok=True)
            return
        names = {split: read_names(data, split) for split in _SPLITS}
        folders = {split: self._find_pictures(data, pictures, split) for split in _SPLITS}
        if any(folder is None or not (folder / names[split][0]).is_file() for split, folder in folders.items()):
            announce("the data brings no pictures to learn from: the encoder stays as ImageNet made it")
            record.unlink(missing_ok=True)
            return
        weights, _ = _find_weights(weights)
        captions = read_captions(data)
        training, validation = (
            CaptionedPictures(cast("Path", folders[split]), names[split], captions_of(names[split], captions, split))
            for split in _SPLITS
        )
        made_from = _fingerprint(
            "adaptation",
            sha256_of(weights),
            to_json(asdict(settings)),
            *(repr((split.names, split.captions)) for split in (training, validation)),
            *(sha256_of(training.folder / name) for name in training.names),
        )
        if self._is_made("adaptation", made_from):
            return
        adapted, summary = adapt_encoder(
            read_encoder_weights(weights),
            training,
            validation,
            settings,
            checkpoint=Checkpoint(self.folder / "adaptation.npz", made_from),
        )
        self._adapted(made_from).save(
            [array for group in adapted.groups for array in (group.kernel, group.beta, group.mean, group.variance)], {}
        )
        self._record(
            "adaptation",
            made_from,
            {
                "settings": asdict(settings),
                "pictures": len(training.names),
                "topics": summary.topics,
                "arithmetic": summary.arithmetic,
                "seconds": round(summary.seconds),
                "validation_loss_before": round(summary.before, 4),
                "training_losses": _rounded_all(summary.training_losses),
                "validation_losses": _rounded_all(summary.validation_losses),
            },
        )

    def convert(self, weights: Path | None, quantization: Quantization) -> None:
        """Convert the encoder, from the packaged weights if no others are given; as it was adapted, if it was."""
        weights, origin = _find_weights(weights)
        adapted = self._read_record("adaptation") if (self.folder / "adaptation.json").is_file() else None
        made_from = _fingerprint(
            "encoder", origin, sha256_of(weights), quantization, *([adapted["made_from"]] if adapted else [])
        )
        if self._is_made("encoder", made_from):
            return
        announce(f"converting the encoder, quantization {quantization} (about half a minute)")
        read = self._adapted_weights() if adapted else read_encoder_weights(weights)
        (self.folder / ENCODER).write_bytes(convert_encoder(read, quantization))
        self._record(
            "encoder",
            made_from,
            {
                "network": "InceptionV3, ImageNet, TensorFlow's weights of 2015-12-05, average-pool features",
                "weights": f"{weights.name} of {origin}",
                "weights_sha256": sha256_of(weights),
                "quantization": quantization,
                "adaptation": adapted and _as_provenance(adapted),
            },
        )

    def encode(self, data: Path, pictures: Path | None, views: int = 0) -> None:
        """Encode the pictures of both splits, unless the data brings features; hold the encoder to those it brings.

        `views` is how many other views of each training picture are encoded as well, where the data has the pictures.
        """
        cached = [data / f"features_{split}.npz" for split in _SPLITS]
        self._require(ENCODER, "convert-encoder")
        encoder = sha256_of(self.folder / ENCODER)
        names = {split: read_names(data, split) for split in _SPLITS}
        made_from = _fingerprint(
            "features",
            encoder,
            str(views),
            *names["train"],
            *names["val"],
            *(sha256_of(path) for path in cached if path.is_file()),
        )
        if self._is_made("features", made_from):
            return
        seen = self._encode_views(data, pictures, names["train"], views)
        if not self._is_adapted() and all(path.is_file() for path in cached):
            for path in cached:
                (self.folder / path.name).unlink(missing_ok=True)
            self._record("features", made_from, {**self._compare(data, pictures, names["val"]), "views": seen})
            return
        held: dict[str, object] = {}
        for split in _SPLITS:
            folder = self._find_pictures(data, pictures, split)
            if folder is None:
                raise DatasetError(f"{data} has neither features_{split}.npz nor a folder of pictures: give --pictures")
            features = encode_pictures(self.folder / ENCODER, folder, names[split])
            np.savez(self.folder / f"features_{split}.npz", names=features.names, features=features.features)
            if split == "val" and self._is_adapted():
                held = self._hold_to_network(folder, features)
        self._record("features", made_from, {"features": "made by this encoder", **held, "views": seen})

    def _hold_to_network(self, folder: Path, features: Features) -> dict[str, object]:
        """Compare the first of the features, by the converted encoder, with those of the network that learned."""
        names = features.names[:_VERIFIED_PICTURES]
        samples = (read_sample(folder / name, INPUT) for name in names)
        theirs = Features(names, run_network(build_network(self._adapted_weights()), samples))
        return _agreement(Features(names, features.features[: len(names)]), theirs, "the network's")

    def _encode_views(self, data: Path, pictures: Path | None, names: tuple[str, ...], views: int) -> int:
        """Encode other views of the training pictures; the number of them, 0 where there are no pictures."""
        folder = self._find_pictures(data, pictures, "train")
        if views and (folder is None or not (folder / names[0]).is_file()):
            announce("the data brings features and no training pictures: they are learned from as a whole only")
            views = 0
        # Views of an earlier run with more of them would be taken for this one's.
        for path in self.folder.glob("view-*.npz"):
            path.unlink()
        for view in range(1, views + 1):
            features = encode_views(self.folder / ENCODER, cast("Path", folder), names, view)
            np.savez(self.folder / f"view-{view}.npz", names=features.names, features=features.features)
        return views

    def _compare(self, data: Path, pictures: Path | None, names: tuple[str, ...]) -> dict[str, object]:
        folder = self._find_pictures(data, pictures, "val")
        if folder is None:
            announce("the data brings features and no pictures: the encoder is not compared with them")
            return {"features": "given"}
        ours = encode_pictures(self.folder / ENCODER, folder, names)
        return {"features": "given", **_agreement(ours, read_features(data / "features_val.npz"), "those given")}

    def train(self, data: Path, recipe: "Recipe") -> None:
        """Train decoders, each first on people's captions and then on its own, and make one of them.

        Beside it learns the network that knows topics. Both are held to the networks that they are made of.
        """
        training, validation = (self._dataset(data, split) for split in _SPLITS)
        views = self._views(training)
        made_from = _fingerprint(
            "decoder and topics", to_json(asdict(recipe)), *map(_digest, (training, validation)), *_digest_views(views)
        )
        if self._is_made("decoder", made_from):
            return
        settings, product = recipe.training, recipe.product
        vocabulary = build_vocabulary((caption for said in training.captions for caption in said), settings.min_count)
        captions = sum(map(len, training.captions))
        announce(f"training on {captions} captions of {len(training.names)} pictures, {len(vocabulary.words)} words")
        networks: list[Model] = []
        courses = []
        for place in range(product.seeds):
            own = replace(recipe, training=replace(settings, seed=settings.seed + place))
            announce(f"run {place + 1} of {product.seeds}, seed {own.training.seed}")
            made, course = self._train_decoders(training, validation, views, vocabulary, own)
            networks += made
            courses.append(course)
        members = [(network, 1 / len(networks)) for network in networks]
        quantization = Quantization.DYNAMIC if product.decoder_bits == 8 else Quantization.NONE  # noqa: PLR2004 - bits
        joined = product_of([network_of(network) for network, _ in members], [weight for _, weight in members])
        known = with_topics(vocabulary, training)
        topics = learn_topics(training, known, settings.seed) if known.topics else None
        (self.folder / DECODER).write_bytes(convert_network(joined, quantization, topics))
        difference = verify_decoder(
            members,
            self.folder / DECODER,
            validation,
            vocabulary,
            pictures=_VERIFIED_PICTURES,
            quantization=quantization,
        )
        announce(f"converted decoder: probabilities within {difference:.1e} of the networks'")
        shares = topics and verify_topics(
            topics, self.folder / DECODER, validation, pictures=_VERIFIED_PICTURES, quantization=quantization
        )
        (self.folder / VOCABULARY).write_text(vocabulary_to_json(known), encoding="utf-8")
        self._record(
            "decoder",
            made_from,
            {
                "settings": asdict(settings) | asdict(recipe.rewards) | asdict(recipe.grammar) | asdict(product),
                "quantization": quantization,
                "pictures": len(training.names),
                "captions": captions,
                "runs": courses,
                "largest_probability_difference": difference,
                "topics": len(known.topics),
                "largest_share_difference": shares,
            },
        )

    def _train_decoders(
        self,
        training: "Dataset",
        validation: "Dataset",
        views: "NDArray[np.float32] | None",
        vocabulary: "Vocabulary",
        recipe: "Recipe",
    ) -> "tuple[list[Model], dict[str, object]]":
        """Train decoders from one seed, which part in the last stage: the decoders, and the course of all stages."""
        settings = recipe.training
        name = settings.seed
        learned_from = _fingerprint("decoder", to_json(asdict(settings)), *map(_digest, (training, validation)))
        before, summary = train_decoder(
            training,
            validation,
            vocabulary,
            settings,
            best=self.folder / f"decoder-{name}.weights.h5",
            checkpoint=Checkpoint(self.folder / f"training-{name}.npz", learned_from),
        )
        rewarded_by = _fingerprint(learned_from, to_json(asdict(recipe.rewards)), *_digest_views(views))
        policy, rewarded = reinforce(
            read_policy(before),
            training,
            vocabulary,
            recipe.rewards,
            seed=settings.seed,
            checkpoint=Checkpoint(self.folder / f"rewards-{name}.npz", rewarded_by),
            views=views,
        )
        networks, lasts = [], []
        for number, last in enumerate(recipe.grammar.after(recipe.rewards), start=1):
            checkpoint = Checkpoint(
                self.folder / f"grammar-{name}-{number}.npz", _fingerprint(rewarded_by, to_json(asdict(last)))
            )
            taught, corrected = reinforce(
                policy.folded(), training, vocabulary, last, seed=settings.seed, checkpoint=checkpoint, views=views
            )
            network = build_decoder(len(vocabulary.words), training.features.shape[1], settings.dropout, settings.seed)
            write_policy(taught, network)
            networks.append(network)
            lasts.append(corrected)
        course: dict[str, object] = {
            "seed": settings.seed,
            "seconds": round(summary.seconds + sum(stage.seconds for stage in (rewarded, *lasts))),
            "best_epoch": summary.best_epoch,
            "training_losses": _rounded_all(summary.training_losses),
            "validation_losses": _rounded_all(summary.validation_losses),
            "reward_bleu_4": _rounded_all(rewarded.bleu),
            "reward_surprises": _rounded_all(rewarded.surprises),
            "grammar_bleu_4": [_rounded_all(stage.bleu) for stage in lasts],
            "grammar_surprises": [_rounded_all(stage.surprises) for stage in lasts],
        }
        return networks, course

    def evaluate(self, data: Path) -> None:
        """Choose a way of decoding and fit the confidence on one half of the validation pictures; score the other."""
        for name in (DECODER, VOCABULARY):
            self._require(name, "train")
        training, validation = (self._dataset(data, split) for split in _SPLITS)
        sure_from = self._read_record("decoder")["settings"]["sure_from"]
        made_from = _fingerprint(
            "evaluation",
            sha256_of(self.folder / DECODER),
            repr((_BEAMS, _PENALTIES, _TOPIC_WEIGHTS)),
            str(sure_from),
            *map(_digest, (training, validation)),
        )
        if self._is_made("evaluation", made_from):
            return
        vocabulary = parse_vocabulary((self.folder / VOCABULARY).read_bytes(), file=VOCABULARY)
        weights = _TOPIC_WEIGHTS if vocabulary.topics else (0.0,)
        choosing, reporting = part_of(validation, "choosing"), part_of(validation, "reporting")
        known = [caption for said in training.captions for caption in said]
        tried = evaluate_decodings(
            self.folder / DECODER, vocabulary, choosing, list_decodings(_BEAMS, _PENALTIES, weights), known=known
        )
        announce(to_markdown(tried))
        best = best_of(tried)
        calibration = None
        if best.trust is not None:
            found = search_captions(self.folder / DECODER, vocabulary, choosing, best.decoding)
            calibration = fit_calibration(
                found,
                as_good_as_people(best.captions, choosing.captions),
                sure_from,
                features=choosing.features,
                picture=self._weigh_pictures(training, vocabulary),
            )
        (reported,) = evaluate_decodings(
            self.folder / DECODER, vocabulary, reporting, [best.decoding], known=known, calibration=calibration
        )
        announce(to_markdown([reported]))
        figures = {f"bleu_{order}": round(score, 4) for order, score in enumerate(reported.scores.bleu, start=1)}
        self._record(
            "evaluation",
            made_from,
            {
                **figures,
                "cider": round(reported.scores.cider, 4),
                "loops": reported.scores.loops,
                "sentences": _rounded(asdict(reported.sentences)),
                "trust": reported.trust and _rounded(asdict(replace(reported.trust, bins=()))),
                "pictures": len(reporting.names),
                "chosen_on": len(choosing.names),
                "decoding": asdict(best.decoding),
                "confidence": calibration and to_document(calibration),
            },
        )

    def _weigh_pictures(self, training: "Dataset", vocabulary: "Vocabulary") -> tuple[float, ...]:
        """Learn from greedy captions of the training pictures how good those of a picture are, by its features."""
        found = search_captions(self.folder / DECODER, vocabulary, training, Decoding(1, 0.0, MAX_WORDS))
        captions = [tokenize(vocabulary.detokenise(hypotheses[0].tokens)) for hypotheses in found]
        return fit_picture_weights(training.features, np.array(score_each(captions, training.captions)))

    def bundle(self, out: Path, notice: str | None) -> str:
        """Put what the steps made together into a bundle, and give back its version.

        `notice` says whose the data are; without one, they are Flickr8k.
        """
        # What the encoder learned is in its own record.
        records = {step: self._read_record(step) for step in _STEPS if step != "adaptation"}
        parts = BundleParts(
            folder=self.folder,
            encoder_quantization=Quantization(records["encoder"]["quantization"]),
            decoder_quantization=Quantization(records["decoder"]["quantization"]),
            decoding=Decoding(**records["evaluation"]["decoding"]),
            confidence=records["evaluation"]["confidence"],
            provenance={
                **{step: _as_provenance(record) for step, record in records.items()},
                "tools": installed_versions(),
            },
            licence={"weights": _WEIGHTS_LICENCE, "data": notice or FLICKR8K},
        )
        version = write_bundle(out, parts)
        announce(f"wrote {out}: {version}")
        return version

    def _find_pictures(self, data: Path, given: Path | None, split: "Split") -> Path | None:
        """Find the folder of a split's pictures, or make one of the data's `images_SPLIT.tar`; None without either."""
        folder, archive = given or find_pictures(data, split), data / f"images_{split}.tar"
        if folder is not None or not archive.is_file():
            return folder
        unpacked = self.folder / f"images_{split}"
        names = read_names(data, split)
        if not all((unpacked / name).is_file() for name in names):
            announce(f"unpacking {archive.name}")
            shutil.rmtree(unpacked, ignore_errors=True)
            unpack_pictures(archive, names, unpacked)
        return unpacked

    def _is_adapted(self) -> bool:
        """Whether the converted encoder learned from pictures: features that the data brings are not its own."""
        record = self.folder / "encoder.json"
        return record.is_file() and bool(self._read_record("encoder").get("adaptation"))

    def _adapted_weights(self) -> EncoderWeights:
        state = self._adapted(self._read_record("adaptation")["made_from"]).load()
        if state is None:
            raise DatasetError(f"{self.folder / 'adapted.npz'} is not what adaptation.json tells of: run adapt again")
        return EncoderWeights(tuple(map(ConvolutionGroup, *(state.arrays[place::4] for place in range(4)))))

    def _adapted(self, made_from: str) -> Checkpoint:
        """Where the encoder's weights are once it has learned: the four arrays of each convolution in turn."""
        return Checkpoint(self.folder / "adapted.npz", made_from)

    def _require(self, file: str, step: str) -> None:
        if not (self.folder / file).is_file():
            raise DatasetError(f"{self.folder} holds no {file}: run {step} first")

    def _dataset(self, data: Path, split: "Split") -> "Dataset":
        given = data / f"features_{split}.npz"
        own = self.folder / given.name
        path = own if own.is_file() or self._is_adapted() else given
        if not path.is_file():
            raise DatasetError(f"there are no features for {split}.txt, neither {own} nor {given}: run encode first")
        return read_dataset(data, split, read_features(path))

    def _views(self, training: "Dataset") -> "NDArray[np.float32] | None":
        """Read the other views [views, pictures, F] of the training pictures, in their order; None without any."""
        paths = sorted(self.folder.glob("view-*.npz"))
        if not paths:
            return None
        found = []
        for path in paths:
            features = read_features(path)
            if features.names != training.names or features.features.shape != training.features.shape:
                raise DatasetError(f"{path} is not of the training pictures: run encode again")
            found.append(features.features)
        return np.stack(found)

    def _is_made(self, step: str, made_from: str) -> bool:
        record = self.folder / f"{step}.json"
        if record.is_file() and self._read_record(step)["made_from"] == made_from:
            announce(f"{step}: nothing has changed")
            return True
        # From here on the step's files may be old or new: delete their record first.
        record.unlink(missing_ok=True)
        return False

    def _record(self, step: str, made_from: str, content: "Mapping[str, object]") -> None:
        path = self.folder / f"{step}.json"
        path.with_suffix(".part").write_text(to_json({"made_from": made_from, **content}), encoding="utf-8")
        path.with_suffix(".part").replace(path)

    def _read_record(self, step: str) -> "dict[str, Any]":
        self._require(f"{step}.json", _STEPS[step])
        path = self.folder / f"{step}.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path} cannot be read: {error}") from error
        if not isinstance(document, dict) or "made_from" not in document:
            raise DatasetError(f"{path} is not the record of a step: remove it and run {_STEPS[step]} again")
        return document


def _agreement(ours: Features, theirs: Features, whose: str) -> dict[str, object]:
    """Hold features to others, and say how much they agree. Raises UnfitBundleError if they do not."""
    median, smallest = verify_encoder(ours, theirs)
    announce(f"features agree with {whose}: cosine {median:.5f} in the median, {smallest:.5f} at least")
    return {
        "cosine_median": round(median, 5),
        "cosine_minimum": round(smallest, 5),
        "cosine_pictures": len(ours.names),
    }


def _find_weights(given: Path | None) -> tuple[Path, str]:
    """Return the file of the weights to begin with, and where it is from. Raises WeightsArchiveError if it is none."""
    weights = given or locate_packaged_weights()
    if not weights.is_file():
        raise WeightsArchiveError(f"{weights} is not a file: give the TorchScript archive with --weights")
    return weights, "a file given" if given else f"{WEIGHTS_PACKAGE} {WEIGHTS_VERSION}"


def _as_provenance(record: "Mapping[str, object]") -> "dict[str, object]":
    """Leave out the fingerprint, and the confidence, which the manifest has in a place of its own."""
    return {key: value for key, value in record.items() if key not in {"made_from", "confidence"}}


def _rounded_all(figures: "Sequence[float]") -> list[float]:
    return [round(figure, 4) for figure in figures]


def _rounded(figures: "Mapping[str, Any]") -> "dict[str, object]":
    return {name: round(figure, 4) if isinstance(figure, float) else figure for name, figure in figures.items()}


def _fingerprint(*ingredients: str) -> str:
    return hashlib.sha256("\0".join(ingredients).encode()).hexdigest()


def _digest_views(views: "NDArray[np.float32] | None") -> list[str]:
    return [] if views is None else [hashlib.sha256(views.tobytes()).hexdigest()]


def _digest(dataset: "Dataset") -> str:
    digest = hashlib.sha256(dataset.features.tobytes())
    digest.update(repr((dataset.names, dataset.captions)).encode())
    return digest.hexdigest()
