"""What operators write in settings, made into values. Each raises ValueError that says what it should have been."""

from __future__ import annotations

import base64
import re
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

LongRoad = Literal["auto", "filetrans", "pieces"]


def text(value: str) -> str:
    return value.strip()


def secret(value: str) -> str:
    if len(value.strip()) < 16:
        raise ValueError("at least 16 characters that nobody can guess")
    return value.strip()


def many(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def hosts(value: str) -> tuple[str, ...]:
    names = tuple(name.lower() for name in many(value))
    if not all(re.fullmatch(r"[\w.-]+|[0-9a-f:.]*:[0-9a-f:.]*", name) for name in names):
        raise ValueError("a comma-separated list of names such as asr.example.com, without schemes and ports")
    return names


def aliases(value: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in many(value)]
    if not all(name.strip() and target.strip() for name, _, target in pairs):
        raise ValueError("a comma-separated list of name=model")
    return {name.strip(): target.strip() for name, _, target in pairs}


_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def switch(value: str) -> bool:
    if value.strip().lower() not in _SWITCH:
        raise ValueError("true or false")
    return _SWITCH[value.strip().lower()]


def seconds(value: str) -> float:
    seconds = float(value) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value) else 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError("a number of seconds above 0")
    return seconds


def span(value: str) -> float:
    """Seconds that may be none."""
    if not re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
        raise ValueError("a number of seconds, 0 or more")
    return float(value)


def webhook_secret(value: str) -> bytes:
    """Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes."""
    try:
        secret = base64.b64decode(value.strip().removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if not value.strip().startswith("whsec_") or not 24 <= len(secret) <= 64:
        raise ValueError("whsec_ and the base64 of 24 to 64 random bytes")
    return secret


def count(value: str) -> int:
    count = int(value) if value.strip().isdecimal() else 0
    if count < 1:
        raise ValueError("a whole number of at least 1")
    return count


def size(value: str) -> int:
    """Bytes, or KiB, MiB, GiB with a K, M or G behind the number."""
    found = re.fullmatch(r"(\d+)\s*([KMG]?)(i?B)?", value.strip(), re.IGNORECASE)
    if not found:
        raise ValueError("a number of bytes such as 1048576, 512K, 25M or 2G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


def long_road(value: str) -> LongRoad:
    match value.strip().lower():
        case "auto" | "filetrans" | "pieces" as road:
            return road
        case _:
            raise ValueError("auto, filetrans or pieces")


def piece(value: str) -> float:
    length = seconds(value)
    if not 10 <= length <= 230:
        raise ValueError("a number of seconds from 10 to 230")
    return length


def level(value: str) -> str:
    level = value.strip().lower()
    if level not in ("debug", "info", "warning", "error"):
        raise ValueError("debug, info, warning or error")
    return level


def url(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ValueError("an address such as https://dashscope.aliyuncs.com")
    return value.strip().rstrip("/")


def bucket(value: str) -> str:
    """`s3://name/prefix?region=…&endpoint=…` or `oss://name/prefix?region=…`."""
    parts = urlsplit(value.strip())
    known = dict(parse_qsl(parts.query))
    if parts.scheme not in ("s3", "oss") or not parts.hostname or known.keys() - {"region", "endpoint"}:
        raise ValueError("s3://bucket/prefix?region=eu-west-1 or oss://bucket/prefix?region=cn-beijing")
    if not known.get("region"):
        raise ValueError("an address that names the bucket's region: s3://bucket?region=eu-west-1")
    return value.strip()


def pair(value: str) -> tuple[str, str]:
    """An access key's id and its secret."""
    left, _, right = value.strip().partition(":")
    if not left or not right:
        raise ValueError("an access key's id and secret with a colon between")
    return left, right


def _pairs(value: str, form: str, wanted: str) -> dict[str, str]:
    pairs = {name.strip(): given.strip() for name, _, given in (part.partition("=") for part in many(value))}
    if not all(name and re.fullmatch(form, given) for name, given in pairs.items()):
        raise ValueError(wanted)
    return pairs


def rates(value: str) -> dict[str, str] | None:
    """None: there are none to be kept."""
    if value.strip().lower() == "off":
        return None
    return _pairs(value, r"[1-9]\d*/(second|minute|hour|day)", "off or a comma-separated list of model=100/minute")


def prices(value: str) -> dict[str, float]:
    pairs = _pairs(value, r"\d+(\.\d+)?", "a comma-separated list of model=dollars a second")
    return {name: float(given) for name, given in pairs.items()}
