"""The TypeScript client as people use it: built, compiled against, and run by Node against the running stack."""

import io
import json
import re
import shutil
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.node import MODULES, node, run_node
from tests.support.readme import blocks
from tests.support.stack import ROOT, Stack

CLIENT = ROOT / "clients/typescript"

_PROJECT = {
    "extends": "./tsconfig.base.json",
    "compilerOptions": {
        "module": "NodeNext",
        "moduleResolution": "NodeNext",
        "lib": ["ES2022", "DOM", "DOM.Iterable"],
        "types": ["node"],
        "outDir": "out",
    },
    "include": ["*.ts"],
}

_LASTING = """
import { answered, connect } from "@picture-tuning/client";

const api = connect({ baseUrl: process.env.API ?? "", patience: { attempts: 200, longestWait: 1 } });
const parameters = { api: "leonardo", init_strength: 0.28, guidance_scale: 7.2, controlnet_weight: 0.89 } as const;
console.log("sending");
const told = await answered(api.POST("/ml/update_model", { body: { results: [{ parameters, rating: 4 }] } }));
console.log(told.samples_seen);
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has the built client among its packages, as after `npm install`."""
    folder = tmp_path_factory.mktemp("project")
    installed = folder / "node_modules/@picture-tuning/client"
    built = run_node("tsc", "--project", CLIENT / "tsconfig.build.json", "--outDir", installed / "dist", at=ROOT)
    assert built.returncode == 0, built.stdout
    shutil.copy(CLIENT / "package.json", installed)
    for name in ("openapi-fetch", "openapi-typescript-helpers", "@types", "undici-types"):
        (folder / "node_modules" / name).symlink_to(MODULES / name)
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(ROOT / "tsconfig.base.json", folder)
    (folder / "tsconfig.json").write_text(json.dumps(_PROJECT))
    return folder


def _compiled(package: Path, name: str, program: str) -> Path:
    (package / f"{name}.ts").write_text(program)
    done = run_node("tsc", at=package)
    assert done.returncode == 0, done.stdout
    return package / "out" / f"{name}.js"


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_the_readmes_program_suggests_rates_and_captions(
    package: Path, picture: bytes, readme: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ((_, program),) = blocks(f"clients/typescript/{readme}")
    stack = Stack(tmp_path, API_KEY="secret")
    request.addfinalizer(stack.stop)
    flow = _compiled(package, "flow", program.replace("http://127.0.0.1:8000", stack.url))
    (tmp_path / "dog.jpg").write_bytes(picture)
    noise = np.random.default_rng(7).integers(0, 256, (1300, 1300, 3), dtype=np.uint8)
    large = io.BytesIO()
    Image.fromarray(noise).save(large, "PNG")
    (tmp_path / "large.png").write_bytes(large.getvalue())
    assert 4_500_000 < large.tell() < 10 * 2**20

    command, environment = [node(), str(flow)], {"API_KEY": "secret"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    key = {"x-api-key": "secret"}
    history = stack.get("/ml/history", headers=key).json()["observations"]
    pending = stack.get("/ml/suggestions", headers=key).json()["suggestions"]

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"2 ratings\ndog\.jpg: .+\nlarge\.png: .+\n", done.stdout)
    assert [(one["rater"], one["suggestion_id"] is None) for one in history] == [("ana", False)] * 2
    assert pending == []


def test_an_update_that_finds_nobody_is_recorded_once_when_the_server_is_back(package: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [node(), str(_compiled(package, "lasting", _LASTING))]
    environment = {"API": f"http://127.0.0.1:{port}"}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as sending,
        ExitStack() as ending,
    ):
        ending.callback(sending.kill)
        assert sending.stdout is not None
        assert sending.stdout.readline() == "sending\n"
        stack = Stack(tmp_path, PORT=str(port))
        ending.callback(stack.stop)
        assert sending.stdout.read() == "1\n"
        assert stack.get("/health").json()["optimizer_samples"] == 1
