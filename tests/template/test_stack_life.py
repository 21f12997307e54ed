"""A stack's life as far as an emulator has it: created of the template, called, finished, operated, changed, deleted.

The emulator (Ministack) calls the functions' real handlers. It has no CodeDeploy, runs no images, and checks neither
roles nor keys of other accounts; AWS itself is not asked.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import requests

from captioning.buckets import open_bucket
from tests.conftest import go_without
from tests.support.cloudformation import resolved
from tests.support.expanded import SamMissingError, expand, for_emulator
from tests.support.ministack import MinistackMissingError, ministack
from tests.support.stack import ROOT
from tools.smoke import picture

STACK = "pictures-test"
Run = Callable[..., tuple[int, str, str]]
_PATIENCE = 60  # seconds for the emulator


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack in the emulator at `endpoint`; `root` is a folder like the repository, with a tiny bundle."""

    endpoint: str
    template: dict[str, Any]
    outputs: dict[str, str]
    root: Path

    def client(self, service: str) -> Any:
        return botocore.session.get_session().create_client(
            service, region_name="eu-west-1", endpoint_url=self.endpoint
        )

    @property
    def url(self) -> str:
        """Where the emulator serves the API."""
        api = self.outputs["Url"].partition("//")[2].partition(".")[0]
        return f"{self.endpoint}/restapis/{api}/v1/_user_request_"


def eventually(what: Callable[[], Any], wanted: Any) -> None:
    end = time.monotonic() + _PATIENCE
    while (found := what()) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.2)


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """The URL of an emulator of this process alone: others make stacks of the same name in theirs."""
    try:
        with ministack() as endpoint:
            yield endpoint
    except MinistackMissingError as error:
        go_without(f"Ministack: {error}")


