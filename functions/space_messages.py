"""What the search space decides of requests and answers: modes, APIs and settings, as the OpenAPI document has them.

At run time these are plain texts and objects, which `tuning.validation` judges. In the document each is a reference to
a schema that `functions.suggest.space_schemas` makes of a search space: `REFERENCE` stands in its place until then,
because Pydantic refers to no schema that is not of a model of its own.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

REFERENCE = "x-schema"
"""The keyword in place of a `$ref` to the schema of that name."""

ModeName = Annotated[str, WithJsonSchema({REFERENCE: "Mode"})]
ApiName = Annotated[str, WithJsonSchema({REFERENCE: "Api"})]
Parameters = Annotated[dict[str, Any], WithJsonSchema({REFERENCE: "Parameters"})]
Fixed = Annotated[dict[str, Any], WithJsonSchema({REFERENCE: "Fixed"})]

RecordedMode = Annotated[str, Field(description="as it was recorded; the search space may have lost the mode since")]
RecordedParameters = Annotated[dict[str, Any], WithJsonSchema({REFERENCE: "RecordedParameters"})]
"""A setting as it was recorded. The search space may have changed since: its API, names and values are any."""

EXAMPLE = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
"""A setting of the shipped search space, for examples; `functions.suggest.document` replaces it for another."""
