"""What is wrong with another server's answer, in a sentence that names the setting to look at."""

from __future__ import annotations

import re
from collections.abc import Mapping

from compat.emulator.engine import EngineTrouble

BUSY = frozenset({408, 409, 425, 429})
DOWN = frozenset({502, 503, 504})
_MISSING = re.compile(r"not found|not exist|unknown|not installed|no such", re.IGNORECASE)


def of_status(host: str, status: int, message: str, headers: Mapping[str, str], *, model: str) -> EngineTrouble:
    """Return the trouble for an error status. `message` is the server's own, or empty. Names of headers are in lower
    case."""
    detail = f": {message}" if message else "."
    engine = f"The engine at {host}"
    if 300 <= status < 400:
        target = headers.get("location", "").partition("://")[2] or headers.get("location", "")
        text = f"{engine} redirects to {target or 'another address'}. Set COMPAT_ENGINE_URL to the address it leads to."
        return EngineTrouble("Misconfigured", text)
    if status in (401, 403):
        return EngineTrouble("Misconfigured", f"{engine} refuses the key in COMPAT_ENGINE_KEY ({status}){detail}")
    if model_missing(status, message, model):
        return EngineTrouble(
            "Misconfigured", f"{engine} has no model {model!r}. Set COMPAT_ENGINE_MODEL ({status}){detail}"
        )
    if status in (404, 405):
        text = f"{engine} has no /audio/transcriptions under the path of COMPAT_ENGINE_URL ({status}){detail}"
        return EngineTrouble("Misconfigured", text)
    if status in BUSY:
        return EngineTrouble("Busy", f"{engine} is busy ({status}){detail}")
    if status in DOWN:
        return EngineTrouble("Unavailable", f"{engine} is not ready ({status}){detail}")
    if status >= 500:
        return EngineTrouble("Failed", f"{engine} fails ({status}){detail}")
    return EngineTrouble("Misconfigured", f"{engine} refuses the request ({status}){detail}")


def model_missing(status: int, message: str, model: str) -> bool:
    """Whether a refusal is about the model's name. FunASR's server refuses that with 400."""
    missing = status == 404 or bool(_MISSING.search(message))
    return status in (400, 404, 422) and missing and ("model" in message.lower() or (bool(model) and model in message))


def no_key(host: str) -> EngineTrouble:
    return EngineTrouble("Misconfigured", f"The engine at {host} asks for a key (401). Set COMPAT_ENGINE_KEY.")


def unreachable(host: str, reason: str) -> EngineTrouble:
    text = f"The engine at {host} (COMPAT_ENGINE_URL) cannot be reached: {reason}."
    return EngineTrouble("Unavailable", text)


def broken(host: str) -> EngineTrouble:
    return EngineTrouble("Failed", f"The engine at {host} closed the connection without an answer.")


def timed_out(host: str, seconds: float) -> EngineTrouble:
    text = f"The engine at {host} did not answer within {seconds:g} s, a part of COMPAT_ANSWER_TIMEOUT."
    return EngineTrouble("Timeout", text)


def unreadable(host: str, kind: str) -> EngineTrouble:
    what = kind.partition(";")[0].strip() or "an answer of no type"
    text = f"The engine at {host} answers with {what} and not with a transcript. Is COMPAT_ENGINE_URL right?"
    return EngineTrouble("Misconfigured", text)


def no_model(host: str, models: list[str]) -> EngineTrouble:
    shown = ", ".join(models[:8]) + (", …" if len(models) > 8 else "")
    return EngineTrouble(
        "Misconfigured", f"The engine at {host} has several models. Set COMPAT_ENGINE_MODEL to one: {shown}."
    )
