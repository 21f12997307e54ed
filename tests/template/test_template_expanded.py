"""The template as AWS sees it, once SAM's own transform has expanded it: what SAM adds is held to account too."""

import json
import re
from typing import Any

import pytest
from cfnlint.api import lint

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


KEYLESS = ("/", "/health", "/studio", "/studio/{asset}", "/docs", "/docs/{asset}", "/redoc", "/openapi.json")


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
        *((method, path) for path in KEYLESS for method in ("GET", "HEAD")),
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
