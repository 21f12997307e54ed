"""Writes a bundle: the folder that the captioning layer serves (format version 1).

It never leaves a bundle that does not load: it is written beside its place, opened and run there by the serving layer,
and moved file by file, the manifest last. A reader in between sees hashes that do not match, never a wrong caption.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from captioning.captioner import Captioner
from captioning.errors import BundleError
from captioning.model.bundle import (
    DECODER,
    ENCODER,
    FORMAT_VERSION,
    MANIFEST,
    VOCABULARY,
    Channels,
    InputSpec,
    Quantization,
    open_bundle,
)
from tools.captioner.errors import UnfitBundleError
from tools.captioner.pictures import INPUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from captioning.model.decoding import Decoding

__all__ = ["BundleParts", "model_version", "sha256_of", "to_json", "write_bundle"]

FILES = (ENCODER, DECODER, VOCABULARY)


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What a bundle is made of: a folder with the three files, and what the manifest says of them.

    `confidence` is the manifest's member of that name: how to read a confidence; None leaves it out.
    """

    folder: Path
    encoder_quantization: Quantization
    decoding: "Decoding"
    provenance: "Mapping[str, object]"
    licence: "Mapping[str, str]"
    input: InputSpec = INPUT
    decoder_quantization: Quantization = Quantization.NONE
    confidence: "Mapping[str, object] | None" = None


def sha256_of(path: Path) -> str:
    """Hash a file without reading all of it into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(document: object) -> str:
    """Write JSON the way all files of a bundle are written: the same content, the same bytes."""
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def model_version(name: str, folder: Path, confidence: "Mapping[str, object] | None" = None) -> str:
    """Name a bundle after its content: `<name>-<format>-<12 digits of a hash>` of the files, and of its confidence."""
    digests = "".join(sha256_of(folder / file) for file in FILES) + (to_json(confidence) if confidence else "")
    return f"{name}-{FORMAT_VERSION}-{hashlib.sha256(digests.encode()).hexdigest()[:12]}"


def _input(spec: InputSpec) -> dict[str, object]:
    """Describe the input without what releases before this field do not know, where it says nothing."""
    described = asdict(spec)
    if spec.channels is Channels.RGB:
        del described["channels"]
    return described


def _decoding(decoding: "Decoding") -> dict[str, object]:
    """Describe the way of decoding, likewise."""
    described = asdict(decoding)
    if not decoding.topic_weight:
        del described["topic_weight"]
    return described


def write_bundle(out: Path, parts: BundleParts) -> str:
    """Write the bundle into the folder `out`, whose name becomes the model's, and give back the model version.

    Raises:
        UnfitBundleError: the serving layer refuses it; `out` is then as it was.
    """
    version = model_version(out.name, parts.folder, parts.confidence)
    manifest = {
        "format_version": FORMAT_VERSION,
        "model_version": version,
        "files": {
            file: {"sha256": sha256_of(parts.folder / file), "bytes": (parts.folder / file).stat().st_size}
            for file in FILES
        },
        "input": _input(parts.input),
        "decoding": _decoding(parts.decoding),
        "quantization": {"encoder": parts.encoder_quantization, "decoder": parts.decoder_quantization},
        "provenance": parts.provenance,
        "licence": parts.licence,
    }
    if parts.confidence:
        manifest["confidence"] = parts.confidence
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".staging-") as staging:
        staged = Path(staging)
        for file in FILES:
            shutil.copyfile(parts.folder / file, staged / file)
        (staged / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
        try:
            Captioner(open_bundle(f"file://{staged.resolve()}"))
        except BundleError as error:
            raise UnfitBundleError(f"the bundle is not fit to be served: {error}") from error
        for file in (*FILES, MANIFEST):
            (staged / file).replace(out / file)
    return version