@pytest.fixture(scope="module")
def deployed(account: str, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    try:
        template = for_emulator(expand())
    except SamMissingError as error:
        go_without(str(error))
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(ROOT / "tests/bundles/tiny", root / "models/flickr8k")
    (root / "samconfig.toml").write_text(f'[dev.global.parameters]\nstack_name = "{STACK}"\n')
    made = Deployed(account, template, {}, root)
    made.client("s3").create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    _put(made, template)
    cloudformation = made.client("cloudformation")
    cloudformation.create_stack(StackName=STACK, TemplateURL=_template_url(made), Capabilities=["CAPABILITY_IAM"])
    made.outputs.update(_settled(cloudformation, "CREATE_COMPLETE"))
    return made


@pytest.fixture
def run(deployed: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a tool against the emulator; gives its status, what it said, and what it complained."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", deployed.endpoint)

    def ran(tool: str, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status: int = import_module(f"{tool}.__main__").main(arguments)
        return status, *capsys.readouterr()

    return ran


def _template_url(made: Deployed) -> str:
    return f"{made.endpoint}/artifacts/template.json"


def _put(made: Deployed, template: dict[str, Any]) -> None:
    made.client("s3").put_object(Bucket="artifacts", Key="template.json", Body=json.dumps(template).encode())


def _settled(cloudformation: Any, status: str) -> dict[str, str]:
    """The outputs of the stack once it has the status that it should come to."""
    end = time.monotonic() + _PATIENCE
    while True:
        (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        if not stack["StackStatus"].endswith("IN_PROGRESS") or time.monotonic() > end:
            break
        time.sleep(0.2)
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    assert stack["StackStatus"] == status, [
        (one["LogicalResourceId"], one.get("ResourceStatusReason"))
        for one in events
        if "FAILED" in one["ResourceStatus"]
    ]
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}


def test_a_stack_is_made_of_it_from_nothing_and_answers(deployed: Deployed) -> None:
    template, outputs = deployed.template, deployed.outputs
    found = deployed.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    key = deployed.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]

    # The subscription is for those who gave an address, the domain for those who have one.
    whole = resolved(expand())
    assert {one["LogicalResourceId"] for one in found} == template["Resources"].keys() & whole.resources.keys()
    assert outputs.keys() == whole.outputs.keys()
    assert outputs["Url"].endswith(".execute-api.eu-west-1.amazonaws.com/v1")
    assert len(key) >= 20

    assert requests.get(f"{deployed.url}/health", timeout=_PATIENCE).json()["status"] == "healthy"
    assert requests.get(f"{deployed.url}/ml/stats", timeout=_PATIENCE).status_code == 403
    suggested = requests.post(
        f"{deployed.url}/ml/suggest_parameters", json={}, headers={"x-api-key": key}, timeout=_PATIENCE
    )
    assert len(suggested.json()["suggestions"]) == 2
    table = deployed.client("dynamodb").scan(TableName=outputs["ObservationsTableName"])
    assert table["Count"] >= 2


def test_studio_may_post_to_where_uploads_are_presigned_for(deployed: Deployed) -> None:
    bucket = open_bucket(f"s3://{deployed.outputs['UploadBucketName']}?region=eu-west-1")
    post = bucket.presign("uploads/a.jpg", media_type="image/jpeg", max_bytes=1, seconds=60)
    # Built or not.
    policy = requests.get(f"{deployed.url}/studio", timeout=_PATIENCE).headers["content-security-policy"]

    assert f"connect-src 'self' {post.url.removesuffix('/')};" in policy


@pytest.mark.timeout(300)  # seconds of CPU, on a machine that may have other things to do
def test_the_bundle_is_published_once_and_what_failed_before_is_given_again(deployed: Deployed, run: Run) -> None:
    outputs, s3, sqs = deployed.outputs, deployed.client("s3"), deployed.client("sqs")
    bucket, queue = outputs["UploadBucketName"], outputs["DeadLetterQueueUrl"]
    # Pictures whose events Lambda has given up, as it leaves them (the emulator has its own idea of a letter).
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    for key in ("uploads/one two.png", "uploads/2026/b.png"):
        s3.put_object(Bucket=bucket, Key=key, Body=picture())
        sqs.send_message(QueueUrl=queue, MessageBody=_event(bucket, key), MessageAttributes=_attributes("no bundle"))
    sqs.send_message(QueueUrl=queue, MessageBody='{"hello": "\\u001b[2J"}', MessageAttributes=_attributes("not of S3"))

    status, listed, told = run("tools.uploads", "list", "--stack", STACK)
    assert (status, told) == (0, "2 uploads: 2 pending\n")
    assert [line.split("  ")[0] for line in listed.splitlines()] == ["pending", "pending"]

    status, said, told = run("tools.uploads", "redrive", "--stack", STACK, "--dry-run")
    assert (status, told) == (0, "3 would be given; nothing was changed; 0 left, 0 could not be given\n")
    assert "uploads/one two.png  would be given  (it had failed with: no bundle)" in said
    assert "\x1b" not in said

    # A few of them, and the others are not held back.
    status, said, told = run("tools.uploads", "redrive", "--stack", STACK, "--dry-run", "--limit", "1")
    assert (status, len(said.splitlines()), told[:16]) == (0, 1, "1 would be given")
    count = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (count["ApproximateNumberOfMessages"], count["ApproximateNumberOfMessagesNotVisible"]) == ("3", "0")
    # What Lambda does not take stays as it was.
    status, said, told = run("tools.uploads", "redrive", "--queue", queue, "--function", "nowhere", "--limit", "5")
    assert (status, told) == (1, "0 given to the function again; 0 left, 3 could not be given\n")
    assert "uploads/one two.png  not given: " in said
    count = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (count["ApproximateNumberOfMessages"], count["ApproximateNumberOfMessagesNotVisible"]) == ("3", "0")

    finish = ("tools.deployment", "finish", "dev", "--root", str(deployed.root), "--without-smoke")
    status, said, _ = run(*finish, "--without-bundle")
    assert (status, "bundle" in said) == (0, False)
    status, said, complaint = run(*finish)
    assert status == 0, complaint
    assert "is published\n" in said
    assert f"URL        {outputs['Url']}" in said
    assert f"aws apigateway get-api-key --api-key {outputs['ApiKeyId']} --include-value" in said
    # Somebody's own bundle is not replaced by the next deployment.
    assert "a caption bundle was published before" in run(*finish)[1]

    redrive = ("tools.uploads", "redrive", "--stack", STACK)
    status, said, told = run(*redrive, "--key", "uploads/2026/*", "--error", "No Bundle")
    assert (status, told) == (0, "1 given to the function again; 2 left, 0 could not be given\n")
    assert said.startswith("uploads/2026/b.png  given")
    status, said, told = run(*redrive, "--key", "*")
    assert (status, told) == (0, "1 given to the function again; 1 left, 0 could not be given\n")
    assert said.startswith("uploads/one two.png  given")

    # What is no event of S3 stays, for a person to look at; nothing else does.
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (found["ApproximateNumberOfMessages"], found["ApproximateNumberOfMessagesNotVisible"]) == ("1", "0")
    eventually(lambda: run("tools.uploads", "list", "--stack", STACK, "--quiet")[2], "2 uploads: 2 captioned\n")
    status, said, _ = run("tools.uploads", "list", "--stack", STACK, "--json", "--prefix", "uploads/2026")
    (row,) = map(json.loads, said.splitlines())
    assert (row["key"], row["status"], row["size"]) == ("uploads/2026/b.png", "captioned", len(picture()))
    assert row["said"]


def _event(bucket: str, key: str) -> str:
    event = json.loads((ROOT / "events/upload-plain.json").read_text())
    found = event["Records"][0]["s3"]
    found["bucket"]["name"], found["object"]["key"] = bucket, key.replace(" ", "+")
    found["object"].pop("versionId", None)
    found["object"].pop("eTag", None)
    return json.dumps(event)


def _attributes(error: str) -> dict[str, Any]:
    """As Lambda's developer guide has them."""
    said = {"RequestID": "5c0b1c1e", "ErrorCode": "200", "ErrorMessage": error}
    return {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}


def test_a_stack_that_is_not_there_is_said_plainly(run: Run) -> None:
    status, said, told = run("tools.uploads", "list", "--stack", "pictures-nowhere")

    assert (status, said) == (1, "")
    assert told.startswith("tools.uploads: ")
    assert "pictures-nowhere" in told
    assert told.count("\n") == 1


def test_it_is_changed_in_place_and_deleted_but_for_what_people_made(deployed: Deployed) -> None:
    cloudformation, outputs = deployed.client("cloudformation"), deployed.outputs
    deployed.client("s3").put_object(Bucket=outputs["UploadBucketName"], Key="kept.txt", Body=b"kept")
    changed = json.loads(json.dumps(deployed.template))
    changed["Resources"]["StatusFunction"]["Properties"]["Environment"]["Variables"]["LOG_LEVEL"] = "DEBUG"
    _put(deployed, changed)
    cloudformation.update_stack(StackName=STACK, TemplateURL=_template_url(deployed), Capabilities=["CAPABILITY_IAM"])
    assert _settled(cloudformation, "UPDATE_COMPLETE") == outputs
    found = cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId="StatusFunction")
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    configuration = deployed.client("lambda").get_function_configuration(FunctionName=name)
    assert configuration["Environment"]["Variables"]["LOG_LEVEL"] == "DEBUG"

    cloudformation.delete_stack(StackName=STACK)
    eventually(
        lambda: [
            one["StackStatus"]
            for one in cloudformation.list_stacks()["StackSummaries"]
            if one["StackName"] == STACK and one["StackStatus"] != "DELETE_COMPLETE"
        ],
        [],
    )
    tables = deployed.client("dynamodb").list_tables()["TableNames"]
    assert {outputs["ObservationsTableName"], outputs["CaptionsTableName"]} <= set(tables)
    kept = deployed.client("s3").get_object(Bucket=outputs["UploadBucketName"], Key="kept.txt")["Body"].read()
    assert kept == b"kept"
    assert [one["id"] for one in deployed.client("apigateway").get_rest_apis()["items"]] == []
