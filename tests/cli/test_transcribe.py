"""`transcribe` against a server with the emulator behind it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import srt

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make
from tests.cli.command import call, run, words
from tests.running import RunningServer, running_server

WORDS = VOCABULARY[:3]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones()) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("one.wav", "two.mp3")):
        make(name.split(".")[1], encode(lay(VOCABULARY[number : number + 3])), 16000, 1, tmp_path / name)
    return tmp_path


def test_transcripts_are_written_beside_the_recordings_of_a_pattern(server: RunningServer, folder: Path) -> None:
    done = run(server, folder, "transcribe", "*.*")

    assert 0 == done.returncode, done.stderr
    assert list(VOCABULARY[:3]) == words((folder / "one.txt").read_text())
    assert list(VOCABULARY[1:4]) == words((folder / "two.txt").read_text())
    assert b"" == done.stdout


def test_existing_transcripts_are_kept_without_force(server: RunningServer, folder: Path) -> None:
    (folder / "one.srt").write_text("mine")

    first = call(server, folder, "transcribe", "one.wav", "two.mp3", "--format", "srt", "--json")
    kept = (folder / "one.srt").read_text()
    forced = call(server, folder, "transcribe", "one.wav", "--format", "srt", "--force", "--quiet")

    lines = {line["output"]: line["status"] for line in map(json.loads, first.stdout.splitlines())}
    assert {"one.srt": "exists", "two.srt": "done"} == lines
    assert ("mine", 0, b"", b"") == (kept, forced.returncode, forced.stdout, forced.stderr)
    assert list(WORDS) == words(" ".join(cue.content for cue in srt.parse((folder / "one.srt").read_text())))


@pytest.mark.parametrize("option", ["--max-words-per-line", "--max_words_per_line"])
@pytest.mark.parametrize("live", [(), ("--live", "--fast")])
def test_captions_have_the_requested_lines(
    server: RunningServer, folder: Path, option: str, live: tuple[str, ...]
) -> None:
    asked = ("--format", "srt", option, "1", "--max_line_count=2")
    done = call(server, folder, "transcribe", "one.wav", *asked, *live)

    cues = [cue.content.split("\n") for cue in srt.parse((folder / "one.srt").read_text())]
    assert 0 == done.returncode, done.stderr
    assert all(len(lines) <= 2 for lines in cues)
    assert [[word] for word in WORDS] == [words(line) for lines in cues for line in lines]


def test_a_recording_on_standard_input_is_transcribed_to_standard_output(server: RunningServer, folder: Path) -> None:
    done = run(server, folder, "transcribe", "-", given=(folder / "one.wav").read_bytes())

    assert (0, list(WORDS)) == (done.returncode, words(done.stdout.decode()))


def test_standard_input_is_named_as_such(server: RunningServer, folder: Path) -> None:
    whole = (folder / "one.wav").read_bytes()
    done = call(server, folder, "transcribe", "-", "-o", "to", "--json", given=whole)

    assert ("standard input", "to/stdin.txt") == tuple(json.loads(done.stdout)[name] for name in ("file", "output"))


def test_two_recordings_never_share_a_transcript(server: RunningServer, folder: Path) -> None:
    (folder / "one.mp3").write_bytes((folder / "two.mp3").read_bytes())

    done = call(server, folder, "transcribe", "one.wav", "one.mp3", "--out", "texts")

    assert 0 == done.returncode, done.stderr
    assert ["one.mp3.txt", "one.wav.txt"] == sorted(path.name for path in (folder / "texts").glob("*.txt"))


def test_speakers_are_named(server: RunningServer, folder: Path) -> None:
    done = call(server, folder, "transcribe", "one.wav", "--diarize", "--out", "-")

    assert (0, ["a:", *WORDS]) == (done.returncode, words(done.stdout.decode())), done.stderr


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI deprecates its own endpoint
def test_speech_is_translated_to_english(server: RunningServer, folder: Path) -> None:
    done = call(server, folder, "transcribe", "one.wav", "--to", "english", "--out", "-")

    assert 0 == done.returncode, done.stderr
    assert done.stdout.strip()


def test_a_failed_recording_does_not_stop_the_others(server: RunningServer, folder: Path) -> None:
    (folder / "bad.wav").write_bytes(b"no sound at all")

    done = call(server, folder, "transcribe", "bad.wav", "one.wav", "--json")

    assert 1 == done.returncode
    lines = {line["file"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert ("failed", "done") == (lines["bad.wav"]["status"], lines["one.wav"]["status"])
    assert lines["bad.wav"]["error"].startswith("400 invalid_audio: ")
    assert not (folder / "bad.txt").exists()


@pytest.mark.parametrize("options", [(), ("-f", "srt"), ("--live", "--fast")], ids=["text", "srt", "live"])
def test_the_length_is_what_could_be_decoded(server: RunningServer, folder: Path, options: tuple[str, ...]) -> None:
    whole = (folder / "one.wav").read_bytes()
    with wave.open(str(folder / "one.wav")) as file:
        seconds = file.getnframes() / file.getframerate()
        placeholder = whole.replace(struct.pack("<I", file.getnframes() * 2), struct.pack("<I", 2_000_000_000))
    (folder / "piped.wav").write_bytes(placeholder)
    (folder / "cut.wav").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "bad.wav").write_bytes(b"no sound at all")

    done = call(server, folder, "transcribe", *("one.wav", "piped.wav", "cut.wav", "bad.wav"), "--json", *options)

    lines = [line for line in map(json.loads, done.stdout.splitlines()) if "status" in line]
    measured = {line["file"]: line["seconds"] for line in lines}
    expected = {"one.wav": seconds, "piped.wav": seconds, "cut.wav": seconds * 2 / 3}
    assert measured.pop("bad.wav") is None
    assert pytest.approx(expected, abs=0.01) == measured


def test_a_truncated_recording_is_reported(server: RunningServer, folder: Path) -> None:
    whole = (folder / "one.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) * 2 // 3])
    read = json.loads(call(server, folder, "transcribe", "cut.wav", "--json").stdout)["truncated"]
    done = call(server, folder, "transcribe", "cut.wav", "--quiet", "--force")

    assert read["decoded"] == pytest.approx(read["promised"] * 2 / 3, abs=0.05)
    expected = f"cut.wav: {read['decoded']:.1f} of {read['promised']:.1f} s could be decoded\n"
    assert (0, expected) == (done.returncode, done.stderr.decode())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one.wav", "--diarize", "--to", "english"], b"--diarize and --to exclude each other."),
        (["one.wav", "--out", "film.txt"], b"--out must name a folder"),
        (["one.wav", "--diarize", "--format", "srt"], b"--format srt has no speakers"),
        (["one.wav", "--diarize", "--format", "json"], b"--format json has no speakers"),
        (["one.wav", "--to", "english", "--format", "diarized_json"], b"diarized_json and --to exclude each other."),
        (["one.wav", "--out", "-", "--json"], b"cannot share standard output"),
        (["one.wav", "--max-line-width", "30"], b"--max-line-width: requires --format srt or vtt."),
        (["one.wav", "--format", "srt", "--max_line_count", "0"], b"0 is not in the range 1<=x<=10."),
        (["one.wav", "--format", "doc"], b"'doc' is not one of"),
        (["one.wav", "-f", "json", "-f", "verbose_json"], b"json and verbose_json would be the same file: choose one."),
        (["one.wav", "-f", "all", "-o", "-"], b"Standard output takes one format"),
        (["one.wav", "-f", "diarized_json", "-f", "text"], b"diarized_json with others requires --diarize."),
        (["one.wav", "--stream", "-f", "srt"], b"--stream supports text only"),
        (["one.wav", "--stream", "--live"], b"--live supports text, srt, vtt, without"),
        (["one.wav", "--word-timestamps"], b"--word-timestamps: requires --format verbose_json, srt, vtt."),
        (["one.wav", "--timestamp-granularities", "word"], b"requires --format verbose_json."),
        (["one.wav", "-j", "0"], b"0 is not in the range 1<=x<=64."),
        (["one.wav", "--gpu", "0"], b"No such option"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(folder: Path, arguments: list[str], message: bytes) -> None:
    done = call(None, folder, "transcribe", *arguments)

    assert 2 == done.returncode
    assert message in done.stderr


def test_the_error_for_an_unreachable_server_says_what_to_do(folder: Path) -> None:
    done = call(None, folder, "transcribe", "one.wav", "--base-url", "http://127.0.0.1:9/v1")

    assert 1 == done.returncode
    assert b"start one with `qwen-asr-compat serve`, or use --local" in done.stderr


def test_transcribe_can_start_its_own_server(server: RunningServer, folder: Path) -> None:
    service = {
        "COMPAT_API_KEYS": "a-key-of-other-clients",
        "COMPAT_API_KEYS_FILE": str(folder / "no-such-file"),
        "DASHSCOPE_API_KEY": "any",
        "DASHSCOPE_BASE_URL": server.service,
        "XDG_STATE_HOME": str(folder / "state"),
    }

    done = run(None, folder, "transcribe", "one.wav", "--local", "--out", "-", more=service)

    assert (0, list(WORDS)) == (done.returncode, words(done.stdout.decode())), done.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", {"plain,transcribe", "plain,live"}),
        ("transcribe --f", {"plain,--format", "plain,--fast", "plain,--force"}),
        ("transcribe -f s", {"plain,srt"}),
        ("transcribe talks/t", {"file,talks/t"}),
        ("transcribe --out t", {"dir,t"}),
    ],
)
def test_shells_complete_commands_options_and_paths(typed: str, offered: set[str]) -> None:
    script = Path(sys.executable).with_name("qwen-asr-compat")
    words = f"qwen-asr-compat {typed}"
    asked = {"_QWEN_ASR_COMPAT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}

    done = subprocess.run([script], env={**os.environ, **asked}, capture_output=True, text=True, check=False)

    assert offered <= set(done.stdout.splitlines())


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
@pytest.mark.parametrize("live", [(), ("--live", "--fast")])
def test_a_name_that_is_not_utf_8_becomes_valid_json(
    server: RunningServer, folder: Path, live: tuple[str, ...]
) -> None:
    for name in (b"caf\xe9.wav", b"b\xe9\x85d.wav"):
        (folder / os.fsdecode(name)).write_bytes((folder / "one.wav").read_bytes() if name[0] == 99 else b"bad")

    done = call(server, folder, "transcribe", *map(os.fsdecode, (b"caf\xe9.wav", b"b\xe9\x85d.wav")), "--json", *live)

    lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert {"caf\N{REPLACEMENT CHARACTER}.wav", "b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}d.wav"} == {
        line["file"] for line in lines
    }
    assert list(WORDS) == words((folder / os.fsdecode(b"caf\xe9.txt")).read_text())


def test_names_are_valid_json_in_a_locale_without_utf_8(server: RunningServer, folder: Path) -> None:
    (folder / "ünï 中文.wav").write_bytes((folder / "one.wav").read_bytes())
    done = run(server, folder, "transcribe", "ünï 中文.wav", "--json", more={"PYTHONIOENCODING": "gbk"})

    assert (0, "ünï 中文.wav") == (done.returncode, msgspec.json.decode(done.stdout)["file"]), done.stderr
