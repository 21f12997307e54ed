"""The reader: passes pictures to a separate process, and ends that process when a picture takes too much.

Decoders are large programs in C, and the effect of a file on them cannot be known in advance. So they run in a process
whose memory and processor time the kernel limits, and which has no secrets. The process is kept for the next picture;
if it ends, another is started at once, before the next request.

It reads one picture at a time; other callers wait.
"""

import atexit
import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import captioning
import storage
from captioning.errors import (
    DamagedPictureError,
    PictureError,
    PictureReaderUnavailableError,
    PictureTooLargeError,
)
from captioning.pictures.limits import PROCESSOR_SECONDS
from captioning.pictures.protocol import (
    ANSWER_BYTES,
    READY,
    Levels,
    Wanted,
    answer_size,
    dump_request,
    load_answer,
)

START_SECONDS = 20.0
"""Seconds within which a process must start."""
WAIT_SECONDS = 10 * PROCESSOR_SECONDS
"""Seconds within which a picture must be read; after them, the process did not get enough of a processor."""

_log = logging.getLogger("captioning")

_EXIT_SECONDS = 5.0  # between the closing of a process's socket and its exit, on a busy machine

_CODE = "import sys; sys.path += sys.argv[1:]; from captioning.pictures.process import serve; serve()"
# The process gets no other variables: no credentials, no settings.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
# A thread of NumPy's linear algebra, of which the process has no use, takes 40 MB of address space.
_OWN_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}


class _Ended(Exception):  # noqa: N818 - not always an error: it may have ended before the request
    """The process has ended, or did not answer in time."""


class _Process:
    """A process that reads pictures, and the socket to it."""

    def __init__(self) -> None:
        """Start it, without waiting until it is ready."""
        here, there = socket.socketpair()
        with there:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-I", "-S", "-c", _CODE, *_import_path()],
                stdin=there.fileno(),
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | _OWN_ENVIRONMENT,
                # Not in the process group that Ctrl-C interrupts.
                process_group=0,
            )
        self._socket = here
        self._began = self._is_gone = False

    def begin(self) -> None:
        """Wait until it is ready.

        Raises:
            _Ended: it ended, or was not ready in time.
        """
        if not self._began:
            self._began = self._receive(len(READY), time.monotonic() + START_SECONDS) == READY

    def read(self, picture: bytes, wanted: Wanted) -> tuple[Levels | PictureError, bool]:
        """Return its answer for a picture, and whether it exits now.

        Raises:
            _Ended: it ended, or did not answer in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        self._send(dump_request(wanted, len(picture)), deadline)
        self._send(picture, deadline)
        head = self._receive(ANSWER_BYTES, deadline)
        return load_answer(head, self._receive(answer_size(head), deadline))

    def end(self) -> int | None:
        """End it, and return its exit status, or minus the signal that had ended it; None if it was still running."""
        try:
            # A process closes its socket shortly before its exit can be waited for.
            return self._process.wait(_EXIT_SECONDS if self._is_gone else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None
        finally:
            self._socket.close()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def _send(self, content: bytes, deadline: float) -> None:
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._socket.sendall(content)
        except OSError as error:
            self._is_gone = isinstance(error, ConnectionError)
            raise _Ended from error

    def _receive(self, size: int, deadline: float) -> bytes:
        received = bytearray(size)
        view = memoryview(received)
        while view:
            try:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                count = self._socket.recv_into(view)
            except OSError as error:
                self._is_gone = isinstance(error, ConnectionError)
                raise _Ended from error
            if count == 0:
                self._is_gone = True
                raise _Ended
            view = view[count:]
        return bytes(received)


class PictureReader:
    """The reader of pictures, one at a time, for any number of threads."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._process: _Process | None = None
        # A forked child must neither use its parent's process nor wait for its exit.
        self._inherited: list[_Process | None] = []
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def start(self) -> None:
        """Start the process, so that the first picture does not wait for the whole start. Return at once."""
        with self._lock:
            self._ensure()

    def read(self, picture: bytes, wanted: Wanted) -> Levels:
        """Read a picture.

        Raises:
            PictureError: it cannot be read, or takes more than `captioning.pictures.limits` allow.
            PictureReaderUnavailableError: the process does not start, or was given no processor.
        """
        with self._lock:
            answer = self._ask(picture, wanted)
        if isinstance(answer, PictureError):
            raise answer
        return answer

    def close(self) -> None:
        """End the process. The next use of the reader starts another."""
        with self._lock:
            process, self._process = self._process, None
        if process:
            process.end()

    def _ask(self, picture: bytes, wanted: Wanted) -> Levels | PictureError:
        while True:
            process = self._ensure()
            try:
                process.begin()
            except _Ended as error:
                self._process = None
                raise PictureReaderUnavailableError(
                    f"the process that reads pictures does not start: {_spoken(process.end())}"
                ) from error
            try:
                answer, is_last = process.read(picture, wanted)
            except _Ended:
                self._process = _Process()
                status = process.end()
                if status != 0:
                    return _verdict(status)
                # It had exited before this picture: read it anew.
                continue
            if is_last:
                # The next one starts while this picture is captioned.
                self._process = _Process()
                process.end()
            return answer

    def _ensure(self) -> _Process:
        if self._process is not None and self._process.ended:
            self._process.end()
            self._process = None
        if self._process is None:
            self._process = _Process()
        return self._process

    def _forget(self) -> None:
        self._inherited.append(self._process)
        self._process, self._lock = None, threading.Lock()


reader = PictureReader()
"""The reader of this process."""


def _verdict(status: int | None) -> PictureError:
    """Return the error of the picture that ended its process, by the process's exit status.

    Raises:
        PictureReaderUnavailableError: `status` is None: the process had to be ended, and not because of the picture.
    """
    if status is None:
        raise PictureReaderUnavailableError("the process that reads pictures was given no processor")
    if status == -signal.SIGPROF:
        return PictureTooLargeError(f"the picture takes more than {PROCESSOR_SECONDS:g} s of processor time to read")
    if status == -signal.SIGKILL:
        return PictureTooLargeError("the picture takes more memory to read than there is")
    _log.warning("a picture ended the process that read it: %s", _spoken(status))
    return DamagedPictureError("the picture made its decoder fail")


def _spoken(status: int | None) -> str:
    if status is None:
        return f"nothing was heard of it within {START_SECONDS:g} s"
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _import_path() -> list[str]:
    """Return the folders of our own packages, and of Pillow and NumPy, which are located and not imported here.

    Raises:
        PictureReaderUnavailableError: Pillow or NumPy is not installed.
    """
    origins = [captioning.__file__, storage.__file__]
    for package in ("PIL", "numpy"):
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise PictureReaderUnavailableError(f"{package} is not installed")
        origins.append(found.origin)
    return list(dict.fromkeys(str(Path(str(origin)).resolve().parents[1]) for origin in origins))
