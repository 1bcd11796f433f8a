"""LiveTranslate on a real port: models, limits, faults and records."""

from __future__ import annotations

import httpx2
import pytest

from compat.emulator.faults import Faults, Live, Refuse, Rule
from compat.emulator.live_faults import Double, Erring, Fail, Late, LiveFault, Sever, Stall
from compat.emulator.live_settings import LiveLimits, TranslationReadings
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.live_sockets import remaining, say
from tests.emulator.livetranslate.talk import FLAT, NESTED, OLDEST, kinds, of, settings
from tests.emulator.realtime.talk import FINISH, Event, appended, frames, silence, spoken
from tests.emulator.realtime.test_endpoint import connected, receive, refused
from tests.emulator.running import RunningEmulator

AUDIO = spoken("amber", "basil", "cedar") + silence(1_000) + spoken("river") + silence(1_000)
SPEECH = frames(AUDIO)


def update(model: str) -> Event:
    return {"type": "session.update", "session": settings(model)}


def struck(service: RunningEmulator, *troubles: LiveFault) -> RunningEmulator:
    service.emulator.faults.arm(Faults((Rule("livetranslate", Live(troubles)),)))
    return service


def heard(service: RunningEmulator, model: str = NESTED) -> list[Event]:
    with connected(service, model=model) as socket:
        say(socket, update(model), *SPEECH, FINISH)
        return receive(socket, "session.finished")


@pytest.mark.parametrize("model", [OLDEST, f"{OLDEST}-2025-09-22", FLAT, f"{FLAT}-2026-05-19", NESTED])
def test_models(service: RunningEmulator, model: str) -> None:
    events = heard(service, model)

    assert [event["text"] for event in of("response.text.done", events)] == ["[zh] amber basil cedar", "[zh] river"]
    assert service.emulator.counts == {"livetranslate": 1}
    (record,) = httpx2.get(f"{service.url}/emulator/sessions", trust_env=False).json()
    assert (record["model"], record["items"], record["finished"], record["transcribed"]) == (model, 2, True, True)
    assert record["configuration"] == events[1]["session"]
    assert record["audio_ms"] == service.emulator.live.sessions[0].audio_ms > 3_000


def test_other_models_are_not_found(service: RunningEmulator) -> None:
    with connected(service, model="qwen4-livetranslate-flash-realtime") as socket:
        events, closed = remaining(socket)

    assert (events, closed.rcvd and closed.rcvd.code) == ([], 1007)


def test_a_retired_model_and_a_refused_upgrade(service: RunningEmulator) -> None:
    rule = Rule("livetranslate", Refuse(429, "Throttling.RateQuota"))
    service.emulator.readings = Readings(retired=frozenset({OLDEST}))
    service.emulator.faults.arm(Faults((rule,)))

    assert refused(service, model=OLDEST).response.status_code == 403
    assert refused(service, model=FLAT).response.status_code == 429


@pytest.mark.parametrize(
    ("limits", "messages", "reason"),
    [
        (LiveLimits(audio_seconds=0.5), frames(silence(500)), "maximum of audio"),
        (LiveLimits(session_seconds=0.1), [], "maximum duration"),
        (LiveLimits(idle_seconds=0.1), [], "for too long"),
    ],
)
def test_limits_close_the_session(
    service: RunningEmulator, limits: LiveLimits, messages: list[Event], reason: str
) -> None:
    service.emulator.limits = Limits(livetranslate=limits)
    with connected(service, model=NESTED) as socket:
        say(socket, update(NESTED), *messages)
        _, closed = remaining(socket)

    assert closed.rcvd is not None
    assert (closed.rcvd.code, reason in closed.rcvd.reason) == (1001, True)


def test_an_end_that_is_not_acknowledged(service: RunningEmulator) -> None:
    service.emulator.readings = Readings(livetranslate=TranslationReadings(finished=False))
    with connected(service, model=FLAT) as socket:
        say(socket, update(FLAT), *SPEECH, FINISH)
        events, closed = remaining(socket)

    assert kinds(events)[-1] == "response.done"
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1000


@pytest.mark.parametrize(
    ("trouble", "ends"),
    [
        (Fail(1), [("failed", "amber"), ("completed", "river")]),
        (Late(1, 2), [("completed", "river"), ("completed", "amber")]),
        (Double("response.done"), [("completed", "amber")] * 2 + [("completed", "river")] * 2),
        (Stall(10, seconds=0.01), [("completed", "amber"), ("completed", "river")]),
    ],
)
def test_faults_of_responses(service: RunningEmulator, trouble: LiveFault, ends: list[tuple[str, str]]) -> None:
    events = heard(struck(service, trouble))

    first = of("response.created", events)[0]["response"]["id"]
    found = [event["response"] for event in of("response.done", events)]
    assert [(r["status"], "amber" if r["id"] == first else "river") for r in found] == ends


@pytest.mark.parametrize(
    ("trouble", "code", "last"),
    [
        (Sever(9, "events"), None, "response.text.delta"),
        (Sever(9, "events", 1011, "gone"), 1011, "response.text.delta"),
        (Erring(9, "events", close=1011), 1011, "error"),
    ],
)
def test_faults_that_end_the_session(service: RunningEmulator, trouble: LiveFault, code: int | None, last: str) -> None:
    with connected(struck(service, trouble), model=NESTED) as socket:
        say(socket, update(NESTED), appended(AUDIO))  # one message: the socket closes while it is answered
        events, closed = remaining(socket)

    assert (closed.rcvd and closed.rcvd.code) == code
    assert events[-1]["type"] == last
