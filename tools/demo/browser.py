"""Whether there is a browser to open the page in, and to open it."""

import webbrowser
from collections.abc import Mapping
from urllib.parse import urlsplit


def has_screen(environment: Mapping[str, str], platform: str) -> bool:
    """Tell whether a window can be opened: there is a display, and it is not that of another machine.

    `platform` is `sys.platform`. Over SSH a display that was forwarded counts.
    """
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        return True
    return platform in {"darwin", "win32", "cygwin"} and not environment.get("SSH_CONNECTION")


def reachable(url: str) -> str:
    """Return the URL as a browser on this machine can ask for it: one that listens everywhere is asked here."""
    parts = urlsplit(url)
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(parts.hostname or "")  # noqa: S104 - replaced  # nosec B104
    return url if here is None else parts._replace(netloc=f"{here}:{parts.port}").geturl()


def show(url: str) -> bool:
    """Open the URL in the person's browser; return False if there is none."""
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
