"""The caption and status functions over a bucket: captions while bundles come, go bad, and are put right."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioning.model.bundle import ENCODER
from captioning.service import CHECK_SECONDS, RETRY_SECONDS, CaptionerService
from captioning.sources.s3 import S3Source
from functions.caption import caption_routes, status_routes
from functions.caption.resources import Resources
from storage.urls import S3Place, parse_source
from tests.support.published import make_bucket, s3_client, tiny_bundle
from tests.support.stack import ROOT
from tools.captioner.publishing import publish_bundle, roll_back
from web.entry import Handler
from web.settings import Settings

PICTURE_EVENT = json.loads((ROOT / "events/caption-generate.json").read_text())
HEALTH_EVENT = json.loads((ROOT / "events/status-health.json").read_text())


class Deployed:
    """The functions' real handlers over a bucket of its own, and a clock that can be put on."""

    def __init__(self, tmp_path: Path, endpoint: str) -> None:
        self.now, self.endpoint, self.bucket = 0.0, endpoint, make_bucket(endpoint)
        self.url = f"s3://{self.bucket}/caption?region=us-east-1&endpoint={endpoint}"
        settings = Settings(
            caption_store=f"sqlite:///{tmp_path}/captions.db", caption_model="file://tests/bundles/tiny"
        )
        resources = Resources(settings)
        _, self.app = caption_routes.build(resources)
        _, self.status = status_routes.build(resources)
        place = parse_source(self.url)
        assert isinstance(place, S3Place)
        source = S3Source(place, cache=tmp_path / "cache")
        resources.service = CaptionerService(source, observe=resources.report, clock=lambda: self.now)
        self.store = resources.store
        self.folder = tmp_path

    def publish(self, version: str, **how: str) -> None:
        publish_bundle(tiny_bundle(self.folder / version, version, **how), self.url)

    def ask(self, handler: Handler, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = handler(event, None)
        assert answer["headers"]["content-type"].startswith("application/")
        return answer["statusCode"], json.loads(answer["body"])

    def caption(self) -> tuple[int, dict[str, Any]]:
        return self.ask(self.app, PICTURE_EVENT)

    def health(self) -> dict[str, Any]:
        status, body = self.ask(self.status, HEALTH_EVENT)
        assert status == 200
        return body


@pytest.fixture
def deployed(tmp_path: Path, ministack_endpoint: str) -> Iterator[Deployed]:
    found = Deployed(tmp_path, ministack_endpoint)
    yield found
    found.store.close()


def logged(capsys: pytest.CaptureFixture[str], level: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["level"] == level]


def test_a_published_bundle_captions_and_another_takes_over_within_a_minute(deployed: Deployed) -> None:
    deployed.publish("tiny-1")
    status, first = deployed.caption()
    assert (status, first["model_version"], first["cached"]) == (200, "tiny-1", False)
    assert deployed.caption() == (200, {**first, "cached": True})
    deployed.publish("tiny-2", dog="cat")
    deployed.now += CHECK_SECONDS - 1
    assert deployed.caption()[1]["model_version"] == "tiny-1"
    deployed.now += 1
    status, second = deployed.caption()
    assert (status, second["model_version"], second["cached"]) == (200, "tiny-2", False)
    assert second["caption"] == first["caption"].replace("dog", "cat")
    assert deployed.health() == {"status": "healthy", "models_loaded": True, "model_version": "tiny-2"}


def test_a_bad_bundle_leaves_the_old_one_serving_and_is_told_in_health_and_log(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.publish("tiny-1")
    before = deployed.caption()[1]
    deployed.publish("tiny-2", dog="cat")
    s3_client(deployed.endpoint).put_object(Bucket=deployed.bucket, Key=f"caption/tiny-2/{ENCODER}", Body=bytes(11_952))
    deployed.now += CHECK_SECONDS
    capsys.readouterr()
    assert deployed.caption() == (200, {**before, "cached": True})
    (line,) = logged(capsys, "ERROR")
    assert "caption bundle not loaded: " in line["message"]
    assert f"/caption/tiny-2/{ENCODER}: has the sha256" in line["message"]
    assert (line["model_version"], line["serving"], line["error"]) == ("tiny-2", "tiny-1", "BundleError")
    assert deployed.health() == {
        "status": "degraded",
        "models_loaded": True,
        "model_version": "tiny-1",
        "refused_version": "tiny-2",
    }
    roll_back(deployed.url)
    deployed.now += CHECK_SECONDS
    assert deployed.health() == {"status": "healthy", "models_loaded": True, "model_version": "tiny-1"}


def test_a_bucket_without_a_bundle_is_503_until_there_is_one(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    for module, event in ((deployed.app, PICTURE_EVENT), (deployed.status, HEALTH_EVENT)):
        status, problem = deployed.ask(module, event)
        assert (status, problem["status"], problem["title"]) == (503, 503, "Service Unavailable")
        assert deployed.bucket not in json.dumps(problem)
    assert any("/caption/current.json: is not there" in line["message"] for line in logged(capsys, "ERROR"))
    deployed.publish("tiny-1")
    deployed.now += RETRY_SECONDS
    assert deployed.caption()[1]["model_version"] == "tiny-1"


def test_the_bucket_being_gone_costs_no_caption_while_a_bundle_is_in_service(deployed: Deployed) -> None:
    deployed.publish("tiny-1")
    before = deployed.caption()[1]
    client = s3_client(deployed.endpoint)
    for one in client.list_objects_v2(Bucket=deployed.bucket)["Contents"]:
        client.delete_object(Bucket=deployed.bucket, Key=one["Key"])
    deployed.now += CHECK_SECONDS
    assert deployed.caption() == (200, {**before, "cached": True})
    assert deployed.health()["status"] == "degraded"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("s3://x", "must be s3://bucket/prefix"),
        ("s3://models/caption?endpoint=http://127.0.0.1:9", "Could not connect"),
        ("file:///nowhere", "/nowhere/manifest.json: No such file or directory"),
    ],
)
def test_a_function_whose_bundle_cannot_be_had_starts_says_why_and_answers_503(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, said: str
) -> None:
    settings = Settings(caption_store=f"sqlite:///{tmp_path}/captions.db", caption_model=model)
    for module, event in ((caption_routes, PICTURE_EVENT), (status_routes, HEALTH_EVENT)):
        resources = Resources(settings)
        _, handler = module.build(resources)
        started = logged(capsys, "ERROR")
        # The models of the status function wait for the first question, if their place can be read.
        assert started or module is status_routes
        assert all(said in line["message"] for line in started)
        assert handler(event, None)["statusCode"] == 503
        capsys.readouterr()
        resources.store.close()
