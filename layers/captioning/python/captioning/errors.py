"""The errors of captioning: branches of the tree in `storage.errors`, whose groups say what the caller does next.

    CaptioningError
    ├── BundleUnavailableError          (transient) the bundle's source is out of reach; carries `retry_after` seconds
    ├── PictureReaderUnavailableError   (transient) pictures cannot be read now; carries `retry_after` seconds
    ├── DecodingError                   (request) a decoding option outside its limits
    ├── PictureError                    (request) send another picture
    │   ├── EmptyPictureError           no bytes at all
    │   ├── PictureTooLargeError        too many bytes or pixels, or too much to read
    │   ├── NotAPictureError            not one of the formats that are read
    │   └── DamagedPictureError         one of the formats, but truncated or broken
    ├── BundleError                     (permanent) the bundle is missing, damaged or unfit; names the file
    ├── CaptionStoreError               a caption is served without the store
    │   ├── CaptionStoreUnavailableError    (transient) locked, full or out of reach; carries `retry_after` seconds
    │   ├── CaptionStoreDamagedError        (permanent) the storage is not a readable caption store
    │   ├── CaptionStoreRefusedError        (permanent) the storage is not there, or does not admit us
    │   └── CaptionStoreUrlError            (permanent) the setting that names the storage is wrong
    ├── BucketError
    │   ├── BucketUnavailableError      (transient) throttled, cut off or out of reach; carries `retry_after` seconds
    │   ├── BucketRefusedError          (permanent) the bucket is not there, or does not admit us
    │   └── BucketUrlError              (permanent) the setting that names the bucket is wrong
    └── UploadError                     go on; what was announced is not what is there
        ├── UploadGoneError             the picture was deleted
        └── UploadReplacedError         another picture took its place

This module knows nothing of HTTP; `web` chooses the status by the group, but for what the function says itself.
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

    The first argument is what was found; the text of the error adds `remedy`, what to do about it.
    """

    remedy = "use another picture"

    def __str__(self) -> str:
        return f"{self.found}; {self.remedy}"

    @property
    def found(self) -> str:
        """What is wrong with the picture, without the remedy."""
        return super().__str__()


class EmptyPictureError(PictureError):
    """The picture has no bytes."""

    remedy = "use a file that has bytes"


class PictureTooLargeError(PictureError):
    """The picture has more bytes or pixels than are accepted, or takes more time or memory to read."""

    remedy = "make it smaller"


class NotAPictureError(PictureError):
    """The bytes are not a picture of a format that is read, whatever their name says."""

    remedy = "save it as an ordinary JPEG or PNG"


class DamagedPictureError(PictureError):
    """The bytes begin as a picture, but it is truncated or broken."""

    remedy = "use its whole file, or open it and save it anew"


class DecodingError(CaptioningError, RequestError):
    """A decoding option is outside its limits; the message names it."""


class BundleError(CaptioningError, PermanentError):
    """The bundle cannot be served; `file` says which of its files is at fault."""

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
    """Base of what goes wrong with the caption store; a caption is served without it."""


class CaptionStoreUnavailableError(CaptionStoreError, UnavailableError):
    """The store cannot be read or written now; `retry_after` says in how many seconds to try again."""


class CaptionStoreDamagedError(CaptionStoreError, DamagedError):
    """The storage is not a readable caption store."""


class CaptionStoreRefusedError(CaptionStoreError, RefusedError):
    """The storage is not there, or does not admit us: credentials, permissions or the table must be put right."""


CAPTION_STORE_ERRORS = StorageErrors(CaptionStoreUnavailableError, CaptionStoreDamagedError, CaptionStoreRefusedError)
"""What `storage` raises where it keeps captions and outcomes."""


class CaptionStoreUrlError(CaptionStoreError, PermanentError):
    """The setting that names the storage is wrong."""


class BucketError(CaptioningError):
    """Base of what goes wrong with the bucket of uploads."""


class BucketUnavailableError(BucketError, UnavailableError):
    """The bucket cannot be read or written now; `retry_after` says in how many seconds to try again."""

    def __init__(self, message: str, *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)


class BucketRefusedError(BucketError, RefusedError):
    """The bucket is not there, or does not admit us: credentials, permissions or the bucket must be put right."""


class BucketUrlError(BucketError, PermanentError):
    """The setting that names the bucket is wrong."""


class UploadError(CaptioningError):
    """Go on: the version of a picture that was announced cannot be read any more, and never will be."""


class UploadGoneError(UploadError):
    """The picture was deleted."""


class UploadReplacedError(UploadError):
    """Another picture took its place; that one is announced by itself."""
