"""Every setting, read once from a mapping (the environment) into a frozen value.

`Settings.read(mapping)` raises SettingsError naming the variable and what it should be. The table in `docs/settings.md`
is compared with this module by a test.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec

# Hosts by region (dashscope.md §1.1; the package's own short and long region names, dashscope 2.0.2).
SHARED_HOSTS = {
    "beijing": "dashscope.aliyuncs.com",
    "singapore": "dashscope-intl.aliyuncs.com",
    "us": "dashscope-us.aliyuncs.com",
    "cn-hongkong": "cn-hongkong.dashscope.aliyuncs.com",
}
REGION_IDS = {"beijing": "cn-beijing", "singapore": "ap-southeast-1", "us": "us-east-1"}
SHORT_REGIONS = {region: short for short, region in REGION_IDS.items()}


class SettingsError(Exception):
    """A setting that cannot be used; the message names it and says what to do."""


def _text(value: str) -> str:
    return value.strip()


def _secret(value: str) -> str:
    if len(value.strip()) < 16:
        raise ValueError("at least 16 characters that nobody can guess")
    return value.strip()


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _aliases(value: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _list(value)]
    if not all(name.strip() and target.strip() for name, _, target in pairs):
        raise ValueError("a comma-separated list of name=model")
    return {name.strip(): target.strip() for name, _, target in pairs}


_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _switch(value: str) -> bool:
    if value.strip().lower() not in _SWITCH:
        raise ValueError("true or false")
    return _SWITCH[value.strip().lower()]


def _seconds(value: str) -> float:
    seconds = float(value) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value) else 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError("a number of seconds above 0")
    return seconds


def _span(value: str) -> float:
    """Seconds that may be none."""
    if not re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
        raise ValueError("a number of seconds, 0 or more")
    return float(value)


def _webhook_secret(value: str) -> bytes:
    """Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes."""
    try:
        secret = base64.b64decode(value.strip().removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if not value.strip().startswith("whsec_") or not 24 <= len(secret) <= 64:
        raise ValueError("whsec_ and the base64 of 24 to 64 random bytes")
    return secret


def _count(value: str) -> int:
    count = int(value) if value.strip().isdecimal() else 0
    if count < 1:
        raise ValueError("a whole number of at least 1")
    return count


def _size(value: str) -> int:
    """Bytes, or KiB, MiB, GiB with a K, M or G behind the number."""
    found = re.fullmatch(r"(\d+)\s*([KMG]?)(i?B)?", value.strip(), re.IGNORECASE)
    if not found:
        raise ValueError("a number of bytes such as 1048576, 512K, 25M or 2G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


def _long_road(value: str) -> str:
    road = value.strip().lower()
    if road not in ("auto", "filetrans", "pieces"):
        raise ValueError("auto, filetrans or pieces")
    return road


def _piece(value: str) -> float:
    seconds = _seconds(value)
    if not 10 <= seconds <= 230:
        raise ValueError("a number of seconds from 10 to 230")
    return seconds


def _level(value: str) -> str:
    level = value.strip().lower()
    if level not in ("debug", "info", "warning", "error"):
        raise ValueError("debug, info, warning or error")
    return level


def _url(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ValueError("an address such as https://dashscope.aliyuncs.com")
    return value.strip().rstrip("/")


class Variable(msgspec.Struct, frozen=True):
    """How a setting is called in the environment, read and explained. Of several names the first that is set wins."""

    names: tuple[str, ...]
    parse: Callable[[str], object]
    doc: str


def _parsed(key: str, variable: Variable, value: str) -> object:
    try:
        return variable.parse(value)
    except ValueError as exc:
        raise SettingsError(f"{key} should be {exc}.") from exc


@dataclass(frozen=True, kw_only=True)
class Settings:
    dashscope_api_key: Annotated[
        str | None,
        Variable(("DASHSCOPE_API_KEY",), _text, "Key of the Model Studio account. Without it `serve` answers locally."),
    ] = None
    region: Annotated[
        str | None,
        Variable(
            ("DASHSCOPE_REGION", "DASHSCOPE_API_REGION"),
            _text,
            "`beijing` (default), `singapore`, `us`, `cn-hongkong`; with a workspace any region id.",
        ),
    ] = None
    workspace_id: Annotated[
        str | None, Variable(("DASHSCOPE_WORKSPACE_ID",), _text, "Workspace id: the workspace's own host is used.")
    ] = None
    base_url: Annotated[
        str | None,
        Variable(
            ("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL", "DASHSCOPE_COMPATIBLE_BASE_URL"),
            _url,
            "Root of the service in place of a region's; a trailing `/api/v1` is dropped.",
        ),
    ] = None
    websocket_url: Annotated[
        str | None,
        Variable(("DASHSCOPE_WEBSOCKET_BASE_URL",), _url, "Root for live speech when it is not the service's."),
    ] = None
    api_keys: Annotated[
        tuple[str, ...],
        Variable(
            ("COMPAT_API_KEYS",),
            _list,
            "Keys that callers may use, comma-separated. Without any only loopback is served.",
        ),
    ] = ()
    api_keys_file: Annotated[
        Path | None,
        Variable(
            ("COMPAT_API_KEYS_FILE",),
            Path,
            "File of keys, read again whenever it changes; a line is `name key-or-sha256:… scopes limits`.",
        ),
    ] = None
    pass_key: Annotated[
        bool, Variable(("COMPAT_PASS_KEY",), _switch, "Pass the caller's Bearer on as the DashScope key.")
    ] = False
    secret: Annotated[
        str | None,
        Variable(
            ("COMPAT_SECRET",),
            _secret,
            "Signs client secrets (`ek_…`), the same for all replicas; without it each process signs with its own.",
        ),
    ] = None
    aliases: Annotated[
        dict[str, str],
        Variable(("COMPAT_MODEL_ALIASES",), _aliases, "Further model names: `name=model`, comma-separated."),
    ] = field(default_factory=dict)
    diarize_model: Annotated[
        str | None,
        Variable(
            ("COMPAT_DIARIZE_MODEL",),
            _text,
            "Model that tells speakers apart: `fun-asr` (default) or `qwen-audio-3.1-asr-flash-filetrans`.",
        ),
    ] = None
    translation_model: Annotated[
        str, Variable(("COMPAT_TRANSLATION_MODEL",), _text, "Model that translates; `qwen-mt-flash` without it.")
    ] = "qwen-mt-flash"
    long_road: Annotated[
        Literal["auto", "filetrans", "pieces"],
        Variable(
            ("COMPAT_LONG_ROAD",),
            _long_road,
            "`filetrans`: long audio is one task. `pieces`: it is cut here. `auto` (default): whichever suits.",
        ),
    ] = "auto"
    piece_seconds: Annotated[
        float, Variable(("COMPAT_PIECE_SECONDS",), _piece, "Longest piece of long audio that is cut, in seconds.")
    ] = 120.0
    pieces_at_once: Annotated[
        int, Variable(("COMPAT_PIECES_AT_ONCE",), _count, "Pieces that a process has transcribed at a time.")
    ] = 10
    public_url: Annotated[
        str | None,
        Variable(
            ("COMPAT_PUBLIC_URL",),
            _url,
            "This process's own public address: file tasks fetch audio here, not from DashScope's temporary storage.",
        ),
    ] = None
    max_upload: Annotated[int, Variable(("COMPAT_MAX_UPLOAD",), _size, "Largest upload, in bytes or with K, M, G.")] = (
        2 << 30
    )
    max_duration: Annotated[float, Variable(("COMPAT_MAX_DURATION",), _seconds, "Longest audio, in seconds.")] = 43200.0
    spool: Annotated[
        Path | None, Variable(("COMPAT_SPOOL",), Path, "Folder for uploads on their way; a private one is made in it.")
    ] = None
    connect_timeout: Annotated[
        float, Variable(("COMPAT_CONNECT_TIMEOUT",), _seconds, "Seconds to connect to DashScope.")
    ] = 5.0
    answer_timeout: Annotated[
        float, Variable(("COMPAT_ANSWER_TIMEOUT",), _seconds, "Seconds without a byte from DashScope before giving up.")
    ] = 300.0
    task_deadline: Annotated[
        float, Variable(("COMPAT_TASK_DEADLINE",), _seconds, "Seconds that a file task may take.")
    ] = 10800.0
    attempts: Annotated[
        int, Variable(("COMPAT_ATTEMPTS",), _count, "How often a call to DashScope is tried, the first included.")
    ] = 3
    grace: Annotated[
        float, Variable(("COMPAT_GRACE",), _seconds, "Seconds that live sessions get to finish when the server stops.")
    ] = 10.0
    media_workers: Annotated[
        int, Variable(("COMPAT_MEDIA_WORKERS",), _count, "Processes that read and re-encode audio.")
    ] = 2
    store: Annotated[
        str | None,
        Variable(
            ("COMPAT_STORE",),
            _text,
            "Where long jobs are kept: a SQLite file's path, or `redis://…` for several machines. "
            "`serve` uses `$XDG_STATE_HOME/qwen-asr-compat/jobs.sqlite`.",
        ),
    ] = None
    job_retention: Annotated[
        float,
        Variable(
            ("COMPAT_JOB_RETENTION",),
            _span,
            "Seconds that a long job's transcript is kept after it was delivered; 0 forgets it at once.",
        ),
    ] = 3600.0
    job_grace: Annotated[
        float,
        Variable(
            ("COMPAT_JOB_GRACE",),
            _span,
            "Seconds that a long job goes on when nobody waits for it, before it is cancelled.",
        ),
    ] = 600.0
    heartbeat: Annotated[
        float | None,
        Variable(
            ("COMPAT_HEARTBEAT",),
            _seconds,
            "Seconds after which a plain JSON answer in the making sends white space, again and again; off by default.",
        ),
    ] = None
    webhook_secret: Annotated[
        bytes | None,
        Variable(("COMPAT_WEBHOOK_SECRET",), _webhook_secret, "Signs calls to a job's `webhook_url`: `whsec_…`."),
    ] = None
    allow_http_webhooks: Annotated[
        bool, Variable(("COMPAT_ALLOW_HTTP_WEBHOOKS",), _switch, "Let a `webhook_url` be plain http.")
    ] = False
    allow_private_webhooks: Annotated[
        bool,
        Variable(
            ("COMPAT_ALLOW_PRIVATE_WEBHOOKS",),
            _switch,
            "Let a `webhook_url` lead to private addresses. Callers can then reach your network through this server.",
        ),
    ] = False
    cors_origins: Annotated[
        tuple[str, ...],
        Variable(("COMPAT_CORS_ORIGINS",), _list, "Web origins whose pages may call, comma-separated; `*` for all."),
    ] = ()
    playground: Annotated[bool, Variable(("COMPAT_PLAYGROUND",), _switch, "Serve a page to try things on at `/`.")] = (
        True
    )
    log_level: Annotated[str, Variable(("COMPAT_LOG_LEVEL",), _level, "`debug`, `info`, `warning` or `error`.")] = (
        "info"
    )

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Field name → its variable, in order."""
        hints = get_type_hints(cls, include_extras=True)
        return {name: hint.__metadata__[0] for name, hint in hints.items()}

    @classmethod
    def read(cls, mapping: Mapping[str, str]) -> Settings:
        values: dict[str, Any] = {}
        for name, variable in cls.variables().items():
            for key in variable.names:
                if mapping.get(key, "").strip():
                    values[name] = _parsed(key, variable, mapping[key])
                    break
        settings = cls(**values)
        _ = settings.root  # an unknown region is told at the start, not at the first request
        return settings

    @property
    def every_alias(self) -> dict[str, str]:
        """The operator's names for models, with the one that a setting of its own decides."""
        return {**({"gpt-4o-transcribe-diarize": self.diarize_model} if self.diarize_model else {}), **self.aliases}

    @property
    def short_region(self) -> str:
        """`beijing`, `singapore`, `us`, another region's id, or `custom` for an address that tells none."""
        if self.region or not self.base_url:
            region = (self.region or "beijing").lower()
            return SHORT_REGIONS.get(region, region)
        host = urlsplit(self.base_url).hostname or ""
        for short, shared in SHARED_HOSTS.items():
            if host == shared or f".{REGION_IDS.get(short, short)}." in host:
                return short
        return "custom"

    @property
    def root(self) -> str:
        """The service's HTTP root, without a path: `https://dashscope.aliyuncs.com`."""
        if self.base_url:
            bare = re.sub(r"/(api|compatible-mode)/v1$", "", self.base_url)
            return re.sub(r"^ws", "http", bare)
        region = self.short_region
        if self.workspace_id:
            return f"https://{self.workspace_id}.{REGION_IDS.get(region, region)}.maas.aliyuncs.com"
        if region not in SHARED_HOSTS:
            known = ", ".join(SHARED_HOSTS)
            raise SettingsError(f"DASHSCOPE_REGION={region} needs DASHSCOPE_WORKSPACE_ID; without one use {known}.")
        return f"https://{SHARED_HOSTS[region]}"

    @property
    def live_root(self) -> str:
        """The service's WebSocket root: `wss://dashscope.aliyuncs.com`."""
        root = (
            re.sub(r"/api-ws/v1(/(realtime|inference))?$", "", self.websocket_url) if self.websocket_url else self.root
        )
        return re.sub(r"^http", "ws", root)
