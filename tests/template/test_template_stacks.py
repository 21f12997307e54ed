"""Stacks made of the expanded template: under a domain, past an alarm, in an account that others use too."""

import json
import subprocess
import time
import tomllib
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from tests.conftest import go_without
from tests.support.cloudformation import resolved
from tests.support.expanded import for_emulator
from tests.support.ministack import MinistackMissingError, ministack
from tests.support.stack import ROOT

CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
ROLE = "arn:aws:iam::123456789012:role/gateway-logs"
OF_ONES_OWN = {"DomainName": "api.example.org", "CertificateArn": CERTIFICATE, "BasePath": "pictures"}


def test_a_domain_leads_to_the_stage_under_its_base_path(expanded: dict[str, Any]) -> None:
    with_one = resolved(expanded, **OF_ONES_OWN)
    mapping = with_one.resources["DomainMapping"]["Properties"]
    (stage,) = (name for name, one in with_one.resources.items() if one["Type"] == "AWS::ApiGateway::Stage")

    assert mapping["DomainName"] == {"Ref": "Domain"}
    assert (mapping["BasePath"], mapping["Stage"]) == ("pictures", {"Ref": stage})
    assert with_one.resources["Domain"]["Properties"]["RegionalCertificateArn"] == CERTIFICATE
    assert with_one.outputs["DomainUrl"]["Value"] == "https://api.example.org/pictures"
    assert {"DomainTarget", "DomainTargetZone"} <= with_one.outputs.keys()

    alone = resolved(expanded, **{**OF_ONES_OWN, "BasePath": ""})
    assert "BasePath" not in alone.resources["DomainMapping"]["Properties"]
    assert alone.outputs["DomainUrl"]["Value"] == "https://api.example.org"

    shared = resolved(expanded, **{**OF_ONES_OWN, "CertificateArn": ""})
    assert "Domain" not in shared.resources
    assert shared.resources["DomainMapping"]["Properties"]["DomainName"] == "api.example.org"
    assert "DomainTarget" not in shared.outputs

    without = resolved(expanded)
    assert {"Domain", "DomainMapping"}.isdisjoint(without.resources)
    assert not any("Domain" in name for name in without.outputs)


def _alarms(expanded: dict[str, Any], **parameters: str) -> dict[str, set[str]]:
    """The alarms that stop a deployment, by the kind of its function."""
    found = {}
    for name, one in resolved(expanded, **parameters).resources.items():
        if one["Type"] == "AWS::CodeDeploy::DeploymentGroup":
            assert "DEPLOYMENT_STOP_ON_ALARM" in one["Properties"]["AutoRollbackConfiguration"]["Events"]
            watched = one["Properties"].get("AlarmConfiguration") or {"Enabled": False, "Alarms": []}
            assert watched.get("Enabled", False) is bool(watched.get("Alarms"))
            alarms = {alarm["Name"]["Ref"] for alarm in watched.get("Alarms", ())}
            found[name.removesuffix("FunctionDeploymentGroup")] = alarms
    return found


def test_a_functions_own_alarms_stop_and_undo_its_deployment(expanded: dict[str, Any]) -> None:
    answering = ("Suggest", "Update", "Caption", "Status")

    assert _alarms(expanded) == {
        **{kind: {f"{kind}Errors", f"{kind}Failing", f"{kind}Slow"} for kind in answering},
        "Upload": {"UploadErrors", "UploadSlow"},
    }


