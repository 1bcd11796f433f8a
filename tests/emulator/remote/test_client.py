"""The client of another server: its requests, what it learns from refusals, and its errors."""

from __future__ import annotations

import codecs
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from compat.emulator.engine import NO_HINTS, EngineTrouble, Hints
from compat.emulator.engines.tones import VOCABULARY, encode, lay
from compat.emulator.remote.client import RemoteClient, RemoteServer
from tests.polling import until
from tests.recognisers import Answer, Received, body, recogniser, vllm, whisper

SPEECH = encode(lay(VOCABULARY[:3]))
TEXT = " ".join(VOCABULARY[:3])
GUIDED = Hints(language="fil", context="Ada Lovelace", words=("Ada", "Babbage"))


Connect = Callable[..., RemoteClient]


@pytest.fixture
def client() -> Iterator[Connect]:
    """Make clients of a server, with the settings of RemoteServer."""
    with contextlib.ExitStack() as stack:
        yield lambda url, **settings: stack.enter_context(
            contextlib.closing(RemoteClient(RemoteServer(url=url, **settings)))
        )


def text_of(asked: RemoteClient, hints: Hints = NO_HINTS) -> str:
    return asked.transcribe(SPEECH, hints).result().text


def trouble(asked: RemoteClient) -> EngineTrouble:
    with pytest.raises(EngineTrouble) as caught:
        text_of(asked)
    return caught.value


def test_the_request_has_openai_s_fields(client: Connect) -> None:
    with recogniser(whisper) as server:
        assert TEXT == text_of(client(server.url, key="sk-1", model="Qwen/Qwen3-ASR-1.7B"), GUIDED)

    [received] = server.received
    assert {
        "model": ["Qwen/Qwen3-ASR-1.7B"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["word", "segment"],
        "temperature": ["0"],
        "language": ["tl"],
        "prompt": ["Ada Lovelace\nAda, Babbage"],
        "hotwords": ["Ada,Babbage"],
    } == received.fields
    assert "Bearer sk-1" == received.key
    assert SPEECH == received.pcm


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://gpu:8000", "http://gpu:8000/v1"),
        ("http://gpu:8000/", "http://gpu:8000/v1"),
        ("http://gpu:8000/v1", "http://gpu:8000/v1"),
        ("http://gpu:8000/v1/audio/transcriptions", "http://gpu:8000/v1"),
        ("https://asr.example.com/openai/v1/", "https://asr.example.com/openai/v1"),
    ],
)
def test_the_address_is_a_base_url_in_any_form(url: str, base: str) -> None:
    assert base == RemoteServer(url=url).base


@pytest.mark.parametrize(
    ("models", "chosen"),
    [
        (["Qwen/Qwen3-ASR-1.7B"], "Qwen/Qwen3-ASR-1.7B"),
        (["my-model"], "my-model"),
        (["llama-3", "iic/SenseVoiceSmall"], "iic/SenseVoiceSmall"),
        (["gpt-transcribe", "whisper-1", "whisper-large-v3"], "whisper-1"),
        ([], "whisper-1"),
        (None, "whisper-1"),
    ],
)
def test_the_model_for_speech_is_found(client: Connect, models: list[str] | None, chosen: str) -> None:
    with recogniser(whisper, models) as server:
        text_of(client(server.url))

    assert [chosen] == server.received[0].fields["model"]


def test_one_of_several_models_has_to_be_named(client: Connect) -> None:
    with recogniser(whisper, ["a-whisper", "b-whisper", "llama"]) as server:
        found = trouble(client(server.url))

    assert ("Misconfigured", []) == (found.kind, server.received)
    assert "COMPAT_ENGINE_MODEL to one: a-whisper, b-whisper." in found.message


def test_a_server_without_times_is_asked_for_them_once(client: Connect) -> None:
    with recogniser(vllm) as server:
        asked = client(server.url)
        answers = [asked.transcribe(SPEECH, NO_HINTS).result() for _ in range(3)]

    assert [TEXT] * 3 == [answer.text for answer in answers]
    assert ["verbose_json", "json", "json", "json"] == [r.fields["response_format"][0] for r in server.received]
    assert [True, False, False, False] == ["timestamp_granularities[]" in r.fields for r in server.received]


