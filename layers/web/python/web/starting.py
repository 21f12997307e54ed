"""How a function starts: nothing is done that the first request does not need.

An entry point imports and builds its function within `starting` or, if it answers HTTP, `starting_http`. This module
imports next to nothing, and must be imported before FastAPI is.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def starting() -> Iterator[None]:
    """Rest the garbage collector while a function starts; what the start has made is never looked through again.

    A start makes little else than what it keeps. To look through that for garbage took a tenth of its CPU.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def starting_http() -> Iterator[None]:
    """As `starting`, with FastAPI imported at the least cost.

    FastAPI has forty models of the OpenAPI document, which no function makes: it is committed. Pydantic is told to make
    their validators when they are first used. They were a tenth of the CPU of a start.
    """
    with starting():
        # FastAPI asks of every type whether it is a model of Pydantic's first version, and would import all of that to
        # know. It takes the package for missing, as it will be.
        sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]
        _import_fastapi()
        yield


def _import_fastapi() -> None:
    from pydantic import BaseModel  # noqa: PLC0415 - not for functions without HTTP

    rebuild = BaseModel.__dict__["model_rebuild"]

    def rebuild_if_used(model: type[BaseModel], /, **options: object) -> bool | None:
        # Without options it is FastAPI that looks ahead; a model that is used rebuilds itself with some.
        return rebuild.__func__(model, **options) if options else None

    BaseModel.model_config["defer_build"] = True
    BaseModel.model_rebuild = classmethod(rebuild_if_used)  # type: ignore[method-assign, assignment]
    try:
        import fastapi  # noqa: F401, PLC0415
    finally:
        # Our own models are of use at once, and FastAPI would not keep back their warnings later.
        BaseModel.model_rebuild = rebuild  # type: ignore[method-assign]
        del BaseModel.model_config["defer_build"]
