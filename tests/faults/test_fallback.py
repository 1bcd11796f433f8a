"""Fallback between two accounts, each an emulator: the second one serves what the first cannot, and the caller does not
notice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import httpx2
import openai
import pytest

from compat.app import create_app
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Break, FailTask, Fault, Faults, Hang, Live, Refuse, Rule, SurfaceName
from compat.emulator.live_faults import Erring, Reject, Sever
from compat.emulator.state import Emulator, Vocabulary
from tests.endpoints.live import live_client, live_server, verdict, words
from tests.running import RunningServer, running_server
from tests.servers import serve
from tests.witnesses import free_port


def saying(text: str) -> Scripted:
    return Scripted((Sentence(text=text, begin_ms=100, end_ms=900),))


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[RunningServer, Emulator]]:
    second = create_emulator(saying("the second"), keys=frozenset(["second-key"]))
    with (
        serve(second) as root,
        running_server(
            saying("the first"), attempts=1, fallback_api_key="second-key", fallback_base_url=root
        ) as server,
    ):
        yield server, second.state.emulator


OPEN = Refuse(401, "InvalidApiKey")
ASKED: list[tuple[str, dict[str, str], SurfaceName, Fault, str | None, int]] = [
    # path, form, surface and fault at the first → text in the response (None: an error), calls to the second
    ("transcriptions", {}, "chat", OPEN, "the second", 1),
    ("transcriptions", {}, "chat", Refuse(400, "Arrearage"), "the second", 1),
    ("transcriptions", {}, "chat", Refuse(500, "InternalError"), "the second", 1),
    ("transcriptions", {}, "chat", Refuse(429, "Throttling.RateQuota"), "the second", 1),
    ("transcriptions", {}, "chat", Refuse(400, "InvalidParameter"), None, 0),
    ("transcriptions", {}, "chat", Refuse(400, "DataInspectionFailed"), None, 0),
    ("transcriptions", {"stream": "true"}, "chat", OPEN, "the second", 1),
    ("transcriptions", {"stream": "true"}, "chat", Break(1), None, 0),
    ("transcriptions", {"response_format": "srt"}, "policy", OPEN, "the second", 1),
    ("transcriptions", {"response_format": "srt"}, "submit", Refuse(429, "Throttling"), "the second", 1),
    ("transcriptions", {"response_format": "srt"}, "submit", Refuse(500, "InternalError"), None, 0),
    ("transcriptions", {"response_format": "srt"}, "submit", FailTask("InternalError"), None, 0),
    ("transcriptions", {"response_format": "srt"}, "query", OPEN, None, 0),
    ("translations", {"target_language": "fr"}, "translate", OPEN, "[French] the first", 1),
]


@pytest.mark.parametrize(("path", "form", "surface", "fault", "read", "calls"), ASKED)
def test_a_request_that_the_first_cannot_serve_goes_to_the_second(
    places: tuple[RunningServer, Emulator],
    speech: bytes,
    path: str,
    form: dict[str, str],
    surface: SurfaceName,
    fault: Fault,
    read: str | None,
    calls: int,
) -> None:
    server, second = places
    second.counts.clear()
    server.fail(Rule(surface, fault, times=None))
    answer = httpx2.post(
        f"{server.base_url}/audio/{path}",
        files={"file": ("a.wav", speech)},
        data={"model": "whisper-1", **form},
        timeout=30,
    )

    assert ((read or '"error"') in answer.text.replace("The ", "the ")) is True
    assert calls == sum(second.counts[name] for name in ("chat", "translate", "submit"))


def test_the_metrics_count_calls_to_the_fallback(places: tuple[RunningServer, Emulator], speech: bytes) -> None:
    server, _ = places
    server.fail(Rule("chat", OPEN))
    assert server.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text
    metrics = httpx2.get(f"{server.base_url.removesuffix('/v1')}/metrics").text

    assert 'compat_service_calls_total{outcome="ok",surface="fallback-chat"}' in metrics


def test_a_surface_with_an_open_breaker_is_not_called_first(speech: bytes) -> None:
    second = create_emulator(saying("the second"))
    with (
        serve(second) as root,
        running_server(
            saying("the first"), attempts=1, breaker_failures=1, fallback_api_key="second-key", fallback_base_url=root
        ) as server,
    ):
        server.fail(Rule("chat", Refuse(500, "InternalError"), times=None))
        for _ in range(3):
            server.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", speech))

        assert (1, 3) == (server.dashscope.counts["chat"], second.state.emulator.counts["chat"])


@pytest.fixture(scope="module")
def live_places() -> Iterator[tuple[RunningServer, Emulator]]:
    second = create_emulator(words("the second"), keys=frozenset(["second-key"]))
    with (
        serve(second) as root,
        live_server("the first", fallback_api_key="second-key", fallback_base_url=root) as server,
    ):
        yield server, second.state.emulator


async def live_turn(server: RunningServer) -> str:
    async with live_client(server) as client:
        return verdict(await client.outcome())


async def task_turn(server: RunningServer, **extension: str) -> str:
    """Return the transcript, or the error's code, of one turn with a run-task model."""
    audio = {"input": {"transcription": {"model": "fun-asr-realtime"}}}
    async with live_client(server) as client:
        session = {"type": "transcription", "audio": audio, "dashscope": extension}
        await client.send("session.update", session=session)
        return verdict(await client.outcome())


