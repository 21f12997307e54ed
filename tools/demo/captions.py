"""The demo's pictures, captioned as an application does that has large ones: a presigned upload each."""

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tools.demo.folder import DemoFolder
from tools.service import Service, ServiceError, expect

_SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PICTURES = ("dog.jpg", "surfer.jpg", "beach.jpg", "jump.jpg", "photographer.jpg")
PLAN = "floor-plan.jpg"
"""A PDF whose name says that it is a JPEG: what cannot be captioned has a reason."""
_PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"

_PENDING = 202
_REFUSED = 422
_POLL_SECONDS = 0.25


def upload(service: Service, folder: DemoFolder) -> dict[str, str]:
    """Upload what is not uploaded yet; return the path of each new caption by the file's name.

    Raises:
        ServiceError: the API or the bucket does not answer as it should.
    """
    paths = {}
    for name in (*PICTURES, PLAN):
        if (step := f"upload of {name}") in folder.done:
            continue
        form = expect(service.post("/uploads", {"filename": name, "content_type": "image/jpeg"}), 200).json()
        content = _PDF if name == PLAN else (_SAMPLES / name).read_bytes()
        posted = service.post_form(form["url"], form["fields"], content, filename=name, keyed=False)
        expect(posted, 204)
        paths[name] = urlsplit(form["caption_url"]).path
        folder.mark(step)
    return paths


def await_captions(service: Service, paths: dict[str, str], say: Callable[[str], None]) -> None:
    """Say of each upload what became of it.

    Raises:
        ServiceError: one is pending for too long, or the API does not answer as it should.
    """
    end = time.monotonic() + service.patience
    for name, path in paths.items():
        while (answer := service.get(path)).status == _PENDING:
            if time.monotonic() > end:
                raise ServiceError(f"{name} has been pending for {service.patience:g} s")
            time.sleep(_POLL_SECONDS)
        if answer.status == _REFUSED:
            say(f"{name}: refused: {answer.json()['detail']}")
        else:
            say(f"{name}: {expect(answer, 200).json()['caption']}")
