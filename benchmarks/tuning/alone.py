"""Measurements each in a process of its own, with one thread, forked from one that has imported what they need.

So no measurement inherits state from another or is charged another's imports, and a crash ends only its own. Imports,
which take longer than many runs, are done once per worker.
"""

import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

# Of every library that might start threads of its own.
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)
_ROOT = Path(__file__).resolve().parents[2]
_LAYERS = [_ROOT / "layers" / layer / "python" for layer in ("storage", "tuning")]
_DONE = "ended with status "


class MeasurementError(Exception):
    """A process ended without a figure; says with which status, and the last line it said."""


class Worker:
    """A process that runs a module, whose main is `serve`, and forks for every measurement."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the worker
        self._process = self._start()

    def measure(self, *arguments: str) -> str:
        """Return the line that a new process makes of the arguments. Raises MeasurementError.

        A worker that was killed, or never came to listen, is started again.
        """
        if self._process.poll() is not None:
            self._stop()
            self._process = self._start()
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise MeasurementError("has no pipes")
        with suppress(BrokenPipeError):  # it never came to listen; what it said tells why
            stdin.write("\t".join(arguments) + "\n")
            stdin.flush()
        lines = []
        for line in stdout:
            lines.append(line.rstrip("\n"))
            if lines[-1].startswith(_DONE):
                break
        heard = bool(lines) and lines[-1].startswith(_DONE)
        ended = lines.pop() if heard else f"{_DONE}{self._process.wait()}"
        if ended != f"{_DONE}0" or not lines:
            raise MeasurementError(f"{ended}: {self._last_words()}")
        return lines[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._said.close()

    def _start(self) -> subprocess.Popen[str]:
        environment = os.environ | dict.fromkeys(_THREADS, "1")
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (_ROOT, *_LAYERS)))
        return subprocess.Popen(  # noqa: S603 - our own modules
            self._command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            process_group=0,
        )

    def _stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with what it has forked
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _last_words(self) -> str:
        # Its place in the file is shared with the process, which goes on writing at the end.
        text = os.pread(self._said.fileno(), os.fstat(self._said.fileno()).st_size, 0).decode(errors="replace")
        return text.strip().splitlines()[-1] if text.strip() else "it said nothing"


def serve(measure: Callable[..., str]) -> None:
    """Fork for every line of the standard input; print the result of `measure` for its arguments, and how it ended."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 1
            try:
                print(measure(*line.rstrip("\n").split("\t")), flush=True)
                status = 0
            except BaseException:  # noqa: BLE001 - whatever it is, it must not come to the loop above
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        print(f"{_DONE}{os.waitstatus_to_exitcode(status)}", flush=True)
