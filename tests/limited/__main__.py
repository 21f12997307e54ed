"""`python -m tests.limited '{"waiting": 2}'`: serves `tests.limited.function` under these limits."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(layer) for layer in sorted(ROOT.glob("layers/*/python")))]

from local import functions, server  # noqa: E402  (after the layers are on the path)
from local.limits import Limits  # noqa: E402
from local.settings import LocalSettings  # noqa: E402
from local.template import Route, UploadTrigger, read  # noqa: E402

given = json.loads(sys.argv[1])
functions.INTEGRATION_TIMEOUT = given.pop("integration_timeout", functions.INTEGRATION_TIMEOUT)
template = replace(
    read(ROOT / "template.yaml"),
    routes=tuple(
        Route(method, path, "Told", needs_key=False, rate=None)
        for method, path in (("POST", "/slow"), ("POST", "/quick"), ("GET", "/large"), ("GET", "/fail"))
    ),
    handlers={"Told": "tests.limited.function.handler"},
    upload_trigger=UploadTrigger("Told", "uploads/"),
)
if not server.serve(template, LocalSettings.from_environment(), limits=Limits(**given)):
    sys.stdout.flush()
    os._exit(0)