def test_no_alarm_stops_the_deployment_that_ignores_them(expanded: dict[str, Any]) -> None:
    assert set(map(frozenset, _alarms(expanded, IgnoreAlarms="true").values())) == {frozenset()}
    # It alone: who ignores alarms changes nothing else of the stack.
    ignoring, guarded = resolved(expanded, IgnoreAlarms="true"), resolved(expanded)
    changed = {name for name, one in guarded.resources.items() if ignoring.resources[name] != one}
    assert changed == {name for name in guarded.resources if name.endswith("DeploymentGroup")}


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_next_deployment_heeds_alarms_again(environment: str) -> None:
    """CloudFormation keeps the value of a parameter that a deployment does not name."""

    def told(*assignments: str) -> list[str]:
        command = ["make", "--silent", "--eval=told: ; @echo $(OVERRIDES)", f"ENV={environment}", *assignments, "told"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    samconfig = tomllib.loads((ROOT / "samconfig.toml").read_text())
    given = samconfig[environment]["deploy"]["parameters"]["parameter_overrides"].split()
    assert told() == [*given, "IgnoreAlarms=false"]
    assert told("IGNORE_ALARMS=true") == [*given, "IgnoreAlarms=true"]


def test_the_accounts_role_for_logs_is_made_or_named_or_left_alone(expanded: dict[str, Any]) -> None:
    made, named, left = (resolved(expanded, ManageGatewayLogRole=value).resources for value in ("true", ROLE, "false"))

    assert made["GatewayLogsAccount"]["Properties"]["CloudWatchRoleArn"] == {"Fn::GetAtt": ["GatewayLogsRole", "Arn"]}
    assert "GatewayLogsRole" not in named
    assert named["GatewayLogsAccount"]["Properties"]["CloudWatchRoleArn"] == ROLE
    assert {"GatewayLogsRole", "GatewayLogsAccount"}.isdisjoint(left)
    # The stage's logs are refused while the account has no role.
    for resources in (made, named):
        (tag,) = resources["AccessLogs"]["Properties"]["Tags"]
        assert tag["Value"] == {"Ref": "GatewayLogsAccount"}
        (stage,) = (one for one in resources.values() if one["Type"] == "AWS::ApiGateway::Stage")
        assert stage["Properties"]["AccessLogSetting"]["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}


def test_two_stacks_of_an_account_and_one_in_two_regions_share_no_name(expanded: dict[str, Any]) -> None:
    one = resolved(expanded, stack="one").names()
    kinds = {name[0] for name in one}

    assert {"AWS::Logs::LogGroup", "AWS::CloudWatch::Dashboard"} <= kinds
    assert one.isdisjoint(resolved(expanded, stack="other").names())
    assert one.isdisjoint(resolved(expanded, stack="one", region="us-east-1").names())
    # Under one domain they differ by their base paths.
    shared, beside, same = (
        resolved(expanded, stack=stack, DomainName="api.example.org", BasePath=path).names()
        for stack, path in (("one", "pictures"), ("other", "others"), ("other", "pictures"))
    )
    assert shared.isdisjoint(beside)
    assert shared & same == {("AWS::ApiGateway::BasePathMapping", "eu-west-1", "api.example.org", "pictures")}


def test_what_stays_when_a_stack_goes_has_no_name_that_the_next_one_would_want(expanded: dict[str, Any]) -> None:
    whole = resolved(expanded)
    kept = {name: one for name, one in whole.resources.items() if one.get("DeletionPolicy") == "Retain"}
    # SAM keeps a function's versions for as long as there is the function.
    versions = {name for name in kept if kept[name]["Type"] == "AWS::Lambda::Version"}

    assert kept.keys() - versions == {
        *("ObservationsTable", "CaptionsTable", "ModelBucket", "UploadBucket"),
        *("GatewayLogsRole", "GatewayLogsAccount"),
    }
    assert type(whole)(kept, {}, whole.region).names() == set()


class Account:
    """An account of an emulator, and the stacks in it."""

    def __init__(self, endpoint: str, template: dict[str, Any]) -> None:
        self._endpoint = endpoint
        self._session = botocore.session.get_session()
        self._clients: dict[tuple[str, str], Any] = {}
        storage = self.client("s3")
        storage.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        storage.put_object(Bucket="artifacts", Key="template.json", Body=json.dumps(template).encode())

    def client(self, service: str, region: str = "eu-west-1") -> Any:
        """A client of the service."""
        if (service, region) not in self._clients:
            made = self._session.create_client(service, region_name=region, endpoint_url=self._endpoint)
            self._clients[service, region] = made
        return self._clients[service, region]

    def make(self, stack: str, region: str = "eu-west-1", **parameters: str) -> dict[str, str]:
        """Makes a stack; gives its outputs."""
        cloudformation = self.client("cloudformation", region)
        cloudformation.create_stack(
            StackName=stack,
            TemplateURL=f"{self._endpoint}/artifacts/template.json",
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
        made = self._settled(stack, region)
        assert made is not None
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        assert made["StackStatus"] == "CREATE_COMPLETE", [
            (one["LogicalResourceId"], one.get("ResourceStatusReason"))
            for one in events
            if "FAILED" in one["ResourceStatus"]
        ]
        return {one["OutputKey"]: one["OutputValue"] for one in made["Outputs"]}

    def resources(self, stack: str) -> set[str]:
        """What was made of the template, by its names there."""
        found = self.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        return {one["LogicalResourceId"] for one in found}

    def delete(self, stack: str) -> None:
        """Deletes a stack."""
        self.client("cloudformation").delete_stack(StackName=stack)
        gone = self._settled(stack, "eu-west-1")
        assert gone is None or gone["StackStatus"] == "DELETE_COMPLETE"

    def close(self) -> None:
        """Closes the clients."""
        for client in self._clients.values():
            client.close()

    def _settled(self, stack: str, region: str) -> dict[str, Any] | None:
        client = self.client("cloudformation", region)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                (found,) = client.describe_stacks(StackName=stack)["Stacks"]
            except client.exceptions.ClientError:
                return None
            if not found["StackStatus"].endswith("IN_PROGRESS"):
                return dict(found)
            time.sleep(0.1)
        raise AssertionError(f"{stack} is still in progress")


@pytest.fixture
def account(expanded: dict[str, Any]) -> Iterator[Account]:
    try:
        with ministack() as endpoint:
            made = Account(endpoint, for_emulator(expanded))
            yield made
            made.close()
    except MinistackMissingError as error:
        go_without(str(error))


def test_stacks_are_made_beside_each_other_and_again_after_they_went(
    expanded: dict[str, Any], account: Account
) -> None:
    first = account.make("pictures")
    whole = resolved(expanded)
    assert account.resources("pictures") == whole.resources.keys() & for_emulator(expanded)["Resources"].keys()
    assert first.keys() == whole.outputs.keys()
    assert first["Url"].endswith(".execute-api.eu-west-1.amazonaws.com/v1")
    gateway = account.client("apigateway")
    assert len(gateway.get_api_key(apiKey=first["ApiKeyId"], includeValue=True)["value"]) >= 20
    role = gateway.get_account()["cloudwatchRoleArn"]
    assert "GatewayLogsRole" in role

    second = account.make("other", ManageGatewayLogRole="false", **OF_ONES_OWN)
    assert gateway.get_account()["cloudwatchRoleArn"] == role, "another stack leaves the account as it is"
    assert second["DomainUrl"] == "https://api.example.org/pictures"
    (mapping,) = gateway.get_base_path_mappings(domainName="api.example.org")["items"]
    assert (mapping["basePath"], mapping["stage"]) == ("pictures", "v1")
    assert f"//{mapping['restApiId']}." in second["Url"]

    account.make("pictures", "us-east-1", ManageGatewayLogRole=ROLE)
    assert account.client("apigateway", "us-east-1").get_account()["cloudwatchRoleArn"] == ROLE

    table, bucket = first["ObservationsTableName"], first["ModelBucketName"]
    account.delete("pictures")
    assert table in account.client("dynamodb").list_tables()["TableNames"]
    assert bucket in {one["Name"] for one in account.client("s3").list_buckets()["Buckets"]}
    assert gateway.get_account()["cloudwatchRoleArn"] == role, "other stacks write their logs by it"
    assert account.make("pictures", ManageGatewayLogRole="false").keys() == first.keys()
