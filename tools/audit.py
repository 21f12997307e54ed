"""Looks up known vulnerabilities of the functions' packages, by pip-audit from the database OSV.

`make lint` runs it. If the database cannot be reached, it reports that nothing was looked up, and passes: the result of
`make lint` must not depend on a network. It changes nothing; a finding ends it with status 1.
"""

import argparse
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 5  # seconds for the database's first answer, and for every other
_QUERY = b'{"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "0"}'


def _reachable(url: str) -> str | None:
    """Return why the database at `url` cannot be reached; None if it can."""
    request = urllib.request.Request(url, data=_QUERY, headers={"Content-Type": "application/json"})  # noqa: S310 - https
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310 - as above  # nosec B310
            return None
    except (urllib.error.URLError, OSError) as error:
        return str(getattr(error, "reason", error))


def main() -> int:
    """Look the locked packages up; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="https://api.osv.dev/v1/query", help="the database (%(default)s)")
    url: str = parser.parse_args().url
    if reason := _reachable(url):
        print(f"audit: SKIPPED, no package was looked up: {url} cannot be reached ({reason})")
        return 0
    locks = sorted(ROOT.glob("functions/*/requirements.txt"))
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--osv-url", url]
    command += ["--require-hashes", "--disable-pip", "--strict", "--timeout", str(_PATIENCE)]
    command += ["--progress-spinner", "on" if sys.stderr.isatty() else "off"]
    for lock in locks:
        command += ["--requirement", str(lock)]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own interpreter, arguments as above


if __name__ == "__main__":
    sys.exit(main())
