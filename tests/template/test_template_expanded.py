"""The template as AWS sees it, once SAM's own transform has expanded it: what SAM adds is held to account too."""

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from cfnlint.api import lint

from tests.support.ministack import MinistackMissingError, ministack

ROOT = Path(__file__).resolve().parents[2]
SAM = ROOT / ".venv-sam" / "bin" / "python"

_EXPAND = """
import json, sys
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

class Policies:
    def load(self):
        return {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}

document = yaml_parse(open("template.yaml").read())
for one in document["Resources"].values():
    if one["Type"] == "AWS::Serverless::Function":  # as `sam package` does once the image is pushed
        one["Properties"]["ImageUri"] = "000000000000.dkr.ecr.eu-west-1.amazonaws.com/pictures:1"
parameters = {name: one["Default"] for name, one in document["Parameters"].items()}
print(json.dumps(transform(document, parameters, Policies())))
"""

# Policies of AWS's own that come with what is switched on. Their wildcards are AWS's.
MANAGED = {
    # Lambda's own: log lines leave by it. X-Ray's actions know no resources.
    "SuggestFunctionRole": {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"},
    "UpdateFunctionRole": {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"},
    "CaptionFunctionRole": {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"},
    "StatusFunctionRole": {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"},
    "UploadFunctionRole": {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"},
    # CodeDeploy shifts an alias and looks at alarms.
    "CodeDeployServiceRole": {"AWSCodeDeployRoleForLambda"},
    # API Gateway writes access logs.
    "GatewayLogsRole": {"AmazonAPIGatewayPushToCloudWatchLogs"},
}


def _go_without(missing: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"needed under continuous integration: {missing}")
    pytest.skip(f"without {missing}")


@pytest.fixture(scope="module")
def expanded() -> dict[str, Any]:
    if not SAM.exists():
        _go_without(".venv-sam, which `make template` installs")
    environment = {**os.environ, "AWS_DEFAULT_REGION": "eu-west-1"}
    command = [str(SAM), "-c", _EXPAND]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def resources(expanded: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = expanded["Resources"]
    return found


def _of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    found = {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}
    assert found
    return found


@pytest.mark.timeout(300)  # seconds of CPU, on a machine that may have other things to do
def test_what_comes_out_has_no_errors_and_waits_for_nothing_that_waits_for_it(expanded: dict[str, Any]) -> None:
    errors = [match for match in lint(json.dumps(expanded), regions=["eu-west-1"]) if match.rule.severity == "error"]

    assert errors == []


def test_roles_have_aws_policies_for_logs_and_traces_and_no_others(resources: dict[str, Any]) -> None:
    roles = {
        name: {
            re.sub(r".*/", "", arn["Fn::Sub"] if isinstance(arn, dict) else arn) for arn in role["ManagedPolicyArns"]
        }
        for name, role in _of_type(resources, "AWS::IAM::Role").items()
    }

    assert roles == MANAGED


def test_what_sam_adds_to_the_functions_policies_is_permission_to_fill_the_dead_letter_queue(
    resources: dict[str, Any],
) -> None:
    added = {
        (name, statement["Action"], statement["Resource"]["Fn::GetAtt"][0])
        for name, role in _of_type(resources, "AWS::IAM::Role").items()
        for policy in role.get("Policies", ())
        if not policy["PolicyName"].startswith(f"{name}Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    }

    assert added == {("UploadFunctionRole", "sqs:SendMessage", "UploadDeadLetters")}


def test_every_method_asks_for_a_key_but_health_pages_and_preflights(resources: dict[str, Any]) -> None:
    (api,) = _of_type(resources, "AWS::ApiGateway::RestApi").values()
    keyed = {
        (method.upper(), path): {"api_key": []} in operation.get("security", [])
        for path, operations in api["Body"]["paths"].items()
        for method, operation in operations.items()
    }
    paths = {path for _, path in keyed}

    assert {where for where, key in keyed.items() if not key} == {
        *(("OPTIONS", path) for path in paths),
        *(("GET", path) for path in ("/health", "/docs", "/docs/{asset}", "/redoc", "/openapi.json")),
    }
    assert len(keyed) > 2 * len(paths) - 1


def test_callers_and_the_bucket_reach_published_versions_alone(resources: dict[str, Any]) -> None:
    (api,) = _of_type(resources, "AWS::ApiGateway::RestApi").values()
    called = {
        operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        for operations in api["Body"]["paths"].values()
        for operation in operations.values()
        if operation["x-amazon-apigateway-integration"]["type"] == "aws_proxy"
    }
    assert called
    assert all(re.search(r"\$\{\w+FunctionAliaslive\}/invocations$", uri) for uri in called)
    (notified,) = resources["UploadBucket"]["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]
    assert notified["Function"] == {"Ref": "UploadFunctionAliaslive"}


def test_alarms_stop_and_undo_every_functions_deployment(resources: dict[str, Any]) -> None:
    groups = _of_type(resources, "AWS::CodeDeploy::DeploymentGroup")
    assert len(groups) == 5
    for name, group in groups.items():
        assert group["AlarmConfiguration"]["Enabled"] is True
        kind = name.removesuffix("FunctionDeploymentGroup")
        alarms = {one["Name"]["Ref"] for one in group["AlarmConfiguration"]["Alarms"]}
        assert {f"{kind}Errors", f"{kind}Slow"} <= alarms
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]


# What the emulator of CloudFormation does not know. All else is made, in the order that the references ask for.
UNKNOWN = ("AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup")


def _known(expanded: dict[str, Any]) -> dict[str, Any]:
    """The expanded template without what the emulator lacks: CodeDeploy, and alarms on sums of metrics."""
    kept = {
        name: {part: value for part, value in one.items() if part != "UpdatePolicy"}
        for name, one in expanded["Resources"].items()
        if one["Type"] not in UNKNOWN
        and not (one["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in one["Properties"])
    }
    return {**expanded, "Resources": kept}


def test_a_stack_is_made_of_it_from_nothing(expanded: dict[str, Any]) -> None:
    template = _known(expanded)
    services = "apigateway,cloudformation,cloudwatch,dynamodb,iam,lambda,logs,s3,sns,sqs,sts"
    try:
        with ministack(services) as endpoint:
            session = botocore.session.get_session()
            clients = {
                name: session.create_client(name, region_name="eu-west-1", endpoint_url=endpoint)
                for name in ("cloudformation", "s3", "apigateway")
            }
            clients["s3"].create_bucket(
                Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
            clients["s3"].put_object(Bucket="artifacts", Key="template.json", Body=json.dumps(template).encode())
            cloudformation = clients["cloudformation"]
            cloudformation.create_stack(
                StackName="pictures-test",
                TemplateURL=f"{endpoint}/artifacts/template.json",
                Capabilities=["CAPABILITY_IAM"],
            )
            end = time.monotonic() + 60
            while True:
                (stack,) = cloudformation.describe_stacks(StackName="pictures-test")["Stacks"]
                if not stack["StackStatus"].endswith("IN_PROGRESS") or time.monotonic() > end:
                    break
                time.sleep(0.2)
            events = cloudformation.describe_stack_events(StackName="pictures-test")["StackEvents"]
            made = {
                one["LogicalResourceId"]
                for one in cloudformation.describe_stack_resources(StackName="pictures-test")["StackResources"]
            }
            outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
            key = clients["apigateway"].get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True) if outputs else {}
            for client in clients.values():
                client.close()
    except MinistackMissingError as error:
        _go_without(str(error))

    assert stack["StackStatus"] == "CREATE_COMPLETE", [
        (one["LogicalResourceId"], one.get("ResourceStatusReason"))
        for one in events
        if "FAILED" in one["ResourceStatus"]
    ]
    # The subscription is for those who gave an address.
    assert made == template["Resources"].keys() - {"AlarmSubscription"}
    assert outputs.keys() == template["Outputs"].keys()
    assert outputs["Url"].endswith(".execute-api.eu-west-1.amazonaws.com/v1")
    assert len(key["value"]) >= 20
