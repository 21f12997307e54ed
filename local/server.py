"""The HTTP server in front of the gateway, and the start of the whole local stack."""

import errno
import io
import json
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType

import uvicorn
from aws_lambda_powertools import Logger

from captioning.buckets import open_bucket
from captioning.buckets.folder import FolderBucket
from captioning.errors import BucketUrlError, BundleError, CaptionStoreError
from captioning.model.bundle import read_bundle
from captioning.outcomes import Upload
from captioning.stores import open_caption_store
from local.application import Application
from local.connections import Connections
from local.functions import Function
from local.gateway import Gateway
from local.lanes import Lane, Room
from local.limits import Limits
from local.meters import Meters
from local.settings import LocalSettings
from local.template import Template
from local.upload_forms import UploadForms
from local.upload_watcher import UploadWatcher
from storage.urls import Folder, parse_source
from tuning.errors import SpaceError
from tuning.relearning import preload
from tuning.spaces import Spaces
from tuning.validation.space_file import load_spaces
from web import logs, metrics
from web.settings import SettingError, Settings

_LIMITS = Limits()

_TURN = 0.001
"""Seconds that a thread may compute while others wait; Python's default of 5 ms adds up for a request that passes
through several threads."""

_PRELOAD_AFTER = 5.0
"""Seconds after the start when learning is imported, more than a second of CPU: the first requests come before it."""


def greeting(url: str, spaces: Spaces, *, api_key: bool, folder: Path | None) -> str:
    """Return the text at start: address and pages, three requests to try, and the folder that is watched, if any."""
    key = ' -H "x-api-key: $API_KEY"' if api_key else ""
    json_type = '-H "Content-Type: application/json"'
    # A choice's apostrophe must not end the shell's quotes.
    mode, parameters = (json.dumps(said).replace("'", "\\u0027") for said in (spaces.default_mode, spaces.example))
    drop = (
        ""
        if folder is None
        else f"""
Or drop pictures into {folder}/ and find their captions at {url}/captions/uploads/NAME
"""
    )
    return f"""\
Listening on {url} - Studio, the page to rate and look at results, is at {url}/studio,
the API's pages are at {url}/docs. Ctrl-C stops it. Try:

  curl -X POST {url}/ml/suggest_parameters{key} {json_type} -d '{{"mode": {mode}, "num_suggestions": 2}}'
  curl -X POST {url}/ml/update_model{key} {json_type} -d '{{"results": [{{"parameters": {parameters}, "rating": 4}}]}}'
  curl -X POST {url}/generate-caption/{key} -F "file=@picture.jpg"
{drop}"""


def _folder_of(url: str) -> FolderBucket | None:
    """Return the folder that stands in for the upload bucket; None if the bucket is in S3 or its URL is wrong."""
    try:
        bucket = open_bucket(url)
    except BucketUrlError:
        # The function reports it, in its log and its answers.
        return None
    return bucket if isinstance(bucket, FolderBucket) else None


def _spaces(path: str | None) -> Spaces:
    """Return the search space in use.

    Raises:
        SettingError: it cannot be used. A function goes on without it and reports it; here a person reads what it says.
    """
    try:
        return load_spaces(path)
    except SpaceError as error:
        raise SettingError(f"SPACES is {path!r}, which cannot be used: {error}") from error


def _check_bundle(url: str) -> None:
    """Check the caption bundle if it is a folder. One in S3 may come later, and the functions look again.

    Raises:
        SettingError: it cannot be used.
    """
    place = parse_source(url)
    if not isinstance(place, Folder):
        return
    try:
        read_bundle(place.path)
    except BundleError as error:
        raise SettingError(f"CAPTION_MODEL is {url!r}, which cannot be used: {error}") from error


def _settled(bucket: FolderBucket, caption_store: str) -> Callable[[Upload], bool]:
    """Return what tells whether a picture's outcome is both stored and published, so that it needs no event."""
    store = open_caption_store(caption_store)

    def told(upload: Upload) -> bool:
        try:
            outcome = store.outcome(upload.key)
        except CaptionStoreError:
            # The function will meet the same error, report it, and be called again.
            return False
        if outcome is None or outcome.sequencer < upload.sequencer:
            return False
        return bucket.published_sequencer(upload.key) >= upload.sequencer

    return told


def _preload(log: Logger) -> None:
    try:
        preload()
    except Exception:
        # The first update that learns meets the same error, and goes on without.
        log.exception("learning could not be loaded ahead of the first update")


