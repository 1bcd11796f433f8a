"""Two accounts, each an emulator: what the first cannot do now the second does, and the caller notices nothing."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import openai
import pytest

from compat.app import create_app
from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Break, FailTask, Fault, Refuse, Rule, SurfaceName
from compat.emulator.state import Emulator
from compat.settings import Settings, SettingsError
from tests.audio import media
from tests.house import House, house
from tests.servers import serve


def said(text: str) -> Scripted:
    return Scripted((Sentence(text=text, begin_ms=100, end_ms=900),))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return media.make("wav", media.tone(1.0), 16000, 1, tmp_path_factory.mktemp("speech") / "a.wav").read_bytes()


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[House, Emulator]]:
    second = create_emulator(said("the second"), keys=frozenset(["second-key"]))
    with (
        serve(second) as root,
        house(said("the first"), attempts=1, fallback_api_key="second-key", fallback_base_url=root) as home,
    ):
        yield home, second.state.emulator


OPEN = Refuse(401, "InvalidApiKey")
ASKED: list[tuple[str, dict[str, str], SurfaceName, Fault, str | None, int]] = [
    # the path, the form, what fails at the first and how → what the caller reads (None: an error), calls of the second
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
def test_what_the_first_cannot_do_the_second_does(
    places: tuple[House, Emulator],
    speech: bytes,
    path: str,
    form: dict[str, str],
    surface: SurfaceName,
    fault: Fault,
    read: str | None,
    calls: int,
) -> None:
    home, second = places
    second.counts.clear()
    home.fail(Rule(surface, fault, times=None))
    answer = httpx2.post(
        f"{home.base_url}/audio/{path}",
        files={"file": ("a.wav", speech)},
        data={"model": "whisper-1", **form},
        timeout=30,
    )

    assert ((read or '"error"') in answer.text.replace("The ", "the ")) is True
    assert calls == sum(second.counts[name] for name in ("chat", "translate", "submit"))


def test_the_metrics_count_what_went_there(places: tuple[House, Emulator], speech: bytes) -> None:
    home, _ = places
    home.fail(Rule("chat", OPEN))
    assert home.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text
    told = httpx2.get(f"{home.base_url.removesuffix('/v1')}/metrics").text

    assert 'compat_service_calls_total{outcome="ok",surface="fallback-chat"}' in told


def test_a_surface_that_is_left_alone_is_not_asked_first(speech: bytes) -> None:
    second = create_emulator(said("the second"))
    with (
        serve(second) as root,
        house(
            said("the first"), attempts=1, breaker_failures=1, fallback_api_key="second-key", fallback_base_url=root
        ) as home,
    ):
        home.fail(Rule("chat", Refuse(500, "InternalError"), times=None))
        for _ in range(3):
            home.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", speech))

        assert (1, 3) == (home.dashscope.counts["chat"], second.state.emulator.counts["chat"])


def test_a_server_whose_second_account_works_is_ready(places: tuple[House, Emulator]) -> None:
    home, _ = places
    home.fail(Rule("query", Refuse(401, "InvalidApiKey"), times=None))

    assert 200 == httpx2.get(f"{home.base_url.removesuffix('/v1')}/readyz").status_code


def test_when_both_fail_the_first_one_s_error_is_told(places: tuple[House, Emulator], speech: bytes) -> None:
    home, _ = places
    home.fail(Rule("chat", Refuse(429, "Throttling.RateQuota")))
    with serve(create_emulator(said("x"), keys=frozenset(["another"]))) as root:
        settings = Settings(
            base_url=home.service,
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


def test_callers_keys_are_not_made_up_for() -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        create_app(Settings(pass_key=True, fallback_api_key="k"))
