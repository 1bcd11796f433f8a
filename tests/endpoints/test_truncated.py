"""Truncated files are reported on every road, and odd files are re-encoded before they are sent."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make
from tests.audio.odd import ID3V1, ODDITIES, id3, put
from tests.running import RunningServer, running_server
from tests.servers import serve

WORDS = lay(VOCABULARY[:12])
SPOKEN = [word.text for word in WORDS]
HEADER = "promised=3.640, decoded=1.803"
AUDIO = {"promised": 3.64, "decoded": 1.803}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("samples")
    names = ("wav", "mp3", "flac", "m4a", "ogg", "mp4")
    return {name: make(name, encode(WORDS), 16_000, 1, folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def half(samples: dict[str, bytes]) -> bytes:
    return ODDITIES["first half"](samples["mp3"])


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    hooks: dict[str, Any] = {"allow_http_webhooks": True, "allow_private_webhooks": True}
    with running_server(Tones(), webhook_secret=b"twenty-four random bytes", **hooks) as opened:
        yield opened


def post(server: RunningServer, content: bytes, path: str = "/audio/transcriptions", **fields: str) -> httpx2.Response:
    data = {"model": "whisper-1", **fields}
    return httpx2.post(f"{server.base_url}{path}", data=data, files={"file": ("a", content)}, timeout=30)


def extension(answer: httpx2.Response) -> Any:  # noqa: ANN401 - JSON
    return answer.json()["dashscope"].get("audio")


@pytest.mark.parametrize("form", ["json", "verbose_json", "diarized_json", "text", "srt", "vtt"])
def test_every_format_reports_a_truncated_file(server: RunningServer, half: bytes, form: str) -> None:
    answer = post(server, half, response_format=form)

    assert (200, HEADER) == (answer.status_code, answer.headers["x-compat-truncated"])
    assert "1.803" == answer.headers["x-compat-audio-seconds"]
    if form.endswith("json"):
        assert AUDIO == extension(answer)
        assert SPOKEN[:4] == answer.json()["text"].split()[:4]


def test_streams_translations_and_pieces_report_a_truncated_file(server: RunningServer, half: bytes) -> None:
    streamed = post(server, half, stream="true")
    done = msgspec.json.decode(streamed.text.strip().rpartition("data: ")[2])
    translated = post(server, half, "/audio/translations", response_format="verbose_json")
    with running_server(Tones(), long_road="pieces") as cutting:
        pieces = post(cutting, half, response_format="verbose_json")

    assert [HEADER] * 3 == [each.headers["x-compat-truncated"] for each in (streamed, translated, pieces)]
    assert [AUDIO] * 3 == [done["dashscope"]["audio"], extension(translated), extension(pieces)]
    assert "pieces" == pieces.headers["x-compat-road"]


def test_a_finished_job_reports_a_truncated_file(server: RunningServer, half: bytes) -> None:
    called: queue.Queue[bytes] = queue.Queue()

    async def done(request: Request) -> Response:
        called.put(await request.body())
        return Response(status_code=204)

    with serve(Starlette(routes=[Route("/", done, methods=["POST"])])) as root:
        wanted = {"background": "true", "webhook_url": root, "response_format": "verbose_json"}
        accepted = post(server, half, **wanted)
        job = msgspec.json.decode(called.get(timeout=20))["data"]["id"]
    answer = httpx2.get(f"{server.base_url}/audio/transcriptions/{job}")

    assert [HEADER] * 2 == [each.headers["x-compat-truncated"] for each in (accepted, answer)]
    assert ["1.803"] * 2 == [each.headers["x-compat-audio-seconds"] for each in (accepted, answer)]
    assert AUDIO == extension(answer)


def test_a_complete_file_has_no_truncation_header(server: RunningServer, samples: dict[str, bytes]) -> None:
    answer = post(server, samples["mp3"])

    assert "x-compat-truncated" not in answer.headers
    assert "3.640" == answer.headers["x-compat-audio-seconds"]
    assert "audio" not in answer.json()["dashscope"]


def test_a_web_page_may_read_the_header(half: bytes) -> None:
    with running_server(Tones(), cors_origins=("https://page.example",)) as server:
        answer = httpx2.post(
            f"{server.base_url}/audio/transcriptions",
            headers={"origin": "https://page.example"},
            data={"model": "whisper-1"},
            files={"file": ("a", half)},
        )

    assert "x-compat-truncated" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("name", "oddity", "sent"),
    [
        ("wav", "as written", "wav"),
        ("mp3", "as written", "mpeg"),
        ("mp3", "ID3v2 in front", "mpeg"),
        ("mp3", "ID3v1 behind", "mpeg"),
        ("flac", "as written", "flac"),
        ("m4a", "as written", "mp4"),
        ("ogg", "as written", "ogg"),
        ("wav", "APEv2 behind", "flac"),
        ("mp3", "APEv2 behind", "flac"),
        ("mp3", "junk in front", "flac"),
        ("mp3", "second half", "flac"),
        ("m4a", "ID3v1 behind", "flac"),
        ("ogg", "joined with itself", "flac"),
        ("ogg", "damaged", "flac"),
        ("mp4", "as written", "flac"),
    ],
)
def test_a_clean_file_is_sent_unchanged_and_an_odd_one_as_flac(
    server: RunningServer, samples: dict[str, bytes], name: str, oddity: str, sent: str
) -> None:
    answer = post(server, ODDITIES[oddity](samples[name]))

    assert 200 == answer.status_code
    assert f"data:audio/{sent}" == server.dashscope.requests[-1].audio


def test_a_wav_file_with_a_wrong_header_is_sent_as_flac(server: RunningServer, samples: dict[str, bytes]) -> None:
    for wave in (put(samples["wav"], b"fmt ", 16, "<H", 4), put(samples["wav"], b"data", 0, "<I", 0)):
        answer = post(server, id3() + wave + ID3V1)

        assert SPOKEN == answer.json()["text"].split()
        assert "data:audio/flac" == server.dashscope.requests[-1].audio


@pytest.mark.parametrize("road", ["auto", "pieces"])
def test_no_segment_ends_after_the_audio(tmp_path: Path, road: str) -> None:
    """The service rounds end times up."""
    sentences = (Sentence(text="hello there", begin_ms=200, end_ms=1080),)
    sound = make("wav", encode(WORDS)[: 2 * 16_000], 16_000, 1, tmp_path / "a").read_bytes()
    with running_server(Scripted(sentences), long_road=road) as server:
        answer = post(server, sound, response_format="verbose_json").json()

    assert answer["duration"] >= answer["segments"][-1]["end"]
    assert answer["duration"] == pytest.approx(1.0, abs=0.1)
