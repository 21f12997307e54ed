"""Looks up known vulnerabilities of the functions' packages and of Studio's, from the database OSV.

Python's are looked up by pip-audit. Of npm's those are looked up that become part of the page or of the client, and not
what builds and tests them. `make lint` runs it. If the database cannot be reached, it reports that nothing was looked
up, and passes: the result of `make lint` must not depend on a network. It changes nothing; a finding ends it with
status 1.
"""

import argparse
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
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


def of_page(lock: Path) -> Iterator[tuple[str, str]]:
    """Return name and version of each package of npm that `lock` has for the page and the client, in order."""
    packages: dict[str, dict[str, object]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    found = {
        (path.rpartition("node_modules/")[2], str(package["version"]))
        for path, package in packages.items()
        # The rest are our own, links to them, and what only builds and tests.
        if "node_modules/" in path and "version" in package and not package.get("dev")
    }
    yield from sorted(found)


def _look_up(url: str, name: str, version: str) -> list[str]:
    """Return the ids of the known vulnerabilities of a package of npm.

    Raises:
        OSError: the database does not answer.
    """
    query = json.dumps({"package": {"name": name, "ecosystem": "npm"}, "version": version}).encode()
    request = urllib.request.Request(url, data=query, headers={"Content-Type": "application/json"})  # noqa: S310 - https
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - as above  # nosec B310
        return [str(one["id"]) for one in json.load(answer).get("vulns", ())]


def _audit_page(url: str) -> int:
    """Look up what the page has in it, and say what is known; return the exit status."""
    packages = list(of_page(ROOT / "package-lock.json"))
    try:
        known = {f"{name} {version}": _look_up(url, name, version) for name, version in packages}
    except OSError as error:
        print(f"audit: {url} stopped answering ({error}); run it again", file=sys.stderr)
        return 1
    for package, ids in known.items():
        if ids:
            print(f"{package} of package-lock.json: {', '.join(ids)}", file=sys.stderr)
    found = sum(map(bool, known.values()))
    print(f"{found} of {len(known)} packages of npm have known vulnerabilities", file=sys.stderr)
    return 1 if found else 0


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
    of_python = subprocess.run(command, check=False).returncode  # noqa: S603 - our own interpreter, arguments as above
    return of_python or _audit_page(url)


if __name__ == "__main__":
    sys.exit(main())
