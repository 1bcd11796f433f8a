"""Long audio in pieces, with words coded as tones: each word is transcribed once, and in order."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import srt
from openai.types.audio import TranscriptionVerbose

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.faults import FailTask, Hang, Refuse, Rule
from compat.emulator.readings import Readings
from compat.text import joined as spaced
from compat.transcript import Request, Segment, Transcript, Usage
from compat.transcription.pieces import joined
from tests.audio.media import make, silence
from tests.catalogue.test_models import media
from tests.hangups import hang_up
from tests.polling import until
from tests.running import RunningServer, running_server

SPOKEN = lay(itertools.islice(itertools.cycle(VOCABULARY), 1000), gap_ms=150)  # 310 s
WORDS = [word.text for word in SPOKEN]


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return more than five minutes of speech whose longest pauses are those between words."""
    return make("flac", encode(SPOKEN), 16000, 1, tmp_path_factory.mktemp("audio") / "long.flac")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones(), long_road="pieces", piece_seconds=60.0) as opened:
        yield opened


def test_every_word_is_transcribed_once_and_in_order(server: RunningServer, speech: Path) -> None:
    before = server.dashscope.counts["chat"]
    raw = server.client().audio.transcriptions.with_raw_response.create(model="whisper-1", file=speech)
    answer = raw.parse().to_dict()

    assert WORDS == str(answer["text"]).split()
    assert ("pieces", "pieces") == (raw.headers["x-compat-road"], answer["dashscope"]["surface"])  # type: ignore[index]
    seconds = answer["usage"]["seconds"]  # type: ignore[index]  # the service bills whole seconds per piece
    assert 310 <= seconds <= 323
    assert 6 <= server.dashscope.counts["chat"] - before <= 12


def test_segments_begin_and_end_at_pauses(server: RunningServer, speech: Path) -> None:
    answer = server.client().audio.transcriptions.create(model="whisper-1", file=speech, response_format="verbose_json")

    assert isinstance(answer, TranscriptionVerbose)
    spans = [(segment.start, segment.end, segment.text.split()) for segment in answer.segments or []]
    assert WORDS == [word for _, _, words in spans for word in words]
    on_time(spans)


def test_captions_are_on_time(server: RunningServer, speech: Path) -> None:
    answer = server.client().audio.transcriptions.create(model="whisper-1", file=speech, response_format="srt")

    cues = list(srt.parse(answer))
    spans = [(cue.start.total_seconds(), cue.end.total_seconds(), cue.content.split()) for cue in cues]
    assert WORDS == [word for _, _, words in spans for word in words]
    on_time(spans, stays=5.0)
    assert all(earlier.end <= later.start for earlier, later in itertools.pairwise(cues))


def on_time(spans: Iterable[tuple[float, float, list[str]]], stays: float = 0.0) -> None:
    """Assert that each span begins with its first word and ends with its last, or at most `stays` seconds later."""
    count = 0
    for start, end, words in spans:
        first, last = SPOKEN[count], SPOKEN[count + len(words) - 1]
        count += len(words)
        assert abs(start * 1000 - first.begin_ms) <= 30
        assert -30 <= end * 1000 - last.end_ms <= 30 + stays * 1000


def test_deltas_are_sent_in_order(speech: Path) -> None:
    with running_server(Tones(), piece_seconds=60.0) as server:
        stream = server.client().audio.transcriptions.create(model="whisper-1", file=speech, stream=True)
        deltas, done = [], ""
        for event in stream:
            if event.type == "transcript.text.delta":
                deltas.append(event.delta)
            elif event.type == "transcript.text.done":
                done = event.text

    assert len(deltas) >= 6
    assert WORDS == done.split()
    assert done == "".join(deltas)
    assert "pieces" == stream.response.headers["x-compat-road"]


def test_the_context_is_sent_with_every_piece(server: RunningServer, speech: Path) -> None:
    server.client().audio.transcriptions.create(model="whisper-1", file=speech, prompt="Bulge Bracket")

    assert {"Bulge Bracket"} == {seen.context for seen in list(server.dashscope.requests)[-5:]}


