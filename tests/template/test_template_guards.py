"""What must never leave the template: keys, throttling, encryption, retention, private buckets, logs, retries.

Each guard looks at one of these. None of the template's lines that a guard is there for can go without a guard's
failing: that is tried with every one of them.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.template import parse
from web.compression import SMALLEST_ANSWER

ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "template.yaml").read_text().splitlines()
DOCUMENT = parse("\n".join(LINES))

Document = dict[str, Any]
Guard = Callable[[Document], None]


def _of_type(document: Document, kind: str) -> dict[str, Any]:
    found = {name: one for name, one in document["Resources"].items() if one["Type"] == kind}
    assert found
    return found


def _functions(document: Document) -> dict[str, Any]:
    """Each function's properties, with those that all have."""
    shared = document["Globals"]["Function"]
    return {
        name: {**shared, **one["Properties"]} for name, one in _of_type(document, "AWS::Serverless::Function").items()
    }


def _api(document: Document) -> dict[str, Any]:
    (api,) = _of_type(document, "AWS::Serverless::Api").values()
    properties: dict[str, Any] = api["Properties"]
    return properties


def the_api_asks_for_keys_under_a_usage_plan(document: Document) -> None:
    auth = _api(document)["Auth"]
    assert auth["ApiKeyRequired"] is True
    assert auth["AddApiKeyRequiredToCorsPreflight"] is False
    plan = auth["UsagePlan"]
    assert plan["CreateUsagePlan"] == "PER_API"
    assert plan["Throttle"] == {"RateLimit": {"Ref": "RequestsPerSecond"}, "BurstLimit": {"Ref": "Burst"}}
    assert plan["Quota"] == {"Limit": {"Ref": "DailyQuota"}, "Period": "DAY"}


def _setting(path: str) -> str:
    """What a method setting calls a path: `/~1health`, and the root alone as it is."""
    return "/" + path.replace("/", "~1") if path != "/" else path


def every_method_is_throttled_captions_most_and_what_takes_no_key_far_more(document: Document) -> None:
    limits = {
        (one["HttpMethod"], one["ResourcePath"]): (one["ThrottlingRateLimit"], one["ThrottlingBurstLimit"])
        for one in _api(document)["MethodSettings"]
    }
    assert len(limits) == len(_api(document)["MethodSettings"])
    routes = {
        (event["Properties"]["Method"], _setting(event["Properties"]["Path"])): event["Properties"]
        for function in _functions(document).values()
        for event in function["Events"].values()
        if event["Type"] == "Api"
    }
    assert limits.keys() == {*routes, ("*", "/*")}
    captions = {("POST", "/~1generate-caption"), ("POST", "/~1uploads")}
    for where, (rate, burst) in limits.items():
        if where in routes and "Auth" not in routes[where]:
            kind = "Caption" if where in captions else ""
            assert (rate, burst) == ({"Ref": f"{kind}RequestsPerSecond"}, {"Ref": f"{kind}Burst"})
        else:
            assert 0 < rate <= 0.1
            # All files of a page at once, for a few browsers; they are answered within a second.
            assert 1 <= burst <= (100 if where == ("GET", "/~1studio~1{asset}") else 20)


def answers_are_compressed(document: Document) -> None:
    assert _api(document)["MinimumCompressionSize"] == SMALLEST_ANSWER == 1024


def requests_leave_a_log_line_and_a_trace(document: Document) -> None:
    api = _api(document)
    assert api["TracingEnabled"] is True
    logs = api["AccessLogSetting"]
    assert logs["DestinationArn"] == {"Fn::GetAtt": "AccessLogs.Arn"}
    assert {"$context.requestId", "$context.status", "$context.xrayTraceId"} <= set(
        re.findall(r"\$context\.[\w.]+", logs["Format"])
    )
    account, role = (document["Resources"][name] for name in ("GatewayLogsAccount", "GatewayLogsRole"))
    # The account is not ours: what is set there stays for others, and nothing is where we are told so.
    assert (account["DeletionPolicy"], role["DeletionPolicy"]) == ("Retain", "Retain")
    assert (account["Condition"], role["Condition"]) == ("SetsGatewayLogRole", "MakesGatewayLogRole")
    assert document["Resources"]["AccessLogs"]["Properties"]["Tags"][0]["Value"]["Fn::If"][1] == {
        "Ref": "GatewayLogsAccount"
    }
    for function in _functions(document).values():
        assert function["Tracing"] == "Active"
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in _of_type(document, "AWS::Logs::LogGroup")


