"""Studio as a browser asks for it: the page, its files, their headers, under any address."""

import gzip
import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from functions.suggest import routes, studio
from local.template import parse
from tests.support.events import EVENTS
from tests.support.stack import ROOT, Stack
from tests.support.studio import LATER, SCRIPT, STYLE, StackWithPage, write_page
from web.settings import Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data: https:; connect-src 'self'{}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = StackWithPage(tmp_path_factory.mktemp("stack"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the small page, which the function serves."""
    folder = write_page(tmp_path / "studio")
    monkeypatch.setattr(studio, "FOLDER", folder)
    return folder


def answered(tmp_path: Path, event: str, /, headers: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    given = json.loads((EVENTS / f"suggest-{event}.json").read_text())
    given["headers"] |= headers or {}
    if headers:
        given["multiValueHeaders"] |= {name: [value] for name, value in headers.items()}
    handler = routes.build(Settings(observation_store=f"sqlite:///{tmp_path}/o.db", **settings)).handler
    found: dict[str, Any] = handler(given, None)
    return found


def test_the_page_is_good_for_a_day_and_asked_for_again_by_its_tag(stack: Stack) -> None:
    answer = stack.get("/studio")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=86400, must-revalidate"
    tag = answer.headers["etag"]
    for held in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = stack.get("/studio", headers={"If-None-Match": held})
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["cache-control"]) == (tag, answer.headers["cache-control"])
        assert again.headers["content-security-policy"] == answer.headers["content-security-policy"]
        assert "content-length" not in again.headers
    other = stack.get("/studio", headers={"If-None-Match": 'W/"0123456789abcdef0123456789abcdef"'})
    assert (other.status_code, other.text) == (200, answer.text)


def test_a_connection_goes_on_after_a_304(stack: Stack) -> None:
    tag = stack.get("/studio").headers["etag"]
    with requests.Session() as session:
        for _ in range(3):
            held = session.get(f"{stack.url}/studio", headers={"If-None-Match": tag}, timeout=30)
            assert held.status_code == 304
            assert session.get(f"{stack.url}/health", timeout=30).status_code == 200


def test_another_build_has_another_tag(tmp_path: Path, page: Path) -> None:
    before = answered(tmp_path, "studio")["headers"]["etag"]
    (page / "index.html").write_text((page / "index.html").read_text().replace(SCRIPT, "index-99999999.js"))

    after = answered(tmp_path, "studio", {"if-none-match": before})
    assert after["statusCode"] == 200
    assert after["headers"]["etag"] != before


def test_the_page_may_run_and_reach_what_is_its_own_alone(stack: Stack) -> None:
    headers = stack.get("/studio").headers

    assert headers["content-security-policy"] == POLICY.format("")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_may_post_to_the_upload_bucket_that_is_named(tmp_path: Path, page: Path) -> None:
    origin = "https://uploads.s3.eu-west-1.amazonaws.com"
    answer = answered(tmp_path, "studio", upload_origin=origin)

    assert answer["headers"]["content-security-policy"] == POLICY.format(f" {origin}")


@pytest.mark.parametrize(
    ("event", "prefix"),
    [("studio", "/v1"), ("studio-of-a-domain", "/pictures"), ("studio-of-an-http-api", "/v1"), (None, "")],
)
def test_what_the_page_names_is_there_under_any_prefix(
    stack: Stack, tmp_path: Path, page: Path, event: str | None, prefix: str
) -> None:
    body = stack.get("/studio/").text if event is None else answered(tmp_path, event)["body"]
    named = re.findall(r'(?:src|href)="([^"]+)"', body)

    assert named == ["data:,", *(f"{prefix}/studio/{name}" for name in (SCRIPT, LATER, STYLE))]
    for address in named[1:]:
        assert stack.get(address.removeprefix(prefix)).status_code == 200
        # It is the same file with and without a last slash after the page.
        assert urljoin("https://x/any/studio", address) == urljoin("https://x/any/studio/", address)


@pytest.mark.parametrize(
    ("name", "media_type"), [(SCRIPT, "text/javascript; charset=utf-8"), (STYLE, "text/css; charset=utf-8")]
)
def test_a_file_is_kept_for_good(stack: Stack, name: str, media_type: str) -> None:
    answer = stack.get(f"/studio/{name}")

    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Accept-Encoding" in answer.headers["vary"]


@pytest.mark.parametrize(("accepted", "coding"), [("gzip, br", "gzip"), ("identity", None)])
def test_files_travel_compressed_where_the_caller_takes_that(stack: Stack, accepted: str, coding: str | None) -> None:
    address = f"{stack.url}/studio/{SCRIPT}"
    with requests.get(address, headers={"Accept-Encoding": accepted}, stream=True, timeout=30) as answer:
        sent = answer.raw.read(decode_content=False)

    assert answer.headers.get("content-encoding") == coding
    plain = gzip.decompress(sent) if coding else sent
    assert plain.decode() == f'import("./{LATER}");\n' * 60


@pytest.mark.parametrize("name", ["index-00000000.js", "index-zzzz-_zz.css"])
def test_what_the_page_begins_with_answers_under_any_hash_and_is_kept_briefly(stack: Stack, name: str) -> None:
    """A page of yesterday, or of the other of two versions that answer at once, goes on."""
    answer = stack.get(f"/studio/{name}")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=300")
    assert answer.content == stack.get(f"/studio/{SCRIPT if name.endswith('js') else STYLE}").content


@pytest.mark.parametrize(
    "name",
    [
        "progress-00000000.js",  # it is of one version with the script that loads it
        "other-00000000.js",
        "index-00000000.html",
        "index.js",
        "index-000.js",
        "index-00000000.js.map",
        "%2e%2e-00000000.js",
        "%00",
    ],
)
def test_another_name_is_not_found_and_that_is_not_kept(stack: Stack, name: str) -> None:
    answer = stack.get(f"/studio/{name}")

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.headers["cache-control"] == "no-store"
    assert "load the page again" in answer.json()["detail"]


@pytest.mark.parametrize("letter", ["a", "é"])
def test_a_name_longer_than_any_files_is_not_found(stack: Stack, letter: str) -> None:
    assert stack.get(f"/studio/{200 * letter}-12345678.js").status_code == 404
    assert stack.get(f"/studio/{400 * letter}-12345678.js").status_code == 404


def below(event: str, prefix: str) -> dict[str, Any]:
    """A request of the page or of the root as a gateway sends it that takes it under `prefix`."""
    given: dict[str, Any] = json.loads((EVENTS / f"suggest-{event}.json").read_text())
    given["path"] = given["requestContext"]["path"] = prefix + given["path"]
    return given


@pytest.mark.parametrize("prefix", [r"/a\q", r"/a\1", r"/a\g<0>"])
def test_a_prefix_is_taken_as_it_is(tmp_path: Path, page: Path, prefix: str) -> None:
    handler = routes.build(Settings(observation_store=f"sqlite:///{tmp_path}/o.db")).handler
    answer = handler(below("studio", prefix), None)

    assert answer["statusCode"] == 200
    assert f'src="{escape(prefix)}/studio/{SCRIPT}"' in answer["body"]


@pytest.mark.parametrize("prefix", ["//host.example", r"/\host.example"])
def test_a_prefix_leads_to_no_other_host(tmp_path: Path, page: Path, prefix: str) -> None:
    handler = routes.build(Settings(observation_store=f"sqlite:///{tmp_path}/o.db")).handler

    assert re.match(r"/\w", handler(below("root-of-a-browser", prefix), None)["headers"]["location"])
    assert f'src="/host.example/studio/{SCRIPT}"' in handler(below("studio", prefix), None)["body"]


def test_a_page_that_was_not_built_says_how_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio, "FOLDER", tmp_path / "studio")
    page, asset = answered(tmp_path, "studio"), answered(tmp_path, "studio-asset")

    assert page["statusCode"] == 503
    assert page["headers"]["content-type"] == "text/html; charset=utf-8"
    assert page["headers"]["cache-control"] == "no-store"
    assert page["headers"]["content-security-policy"] == POLICY.format("")
    assert "make studio" in page["body"]
    assert 'href="/v1/docs"' in page["body"]
    assert asset["statusCode"] == 404

    write_page(tmp_path / "studio")
    assert answered(tmp_path, "studio")["statusCode"] == 200, "it need not be started again"


@pytest.mark.parametrize(
    "path", ["/studio/%2e%2e%2findex.html", "/studio/..%2F..%2Fapp.py", "/studio/studio/index-00000000.js"]
)
def test_nothing_but_files_of_the_page_is_reached(stack: Stack, path: str) -> None:
    assert stack.get(path).status_code == 404


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/html;q=0.9, application/json;q=0.8", "TEXT/HTML"])
def test_browsers_are_led_from_the_root_to_the_page(stack: Stack, accept: str) -> None:
    answer = stack.get("/", headers={"Accept": accept}, allow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (307, "/studio")
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/html;q=0, */*", "text/html;q=0.5, application/json", "text/html;q=x"]
)
def test_others_get_an_index_of_what_there_is(stack: Stack, accept: str) -> None:
    answer = stack.get("/", headers={"Accept": accept}, allow_redirects=False)

    assert answer.status_code == 200
    assert "Accept" in answer.headers["vary"]
    index = answer.json()
    assert (index["name"], index["version"]) == (
        "Picture tuning and captioning",
        stack.get("/health").json()["version"],
    )
    assert index["links"].keys() == {"studio", "docs", "openapi", "health"}
    for address in index["links"].values():
        assert stack.get(address).status_code == 200


def test_the_index_carries_the_prefix_and_the_document_has_its_shape(tmp_path: Path) -> None:
    index = json.loads(answered(tmp_path, "root")["body"])
    document = json.loads((ROOT / "functions/suggest/openapi.json").read_text())
    (shape,) = document["paths"]["/"]["get"]["responses"]["200"]["content"].values()

    assert set(index["links"].values()) == {"/v1/studio", "/v1/docs", "/v1/openapi.json", "/v1/health"}
    assert shape == {"schema": {"$ref": "#/components/schemas/Index"}}
    assert document["components"]["schemas"]["Index"]["required"] == list(index)
    assert document["components"]["schemas"]["Links"]["required"] == list(index["links"])


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_apis_pages_lead_to_the_page(stack: Stack, tmp_path: Path, path: str) -> None:
    assert '<a href="/studio">Studio</a>' in stack.get(path).text
    assert '<a href="/pictures/studio">Studio</a>' in answered(tmp_path, f"{path[1:]}-of-a-domain")["body"]


def test_the_greeting_names_the_page(stack: Stack) -> None:
    assert f"{stack.url}/studio" in stack.greeting


def test_a_page_of_another_origin_may_watch_an_upload_as_it_may_at_the_bucket(tmp_path: Path) -> None:
    rules = parse((ROOT / "template.yaml").read_text())["Resources"]["UploadBucket"]["Properties"]["CorsConfiguration"]
    (rule,) = rules["CorsRules"]
    running = Stack(tmp_path, CORS_ORIGIN="https://app.example.org")
    asking = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}
    address = running.post("/uploads", json={"content_type": "image/jpeg"}).json()["url"]
    preflight = requests.options(address, headers=asking, timeout=30)
    with_header = requests.options(
        address, headers={**asking, "Access-Control-Request-Headers": "x-upload"}, timeout=30
    )
    running.stop()

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example.org"
    assert [preflight.headers["access-control-allow-methods"]] == rule["AllowedMethods"] == ["POST"]
    assert preflight.headers["access-control-max-age"] == str(rule["MaxAge"])
    assert rule["AllowedHeaders"] == ["*"]
    assert with_header.headers["access-control-allow-headers"] == "x-upload"
