"""JSON bodies, and error messages for those of the wrong shape, in terms of fields instead of msgspec's types.

The messages are derived from the messages of msgspec 0.22: "Expected `int`, got `str` - at `$.session.rate`",
"Expected `int` >= 10", "Invalid enum value 'now'", "Object missing required field `type`".
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from compat.errors import BadRequest
from compat.openai_api import surrogates

T = TypeVar("T")
_PATH = re.compile(r" - at `(?:key in )?\$\.?(.*?)(?:\[\.\.\.\])?`$")
_UNKNOWN = re.compile(r"contains unknown field `(.*?)`", re.DOTALL)
_MISSING = re.compile(r"missing required field `(.*?)`")
_BOUND = re.compile(r"Expected `\w+` ([<>]=?) (\S+)")
_KIND = re.compile(r"Expected `([^`]+)`")
_VALUE = re.compile(r"Invalid (?:enum )?value (.+)")
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


def missing(message: str) -> str:
    """Return the name of the missing field that msgspec reports, or an empty string."""
    found = _MISSING.search(message)
    return found[1] if found else ""


def path(message: str) -> str:
    """Return the path of the field that msgspec reports, with the missing field, or an empty string."""
    at = _PATH.search(message)
    return ".".join(filter(None, [at and at[1], missing(message)]))


def reason(message: str, whole: str = "the body") -> str:
    """Return a sentence, without its full stop, about the field that msgspec reports. `whole` names the JSON."""
    field = path(message) or whole
    field = f"each value of {field}" if message.endswith("[...]`") and "key in" not in message else field
    message = message.partition(" - at ")[0]
    if missing(message):
        return f"{field} is missing"
    if unknown := _UNKNOWN.search(message):
        return f"{field} has an unknown field" + ("" if "[" in field else f", {unknown[1][:64]}")
    if bound := _BOUND.search(message):
        return f"{field} should be {_BOUNDS[bound[1]]} {bound[2]}"
    if kind := _KIND.search(message):
        return f"{field} should be {' or '.join(_KINDS.get(name, name) for name in kind[1].split(' | '))}"
    if value := _VALUE.search(message):
        return f"{field} {value[1]} is not supported"
    return f"{field}: {message}"


def decoded(body: bytes, shape: type[T]) -> T:
    """Decode a request body; an empty body means all defaults. Raises BadRequest with the path of the invalid field."""
    try:
        return msgspec.json.decode(body.strip() or b"{}", type=shape)
    except msgspec.ValidationError as error:
        message = str(error)
        code = "missing_required_parameter" if missing(message) else None
        raise BadRequest(f"{reason(message, 'The body')}.", param=path(message) or None, code=code) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if (whole := surrogates.replaced(body.decode("latin-1")).encode("latin-1")) != body:
            return decoded(whole, shape)
        raise BadRequest("The request's body is not valid JSON.", code="invalid_json") from error
    except RecursionError as error:
        raise BadRequest("The request's body is nested too deeply.", code="invalid_json") from error
