"""What Pydantic and FastAPI say of a schema, made what generators of typed clients read.

Titles that repeat names go. A field that may be left out says so by not being required: a default beside it makes some
generators require it, so that the description says what holds without it. That further fields are taken is what a
schema without `additionalProperties` says already, and one that says it aloud makes types that any misspelt field fits.
"""

from typing import Any

from functions.space_messages import REFERENCE

_NULL = {"type": "null"}


def reference(kind: str, name: str) -> dict[str, str]:
    """Return a reference to a component of the document."""
    return {"$ref": f"#/components/{kind}/{name}"}


def tidied(schema: Any, *, keep_default: bool = False) -> Any:
    """Return the schema without what says nothing, and with references in place of `REFERENCE`."""
    if isinstance(schema, list):
        return [tidied(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        match keyword:
            case "title":
                continue
            case "default" if value is None or not keep_default:
                continue
            case "additionalProperties" if value is True:
                continue
            case "properties":
                kept[keyword] = {name: tidied(member) for name, member in value.items()}
            case "examples" | "enum" | "required" | "const":
                kept[keyword] = value
            case _ if keyword == REFERENCE:
                kept |= reference("schemas", value)
            case _:
                kept[keyword] = tidied(value)
    return _joined(kept)


def parameter(declared: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter as it is to be documented: absent, and never null, where it may be left out."""
    schema = tidied(_without_null(declared["schema"]), keep_default=True)
    kept = {name: value for name, value in declared.items() if (name, value) != ("required", False)}
    # It stands beside the schema already.
    return kept | {"schema": {name: value for name, value in schema.items() if name != "description"}}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    choices = [one for one in schema.get("anyOf", ()) if one != _NULL]
    if len(choices) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **choices[0]}


def _joined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return "a text, or null" as one schema of two types."""
    match schema.get("anyOf"):
        case [{"type": str(kind)} as only, {"type": "null"}]:
            rest = {name: value for name, value in schema.items() if name != "anyOf"}
            return {**only, "type": [kind, "null"], **rest}
    return schema
