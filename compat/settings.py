"""Every setting, read once from a mapping (the environment) into a frozen value.

`Settings.read(mapping)` raises SettingsError naming the variable and what it should be. The table in `docs/settings.md`
is compared with this module by a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from compat import regions, values


class SettingsError(Exception):
    """A setting that cannot be used; the message names it and says what to do."""


class Variable(msgspec.Struct, frozen=True):
    """How a setting is called in the environment, read and explained. Of several names the first that is set wins."""

    names: tuple[str, ...]
    parse: Callable[[str], object]
    doc: str


def _root(prefix: str, region: str | None, workspace_id: str | None, base_url: str | None) -> str:
    try:
        return regions.root(region, workspace_id, base_url)
    except ValueError as exc:
        raise SettingsError(f"{prefix}REGION={region} needs {prefix}WORKSPACE_ID; without one use {exc}.") from exc


def _parsed(key: str, variable: Variable, value: str) -> object:
    try:
        return variable.parse(value)
    except ValueError as exc:
        raise SettingsError(f"{key} should be {exc}.") from exc


@dataclass(frozen=True, kw_only=True)
class Settings:
    dashscope_api_key: Annotated[
        str | None,
        Variable(
            ("DASHSCOPE_API_KEY",), values.text, "Key of the Model Studio account. Without it `serve` answers locally."
        ),
    ] = None
    region: Annotated[
        str | None,
        Variable(
            ("DASHSCOPE_REGION", "DASHSCOPE_API_REGION"),
            values.text,
            "`beijing` (default), `singapore`, `us`, `cn-hongkong`; with a workspace any region id.",
        ),
    ] = None
    workspace_id: Annotated[
        str | None,
        Variable(("DASHSCOPE_WORKSPACE_ID",), values.text, "Workspace id: the workspace's own host is used."),
    ] = None
    base_url: Annotated[
        str | None,
        Variable(
            ("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL", "DASHSCOPE_COMPATIBLE_BASE_URL"),
            values.url,
            "Root of the service in place of a region's; a trailing `/api/v1` is dropped.",
        ),
    ] = None
    websocket_url: Annotated[
        str | None,
        Variable(("DASHSCOPE_WEBSOCKET_BASE_URL",), values.url, "Root for live speech when it is not the service's."),
    ] = None
    fallback_api_key: Annotated[
        str | None,
        Variable(
            ("DASHSCOPE_FALLBACK_API_KEY",), values.text, "Key of a second account, for what the first cannot do."
        ),
    ] = None
    fallback_region: Annotated[
        str | None, Variable(("DASHSCOPE_FALLBACK_REGION",), values.text, "Its region, if it is another.")
    ] = None
    fallback_workspace_id: Annotated[
        str | None, Variable(("DASHSCOPE_FALLBACK_WORKSPACE_ID",), values.text, "Its workspace.")
    ] = None
    fallback_base_url: Annotated[
        str | None, Variable(("DASHSCOPE_FALLBACK_BASE_URL",), values.url, "Root of the service for it.")
    ] = None
    api_keys: Annotated[
        tuple[str, ...],
        Variable(
            ("COMPAT_API_KEYS",),
            values.many,
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
        bool, Variable(("COMPAT_PASS_KEY",), values.switch, "Pass the caller's Bearer on as the DashScope key.")
    ] = False
    secret: Annotated[
        str | None,
        Variable(
            ("COMPAT_SECRET",),
            values.secret,
            "Signs client secrets (`ek_…`), the same for all replicas; without it each process signs with its own.",
        ),
    ] = None
    aliases: Annotated[
        dict[str, str],
        Variable(("COMPAT_MODEL_ALIASES",), values.aliases, "Further model names: `name=model`, comma-separated."),
    ] = field(default_factory=dict)
    diarize_model: Annotated[
        str | None,
        Variable(
            ("COMPAT_DIARIZE_MODEL",),
            values.text,
            "Model that tells speakers apart: `fun-asr` (default) or `qwen-audio-3.1-asr-flash-filetrans`.",
        ),
    ] = None
    translation_model: Annotated[
        str, Variable(("COMPAT_TRANSLATION_MODEL",), values.text, "Model that translates; `qwen-mt-flash` without it.")
    ] = "qwen-mt-flash"
    long_road: Annotated[
        Literal["auto", "filetrans", "pieces"],
        Variable(
            ("COMPAT_LONG_ROAD",),
            values.long_road,
            "`filetrans`: long audio is one task. `pieces`: it is cut here. `auto` (default): whichever suits.",
        ),
    ] = "auto"
    piece_seconds: Annotated[
        float, Variable(("COMPAT_PIECE_SECONDS",), values.piece, "Longest piece of long audio that is cut, in seconds.")
    ] = 120.0
    pieces_at_once: Annotated[
        int, Variable(("COMPAT_PIECES_AT_ONCE",), values.count, "Pieces that a process has transcribed at a time.")
    ] = 10
    public_url: Annotated[
        str | None,
        Variable(
            ("COMPAT_PUBLIC_URL",),
            values.url,
            "This process's own public address: file tasks fetch audio here, not from DashScope's temporary storage.",
        ),
    ] = None
    bucket: Annotated[
        str | None,
        Variable(
            ("COMPAT_BUCKET",),
            values.bucket,
            "Bucket that file tasks fetch audio from: `s3://name/prefix?region=…&endpoint=…`, `oss://name?region=…`.",
        ),
    ] = None
    bucket_key: Annotated[
        tuple[str, str] | None,
        Variable(("COMPAT_BUCKET_KEY",), values.pair, "`id:secret` of the bucket; without it the `AWS_…` variables."),
    ] = None
    max_upload: Annotated[
        int, Variable(("COMPAT_MAX_UPLOAD",), values.size, "Largest upload, in bytes or with K, M, G.")
    ] = 2 << 30
    max_duration: Annotated[float, Variable(("COMPAT_MAX_DURATION",), values.seconds, "Longest audio, in seconds.")] = (
        43200.0
    )
    spool: Annotated[
        Path | None, Variable(("COMPAT_SPOOL",), Path, "Folder for uploads on their way; a private one is made in it.")
    ] = None
    connect_timeout: Annotated[
        float, Variable(("COMPAT_CONNECT_TIMEOUT",), values.seconds, "Seconds to connect to DashScope.")
    ] = 5.0
    answer_timeout: Annotated[
        float,
        Variable(("COMPAT_ANSWER_TIMEOUT",), values.seconds, "Seconds without a byte from DashScope before giving up."),
    ] = 300.0
    task_deadline: Annotated[
        float, Variable(("COMPAT_TASK_DEADLINE",), values.seconds, "Seconds that a file task may take.")
    ] = 10800.0
    attempts: Annotated[
        int, Variable(("COMPAT_ATTEMPTS",), values.count, "How often a call to DashScope is tried, the first included.")
    ] = 3
    rates: Annotated[
        dict[str, str] | None,
        Variable(
            ("COMPAT_RATES",),
            values.rates,
            "Limits other than the published ones: `model=100/minute`, comma-separated; or `off`.",
        ),
    ] = field(default_factory=dict)
    prices: Annotated[
        dict[str, float],
        Variable(("COMPAT_PRICES",), values.prices, "Prices for the metrics: `model=0.000032`, dollars a second."),
    ] = field(default_factory=dict)
    queue_wait: Annotated[
        float,
        Variable(("COMPAT_QUEUE_WAIT",), values.seconds, "Seconds that a call may wait for its turn before a 429."),
    ] = 30.0
    concurrency: Annotated[
        int, Variable(("COMPAT_CONCURRENCY",), values.count, "Calls to DashScope under way at a time in a process.")
    ] = 256
    max_requests: Annotated[
        int, Variable(("COMPAT_MAX_REQUESTS",), values.count, "Requests under way at a time; beyond it a 503 at once.")
    ] = 512
    max_sessions: Annotated[
        int, Variable(("COMPAT_MAX_SESSIONS",), values.count, "Live sessions at a time; beyond it a 503 at once.")
    ] = 1000
    max_session: Annotated[
        float, Variable(("COMPAT_MAX_SESSION",), values.seconds, "Longest live session, in seconds.")
    ] = 86400.0
    max_spool: Annotated[
        int, Variable(("COMPAT_MAX_SPOOL",), values.size, "Bytes of all uploads on disk; beyond it a 503 at once.")
    ] = 64 << 30
    head_timeout: Annotated[
        float, Variable(("COMPAT_HEAD_TIMEOUT",), values.seconds, "Seconds that a request's head may take to come.")
    ] = 10.0
    body_timeout: Annotated[
        float,
        Variable(
            ("COMPAT_BODY_TIMEOUT",),
            values.seconds,
            "Seconds of which a request's body has to bring 512 bytes each, measured again and again.",
        ),
    ] = 30.0
    breaker_failures: Annotated[
        int,
        Variable(
            ("COMPAT_BREAKER_FAILURES",),
            values.count,
            "Failures of one of DashScope's surfaces in a row after which it is left alone for a while.",
        ),
    ] = 10
    breaker_pause: Annotated[
        float, Variable(("COMPAT_BREAKER_PAUSE",), values.seconds, "Seconds of that, before one call tries it again.")
    ] = 15.0
    grace: Annotated[
        float,
        Variable(
            ("COMPAT_GRACE",), values.seconds, "Seconds that live sessions get to finish when they or the server end."
        ),
    ] = 10.0
    drain_delay: Annotated[
        float,
        Variable(
            ("COMPAT_DRAIN_DELAY",),
            values.span,
            "Seconds that a stopping server still takes work while `/readyz` says 503 to balancers; 0 by default.",
        ),
    ] = 0.0
    media_workers: Annotated[
        int, Variable(("COMPAT_MEDIA_WORKERS",), values.count, "Processes that read and re-encode audio.")
    ] = 2
    store: Annotated[
        str | None,
        Variable(
            ("COMPAT_STORE",),
            values.text,
            "Where long jobs are kept: a SQLite file's path, or `redis://…` for several machines. "
            "`serve` uses `$XDG_STATE_HOME/qwen-asr-compat/jobs.sqlite`.",
        ),
    ] = None
    job_retention: Annotated[
        float,
        Variable(
            ("COMPAT_JOB_RETENTION",),
            values.span,
            "Seconds that a long job's transcript is kept after it was delivered; 0 forgets it at once.",
        ),
    ] = 3600.0
    job_grace: Annotated[
        float,
        Variable(
            ("COMPAT_JOB_GRACE",),
            values.span,
            "Seconds that a long job goes on when nobody waits for it, before it is cancelled.",
        ),
    ] = 600.0
    heartbeat: Annotated[
        float | None,
        Variable(
            ("COMPAT_HEARTBEAT",),
            values.seconds,
            "Seconds after which a plain JSON answer in the making sends white space, again and again; off by default.",
        ),
    ] = None
    webhook_secret: Annotated[
        bytes | None,
        Variable(("COMPAT_WEBHOOK_SECRET",), values.webhook_secret, "Signs calls to a job's `webhook_url`: `whsec_…`."),
    ] = None
    allow_http_webhooks: Annotated[
        bool, Variable(("COMPAT_ALLOW_HTTP_WEBHOOKS",), values.switch, "Let a `webhook_url` be plain http.")
    ] = False
    allow_private_webhooks: Annotated[
        bool,
        Variable(
            ("COMPAT_ALLOW_PRIVATE_WEBHOOKS",),
            values.switch,
            "Let a `webhook_url` lead to private addresses. Callers can then reach your network through this server.",
        ),
    ] = False
    cors_origins: Annotated[
        tuple[str, ...],
        Variable(
            ("COMPAT_CORS_ORIGINS",), values.many, "Web origins whose pages may call, comma-separated; `*` for all."
        ),
    ] = ()
    playground: Annotated[
        bool, Variable(("COMPAT_PLAYGROUND",), values.switch, "Serve a page to try things on at `/`.")
    ] = True
    traces: Annotated[
        bool,
        Variable(
            ("COMPAT_TRACES",),
            values.switch,
            "Send OpenTelemetry traces where the standard `OTEL_…` variables say; needs the extra `otel`.",
        ),
    ] = False
    log_level: Annotated[
        str, Variable(("COMPAT_LOG_LEVEL",), values.level, "`debug`, `info`, `warning` or `error`.")
    ] = "info"

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Field name → its variable, in order."""
        hints = get_type_hints(cls, include_extras=True)
        return {name: hint.__metadata__[0] for name, hint in hints.items()}

    @classmethod
    def read(cls, mapping: Mapping[str, str]) -> Settings:
        given: dict[str, Any] = {}
        for name, variable in cls.variables().items():
            for key in variable.names:
                if mapping.get(key, "").strip():
                    given[name] = _parsed(key, variable, mapping[key])
                    break
        settings = cls(**given)
        _ = settings.root, settings.fallback_root  # an unknown region is told at the start, not at the first request
        return settings

    @property
    def every_alias(self) -> dict[str, str]:
        """The operator's names for models, with the one that a setting of its own decides."""
        return {**({"gpt-4o-transcribe-diarize": self.diarize_model} if self.diarize_model else {}), **self.aliases}

    @property
    def short_region(self) -> str:
        """`beijing`, `singapore`, `us`, another region's id, or `custom` for an address that tells none."""
        return regions.short(self.region, self.base_url)

    @property
    def root(self) -> str:
        """The service's HTTP root, without a path: `https://dashscope.aliyuncs.com`."""
        return _root("DASHSCOPE_", self.region, self.workspace_id, self.base_url)

    @property
    def fallback_root(self) -> str | None:
        """The same for the second account, which is where the first is unless another place is told."""
        if not self.fallback_api_key:
            return None
        region, workspace, address = self.fallback_region, self.fallback_workspace_id, self.fallback_base_url
        if not (region or workspace or address):
            return self.root
        return _root("DASHSCOPE_FALLBACK_", region or self.region, workspace, address)

    @property
    def live_root(self) -> str:
        """The service's WebSocket root: `wss://dashscope.aliyuncs.com`."""
        root = (
            re.sub(r"/api-ws/v1(/(realtime|inference))?$", "", self.websocket_url) if self.websocket_url else self.root
        )
        return re.sub(r"^http", "ws", root)

    @property
    def fallback_live_root(self) -> str | None:
        root = self.fallback_root
        return self.live_root if root == self.root else root and re.sub(r"^http", "ws", root)
