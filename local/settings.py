"""The local stack's own settings. Those of the functions are in `web.settings`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from web.settings import SettingError

_HIGHEST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The local stack's address, and whether it asks for a key and throttles."""

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    throttle: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "LocalSettings":
        """Read HOST, PORT, API_KEY and THROTTLE from `environment`; an empty variable counts as not set.

        Raises:
            SettingError: PORT is not a port, or THROTTLE neither 0 nor 1.
        """
        port = environment.get("PORT") or str(cls.port)
        if not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
            raise SettingError(f"PORT is {port!r}; it must be a number from 0 to {_HIGHEST_PORT}")
        throttle = environment.get("THROTTLE") or "0"
        if throttle not in {"0", "1"}:
            raise SettingError(f"THROTTLE is {throttle!r}; it must be 0 or 1")
        return cls(
            host=environment.get("HOST") or cls.host,
            port=int(port),
            api_key=environment.get("API_KEY") or None,
            throttle=throttle == "1",
        )