CUT = Rule("realtime", Live((Sever(2),)))
LIVE: list[tuple[list[Rule], str, int, int]] = [
    # faults at the first → what the client receives, connections to the first and to the second
    ([], "the first", 1, 0),
    ([Rule("realtime", OPEN, times=None)], "the second", 1, 1),
    ([Rule("realtime", Refuse(403, "AccessDenied"), times=None)], "the second", 1, 1),
    ([Rule("realtime", Refuse(400, "Arrearage"), times=None)], "the second", 1, 1),
    ([Rule("realtime", Refuse(429, "Throttling.RateQuota"), times=None)], "the second", 1, 1),
    ([Rule("realtime", Refuse(500, "InternalError"), times=None)], "the second", 1, 1),
    ([CUT], "the first", 2, 0),
    ([CUT, Rule("realtime", Refuse(500, "InternalError"), nth=2, times=None)], "the second", 2, 1),
    ([Rule("realtime", Refuse(400, "InvalidParameter"), times=None)], "invalid_value", 1, 0),
    ([Rule("realtime", Live((Erring(3, code="Arrearage"),)), times=None)], "the second", 1, 1),
]
TASKS: list[tuple[list[Rule], str, int, int]] = [
    ([Rule("inference", Live((Reject(code="Arrearage"),)), times=None)], "the second", 1, 1),
    ([Rule("inference", Live((Reject(code="AccessDenied"),)), times=None)], "the second", 1, 1),
    ([Rule("inference", Live((Reject(code="ModelNotFound"),)), times=None)], "model_not_found", 1, 0),
    ([Rule("inference", Refuse(403, "AccessDenied"), times=None)], "the second", 1, 1),
    ([Rule("inference", Live((Reject(),)))], "the first", 2, 0),
]


SESSIONS = [("realtime", live_turn, *row) for row in LIVE] + [("inference", task_turn, *row) for row in TASKS]


@pytest.mark.parametrize(("surface", "turn", "rules", "read", "first", "second"), SESSIONS)
async def test_a_session_refused_by_the_first_is_opened_at_the_second(
    live_places: tuple[RunningServer, Emulator],
    surface: str,
    turn: Callable[[RunningServer], Awaitable[str]],
    rules: list[Rule],
    read: str,
    first: int,
    second: int,
) -> None:
    server, other = live_places
    server.dashscope.counts.clear()
    other.counts.clear()
    server.fail(*rules)

    assert read == await turn(server)
    assert (first, second) == (server.dashscope.counts[surface], other.counts[surface])


