"""A smoke test: checks that a deployed stack, or the local one, works as the product promises.

It sends requests over HTTP like any caller. It rates in a study of its own, `smoke-test`, and withdraws what it rated;
no other study gains a rating. It leaves that study, archived, one pending suggestion of the study `default`, which
expires within 24 hours, one cached caption, and one small upload, which the bucket's lifecycle deletes. All checks are
made, even after one has failed; the status is then 1. If nobody listens at the URL, it stops at once. Of two that run
at once on one stack, one may fail.
"""

import argparse
import re
import struct
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

from tools.service import UPLOAD_PATIENCE, Answer, NobodyThereError, Service, ServiceError, expect

_STUDY = "smoke-test"
_NOBODY = "nothing is checked any more: start it (`make run`), or name another address (make smoke URL=...)"


class CheckError(ServiceError):
    """A check failed; the message says what was expected and what was received."""


def _refused(answer: Answer, status: int) -> str:
    """Return the detail of a refusal, which must be a problem as every error of the API is."""
    problem = expect(answer, status).json()
    media_type = answer.headers.get("content-type")
    if media_type != "application/problem+json" or problem.get("status") != status:
        raise CheckError(f"the error is not application/problem+json: {media_type}, {problem}")
    return str(problem["detail"])


def check_health(service: Service) -> str:
    """See that the service answers without a key."""
    return f"version {expect(service.get('/health', keyed=False), 200).json()['version']}"


def check_pages(service: Service) -> str:
    """See that the pages find their own document and assets, wherever the API's paths begin."""
    page = expect(service.get("/docs", keyed=False), 200).body.decode()
    prefix = urlsplit(service.url).path
    for path in (r"/openapi\.json", r"/docs/swagger-ui\.\w+\.css"):
        found = re.search(f"[\"']{re.escape(prefix)}({path})[\"']", page)
        if not found:
            raise CheckError(f"/docs does not refer to {prefix}{path}")
        expect(service.get(found[1], keyed=False), 200)
    return "the document and the styles are where the page says"


def check_studio(service: Service) -> str:
    """See that Studio is there with its files, wherever the API's paths begin, and may post to where uploads go."""
    answer = service.get("/studio", keyed=False)
    if answer.status == 503:  # noqa: PLR2004 - the page says so
        raise CheckError("the page is not in what answers: `make studio` builds it, and the images do by themselves")
    prefix = urlsplit(service.url).path
    named = re.findall(f'(?:src|href)="{re.escape(prefix)}(/studio/[^"]+)"', expect(answer, 200).body.decode())
    if not named:
        raise CheckError(f"/studio refers to nothing below {prefix}/studio/")
    for path in named:
        expect(service.get(path, keyed=False), 200)
    form = expect(service.post("/uploads", {"content_type": "image/png"}), 200).json()
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(urljoin(service.url, form["url"])))
    (connected,) = re.findall("connect-src ([^;]*)", answer.headers["content-security-policy"])
    if not service.url.startswith(f"{origin}/") and service.url != origin and origin not in connected.split():
        raise CheckError(f"uploads go to {origin}, and UPLOAD_ORIGIN lets the page connect to {connected} alone")
    return f"{len(named)} files are where the page says"


def check_keys(service: Service) -> str:
    """See that a request without a key is refused."""
    if service.key is None:
        expect(service.get("/ml/stats"), 200)
        return "none is asked for"
    return _refused(service.get("/ml/stats", keyed=False), 403)


def check_unknown_paths(service: Service) -> str:
    """See that a path that does not exist is refused as everything is."""
    return _refused(service.get("/no-such-path"), 404)


def check_stats(service: Service) -> str:
    """See that the observation store answers."""
    return f"{expect(service.get('/ml/stats'), 200).json()['samples_seen']} ratings"


def check_suggestions(service: Service) -> str:
    """See that a suggestion is made and kept."""
    (found,) = expect(service.post("/ml/suggest_parameters", {"num_suggestions": 1}), 200).json()["suggestions"]
    return ", ".join(f"{name} {value}" for name, value in found.items())


def check_updates(service: Service) -> str:
    """See that the update function answers; nothing is recorded."""
    return _refused(service.post("/ml/update_model", {"results": []}), 422)


def check_studies(service: Service) -> str:
    """See that a rating is recorded in the study of this test, corrected and withdrawn, and a suggestion given back."""
    # A study stays for good, so that every run takes the same one.
    begun = service.post("/ml/studies", {"name": _STUDY, "note": "of python -m tools.smoke; nothing in it counts"})
    if begun.status != 409:  # noqa: PLR2004 - it is there
        expect(begun, 201)
    _archive(service, archived=False)
    try:
        return _rate_and_withdraw(service)
    finally:
        _archive(service, archived=True)


def _archive(service: Service, *, archived: bool) -> None:
    study = expect(service.patch(f"/ml/studies/{_STUDY}", {"archived": archived}), 200).json()
    _see((study["archived_at"] is not None) == archived, f"the study {_STUDY} is not as asked for: {study}")


