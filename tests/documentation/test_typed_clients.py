"""What generators make of the OpenAPI document: types by which a wrong request does not compile."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import go_without
from tests.support.node import run_node
from tests.support.stack import ROOT
from tools.openapi.document import DOCUMENT

SCHEMA = ROOT / "clients/typescript/src/schema.ts"
PYTHON_CLIENTS = ROOT / ".venv-clients/bin"

_COMPILER = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "target": "ES2022",
        "lib": ["ES2022", "DOM"],
        "module": "ESNext",
        "moduleResolution": "Bundler",
        "skipLibCheck": True,
        "types": [],
        "paths": {"@picture-tuning/client": [str(ROOT / "clients/typescript/src/index.ts")]},
    },
    "include": ["*.ts"],
}

# Each of the lines below `@ts-expect-error` must be refused, else the compiler refuses the comment.
_TYPESCRIPT = """
import { answered, connect, type Schemas } from "@picture-tuning/client";

const api = connect({ baseUrl: "http://localhost" });
const parameters: Schemas["Parameters"] = {
  api: "leonardo", init_strength: 0.28, guidance_scale: 7.2, controlnet_weight: 0.89,
};
const mode = "surfaces";

// What is right, least and most.
api.GET("/ml/stats");
api.POST("/ml/suggest_parameters", { body: {} });
api.POST("/ml/suggest_parameters", { body: { mode, num_suggestions: 3, study: null, fixed: { guidance_scale: 7 } } });
api.POST("/ml/suggest_parameters", { body: { fixed: { api: "stablediffusion", strength: 0.2 } } });
api.POST("/ml/update_model", { body: { results: [{ parameters, rating: 4 }] } });
api.POST("/ml/update_model", {
  params: { header: { "Idempotency-Key": "1" } },
  body: { rater: "ana", mode: null, results: [{ parameters, failed: "timeout", suggestion_id: null, mode }] },
});
const entry = { path: { id: "default-1" }, header: { "If-Match": "1" } };
api.PATCH("/ml/history/{id}", { params: entry, body: { comment: null } });
api.POST("/ml/studies", { body: { name: "a", based_on: null } });

// What is wrong.
// @ts-expect-error
api.POST("/ml/update_model", { body: { parametros: {} } });
// @ts-expect-error
api.POST("/ml/update_model", { body: { results: [{ parametros: {} }] } });
// @ts-expect-error
api.POST("/ml/update_model", { body: { results: [{ parametros: {}, rating: 4 }] } });
// @ts-expect-error
api.POST("/ml/update_model", { body: { results: [{ parameters, rating: 4, coment: "dark" }] } });
// @ts-expect-error
api.POST("/ml/suggest_parameters", { body: { parametros: {} } });
// @ts-expect-error
api.POST("/ml/suggest_parameters", { body: { mode, num_sugestions: 3 } });
// @ts-expect-error
api.POST("/ml/update_model", { body: { results: [{ parameters }] } });
// @ts-expect-error
api.POST("/ml/update_model", { body: { results: [{ parameters, rating: "4" }] } });
// @ts-expect-error
api.POST("/ml/suggest_parameters", { body: { mode: "portraits" } });
// @ts-expect-error
api.POST("/ml/suggest_parameters", { body: { fixed: { api: "leonardo", strength: 0.2 } } });
// @ts-expect-error
const other: Schemas["Parameters"] = { api: "midjourney", strength: 0.2 };
// @ts-expect-error
const mixed: Schemas["Parameters"] = { ...parameters, api: "stablediffusion" };
// @ts-expect-error
const request: Schemas["SuggestRequest"] = { parametros: {} };
// @ts-expect-error
api.POST("/ml/studies", { body: {} });
// @ts-expect-error
api.POST("/ml/studies");
// @ts-expect-error
api.GET("/ml/stats", { params: { query: { mode: "portraits" } } });
// @ts-expect-error
api.GET("/ml/statistics");

// What answers are told apart by.
export async function read(suggestion: Schemas["Parameters"]): Promise<number | string | null> {
  const { data, error } = await api.GET("/captions/{key}", { params: { path: { key: "uploads/a.jpg" } } });
  if (error) return error.detail;
  if (data.status === "pending") return null;
  const history = await answered(api.GET("/ml/history"));
  const rated: number | null | undefined = history.observations[0]?.rating;
  const recorded: number | string | undefined = history.observations[0]?.parameters["steps"];
  const asCsv = { params: { query: { format: "csv" } }, parseAs: "text" } as const;
  const table: string = await answered(api.GET("/ml/history", asCsv));
  if (suggestion.api === "leonardo") return suggestion.init_strength;
  return data.caption + (rated ?? recorded ?? suggestion.strength) + table;
}
"""

_PYTHON = """
from client import AuthenticatedClient
from client.api.captioning import upload_caption
from client.api.tuning import suggest_parameters, update_model
from client.models import (
    FixedLeonardo, Mode, ParametersLeonardo, ProblemDetails, RatedResult, Suggestions, SuggestRequest, Updated,
    UpdateRequest, UploadCaption,
)