def refusing(name: str, status: int = 400, message: str = "") -> Answer:
    """Refuse requests with a field, as a value of the list or at all."""

    def answer(asked: Received) -> Response:
        field, _, value = name.partition("=")
        if field in asked.fields and (not value or value in asked.fields[field]):
            return JSONResponse({"detail": message or f"{field} is not supported"}, status)
        return whisper(asked)

    return answer


@pytest.mark.parametrize(
    "refused",
    ["language=tl", "prompt", "hotwords", "timestamp_granularities[]=word", "timestamp_granularities[]"],
)
@pytest.mark.parametrize("message", ["", "Bad Request"])
def test_what_a_server_refuses_is_left_out_from_then_on(client: Connect, refused: str, message: str) -> None:
    with recogniser(refusing(refused, message=message)) as server:
        asked = client(server.url)
        assert TEXT == text_of(asked, GUIDED)
        first = len(server.received)
        assert TEXT == text_of(asked, GUIDED)

    assert 2 <= first
    assert first + 1 == len(server.received)


def test_another_language_is_still_tried(client: Connect) -> None:
    with recogniser(refusing("language=tl")) as server:
        asked = client(server.url)
        for language in ("fil", "zh"):
            text_of(asked, Hints(language=language))

    assert ["zh"] == server.received[-1].fields["language"]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            lambda _: JSONResponse({"error": {"message": "no key"}}, 401),
            "Misconfigured",
            "asks for a key (401). Set COMPAT_ENGINE_KEY.",
        ),
        (lambda _: JSONResponse({"detail": "Forbidden"}, 403), "Misconfigured", "COMPAT_ENGINE_KEY (403)"),
        (
            lambda _: JSONResponse({"error": {"message": "The model `m` does not exist."}}, 404),
            "Misconfigured",
            "COMPAT_ENGINE_MODEL (404)",
        ),
        (
            lambda _: JSONResponse({"detail": "Model 'm' not found. Available: ['sensevoice']"}, 400),
            "Misconfigured",
            "COMPAT_ENGINE_MODEL (400): Model 'm' not found. Available: ['sensevoice']",
        ),
        (lambda _: PlainTextResponse("Not Found", 404), "Misconfigured", "COMPAT_ENGINE_URL (404)"),
        (lambda _: PlainTextResponse("", 405), "Misconfigured", "COMPAT_ENGINE_URL (405)"),
        (
            lambda _: RedirectResponse("https://asr.example.com/v1/audio/transcriptions", 308),
            "Misconfigured",
            "redirects to asr.example.com/v1/audio/transcriptions. Set COMPAT_ENGINE_URL",
        ),
        (lambda _: JSONResponse({"message": "too long"}, 413), "Misconfigured", "refuses the request (413): too long"),
        (
            lambda _: JSONResponse({"message": "bad audio"}, 400),
            "Misconfigured",
            "refuses the request (400): bad audio",
        ),
        (lambda _: Response("<html>", media_type="text/html"), "Misconfigured", "text/html and not with a transcript"),
        (lambda _: Response(b"{", media_type="application/json"), "Misconfigured", "Is COMPAT_ENGINE_URL right?"),
        (body(choices=[]), "Misconfigured", "Is COMPAT_ENGINE_URL right?"),
        (body(error="failed to read audio"), "Misconfigured", "refuses the request: failed to read audio"),
    ],
)
def test_wrong_settings_are_named_at_once(client: Connect, answer: Answer, kind: str, words: str) -> None:
    with recogniser(answer) as server:
        found = trouble(client(server.url))

    assert kind == found.kind
    assert words in found.message
    assert server.url.split("/")[2] in found.message
    assert len(server.received) <= 4


def failing_first(times: int, status: int) -> tuple[Answer, list[int]]:
    left = [times]

    def answer(asked: Received) -> Response:
        left[0] -= 1
        return whisper(asked) if left[0] < 0 else JSONResponse({"error": "busy"}, status)

    return answer, left


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_or_failing_server_is_asked_again(client: Connect, status: int) -> None:
    answer, _ = failing_first(1, status)
    with recogniser(answer) as server:
        assert TEXT == text_of(client(server.url))


@pytest.mark.parametrize(("status", "kind"), [(429, "Busy"), (503, "Unavailable")])
def test_a_server_that_stays_busy_is_reported(client: Connect, status: int, kind: str) -> None:
    answer, left = failing_first(10, status)
    with recogniser(answer) as server:
        found = trouble(client(server.url, delays=(0.0,)))

    assert (kind, 8) == (found.kind, left[0])
    assert f"({status})" in found.message