def test_in_the_us_region_long_audio_is_sent_in_pieces(speech: Path) -> None:
    with running_server(Tones(), region="us", piece_seconds=60.0) as server:
        raw = server.client().audio.transcriptions.with_raw_response.create(model="whisper-1", file=speech)

        assert WORDS == raw.parse().text.split()
        assert "pieces" == raw.headers["x-compat-road"]
        assert server.dashscope.counts["generation"] >= 6


def test_pieces_are_retried_after_a_rate_limit(server: RunningServer, speech: Path) -> None:
    server.fail(Rule("chat", Refuse(429, "Throttling", retry_after=0.1), times=20))

    assert WORDS == server.client().audio.transcriptions.create(model="whisper-1", file=speech).text.split()


KEPT: dict[str, Any] = {"region": "us", "piece_seconds": 60.0, "job_retention": 3600.0, "job_grace": 3600.0}


def ask(server: RunningServer, audio: bytes, **fields: str) -> httpx2.Response:
    data = {"model": "whisper-1", **fields}
    return httpx2.post(f"{server.base_url}/audio/transcriptions", data=data, files={"file": audio}, timeout=60)


def test_the_same_request_joins_the_job_or_gets_its_result(speech: Path) -> None:
    with running_server(Tones(), **KEPT) as server, ThreadPoolExecutor(3) as threads:
        audio = speech.read_bytes()
        together = list(threads.map(lambda _: ask(server, audio), range(3)))
        once = server.dashscope.counts["generation"]
        later = ask(server, audio)
        assert once == server.dashscope.counts["generation"]
        ask(server, audio, stream="true")
        assert once < server.dashscope.counts["generation"]

    assert [WORDS] * 4 == [answer.json()["text"].split() for answer in (*together, later)]
    assert 6 <= once <= 12


def test_a_job_in_pieces_reports_its_progress(speech: Path) -> None:
    with running_server(Tones(), **KEPT) as server:
        server.fail(Rule("generation", Refuse(429, "Throttling", retry_after=0.1), nth=3, times=None))
        job = ask(server, speech.read_bytes(), background="true").json()["id"]
        address = f"{server.base_url}/audio/transcriptions/{job}"
        until(lambda: httpx2.get(address).json()["pieces_done"] == 2)
        state = httpx2.get(address).json()
        server.fail()
        until(lambda: httpx2.get(address).status_code == 200)

        assert WORDS == httpx2.get(address).json()["text"].split()
    assert "in_progress" == state["status"]
    assert 60 < state["seconds_done"] <= 120 < state["seconds_total"] < 320
    assert state["progress"] == pytest.approx(state["seconds_done"] / state["seconds_total"], abs=0.001)


def test_a_failed_piece_fails_the_request(server: RunningServer, speech: Path) -> None:
    server.fail(Rule("chat", Refuse(400, "DataInspectionFailed"), nth=3))

    with pytest.raises(openai.BadRequestError) as raised:
        server.client().audio.transcriptions.create(model="whisper-1", file=speech)

    assert "content_policy_violation" == raised.value.code


def test_short_files_do_not_wait_for_pieces(speech: Path, tmp_path: Path) -> None:
    short = make("wav", encode(SPOKEN[:3]), 16000, 1, tmp_path / "short.wav")
    with running_server(Tones(), long_road="pieces", piece_seconds=20.0, pieces_at_once=2) as server:
        server.fail(Rule("chat", Hang(), times=2))  # the first pieces get no response and take all slots for pieces
        over = threading.Event()
        asked = {"model": "whisper-1", "file": speech}
        long = threading.Thread(target=hang_up, args=(server.base_url, over.wait), kwargs=asked)
        long.start()
        server.counts.wait_for(lambda: server.counts["chat"] == 2)

        answer = server.client().audio.transcriptions.create(model="whisper-1", file=short)

        assert "amber basil cedar" == answer.text
        assert 3 == server.dashscope.counts["chat"]
        over.set()
        long.join()