def ask(api: AuthenticatedClient) -> float | str | None:
    asked = SuggestRequest(mode=Mode.SURFACES, num_suggestions=2, fixed=FixedLeonardo(guidance_scale=7))
    found = suggest_parameters.sync(client=api, body=asked)
    if isinstance(found, ProblemDetails):
        return found.detail
    if not isinstance(found, Suggestions) or not isinstance(found.suggestions[0], ParametersLeonardo):
        return None
    result = RatedResult(parameters=found.suggestions[0], rating=4.0, suggestion_id=found.suggestion_ids[0])
    told = update_model.sync(client=api, body=UpdateRequest(results=[result]), idempotency_key="1")
    caption = upload_caption.sync("uploads/a.jpg", client=api)
    if isinstance(caption, UploadCaption):
        return caption.caption
    return told.convergence_score if isinstance(told, Updated) else found.suggestions[0].init_strength
"""

_WRONG_PYTHON = {
    "RatedResult(parametros={}, rating=4.0)": 'Unexpected keyword argument "parametros" for "RatedResult"',
    "UpdateRequest(parametros={})": 'Unexpected keyword argument "parametros" for "UpdateRequest"',
    "SuggestRequest(parametros={})": 'Unexpected keyword argument "parametros" for "SuggestRequest"',
    "RatedResult(parameters={}, rating=4.0)": 'Argument "parameters" to "RatedResult" has incompatible type',
    'SuggestRequest(mode="portraits")': 'Argument "mode" to "SuggestRequest" has incompatible type',
}


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typescript")
    made = run_node("openapi-typescript", DOCUMENT, "--output", folder / "schema.ts", at=ROOT)
    assert made.returncode == 0, made.stderr
    (folder / "tsconfig.json").write_text(json.dumps(_COMPILER))
    return folder


def test_the_typescript_clients_types_are_those_of_the_document(typescript: Path) -> None:
    assert SCHEMA.read_text() == (typescript / "schema.ts").read_text(), "run `npm run schema` and read the difference"


def test_in_typescript_right_requests_compile_and_wrong_ones_do_not(typescript: Path) -> None:
    (typescript / "program.ts").write_text(_TYPESCRIPT)
    done = run_node("tsc", at=typescript)
    assert done.returncode == 0, done.stdout

    # And it is the compiler that says so, of each of them.
    (typescript / "program.ts").write_text(_TYPESCRIPT.replace("// @ts-expect-error", ""))
    done = run_node("tsc", at=typescript)
    lines = {int(number) for number in re.findall(r"^program\.ts\((\d+),", done.stdout, re.MULTILINE)}
    wrong = [at for at, line in enumerate(_TYPESCRIPT.splitlines(), 1) if line == "// @ts-expect-error"]
    assert lines == {at + 1 for at in wrong}, done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = PYTHON_CLIENTS / "openapi-python-client"
    if not generator.exists():
        go_without("openapi-python-client: make .venv-clients/stamp")
    folder = tmp_path_factory.mktemp("python")
    command = [str(generator), "generate", "--path", str(DOCUMENT), "--meta", "none", "--output-path", "client"]
    path = {"PATH": f"{PYTHON_CLIENTS}:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=False)
    # It generates what it understands and warns of the rest: of nothing, then.
    assert (done.returncode, "arning" in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr
    return folder


def _mypy(folder: Path, program: str) -> str:
    (folder / "program.py").write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(PYTHON_CLIENTS / "python")]
    # What is judged is the program: the client is as it was generated.
    command += ["--follow-imports", "silent", "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == ("Success" in done.stdout), done.stdout + done.stderr
    return done.stdout


def test_in_python_right_requests_pass_mypy_and_wrong_ones_do_not(python: Path) -> None:
    assert _mypy(python, _PYTHON).startswith("Success")
    said = _mypy(python, _PYTHON + "\n".join(_WRONG_PYTHON))
    for complaint in _WRONG_PYTHON.values():
        assert complaint in said
