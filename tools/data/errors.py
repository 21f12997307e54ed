"""The errors of backing up, restoring and starting over."""


class DataError(Exception):
    """It cannot be done, and nothing was changed; the message says why, and what to do."""