def _listen(host: str, port: int) -> socket.socket:
    """Open the socket that requests come to.

    Raises:
        SettingError: `host` is not known or not this machine's, or `port` cannot be had; it names which of the two.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ours = "it must be an address of this machine, such as 127.0.0.1"
    try:
        # A separate call: the errors of `create_server` do not tell host from port.
        socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        return socket.create_server((host, port), family=family)
    except (socket.gaierror, UnicodeError) as error:
        raise SettingError(f"HOST is {host!r}, which is no address and no name that is known here; {ours}") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise SettingError(f"HOST is {host!r}, which is not this machine's; {ours}") from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingError(f"PORT is {port}, and {host}:{port} cannot be listened on: {reason}; set another") from error


class _Server(uvicorn.Server):
    """uvicorn's server, which drops waiting calls when it stops, and is killed by an alarm if it does not end."""

    def __init__(self, config: uvicorn.Config, *, limits: Limits, drop: Callable[[], None]) -> None:
        super().__init__(config)
        self._limits = limits
        self._drop = drop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        # The kernel's alarm ends the process even if none of its threads can run.
        signal.alarm(self._limits.stop_seconds)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drop the waiting calls, and close the connections."""
        self._drop()
        await super().shutdown(sockets)


def serve(template: Template, settings: LocalSettings, *, limits: Limits = _LIMITS) -> bool:
    """Run the stack until SIGINT or SIGTERM; return False if a call or thread has not ended by then.

    Raises:
        SettingError: a setting of the functions cannot be used, or this machine cannot listen on HOST and PORT.
    """
    # A character that the stream cannot encode is written as an escape, so that its line is not lost.
    assert isinstance(sys.stdout, io.TextIOWrapper)  # noqa: S101
    sys.stdout.reconfigure(errors="backslashreplace")
    # A thread that was waiting for a socket or a disk gets its turn sooner while others compute.
    sys.setswitchinterval(_TURN)
    for name, value in template.environment.items():
        os.environ.setdefault(name, value)
    of_functions = Settings.from_environment()
    log = logs.logger("local", level=of_functions.log_level.upper(), form=of_functions.log_format)
    spaces = _spaces(of_functions.spaces)
    _check_bundle(of_functions.caption_model)
    bucket = _folder_of(of_functions.upload_bucket)
    trigger = template.upload_trigger if bucket else None
    listener = _listen(settings.host, settings.port)
    called = {route.function for route in template.routes} | ({trigger.function} if trigger else set())
    whole = Room(limits.stack_bytes)
    meters = Meters()
    metrics.listen(meters.add)
    functions = {
        name: Function(name, handler, limits=limits, whole=whole)
        for name, handler in template.handlers.items()
        if name in called
    }
    meters.watch(functions)
    forms_lane = Lane("forms", waiting=limits.waiting, room=Room(limits.lane_bytes, within=whole))
    gateway = Gateway(template, functions, log=log, api_key=settings.api_key, throttle=settings.throttle)
    forms = UploadForms(bucket, origin=of_functions.cors_origin) if bucket else None
    connections = Connections(limits, unavailable=gateway.unavailable, late=gateway.late, malformed=gateway.malformed)

    def drop() -> None:
        forms_lane.stop()
        for function in functions.values():
            function.stop()

    server = _Server(
        uvicorn.Config(
            Application(gateway, forms, forms_lane, log=log, limits=limits, meters=meters),
            http=connections.accept,  # type: ignore[arg-type] # it is only ever called
            ws="none",
            lifespan="off",
            # uvicorn's own log would be plain text; without it, its errors go to the root logger, as JSON.
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=limits.connections,
            timeout_keep_alive=math.ceil(limits.idle_seconds),
            timeout_graceful_shutdown=math.ceil(limits.finish_seconds),
        ),
        limits=limits,
        drop=drop,
    )
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if listener.family == socket.AF_INET6 else settings.host
    folder = bucket.path / trigger.prefix if bucket and trigger else None
    # Standard output is for the log alone.
    welcome = greeting(f"http://{host}:{port}", spaces, api_key=settings.api_key is not None, folder=folder)
    print(welcome, file=sys.stderr, flush=True)
    watcher = None
    if bucket and trigger:
        settled = _settled(bucket, of_functions.caption_store)
        watcher = UploadWatcher(bucket, trigger.prefix, functions[trigger.function], settled=settled, log=log)
        watcher.start()
    preloading = threading.Timer(_PRELOAD_AFTER, _preload, (log,))
    # A daemon, as the lanes' threads are.
    preloading.daemon = True
    preloading.start()
    # uvicorn stops in good order at either signal, and then raises the signal again for the previous handler.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        ended = _close(watcher, functions.values(), forms_lane, preloading, seconds=limits.close_seconds)
        if not ended:
            log.warning("the server stops while calls are in progress; they are broken off")
    return ended


def _close(
    watcher: UploadWatcher | None,
    functions: Collection[Function],
    forms_lane: Lane,
    preloading: threading.Timer,
    *,
    seconds: float,
) -> bool:
    """Stop everything, wait at most `seconds` for calls in progress, and tell whether they have ended."""
    deadline = time.monotonic() + seconds
    # A watcher stops only after its present picture, which may be a large one.
    closing = threading.Thread(target=watcher.close if watcher else lambda: None, daemon=True)
    closing.start()
    forms_lane.stop()
    preloading.cancel()
    ended = [function.close(within=deadline - time.monotonic()) for function in functions]
    ended.append(forms_lane.join(deadline))
    for thread in (closing, preloading):
        thread.join(max(0.0, deadline - time.monotonic()))
    return all(ended) and not closing.is_alive() and not preloading.is_alive()
