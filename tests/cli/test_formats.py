"""`transcribe` with several formats, the names of other command lines, streams, URLs and long recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from compat.cli.outputs import Wanted
from compat.cli.shapes import written
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.faults import Refuse, Rule
from compat.openai_api.jobs import NO_JOB
from tests.audio.media import make, silence
from tests.cli.command import call, command, environment, words
from tests.running import RunningServer, running_server
from tests.servers import serve
from tests.terminal import terminal

WORDS = [*VOCABULARY[:3]]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones(), long_road="pieces", piece_seconds=120.0, job_retention=0.0) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make("wav", encode(lay(WORDS)), 16000, 1, tmp_path / "one.wav")
    return tmp_path


def test_one_request_gives_all_formats(server: RunningServer, folder: Path) -> None:
    before = server.counts["chat"]
    done = call(server, folder, "transcribe", "one.wav", "-f", "all", "-o", "out")
    requests = server.counts["chat"] - before
    call(server, folder, "transcribe", "one.wav", "-f", "srt", "-o", "alone")

    assert (0, 1) == (done.returncode, requests), done.stderr
    assert b"out/one.txt (srt, vtt, tsv, json): done" in done.stderr
    assert WORDS == words((folder / "out/one.txt").read_text())
    assert (folder / "alone/one.srt").read_text() == (folder / "out/one.srt").read_text()
    assert (folder / "out/one.vtt").read_text().startswith("WEBVTT")
    assert "segments" in json.loads((folder / "out/one.json").read_text())
    head, line = (folder / "out/one.tsv").read_text().splitlines()
    assert ("start\tend\ttext", WORDS) == (head, words(line.split("\t")[2]))


@pytest.mark.parametrize("live", [(), ("--live", "--fast")])
def test_a_format_is_added_to_those_that_exist(server: RunningServer, folder: Path, live: tuple[str, ...]) -> None:
    (folder / "one.txt").write_text("mine")
    done = call(server, folder, "transcribe", "one.wav", "-f", "text", "-f", "srt", *live)

    assert (0, "mine") == (done.returncode, (folder / "one.txt").read_text())
    assert "-->" in (folder / "one.srt").read_text()


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI deprecates its own endpoint
def test_captions_of_a_translation_are_written_here(server: RunningServer, folder: Path) -> None:
    asked = ("-f", "srt", "-f", "vtt", "--max-words-per-line", "1")
    done = call(server, folder, "transcribe", "one.wav", "--translate", *asked)

    assert (0, b"one.srt (vtt): done\n") == (done.returncode, done.stderr)
    assert 3 <= (folder / "one.srt").read_text().count("-->")


NAMES = [
    ["--output_dir", "to", "--output_format", "SRT", "--word_timestamps", "True", "--max_line_width", "30"],
    ["--output_dir", "to", "--output_format", "srt", "--task", "transcribe", "--initial_prompt", "Words."],
    ["--output-dir", "to", "--response-format", "srt", "--word_timestamps", "False", "--temperature", "0"],
    ["-o", "to", "-f", "srt", "--prompt", "Words.", "--keyword", "amber", "--skip-existing", "-j", "1"],
]


@pytest.mark.parametrize("arguments", NAMES)
def test_options_have_whisper_s_and_openai_s_names(server: RunningServer, folder: Path, arguments: list[str]) -> None:
    done = call(server, folder, "transcribe", "one.wav", *arguments)

    assert 0 == done.returncode, done.stderr
    assert all(word in (folder / "to/one.srt").read_text().lower() for word in WORDS)


# All options of openai-whisper 20250625 (whisper/transcribe.py) but those above, each with a value of its type.
WHISPER = """
    --model turbo --model_dir /models --device cuda --output_format txt --verbose False --language English
    --best_of 5 --beam_size=5 --patience 1.0 --length_penalty -0.5 --suppress_tokens -1 --carry_initial_prompt True
    --condition_on_previous_text False --fp16 False --temperature_increment_on_fallback None
    --compression_ratio_threshold 2.4 --logprob_threshold -1.0 --no_speech_threshold 0.6 --prepend_punctuations ([
    --append_punctuations )] --highlight_words True --threads 4 --clip_timestamps 0,1 -o .
    --hallucination_silence_threshold 2
