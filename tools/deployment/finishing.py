"""What a stack still needs once SAM has deployed it: a caption bundle, a look whether it works, and its address."""

from pathlib import Path

from tools import smoke
from tools.captioner.publishing import publish_bundle
from tools.captioner.shelf import Shelf
from tools.service import Service
from tools.stack import Stack, connect, told

_PREFIX = "caption"
"""Under which the functions look for bundles in the stack's bucket: CAPTION_MODEL in the template."""

_UPLOAD_SECONDS = 120.0


def publish_default(stack: Stack, bundle: Path) -> str | None:
    """Publish the default bundle if the stack has none yet; return its version, or None if one was there.

    Raises:
        StackError: the stack cannot be asked.
        PublicationError, CaptioningError: it cannot be published.
    """
    url = f"s3://{stack.output('ModelBucketName')}/{_PREFIX}"
    if Shelf.at(url).read_publication().publication is not None:
        return None
    return publish_bundle(bundle, url)


def check(stack: Stack) -> int:
    """Run the smoke test with the stack's own key, which is shown nowhere; return its exit status.

    Raises:
        StackError: the key cannot be read.
    """
    with told():
        found = connect("apigateway").get_api_key(apiKey=stack.output("ApiKeyId"), includeValue=True)
    return smoke.check_all(Service(stack.output("Url").rstrip("/"), found["value"], _UPLOAD_SECONDS))


def address(stack: Stack, region: str | None) -> str:
    """Return the lines that say where the stack answers, and how its key is shown; `region` if it must be named."""
    show = (
        f"aws apigateway get-api-key --api-key {stack.output('ApiKeyId')} --include-value --query value --output text"
    )
    lines = [f"URL        {stack.output('Url')}", f"the key    {show}{f' --region {region}' if region else ''}"]
    if "DashboardUrl" in stack.outputs:
        lines.append(f"dashboard  {stack.outputs['DashboardUrl']}")
    return "\n".join(lines)