def logs_are_kept_for_as_long_as_was_said(document: Document) -> None:
    for group in _of_type(document, "AWS::Logs::LogGroup").values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def tables_are_encrypted_recoverable_and_hard_to_lose(document: Document) -> None:
    tables = _of_type(document, "AWS::DynamoDB::Table")
    assert set(tables) == {"ObservationsTable", "CaptionsTable"}
    for table in tables.values():
        assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
        properties = table["Properties"]
        assert properties["DeletionProtectionEnabled"] is True
        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert properties["SSESpecification"]["SSEEnabled"] is True
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert properties["BillingMode"] == "PAY_PER_REQUEST"


def buckets_are_private_encrypted_and_hard_to_lose(document: Document) -> None:
    buckets = _of_type(document, "AWS::S3::Bucket")
    assert set(buckets) == {"ModelBucket", "UploadBucket"}
    for bucket in buckets.values():
        assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
        properties = bucket["Properties"]
        assert list(properties["PublicAccessBlockConfiguration"].values()) == [True] * 4
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def models_keep_their_versions_and_uploads_are_forgotten(document: Document) -> None:
    buckets = _of_type(document, "AWS::S3::Bucket")
    assert buckets["ModelBucket"]["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = {
        name: {rule["Id"]: rule for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]}
        for name, bucket in buckets.items()
    }
    uploads = rules["UploadBucket"]
    assert (uploads["ForgetUploads"]["Prefix"], uploads["ForgetUploads"]["ExpirationInDays"]) == ("uploads/", 30)
    assert (uploads["ForgetCaptions"]["Prefix"], uploads["ForgetCaptions"]["ExpirationInDays"]) == ("captions/", 90)
    assert rules["ModelBucket"]["ForgetReplaced"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
    assert all("ForgetUnfinished" in found for found in rules.values())
    assert all(rule["Status"] == "Enabled" for found in rules.values() for rule in found.values())


def the_list_of_uploads_lists_nothing_else(document: Document) -> None:
    statements = document["Resources"]["StatusFunction"]["Properties"]["Policies"][0]["Statement"]
    (listing,) = (one for one in statements if one["Action"] == "s3:ListBucket")
    # Whoever looks for an object that is gone names no prefix, and without the permission S3 answers 403 and not 404.
    assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["", "uploads/*"]}}


def nobody_speaks_to_buckets_or_the_queue_but_over_tls(document: Document) -> None:
    policies = {**_of_type(document, "AWS::S3::BucketPolicy"), **_of_type(document, "AWS::SQS::QueuePolicy")}
    guarded = set()
    for policy in policies.values():
        properties = policy["Properties"]
        (statement,) = properties["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": False}}
        (subject,) = properties.get("Queues", [properties.get("Bucket")])
        arn = {"Fn::GetAtt": f"{subject['Ref']}.Arn"}
        whole = [arn, {"Fn::Sub": f"${{{subject['Ref']}.Arn}}/*"}]
        assert statement["Resource"] == (arn if "Queues" in properties else whole)
        guarded.add(subject["Ref"])
    assert guarded == {"ModelBucket", "UploadBucket", "UploadDeadLetters"}


def uploads_are_retried_and_none_is_lost(document: Document) -> None:
    upload = document["Resources"]["UploadFunction"]["Properties"]
    assert upload["EventInvokeConfig"] == {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 21_600}
    assert upload["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": {"Fn::GetAtt": "UploadDeadLetters.Arn"}}
    queue = document["Resources"]["UploadDeadLetters"]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 86_400