"""
TOOLKIT = "-c Words. -key sk-secret -j 2 -d 60 -t /tmp -srt -i"  # of qwen3-asr-toolkit 1.0.4


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (WHISPER, "--device, --threads have no effect: the server recognises the speech."),
        (WHISPER, "--fp16, --temperature_increment_on_fallback, "),
        ("--verbose --fp16=False", "--verbose has no effect: the text is printed with --stream or --out -."),
        ("--word_timestamps False --verbose", "--verbose has no effect: "),
        (TOOLKIT, "-key has no effect: the server has its own key; yours for the server is --api-key."),
        ("--save-srt --silence --input-file", ""),
    ],
)
def test_options_of_other_programs_without_effect_are_named(
    server: RunningServer, folder: Path, line: str, note: str
) -> None:
    done = call(server, folder, "transcribe", *line.split(), "one.wav")

    assert 0 == done.returncode, done.stderr
    assert note in done.stderr.decode().replace("\n", " ")
    assert b"sk-secret" not in done.stderr
    assert WORDS == words((folder / "one.txt").read_text())
    assert ("srt" in line) == (folder / "one.srt").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--timestamp-granularities", "word", "-f", "verbose_json"], ["--word-timestamps", "-f", "verbose_json"]],
)
def test_words_have_times_on_request(server: RunningServer, folder: Path, arguments: list[str]) -> None:
    call(server, folder, "transcribe", "one.wav", "-m", "qwen3-asr-flash-filetrans", *arguments)

    answer = json.loads((folder / "one.json").read_text())
    assert WORDS == words(" ".join(word["word"] for word in answer["words"]))
    assert ("segments" in answer) == ("--word-timestamps" in arguments)


def test_a_parameter_without_effect_is_named_once(server: RunningServer, folder: Path) -> None:
    (folder / "two.wav").write_bytes((folder / "one.wav").read_bytes())
    done = call(server, folder, "transcribe", ".", "--temperature", "0.5")

    assert 0 == done.returncode
    assert 1 == done.stderr.count(b"Without effect on this server: temperature\n")
    assert b"2 done; 0:02 of audio in 0:0" in done.stderr


def test_a_stream_reports_what_other_requests_do(server: RunningServer, folder: Path) -> None:
    whole = (folder / "one.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    done = call(server, folder, "transcribe", "cut.wav", "--stream", "--temperature", "0.5")

    assert b"Without effect on this server: temperature\n" in done.stderr
    assert b" s could be decoded\n" in done.stderr


def test_a_stream_is_printed_and_written(server: RunningServer, folder: Path) -> None:
    done = call(server, folder, "transcribe", "one.wav", "--stream")
    server.fail(Rule("chat", Refuse(400, "DataInspectionFailed")))
    failed = call(server, folder, "transcribe", "one.wav", "--stream", "--out", "-")

    assert (0, WORDS, WORDS) == (done.returncode, words(done.stdout.decode()), words((folder / "one.txt").read_text()))
    assert (1, b"") == (failed.returncode, failed.stdout)
    assert b"one.wav: 400 content_policy_violation: " in failed.stderr


def test_a_recording_at_a_url_is_downloaded(server: RunningServer, folder: Path) -> None:
    with serve(Starlette(routes=[Mount("/a", StaticFiles(directory=folder))])) as root:
        good, bad = f"{root}/a/one.wav?session=1", f"{root}/a/none.wav"
        done = call(server, folder, "transcribe", good, bad, "--json", "-o", "out")

    lines = {line["file"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert (1, "done", "out/one.txt") == (done.returncode, lines[good]["status"], lines[good]["output"])
    assert "The download failed with status 404." == lines[bad]["error"]
    assert WORDS == words((folder / "out/one.txt").read_text())


def test_the_progress_of_a_long_recording_is_shown(server: RunningServer, folder: Path) -> None:
    sound = encode(lay(WORDS)) + silence(150) + encode(lay(WORDS)) + silence(160)
    make("flac", sound, 16000, 1, folder / "long.flac")
    server.fail(Rule("chat", Refuse(429, "Throttling", retry_after=0.1), nth=2, times=None))
    with terminal(command("transcribe", "long.flac"), folder, environment(server), columns=100) as shell:
        shell.until("recognising 3")
        server.fail()
        shell.rest()

    assert (0, WORDS * 2) == (shell.status, words((folder / "long.txt").read_text()))


def test_a_recording_whose_job_was_lost_is_sent_again(folder: Path) -> None:
    """The server forgets its jobs between two requests, as one with jobs in memory that is restarted."""
    make("flac", silence(301), 16000, 1, folder / "long.flac")
    posts: list[bytes] = []

    async def create(request: Request) -> Response:
        posts.append(await request.body())
        job = {"id": "transcription_1-0", "object": "transcription.job", "status": "queued"}
        return JSONResponse(job, 202) if len(posts) == 1 else PlainTextResponse("amber")

    async def job(_: Request) -> Response:
        return JSONResponse({"error": {"message": f"{NO_JOB}.", "code": "not_found"}}, 404)

    path = "/v1/audio/transcriptions"
    with serve(Starlette(routes=[Route(path, create, methods=["POST"]), Route(f"{path}/{{id}}", job)])) as root:
        done = call(None, folder, "transcribe", "long.flac", "--base-url", f"{root}/v1")

    assert (0, "amber\n") == (done.returncode, (folder / "long.txt").read_text())
    assert [True, True] == [b"background" in post for post in posts]


BODY: dict[str, Any] = {
    "text": "One. Two.",
    "segments": [{"start": 0.0, "end": 1.0, "text": " One."}, {"start": 1.5, "end": 2.0, "text": " Two.\t"}],
}
SHAPES = [
    ("text", "One. Two."),
    ("json", '{"text": "One. Two."}'),
    ("tsv", "start\tend\ttext\n0\t1000\tOne.\n1500\t2000\tTwo."),
    ("verbose_json", json.dumps(BODY)),
]


@pytest.mark.parametrize(("shape", "expected"), SHAPES)
def test_formats_are_written_from_the_json_of_any_server(shape: str, expected: str) -> None:
    shapes = (shape, "srt")
    wanted = Wanted(shapes, None, None, diarize=False, translate=False, force=False, limits={"max_line_width": 20})
    first, captions = written(json.dumps(BODY), wanted)

    assert expected == first
    assert "00:00:00,000 --> 00:00:02,000\nOne. Two." in captions or "00:00:01,500 --> " in captions
