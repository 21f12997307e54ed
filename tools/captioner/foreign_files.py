"""Says what a file is that cannot be taken, and what to do instead: the files that people give by mistake.

Known by their first bytes and never by their names. It reads no more than that, and never refuses anything itself.
"""

import zipfile
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["recognise", "recognise_folder"]

_SAVE: Final = "save the model with model.save('model.keras')"
_TORCH: Final = (
    "a PyTorch file, and only what Keras saved is converted: build the model in Keras, give it these weights, and "
    + _SAVE
)
_BEGINNINGS: Final = {
    b"version https://git-lfs.github.com/spec/": "a Git LFS pointer and not the file itself: run `git lfs pull`",
    b"\x89HDF\r\n\x1a\n": "HDF5 (.h5), which holds models and weights and no words: name it with --model or --weights",
    b"\x93NUMPY": "a NumPy array (.npy), which holds no layers: " + _SAVE,
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.": _TORCH,
}
_WEB_PAGES: Final = (b"<!doctype html", b"<html")
_WEB_PAGE: Final = (
    "a web page and not the file: download it again (with Google Drive, past the warning; with GitHub, raw)"
)
_TFLITE: Final = (
    "a TensorFlow Lite model, whose layers are no longer Keras's: give the model that it was converted from"
)
_YAML: Final = (b"backend:", b"class_name:", b"config:")


def recognise(beginning: bytes, file: BinaryIO | None = None) -> str | None:
    """Return what a file is, by its first kilobytes, in words that follow "is"; None if that is not known.

    `file`, if given, is the whole file: a zip file is known by what is in it.
    """
    text = beginning.lstrip()[:200].lower()
    if beginning.startswith(b"PK\x03\x04"):
        return _recognise_zip(file)
    # What begins so, or as a text does, is this.
    for given, starts, name in (
        (beginning, _BEGINNINGS, None),
        (text, _WEB_PAGES, _WEB_PAGE),
        (beginning[4:8], (b"TFL3",), _TFLITE),
        (text, _YAML, "a model's description in YAML, which Keras no longer reads: save model.to_json() instead"),
    ):
        for start in starts:
            if given.startswith(start):
                return name or _BEGINNINGS[start]
    is_pickle = beginning.startswith(b"\x80") and b"." in beginning
    return f"a pickle: of a tokenizer, name it with --tokenizer; of a model, {_SAVE}" if is_pickle else None


def _recognise_zip(file: BinaryIO | None) -> str | None:
    if file is None:
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError):
        return None
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return _TORCH
    if any(name.endswith("saved_model.pb") for name in names):
        return "a zipped SavedModel: unpack it, load it in Keras, and " + _SAVE
    if names and all(name.endswith(".npy") for name in names):
        return "NumPy arrays (.npz), which hold no layers: " + _SAVE
    return None


def recognise_folder(folder: "Path") -> str:
    """Say what a folder is that was given in a file's place."""
    if (folder / "saved_model.pb").is_file():
        return (
            f"{folder} is a SavedModel folder: load it with tf.keras.models.load_model in the TensorFlow that saved "
            f"it, and {_SAVE}"
        )
    if (folder / "config.json").is_file() and (folder / "model.weights.h5").is_file():
        return f"{folder} is an unpacked .keras file: zip what is in it (`cd {folder} && zip ../model.keras *`)"
    if any(folder.glob("*.index")):
        return f"{folder} holds a TensorFlow checkpoint: load it into the model in Keras, and {_SAVE}"
    return f"{folder} is a folder, and a file is looked for"
