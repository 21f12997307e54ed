"""Least privilege: what the functions may do on AWS is what their adapters do, on what is theirs.

The calls are read from the adapters' sources: whatever in an `s3` module has the name of one of the service's
operations, and what the methods of `storage.table` have that a `dynamodb` module uses. Which of two functions makes
which of them, tests/integration/test_store_permissions.py watches.
"""

import ast
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from local.template import parse

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = parse((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, Any] = DOCUMENT["Resources"]

# Operations that IAM knows by other names.
OTHERWISE = {
    "HeadObject": {"s3:GetObject"},
    "ListObjectsV2": {"s3:ListBucket"},
    "generate_presigned_post": {"s3:PutObject"},
}
# IAM knows no transactions, only what they are made of.
IN_TRANSACTIONS = {name: f"dynamodb:{name}Item" for name in ("Put", "Delete", "Update", "ConditionCheck")}

FUNCTIONS = {
    "tuning": ("SuggestFunction", "UpdateFunction"),
    "captioning": ("CaptionFunction", "StatusFunction", "UploadFunction"),
}
OWN = {
    "tuning": [{"Fn::GetAtt": "ObservationsTable.Arn"}],
    "captioning": [
        {"Fn::GetAtt": "CaptionsTable.Arn"},
        {"Fn::Sub": "${ModelBucket.Arn}/caption/*"},
        {"Fn::Sub": "${UploadBucket.Arn}/uploads/*"},
        {"Fn::Sub": "${UploadBucket.Arn}/captions/*"},
        {"Fn::GetAtt": "UploadBucket.Arn"},
    ],
}


def _statements(function: str) -> list[dict[str, Any]]:
    """What the template allows the function, in its own policies and in those that name its role."""
    of_its_role = [
        one["Properties"]["PolicyDocument"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::IAM::Policy" and {"Ref": f"{function}Role"} in one["Properties"]["Roles"]
    ]
    policies = [*RESOURCES[function]["Properties"]["Policies"], *of_its_role]
    return [statement for policy in policies for statement in policy["Statement"]]


def _actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return action if isinstance(action, list) else [action]


def _calls(source: str, service: str) -> set[str]:
    """The actions that a module's calls of the service need."""
    operations = {
        xform_name(name): name for name in botocore.session.get_session().get_service_model(service).operation_names
    }
    tree = ast.parse(source)
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | texts
    needed: set[str] = set()
    for name in names:
        if name == "transact_write_items":
            needed |= {action for kind, action in IN_TRANSACTIONS.items() if kind in texts}
        elif name in OTHERWISE or operations.get(name) in OTHERWISE:
            needed |= OTHERWISE[name if name in OTHERWISE else operations[name]]
        elif name in operations:
            needed.add(f"{service}:{operations[name]}")
    if "s3:GetObject" in needed and re.search(r"\bVersionId\b", source):
        needed.add("s3:GetObjectVersion")
    return needed


def _calls_of_the_table(source: str) -> set[str]:
    """The actions that a module needs by what it asks of `storage.table.Table`."""
    asked = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "_table"
    }
    table = (ROOT / "layers/storage/python/storage/table.py").read_text()
    (found,) = (node for node in ast.parse(table).body if isinstance(node, ast.ClassDef) and node.name == "Table")
    methods = [node for node in found.body if isinstance(node, ast.FunctionDef) and node.name in asked]
    return {action for one in methods for action in _calls(ast.unparse(one), "dynamodb")}


def _needed(layer: str) -> set[str]:
    found = set()
    for module in (ROOT / "layers" / layer / "python" / layer).rglob("*.py"):
        if module.stem == "s3":
            found |= _calls(module.read_text(), "s3")
        elif module.stem == "dynamodb":
            found |= _calls_of_the_table(module.read_text())
    return found


@pytest.mark.parametrize("layer", FUNCTIONS)
def test_functions_may_make_the_calls_of_their_adapters_and_no_others(layer: str) -> None:
    allowed = {
        action for function in FUNCTIONS[layer] for statement in _statements(function) for action in _actions(statement)
    }

    assert _needed(layer)
    assert allowed == _needed(layer)


@pytest.mark.parametrize(("layer", "function"), [(layer, one) for layer, found in FUNCTIONS.items() for one in found])
def test_a_function_is_allowed_named_actions_on_what_is_its_own(layer: str, function: str) -> None:
    for statement in _statements(function):
        assert statement.keys() - {"Condition"} == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in _actions(statement))
        assert statement["Resource"] in OWN[layer]


def test_the_calls_are_read_from_every_way_of_writing_them() -> None:
    source = """
def go(client, key):
    client.get_object(Bucket="b", Key=key, VersionId="v")
    getattr(client, "put_object")(Bucket="b")
    client.generate_presigned_post("b", key)
    client.head_object(Bucket="b")
    client.close()
"""
    assert _calls(source, "s3") == {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"}
    transaction = 'self._call("transact_write_items", TransactItems=[{"Put": {}}, {"Delete": {}}])'
    assert _calls(transaction, "dynamodb") == {"dynamodb:PutItem", "dynamodb:DeleteItem"}


def test_the_roles_beside_the_functions_are_those_that_aws_itself_needs() -> None:
    roles = {name for name, one in RESOURCES.items() if one["Type"] == "AWS::IAM::Role"}

    assert roles == {"GatewayLogsRole"}
    assert "Policies" not in RESOURCES["GatewayLogsRole"]["Properties"]
    assert len(RESOURCES["GatewayLogsRole"]["Properties"]["ManagedPolicyArns"]) == 1
