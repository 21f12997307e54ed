"""What docs/deployment.md and docs/operations.md say of the deployed system is what template.yaml has."""

import json
import re
import tomllib
from typing import Any

import pytest

from local.template import parse
from tests.support.stack import ROOT
from web.metrics import Metric

OPERATIONS = (ROOT / "docs/operations.md").read_text()
DEPLOYMENT = (ROOT / "docs/deployment.md").read_text()
DOCUMENT = parse((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, Any] = DOCUMENT["Resources"]
NOT_GIVEN = {"AlarmEmail": "(nobody)"}
ALARMS = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"}


def _section(heading: str) -> str:
    """The text under a heading, to the next one of its rank or a higher one."""
    rank = heading.partition(" ")[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(rank)}}} |\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def _metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that an alarm watches, each with namespace, name and dimensions."""
    if "MetricName" in alarm:
        return [alarm]
    return [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]


def test_every_alarm_has_its_section_and_every_section_its_alarm() -> None:
    sections = re.findall(r"^### (\w+)$", _section("## Alarms"), re.MULTILINE)

    assert sorted(sections) == sorted(ALARMS)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_is_wrong_and_tells_somebody_both_times(name: str) -> None:
    alarm = ALARMS[name]

    assert len(alarm["AlarmDescription"]) > 30
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Alarms"}]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert len(_section(f"### {name}")) > 150


def test_errors_slowness_throttles_5xx_dead_letters_and_stale_models_are_watched() -> None:
    watched = {metric["MetricName"] for alarm in ALARMS.values() for metric in _metrics_of(alarm)}

    assert watched == {
        "Errors",
        "Duration",
        "Throttles",
        "AsyncEventAge",
        "4XXError",
        "5XXError",
        "ApproximateNumberOfMessagesVisible",
        Metric.MODEL_REFRESH_FAILED,
        Metric.LEARNING_FAILED,
        Metric.FAILED_ANSWERS,
    }
    kinds = [name.removesuffix("Function") for name, one in RESOURCES.items() if one["Type"].endswith("less::Function")]
    assert {f"{kind}{what}" for kind in kinds for what in ("Errors", "Slow")} <= ALARMS.keys()
    assert {f"{kind}Failing" for kind in kinds if kind != "Upload"} <= ALARMS.keys()


def _places(alarm: str) -> list[tuple[Any, str, dict[str, Any]]]:
    """The namespace, the name and the dimensions of each metric that an alarm watches."""
    return [
        (metric["Namespace"], metric["MetricName"], {one["Name"]: one["Value"] for one in metric["Dimensions"]})
        for metric in _metrics_of(ALARMS[alarm])
    ]


@pytest.mark.parametrize("kind", ["Suggest", "Update", "Caption", "Status", "Upload"])
@pytest.mark.parametrize(("what", "metric"), [("Errors", "Errors"), ("Slow", "Duration")])
def test_an_alarm_on_a_function_watches_the_alias_that_is_called(kind: str, what: str, metric: str) -> None:
    function = f"{kind}Function"
    alias = {"Fn::Sub": f"${{{function}}}:{DOCUMENT['Globals']['Function']['AutoPublishAlias']}"}

    assert _places(f"{kind}{what}") == [("AWS/Lambda", metric, {"FunctionName": {"Ref": function}, "Resource": alias})]


@pytest.mark.parametrize("kind", ["Suggest", "Update", "Caption", "Status"])
def test_an_alarm_on_a_functions_answers_watches_its_own_metric(kind: str) -> None:
    own = {"Ref": "AWS::StackName"}
    assert _places(f"{kind}Failing") == [(own, Metric.FAILED_ANSWERS, {"service": kind.lower()})]


def test_an_alarm_on_anything_else_of_awss_watches_it_by_the_dimensions_that_aws_has_for_it() -> None:
    called = [{"FunctionName": {"Ref": f"{kind}Function"}} for kind in ("Suggest", "Update", "Caption", "Status")]
    stage = {"ApiName": RESOURCES["Api"]["Properties"]["Name"], "Stage": RESOURCES["Api"]["Properties"]["StageName"]}
    queue = {"QueueName": {"Fn::GetAtt": "UploadDeadLetters.QueueName"}}

    # An upload that is throttled Lambda tries again by itself, and UploadsWaiting sees to it.
    assert _places("FunctionsThrottled") == [("AWS/Lambda", "Throttles", function) for function in called]
    assert _places("UploadsWaiting") == [("AWS/Lambda", "AsyncEventAge", {"FunctionName": {"Ref": "UploadFunction"}})]
    assert _places("ServerErrors") == [("AWS/ApiGateway", "5XXError", stage)]
    assert _places("Refusals") == [("AWS/ApiGateway", "4XXError", stage)]
    assert _places("DeadLetters") == [("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue)]


def _dashboard() -> list[dict[str, Any]]:
    body: str = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    found: list[dict[str, Any]] = json.loads(re.sub(r"\$\{[\w.:]+\}", "x", body))["widgets"]
    return found


def test_the_dashboard_shows_every_metric_of_ours_under_the_name_that_it_has() -> None:
    shown = [metric for widget in _dashboard() for metric in widget["properties"]["metrics"]]
    own = {metric[1] for metric in shown if metric[0] == "x"}
    alarmed = {Metric.MODEL_REFRESH_FAILED, Metric.LEARNING_FAILED}

    assert own | alarmed == set(Metric)
    assert len(_dashboard()) == 11


def test_what_the_dashboard_and_alarms_refer_to_is_there() -> None:
    body: str = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    named = {name.partition(".")[0] for name in re.findall(r"\$\{([\w.:]+)\}", body)}

    assert {name for name in named if not name.startswith("AWS::")} <= {*RESOURCES, *DOCUMENT["Parameters"]}


def test_the_metrics_are_documented_and_no_others_are() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", _section("## Metrics"), re.MULTILINE))

    assert table == {metric.value: "ms" if metric.value.endswith(("Latency", "Time")) else "count" for metric in Metric}


def test_the_sizes_are_those_of_the_template() -> None:
    table = re.findall(r"^\| (\w+) \| (\d+) s \| .+? \| (\d+) \|", _section("## Sizes"), re.MULTILINE)
    functions = {
        name.removesuffix("Function").lower(): one["Properties"]
        for name, one in RESOURCES.items()
        if one["Type"] == "AWS::Serverless::Function"
    }

    assert {name: (int(timeout), int(reserve)) for name, timeout, reserve in table} == {
        name: (one["Timeout"], one["ReservedConcurrentExecutions"]["Fn::If"][1]) for name, one in functions.items()
    }
    assert all(f"{one['MemorySize']:,} MB" in _section("## Sizes") for one in functions.values())
    reserved = sum(one["ReservedConcurrentExecutions"]["Fn::If"][1] for one in functions.values())
    assert f"reserve\n  {reserved} and AWS wants 100 left over. Where that is less than {reserved + 100}" in DEPLOYMENT


def test_the_limits_are_those_of_the_template() -> None:
    limits = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", OPERATIONS, re.MULTILINE))
    rules = {
        rule["Id"]: rule
        for bucket in ("UploadBucket", "ModelBucket")
        for rule in RESOURCES[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
    }
    days = [rules[name]["ExpirationInDays"] for name in ("ForgetUploads", "ForgetCaptions")]
    replaced = rules["ForgetReplaced"]["NoncurrentVersionExpiration"]["NoncurrentDays"]
    retries = RESOURCES["UploadFunction"]["Properties"]["EventInvokeConfig"]
    hours = retries["MaximumEventAgeInSeconds"] // 3600
    kept = RESOURCES["UploadDeadLetters"]["Properties"]["MessageRetentionPeriod"] // 86_400
    defaults = {name: one["Default"] for name, one in DOCUMENT["Parameters"].items()}

    assert limits["an uploaded picture stays in the bucket; its published caption"] == "{} days; {} days".format(*days)
    tried = limits["an upload event is tried; waits at most; lies in the dead-letter queue"]
    assert tried == f"{retries['MaximumRetryAttempts'] + 1} times; {hours} hours; {kept} days"
    assert limits["a bundle that was overwritten can be restored"] == f"{replaced} days"
    assert limits["logs are kept (template's default)"] == f"{defaults['LogRetentionDays']} days"
    assert limits["throttling (template's defaults)"] == (
        f"{defaults['RequestsPerSecond']} requests per second and {defaults['Burst']} at once for each method with a "
        f"key; captions and presigned uploads {defaults['CaptionRequestsPerSecond']} and {defaults['CaptionBurst']}; "
        "[without a key](#what-a-stranger-can-cost) far less"
    )
    assert limits["quota (template's default)"] == f"{defaults['DailyQuota']:,} requests per day for each key"


def test_every_parameter_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+?) \|", DEPLOYMENT, re.MULTILINE)
    table = {
        name.strip("`"): default.strip("`")
        for names, defaults in rows
        for name, default in zip(names.split(", "), defaults.split(", "), strict=True)
    }

    assert table == {
        name: str(one["Default"]) if one["Default"] != "" else NOT_GIVEN.get(name, "(none)")
        for name, one in DOCUMENT["Parameters"].items()
    }


def test_every_output_that_the_pages_speak_of_is_there() -> None:
    asked = set(re.findall(r"\$\(output (\w+)\)", DEPLOYMENT)) | set(re.findall(r"output `(\w+)`", OPERATIONS))

    assert {"Url", "ApiKeyId", "ModelBucketName", "DashboardUrl"} <= asked <= DOCUMENT["Outputs"].keys()


def test_the_runbooks_commands_name_what_is_there() -> None:
    assert set(re.findall(r"physical (\w+)\)", OPERATIONS)) <= RESOURCES.keys()
    groups = {
        one["Properties"]["LogGroupName"]["Fn::Sub"].rpartition("/")[2]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::Logs::LogGroup"
    }
    asked = set(re.findall(r"lines (\w+)", _section("## Alarms")))
    assert asked - {"they"} <= groups
    assert asked


def test_the_stacks_that_make_deploys_are_those_of_samconfig() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())

    for stage in ("dev", "prod"):
        assert config[stage]["global"]["parameters"]["stack_name"] == f"pictures-{stage}"
        assert f"pictures-{stage}" in DEPLOYMENT
        overrides = config[stage]["deploy"]["parameters"]["parameter_overrides"]
        given = dict(pair.split("=") for pair in overrides.split())
        for name, value in given.items():
            parameter = DOCUMENT["Parameters"][name]
            assert value in [str(one) for one in parameter["AllowedValues"]]
    assert "keeps logs for 90 days" in DEPLOYMENT
    assert "LogRetentionDays=90" in config["prod"]["deploy"]["parameters"]["parameter_overrides"]
