"""The errors of captioning: subclasses of those in `storage.errors`, whose groups say what the caller does next.

    CaptioningError
    ├── BundleUnavailableError          (transient) the bundle's source cannot be reached; has `retry_after`, in s
    ├── PictureReaderUnavailableError   (transient) pictures cannot be read now; has `retry_after`, in s
    ├── DecodingError                   (request) a decoding option outside its limits
    ├── PictureError                    (request) send another picture
    │   ├── EmptyPictureError           no bytes at all
    │   ├── PictureTooLargeError        too many bytes or pixels, or too much to read
    │   ├── NotAPictureError            not one of the formats that are read
    │   └── DamagedPictureError         one of the formats, but truncated or broken
    ├── BundleError                     (permanent) the bundle is missing, damaged or unfit; names the file
    ├── CaptionStoreError               captions are served without the store
    │   ├── CaptionStoreUnavailableError    (transient) locked, full or not reached; has `retry_after`, in s
    │   ├── CaptionStoreDamagedError        (permanent) the storage is not a readable caption store
    │   ├── CaptionStoreRefusedError        (permanent) the storage does not exist, or denies access
    │   └── CaptionStoreUrlError            (permanent) the setting that names the storage is wrong
    ├── BucketError
    │   ├── BucketUnavailableError      (transient) throttled, cut off or not reached; has `retry_after`, in s
    │   ├── BucketRefusedError          (permanent) the bucket does not exist, or denies access
    │   └── BucketUrlError              (permanent) the setting that names the bucket is wrong
    └── UploadError                     go on; the announced version of the picture is not there
        ├── UploadGoneError             the picture was deleted
        └── UploadReplacedError         another picture replaced it

This module knows nothing of HTTP: `web` chooses the status by the group, except for those in
`functions.caption.refusals`.
"""

from storage.errors import (
    DamagedError,
    ExpectedError,
    PermanentError,
    RefusedError,
    RequestError,
    StorageErrors,
    TransientError,
    UnavailableError,
)


class CaptioningError(ExpectedError):
    """Base of every error that captioning raises on purpose."""


class PictureError(CaptioningError, RequestError):
    """Send another picture: this one cannot be captioned.

    The first argument is what was found; the text of the error adds `remedy`: what to do.
    """

    remedy = "use another picture"
    reason = "refused"
    """The reason in one word, for logs and metrics."""

    def __str__(self) -> str:
        return f"{self.found}; {self.remedy}"

    @property
    def found(self) -> str:
        """What is wrong with the picture, without the remedy."""
        return super().__str__()


class EmptyPictureError(PictureError):
    """The picture has no bytes."""

    remedy = "use a file that has bytes"
    reason = "empty"


class PictureTooLargeError(PictureError):
    """The picture has more bytes or pixels than the limit, or takes more time or memory to read."""

    remedy = "make it smaller"
    reason = "too_large"


class NotAPictureError(PictureError):
    """The bytes are not a picture in a supported format, whatever the file's name says."""

    remedy = "save it as an ordinary JPEG or PNG"
    reason = "not_read"


class DamagedPictureError(PictureError):
    """The bytes begin as a picture that is truncated or broken."""

    remedy = "use its whole file, or open it and save it anew"
    reason = "damaged"


class DecodingError(CaptioningError, RequestError):
    """A decoding option is outside its limits; the message names it."""


class BundleError(CaptioningError, PermanentError):
    """The bundle cannot be used; `file` is the one at fault."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(f"{file}: {message}")
        self.file = file


class BundleUnavailableError(CaptioningError, UnavailableError):
    """The bundle's source cannot be reached now; `retry_after` says in how many seconds to try again."""

    def __init__(self, file: str, message: str, *, retry_after: int = 5) -> None:
        super().__init__(f"{file}: {message}", retry_after=retry_after)


class PictureReaderUnavailableError(CaptioningError, TransientError):
    """The process that reads pictures does not start, or gets no processor; `retry_after` says when to try again."""

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message, retry_after=retry_after)


class CaptionStoreError(CaptioningError):
    """Base of the errors of the caption store; captions are served without it."""


class CaptionStoreUnavailableError(CaptionStoreError, UnavailableError):
    """The store cannot be read or written now; `retry_after` says in how many seconds to try again."""


class CaptionStoreDamagedError(CaptionStoreError, DamagedError):
    """The storage is not a readable caption store."""


class CaptionStoreRefusedError(CaptionStoreError, RefusedError):
    """The storage does not exist or denies access: a person must correct credentials, permissions or the table."""


CAPTION_STORE_ERRORS = StorageErrors(CaptionStoreUnavailableError, CaptionStoreDamagedError, CaptionStoreRefusedError)
"""What `storage` raises for captions and outcomes."""


class CaptionStoreUrlError(CaptionStoreError, PermanentError):
    """The setting that names the storage is wrong."""


class BucketError(CaptioningError):
    """Base of the errors of the upload bucket."""


class BucketUnavailableError(BucketError, UnavailableError):
    """The bucket cannot be read or written now; `retry_after` says in how many seconds to try again."""

    def __init__(self, message: str, *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)


class BucketRefusedError(BucketError, RefusedError):
    """The bucket does not exist or denies access: a person must correct credentials, permissions or the bucket."""


class BucketUrlError(BucketError, PermanentError):
    """The setting that names the bucket is wrong."""


class UploadError(CaptioningError):
    """Go on: the announced version of the picture can never be read again."""


class UploadGoneError(UploadError):
    """The picture was deleted."""


class UploadReplacedError(UploadError):
    """Another picture replaced it; that one has an event of its own."""