def test_a_piece_without_words_is_not_an_error(tmp_path: Path) -> None:
    spoken = lay(["amber", "basil"], begin_ms=200_000)
    audio = make("flac", encode(spoken, length_ms=400_000), 16000, 1, tmp_path / "quiet.flac")
    with running_server(Tones(), long_road="pieces") as server:
        answer = server.client().audio.transcriptions.create(model="whisper-1", file=audio)

    assert "amber basil" == answer.text


def test_no_piece_is_left_on_disk(speech: Path, tmp_path: Path) -> None:
    with running_server(Tones(), long_road="pieces", spool=tmp_path) as server:
        server.client().audio.transcriptions.create(model="whisper-1", file=speech)

        assert [] == list(tmp_path.glob("*/*"))


def test_chinese_pieces_are_joined_without_spaces(tmp_path: Path) -> None:
    turns = [(Sentence(text=text, begin_ms=0, end_ms=900, language="zh"),) for text in ("你好。", "早上好。", "再见。")]
    audio = make("wav", silence(90, 8000), 8000, 1, tmp_path / "a.wav")
    with running_server(Scripted(*turns), long_road="pieces", piece_seconds=60.0, pieces_at_once=1) as server:
        answer = server.client().audio.transcriptions.create(
            model="whisper-1", file=audio, response_format="verbose_json"
        )

        assert isinstance(answer, TranscriptionVerbose)
        assert ("chinese", True) == (answer.language, answer.text.startswith("你好。早上好。再见。"))


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"readings": Readings(oss_for_filetrans=False)}, "json"),
    ({"rule": Rule("submit", FailTask("FILE_DOWNLOAD_FAILED"), times=None)}, "verbose_json"),
]


@pytest.mark.parametrize(("refusal", "form"), REFUSALS)
def test_a_file_that_cannot_be_fetched_is_sent_in_pieces_and_so_is_the_next_one(
    speech: Path,
    refusal: dict[str, Any],
    form: Any,  # noqa: ANN401 - the SDK's overloads
) -> None:
    with running_server(Tones(), readings=refusal.get("readings")) as server:
        server.fail(*([refusal["rule"]] if "rule" in refusal else []))
        for _ in range(2):
            raw = server.client().audio.transcriptions.with_raw_response.create(
                model="whisper-1", file=speech, response_format=form
            )
            assert WORDS == raw.parse().text.split()
            assert "pieces" == raw.headers["x-compat-road"]

        assert 1 == server.dashscope.counts["submit"]


def test_pieces_can_be_disabled_in_favour_of_file_tasks(speech: Path) -> None:
    with (
        running_server(Tones(), readings=Readings(oss_for_filetrans=False), long_road="filetrans") as server,
        pytest.raises(openai.InternalServerError, match="FILE_DOWNLOAD_FAILED"),
    ):
        server.client().audio.transcriptions.create(model="whisper-1", file=speech)


def test_transcripts_of_pieces_are_joined() -> None:
    request = Request(model="qwen3-asr-flash", surface="pieces", media=media(seconds=20))
    parts = [
        Transcript(
            text="Hello.",
            segments=(Segment(text="Hello.", start=0, end=9, language="en", emotion="happy"),),
            usage=Usage(seconds=9, audio_tokens=225, output_tokens=2),
            request_id="first",
        ),
        Transcript(text="", usage=Usage(seconds=1, audio_tokens=25, output_tokens=0), request_id="second"),
        Transcript(
            text="你好。",
            segments=(Segment(text="你好。", start=10, end=20, language="zh"),),
            usage=Usage(seconds=10, audio_tokens=250),
        ),
    ]

    whole = joined(parts, request)

    assert (spaced(["Hello.", "你好。"]), "zh", "happy", 20, "first") == (
        whole.text, whole.language, whole.emotion, whole.duration, whole.request_id,
    )  # fmt: skip
    assert Usage(seconds=20, audio_tokens=500) == whole.usage
    assert ["Hello.", "你好。"] == [segment.text for segment in whole.segments]
    assert "" == joined([], request).text
