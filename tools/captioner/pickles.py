"""The instructions of a pickle. A pickle is a program: here it is read and not run, so that it can be refused first.

This module refuses nothing by itself: each file's reader decides which instructions are allowed.
"""

import pickletools
import warnings
from collections import Counter
from io import BytesIO
from typing import Final

__all__ = ["count_instructions"]

_OPCODES: Final = {opcode.code: opcode for opcode in pickletools.opcodes}


def count_instructions(program: bytes) -> Counter[str]:
    """Count a pickle's instructions by pickletools' names, in the order in which they first occur.

    Raises ValueError when the program is cut off or malformed.
    """
    found: Counter[str] = Counter()
    stream = BytesIO(program)
    with warnings.catch_warnings():
        # Python warns of unusual escapes in a text, which are harmless.
        warnings.simplefilter("ignore", DeprecationWarning)
        while "STOP" not in found:
            opcode = _OPCODES.get(stream.read(1).decode("latin-1"))
            if opcode is None:
                raise ValueError(f"at {stream.tell()} it has no instruction, or is cut off")
            if opcode.name == "STRING":
                # pickletools' own reader takes Python 2's texts for ASCII.
                if not stream.readline().endswith(b"\n"):
                    raise ValueError("a text is cut off")
            elif opcode.arg is not None:
                opcode.arg.reader(stream)
            found[opcode.name] += 1
    return found
