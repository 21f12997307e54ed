"""What the three captioning functions share: settings, metrics, the models, the caption store, the bucket."""

from contextlib import suppress
from functools import cache, cached_property

from aws_lambda_powertools import Logger

from captioning.buckets import open_bucket
from captioning.buckets.port import Bucket
from captioning.captions import Refusal
from captioning.errors import (
    BundleError,
    CaptioningError,
    CaptionStoreUrlError,
    DamagedPictureError,
    EmptyPictureError,
    NotAPictureError,
    PictureReaderUnavailableError,
    PictureTooLargeError,
)
from captioning.pictures.reader import reader
from captioning.service import CaptionerService, Loading
from captioning.sources import open_source
from captioning.stores import open_caption_store
from captioning.stores.port import CaptionStore
from web import logs
from web.metrics import Metric, Metrics
from web.settings import Settings

_REFUSED = {
    EmptyPictureError.reason: Metric.PICTURES_EMPTY,
    PictureTooLargeError.reason: Metric.PICTURES_TOO_LARGE,
    NotAPictureError.reason: Metric.PICTURES_NOT_READ,
    DamagedPictureError.reason: Metric.PICTURES_DAMAGED,
}


class Resources:
    """The resources of one function.

    Each is made at first use and kept. If making it fails, the next request tries again.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics("caption")
        self._buckets: dict[str, Bucket] = {}
        self._log = logs.logger(
            "captioner",
            level=settings.log_level.upper(),
            form=settings.log_format,
            packages=("captioning", "storage"),
        )

    @cached_property
    def service(self) -> CaptionerService:
        """The models, which are replaced when another bundle is published."""
        return CaptionerService(open_source(self.settings.caption_model), observe=self.report)

    @cached_property
    def store(self) -> CaptionStore:
        """The captions made before, and the outcomes of uploads."""
        return open_caption_store(self.settings.caption_store)

    def bucket(self, name: str = "") -> Bucket:
        """Return the upload bucket; if UPLOAD_BUCKET is `s3://`, the one called `name`, as the event names it."""
        url = self.settings.upload_bucket
        if name not in self._buckets:
            self._buckets[name] = open_bucket(f"{url}{name}" if url == "s3://" else url)
        return self._buckets[name]

    def report(self, loading: Loading) -> None:
        """Log and count the result of loading a bundle."""
        facts = {"model_version": loading.model_version, "serving": loading.serving}
        if loading.error is None:
            self.metrics.lasted(Metric.MODEL_LOAD_TIME, loading.seconds)
            self._log.info("caption bundle loaded", extra=facts | {"duration_ms": round(loading.seconds * 1000, 1)})
        else:
            self.metrics.count(Metric.MODEL_REFRESH_FAILED)
            facts["error"] = type(loading.error).__name__
            self._log.error("caption bundle not loaded: %s", loading.error, extra=facts)

    def refused(self, refusal: Refusal) -> None:
        """Log and count a picture that was refused: its format and size, and neither its bytes nor its name."""
        self.metrics.count(_REFUSED[refusal.reason])
        facts = {"reason": refusal.reason, "why": refusal.why, "format": refusal.format or "unknown"}
        self._log.info("a picture was refused", extra=facts | {"bytes": refusal.size})

    def warm_up(self, log: Logger, *, models: bool = True) -> None:
        """Make the store and, unless `models` is false, the models, before the first request arrives.

        With the models, the process that reads pictures is started too. Errors are logged and do not end the function,
        because Lambda would only start it again. The bucket is not made yet: most requests do not need it, and its
        client would lengthen every start.
        """
        try:
            if models:
                reader.start()
        except PictureReaderUnavailableError as error:
            log.error("pictures cannot be read: %s", error)  # noqa: TRY400  (the message says all)
        try:
            service = self.service
        except BundleError as error:
            log.error("the caption bundle cannot be used: %s", error)  # noqa: TRY400  (the message says all)
        else:
            with suppress(CaptioningError):  # `report` has logged it
                if models:
                    service.captioner()
        try:
            _ = self.store
        except CaptionStoreUrlError as error:
            log.error("the caption store cannot be used: %s", error)  # noqa: TRY400  (as above)


@cache
def shared_resources(settings: Settings) -> Resources:
    """Return the resources of all functions in this process: on one machine, three functions have one set of models."""
    return Resources(settings)
