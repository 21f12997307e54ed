"""Empty upload buckets of each adapter, and how a person puts pictures into them, and posts forms to them."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import botocore.session
import pytest
import requests
from botocore.config import Config

from captioning.buckets import open_bucket
from captioning.buckets.folder import FolderBucket
from captioning.buckets.port import Bucket, PresignedPost
from captioning.outcomes import Upload
from local.events import Request
from local.upload_forms import UploadForms

Poster = Callable[[PresignedPost, Mapping[str, str], bytes], tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Fixture:
    """A bucket under test, and ways around its port."""

    url: str
    bucket: Bucket
    put: Callable[[str, bytes], None]
    delete: Callable[[str], None]
    published: Callable[[str], bytes | None]
    post: Poster


def bucket_fixture(request: pytest.FixtureRequest, kind: str) -> Fixture:
    """An empty bucket: `folder`, or `ministack` for S3's adapter over an emulator."""
    if kind == "folder":
        return _folder(request.getfixturevalue("tmp_path") / "bucket")
    return _emulated(request.getfixturevalue("ministack_endpoint"))


def upload(key: str, sequencer: str, picture: bytes | None = None, version_id: str | None = None) -> Upload:
    """What an event would say of that picture."""
    return Upload(key, sequencer, version_id, None if picture is None else md5(picture).hexdigest())  # noqa: S324


def _folder(path: Path) -> Fixture:
    bucket = open_bucket(f"file://{path}")
    assert isinstance(bucket, FolderBucket)
    forms = UploadForms(bucket)

    def put(key: str, content: bytes) -> None:
        (path / key).parent.mkdir(parents=True, exist_ok=True)
        (path / key).write_bytes(content)

    def published(key: str) -> bytes | None:
        file = path / f"captions/{key}.json"
        return file.read_bytes() if file.exists() else None

    def post(leave: PresignedPost, fields: Mapping[str, str], picture: bytes) -> tuple[int, str]:
        request = form("http://127.0.0.1:8000/", leave, fields, picture)
        # The loop of the process is for all tests; asyncio.run would take it away.
        answer = asyncio.get_event_loop().run_until_complete(forms.answer(request))
        return answer.status, answer.body.decode()

    return Fixture(f"file://{path}", bucket, put, lambda key: (path / key).unlink(), published, post)


def form(base: str, leave: PresignedPost, fields: Mapping[str, str], picture: bytes) -> Request:
    """The request that a client's library makes of a form."""
    prepared = requests.Request("POST", urljoin(base, leave.url), data=fields, files={"file": picture}).prepare()
    assert isinstance(prepared.body, bytes)
    headers = {**prepared.headers, "host": urlsplit(base).netloc}
    lower = tuple((name.lower(), str(value)) for name, value in headers.items())
    return Request("POST", prepared.path_url, "", lower, prepared.body, "127.0.0.1")


def s3_client(endpoint: str) -> Any:
    """A client of an emulator, to make and to fill buckets with."""
    config = Config(s3={"addressing_style": "path"})
    return botocore.session.get_session().create_client("s3", endpoint_url=endpoint, config=config)


def make_bucket(client: Any) -> str:
    """The name of a new, empty bucket."""
    name = f"uploads-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


@cache
def _shared(endpoint: str) -> tuple[Any, str, Bucket]:
    """One bucket for all tests of a process, for clients are slow to make: a client, the name, and the adapter."""
    client = s3_client(endpoint)
    name = make_bucket(client)
    return client, name, open_bucket(f"s3://{name}?endpoint={endpoint}")


def _emulated(endpoint: str) -> Fixture:
    client, name, bucket = _shared(endpoint)
    for left_over in client.list_objects_v2(Bucket=name).get("Contents", []):
        client.delete_object(Bucket=name, Key=left_over["Key"])

    def published(key: str) -> bytes | None:
        try:
            found: bytes = client.get_object(Bucket=name, Key=f"captions/{key}.json")["Body"].read()
        except client.exceptions.NoSuchKey:
            return None
        return found

    def post(leave: PresignedPost, fields: Mapping[str, str], picture: bytes) -> tuple[int, str]:
        answer = requests.post(leave.url, data=fields, files={"file": picture}, timeout=30)
        return answer.status_code, answer.text

    return Fixture(
        f"s3://{name}?endpoint={endpoint}",
        bucket,
        lambda key, content: client.put_object(Bucket=name, Key=key, Body=content),
        lambda key: client.delete_object(Bucket=name, Key=key),
        published,
        post,
    )
