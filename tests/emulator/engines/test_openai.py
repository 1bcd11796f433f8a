"""The engine that asks another server: files, live turns, speakers, and callers that disconnect."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx2
import pytest
from starlette.responses import JSONResponse, Response
from websockets.asyncio.client import ClientConnection, connect

from compat.emulator import sample, sound
from compat.emulator.engine import EngineTrouble, Hypothesis
from compat.emulator.engines.openai import OpenAI
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.live_settings import LiveLimits
from compat.emulator.remote.client import RemoteServer
from compat.emulator.state import Limits
from tests.emulator.livetranslate.talk import NESTED, of, settings
from tests.emulator.realtime.talk import COMMIT, FINISH, MANUAL, MODEL, appended, kinds, transcripts, vad
from tests.emulator.recordings import wav
from tests.emulator.running import SSE, RunningEmulator, Start, data_uri
from tests.polling import until
from tests.recognisers import Answer, Received, asking, body, recogniser, vllm, whisper

WORDS = VOCABULARY[:5]
SPEECH = encode(lay(WORDS))
GAPPED = encode(lay(WORDS[:2])) + bytes(64_000) + encode(lay(WORDS[2:])) + bytes(32_000)
REFUSED = JSONResponse({"error": {"message": "bad key"}}, 401)


@contextlib.contextmanager
def asked(answer: Answer, **settings: object) -> Iterator[OpenAI]:
    with recogniser(answer, []) as server:
        remote = RemoteServer(url=server.url, **settings)  # type: ignore[arg-type]
        with contextlib.closing(OpenAI(remote)) as engine:
            yield engine


def audio(folder: Path, pcm: bytes = SPEECH) -> str:
    return data_uri(wav(folder / "a.wav", pcm).read_bytes())


def test_a_failing_piece_fails_the_file_and_the_others_are_cancelled() -> None:
    received: list[int] = []

    def answer(asked: Received) -> Response:
        received.append(1)
        return whisper(asked) if len(received) == 1 else REFUSED

    pcm = encode(lay([*VOCABULARY] * 8, gap_ms=700))
    with asked(answer, concurrency=2) as engine:
        sentences = engine.recognise([pcm])
        with pytest.raises(EngineTrouble, match="a key"):
            list(sentences)


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [(401, "Engine.Misconfigured", 502), (429, "Engine.Busy", 429), (503, "Engine.Unavailable", 503)],
)
def test_every_surface_names_the_setting(start: Start, tmp_path: Path, status: int, code: str, answered: int) -> None:
    with asked(lambda _: JSONResponse({"error": "no"}, status), delays=()) as engine:
        service = start(engine=engine)
        sounds = audio(tmp_path)
        whole, streamed = service.chat(sounds), service.generate(sounds, sse=True)
        task = _task(service, wav(tmp_path / "b.wav", SPEECH).read_bytes())

    assert (answered, code) == (whole.status_code, whole.json()["error"]["code"])
    assert f'"code":"{code}"' in streamed.text
    assert code == task["output"]["code"]
    assert "The engine at 127.0.0.1:" in task["output"]["message"]


def _task(service: RunningEmulator, sounds: bytes) -> dict[str, dict[str, str]]:
    address = service.upload(sounds, model="fun-asr")
    headers = {"X-DashScope-Async": "enable", "X-DashScope-OssResourceResolve": "enable"}
    given = {"model": "fun-asr", "input": {"file_urls": [address]}, "parameters": {"language_hints": ["zh"]}}
    submitted = service.http.post("/api/v1/services/audio/asr/transcription", json=given, headers=headers).json()
    found: list[dict[str, dict[str, str]]] = []

    def ended() -> bool:
        found.append(service.http.get(f"/api/v1/tasks/{submitted['output']['task_id']}").json())
        return found[-1]["output"]["task_status"] in ("SUCCEEDED", "FAILED")

    until(ended, 20.0)
    return found[-1]


def test_language_context_and_hot_words_reach_the_server(start: Start, tmp_path: Path) -> None:
    with recogniser(whisper, []) as server, contextlib.closing(OpenAI(RemoteServer(url=server.url))) as engine:
        service = start(engine=engine)
        part = {"type": "input_audio", "input_audio": {"data": audio(tmp_path)}}
        system = {"role": "system", "content": [{"type": "text", "text": "Ada Lovelace"}]}
        chat = service.chat(messages=[system, {"role": "user", "content": [part]}], asr_options={"language": "ja"})
        service.generate(
            audio(tmp_path),
            model="qwen-audio-3.1-asr-flash",
            format="wav",
            language_hints=["de"],
            vocabulary={"Ada": 5},
        )

    assert 200 == chat.status_code
    first, second = (received.fields for received in server.received)
    assert (["ja"], ["Ada Lovelace"]) == (first["language"], first["prompt"])
    assert (["de"], ["Ada"]) == (second["language"], second["hotwords"])


@contextlib.contextmanager
def held() -> Iterator[tuple[Answer, threading.Event, threading.Event]]:
    """An answer that waits, the event that it was asked, and the one that frees it."""
    begun, freed = threading.Event(), threading.Event()

    def answer(asked: Received) -> Response:
        begun.set()
        assert freed.wait(60)
        return whisper(asked)

    try:
        yield answer, begun, freed
    finally:
        freed.set()


def test_the_request_ends_when_the_caller_disconnects(start: Start, tmp_path: Path) -> None:
    with held() as (answer, begun, freed), asked(answer, concurrency=1) as engine:
        service = start(engine=engine)
        sounds = audio(tmp_path)
        given = {"model": "qwen3-asr-flash", "input": {"messages": [{"role": "user", "content": [{"audio": sounds}]}]}}
        with (
            httpx2.Client(base_url=service.url, headers=dict(service.http.headers) | SSE) as http,
            http.stream("POST", "/api/v1/services/aigc/multimodal-generation/generation", json=given),
        ):
            assert begun.wait(20)
        freed.set()
        assert [] != list(engine.recognise([SPEECH]))  # the only slot is free again


def test_this_server_is_a_recogniser_too() -> None:
    spoken = lay(VOCABULARY[:20], begin_ms=500)
    with asking(Tones(), "server") as engine:
        words = [word for sentence in engine.recognise([encode(spoken)]) for word in sentence.words]

    assert [word.text for word in spoken] == [word.text for word in words]
    assert [word.begin_ms for word in spoken] == pytest.approx([word.begin_ms for word in words], abs=20)
    assert [word.end_ms for word in spoken] == pytest.approx([word.end_ms for word in words], abs=20)


def test_speakers_are_told_apart_by_their_voices() -> None:
    dialogue = list(sound.read(sample.path().with_name("endgame_nagg_nell.wav")))[8:17]
    with asked(body(text="Hello there.")) as engine:
        speakers = {sentence.speaker for sentence in engine.recognise(dialogue, speakers=True)}

    assert {0, 1} == speakers


class Conversation:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, object]] = []

    async def say(self, *messages: dict[str, object]) -> None:
        for message in messages:
            await self.socket.send(json.dumps(message))

    async def hear(self, kind: str, times: int = 1) -> None:
        while sum(str(event["type"]).endswith(kind) for event in self.events) < times:
            async with asyncio.timeout(20):
                self.events.append(json.loads(await self.socket.recv()))


@contextlib.asynccontextmanager
async def talking(
    service: RunningEmulator, session: Mapping[str, object], model: str = MODEL
) -> AsyncIterator[Conversation]:
    address = service.url.replace("http", "ws") + f"/api-ws/v1/realtime?model={model}"
    async with connect(address, proxy=None, additional_headers={"Authorization": "Bearer sk"}) as socket:
        talk = Conversation(socket)
        await talk.say({"type": "session.update", "session": session})
        await talk.hear("session.updated")
        yield talk


async def test_the_next_turn_begins_while_the_last_one_is_recognised(start: Start) -> None:
    with held() as (answer, begun, freed), asked(answer) as engine:
        async with talking(start(engine=engine), vad()) as talk:
            await talk.say(appended(GAPPED))
            await talk.hear("speech_stopped", 2)
            assert await asyncio.to_thread(begun.wait, 20)
            assert [] == transcripts(talk.events)
            freed.set()
            await talk.hear("completed", 2)
            await talk.say(FINISH)
            await talk.hear("finished")

    assert [" ".join(WORDS[:2]), " ".join(WORDS[2:])] == transcripts(talk.events)
    assert {"en"} == {event["language"] for event in talk.events if str(event["type"]).endswith("completed")}


async def test_translations_come_in_the_order_of_their_turns(start: Start) -> None:
    limits = Limits(livetranslate=LiveLimits(life_seconds=0.1))
    with held() as (answer, begun, freed), asked(answer) as engine:
        async with talking(start(engine=engine, limits=limits), settings(NESTED), NESTED) as talk:
            await talk.say(appended(GAPPED), FINISH)
            await talk.hear("speech_stopped", 2)
            assert await asyncio.to_thread(begun.wait, 20)
            await talk.hear("transcription.delta", 2)  # signs of life
            assert [] == of("response.created", talk.events)
            freed.set()
            await talk.hear("finished")

    texts = [event["text"] for event in of("response.text.done", talk.events)]
    assert [f"[zh] {' '.join(WORDS[:2])}", f"[zh] {' '.join(WORDS[2:])}"] == texts


async def test_a_slow_server_gives_signs_of_life_and_finishing_waits(start: Start) -> None:
    limits = Limits(live=LiveLimits(life_seconds=0.1))
    with held() as (answer, _, freed), asked(answer) as engine:
        async with talking(start(engine=engine, limits=limits), MANUAL) as talk:
            await talk.say(appended(SPEECH), COMMIT, FINISH)
            await talk.hear("transcription.text", 2)
            assert "finished" not in kinds(talk.events)
            freed.set()
            await talk.hear("finished")

    assert ["committed", "created", "text", "completed", "finished"] == kinds(talk.events)[-5:]
    assert [" ".join(WORDS)] == transcripts(talk.events)


async def test_a_turn_fails_alone(start: Start) -> None:
    answers = iter([REFUSED, None])

    def answer(asked: Received) -> Response:
        return next(answers) or whisper(asked)

    with asked(answer) as engine:
        async with talking(start(engine=engine), MANUAL) as talk:
            for _ in range(2):
                await talk.say(appended(SPEECH), COMMIT)
                await talk.hear("failed" if talk.events[-1]["type"] == "session.updated" else "completed")

    [failed] = [event for event in talk.events if str(event["type"]).endswith("failed")]
    assert "Set COMPAT_ENGINE_KEY" in str(failed["error"])
    assert [" ".join(WORDS)] == transcripts(talk.events)


def test_partial_results_of_a_turn() -> None:
    pcm = encode(lay(VOCABULARY[:6]))
    with asked(whisper, partial_seconds=0.1) as engine:
        listener = engine.listen()
        seen: list[Hypothesis] = []

        def heard(pcm: bytes) -> bool:
            hypothesis = listener.feed(pcm)
            seen.extend([hypothesis] if hypothesis else [])
            return hypothesis is not None

        for at in range(0, len(pcm), 32_000):
            heard(pcm[at : at + 32_000])
            until(lambda: heard(bytes(6_400)), 20.0)
        final = listener.finish()

    settled = [hypothesis.text for hypothesis in seen]
    assert settled[-1]
    assert all(final.text.startswith(text) for text in settled)
    assert all(after.startswith(before) for before, after in itertools.pairwise(settled))
    assert any(hypothesis.stash for hypothesis in seen)


def test_no_partial_results_without_the_setting() -> None:
    with recogniser(whisper, []) as server, contextlib.closing(OpenAI(RemoteServer(url=server.url))) as engine:
        listener = engine.listen()
        assert [None] * 2 == [listener.feed(SPEECH), listener.feed(SPEECH)]
        assert [] == server.received


async def test_a_turn_waits_for_a_server_that_has_worked(start: Start) -> None:
    down = JSONResponse({"error": "restarting"}, 503)
    answers = iter([None, down, down, down, None])

    def answer(asked: Received) -> Response:
        return next(answers) or whisper(asked)

    with asked(answer, delays=(), patient_delays=(0.0,) * 5) as engine:
        async with talking(start(engine=engine), MANUAL) as talk:
            for times in (1, 2):
                await talk.say(appended(SPEECH), COMMIT)
                await talk.hear("completed", times)

    assert [" ".join(WORDS)] * 2 == transcripts(talk.events)


async def test_a_long_turn_is_sent_while_it_is_spoken(start: Start) -> None:
    spoken = [*VOCABULARY, *VOCABULARY]
    with recogniser(vllm, []) as server, contextlib.closing(OpenAI(RemoteServer(url=server.url))) as engine:
        async with talking(start(engine=engine), MANUAL) as talk:
            pcm = encode(lay(spoken, gap_ms=700))
            for at in range(0, len(pcm), 320_000):
                await talk.say(appended(pcm[at : at + 320_000]))
            until(lambda: len(server.received) >= 3, 20.0)
            await talk.say(COMMIT)
            await talk.hear("completed")

    assert " ".join(spoken) == transcripts(talk.events)[0]


async def test_a_turn_ends_when_the_caller_disconnects(start: Start) -> None:
    with held() as (answer, begun, freed), asked(answer, concurrency=1) as engine:
        async with talking(start(engine=engine), MANUAL) as talk:
            await talk.say({"type": "input_audio_buffer.append", "audio": base64.b64encode(SPEECH).decode()}, COMMIT)
            await asyncio.to_thread(begun.wait, 20)
        freed.set()
        assert [] != list(engine.recognise([SPEECH]))
