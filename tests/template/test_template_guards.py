"""What must never leave the template: keys, quotas, encryption, private buckets, retention, least privilege."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.template import _Loader

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506  (a SafeLoader's child)
    found: dict[str, Any] = document["Resources"]
    return found


def _of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    found = {name: one for name, one in resources.items() if one["Type"] == kind}
    assert found
    return found


def test_the_api_asks_for_keys_under_a_usage_plan(resources: dict[str, Any]) -> None:
    (api,) = _of_type(resources, "AWS::Serverless::Api").values()
    auth = api["Properties"]["Auth"]

    assert auth["ApiKeyRequired"] is True
    assert auth["UsagePlan"]["CreateUsagePlan"] == "PER_API"
    assert {"RateLimit", "BurstLimit"} <= set(auth["UsagePlan"]["Throttle"])
    assert auth["UsagePlan"]["Quota"]["Period"] == "DAY"


def test_tables_are_encrypted_recoverable_and_hard_to_lose(resources: dict[str, Any]) -> None:
    tables = _of_type(resources, "AWS::DynamoDB::Table")
    assert set(tables) == {"ObservationsTable", "CaptionsTable"}
    for table in tables.values():
        assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
        properties = table["Properties"]
        assert properties["DeletionProtectionEnabled"] is True
        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert properties["SSESpecification"]["SSEEnabled"] is True
        assert properties["TimeToLiveSpecification"]["Enabled"] is True
        assert properties["BillingMode"] == "PAY_PER_REQUEST"


def test_buckets_are_private_encrypted_and_spoken_to_over_tls(resources: dict[str, Any]) -> None:
    buckets = _of_type(resources, "AWS::S3::Bucket")
    policies = {
        one["Properties"]["Bucket"]["Ref"]: one for one in _of_type(resources, "AWS::S3::BucketPolicy").values()
    }
    assert set(buckets) == {"ModelBucket", "UploadBucket"}
    for name, bucket in buckets.items():
        assert bucket["DeletionPolicy"] == "Retain"
        properties = bucket["Properties"]
        assert all(properties["PublicAccessBlockConfiguration"].values())
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["BucketEncryption"]
        (statement,) = policies[name]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    assert buckets["ModelBucket"]["Properties"]["VersioningConfiguration"]["Status"] == "Enabled"
    assert buckets["UploadBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]


def test_functions_are_images_with_narrow_permissions(resources: dict[str, Any]) -> None:
    for name, function in _of_type(resources, "AWS::Serverless::Function").items():
        assert function["Properties"]["PackageType"] == "Image"
        assert (TEMPLATE.parent / function["Metadata"]["Dockerfile"]).is_file()
        for policy in function["Properties"]["Policies"]:
            for statement in policy["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert not any("*" in action for action in actions), name
                assert statement["Resource"] != "*", name


def test_the_caption_function_may_read_bundles_and_no_more(resources: dict[str, Any]) -> None:
    source = (TEMPLATE.parent / "layers/captioning/python/captioning/source_s3.py").read_text()
    calls = {name for name in re.findall(r"_client\.(\w+)\(", source) if name != "close"}
    function = resources["CaptionFunction"]["Properties"]
    statements = [statement for policy in function["Policies"] for statement in policy["Statement"]]
    (reading,) = [statement for statement in statements if "${ModelBucket}" in str(statement["Resource"])]

    assert calls == {"get_object"}
    assert reading["Action"] == "s3:GetObject"
    assert str(reading["Resource"]["Fn::Sub"]).endswith("${ModelBucket}/caption/*")
    assert function["Environment"]["Variables"]["CAPTION_MODEL"]["Fn::Sub"] == "s3://${ModelBucket}/caption"


def test_the_caption_function_may_make_the_calls_that_its_store_makes_and_no_others(resources: dict[str, Any]) -> None:
    source = (TEMPLATE.parent / "layers/captioning/python/captioning/store_dynamodb.py").read_text()
    calls = {name for name in re.findall(r"_client\.(\w+)\(", source) if name != "close"}
    table = {"Fn::GetAtt": "CaptionsTable.Arn"}
    statements = [
        statement
        for policy in resources["CaptionFunction"]["Properties"]["Policies"]
        for statement in policy["Statement"]
        if statement["Resource"] == table
    ]

    assert calls
    assert [sorted(statement["Action"]) for statement in statements] == [
        sorted(f"dynamodb:{call.title().replace('_', '')}" for call in calls)
    ]
