"""Settings: read from the environment once, checked at start, each documented in docs/operations.md.

A setting that cannot be used stops the start; the error names it and says what would be accepted. No setting falls back
to its default silently.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from storage.errors import UrlError
from storage.urls import parse_bucket, parse_source, parse_store

VERSION = "1.0.0"
"""The product's version, as `GET /health` and the OpenAPI document give it."""

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_FORMATS = ("auto", "json", "text")
_URLS: Mapping[str, Callable[[str], object]] = {
    "OBSERVATION_STORE": parse_store,
    "CAPTION_STORE": parse_store,
    "CAPTION_MODEL": parse_source,
    # `s3://` without a name is the bucket that each event names.
    "UPLOAD_BUCKET": lambda url: url == "s3://" or parse_bucket(url),
}
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")


class SettingError(ValueError):
    """A setting cannot be used; the message names it and says what would be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings. A field's name in capitals is the environment variable; its default is that of the local stack."""

    observation_store: str = "sqlite:///data/observations.db"
    spaces: str | None = None
    caption_store: str = "sqlite:///data/captions.db"
    caption_model: str = "file://models/flickr8k"
    upload_bucket: str = "file://data"
    upload_origin: str | None = None
    cors_origin: str = "*"
    log_level: str = "INFO"
    log_format: str = "auto"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read and check the settings in `environment`; an empty variable counts as not set.

        Raises:
            SettingError: a URL names no storage of the setting's kind, UPLOAD_ORIGIN or CORS_ORIGIN is not an origin,
                or there is no such log level or format.
        """
        given = {field.name: environment.get(field.name.upper(), "").strip() for field in fields(cls)}
        settings = cls(**{name: value for name, value in given.items() if value})
        for variable, parse in _URLS.items():
            value: str = getattr(settings, variable.lower())
            try:
                parse(value)
            except UrlError as error:
                raise SettingError(f"{variable} is {value!r}: {error.reason}") from error
        if settings.upload_origin is not None and not _ORIGIN.fullmatch(settings.upload_origin):
            raise SettingError(f"UPLOAD_ORIGIN is {settings.upload_origin!r}; it must be https://host")
        # As the template's CorsOrigin.
        if settings.cors_origin != "*" and not _ORIGIN.fullmatch(settings.cors_origin):
            raise SettingError(f"CORS_ORIGIN is {settings.cors_origin!r}; it must be * or https://host")
        if settings.log_level.upper() not in _LEVELS:
            raise SettingError(f"LOG_LEVEL is {settings.log_level!r}; it must be one of {', '.join(_LEVELS)}")
        if settings.log_format not in _FORMATS:
            raise SettingError(f"LOG_FORMAT is {settings.log_format!r}; it must be one of {', '.join(_FORMATS)}")
        return settings
