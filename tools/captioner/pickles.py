"""What a pickle would do. A pickle is a program: here it is read and not run, so that its reader can refuse it first.

Refuses nothing by itself: what is foreign to a file is for that file's reader to say.
"""

import pickletools
import warnings
from collections import Counter

__all__ = ["count_instructions"]


def count_instructions(program: bytes) -> Counter[str]:
    """Count a pickle's instructions by pickletools' names, in the order in which they first occur.

    Raises ValueError when the program is cut off or malformed.
    """
    with warnings.catch_warnings():
        # Of odd escapes in a text, which is as good as any other.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Counter(opcode.name for opcode, _, _ in pickletools.genops(program))
