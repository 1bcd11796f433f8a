"""The official SDK in front, the emulator with a scripted engine behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import httpx2
import openai
import pytest
import srt
import webvtt
from openai.types.audio import Transcription, TranscriptionStreamEvent, TranscriptionVerbose

from compat.emulator.engine import Sentence, Word
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Break, Cut, FailTask, Fault, Hang, Refuse, Rule, SurfaceName
from tests.audio.media import make
from tests.hangups import hang_up
from tests.house import House, house

SAID = (
    Sentence(
        text="It was the best of times,",
        begin_ms=100,
        end_ms=1900,
        words=(
            Word("It", 100, 300),
            Word("was", 300, 600),
            Word("the", 600, 800),
            Word("best", 800, 1200),
            Word("of", 1200, 1400),
            Word("times", 1400, 1900, ","),
        ),
    ),
    Sentence(
        text="it was the worst.",
        begin_ms=2000,
        end_ms=2900,
        words=(
            Word("it", 2000, 2200),
            Word("was", 2200, 2400),
            Word("the", 2400, 2500),
            Word("worst", 2500, 2900, "."),
        ),
    ),
)
TEXT = "It was the best of times, it was the worst."


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds of faint noise: the engine is scripted, but the file is real."""
    pcm = bytes(range(256)) * 375
    return make("wav", pcm, 16000, 1, tmp_path_factory.mktemp("audio") / "speech.wav").read_bytes()


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with house(Scripted(SAID)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_faults_left(home: House) -> Iterator[None]:
    yield
    home.fail()


def always(surface: SurfaceName, fault: Fault) -> Rule:
    return Rule(surface, fault, times=None)


def upload(audio: bytes) -> tuple[str, bytes]:
    return ("speech.wav", audio)


def heard(
    stream: openai.Stream[TranscriptionStreamEvent], each: Callable[[], object] = lambda: None
) -> tuple[list[str], str]:
    """The deltas, and the text of the one `done` that ends the stream; `each` is called at every event."""
    deltas: list[str] = []
    for event in stream:
        each()
        if event.type == "transcript.text.done":
            assert [] == list(stream)
            return deltas, event.text
        assert event.type == "transcript.text.delta"
        deltas.append(event.delta)
    raise AssertionError("the stream ended without done")


def test_json_is_openai_s_with_one_object_more(home: House, speech: bytes) -> None:
    answer = home.client().audio.transcriptions.create(model="whisper-1", file=upload(speech))

    assert isinstance(answer, Transcription)
    assert TEXT == answer.text
    assert {"type": "duration", "seconds": 3} == answer.to_dict()["usage"]
    extension = answer.to_dict()["dashscope"]
    assert isinstance(extension, dict)
    assert {
        "model": "qwen3-asr-flash",
        "surface": "chat",
        "language": "en",
        "emotion": "neutral",
    }.items() <= extension.items()


def test_the_gpt_models_count_tokens(home: House, speech: bytes) -> None:
    answer = home.client().audio.transcriptions.create(model="gpt-4o-transcribe", file=upload(speech))

    usage = answer.to_dict()["usage"]
    assert isinstance(usage, dict)
    assert ("tokens", 75) == (usage["type"], usage["input_token_details"]["audio_tokens"])


def test_text_is_bare(home: House, speech: bytes) -> None:
    answer = home.client().audio.transcriptions.create(model="whisper-1", file=upload(speech), response_format="text")

    assert TEXT == answer.strip()


def test_verbose_json_has_times_from_the_service(home: House, speech: bytes) -> None:
    answer = home.client().audio.transcriptions.create(
        model="whisper-1",
        file=upload(speech),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert isinstance(answer, TranscriptionVerbose)
    assert ("english", 3.0, TEXT) == (answer.language, answer.duration, answer.text)
    assert answer.segments is not None
    assert answer.words is not None
    assert [(0.1, 1.9), (2.0, 2.9)] == [(segment.start, segment.end) for segment in answer.segments]
    assert ("times,", 1.4, 1.9) == (answer.words[5].word, answer.words[5].start, answer.words[5].end)


def test_captions_are_valid(home: House, speech: bytes) -> None:
    create = home.client().audio.transcriptions.create

    cues = list(srt.parse(create(model="whisper-1", file=upload(speech), response_format="srt")))
    captions = webvtt.from_string(create(model="whisper-1", file=upload(speech), response_format="vtt"))

    assert TEXT == " ".join(cue.content for cue in cues)
    assert TEXT == " ".join(caption.text for caption in captions.captions)


async def test_the_async_client_is_served_alike(home: House, speech: bytes) -> None:
    async with openai.AsyncOpenAI(base_url=home.base_url, api_key="k") as client:
        answer = await client.audio.transcriptions.create(model="whisper-1", file=upload(speech))

    assert TEXT == answer.text


def test_deltas_leave_before_the_engine_is_done(speech: bytes) -> None:
    heard_first = threading.Event()
    engine = Scripted(SAID, before=lambda sentence: sentence is SAID[0] or heard_first.wait(10))
    with house(engine) as home:
        stream = home.client().audio.transcriptions.create(model="gpt-4o-transcribe", file=upload(speech), stream=True)
        deltas, done = heard(stream, heard_first.set)

    assert len(deltas) > 1
    assert TEXT == done == "".join(deltas)


def test_a_long_file_streams_its_transcript_too(home: House, speech: bytes) -> None:
    stream = home.client().audio.transcriptions.create(model="fun-asr", file=upload(speech), stream=True)

    deltas, done = heard(stream)

    assert TEXT == done == "".join(deltas)


def test_what_is_asked_reaches_the_service(home: House, speech: bytes) -> None:
    home.client().audio.transcriptions.create(
        model="whisper-1",
        file=upload(speech),
        language="zh-CN",
        prompt="Dickens",
        extra_body={"enable_itn": True, "keywords": ["Darnay"]},
    )

    seen = home.dashscope.requests[-1]
    assert ("chat", "qwen3-asr-flash", "data:audio/wav") == (seen.surface, seen.model, seen.audio)
    assert {"language": "zh", "enable_itn": True}.items() <= seen.parameters["asr_options"].items()
    assert seen.context is not None
    assert "Dickens" in seen.context
    assert "Darnay" in seen.context


def test_what_cannot_be_honoured_is_named(home: House, speech: bytes) -> None:
    raw = home.client().audio.transcriptions.with_raw_response.create(
        model="whisper-1",
        file=upload(speech),
        temperature=0.4,
        include=["logprobs"],
        chunking_strategy="auto",
        extra_body={"best_of": 5},
    )

    assert {"temperature", "include", "chunking_strategy", "best_of"} == set(raw.headers["x-compat-ignored"].split(","))
    assert "chat" == raw.headers["x-compat-road"]
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["openai-processing-ms"].isdecimal()


def test_a_stream_of_captions_is_one_answer(home: House, speech: bytes) -> None:
    answer = httpx2.post(
        f"{home.base_url}/audio/transcriptions",
        data={"model": "whisper-1", "response_format": "srt", "stream": "true"},
        files={"file": upload(speech)},
    )

    assert "stream" == answer.headers["x-compat-ignored"]
    assert TEXT == " ".join(cue.content for cue in srt.parse(answer.text))


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr", "qwen3-asr-flash-filetrans", "qwen-audio-3.1-asr-flash"])
@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt", "verbose_json"])
def test_silence_is_an_empty_transcript_on_every_surface(silent: House, model: str, form: str, speech: bytes) -> None:
    answer = httpx2.post(
        f"{silent.base_url}/audio/transcriptions",
        data={"model": model, "response_format": form},
        files={"file": upload(speech)},
    )

    assert 200 == answer.status_code
    said = answer.json()["text"] if form.endswith("json") else answer.text
    assert said.strip() in ("", "WEBVTT")


@pytest.fixture(scope="module")
def silent() -> Iterator[House]:
    with house(Scripted(())) as opened:
        yield opened


FAULTS: list[tuple[str, Rule, type[openai.APIStatusError], str, int]] = [
    # model, what DashScope does → what the SDK raises, its code, how often DashScope was asked
    ("whisper-1", always("chat", Refuse(401, "InvalidApiKey")), openai.AuthenticationError, "invalid_api_key", 1),
    ("whisper-1", always("chat", Refuse(400, "Arrearage")), openai.RateLimitError, "insufficient_quota", 1),
    ("whisper-1", always("chat", Refuse(403, "AccessDenied")), openai.PermissionDeniedError, "permission_denied", 1),
    ("whisper-1", always("chat", Refuse(404, "ModelNotFound")), openai.NotFoundError, "model_not_found", 1),
    ("whisper-1", always("chat", Refuse(429, "Throttling.RateQuota")), openai.RateLimitError, "rate_limit_exceeded", 3),
    ("whisper-1", always("chat", Refuse(500, "InternalError")), openai.InternalServerError, "upstream_error", 3),
    ("whisper-1", always("chat", Cut(20)), openai.InternalServerError, "upstream_error", 1),
    ("fun-asr", always("submit", FailTask("DECODE_ERROR")), openai.BadRequestError, "invalid_audio", 1),
]


@pytest.mark.parametrize(("model", "rule", "error", "code", "calls"), FAULTS)
def test_dashscope_s_errors_raise_the_sdk_s_own(
    home: House,
    speech: bytes,
    model: str,
    rule: Rule,
    error: type[openai.APIStatusError],
    code: str,
    calls: int,
) -> None:
    home.fail(rule)
    before = home.dashscope.counts[rule.surface]

    with pytest.raises(error) as raised:
        home.client().audio.transcriptions.create(model=model, file=upload(speech))

    assert code == raised.value.code
    assert calls == home.dashscope.counts[rule.surface] - before
    assert raised.value.request_id


def test_a_passing_fault_is_not_seen(home: House, speech: bytes) -> None:
    home.fail(
        Rule("chat", Refuse(500, "InternalError")), Rule("chat", Refuse(429, "Throttling", retry_after=0.05), nth=2)
    )

    answer = home.client().audio.transcriptions.create(model="whisper-1", file=upload(speech))

    assert TEXT == answer.text


def test_a_long_wait_is_the_caller_s_to_decide(home: House, speech: bytes) -> None:
    home.fail(Rule("chat", Refuse(429, "Throttling", retry_after=60), times=None))

    with pytest.raises(openai.RateLimitError) as raised:
        home.client().audio.transcriptions.create(model="whisper-1", file=upload(speech))

    assert "60" == raised.value.response.headers["retry-after"]


def test_a_stream_that_cannot_begin_is_a_plain_error(home: House, speech: bytes) -> None:
    home.fail(Rule("chat", Refuse(401, "InvalidApiKey")))

    with pytest.raises(openai.AuthenticationError):
        home.client().audio.transcriptions.create(model="whisper-1", file=upload(speech), stream=True)


@pytest.mark.parametrize("fault", [Break(2), Cut(900)])
def test_a_stream_that_breaks_ends_in_an_error_frame(home: House, speech: bytes, fault: Break | Cut) -> None:
    home.fail(Rule("chat", fault))
    stream = home.client().audio.transcriptions.create(model="whisper-1", file=upload(speech), stream=True)

    with pytest.raises(openai.APIError, match="DashScope"):
        list(stream)


BAD: list[tuple[dict[str, str | list[str]], bytes | None, int, str | None]] = [
    ({"model": "whisper-1"}, None, 400, "file"),
    ({"model": "whisper-1"}, b"", 400, "file"),
    ({"model": "whisper-1"}, b"this is no sound at all, but a letter", 400, "file"),
    ({}, b"speech", 400, "model"),
    ({"model": "gpt-5"}, b"speech", 404, "model"),
    ({"model": "whisper-1", "response_format": "xml"}, b"speech", 400, "response_format"),
    ({"model": "paraformer-v2", "special_word_filter": "damn"}, b"speech", 400, "special_word_filter"),
    ({"model": "whisper-1", "temperature": "warm"}, b"speech", 400, "temperature"),
    ({"model": "whisper-1", "language": "klingonish"}, b"speech", 400, "language"),
    (
        {"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities[]": "letter"},
        b"speech",
        400,
        "timestamp_granularities",
    ),
    ({"model": "whisper-1", "enable_itn": "perhaps"}, b"speech", 400, "enable_itn"),
    ({"model": "qwen3-asr-flash-2026-02-10", "response_format": "srt"}, b"speech", 400, "response_format"),
]


@pytest.mark.parametrize(("fields", "audio", "status", "param"), BAD)
def test_bad_input_is_refused_by_name(
    home: House, speech: bytes, fields: dict[str, str | list[str]], audio: bytes | None, status: int, param: str
) -> None:
    sent = speech if audio == b"speech" else audio
    before = home.dashscope.counts.total()

    answer = httpx2.post(
        f"{home.base_url}/audio/transcriptions",
        data=fields,
        files={"file": ("a.mp3", sent)} if sent is not None else {"other": (None, "x")},
    )

    assert (status, param) == (answer.status_code, answer.json()["error"]["param"])
    assert answer.json()["error"]["message"]
    assert before == home.dashscope.counts.total()


def test_a_hang_up_ends_the_work_and_removes_the_file(speech: bytes, tmp_path: Path) -> None:
    arrived = threading.Event()
    released = threading.Event()

    def wait(_: Sentence) -> None:
        arrived.set()
        released.wait(10)

    with house(Scripted(SAID, before=wait), spool=tmp_path) as home:
        hang_up(
            home.base_url,
            lambda: home.counts.wait_for(lambda: home.counts["query"]),
            model="fun-asr",
            file=upload(speech),
        )
        assert arrived.wait(10)
        home.counts.wait_for(lambda: home.counts["cancel"] == 1)
        _until(lambda: not list(tmp_path.glob("*/*")))
        released.set()


def test_a_hang_up_while_dashscope_is_silent_removes_the_file(speech: bytes, tmp_path: Path) -> None:
    with house(Scripted(SAID), spool=tmp_path) as home:
        home.fail(Rule("chat", Hang()))
        hang_up(
            home.base_url,
            lambda: home.counts.wait_for(lambda: home.counts["chat"]),
            model="whisper-1",
            file=upload(speech),
        )
        _until(lambda: not list(tmp_path.glob("*/*")))
        home.fail()

        assert TEXT == home.client().audio.transcriptions.create(model="whisper-1", file=upload(speech)).text


def _until(holds: object) -> None:
    """Polls; a condition that never holds fails the test."""
    gate = threading.Event()
    for _ in range(500):
        if callable(holds) and holds():
            return
        gate.wait(0.02)
    raise AssertionError("it did not come to hold within 10 s")


def test_an_empty_answer_to_long_audio_is_asked_for_once_more(tmp_path: Path) -> None:
    audio = make("wav", bytes(range(256)) * 1000, 16000, 1, tmp_path / "a.wav").read_bytes()
    with house(Scripted((), SAID)) as home:
        assert TEXT == home.client().audio.transcriptions.create(model="whisper-1", file=BytesIO(audio)).text


def test_a_transcript_that_only_repeats_the_context_is_asked_for_without_it(speech: bytes) -> None:
    leaked = Sentence(text="Charles Darnay, Sydney Carton", begin_ms=0, end_ms=900)
    with house(Scripted((leaked,), ())) as home:
        answer = home.client().audio.transcriptions.create(
            model="whisper-1", file=upload(speech), prompt="Charles Darnay, Sydney Carton"
        )

        assert "" == answer.text
        assert [None] == [seen.context for seen in list(home.dashscope.requests)[1:]]


KEYS = [("right", None), ("other", None), ("wrong", openai.AuthenticationError), ("", openai.AuthenticationError)]


@pytest.mark.parametrize(("key", "error"), KEYS)
def test_callers_need_a_key_of_the_server_s(speech: bytes, key: str, error: type[Exception] | None) -> None:
    with house(Scripted(SAID), api_keys=("right", "other")) as home:
        client = home.client(key) if key else home.client("x", default_headers={"authorization": "Basic x"})
        if error is None:
            assert TEXT == client.audio.transcriptions.create(model="whisper-1", file=upload(speech)).text
        else:
            with pytest.raises(error):
                client.audio.transcriptions.create(model="whisper-1", file=upload(speech))
            with pytest.raises(error):
                client.models.list()


def test_the_caller_s_own_key_can_be_passed_on(speech: bytes) -> None:
    with house(Scripted(SAID), keys=frozenset({"sk-callers"}), pass_key=True, dashscope_api_key=None) as home:
        answer = home.client("sk-callers").audio.transcriptions.create(model="whisper-1", file=upload(speech))

        assert TEXT == answer.text
        with pytest.raises(openai.AuthenticationError):
            home.client("sk-others").audio.transcriptions.create(model="whisper-1", file=upload(speech))


def test_a_file_over_the_limit_is_cut_off(speech: bytes) -> None:
    with house(Scripted(SAID), max_upload=1000) as home:
        with pytest.raises(openai.APIStatusError) as raised:
            home.client().audio.transcriptions.create(model="whisper-1", file=upload(speech))

        assert (413, "file") == (raised.value.status_code, raised.value.param)
        assert 0 == home.dashscope.counts.total()
