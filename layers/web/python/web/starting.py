"""How a function starts: without work that the first request does not need.

An entry point imports and builds its function within `starting` or, if it answers HTTP, `starting_http`. This module
imports almost nothing, and must be imported before FastAPI is.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def starting() -> Iterator[None]:
    """Disable the garbage collector while a function starts, and exempt what the start made from later collections.

    Nearly all objects that a start makes are kept. Collections during the start took a tenth of its CPU time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def starting_http() -> Iterator[None]:
    """Do as `starting` does, and import FastAPI in the cheapest way.

    FastAPI has forty models of the OpenAPI document, which no function uses: the document is committed. Pydantic builds
    their validators at first use instead. Building them took a tenth of the CPU time of a start.
    """
    with starting():
        # FastAPI checks every type for being a model of Pydantic's first version, and would import that version to do
        # so. With this entry it takes the package for missing.
        sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]
        _import_fastapi()
        yield


def _import_fastapi() -> None:
    from pydantic import BaseModel  # noqa: PLC0415 - not for functions without HTTP

    rebuild = BaseModel.__dict__["model_rebuild"]

    def rebuild_if_used(model: type[BaseModel], /, **options: object) -> bool | None:
        # FastAPI calls it without options, ahead of use; a model that is used calls it with some.
        return rebuild.__func__(model, **options) if options else None

    BaseModel.model_config["defer_build"] = True
    BaseModel.model_rebuild = classmethod(rebuild_if_used)  # type: ignore[method-assign, assignment]
    try:
        import fastapi  # noqa: F401, PLC0415
    finally:
        # Our own models are used at once and need their validators now; later, FastAPI would show their warnings.
        BaseModel.model_rebuild = rebuild  # type: ignore[method-assign]
        del BaseModel.model_config["defer_build"]
