"""Bundles to publish, and buckets to publish them in."""

import json
import shutil
import uuid
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import botocore.session

from captioning.model.bundle import MANIFEST, VOCABULARY
from tests.support.stack import ROOT

TINY = ROOT / "tests" / "bundles" / "tiny"


def tiny_bundle(folder: Path, version: str, *, dog: str = "dog") -> Path:
    """A bundle like the small one, under another version; `dog` is what it says where the small one says "dog"."""
    shutil.copytree(TINY, folder)
    vocabulary = json.loads((folder / VOCABULARY).read_bytes())
    vocabulary["words"][vocabulary["words"].index("dog")] = dog
    replace_file(folder, VOCABULARY, json.dumps(vocabulary).encode())
    rewrite(folder, model_version=version)
    return folder


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Put another file in, and let the manifest vouch for it."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / MANIFEST).read_bytes())["files"]
    rewrite(folder, files={**files, name: {"sha256": sha256(content).hexdigest(), "bytes": len(content)}})


def rewrite(folder: Path, **fields: object) -> None:
    """Change fields of the manifest, by renaming a new one over it."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    (folder / "new").write_text(json.dumps({**manifest, **fields}))
    (folder / "new").replace(folder / MANIFEST)


@cache
def s3_client(endpoint: str) -> Any:
    """A client of the service, to make buckets with and to damage what is in them."""
    return botocore.session.get_session().create_client("s3", region_name="us-east-1", endpoint_url=endpoint)


def make_bucket(endpoint: str) -> str:
    """The name of a new, empty bucket."""
    name = f"models-{uuid.uuid4().hex}"
    s3_client(endpoint).create_bucket(Bucket=name)
    return name
