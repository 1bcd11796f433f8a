"""Every setting, read once from a mapping (the environment) into a frozen value.

`Settings.read(mapping)` raises SettingsError naming the variable and what it should be. The table in `docs/settings.md`
is compared with this module by a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_type_hints
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
    pass_key: Annotated[
        bool, Variable(("COMPAT_PASS_KEY",), _switch, "Pass the caller's Bearer on as the DashScope key.")
    ] = False
    aliases: Annotated[
        dict[str, str],
        Variable(("COMPAT_MODEL_ALIASES",), _aliases, "Further model names: `name=model`, comma-separated."),
    ] = field(default_factory=dict)
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
    media_workers: Annotated[
        int, Variable(("COMPAT_MEDIA_WORKERS",), _count, "Processes that read and re-encode audio.")
    ] = 2
    cors_origins: Annotated[
        tuple[str, ...],
        Variable(("COMPAT_CORS_ORIGINS",), _list, "Web origins whose pages may call, comma-separated; `*` for all."),
    ] = ()
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
