"""Studio, the page: `make studio` builds it from studio/ into the folder beside this module, and this serves its files.

The build names files relative to the page and, but for the page itself, with a hash of their content. The page is sent
with absolute addresses, because it is the same page with and without a last slash, under any stage or base path.
Nothing of it is secret, so that it takes no key. The gateway compresses the answers.

A page is good for a day without a question. What it names must answer for as long, and while two versions are deployed
at once: its script and its style are served under any hash, as the version that is here. A file that a script loads
later is of one version with that script, and under another hash it is not found; the page then loads itself again,
once.
"""

import re
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from web.application import base_path

FOLDER = Path(__file__).with_name("studio")
"""Where the build is, if there is one: the page, and in a folder `studio` its other files, as their addresses say."""

MEDIA_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
"""The files that a build may have beside the page: text alone, which the gateway passes on as it is."""

LONGEST_NAME = 255
"""Characters of a file's name: what is asked for under a longer one is not looked for, as no file system has it."""

LARGEST_ASSET = 300_000
"""Bytes of the largest file, uncompressed: docs/operations.md reckons what a stranger can cost with it."""

# Compiled when they are first used, and not while the function starts.
_NAME = r"(?P<stem>[\w.-]+)-(?P<hash>[\w-]{8})(?P<suffix>\.\w+)"
_ADDRESS = r'\b(src|href)="\./'
# The script and the style that the page begins with; what it only preloads is loaded by the script, under its own name.
_BEGINS_WITH = r'<(?:script|link rel="stylesheet")[^>]*?\b(?:src|href)="\./studio/([^"]+)"'

_FOR_GOOD = "public, max-age=31536000, immutable"
_FOR_A_DAY = "public, max-age=86400, must-revalidate"
_BRIEFLY = "public, max-age=300"
_COMPRESSED = {"Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}

_NOT_BUILT = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Studio is not built</title></head>
<body>
<h1>Studio is not built</h1>
<p>The API answers, and so do <a href="{base}/docs">its own pages</a>. Where this server runs, build Studio:</p>
<pre>make studio</pre>
<p>It fetches packages from npm and, without Node 20.19 or later, Node from PyPI. Then load this page again.</p>
<p lang="es">Studio no está construido. En la máquina del servidor, <code>make studio</code> lo construye; después,
vuelva a cargar esta página. La API y <a href="{base}/docs">sus propias páginas</a> funcionan.</p>
</body>
</html>
"""


def pages(upload_origin: str | None) -> APIRouter:
    """Return the routes of the page, which may post uploads to `upload_origin`; None is the API's own origin."""
    router = APIRouter(include_in_schema=False)
    guarded = {
        **_COMPRESSED,
        "Content-Security-Policy": policy(upload_origin),
        "Referrer-Policy": "no-referrer",
    }

    @router.get("/studio")
    async def studio(request: Request) -> Response:
        """Answer with the page, or with 304 if the caller has it; with 503 and what to do if it was not built."""
        base = escape(base_path(request))
        page = _page()
        if page is None:
            return HTMLResponse(
                _NOT_BUILT.format(base=base), status_code=503, headers={**guarded, "Cache-Control": "no-store"}
            )
        content = re.sub(_ADDRESS, lambda found: f'{found[1]}="{base}/', page).encode()
        # Weak: what travels may be compressed.
        tag = f'W/"{sha256(content).hexdigest()[:32]}"'
        headers = {**guarded, "Cache-Control": _FOR_A_DAY, "ETag": tag}
        if _has(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(content, headers=headers)

    @router.get("/studio/{asset}")
    async def studio_asset(asset: str) -> Response:
        """Answer with a script or a style of the page.

        Raises:
            HTTPException: 404 for a name that no file has.
        """
        found = re.fullmatch(_NAME, asset, re.ASCII) if len(asset) <= LONGEST_NAME else None
        if found and found["suffix"] in MEDIA_TYPES:
            here = [asset, *(one for one in _begins_with() if _is_other_version(one, found))]
            for name in here:
                path = FOLDER / "studio" / name
                if path.is_file():
                    caching = _FOR_GOOD if name == asset else _BRIEFLY
                    headers = {**_COMPRESSED, "Cache-Control": caching}
                    return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix], headers=headers)
        detail = f"Studio has no file {asset!r}; it may have been built anew since: load the page again"
        raise HTTPException(404, detail, headers={"Cache-Control": "no-store"})

    return router


def policy(upload_origin: str | None) -> str:
    """Return the page's Content-Security-Policy: its own files alone, nothing inline, nowhere to send anything else.

    Pictures may come from any address that a person gives.
    """
    connected = "'self'" if upload_origin is None else f"'self' {upload_origin}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob: data: https:",
            f"connect-src {connected}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _page() -> str | None:
    """Return the page as it was built; None if it was not. It is read for each request: a build may come any time."""
    try:
        return (FOLDER / "index.html").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _begins_with() -> list[str]:
    return re.findall(_BEGINS_WITH, _page() or "")


def _is_other_version(name: str, asked: "re.Match[str]") -> bool:
    found = re.fullmatch(_NAME, name)
    return found is not None and (found["stem"], found["suffix"]) == (asked["stem"], asked["suffix"])


def _has(if_none_match: str, tag: str) -> bool:
    """Tell whether If-None-Match holds `tag`, compared weakly: RFC 9110, 13.1.2."""
    held = (one.strip().removeprefix("W/") for one in if_none_match.split(","))
    return any(one in {"*", tag.removeprefix("W/")} for one in held)
