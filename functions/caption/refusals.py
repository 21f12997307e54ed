"""What a caller gets for each error of the captioning layer, whichever function of this image it is raised in."""

from collections.abc import Mapping

from captioning.errors import (
    NotAPictureError,
    PermanentError,
    PictureTooLargeError,
    RequestError,
    TransientError,
)

STATUSES: Mapping[type[Exception], int] = {
    NotAPictureError: 415,
    PictureTooLargeError: 413,
    RequestError: 422,
    TransientError: 503,
    PermanentError: 503,
}
"""HTTP statuses, as `web.problems.install` takes them."""
