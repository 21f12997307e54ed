"""The local stack as a person runs it: `python main.py` in a process of its own, on a free port of the loopback."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]


def measured() -> dict[str, str]:
    """What makes a process of the tests count the lines that it runs, where they count theirs (`pytest --cov`).

    Not every process is: to begin with it takes 0.2 s, and what a function imports is itself a subject of tests.
    """
    coverage = sys.modules.get("coverage")
    if coverage is None or coverage.Coverage.current() is None:
        return {}
    return {"COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml")}


class Stack:
    """A running stack whose data live in `folder`; its working directory is the repository."""

    program: tuple[str, ...] = ("main.py",)

    def __init__(self, folder: Path, **environment: str) -> None:
        self._environment = {
            **os.environ,
            "PORT": "0",
            "OBSERVATION_STORE": f"sqlite:///{folder}/observations.db",
            "CAPTION_STORE": f"sqlite:///{folder}/captions.db",
            "UPLOAD_BUCKET": f"file://{folder}",
            "PYTHONWARNINGS": "error",
            **measured(),
            **environment,
        }
        self._output = folder / "stdout"
        self._errors = folder / "stderr"
        self.start()

    def start(self) -> None:
        """Starts the process and waits for its greeting."""
        with self._output.open("ab") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *self.program], cwd=ROOT, env=self._environment, stdout=output, stderr=errors
            )
        while True:
            # The greeting comes before the first request is taken; a request sent meanwhile waits in the backlog.
            said = self._errors.read_text()
            if found := re.search(r"Listening on (http://\S+)", said):
                self.url = found[1]
                break
            try:
                status = self._process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"main.py ended with {status}: {self._errors.read_text()}{self._output.read_text()}")
        self.greeting = self._errors.read_text()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Sends the process a signal, and returns its exit status."""
        self._process.send_signal(how)
        return self._process.wait(timeout=30)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All that the processes wrote to standard output so far."""
        return self._output.read_text()

    @property
    def errors(self) -> str:
        """All that the process wrote to standard error since it was started last."""
        return self._errors.read_text()

    def get(self, path: str, **how: object) -> requests.Response:
        """GET `path`."""
        return requests.get(self.url + path, timeout=30, **how)  # type: ignore[arg-type]

    def head(self, path: str, **how: object) -> requests.Response:
        """HEAD `path`."""
        return requests.head(self.url + path, timeout=30, **how)  # type: ignore[arg-type]

    def post(self, path: str, **how: object) -> requests.Response:
        """POST to `path`."""
        return requests.post(self.url + path, timeout=30, **how)  # type: ignore[arg-type]

    def patch(self, path: str, **how: object) -> requests.Response:
        """PATCH `path`."""
        return requests.patch(self.url + path, timeout=30, **how)  # type: ignore[arg-type]

    def delete(self, path: str, **how: object) -> requests.Response:
        """DELETE `path`."""
        return requests.delete(self.url + path, timeout=30, **how)  # type: ignore[arg-type]
