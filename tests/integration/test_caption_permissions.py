"""What the functions of the caption image ask of AWS is what the template allows each of them, and no less.

They run with the template's own environment on emulators, over every event that there is for them; each call is noted
with what it is made on before it leaves.
"""

import json
import os
import re
import subprocess
import sys
from typing import Any

import botocore.session
import pytest

from captioning.buckets.port import PresignedPost
from captioning.buckets.s3 import S3Bucket
from local.template import parse
from tests.http.test_upload_events import PICTURE
from tests.support.dynamodb import make_table
from tests.support.events import HANDLERS, events_for
from tests.support.published import TINY, make_bucket, s3_client
from tests.support.stack import ROOT
from tools.captioner.publishing import publish_bundle

# A bundle is published, and three functions start.
pytestmark = pytest.mark.timeout(300)

RESOURCES: dict[str, Any] = parse((ROOT / "template.yaml").read_text())["Resources"]
# Allowed and no call: without it, S3 answers 403 instead of 404 for an object that is not there.
BESIDE_CALLS = {"UploadFunction": {("s3:ListBucket", "UploadBucket")}}
# Operations that IAM knows by other names.
OTHERWISE = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket"}
WAYS_IN = [("CaptionFunction", "caption"), ("StatusFunction", "status"), ("UploadFunction", "upload")]

_RUN = """
import importlib, json, sys
from contextlib import suppress
from functions.caption.upload_events import UnfinishedError
from tests.integration.test_caption_permissions import tell_calls
from web.events import EventError
tell_calls()
module, _, name = sys.argv[1].rpartition(".")
handler = getattr(importlib.import_module(module), name)
for line in sys.stdin:
    with suppress(EventError, UnfinishedError):
        handler(json.loads(line), None)
"""


def tell_calls() -> None:
    """From now on this process prints the action that each of its calls needs, and on what."""
    create, presign = botocore.session.Session.create_client, S3Bucket.presign

    def tell(action: str, subject: str) -> None:
        sys.stdout.write(f"asked {json.dumps([action, subject])}\n")

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        if "TableName" in params:
            tell(f"dynamodb:{model.name}", params["TableName"])
            return
        if "RequestItems" in params:
            for table in params["RequestItems"]:
                tell(f"dynamodb:{model.name}", table)
            return
        if model.name == "CreateBucket":
            return  # by this name botocore signs a form; it sends nothing
        version = "Version" if "VersionId" in params else ""
        subject = f"{params['Bucket']}/{params['Key']}" if "Key" in params else params["Bucket"]
        tell(f"s3:{OTHERWISE.get(model.name, model.name)}{version}", subject)

    def noting(session: Any, *arguments: Any, **options: Any) -> Any:
        client = create(session, *arguments, **options)
        client.meta.events.register("provide-client-params", note)
        return client

    def signing(bucket: S3Bucket, key: str, *, media_type: str, max_bytes: int, seconds: int) -> PresignedPost:
        # Whoever posts the form does so by the permissions of whoever signed it.
        tell("s3:PutObject", f"{bucket._name}/{key}")
        return presign(bucket, key, media_type=media_type, max_bytes=max_bytes, seconds=seconds)

    botocore.session.Session.create_client = noting
    S3Bucket.presign = signing  # type: ignore[assignment,method-assign]


def allowed(function: str) -> set[tuple[str, str]]:
    """The actions that the template allows a function, each with what it is allowed on: `UploadBucket/uploads/*`."""
    of_its_role = [
        one["Properties"]["PolicyDocument"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::IAM::Policy" and {"Ref": f"{function}Role"} in one["Properties"]["Roles"]
    ]
    found = set()
    for policy in (*RESOURCES[function]["Properties"]["Policies"], *of_its_role):
        for statement in policy["Statement"]:
            ((kind, arn),) = statement["Resource"].items()
            subject = arn.removesuffix(".Arn") if kind == "Fn::GetAtt" else re.sub(r"^\$\{(\w+)\.Arn\}", r"\1", arn)
            actions = statement["Action"]
            found |= {(one, subject) for one in (actions if isinstance(actions, list) else [actions])}
    return found


@pytest.fixture(scope="module")
def names(dynamodb_endpoint: str, ministack_endpoint: str) -> dict[str, str]:
    """The table and the buckets by their names in the template; one has a bundle in it, the other a picture."""
    there = {
        "CaptionsTable": make_table(dynamodb_endpoint, "CaptionsTable"),
        "ModelBucket": make_bucket(ministack_endpoint),
        "UploadBucket": make_bucket(ministack_endpoint),
    }
    publish_bundle(TINY, f"s3://{there['ModelBucket']}/caption?region=us-east-1&endpoint={ministack_endpoint}")
    s3_client(ministack_endpoint).put_object(Bucket=there["UploadBucket"], Key="uploads/dog.jpg", Body=PICTURE)
    return there


@pytest.mark.parametrize(("function", "recipient"), WAYS_IN)
def test_a_function_makes_the_calls_that_it_is_allowed_on_what_it_is_allowed_them(
    names: dict[str, str], dynamodb_endpoint: str, ministack_endpoint: str, function: str, recipient: str
) -> None:
    variables: dict[str, Any] = RESOURCES[function]["Properties"]["Environment"]["Variables"]
    texts = {name: value if isinstance(value, str) else value["Fn::Sub"] for name, value in variables.items()}
    environment = {name: re.sub(r"\$\{(\w+)\}", lambda found: names[found[1]], text) for name, text in texts.items()}
    endpoints = {"AWS_ENDPOINT_URL_S3": ministack_endpoint, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint}
    whole = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **endpoints, **environment}
    events = [json.dumps(json.loads(path.read_text())) for path in events_for(recipient)]
    given = "\n".join(events).replace("example-uploads", names["UploadBucket"])
    command = [sys.executable, "-c", _RUN, HANDLERS[recipient]]
    done = subprocess.run(command, cwd=ROOT, env=whole, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    subjects = {real: logical for logical, real in names.items()}
    asked = set()
    for line in done.stdout.splitlines():
        if line.startswith("asked "):
            action, subject = json.loads(line.removeprefix("asked "))
            name, *key = subject.split("/")
            asked.add((action, "/".join([subjects[name], key[0], "*"]) if key else subjects[name]))
    assert asked == allowed(function) - BESIDE_CALLS.get(function, set())
