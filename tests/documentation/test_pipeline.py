"""docs/pipeline.md: its policies allow no more than it says, and its job asks for a token and no key."""

import json
from typing import Any

import yaml

from tests.support.readme import blocks

POLICIES: list[dict[str, Any]] = [
    json.loads(content) for language, content in blocks("docs/pipeline.md") if language == "json"
]
(JOB,) = (yaml.safe_load(content) for language, content in blocks("docs/pipeline.md") if language == "yaml")


def test_no_action_is_a_wildcard_and_every_one_is_for_this_stack_where_aws_knows_resources() -> None:
    statements = [one for policy in POLICIES for one in policy["Statement"]]
    assert len(statements) == 9
    for one in statements:
        actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
        assert not [action for action in actions if "*" in action]
        resources = one.get("Resource", [])
        for resource in resources if isinstance(resources, list) else [resources]:
            if resource == "*":
                assert actions == ["ecr:GetAuthorizationToken", "lambda:GetAccountSettings"]
            else:
                assert any(
                    name in resource
                    for name in (
                        "pictures-prod",
                        "picturesprod",
                        "aws-sam-cli-managed-default",
                        "Serverless",
                        "/apikeys/",
                    )
                )


def test_the_role_is_for_this_repositorys_jobs_in_their_environment_alone() -> None:
    trust = POLICIES[0]["Statement"][0]["Condition"]["StringEquals"]

    assert trust["token.actions.githubusercontent.com:sub"] == "repo:your-team/pictures:environment:prod"
    assert JOB["jobs"]["deploy"]["environment"] == "prod"


def test_the_job_may_ask_for_a_token_and_reads_the_sources_and_nothing_else() -> None:
    assert JOB["permissions"] == {"contents": "read"}
    assert JOB["jobs"]["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}
    last = JOB["jobs"]["deploy"]["steps"][-1]["run"]
    assert last.startswith("make deploy ENV=prod ")
    assert "AWS_SECRET" not in json.dumps(JOB[True]) + json.dumps(JOB["jobs"])
