"""Parsers of setting values. Each raises ValueError with a phrase that completes "NAME should be …"."""

from __future__ import annotations

import base64
import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

from compat import processes

LongRoad = Literal["auto", "filetrans", "pieces"]
LogFormat = Literal["auto", "human", "json"]
Family = Literal["qwen3-asr", "qwen-audio-3.1"]
LocalEngineName = Literal["moonshine", "tones", "openai"]

YEAR = 366 * 86400  # seconds: the longest timeout
MOST_WORKERS = 64
MOST = 1_000_000  # the largest count
LARGEST = 1 << 50  # bytes
SHORTEST_KEY = 8  # characters
PORTS = {"http": 80, "https": 443}
_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,15})?"
_PLAIN = r"[!-~]+"  # characters allowed in a header, an address and a name: no spaces, no line breaks
_HOST = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]+"


def name(value: str) -> str:
    """Return a model name."""
    if not re.fullmatch(_PLAIN, value.strip()):
        raise ValueError("one name, without spaces")
    return value.strip()


def label(value: str) -> str:
    """Return a label of a host name."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", value.strip()):
        raise ValueError("letters, digits and hyphens")
    return value.strip()


def key(value: str) -> str:
    """Return a key for the `Authorization` header. Line breaks would inject headers; quotes come from env files that no
    shell has parsed."""
    parsed = value.strip()
    if not re.fullmatch(_PLAIN, parsed) or parsed[0] in "\"'":
        raise ValueError("one key in plain ASCII, without spaces, line breaks, or quotes around it")
    return parsed


def caller_key(value: str) -> str:
    """Return a key that clients send to this server."""
    parsed = key(value)
    if len(parsed) < SHORTEST_KEY:
        raise ValueError(f"a key of at least {SHORTEST_KEY} characters")
    return parsed


def keys(value: str) -> tuple[str, ...]:
    parsed = tuple(dict.fromkeys(caller_key(part) for part in many(value)))
    if not parsed:  # an empty list would turn authentication off
        raise ValueError("a comma-separated list of keys")
    if any(part.lower().startswith("sha256:") for part in parsed):
        raise ValueError("a list of keys, not of hashes (use COMPAT_API_KEYS_FILE for hashes)")
    return parsed


def path(value: str) -> Path:
    try:
        return Path(value.strip()).expanduser()
    except RuntimeError as exc:
        raise ValueError("a path that does not begin with ~, because there is no home directory") from exc


def secret(value: str) -> str:
    if len(value.strip()) < 16:
        raise ValueError("a random string of at least 16 characters")
    return value.strip()


def many(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def hosts(value: str) -> tuple[str, ...]:
    names = tuple(name.lower() for name in many(value))
    if not all(re.fullmatch(r"[\w.-]+|[0-9a-f:.]*:[0-9a-f:.]*", name) for name in names):
        raise ValueError("a comma-separated list of names such as asr.example.com, without schemes and ports")
    return names


def proxies(value: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    names = ("0.0.0.0/0", "::/0") if value.strip() == "*" else many(value)
    try:
        return tuple(ipaddress.ip_network(name) for name in names)
    except ValueError as exc:
        raise ValueError("* or a comma-separated list of addresses and ranges such as 10.0.0.0/8") from exc


def aliases(value: str) -> dict[str, str]:
    return _pairs(value, _PLAIN, "a comma-separated list of name=model, without spaces in a name")


_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def switch(value: str) -> bool:
    if value.strip().lower() not in _SWITCH:
        raise ValueError("true or false")
    return _SWITCH[value.strip().lower()]


def seconds(value: str) -> float:
    seconds = float(value) if re.fullmatch(_NUMBER, value.strip()) else 0.0
    if not 0 < seconds <= YEAR:
        raise ValueError("a number of seconds above 0, at most a year")
    return seconds


def span(value: str) -> float:
    """Return a number of seconds that may be 0."""
    seconds = float(value) if re.fullmatch(_NUMBER, value.strip()) else -1.0
    if not 0 <= seconds <= YEAR:
        raise ValueError("a number of seconds, 0 or more, at most a year")
    return seconds


def webhook_secret(value: str) -> bytes:
    """Return the bytes of a Standard Webhooks secret: `whsec_` and base64 of 24 to 64 bytes."""
    try:
        secret = base64.b64decode(value.strip().removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if not value.strip().startswith("whsec_") or not 24 <= len(secret) <= 64:
        raise ValueError("whsec_ followed by 24 to 64 random bytes in base64")
    return secret


def count(value: str) -> int:
    count = int(value) if re.fullmatch(r"[0-9]{1,15}", value.strip()) else 0
    if not 1 <= count <= MOST:
        raise ValueError(f"a whole number from 1 to {MOST}")
    return count


def port(value: str) -> int:
    number = int(value) if re.fullmatch(r"[0-9]{1,5}", value.strip()) else 0
    if not 1 <= number <= 65535:
        raise ValueError("a port from 1 to 65535")
    return number


def ip(value: str) -> str:
    """Return an IP address in its usual form."""
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError as exc:
        raise ValueError("an IP address") from exc


def addresses(value: str) -> tuple[str, ...]:
    """Return addresses that clients can connect to."""
    parsed = tuple(ip(part) for part in many(value))
    if any(ipaddress.ip_address(address).is_unspecified for address in parsed):
        raise ValueError("IP addresses that clients reach, such as 203.0.113.7")
    return parsed


def workers(value: str) -> int:
    """Return a number of processes; `auto` means one for each core."""
    if value.strip().lower() == "auto":
        return min(processes.cores(), MOST_WORKERS)
    number = int(value) if re.fullmatch(r"[0-9]{1,9}", value.strip()) else 0
    if not 1 <= number <= MOST_WORKERS:
        raise ValueError(f"a whole number from 1 to {MOST_WORKERS}, or auto")
    return number


def size(value: str) -> int:
    """Return a number of bytes; the suffixes K, M and G mean KiB, MiB and GiB."""
    match = re.fullmatch(r"([0-9]{1,15})\s*([KMG]?)(i?B)?", value.strip(), re.IGNORECASE)
    size = int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()] if match else 0
    if not 1 <= size <= LARGEST:
        raise ValueError("a number of bytes such as 1048576, 512K, 25M or 2G, at least 1")
    return size


def size_or_none(value: str) -> int:
    """Return a number of bytes, as `size` does, or 0."""
    return 0 if value.strip() == "0" else size(value)


def long_road(value: str) -> LongRoad:
    match value.strip().lower():
        case "auto" | "filetrans" | "pieces" as road:
            return road
        case _:
            raise ValueError("auto, filetrans or pieces")


def family(value: str) -> Family:
    match value.strip().lower():
        case "qwen3-asr" | "qwen-audio-3.1" as name:
            return name
        case _:
            raise ValueError("qwen3-asr or qwen-audio-3.1")


def engine(value: str) -> LocalEngineName:
    match value.strip().lower():
        case "moonshine" | "tones" | "openai" as name:
            return name
        case _:
            raise ValueError("openai (a server at COMPAT_ENGINE_URL), moonshine or tones")


def engine_fault(engine: LocalEngineName | None, url: str | None, *, passes: bool) -> str | None:
    """Return what is wrong with the settings of COMPAT_ENGINE together. `passes`: clients send DashScope keys."""
    if engine == "openai" and not url:
        return "COMPAT_ENGINE=openai needs COMPAT_ENGINE_URL, the base URL of a server."
    if engine == "openai" and passes:
        return "COMPAT_PASS_KEY passes keys on to DashScope, which COMPAT_ENGINE=openai replaces."
    return "COMPAT_ENGINE_URL needs COMPAT_ENGINE=openai." if url and engine != "openai" else None


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


def log_format(value: str) -> LogFormat:
    match value.strip().lower():
        case "auto" | "human" | "json" as form:
            return form
        case _:
            raise ValueError("auto, human or json")


def url(value: str) -> str:
    return _address(value, ("http", "https", "ws", "wss"), "an address such as wss://dashscope.aliyuncs.com")


def service(value: str) -> str:
    return _address(value, ("http", "https"), "an address such as https://dashscope.aliyuncs.com")


def web(value: str) -> str:
    return _address(value, ("http", "https"), "an address such as https://asr.example.com")


def recogniser(value: str) -> str:
    return _address(value, ("http", "https"), "the base URL of a server such as http://127.0.0.1:8000/v1")


def origins(value: str) -> tuple[str, ...]:
    """Return origins as browsers send them: in lower case, without the default port and a trailing slash."""
    return tuple("*" if part == "*" else _origin(part) for part in many(value))


def _origin(value: str) -> str:
    wanted = "* or a comma-separated list of origins such as https://app.example.com, without paths and wildcards"
    origin = value.lower()
    if origin == "null" or re.fullmatch(r"(?!https?:)[a-z][a-z0-9+.-]*://[a-z0-9._:-]*", origin):
        return origin  # sandboxed pages, desktop programs and browser extensions
    address = _address(origin, ("http", "https"), wanted)
    parts = urlsplit(address)
    if parts.path:
        raise ValueError(wanted)
    own = PORTS[parts.scheme]
    return address.removesuffix(f":{own}") if parts.port == own else address


def store(value: str) -> str:
    """Return the path of a file, or an address that redis-py accepts."""
    wanted = "a SQLite file's path or redis://host:6379/0, with special characters of the password escaped (%23 for #)"
    place = value.strip()
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", place)
    if place.lower() in ("off", "none", "no", "false", "memory"):
        raise ValueError(wanted)
    if scheme is None:
        return str(path(place))
    if scheme[1] not in ("redis", "rediss", "unix"):
        raise ValueError(wanted)
    parts = _split(place, wanted)
    if not place.startswith(f"{scheme[1]}://") or parts.fragment or not re.fullmatch(_PLAIN, place):
        raise ValueError(wanted)
    if scheme[1] != "unix" and not re.fullmatch(r"(/[0-9]*)?", parts.path):
        raise ValueError(wanted)
    return place


def _address(value: str, schemes: tuple[str, ...], wanted: str) -> str:
    """Return the address of a host, optionally with a path, never with credentials or a query."""
    address = value.strip().rstrip("/")
    parts = _split(address, wanted)
    host = re.fullmatch(_HOST, parts.hostname or "")
    if parts.scheme not in schemes or not host or not re.fullmatch(_PLAIN, address):
        raise ValueError(wanted)
    if "@" in parts.netloc or parts.query or parts.fragment or parts.port == 0:
        raise ValueError(wanted)
    return address


def _split(address: str, wanted: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ValueError(wanted) from None  # urllib's message may quote a password
    return parts


def bucket(value: str) -> str:
    """Return an address `s3://name/prefix?region=…&endpoint=…` or `oss://name/prefix?region=…`."""
    wanted = "s3://bucket/prefix?region=eu-west-1 or oss://bucket/prefix?region=cn-beijing"
    address = value.strip()
    parts = _split(address, wanted)
    known = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in ("s3", "oss") or not re.fullmatch(_PLAIN, address) or known.keys() - {"region", "endpoint"}:
        raise ValueError(wanted)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", parts.netloc) or parts.fragment:
        raise ValueError(wanted)
    if not known.get("region"):
        raise ValueError("an address that names the bucket's region: s3://bucket?region=eu-west-1")
    label(known["region"])
    if "endpoint" in known:
        web(known["endpoint"])
    return address


def pair(value: str) -> tuple[str, str]:
    """Return the id and the secret of an access key."""
    left, _, right = value.strip().partition(":")
    if not re.fullmatch(_PLAIN, left) or not re.fullmatch(_PLAIN, right):
        raise ValueError("an access key as id:secret")
    return left, right


def _pairs(value: str, form: str, wanted: str) -> dict[str, str]:
    pairs = {name.strip(): given.strip() for name, _, given in (part.partition("=") for part in many(value))}
    if not pairs or not all(re.fullmatch(_PLAIN, name) and re.fullmatch(form, given) for name, given in pairs.items()):
        raise ValueError(wanted)
    return pairs


def rates(value: str) -> dict[str, str] | None:
    """Return rate limits by model; None turns them off."""
    if value.strip().lower() == "off":
        return None
    return _pairs(
        value, r"[1-9][0-9]{0,8}/(second|minute|hour|day)", "off or a comma-separated list of model=100/minute"
    )


def prices(value: str) -> dict[str, tuple[float, ...]]:
    """Return prices by model: dollars per second, or per million tokens of input and of output."""
    wanted = "a comma-separated list of model=dollars per second, or model=input/output per million tokens"
    pairs = _pairs(value, f"{_NUMBER}(/{_NUMBER})?", wanted)
    return {name: tuple(map(float, given.split("/"))) for name, given in pairs.items()}
