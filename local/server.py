"""The HTTP server in front of the gateway, and the start of the whole local stack."""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import unquote

import uvicorn
from starlette.types import Receive, Scope, Send

from captioning.bucket import open_bucket
from captioning.bucket_folder import FolderBucket
from captioning.errors import BucketUrlError
from local import upload_forms
from local.events import Request, Response
from local.functions import Function
from local.gateway import REQUEST_LIMIT, Gateway
from local.settings import LocalSettings
from local.template import Template
from local.upload_forms import UploadForms
from local.upload_watcher import UploadWatcher
from tuning.errors import SpaceError
from tuning.spaces import Spaces, load_spaces
from web import logs
from web.settings import Settings

_DRAINED = 16 * REQUEST_LIMIT
"""Bytes of a body that is too large which are still read, so that the caller sees the answer and not a broken pipe."""


class _Application:
    """The ASGI application: reads a request whole, asks the gateway or the bucket, writes the response."""

    def __init__(self, gateway: Gateway, forms: UploadForms | None) -> None:
        self._gateway = gateway
        self._forms = forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        forms = self._forms if (scope["method"], scope["path"]) == ("POST", upload_forms.PATH) else None
        limit = REQUEST_LIMIT if forms is None else upload_forms.LIMIT
        body = bytearray()
        size = 0
        while size <= _DRAINED:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            if size <= limit:
                body += message["body"]
            if not message["more_body"]:
                break
        if size > limit:
            response = self._gateway.too_large() if forms is None else forms.too_large()
        else:
            answer = self._gateway.answer if forms is None else forms.answer
            response = await answer(_request(scope, bytes(body)))
        await _send(response, send)


def _request(scope: Scope, body: bytes) -> Request:
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=unquote(scope["raw_path"].decode("ascii", errors="replace").partition("?")[0]),
        query=scope["query_string"].decode("ascii", errors="replace"),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
        client=client[0] if client else "127.0.0.1",
    )


async def _send(response: Response, send: Send) -> None:
    headers = [
        *((name.encode("latin-1"), value.encode("latin-1", errors="replace")) for name, value in response.headers),
        (b"content-length", str(len(response.body)).encode("ascii")),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def greeting(url: str, spaces: Spaces, *, api_key: bool, folder: Path | None) -> str:
    """What a person sees at start: the address, three requests to try, and the folder that is watched for pictures."""
    key = ' -H "x-api-key: $API_KEY"' if api_key else ""
    json_type = '-H "Content-Type: application/json"'
    # The shell must not take a choice's apostrophe for the end of the body.
    mode, parameters = (json.dumps(said).replace("'", "\\u0027") for said in (spaces.default_mode, spaces.example))
    drop = (
        ""
        if folder is None
        else f"""
Or drop pictures into {folder}/ and find their captions at {url}/captions/uploads/NAME
"""
    )
    return f"""\
Listening on {url} - the API's pages are at {url}/docs. Ctrl-C stops it. Try:

  curl -X POST {url}/ml/suggest_parameters{key} {json_type} -d '{{"mode": {mode}, "num_suggestions": 2}}'
  curl -X POST {url}/ml/update_model{key} {json_type} -d '{{"results": [{{"parameters": {parameters}, "rating": 4}}]}}'
  curl -X POST {url}/generate-caption/{key} -F "file=@picture.jpg"
{drop}"""


def _folder_of(url: str) -> FolderBucket | None:
    """The folder that plays the upload bucket; None if pictures are uploaded to S3 itself, or cannot be."""
    try:
        bucket = open_bucket(url)
    except BucketUrlError:
        # The function says so, in the log and to those who ask it.
        return None
    return bucket if isinstance(bucket, FolderBucket) else None


def _spaces(path: str | None) -> Spaces:
    """The search space that the functions use, or the shipped one; what is wrong with a file, they say."""
    try:
        return load_spaces(path)
    except SpaceError:
        return load_spaces()


def serve(template: Template, settings: LocalSettings) -> None:
    """Runs the stack until it is told to stop (SIGINT or SIGTERM).

    Raises:
        OSError: the address is taken or not this machine's.
        web.settings.SettingError: a setting of the functions cannot be used.
    """
    for name, value in template.environment.items():
        os.environ.setdefault(name, value)
    of_functions = Settings.from_environment()
    log = logs.logger("local", level=of_functions.log_level.upper())
    bucket = _folder_of(of_functions.upload_bucket)
    trigger = template.upload_trigger if bucket else None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.create_server((settings.host, settings.port), family=family)
    called = {route.function for route in template.routes} | ({trigger.function} if trigger else set())
    functions = {name: Function(name, handler) for name, handler in template.handlers.items() if name in called}
    gateway = Gateway(template, functions, log=log, api_key=settings.api_key, throttle=settings.throttle)
    application = _Application(gateway, UploadForms(bucket, origin=of_functions.cors_origin) if bucket else None)
    server = uvicorn.Server(
        # Its own log would be plain text; what matters of it comes out through the root logger, as JSON.
        uvicorn.Config(application, lifespan="off", log_config=None, access_log=False, server_header=False)
    )
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
    folder = bucket.path / trigger.prefix if bucket and trigger else None
    # Standard output is for the log alone.
    welcome = greeting(
        f"http://{host}:{port}", _spaces(of_functions.spaces), api_key=settings.api_key is not None, folder=folder
    )
    print(welcome, file=sys.stderr, flush=True)
    watcher = (
        UploadWatcher(bucket, trigger.prefix, functions[trigger.function], log=log) if bucket and trigger else None
    )
    # uvicorn stops in good order at either signal, and then raises it again for whoever was there before.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        if watcher:
            watcher.close()
        for function in functions.values():
            function.close()
