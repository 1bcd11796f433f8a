"""Settings: read once from a mapping (the environment) into a frozen dataclass.

`Settings.read(mapping)` raises SettingsError, which names the variable and its valid values. A field is read from
`COMPAT_` and its name in capitals, unless its last arguments name other variables. The first fields are those of
`Accounts`. scripts/settings.py writes docs/run/settings.md from these modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from compat.config import networks, parsers, readings, variables
from compat.config.accounts import Accounts
from compat.config.readings import AccountReadings
from compat.config.variables import SettingsError, Variable, setting


@dataclass(frozen=True, kw_only=True)
class Settings(Accounts):
    engine: parsers.LocalEngineName | None = setting(
        None,
        parsers.engine,
        "What answers in place of DashScope: `openai`, the server at `COMPAT_ENGINE_URL`, even with a key; without a "
        "key also `moonshine` (default) or `tones`. `--engine` overrides it.",
    )
    engine_url: str | None = setting(
        None,
        parsers.recogniser,
        "Base URL of a server with OpenAI's `/audio/transcriptions`, for `COMPAT_ENGINE=openai`; its path is `/v1` "
        "unless it has another one.",
    )
    engine_key: str | None = setting(None, parsers.key, "Key of that server, if it needs one.")
    engine_model: str | None = setting(
        None, parsers.name, "Model of that server; by default the only one that its `/models` lists."
    )
    engine_concurrency: int = setting(
        8, parsers.count, "Requests to that server at a time. One long file has at most half of them under way."
    )
    engine_partial: float = setting(
        0.0, parsers.span, "Seconds of live speech between two requests to that server for its text so far; 0: none."
    )
    api_keys: tuple[str, ...] = setting(
        (),
        parsers.keys,
        "Keys that clients may use, comma-separated, at least 8 characters each. Without keys only loopback is served.",
    )
    api_keys_file: Path | None = setting(
        None,
        parsers.path,
        "File of keys, read again whenever it changes; a line is `name key-or-sha256:… scopes limits`.",
    )
    pass_key: bool = setting(False, parsers.switch, "Use the client's Bearer token as the DashScope key.")
    secret: str | None = setting(
        None,
        parsers.secret,
        "Signs client secrets (`ek_…`), the same for all replicas; without it each server signs with its own.",
    )
    aliases: dict[str, str] = setting(
        {},
        parsers.aliases,
        "Further model names: `name=model` or, with options, `name=model?vocabulary_id=…&…`, comma-separated.",
        "COMPAT_MODEL_ALIASES",
    )
    model_family: parsers.Family = setting(
        "qwen3-asr",
        parsers.family,
        "Models behind OpenAI's and Whisper's names for files: `qwen3-asr`, with `fun-asr` for speakers, or "
        "`qwen-audio-3.1`.",
    )
    live_model: str = setting(
        "qwen3-asr-flash-realtime",
        parsers.name,
        "DashScope's model for live speech, or an alias of one, where clients use OpenAI's names.",
    )
    diarize_model: str | None = setting(
        None,
        parsers.name,
        "Model for speaker diarization: `fun-asr`, `qwen-audio-3.1-asr-flash-filetrans`, …; by default the family's.",
    )
    translation_model: str = setting("qwen-mt-flash", parsers.name, "Model that translates.")
    live_translation_model: str = setting(
        "qwen3.5-livetranslate-flash-realtime",
        parsers.name,
        "DashScope's model for live translation where clients use OpenAI's name; a model of Qwen-MT, such as "
        "`qwen-mt-flash`, translates the sentences of live recognition, as text.",
    )
    translate_audio: bool = setting(
        True, parsers.switch, "Whether live translations have a voice, where the language has one."
    )
    long_road: parsers.LongRoad = setting(
        "auto",
        parsers.long_road,
        "`filetrans`: long audio is one task. `pieces`: this server cuts it. `auto`: the server chooses.",
    )
    observed: AccountReadings | None = setting(
        None,
        readings.parse,
        "File of `qwen-asr-compat verify`: ways to publish files that it found refused are not tried.",
        "COMPAT_READINGS",
    )
    piece_seconds: float = setting(120.0, parsers.piece, "Longest piece that long audio is cut into, in seconds.")
    pieces_at_once: int = setting(10, parsers.count, "Pieces of long audio that are transcribed at a time.")
    public_url: str | None = setting(
        None,
        parsers.web,
        "Public address of this server. If set, file tasks fetch audio here, not from DashScope's temporary storage.",
    )
    bucket: str | None = setting(
        None,
        parsers.bucket,
        "Bucket that file tasks fetch audio from: `s3://name/prefix?region=…&endpoint=…`, `oss://name?region=…`.",
    )
    bucket_key: tuple[str, str] | None = setting(
        None, parsers.pair, "`id:secret` of the bucket; without it the `AWS_…` variables."
    )
    temporary_storage: bool = setting(
        True,
        parsers.switch,
        "Use DashScope's temporary storage, which keeps files for 48 hours, if nothing else publishes them.",
    )
    one_region: bool = setting(
        False, parsers.switch, "Send audio to no other region than the first account's; what would need one is refused."
    )
    max_upload: int = setting(
        2 << 30, parsers.size, "Largest upload, in bytes or with K, M, G; by default no more than `COMPAT_MAX_SPOOL`."
    )
    max_duration: float = setting(43200.0, parsers.seconds, "Longest audio, in seconds.")
    spool: Path | None = setting(
        None, parsers.path, "Folder for uploads in progress; the server makes a private one in it."
    )
    connect_timeout: float = setting(5.0, parsers.seconds, "Seconds to connect to DashScope.")
    answer_timeout: float = setting(300.0, parsers.seconds, "Seconds without a byte from DashScope before giving up.")
    task_deadline: float = setting(10800.0, parsers.seconds, "Longest duration of a file task, in seconds.")
    attempts: int = setting(3, parsers.count, "Attempts per call to DashScope, including the first.")
    rates: dict[str, str] | None = setting(
        {}, parsers.rates, "Limits other than the published ones: `model=100/minute`, comma-separated; or `off`."
    )
    prices: dict[str, tuple[float, ...]] = setting(
        {},
        parsers.prices,
        "Prices for the metrics: `model=0.000032`, in dollars per second, or `model=0.113/0.382`, in dollars per "
        "million tokens of input and of output.",
    )
    queue_wait: float = setting(30.0, parsers.seconds, "Seconds that a call may wait for the rate limit before a 429.")
    concurrency: int = setting(256, parsers.count, "Concurrent calls to DashScope.")
    workers: int = setting(
        1, parsers.workers, "Processes of `serve`; `auto`: one for each core. They share all limits."
    )
    max_requests: int = setting(512, parsers.count, "Concurrent requests; more get an immediate 503.")
    max_sessions: int = setting(1000, parsers.count, "Concurrent live sessions; more get an immediate 503.")
    max_jobs: int = setting(10_000, parsers.count, "Concurrent long jobs; more get an immediate 503.")
    max_connections: int | None = setting(
        None,
        parsers.count,
        "Connections at a time, at most half of them from one address; by default 4096, or fewer where the system "
        "limits open files. `COMPAT_MAX_SESSIONS` and `COMPAT_MAX_REQUESTS` together are scaled down to it.",
    )
    webrtc_port: int | None = setting(None, parsers.port, "UDP and TCP port for calls by WebRTC; unset: no calls.")
    webrtc_address: tuple[str, ...] = setting((), parsers.addresses, "Its public IP addresses; default: the request's.")
    webrtc_host: str | None = setting(None, parsers.ip, "Address to bind that port to; by default that of `--host`.")
    webrtc_tcp: bool = setting(True, parsers.switch, "Whether calls may use TCP too.")
    max_session: float = setting(86400.0, parsers.seconds, "Longest live session, in seconds.")
    max_spool: int = setting(
        64 << 30,
        parsers.size,
        "Bytes of all uploads and their re-encoded audio; beyond it a 503. At least `COMPAT_MAX_UPLOAD`, and with "
        "several callers twice that.",
    )
    max_upload_memory: int = setting(
        64 << 20,
        parsers.size_or_none,
        "Bytes of all uploads that are kept in memory while they are small; the others are files in `COMPAT_SPOOL`. 0: "
        "all are files.",
    )
    max_live_memory: int = setting(
        1 << 30,
        parsers.size,
        "Bytes for sound that waits for an answer and for long messages, of all live sessions; beyond it closed with "
        "1013.",
    )
    head_timeout: float = setting(10.0, parsers.seconds, "Seconds within which a request head must arrive.")
    body_timeout: float = setting(
        30.0, parsers.seconds, "Window, in seconds, over which a request body must average 512 bytes/s."
    )
    keep_alive: float = setting(
        130.0,
        parsers.seconds,
        "Seconds that an idle connection stays open; longer than the usual timeouts of proxies and clients.",
    )
    breaker_failures: int = setting(
        10, parsers.count, "Consecutive failures of one of DashScope's surfaces that open its circuit breaker."
    )
    breaker_pause: float = setting(
        15.0, parsers.seconds, "Seconds that the circuit breaker stays open before one call tries the surface again."
    )
    grace: float = setting(
        10.0, parsers.seconds, "Seconds that live sessions have to finish when they or the server end."
    )
    drain_delay: float = setting(
        0.0,
        parsers.span,
        "Seconds for which a stopping server still accepts work while `/readyz` answers 503 to load balancers.",
    )
    media_workers: int = setting(
        2,
        parsers.count,
        "Processes that read and re-encode one caller's audio: as many for short files, for long ones and for those "
        "cut into pieces; twice as many for several callers together.",
    )
    store: str | None = setting(
        None,
        parsers.store,
        "Where long jobs are kept: a SQLite file's path, or `redis://…` for several machines. "
        "By default `serve` uses `$XDG_STATE_HOME/qwen-asr-compat/jobs.sqlite`, or memory with the local engine.",
    )
    job_retention: float = setting(
        3600.0, parsers.span, "Seconds that a long job's transcript is kept after delivery; 0 deletes it at once."
    )
    job_grace: float = setting(
        600.0, parsers.span, "Seconds that a long job continues without a waiting client before it is cancelled."
    )
    heartbeat: float | None = setting(
        None,
        parsers.seconds,
        "Interval, in seconds, of whitespace keep-alives while the JSON answer of a long job is prepared.",
    )
    webhook_secret: bytes | None = setting(
        None, parsers.webhook_secret, "Signs calls to a job's `webhook_url`: `whsec_…`."
    )
    allow_http_webhooks: bool = setting(False, parsers.switch, "Allow `webhook_url` with plain http.")
    allow_private_webhooks: bool = setting(
        False,
        parsers.switch,
        "Let a `webhook_url` lead to private addresses. Callers can then reach your network through this server.",
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        parsers.origins,
        "Web origins whose pages may use the server, even in a private network; comma-separated, `*` for all.",
    )
    trusted_proxies: tuple[networks.Network, ...] = setting(
        (),
        parsers.proxies,
        "Addresses or ranges of proxies whose `X-Forwarded-For`, `-Proto` and `-Prefix` headers are trusted, "
        "comma-separated, or `*`.",
    )
    allowed_hosts: tuple[str, ...] = setting(
        (),
        parsers.hosts,
        "Host names, besides this machine's own, under which a server without keys answers, comma-separated.",
    )
    playground: bool = setting(True, parsers.switch, "Serve the playground page at `/`.")
    traces: bool = setting(
        False,
        parsers.switch,
        "Send OpenTelemetry traces, configured by the standard `OTEL_…` variables; needs the extra `otel`.",
    )
    log_level: str = setting(
        "info",
        parsers.level,
        "`debug`, `info`, `warning` or `error`. Polls, health checks and the playground's files are logged at `debug`.",
    )
    log_format: parsers.LogFormat = setting(
        "auto", parsers.log_format, "`human`, `json`, or `auto`: `human` on a terminal and `json` elsewhere."
    )

    @classmethod
    def variables(cls) -> dict[str, Variable]:
        """Return the variables by field name, in order."""
        return variables.variables(cls)

    @classmethod
    def read(cls, mapping: Mapping[str, str]) -> Settings:
        """Return the settings in `mapping`. Raises SettingsError."""
        settings = variables.read(cls, mapping)
        settings.check_accounts()
        if fault := parsers.engine_fault(settings.engine, settings.engine_url, passes=settings.pass_key):
            raise SettingsError(fault)
        if settings.max_spool < settings.max_upload and not mapping.get("COMPAT_MAX_UPLOAD", "").strip():
            settings = replace(settings, max_upload=settings.max_spool)
        if settings.max_spool < settings.max_upload:
            raise SettingsError(
                f"COMPAT_MAX_SPOOL should be at least COMPAT_MAX_UPLOAD, which is {settings.max_upload} bytes."
            )
        return settings

    @classmethod
    def unknown(cls, mapping: Mapping[str, str]) -> list[str]:
        """Return the names in `mapping` that look like settings but are not."""
        own = ("COMPAT_", "DASHSCOPE_")
        return sorted(name for name in variables.unknown(cls, mapping) if name.startswith(own))

    @classmethod
    def overruled(cls, mapping: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return (overruled name, name that is read) for each setting that has two names set to different values."""
        return variables.overruled(cls, mapping)

    @property
    def publishes(self) -> bool:
        """Whether DashScope fetches audio from this server or a bucket."""
        return bool(self.public_url or self.bucket)

    def trusts(self, peer: str) -> bool:
        """Return whether the proxy at this address is trusted."""
        return networks.within(peer, self.trusted_proxies)

    @property
    def every_alias(self) -> dict[str, str]:
        """Return `aliases` and the alias that `diarize_model` defines."""
        return {**self.diarize, **self.aliases}

    @property
    def diarize(self) -> dict[str, str]:
        """Return the alias that `diarize_model` defines, if it is set."""
        return {"gpt-4o-transcribe-diarize": self.diarize_model} if self.diarize_model else {}