def captions_written_to_the_bucket_do_not_call_the_function_again(document: Document) -> None:
    (event,) = document["Resources"]["UploadFunction"]["Properties"]["Events"].values()
    assert event["Type"] == "S3"
    assert event["Properties"]["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "uploads/"}]


def functions_are_bounded_images(document: Document) -> None:
    for name, function in _functions(document).items():
        assert function["PackageType"] == "Image"
        image = document["Resources"][name]["Metadata"]
        assert (ROOT / image["Dockerfile"]).is_file()
        # By its requirements, the function whose image it is; two images of one tag would overwrite each other.
        assert (ROOT / "functions" / image["DockerBuildArgs"]["FUNCTION"] / "requirements.txt").is_file()
        assert image["DockerTag"] == image["DockerBuildArgs"]["FUNCTION"]
        assert function["ImageConfig"]["Command"][0].startswith(f"functions.{image['DockerTag']}.")
        assert function["MemorySize"] == 1769
        assert function["Timeout"] <= (120 if name == "UploadFunction" else 29)
        reserve = function["ReservedConcurrentExecutions"]["Fn::If"]
        assert (reserve[0], reserve[2]) == ("ReservesConcurrency", {"Ref": "AWS::NoValue"})
        assert function["Architectures"] == [{"Ref": "Architecture"}]


def new_versions_come_in_gradually_and_alarms_take_them_back(document: Document) -> None:
    for name, function in _functions(document).items():
        assert function["AutoPublishAlias"] == "live"
        assert function["AutoPublishAliasAllProperties"] is True
        deployment = function["DeploymentPreference"]
        assert deployment["Type"] == {"Ref": "DeploymentPreference"}
        kind = name.removesuffix("Function")
        condition, ignoring, guarding = deployment["Alarms"]["Fn::If"]
        assert (condition, ignoring) == ("IgnoresAlarms", [{"Ref": "AWS::NoValue"}])
        # Its own alone: trouble of another function's, or with its data, must not stop what mends this one.
        alarms = {f"{kind}Errors", f"{kind}Slow"} | ({f"{kind}Failing"} if kind != "Upload" else set())
        assert {one["Ref"] for one in guarding} == alarms
        for alarm in alarms:
            assert _watches(document["Resources"][alarm]["Properties"]) == {kind}
    assert document["Parameters"]["IgnoreAlarms"]["Default"] == "false"


def _watches(alarm: dict[str, Any]) -> set[str]:
    """The functions that an alarm's dimensions name, by their kind."""
    told = json.dumps(alarm["Dimensions"])
    kinds = re.findall(r"(\w+)Function\b", told)
    return set(kinds) or {one["Value"].title() for one in alarm["Dimensions"] if one["Name"] == "service"}


def the_functions_that_tune_work_in_the_same_search_space(document: Document) -> None:
    assert document["Parameters"]["Spaces"]["Default"] == ""
    spaces = {
        name: function["Environment"]["Variables"].get("SPACES")
        for name, function in _functions(document).items()
        if "OBSERVATION_STORE" in function["Environment"]["Variables"]
    }
    assert spaces == {"SuggestFunction": {"Ref": "Spaces"}, "UpdateFunction": {"Ref": "Spaces"}}


def every_answer_carries_the_allowed_origin(document: Document) -> None:
    origin = {"Fn::Sub": "'${CorsOrigin}'"}
    api = _api(document)
    assert api["Cors"]["AllowOrigin"] == origin
    for response in api["GatewayResponses"].values():
        headers = response["ResponseParameters"]["Headers"]
        assert headers["Access-Control-Allow-Origin"] == origin
        assert ("Access-Control-Expose-Headers" in headers) == ("Retry-After" in headers)
    assert document["Globals"]["Function"]["Environment"]["Variables"]["CORS_ORIGIN"] == {"Ref": "CorsOrigin"}
    (rule,) = document["Resources"]["UploadBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    # Beside the pages that may call the API, Studio, which the API itself serves.
    domain = {"Fn::Sub": "https://${DomainName}"}
    assert rule["AllowedOrigins"] == [
        {"Ref": "CorsOrigin"},
        {"Fn::Sub": "https://*.execute-api.${AWS::Region}.${AWS::URLSuffix}"},
        {"Fn::If": ["HasDomain", domain, {"Ref": "AWS::NoValue"}]},
    ]
    assert rule["AllowedMethods"] == ["POST"]


def studio_may_post_to_where_uploads_are_presigned_for(document: Document) -> None:
    variables = _functions(document)["SuggestFunction"]["Environment"]["Variables"]
    # As S3 presigns it: the bucket's name before the region's own host.
    assert variables["UPLOAD_ORIGIN"] == {"Fn::Sub": "https://${UploadBucket.RegionalDomainName}"}


def a_domain_of_ones_own_speaks_tls_and_leads_to_the_stage(document: Document) -> None:
    domain, mapping = (document["Resources"][name] for name in ("Domain", "DomainMapping"))
    assert (domain["Condition"], mapping["Condition"]) == ("MakesDomain", "HasDomain")
    assert domain["Properties"]["SecurityPolicy"] == "TLS_1_2"
    assert domain["Properties"]["RegionalCertificateArn"] == {"Ref": "CertificateArn"}
    assert domain["Properties"]["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert mapping["Properties"]["Stage"] == {"Ref": "Api.Stage"}
    assert mapping["Properties"]["BasePath"]["Fn::If"][:2] == ["HasBasePath", {"Ref": "BasePath"}]
    for name in ("DomainUrl", "DomainTarget", "DomainTargetZone"):
        assert document["Outputs"][name]["Condition"] in {"HasDomain", "MakesDomain"}


GUARDS: tuple[Guard, ...] = (
    a_domain_of_ones_own_speaks_tls_and_leads_to_the_stage,
    the_api_asks_for_keys_under_a_usage_plan,
    every_method_is_throttled_captions_most_and_what_takes_no_key_far_more,
    answers_are_compressed,
    requests_leave_a_log_line_and_a_trace,
    logs_are_kept_for_as_long_as_was_said,
    tables_are_encrypted_recoverable_and_hard_to_lose,
    buckets_are_private_encrypted_and_hard_to_lose,
    models_keep_their_versions_and_uploads_are_forgotten,
    the_list_of_uploads_lists_nothing_else,
    nobody_speaks_to_buckets_or_the_queue_but_over_tls,
    uploads_are_retried_and_none_is_lost,
    captions_written_to_the_bucket_do_not_call_the_function_again,
    functions_are_bounded_images,
    new_versions_come_in_gradually_and_alarms_take_them_back,
    the_functions_that_tune_work_in_the_same_search_space,
    every_answer_carries_the_allowed_origin,
    studio_may_post_to_where_uploads_are_presigned_for,
)

GUARDED = re.compile(
    r" +(- \{ Id: Forget"
    r"|(AccessLogSetting|AddApiKeyRequiredToCorsPreflight|Alarms|ApiKeyRequired(?=: true)|Architectures"
    r"|AutoPublishAlias|AutoPublishAliasAllProperties|Block\w+|BucketEncryption|CORS_ORIGIN|Condition|CorsConfiguration|CorsRules"
    r"|DeadLetterQueue|DeletionPolicy|DeletionProtectionEnabled|DeploymentPreference|EventInvokeConfig|Filter"
    r"|Access-Control-\w+-\w+|AllowOrigin|AllowedMethods|AllowedOrigins|IgnorePublicAcls|LifecycleConfiguration|LogGroup|LoggingConfig"
    r"|MaximumEventAgeInSeconds|MaximumRetryAttempts|MessageRetentionPeriod|MethodSettings|MinimumCompressionSize"
    r"|OwnershipControls|PointInTimeRecoverySpecification|PublicAccessBlockConfiguration|Quota|RateLimit|BurstLimit"
    r"|ReservedConcurrentExecutions|RestrictPublicBuckets|RetentionInDays|SPACES|SSESpecification|SqsManagedSseEnabled"
    r"|Throttle|ThrottlingBurstLimit|ThrottlingRateLimit|TimeToLiveSpecification|Tracing|TracingEnabled|UPLOAD_ORIGIN|UsagePlan"
    r"|SecurityPolicy|VersioningConfiguration):)"
)
"""The lines that the guards are there for, wherever they stand below a resource or the functions' globals."""


def _guarded_lines() -> Iterator[int]:
    section = name = ""
    for number, line in enumerate(LINES):
        if found := re.match(r"(\w+):$", line):
            section = found[1]
        elif found := re.match(r"  (\w+):$", line):
            name = found[1]
        kind = DOCUMENT["Resources"].get(name, {}).get("Type", "") if section == "Resources" else ""
        # Alarms and log roles have members of the same names; no guard is about theirs.
        other = kind in {"AWS::CloudWatch::Alarm", "AWS::SNS::Subscription"} or section not in {"Resources", "Globals"}
        if not other and line.startswith("    ") and GUARDED.match(line):
            yield number


def _without(number: int) -> Document:
    """The document without that line and what belongs to it."""
    top = number
    while not re.match(r"  \w+:$", LINES[top]):
        top -= 1
    end = top + 1
    while end < len(LINES) and (not LINES[end].strip() or LINES[end].startswith("   ")):
        end += 1
    depth = len(LINES[number]) - len(LINES[number].lstrip())
    last = number + 1
    while last < end and (not LINES[last].strip() or LINES[last].startswith(" " * (depth + 1))):
        last += 1
    (name, block), *_ = parse("\n".join([*LINES[top:number], *LINES[last:end]])).items()
    section = "Resources" if name in DOCUMENT["Resources"] else "Globals"
    return {**DOCUMENT, section: {**DOCUMENT[section], name: block}}


GUARDED_LINES = tuple(_guarded_lines())


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_the_guard_holds(guard: Guard) -> None:
    guard(DOCUMENT)


@pytest.mark.parametrize("number", GUARDED_LINES, ids=lambda number: f"{number + 1}: {LINES[number].strip()[:60]}")
def test_a_guard_fails_without_the_line(number: int) -> None:
    document = _without(number)
    failed = []
    for guard in GUARDS:
        try:
            guard(document)
        except (AssertionError, AttributeError, KeyError, TypeError):
            failed.append(guard)
    assert failed


def test_the_guarded_lines_are_those_of_the_whole_template() -> None:
    # A pattern that matched nothing would prove nothing.
    found = {LINES[number].strip().partition(":")[0].removeprefix("- ") for number in GUARDED_LINES}
    assert len(GUARDED_LINES) > 100
    assert {"ApiKeyRequired", "ThrottlingRateLimit", "SSESpecification", "RetentionInDays", "Condition"} <= found
