"""What is in the way of moving ratings."""


class MoveError(Exception):
    """Ratings cannot be moved; the message says what is in the way."""


class ArchiveError(MoveError):
    """An archive is not one; the message names the file and the line."""
