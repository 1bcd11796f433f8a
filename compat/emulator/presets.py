"""The usual faults by name, in each surface's spelling (error codes page of Model Studio, 2026-10)."""

from __future__ import annotations

from compat.emulator.faults import (
    Answer,
    Break,
    Cut,
    Expire,
    FailTask,
    Fault,
    Hang,
    Live,
    Refuse,
    Rule,
    Slow,
    SurfaceName,
)
from compat.emulator.realtime.troubles import Erring, Sever, Stall

HTTP: tuple[SurfaceName, ...] = ("chat", "generation", "submit")
ALL: tuple[SurfaceName, ...] = (*HTTP, "realtime")


def _refusals(status: int, native: str, message: str, compat: str | None = None) -> dict[SurfaceName, Fault]:
    spelled = compat or native
    return {name: Refuse(status, spelled if name == "chat" else native, message) for name in ALL}


PRESETS: dict[str, dict[SurfaceName, Fault]] = {
    "bad-key": _refusals(401, "InvalidApiKey", "Invalid API-key provided.", "invalid_api_key"),
    "arrears": _refusals(400, "Arrearage", "Access denied, please make sure your account is in good standing."),
    "throttled": _refusals(429, "Throttling.RateQuota", "Requests rate limit exceeded.", "limit_requests"),
    "quota": _refusals(429, "Throttling.AllocationQuota", "Allocated quota exceeded.", "insufficient_quota"),
    "inspection": _refusals(
        400, "DataInspectionFailed", "Input data may contain inappropriate content.", "data_inspection_failed"
    ),
    "internal": _refusals(500, "InternalError", "An internal error has occured.", "internal_error"),
    "unavailable": _refusals(503, "ModelUnavailable", "Model is unavailable, please try again later."),
    "timeout": _refusals(500, "RequestTimeOut", "Response timeout!"),
    "html": dict.fromkeys(ALL, Answer("<html><h1>502 Bad Gateway</h1></html>", 502, "text/html")),
    "hang": dict.fromkeys(ALL, Hang()),
    "cut": dict.fromkeys(HTTP, Cut(after=40)),
    "broken-stream": dict.fromkeys(("chat", "generation"), Break(after=1, code="InternalError.Timeout")),
    "failed-task": {"submit": FailTask("FILE_DOWNLOAD_FAILED", "FILE_DOWNLOAD_FAILED")},
    "slow-task": {"submit": Slow(seconds=30)},
    "expired-policy": {"policy": Expire()},
    "expired-result": {"query": Expire()},
    "live-drop": {"realtime": Live((Sever(after=20),))},
    "live-stall": {"realtime": Live((Stall(after=20),))},
    "live-error": {"realtime": Live((Erring(after=20, close=1011),))},
}


def rules(preset: str, times: int | None = None) -> list[Rule]:
    """`times`: how many calls of each surface it strikes; None for all. KeyError for an unknown name."""
    return [Rule(surface, fault, times=times) for surface, fault in PRESETS[preset].items()]
