"""Injected faults: which surface fails, at which call, and how. All faults are deterministic.

Refuse     an error status with a DashScope code, in the surface's error format; optionally with `retry-after`
Answer     any body with any status: invalid JSON, HTML with 200, an error object with 200
Hang       no response for some seconds, or until the client disconnects
Cut        closes the connection after so many bytes of the body; 0: right after the headers
Break      an error event in a stream with HTTP 200, after so many frames
FailTask   the submitted task ends FAILED under HTTP 200
FailFile   the submitted task ends SUCCEEDED, its first file FAILED (qwen3 filetrans, without files: FAILED)
Slow       the submitted task stays PENDING or RUNNING for so many queries and so many seconds
Live       faults in one live session (see compat.emulator.live_faults)
Expire     the upload policy or the result URL is returned already expired
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from compat.emulator.live_faults import Count, Erring, LiveFault, Reject, Seconds, Sever, Stall

Status: TypeAlias = Annotated[int, msgspec.Meta(ge=200, le=599)]
Times: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
HeaderValue: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[ -~]*$")]
"""msgspec checks these bounds where a rule is read from JSON."""

SurfaceName: TypeAlias = Literal[
    "chat",
    "translate",
    "generation",
    "submit",
    "query",
    "list",
    "cancel",
    "result",
    "policy",
    "store",
    "realtime",
    "livetranslate",
    "inference",
    "vocabulary",
]


class Refuse(msgspec.Struct, frozen=True, tag="refuse"):
    status: Status
    code: str
    message: str = "an injected fault"
    retry_after: Seconds | None = None


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    body: str
    status: Status = 200
    content_type: HeaderValue = "application/json"


class Hang(msgspec.Struct, frozen=True, tag="hang"):
    seconds: Seconds | None = None


class Cut(msgspec.Struct, frozen=True, tag="cut"):
    after: Count = 0


class Break(msgspec.Struct, frozen=True, tag="break"):
    after: Count = 1
    code: str = "InternalError"
    message: str = "an injected fault"


class FailTask(msgspec.Struct, frozen=True, tag="fail_task"):
    code: str
    message: str = "an injected fault"


class FailFile(msgspec.Struct, frozen=True, tag="fail_file"):
    code: str
    message: str = "an injected fault"


class Slow(msgspec.Struct, frozen=True, tag="slow"):
    polls: Count = 0
    seconds: Seconds = 0
    status: Literal["PENDING", "RUNNING"] = "RUNNING"


class Expire(msgspec.Struct, frozen=True, tag="expire"):
    pass


class Live(msgspec.Struct, frozen=True, tag="live"):
    troubles: tuple[LiveFault, ...]


Fault: TypeAlias = Refuse | Answer | Hang | Cut | Break | FailTask | FailFile | Slow | Expire | Live


_ONLY: dict[type[Fault], tuple[SurfaceName, ...]] = {
    FailTask: ("submit",),
    FailFile: ("submit",),
    Slow: ("submit",),
    Expire: ("policy", "query"),
    Live: ("realtime", "livetranslate", "inference"),
    Break: ("chat", "translate", "generation"),
}


class Rule(msgspec.Struct, frozen=True):
    """Applies `fault` to `times` calls of `surface`, from the `nth` after the rule was set (`times` None: to all)."""

    surface: SurfaceName
    fault: Fault
    nth: Times = 1
    times: Times | None = 1

    def __post_init__(self) -> None:
        only = _ONLY.get(type(self.fault))
        if only is not None and self.surface not in only:
            raise ValueError(f"{type(self.fault).__name__} applies to {' and '.join(only)}, not to {self.surface}")

    def strikes(self, call: int) -> bool:
        """Whether the rule applies to call number `call` (from 1)."""
        return call >= self.nth and (self.times is None or call < self.nth + self.times)


class Faults(msgspec.Struct, frozen=True):
    rules: tuple[Rule, ...] = ()


class ArmedFaults:
    """The active rules, each with its own count of calls; the first that applies wins."""

    def __init__(self, faults: Faults) -> None:
        self.arm(faults)

    def arm(self, faults: Faults) -> None:
        """Replace all rules and restart their counts."""
        self._armed: list[tuple[Rule, list[int]]] = [(rule, [0]) for rule in faults.rules]

    def take(self, surface: SurfaceName) -> Fault | None:
        """Count this call of `surface` and return its fault, if any."""
        taken: Fault | None = None
        for rule, calls in self._armed:
            if rule.surface == surface:
                calls[0] += 1
                if taken is None and rule.strikes(calls[0]):
                    taken = rule.fault
        return taken


# Presets, in the codes of each surface (error codes page of Model Studio, 2026-10).
_HTTP: tuple[SurfaceName, ...] = ("chat", "generation", "submit")
_LIVE: tuple[SurfaceName, ...] = ("realtime", "livetranslate", "inference")
_ALL: tuple[SurfaceName, ...] = (*_HTTP, *_LIVE)


def _refusals(status: int, native: str, message: str, compat: str | None = None) -> dict[SurfaceName, Fault]:
    """Return the faults for a refusal. On the run-task socket, all except a wrong key fail the task."""
    spelled = compat or native
    refusals: dict[SurfaceName, Fault] = {
        name: Refuse(status, spelled if name == "chat" else native, message) for name in _ALL
    }
    return refusals if status == 401 else refusals | {"inference": Live((Reject(code=native, message=message),))}


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
    "html": dict.fromkeys(_ALL, Answer("<html><h1>502 Bad Gateway</h1></html>", 502, "text/html")),
    "hang": dict.fromkeys(_ALL, Hang()),
    "cut": dict.fromkeys(_HTTP, Cut(after=40)),
    "broken-stream": dict.fromkeys(("chat", "generation"), Break(after=1, code="InternalError.Timeout")),
    "failed-task": {"submit": FailTask("FILE_DOWNLOAD_FAILED", "FILE_DOWNLOAD_FAILED")},
    "slow-task": {"submit": Slow(seconds=30)},
    "expired-policy": {"policy": Expire()},
    "expired-result": {"query": Expire()},
    "live-drop": dict.fromkeys(_LIVE, Live((Sever(after=20),))),
    "live-stall": dict.fromkeys(_LIVE, Live((Stall(after=20),))),
    "live-error": dict.fromkeys(_LIVE, Live((Erring(after=20, close=1011),))),
}


def preset_rules(preset: str, times: int | None = None) -> list[Rule]:
    """Return the rules of a preset. `times`: the number of calls of each surface, None for all. Raises KeyError for an
    unknown name."""
    return [Rule(surface, fault, times=times) for surface, fault in PRESETS[preset].items()]
