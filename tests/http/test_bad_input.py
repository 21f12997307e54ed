"""What a caller can get wrong, asked of the running stack: a clear problem of the right status, nothing recorded."""

import base64
import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from tests.support.stack import Stack

LEONARDO = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
STABLE_DIFFUSION = {
    "api": "stablediffusion",
    "strength": 0.3,
    "guidance_scale": 7.5,
    "controlnet_conditioning_scale": 0.8,
}


def assert_is_a_problem(response: requests.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (
        {"type", "title", "status", "detail", "instance"}
        <= set(body)
        <= {
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "errors",
        }
    )
    assert body["status"] == status
    assert "Traceback" not in response.text
    for error in body.get("errors", []):
        assert set(error) in ({"detail", "pointer"}, {"detail", "parameter"}, {"detail", "header"})
    return body


def _result(parameters: Any = None, **members: Any) -> dict[str, Any]:
    return {"parameters": LEONARDO if parameters is None else parameters, "rating": 4.0} | members


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"mode": "kitchens"}, "#/mode"),
        ({"mode": None}, "#/mode"),
        ({"mode": 7}, "#/mode"),
        ({"num_suggestions": 0}, "#/num_suggestions"),
        ({"num_suggestions": 11}, "#/num_suggestions"),
        ({"num_suggestions": "two"}, "#/num_suggestions"),
        ({"num_suggestions": 1.5}, "#/num_suggestions"),
        ({"num_suggestions": 10**30}, "#/num_suggestions"),
        ({"num_suggestions": True}, "#/num_suggestions"),
        ({"num_suggestions": False}, "#/num_suggestions"),
        ([], "#"),
    ],
)
def test_suggest_parameters_refuses(stack: Stack, body: Any, pointer: str) -> None:
    problem = assert_is_a_problem(stack.post("/ml/suggest_parameters", json=body), 422)

    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("result", "pointer"),
    [
        (_result(LEONARDO | {"api": "midjourney"}), "/parameters/api"),
        (_result({name: value for name, value in LEONARDO.items() if name != "api"}), "/parameters/api"),
        (_result(LEONARDO | {"init_strength": 0.51}), "/parameters/init_strength"),
        (_result(LEONARDO | {"guidance_scale": 4.9}), "/parameters/guidance_scale"),
        (_result(LEONARDO | {"controlnet_weight": 1}), "/parameters/controlnet_weight"),
        (_result(STABLE_DIFFUSION | {"strength": 0.09}), "/parameters/strength"),
        (
            _result({name: LEONARDO[name] for name in ("api", "guidance_scale", "init_strength")}),
            "/parameters/controlnet_weight",
        ),
        (_result(LEONARDO | {"strength": 0.3}), "/parameters/strength"),
        (_result(LEONARDO | {"seed": 1}), "/parameters/seed"),
        (_result(LEONARDO | {"guidance_scale": "NaN"}), "/parameters/guidance_scale"),
        (_result(LEONARDO | {"guidance_scale": "warm"}), "/parameters/guidance_scale"),
        (_result(LEONARDO | {"guidance_scale": None}), "/parameters/guidance_scale"),
        (_result(LEONARDO | {"guidance_scale": True}), "/parameters/guidance_scale"),
        (_result(LEONARDO | {"guidance_scale": [7]}), "/parameters/guidance_scale"),
        (_result("leonardo"), "/parameters"),
        (_result(rating=0.9), "/rating"),
        (_result(rating=5.1), "/rating"),
        (_result(rating=None), "/rating"),
        (_result(rating="good"), "/rating"),
        ({"parameters": LEONARDO}, "/rating"),
        ({"rating": 4}, "/parameters"),
        (_result(mode="kitchens"), "/mode"),
        (_result(suggestion_id=5), "/suggestion_id"),
        ("4 stars", ""),
        (None, ""),
    ],
)
def test_one_bad_result_rejects_all_and_is_named(stack: Stack, result: Any, pointer: str) -> None:
    before = stack.get("/health").json()["optimizer_samples"]

    answer = stack.post("/ml/update_model", json={"results": [_result(), result, _result(STABLE_DIFFUSION)]})

    problem = assert_is_a_problem(answer, 422)
    assert [error["pointer"] for error in problem["errors"]] == [f"#/results/1{pointer}"]
    assert stack.get("/health").json()["optimizer_samples"] == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused(stack: Stack, number: str) -> None:
    body = json.dumps({"results": [_result(rating="@")]}).replace('"@"', number)

    answer = stack.post("/ml/update_model", data=body, headers={"Content-Type": "application/json"})

    assert assert_is_a_problem(answer, 422)["errors"][0]["pointer"] == "#/results/0/rating"