def test_a_wrong_key(client: Connect) -> None:
    with recogniser(lambda _: JSONResponse({"error": {"message": "bad key"}}, 401)) as server:
        found = trouble(client(server.url, key="sk-1"))

    assert "refuses the key in COMPAT_ENGINE_KEY (401): bad key" in found.message


def test_tls_where_there_is_none(client: Connect) -> None:
    with recogniser(whisper) as server:
        found = trouble(client(server.url.replace("http:", "https:"), delays=()))

    assert "Unavailable" == found.kind
    assert "it does not speak TLS" in found.message


def test_word_times_are_asked_for_where_they_are_needed(client: Connect) -> None:
    with recogniser(whisper) as server:
        text_of(client(server.url), Hints(timed=False))

    assert ["segment"] == server.received[0].fields["timestamp_granularities[]"]


def test_a_server_is_ready_if_it_transcribes_the_last_request_or_silence(client: Connect) -> None:
    """A list of models shows nothing about the path of transcriptions."""
    with recogniser(whisper, ["whisper-1"]) as server:
        asked = client(server.url)
        server.answer = lambda _: PlainTextResponse("Not Found", 404)
        with pytest.raises(
            EngineTrouble, match=r"no /audio/transcriptions under the path of COMPAT_ENGINE_URL \(404\)"
        ):
            asked.check().result()
        server.answer = whisper
        asked.check().result()
        silences = len(server.received)
        asked.check().result()
        assert silences == len(server.received)

        server.answer = lambda _: PlainTextResponse("Not Found", 404)
        trouble(asked)
        with pytest.raises(EngineTrouble, match="COMPAT_ENGINE_URL"):
            asked.check().result()


def test_a_slow_server_is_asked_once_for_several_checks(client: Connect) -> None:
    with holding() as (answer, released), recogniser(answer) as server:
        asked = client(server.url)
        first = asked.check()
        until(lambda: bool(server.received))
        first.cancel()
        second = asked.check()
        released.set()
        second.result()
        asked.check().result()

    assert 1 == len(server.received)


def test_a_server_that_does_not_listen(client: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = trouble(client(f"http://127.0.0.1:{port}/v1", delays=(0.0,)))

    assert "Unavailable" == found.kind
    assert f"127.0.0.1:{port} (COMPAT_ENGINE_URL) cannot be reached: connection refused." in found.message


@contextlib.contextmanager
def holding() -> Iterator[tuple[Answer, threading.Event]]:
    """An answer that waits for an event."""
    freed = threading.Event()

    def answer(asked: Received) -> Response:
        assert freed.wait(60)
        return whisper(asked)

    try:
        yield answer, freed
    finally:
        freed.set()


def test_a_slow_server_times_out_and_is_not_asked_again(client: Connect) -> None:
    with holding() as (answer, freed), recogniser(answer, []) as server:
        found = trouble(client(server.url, answer_timeout=0.3))
        assert 1 == len(server.received)
        freed.set()

    assert "Timeout" == found.kind
    assert "COMPAT_ANSWER_TIMEOUT" in found.message


def test_requests_at_a_time_are_bounded_and_cancelled_ones_make_room(client: Connect) -> None:
    with holding() as (answer, freed), recogniser(answer, []) as server:
        asked = client(server.url, concurrency=2, model="m")
        under_way = [asked.transcribe(SPEECH, NO_HINTS) for _ in range(4)]
        until(lambda: len(server.received) == 2, 20.0)
        for future in under_way[:2]:
            future.cancel()
        until(lambda: len(server.received) == 4, 20.0)
        freed.set()

        assert [TEXT] * 2 == [future.result().text for future in under_way[2:]]
        with pytest.raises(CancelledError):
            under_way[0].result()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda asked: PlainTextResponse(f"{asked.text}\n"), TEXT),
        (lambda asked: JSONResponse(asked.text), TEXT),
        (body(text=""), ""),
        (lambda asked: Response(f'{{"text": "{asked.text}", "segments": [{{"avg_logprob": NaN}}]}}'), TEXT),
        (lambda asked: Response(codecs.BOM_UTF8 + json.dumps({"text": asked.text}).encode()), TEXT),
    ],
    ids=["text/plain", "a JSON string", "empty", "NaN", "a byte order mark"],
)
def test_other_transcripts(client: Connect, answer: Callable[[Received], Response], text: str) -> None:
    with recogniser(answer) as server:
        assert text == text_of(client(server.url))
