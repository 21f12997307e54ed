"""The instructions of a pickle. A pickle is a program: here it is read and not run, so that it can be refused first.

This module refuses nothing by itself: each file's reader decides which instructions are allowed.
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
        # Python warns of unusual escapes in a text, which are harmless.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Counter(opcode.name for opcode, _, _ in pickletools.genops(program))
