"""How time is measured here, on both sides alike: CPU seconds of one process that runs on one thread.

On an idle machine that is what a clock on the wall shows; on a busy one it is what the clock would have shown.
"""

import time
from collections.abc import Callable


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call, all threads of the process together."""
    began = time.process_time()
    call()
    return time.process_time() - began
