"""Gives dead letters to the upload function again: all, or those that are chosen.

A letter is deleted once Lambda has taken its event, and not before: what is interrupted is given again, and an upload
that was captioned meanwhile is not captioned twice. Letters that are not given stay in the queue, as they were.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tools.stack import StackError, told
from tools.uploads.letters import Letter, Queue

_ACCEPTED = 202


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which letters are meant: those with a key like one of `keys` (any if there are none) and `error` in the error.

    `limit` is the most that are given or fail to be; None is all.
    """

    keys: tuple[str, ...] = ()
    error: str = ""
    limit: int | None = None

    def has(self, letter: Letter) -> bool:
        """Tell whether a letter is meant, the limit apart."""
        matches = not self.keys or any(fnmatchcase(key, pattern) for key in letter.keys for pattern in self.keys)
        return matches and self.error.lower() in letter.error.lower()


@dataclass(frozen=True, slots=True)
class Redriven:
    """How many letters were given (or would be), how many are not meant, and the errors of those that could not be.

    With a limit, letters beyond it were not looked at.
    """

    given: int
    left: int
    failed: tuple[str, ...]


Told = Callable[[Letter, str], None]
"""Is told of each letter that is meant, and what became of it: `given`, `would be given`, or the error."""


def redrive(queue: Queue, give: Callable[[Letter], None], choice: Choice, *, dry_run: bool, tell: Told) -> Redriven:
    """Give the letters that are meant to the function, and let all others be received again.

    Raises:
        StackError: the queue cannot be used. What was given until then is deleted, and no letter is lost.
    """
    held: list[Letter] = []
    given, left, failed = 0, 0, list[str]()
    try:
        with closing(queue.letters()) as letters:
            for letter in letters:
                if not choice.has(letter):
                    held.append(letter)
                    left += 1
                    continue
                if given + len(failed) == choice.limit:
                    held.append(letter)
                    break
                try:
                    if not dry_run:
                        give(letter)
                except StackError as error:
                    held.append(letter)
                    failed.append(str(error))
                    tell(letter, f"not given: {error}")
                    continue
                if dry_run:
                    held.append(letter)
                else:
                    queue.delete(letter)
                given += 1
                tell(letter, "would be given" if dry_run else "given")
    finally:
        queue.release(held)
    return Redriven(given, left, tuple(failed))


def giver(client: Any, function: str) -> Callable[[Letter], None]:
    """Return what gives a letter's event to the function, as S3 does: Lambda takes it and answers at once.

    Raises (when called):
        StackError: Lambda did not take it.
    """

    def give(letter: Letter) -> None:
        with told():
            answer = client.invoke(FunctionName=function, InvocationType="Event", Payload=letter.body.encode())
        if answer["StatusCode"] != _ACCEPTED:
            raise StackError(f"Lambda answered {answer['StatusCode']}")

    return give
