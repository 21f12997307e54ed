"""The errors of captioning whose HTTP status is not that of their group (`web.problems`)."""

from collections.abc import Mapping

from captioning.errors import NotAPictureError, PictureTooLargeError

STATUSES: Mapping[type[Exception], int] = {NotAPictureError: 415, PictureTooLargeError: 413}
"""HTTP statuses, as `web.problems.install` takes them."""