@pytest.mark.parametrize("key", ["a\tb", "a" * 256, ""])
def test_a_bad_idempotency_key_is_reported_as_the_header_that_it_is(stack: Stack, key: str) -> None:
    answer = stack.post("/ml/update_model", json={"results": [_result()]}, headers={"Idempotency-Key": key})

    problem = assert_is_a_problem(answer, 422)
    (error,) = problem["errors"]
    assert error["header"].lower() == "idempotency-key"
    assert problem["detail"].lower().startswith("idempotency-key: ")


def test_several_mistakes_are_all_told(stack: Stack) -> None:
    body = {"results": [_result(LEONARDO | {"init_strength": 9, "guidance_scale": None}, rating=6), _result(rating=0)]}

    problem = assert_is_a_problem(stack.post("/ml/update_model", json=body), 422)

    assert [error["pointer"] for error in problem["errors"]] == [
        "#/results/0/parameters/init_strength",
        "#/results/0/parameters/guidance_scale",
        "#/results/0/rating",
        "#/results/1/rating",
    ]
    assert "(and 3 more)" in problem["detail"]


@pytest.mark.parametrize(
    "body", [{}, {"results": None}, {"results": {}}, {"results": []}, {"results": [_result()] * 1001}, [], None]
)
def test_an_update_needs_1_to_1000_results(stack: Stack, body: Any) -> None:
    assert_is_a_problem(stack.post("/ml/update_model", json=body), 422)


def test_1000_results_are_taken(stack: Stack) -> None:
    before = stack.get("/health").json()["optimizer_samples"]

    answer = stack.post("/ml/update_model", json={"results": [_result()] * 1000})

    assert answer.json()["samples_seen"] == before + 1000


@pytest.mark.parametrize("path", ["/ml/suggest_parameters", "/ml/update_model"])
def test_a_body_that_is_not_json_is_malformed(stack: Stack, path: str) -> None:
    for body in (b'{"results": [', b"\xff\xfe", b"results=1", b"[" * 100_000):
        answer = stack.post(path, data=body, headers={"Content-Type": "application/json"})
        assert_is_a_problem(answer, 400)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/ml/suggest_parameters", "text/plain"),
        ("/ml/update_model", "application/x-www-form-urlencoded"),
        ("/generate-caption/", "application/json"),
        ("/generate-caption/", "image/jpeg"),
    ],
)
def test_another_content_type_is_unsupported(stack: Stack, path: str, content_type: str) -> None:
    answer = stack.post(path, data=b"{}", headers={"Content-Type": content_type})

    assert_is_a_problem(answer, 415)


def test_an_unknown_mode_of_stats_is_refused(stack: Stack) -> None:
    problem = assert_is_a_problem(stack.get("/ml/stats?mode=kitchens"), 422)

    assert problem["errors"] == [{"detail": "must be one of structure, surfaces, not 'kitchens'", "parameter": "mode"}]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=1_0", "limit"),
        ("cursor=x", "cursor"),
    ],
)
def test_a_page_of_history_that_does_not_exist_is_refused(stack: Stack, query: str, parameter: str) -> None:
    problem = assert_is_a_problem(stack.get(f"/ml/history?{query}"), 422)

    assert problem["errors"][0]["parameter"] == parameter


@pytest.mark.parametrize(("method", "path"), [("get", "/nothing"), ("get", "/ml/update_model"), ("post", "/health")])
def test_what_is_not_there_is_not_found(stack: Stack, method: str, path: str) -> None:
    assert_is_a_problem(getattr(stack, method)(path), 404)


