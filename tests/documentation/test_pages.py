"""The words against the deeds: what README and docs/ say is what the code does."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import tuning.suggest
from captioning import lookup, uploads
from captioning.buckets import folder
from captioning.buckets import port as bucket
from captioning.pictures import limits
from captioning.pictures.formats import gif, jpeg, png, tiff, tiff_directory, webp
from captioning.stores import dynamodb as store_dynamodb
from functions import history_messages, tuning_function
from functions.caption import refusals, upload_routes
from functions.suggest import history_routes
from local import template
from local.gateway import REQUEST_LIMIT
from local.settings import LocalSettings
from tests.support.readme import blocks, requests_shown
from tests.support.stack import ROOT, Stack
from tuning.validation import fields as judged_fields
from tuning.validation import requests as judged
from tuning.validation import space_file
from tuning.validation.update import MAX_RESULTS
from web.settings import Settings


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_the_readmes_requests_get_answers_of_the_shape_it_shows(stack: Stack, readme: str) -> None:
    requests = requests_shown(readme)
    assert len(requests) == 5
    for command, shown in requests:
        here = command.replace("http://127.0.0.1:8000", stack.url).rstrip() + " --silent --show-error"
        done = subprocess.run(["bash", "-c", here], cwd=ROOT, capture_output=True, text=True, check=True)
        assert set(json.loads(done.stdout)) == set(shown), command


def test_the_sample_gets_the_caption_that_the_readmes_show(stack: Stack) -> None:
    (shown,) = [answer for command, answer in requests_shown("README.md") if "samples/dog.jpg" in command]
    dog = ("dog.jpg", (ROOT / "samples/dog.jpg").read_bytes())
    said = stack.post("/generate-caption/", files={"file": dog}).json()
    for name in ("filename", "caption", "model_version"):
        assert said[name] == shown[name]
    # Its last digits are the machine's own.
    assert said["confidence"] == pytest.approx(shown["confidence"], abs=0.02)


def test_the_apis_page_shows_how_to_upload(stack: Stack, tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "dog.jpg").write_bytes(picture)
    (program,) = [content for language, content in blocks("docs/api.md") if language == "python"]
    here = program.replace("http://127.0.0.1:8000", stack.url)
    done = subprocess.run([sys.executable, "-c", here], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == stack.post("/generate-caption/", files={"file": picture}).json()["caption"]


def test_the_apis_page_shows_requests_with_the_answers_that_they_get(tmp_path: Path) -> None:
    shown = blocks("docs/api.md")
    request = re.compile(r"(POST|PATCH) (/\S+) (.*)", re.DOTALL)
    pairs = [
        (found, json.loads(shown[at + 1][1])) for at, (_, text) in enumerate(shown) if (found := request.match(text))
    ]
    (history,) = (json.loads(content) for _, content in shown if content.startswith('{"observations"'))
    assert len(pairs) == 4
    stack, suggested = Stack(tmp_path), dict[str, tuple[str, object]]()
    for found, answer in pairs:
        body = json.loads(found[3])
        for result in body.get("results", ()):
            result["suggestion_id"], result["parameters"] = suggested[result["suggestion_id"]]
        said = getattr(stack, found[1].lower())(found[2], json=body).json()
        assert said.keys() == answer.keys(), said
        for name in said.keys() - {"suggestions", "suggestion_ids", "created_at", "observation"}:
            assert said[name] == answer[name], name
        if "suggestions" in said:
            told = zip(said["suggestion_ids"], said["suggestions"], strict=True)
            suggested = dict(zip(answer["suggestion_ids"], told, strict=True))
    corrected, page = said["observation"], stack.get("/ml/history?study=kitchens-2026").json()
    table = stack.get("/ml/history?study=kitchens-2026&format=csv").text.splitlines()
    stack.stop()

    chosen = {"parameters", "recorded_at", "revised_at", "suggestion_id"}
    assert {name: corrected[name] for name in corrected.keys() - chosen} == {
        name: answer["observation"][name] for name in answer["observation"].keys() - chosen
    }
    assert page.keys() == history.keys()
    assert page["observations"][0].keys() == history["observations"][0].keys() == answer["observation"].keys()
    assert f"\n{table[0]}\n" in (ROOT / "docs/api.md").read_text()


def _shape(value: object, path: str = "") -> set[str]:
    """The path and the kind of every value within a JSON value; entries of a list share theirs."""
    if isinstance(value, dict):
        return {kind for name, member in value.items() for kind in _shape(member, f"{path}/{name}")}
    if isinstance(value, list):
        return {kind for member in value for kind in _shape(member, f"{path}/-")}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {f"{path} {'number' if number else type(value).__name__}"}


def _rated(number: int, api: str, strength: str, weight: str) -> dict[str, object]:
    parameters = {"api": api, strength: round(0.14 + number * 0.02, 2), "guidance_scale": 5 + number % 7, weight: 0.86}
    rating = 4.5 - abs(number - 8) / 4 - (api != "leonardo") / 2
    return {"parameters": parameters, "rating": rating, "rater": ("ana", "bo", "cy")[number % 3]}


def test_the_apis_page_shows_what_is_answered_of_a_rated_study(stack: Stack) -> None:
    shown = blocks("docs/api.md")
    asked = [
        (text.removeprefix("GET ").strip(), json.loads(shown[at + 1][1]))
        for at, (_, text) in enumerate(shown)
        if text.startswith("GET /ml/")
    ]
    (steps,) = (json.loads(text) for language, text in shown if language == "json" and '"steps"' in text)
    asked.append(("/ml/progress?study=kitchens-2026", steps))
    assert [path.partition("?")[0] for path, _ in asked] == ["/ml/stats", "/ml/surrogate", "/ml/progress"]
    results = [
        _rated(number, *names)
        for number in range(12)
        for names in (
            ("leonardo", "init_strength", "controlnet_weight"),
            ("stablediffusion", "strength", "controlnet_conditioning_scale"),
        )
    ]
    assert stack.post("/ml/studies", json={"name": "kitchens-2026"}).status_code == 201
    assert stack.post("/ml/update_model", json={"study": "kitchens-2026", "results": results}).status_code == 200

    said = [stack.get(path).json() for path, _ in asked]
    for (path, answer), one in zip(asked, said, strict=True):
        assert one.keys() == answer.keys(), path
        assert _shape(answer) <= _shape(one), path
    # What follows from how much was rated and asked is as shown; what the model says is up to the ratings.
    (stats, surrogate, progress), (stats_shown, surrogate_shown, _) = said, (answer for _, answer in asked)
    assert [one["samples_seen"] for one in (*said, progress["steps"][0])] == [24, 24, 24, 6]
    assert stats["convergence"] == stats_shown["convergence"]
    assert {api["count"] for api in stats["apis"].values()} == {api["count"] for api in stats_shown["apis"].values()}
    mode, mode_shown = stats["modes"]["structure"], stats_shown["modes"]["structure"]
    for name in ("gained_since", "raters_total"):
        assert mode[name] == mode_shown[name]
    assert {one["rater"]: one["ratings"] for one in mode["raters"]}["bo"] == mode_shown["raters"][0]["ratings"]
    drawn = [[point["values"] for point in one["curves"][0]["points"]] for one in (surrogate, surrogate_shown)]
    assert drawn[0] == drawn[1]


def test_the_apis_page_shows_the_index_as_it_is_answered(stack: Stack) -> None:
    shown = [text for _, text in blocks("docs/api.md")]

    assert stack.get("/").json() == json.loads(shown[shown.index("GET /\n") + 1])


def test_both_readmes_show_the_same_requests_and_the_committed_model() -> None:
    english, spanish = ([content for _, content in blocks(name)] for name in ("README.md", "README.es.md"))
    version = json.loads((ROOT / "models/flickr8k/manifest.json").read_text())["model_version"]

    assert spanish == english
    assert f'"model_version": "{version}"' in (ROOT / "README.md").read_text()


def test_every_setting_is_documented_with_its_default_and_no_other_is() -> None:
    table = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    settings = {
        field.name.upper(): str(field.default) for settings in (Settings, LocalSettings) for field in fields(settings)
    }
    shown = {"None": "(none)", "False": "`0`"}

    assert dict(table) == {name: shown.get(default, f"`{default}`") for name, default in settings.items()}


def test_the_limits_are_those_of_the_code() -> None:
    table = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))

    assert table["results in an update"] == f"1 to {MAX_RESULTS:,}"
    assert table["suggestions in a request"] == f"1 to {judged.MAX_COUNT}"
    assert table["a suggestion stays pending"] == f"{tuning.suggest.OUTSTANDING_FOR.total_seconds() / 3600:g} hours"
    page = f"1 to {judged.MAX_PAGE}"
    assert table["entries in a page of history; in one of CSV"] == f"{page}; 1 to {history_routes.MAX_ROWS:,}"
    assert table["a page of history in bytes, as a Lambda answers it"].startswith(
        f"{history_routes.MAX_BYTES // 2**20} MiB"
    )
    assert table["earlier states that are shown of an entry"] == f"the last {history_messages.MAX_EARLIER}"
    assert table["studies in a page of studies"] == page
    reserved = ", ".join(f"`{name}`" for name in sorted(judged.RESERVED_STUDIES))
    assert table["a study's name"].startswith(f"1 to {judged.MAX_STUDY_LENGTH} of ")
    assert table["a study's name"].endswith(f"; not {reserved}")
    assert table["a study's note"] == f"1 to {judged.MAX_NOTE_LENGTH} characters"
    assert table["`rater`, `reviser`; `picture`"].startswith(
        f"1 to {judged.MAX_RATER_LENGTH}; 1 to {judged.MAX_PICTURE_LENGTH} characters"
    )
    assert table["`comment`; `failed`"].startswith(f"1 to {judged.MAX_COMMENT_LENGTH} characters")
    assert table["`suggestion_id`"] == f"1 to {judged.MAX_SUGGESTION_ID_LENGTH} characters"
    assert table["fields that `ignored` lists; problems that `errors` lists"] == (
        f"{judged_fields._MAX_IGNORED}; {judged_fields.MAX_INVALID_FIELDS:,}"
    )
    assert table["`Idempotency-Key`"] == f"1 to {judged.MAX_KEY_LENGTH} characters"
    assert table["a request's body"].startswith(f"{REQUEST_LIMIT // 2**20} MiB")
    picture = f"{limits.MAX_BYTES // 2**20} MiB, {limits.MAX_PIXELS // 10**6} million pixels"
    assert (
        table["coordinates in a mode; choices of a parameter"]
        == f"{space_file.MAX_COORDINATES}; {space_file.MAX_CHOICES}"
    )
    assert table["a picture"] == picture
    assert table["a presigned upload"] == f"{uploads.PRESIGNED_SECONDS // 60} minutes, one key"
    assert table["an upload's `filename`"] == f"1 to {uploads.MAX_NAME_BYTES} bytes in UTF-8"
    assert table["an uploaded picture's key"] == f"{bucket.MAX_KEY_BYTES:,} bytes in UTF-8"
    assert table["pictures in a page of uploads; that are looked at for a page of one status"] == (
        f"1 to {lookup.MAX_LIMIT}; {lookup.MAX_EXAMINED:,}"
    )
    folders = "folders that are opened for a page of uploads, on one machine"
    assert table[folders] == f"{folder.MAX_FOLDERS:,}; then it has fewer pictures"
    assert table["`Retry-After` of a pending caption"].startswith(f"1 to {upload_routes.MAX_RETRY_AFTER} s")
    assert table["a picture that costs more memory"] == (
        f"{limits.MAX_PROGRESSIVE_PIXELS // 10**6} million pixels of a progressive JPEG, "
        f"{limits.MAX_WEBP_PIXELS // 10**6} million of a WebP, "
        f"{limits.MAX_AVIF_PIXELS // 10**6} million of an AVIF"
    )
    assert table["a caption stays in DynamoDB"] == f"{store_dynamodb.LIFETIME_SECONDS // 86_400} days"


def test_the_limits_of_a_picture_are_those_of_the_code() -> None:
    table = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", (ROOT / "docs/api.md").read_text(), re.MULTILINE))

    assert table["pixels"] == (
        f"{limits.MAX_PIXELS // 10**6} million, and {limits.MAX_SIDE:,} along a side; "
        f"of a progressive JPEG {limits.MAX_PROGRESSIVE_PIXELS // 10**6} million, "
        f"of a WebP {limits.MAX_WEBP_PIXELS // 10**6} million, "
        f"of an AVIF {limits.MAX_AVIF_PIXELS // 10**6} million"
    )
    assert table["bytes, by the function"] == f"{limits.MAX_BYTES // 2**20} MiB"
    assert table["time and memory to read it"].startswith(
        f"{limits.PROCESSOR_SECONDS:g} s of a processor and {limits.MEMORY_BYTES // 2**20} MiB"
    )
    assert table["structure, JPEG"] == (
        f"{jpeg.MAX_SCANS} scans, {jpeg.MAX_MARKERS:,} markers, "
        f"{jpeg.MAX_HEAD_BYTES // 2**10} KiB of tables before the first scan"
    )
    assert table["structure, TIFF"] == (
        f"{tiff_directory.MAX_SEGMENTS:,} strips or tiles, "
        f"{tiff_directory.MAX_ENTRIES:,} entries of the first directory; "
        f"a strip or tile and the picture have {tiff.MAX_DECODED_BYTES // 2**20} MiB together; "
        f"of other depths than 8 bits, a compressed one {tiff.MAX_SEGMENT_BYTES // 2**20} MiB"
    )
    assert table["structure, others"] == (
        f"{png.MAX_CHUNKS:,} chunks of a PNG, {webp.MAX_CHUNKS:,} of a WebP, "
        f"{gif.MAX_SUB_BLOCKS:,} sub-blocks before a GIF's first frame"
    )


def test_the_apis_page_and_the_document_name_every_status_that_is_answered() -> None:
    page = (ROOT / "docs/api.md").read_text().partition("## Errors")[2]
    described: str = json.loads((ROOT / "functions/suggest/openapi.json").read_text())["info"]["description"]
    gateways = {answer.status for answer in template.read(ROOT / "template.yaml").gateway_responses.values()}
    # Those of the groups of errors (`web.problems`), and those that `web.application` and `local.gateway` give by
    # themselves.
    others = {400, 405, 408, 409, 415, 422, 500, 503}

    for text in (page, described):
        rows = re.findall(r"^\| (\d{3}(?:, \d{3})*) \|", text, re.MULTILINE)
        assert {int(status) for row in rows for status in row.split(", ")} == {
            *gateways,
            *refusals.STATUSES.values(),
            *tuning_function.STATUSES.values(),
            *others,
        }


def test_every_link_in_the_docs_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
