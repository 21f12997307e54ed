"""What all ways into captioning work with: settings, metrics, models, store and bucket.

Each is made when it is first asked for, and kept. An error is not remembered: the next request tries again.
"""

from contextlib import suppress
from functools import cache

from aws_lambda_powertools import Logger

from captioning.buckets import open_bucket
from captioning.buckets.port import Bucket
from captioning.errors import BundleError, CaptioningError, CaptionStoreUrlError, PictureReaderUnavailableError
from captioning.pictures.reader import reader
from captioning.service import CaptionerService, Loading
from captioning.sources import open_source
from captioning.stores import open_caption_store
from captioning.stores.port import CaptionStore
from web import logs
from web.metrics import Metric, Metrics
from web.settings import Settings

settings = Settings.from_environment()
metrics = Metrics("caption")
_log = logs.logger("captioner", level=settings.log_level.upper())


def _tell(loading: Loading) -> None:
    """Logs and counts what became of a bundle."""
    facts = {"model_version": loading.model_version, "serving": loading.serving}
    if loading.error is None:
        metrics.lasted(Metric.MODEL_LOAD_TIME, loading.seconds)
        _log.info("caption bundle loaded", extra=facts | {"duration_ms": round(loading.seconds * 1000, 1)})
    else:
        metrics.count(Metric.MODEL_REFRESH_FAILED)
        facts["error"] = type(loading.error).__name__
        _log.error("caption bundle not loaded: %s", loading.error, extra=facts)


@cache
def service() -> CaptionerService:
    """The models, which are replaced when others are published."""
    return CaptionerService(open_source(settings.caption_model), observe=_tell)


@cache
def store() -> CaptionStore:
    """The captions made before, and the outcomes of uploads."""
    return open_caption_store(settings.caption_store)


@cache
def bucket(name: str = "") -> Bucket:
    """The bucket of uploads; the one called `name` where the setting leaves it to the events."""
    url = settings.upload_bucket
    return open_bucket(f"{url}{name}" if url == "s3://" else url)


def warm_up(log: Logger, *, models: bool = True) -> None:
    """Make store and, unless told not to, models while a function starts, when nobody's request is waiting for them.

    With the models starts the process that reads pictures. What goes wrong is told; a function that ended for it would
    only be started again. Not the bucket: most requests have no need of it, and its client would lengthen every start.
    """
    try:
        if models:
            reader.start()
    except PictureReaderUnavailableError as error:
        log.error("pictures cannot be read: %s", error)  # noqa: TRY400  (the message says all)
    try:
        service()
    except BundleError as error:
        log.error("the caption bundle cannot be used: %s", error)  # noqa: TRY400  (the message says all)
    else:
        with suppress(CaptioningError):  # `_tell` has told
            if models:
                service().captioner()
    try:
        store()
    except CaptionStoreUrlError as error:
        log.error("the caption store cannot be used: %s", error)  # noqa: TRY400  (as above)
