"""The errors of captioning, grouped by what the caller should do next.

    CaptioningError
    ├── TransientError                      retry later; the request was good
    │   ├── BundleUnavailableError          the bundle's source is out of reach; carries `retry_after` seconds
    │   ├── PictureReaderUnavailableError   pictures cannot be read now; carries `retry_after` seconds
    │   ├── CaptionStoreUnavailableError    locked, full or out of reach; carries `retry_after` seconds
    │   └── BucketUnavailableError          throttled, cut off or out of reach; carries `retry_after` seconds
    ├── RequestError                        fix the request; retrying it unchanged is useless
    │   ├── DecodingError                   a decoding option outside its limits
    │   └── PictureError                    send another picture
    │       ├── EmptyPictureError           no bytes at all
    │       ├── PictureTooLargeError        too many bytes or pixels, or too much to read
    │       ├── NotAPictureError            not one of the formats that are read
    │       └── DamagedPictureError         one of the formats, but truncated or broken
    ├── PermanentError                      give up; a person must repair the deployment
    │   ├── BundleError                     the bundle is missing, damaged or unfit; names the file
    │   ├── CaptionStoreDamagedError        the storage is not a readable caption store
    │   ├── CaptionStoreRefusedError        the storage is not there, or does not admit us
    │   ├── CaptionStoreUrlError            the setting that names the storage is wrong
    │   ├── BucketRefusedError              the bucket is not there, or does not admit us
    │   └── BucketUrlError                  the setting that names the bucket is wrong
    └── UploadError                         go on; what was announced is not what is there
        ├── UploadGoneError                 the picture was deleted
        └── UploadReplacedError             another picture took its place

The four errors of the store share the base `CaptionStoreError` beside their group, and the three of the bucket
`BucketError`.

This module knows nothing of HTTP; the functions choose the status.
"""


class CaptioningError(Exception):
    """Base of every error that captioning raises on purpose."""


class TransientError(CaptioningError):
    """Retry later: nothing is wrong with the request."""


class RequestError(CaptioningError):
    """Fix the request: sent again unchanged, it fails again."""


class PermanentError(CaptioningError):
    """Give up: a person must repair the deployment."""


class PictureError(RequestError):
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


class DecodingError(RequestError):
    """A decoding option is outside its limits; the message names it."""


class BundleError(PermanentError):
    """The bundle cannot be served; `file` says which of its files is at fault."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(f"{file}: {message}")
        self.file = file


class BundleUnavailableError(TransientError):
    """The bundle's source cannot be reached now; `retry_after` says in how many seconds to try again."""

    def __init__(self, file: str, message: str, *, retry_after: int = 5) -> None:
        super().__init__(f"{file}: {message}")
        self.retry_after = retry_after


class PictureReaderUnavailableError(TransientError):
    """The process that reads pictures does not start, or gets no processor; `retry_after` says when to try again."""

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CaptionStoreError(CaptioningError):
    """Base of what goes wrong with the caption store; a caption is served without it."""


class CaptionStoreUnavailableError(CaptionStoreError, TransientError):
    """The store cannot be read or written now; `retry_after` says in how many seconds to try again."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CaptionStoreDamagedError(CaptionStoreError, PermanentError):
    """The storage is not a readable caption store."""


class CaptionStoreRefusedError(CaptionStoreError, PermanentError):
    """The storage is not there, or does not admit us: credentials, permissions or the table must be put right."""


class CaptionStoreUrlError(CaptionStoreError, PermanentError):
    """The setting that names the storage is wrong."""


class BucketError(CaptioningError):
    """Base of what goes wrong with the bucket of uploads."""


class BucketUnavailableError(BucketError, TransientError):
    """The bucket cannot be read or written now; `retry_after` says in how many seconds to try again."""

    def __init__(self, message: str, *, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BucketRefusedError(BucketError, PermanentError):
    """The bucket is not there, or does not admit us: credentials, permissions or the bucket must be put right."""


class BucketUrlError(BucketError, PermanentError):
    """The setting that names the bucket is wrong."""


class UploadError(CaptioningError):
    """Go on: the version of a picture that was announced cannot be read any more, and never will be."""


class UploadGoneError(UploadError):
    """The picture was deleted."""


class UploadReplacedError(UploadError):
    """Another picture took its place; that one is announced by itself."""