async def test_a_session_with_a_stored_vocabulary_stays_with_its_account(
    live_places: tuple[RunningServer, Emulator],
) -> None:
    server, other = live_places
    server.dashscope.vocabularies["vocab-1"] = Vocabulary(
        id="vocab-1", account="the-server's-key", target_model="fun-asr-realtime", words=[], created=0.0, modified=0.0
    )
    other.counts.clear()
    server.fail(Rule("inference", Refuse(403, "AccessDenied"), times=None))

    assert "permission_denied" == await task_turn(server, vocabulary_id="vocab-1")
    assert 0 == other.counts["inference"]


AT_ONCE = Live((Sever(1, "events"),))


async def test_a_session_that_the_first_keeps_dropping_goes_to_the_second(
    live_places: tuple[RunningServer, Emulator],
) -> None:
    server, other = live_places
    other.counts.clear()
    server.fail(Rule("realtime", AT_ONCE, times=None))

    assert "the second" == await live_turn(server)
    assert 1 == other.counts["realtime"]


async def test_a_session_that_the_second_refuses_too_stays_with_the_first(
    live_places: tuple[RunningServer, Emulator],
) -> None:
    server, other = live_places
    server.dashscope.counts.clear()
    server.fail(Rule("realtime", AT_ONCE, times=3))
    other.faults.arm(Faults((Rule("realtime", Refuse(500, "InternalError"), times=None),)))

    assert "the first" == await live_turn(server)
    assert 4 == server.dashscope.counts["realtime"]
    other.faults.arm(Faults())


async def test_a_session_whose_first_service_is_unreachable_is_opened_at_the_second() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with (
        serve(create_emulator(words("the second"))) as root,
        live_server("x", base_url=nowhere, fallback_api_key="k", fallback_base_url=root) as server,
    ):
        assert "the second" == await live_turn(server)
        metrics = httpx2.get(f"{server.base_url.removesuffix('/v1')}/metrics").text

    assert 'compat_service_calls_total{outcome="service_unavailable",surface="realtime"} 1.0' in metrics
    assert 'compat_service_calls_total{outcome="ok",surface="fallback-realtime"} 1.0' in metrics


async def test_a_session_to_which_the_first_does_not_respond_is_opened_at_the_second() -> None:
    with (
        serve(create_emulator(words("the second"))) as root,
        live_server("x", connect_timeout=1.0, fallback_api_key="k", fallback_base_url=root) as server,
    ):
        server.fail(Rule("realtime", Hang(), times=None))
        assert "the second" == await live_turn(server)


async def test_a_live_session_refused_by_both_gets_the_error_of_the_first(
    live_places: tuple[RunningServer, Emulator],
) -> None:
    server, other = live_places
    server.fail(Rule("realtime", Refuse(400, "Arrearage"), times=None))
    other.faults.arm(Faults((Rule("realtime", OPEN, times=None),)))

    assert "insufficient_quota" == await live_turn(server)
    other.faults.arm(Faults())


def test_a_server_is_ready_if_its_second_account_works(places: tuple[RunningServer, Emulator]) -> None:
    server, _ = places
    server.fail(Rule("query", Refuse(401, "InvalidApiKey"), times=None))

    assert 200 == httpx2.get(f"{server.base_url.removesuffix('/v1')}/readyz").status_code


def test_if_both_fail_the_client_gets_the_error_of_the_first(
    places: tuple[RunningServer, Emulator], speech: bytes
) -> None:
    server, _ = places
    server.fail(Rule("chat", Refuse(429, "Throttling.RateQuota")))
    with serve(create_emulator(saying("x"), keys=frozenset(["another"]))) as root:
        settings = Settings(
            base_url=server.service,
            dashscope_api_key="k",
            attempts=1,
            fallback_api_key="wrong",
            fallback_base_url=root,
        )
        with (
            serve(create_app(settings)) as base,
            openai.OpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0) as sdk,
            pytest.raises(openai.RateLimitError),
        ):
            sdk.audio.transcriptions.create(model="whisper-1", file=("a.wav", speech))


def test_the_fallback_cannot_be_combined_with_pass_key() -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        create_app(Settings(pass_key=True, fallback_api_key="k"))
