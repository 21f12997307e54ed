"""What both ways into captioning work with: settings, metrics, models, store and bucket.

Each is made when it is first asked for, and kept. An error is not remembered: the next request tries again.
"""

from functools import cache

from aws_lambda_powertools import Logger

from captioning.bucket import Bucket, open_bucket
from captioning.bundle import open_bundle
from captioning.captioner import Captioner
from captioning.errors import BundleError, CaptionStoreUrlError
from captioning.store import CaptionStore, open_caption_store
from web.metrics import Metric, Metrics
from web.settings import Settings

settings = Settings.from_environment()
metrics = Metrics("caption")


@cache
def captioner() -> Captioner:
    """The models."""
    with metrics.timed(Metric.MODEL_LOAD_TIME):
        return Captioner(open_bundle(settings.caption_model))


@cache
def store() -> CaptionStore:
    """The captions made before, and the outcomes of uploads."""
    return open_caption_store(settings.caption_store)


@cache
def bucket(name: str = "") -> Bucket:
    """The bucket of uploads; the one called `name` where the setting leaves it to the events."""
    url = settings.upload_bucket
    return open_bucket(f"{url}{name}" if url == "s3://" else url)


def warm_up(log: Logger) -> None:
    """Make models and store while a function starts, when nobody's request is waiting for them.

    Not the bucket: most requests have no need of it, and its client would lengthen every start.
    """
    try:
        captioner()
    except BundleError as error:
        log.error("the caption bundle cannot be used: %s", error)  # noqa: TRY400  (the message says all)
    try:
        store()
    except CaptionStoreUrlError as error:
        log.error("the caption store cannot be used: %s", error)  # noqa: TRY400  (as above)
