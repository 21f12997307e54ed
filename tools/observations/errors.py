"""The errors of moving ratings."""


class MoveError(Exception):
    """Ratings cannot be moved; the message says why."""


class ArchiveError(MoveError):
    """A file is not an archive; the message names the file and the line."""
