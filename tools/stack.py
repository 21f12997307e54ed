"""A deployed stack, found by its name: what CloudFormation says of its outputs and its parts, and clients of AWS.

Region, credentials and endpoints are AWS's own settings (`aws configure`, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

_CONNECT_SECONDS = 10


class StackError(Exception):
    """AWS, or the stack, did not give what was asked for; the message says what to do."""


@contextmanager
def told() -> Iterator[None]:
    """Turn every error of AWS's client into one that is a single line.

    Raises:
        StackError: the call failed.
    """
    try:
        yield
    except NoRegionError as error:
        raise StackError("no region is set: name it in AWS_DEFAULT_REGION, or with `aws configure`") from error
    except (BotoCoreError, ClientError, ValueError) as error:
        raise StackError(" ".join(str(error).split())) from error


def connect(service: str, **options: Any) -> Any:
    """Make a client of `service`; nothing is sent yet.

    Raises:
        StackError: AWS's settings are not enough, such as no region.
    """
    with told():
        return boto3.Session().client(service, **options)


class Stack:
    """The stack called `name`, which is looked up when the object is made.

    Raises:
        StackError: there is none in this account and region, or AWS does not answer.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._cloudformation = connect("cloudformation")
        with told():
            (found,) = self._cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.outputs: dict[str, str] = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())}

    def output(self, name: str) -> str:
        """Return an output of the template.

        Raises:
            StackError: the stack has none of this name.
        """
        if name not in self.outputs:
            raise StackError(f"the stack {self.name} has no output {name}: is it one of this template?")
        return self.outputs[name]

    def physical(self, name: str) -> str:
        """Return the physical id of a resource: of a queue its URL, of others their names.

        Raises:
            StackError: the stack has no such resource.
        """
        with told():
            found = self._cloudformation.describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        physical: str = found["StackResourceDetail"]["PhysicalResourceId"]
        return physical


def exists(name: str) -> bool:
    """Tell whether there is a stack of this name.

    Raises:
        StackError: AWS does not say.
    """
    client = connect("cloudformation")
    try:
        with told():
            client.describe_stacks(StackName=name)
    except StackError as error:
        if "does not exist" in str(error):
            return False
        raise
    return True