def _rate_and_withdraw(service: Service) -> str:
    (first,), (parameters,) = _suggest(service)
    api = parameters["api"]
    (second,), (other,) = _suggest(service, fixed={"api": api})
    _see(other["api"] == api, f"{api} was asked for, and {other['api']} suggested")

    result = {"suggestion_id": first, "parameters": parameters, "rating": 2, "rater": _STUDY}
    told = expect(service.post("/ml/update_model", {"results": [result]}), 200).json()
    (identity,), rated = told["observation_ids"], told["samples_seen"]
    _see(told["study"] == _STUDY, f"the rating went to the study {told['study']}")

    path = f"/ml/history/{identity}"
    corrected = expect(service.patch(path, {"rating": 4, "reviser": _STUDY}, If_Match="1"), 200).json()["observation"]
    _see((corrected["rating"], corrected["revision"]) == (4, 2), f"the rating was not corrected: {corrected}")
    _refused(service.patch(path, {"rating": 3}, If_Match="1"), 412)
    (newest,) = expect(service.get(f"/ml/history?study={_STUDY}&limit=1"), 200).json()["observations"]
    _see(newest == corrected, f"the history has not the corrected rating: {newest}")

    withdrawn = expect(service.delete(f"{path}?reviser={_STUDY}"), 200).json()
    _see(withdrawn["observation"]["withdrawn"], f"the rating was not withdrawn: {withdrawn}")
    _see(withdrawn["samples_seen"] == rated - 1, f"{withdrawn['samples_seen']} ratings count, of {rated} less 1")
    freed = expect(service.delete(f"/ml/suggestions/{second}"), 200).json()["freed"]
    outstanding = expect(service.get(f"/ml/suggestions?study={_STUDY}"), 200).json()["suggestions"]
    _see(freed and second not in [one["suggestion_id"] for one in outstanding], "the suggestion was not given back")
    return f"{identity} rated, corrected and withdrawn"


def _suggest(service: Service, **more: object) -> tuple[Any, Any]:
    asked = {"num_suggestions": 1, "study": _STUDY, **more}
    found = expect(service.post("/ml/suggest_parameters", asked), 200).json()
    return found["suggestion_ids"], found["suggestions"]


def _see(fact: bool, otherwise: str) -> None:
    if not fact:
        raise CheckError(otherwise)


def check_models(service: Service) -> str:
    """See that the caption bundle is loaded."""
    return str(expect(service.get("/generate-caption/health"), 200).json()["model_version"])


def check_captions(service: Service) -> str:
    """See that a picture is captioned."""
    found = expect(
        service.post_form(f"{service.url}/generate-caption/", {}, picture(), filename="smoke.png", keyed=True), 200
    ).json()
    return repr(found["caption"])


def check_uploads(service: Service) -> str:
    """See that a picture is uploaded past the API and captioned."""
    form = expect(service.post("/uploads", {"content_type": "image/png", "filename": "smoke.png"}), 200).json()
    posted = service.post_form(form["url"], form["fields"], picture(), filename="smoke.png", keyed=False)
    if posted.status not in {200, 201, 204}:
        raise CheckError(f"the upload was answered with {posted.status}: {posted.body[:300].decode(errors='replace')}")
    path = form["caption_url"].removeprefix(service.url)
    if not path.startswith("/"):
        raise CheckError(f"caption_url is {path}, which is not below {service.url}")
    end = time.monotonic() + service.patience
    while (answer := service.get(path)).status == 202:  # noqa: PLR2004 - accepted, and not done
        if time.monotonic() > end:
            raise CheckError(f"{form['caption_url']} has been pending for {service.patience:g} s")
        time.sleep(1)
    return repr(expect(answer, 200).json()["caption"])


CHECKS: tuple[Callable[[Service], str], ...] = (
    check_health,
    check_pages,
    check_studio,
    check_keys,
    check_unknown_paths,
    check_stats,
    check_suggestions,
    check_updates,
    check_studies,
    check_models,
    check_captions,
    check_uploads,
)


def picture() -> bytes:
    """Return a PNG of 96 x 64 pixels: a meadow under a sky."""
    sky, meadow = b"\0" + b"\x87\xce\xeb" * 96, b"\0" + b"\x22\x8b\x22" * 96

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 96, 64, 8, 2, 0, 0, 0)
    pixels = zlib.compress(sky * 40 + meadow * 24)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def main() -> int:
    """Make every check and say how each went; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.smoke", description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="where it answers: the stack's output Url, or http://127.0.0.1:8000")
    parser.add_argument("--key", help="the API key, if one is asked for")
    parser.add_argument(
        "--patience", type=float, default=UPLOAD_PATIENCE, help="seconds for an upload to be captioned (%(default)g)"
    )
    arguments = parser.parse_args()
    if urlsplit(arguments.url).scheme not in {"http", "https"} or not urlsplit(arguments.url).netloc:
        parser.error(f"{arguments.url} is not a URL such as http://127.0.0.1:8000")
    return check_all(Service(arguments.url.rstrip("/"), arguments.key, arguments.patience))


def check_all(service: Service) -> int:
    """Make every check of `service` and say how each went; return the exit status."""
    failed = 0
    for check in CHECKS:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        began = time.perf_counter()
        try:
            outcome, said = "ok", check(service)
        except NobodyThereError as error:
            print(f"{error}\n{_NOBODY}", file=sys.stderr)
            return 1
        except ServiceError as error:
            outcome, said = "FAILED", str(error)
        except (KeyError, TypeError, ValueError) as error:
            outcome, said = "FAILED", f"the answer is not of the shape that it should have: {error!r}"
        failed += outcome == "FAILED"
        print(f"{outcome:6}  {name:14}  {time.perf_counter() - began:6.2f} s  {said}", flush=True)
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
