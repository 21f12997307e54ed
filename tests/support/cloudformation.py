"""An expanded template with values for its parameters: what CloudFormation would make of it, and by what names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The resources and outputs whose conditions hold; of `Fn::If` the branch that counts, of parameters the values."""

    resources: Mapping[str, Any]
    outputs: Mapping[str, Any]
    region: str

    def names(self) -> set[tuple[str, ...]]:
        """What identifies the resources in an account: those that the template names itself, with their region.

        CloudFormation gives the others names of their own.
        """
        found = set()
        for resource in self.resources.values():
            kind = resource["Type"]
            schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(self.region, kind).schema
            read_only = set(schema.get("readOnlyProperties", ()))
            parts = [path.rpartition("/")[2] for path in schema["primaryIdentifier"] if path not in read_only]
            given = [resource.get("Properties", {}).get(part, "") for part in parts]
            # What is named by another resource is that one's, and differs as it does.
            if any(given) and not any(isinstance(value, dict) for value in given):
                region = "" if kind in OF_ALL_REGIONS else self.region
                found.add((kind, region, *given))
        return found


OF_ALL_REGIONS = ("AWS::CloudWatch::Dashboard", "AWS::IAM::Role", "AWS::IAM::Policy", "AWS::S3::Bucket")
"""What an account has one of by a name, in whichever region; buckets even the world."""


def resolved(
    template: Mapping[str, Any], *, stack: str = "pictures", region: str = "eu-west-1", **parameters: str
) -> Resolved:
    """Decide the conditions of `template` for a stack with these parameters, the others at their defaults."""
    defaults = {name: one.get("Default", "") for name, one in template["Parameters"].items()}
    assert parameters.keys() <= defaults.keys()
    pseudo = {"AWS::StackName": stack, "AWS::Region": region, "AWS::NoValue": _NOTHING}
    values = _Values(template["Conditions"], {**defaults, **parameters, **pseudo})
    resources, outputs = (
        {name: values.of(one) for name, one in template[section].items() if values.hold(one.get("Condition"))}
        for section in ("Resources", "Outputs")
    )
    return Resolved(resources, outputs, region)


class _Values:
    """The values of parameters, and what conditions and functions make of them."""

    def __init__(self, conditions: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._conditions = conditions
        self._values = values

    def hold(self, name: str | None) -> bool:
        """Whether the condition called `name` holds; none always does."""
        return name is None or self._holds(self._conditions[name])

    def of(self, node: Any) -> Any:
        """The value of a part of the template; what other resources must say first stays as it is."""
        match node:
            case {"Ref": name} if name in self._values:
                return self._values[name]
            case {"Fn::If": [name, yes, no]}:
                return self.of(yes if self.hold(name) else no)
            case {"Fn::Sub": str(text)}:
                filled = re.sub(r"\$\{([\w:]+)\}", lambda found: str(self._values.get(found[1], found[0])), text)
                return {"Fn::Sub": filled} if "${" in filled else filled
            case dict():
                return self._joined({name: self.of(member) for name, member in node.items()})
            case list():
                return [member for member in map(self.of, node) if member is not _NOTHING]
        return node

    def _holds(self, condition: Any) -> bool:
        ((kind, given),) = condition.items()
        match kind:
            case "Condition":
                return self.hold(given)
            case "Fn::Equals":
                return bool(self.of(given[0]) == self.of(given[1]))
            case "Fn::Not":
                return not self._holds(given[0])
            case "Fn::And":
                return all(map(self._holds, given))
        raise AssertionError(condition)

    @staticmethod
    def _joined(node: dict[str, Any]) -> Any:
        match node:
            case {"Fn::Join": [str(between), list(parts)]} if all(isinstance(part, str) for part in parts):
                return between.join(parts)
        return {name: member for name, member in node.items() if member is not _NOTHING}