def test_the_same_idempotency_key_records_once_and_another_body_is_refused(stack: Stack) -> None:
    key = {"Idempotency-Key": "a-key"}
    first, again = (stack.post("/ml/update_model", json={"results": [_result()]}, headers=key) for _ in range(2))

    assert first.json() == again.json()
    other = stack.post("/ml/update_model", json={"results": [_result(rating=1)]}, headers=key)
    assert_is_a_problem(other, 422)
    too_long = stack.post("/ml/update_model", json={"results": [_result()]}, headers={"Idempotency-Key": "k" * 256})
    assert assert_is_a_problem(too_long, 422)["errors"][0]["header"] == "Idempotency-Key"
    assert stack.get("/health").json()["optimizer_samples"] == first.json()["samples_seen"]


# Pictures


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _gradient() -> Image.Image:
    down, across = np.mgrid[0:120, 0:160]
    pixels = np.stack([across + 50, down * 2, 255 - across], axis=2).astype(np.uint8)
    return Image.fromarray(pixels)


def _hundred_megapixels() -> bytes:
    """A PNG of 10,000 x 10,000 pixels in some 100 kB, as an attacker would send it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(30_001) * 10_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _caption(stack: Stack, content: bytes, name: str = "image.jpg") -> requests.Response:
    return stack.post("/generate-caption/", files={"file": (name, content)})


@pytest.mark.parametrize(
    ("make", "status", "remedy"),
    [
        (lambda: b"", 422, "a file that has bytes"),
        (lambda: b"this is no picture, whatever its name says", 415, "an ordinary JPEG or PNG"),
        (lambda: b"%PDF-1.7\n", 415, "an ordinary JPEG or PNG"),
        (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "an ordinary JPEG or PNG"),
        (lambda: _encoded(_gradient(), "JPEG")[:1500] + b"\xff\xd9", 422, "save it anew"),
        (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 415, "an ordinary JPEG or PNG"),
        (lambda: _encoded(_gradient(), "JPEG")[:1500], 422, "save it anew"),
        (lambda: _encoded(_gradient(), "PNG")[:200], 422, "save it anew"),
        (_hundred_megapixels, 413, "make it smaller"),
    ],
    ids=["empty", "text", "pdf", "svg", "closed-jpeg", "heic", "truncated-jpeg", "truncated-png", "100-megapixels"],
)
def test_what_cannot_be_captioned_is_refused_with_what_to_do(
    stack: Stack, make: Callable[[], bytes], status: int, remedy: str
) -> None:
    detail = assert_is_a_problem(_caption(stack, make()), status)["detail"]
    assert detail.endswith(remedy)
    assert detail.count(remedy) == 1


def test_a_request_over_the_gateways_limits_is_too_large(stack: Stack) -> None:
    for size in (11, 5):
        detail = assert_is_a_problem(_caption(stack, bytes(size * 1024 * 1024)), 413)["detail"]
        assert "POST /uploads" in detail
    json_type = {"Content-Type": "application/json"}
    assert_is_a_problem(stack.post("/ml/update_model", data=b" " * (7 * 1024 * 1024), headers=json_type), 413)


def test_one_picture_at_a_time(stack: Stack, picture: bytes) -> None:
    two = [("file", ("a.jpg", picture)), ("file", ("b.jpg", picture))]
    assert "not 2" in assert_is_a_problem(stack.post("/generate-caption/", files=two), 422)["detail"]
    none = assert_is_a_problem(stack.post("/generate-caption/", files={"picture": ("a.jpg", picture)}), 422)
    assert none["errors"][0]["pointer"] == "#/file"
    text = assert_is_a_problem(stack.post("/generate-caption/", files={"file": (None, "dog.jpg")}), 422)
    assert text["errors"][0]["pointer"] == "#/file"
    assert "-F file=@picture.jpg" in text["detail"]


def _with_part(content: bytes, head: bytes = b'; filename="a.jpg"', end: bytes = b"\r\n--b--\r\n") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="file"' + head + b"\r\n\r\n" + content + end


def test_a_picture_is_captioned_however_its_part_is_sent(stack: Stack, picture: bytes) -> None:
    expected = stack.post("/generate-caption/", files={"file": ("a.jpg", picture)}).json()["caption"]
    lines = base64.encodebytes(picture)
    url_safe = base64.urlsafe_b64encode(picture).rstrip(b"=")
    ways: list[tuple[bytes, dict[str, str]]] = [
        (_with_part(picture, head=b""), {}),
        (_with_part(picture, end=b""), {}),
        (_with_part(lines, head=b'; filename="a.jpg"\r\nContent-Transfer-Encoding: base64'), {}),
        (_with_part(lines, head=b""), {}),
        (_with_part(lines), {}),
        (_with_part(url_safe), {}),
        (_with_part(b"data:image/png;base64," + base64.b64encode(picture), head=b""), {}),
        (gzip.compress(_with_part(picture)), {"Content-Encoding": "gzip"}),
    ]
    for body, headers in ways:
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = stack.post("/generate-caption/", data=body, headers=kind | headers)
        assert (answer.status_code, answer.json().get("caption")) == (200, expected), answer.text


def test_a_text_field_may_have_more_than_a_megabyte(stack: Stack) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (700, 700, 3)).astype(np.uint8)
    large = _encoded(Image.fromarray(noise), "PNG")
    assert len(large) > 1_400_000
    assert stack.post("/generate-caption/", files={"file": (None, large)}).status_code == 200


@pytest.mark.parametrize("given", ["image/jpg", "IMAGE/JPEG", "image/jpeg; charset=binary", "image/pjpeg"])
def test_other_names_of_a_media_type_are_taken_for_it(stack: Stack, given: str) -> None:
    answer = stack.post("/uploads", json={"content_type": given})
    assert answer.json()["fields"]["Content-Type"] == "image/jpeg"
    assert stack.post("/uploads", json={"content_type": "image/avif"}).status_code == 200
    refused = assert_is_a_problem(stack.post("/uploads", json={"content_type": "image/heic"}), 422)
    assert refused["errors"][0]["pointer"] == "#/content_type"


def _animation() -> bytes:
    frames = [_gradient(), Image.new("RGB", (160, 120), "red")]
    return _encoded(frames[0].quantize(), "GIF", save_all=True, append_images=[one.quantize() for one in frames[1:]])


def _sixteen_bit() -> bytes:
    return _encoded(Image.fromarray((np.arange(160 * 120).reshape(120, 160) * 3).astype(np.uint16)), "PNG")


def _rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encoded(_gradient(), "JPEG", exif=exif)


@pytest.mark.parametrize(
    "make",
    [
        _animation,
        lambda: _encoded(_gradient().convert("CMYK"), "JPEG"),
        _sixteen_bit,
        lambda: _encoded(_gradient().quantize(), "PNG"),
        lambda: _encoded(_gradient().convert("RGBA"), "PNG"),
        lambda: _encoded(_gradient().convert("LA"), "PNG"),
        lambda: _encoded(_gradient().convert("1"), "PNG"),
        lambda: _encoded(_gradient(), "JPEG")[:-2],
        lambda: _encoded(_gradient(), "AVIF"),
        lambda: _encoded(_gradient().convert("F"), "TIFF"),
        lambda: _encoded(_gradient(), "WEBP"),
        lambda: _encoded(_gradient(), "BMP"),
        lambda: _encoded(_gradient(), "TIFF"),
        lambda: _encoded(Image.new("RGB", (1, 1)), "PNG"),
        _rotated,
    ],
    ids=[
        "animated-gif",
        "cmyk",
        "16-bit",
        "palette",
        "alpha",
        "grey-alpha",
        "1-bit",
        "jpeg-without-end",
        "avif",
        "tiff-of-floats",
        "webp",
        "bmp",
        "tiff",
        "one-pixel",
        "exif-rotated",
    ],
)
def test_every_kind_of_picture_is_captioned(stack: Stack, make: Callable[[], bytes]) -> None:
    answer = _caption(stack, make(), name="ñandú & co.jpg")

    assert answer.status_code == 200, answer.text
    assert answer.json()["filename"] == "ñandú & co.jpg"
    assert answer.json()["caption"]
