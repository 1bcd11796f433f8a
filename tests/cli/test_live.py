"""Captions of a file, of raw audio on standard input and of a microphone, with the emulator behind the server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import srt

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make
from tests.cli.command import call, command, environment, module, run, words
from tests.running import RunningServer, running_server
from tests.terminal import terminal

WORDS = list(VOCABULARY[:6])
PAUSE = bytes(2 * 24_000 * 3 // 2)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones()) as opened:
        yield opened


def speech(rate: int = 24_000) -> bytes:
    """Return two turns of three words with a pause between them."""
    first, second = (encode(lay(WORDS[at : at + 3]), rate=rate) for at in (0, 3))
    return first + PAUSE[: rate * 3] + second


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make("mp3", speech(), 24_000, 1, tmp_path / "talk.mp3")
    return tmp_path


def test_captions_of_a_recording_are_printed_and_written(server: RunningServer, folder: Path) -> None:
    done = run(server, folder, "transcribe", "talk.mp3", "--live", "--fast", "--format", "srt")

    assert 0 == done.returncode, done.stderr
    assert [WORDS[:3], WORDS[3:]] == [words(line) for line in done.stdout.decode().splitlines()]
    cues = list(srt.parse((folder / "talk.srt").read_text()))
    assert [WORDS[:3], WORDS[3:]] == [words(cue.content) for cue in cues]
    assert cues[0].end <= cues[1].start


def test_captions_on_standard_output_are_the_transcript(server: RunningServer, folder: Path) -> None:
    lines = call(server, folder, "transcribe", "talk.mp3", "--live", "--fast", "--quiet", "--out", "-")
    cues = call(server, folder, "transcribe", "talk.mp3", "--live", "--fast", "--format", "vtt", "--out", "-")

    assert WORDS == words(lines.stdout.decode())
    assert cues.stdout.startswith(b"WEBVTT\n\n00:00:00")
    assert (b"", 1) == (cues.stderr, cues.stdout.count(b"WEBVTT"))


def test_a_prompt_and_keywords_reach_the_session(server: RunningServer, folder: Path) -> None:
    given = ("--prompt", "Colours", "--keyword", "amber")
    for start in (("live",), ("transcribe", "--live", "--temperature", "0.5")):
        done = call(server, folder, *start, "talk.mp3", "--fast", *given)

        sent = json.dumps(server.dashscope.live.sessions[-1].updates[-1])
        assert (True, True) == ("Colours" in sent, "amber" in sent)
    assert b"--temperature has no effect: live speech has none.\n" in done.stderr


def test_json_prints_a_line_for_each_turn(server: RunningServer, folder: Path) -> None:
    done = call(server, folder, "transcribe", "talk.mp3", "--live", "--fast", "--json")
    again = call(server, folder, "transcribe", "talk.mp3", "--live", "--json")

    *turns, last = map(json.loads, done.stdout.splitlines())
    assert [WORDS[:3], WORDS[3:]] == [words(turn["text"]) for turn in turns]
    assert 0 <= turns[0]["start"] < turns[0]["end"] <= turns[1]["start"] < turns[1]["end"]
    assert ("talk.txt", "done") == (last["output"], last["status"])
    assert ["exists"] == [json.loads(line)["status"] for line in again.stdout.splitlines()]


def test_raw_audio_is_captioned(server: RunningServer, folder: Path) -> None:
    done = call(server, folder, "live", "-", "--json", given=speech() + b"\0")

    assert 0 == done.returncode, done.stderr
    assert WORDS == words(" ".join(json.loads(line)["text"] for line in done.stdout.splitlines()))


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac"])
def test_an_audio_file_is_refused_as_raw_audio(server: RunningServer, tmp_path: Path, kind: str) -> None:
    recording = make(kind, speech(), 24_000, 1, tmp_path / f"talk.{kind}").read_bytes()

    done = call(server, tmp_path, "live", "-", given=recording)

    assert (1, b"") == (done.returncode, done.stdout)
    assert f"Standard input is an audio file ({kind}), not raw audio" in done.stderr.decode()
    assert b"transcribe --live -" in done.stderr


def test_a_recording_is_captioned(server: RunningServer, folder: Path) -> None:
    done = call(server, folder, "live", "talk.mp3", "--fast", "--format", "json")

    assert 0 == done.returncode, done.stderr
    turns = [json.loads(line) for line in done.stdout.splitlines()]
    assert (WORDS, {"talk.mp3"}) == (words(" ".join(turn["text"] for turn in turns)), {turn["file"] for turn in turns})


def test_a_truncated_recording_is_reported(server: RunningServer, tmp_path: Path) -> None:
    whole = make("wav", speech(), 24_000, 1, tmp_path / "whole.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])

    done = [call(server, tmp_path, *start, "cut.wav", "--fast") for start in (("live",), ("transcribe", "--live"))]
    lines = call(server, tmp_path, "transcribe", "--live", "cut.wav", "--fast", "--force", "--json").stdout.splitlines()

    missing = json.loads(lines[-1])["truncated"]
    part = f"cut.wav: {missing['decoded']:.1f} of {missing['promised']:.1f} s could be decoded\n"
    assert [(0, True)] * 2 == [(each.returncode, part in each.stderr.decode()) for each in done]


def test_audio_without_speech_succeeds(server: RunningServer, folder: Path) -> None:
    silence, nothing = (call(server, folder, "live", "-", given=given) for given in (PAUSE, b""))

    assert [(0, b"", b"")] * 2 == [(done.returncode, done.stdout, done.stderr) for done in (silence, nothing)]


def test_standard_input_that_cannot_be_read_is_an_error(server: RunningServer, folder: Path) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command("live", "-")]
    done = subprocess.run(closed, env=environment(server), cwd=folder, capture_output=True, timeout=60, check=False)

    assert (1, b"", b"standard input: Bad file descriptor\n") == (done.returncode, done.stdout, done.stderr)


def test_ctrl_c_ends_the_audio_and_waits_for_the_last_words(server: RunningServer, folder: Path) -> None:
    with subprocess.Popen(
        command("live", "-"), cwd=folder, env=environment(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as live:
        assert live.stdin is not None
        assert live.stdout is not None
        live.stdin.write(speech() + bytes(1 << 16))  # the pipe holds as much, so the speech has been read
        live.stdin.flush()
        first = live.stdout.readline()
        live.send_signal(signal.SIGINT)
        rest = live.stdout.read()
        status = live.wait(timeout=30)

    assert (0, WORDS) == (status, words((first + rest).decode()))


def test_a_terminal_dims_tentative_words_and_keeps_final_turns(server: RunningServer, folder: Path) -> None:
    given = command("transcribe", "talk.mp3", "--live", "--fast")
    with terminal(given, folder, environment(server, {"NO_COLOR": ""}), columns=150) as shell:
        shown = [words(line) for line in shell.rest().splitlines()]

    assert re.search(rb"\x1b\[2m ?\w+", shell.raw)
    assert b"talk.mp3: 3 of 4 s" in shell.raw
    assert [WORDS[:3], WORDS[3:]] == shown[-3:-1]


def test_a_terminal_shows_errors_above_the_captions(server: RunningServer, folder: Path) -> None:
    (folder / "talk.pcm").write_bytes(speech())
    with (
        (folder / "talk.pcm").open("rb") as sound,
        terminal(command("live", "-", "--model", "no-such-model"), folder, environment(server), stdin=sound) as shell,
    ):
        shell.rest()

    assert 1 == shell.status
    assert shell.unwrapped().startswith("standard input: The model 'no-such-model' is not known here")


MICROPHONES = {
    "ImportError": "raise ImportError('No module named sounddevice')",
    "OSError": "raise OSError('PortAudio library not found')",
    "none": "class PortAudioError(Exception): ...\ndef RawInputStream(*_, **__): raise PortAudioError('no device -1')",
}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("ImportError", "pip install 'qwen-asr-compat[microphone]'"),
        ("OSError", "PortAudio library not found"),
        ("none", "The microphone cannot be opened (no device -1)"),
    ],
)
def test_the_error_for_a_missing_microphone_says_what_to_do(
    server: RunningServer, folder: Path, kind: str, message: str
) -> None:
    done = run(server, folder, "live", more=module(folder, "sounddevice", MICROPHONES[kind]))

    assert 1 == done.returncode
    assert message in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


PLAYED = """
class PortAudioError(Exception): ...

class RawInputStream:
    def __init__(self, rate, *, blocksize, device, channels, dtype, callback, finished_callback):
        assert (24000, 1, "int16", 3) == (rate, channels, dtype, device)
        self.callback, self.step, self.finished = callback, 2 * blocksize, finished_callback
    def play(self):
        for at in range(0, len(sound), self.step):
            self.callback(sound[at:at + self.step], self.step // 2, None, None)
        if pathlib.Path("unplugged").exists():
            self.finished()
    def __enter__(self):
        threading.Thread(target=self.play).start()
    def __exit__(self, *_): ...

import pathlib, threading
sound = memoryview(pathlib.Path("microphone.pcm").read_bytes())
"""


def test_a_microphone_is_captioned_until_ctrl_c(server: RunningServer, folder: Path) -> None:
    playing = module(folder, "sounddevice", PLAYED)  # calls the callback from another thread, as PortAudio does
    (folder / "microphone.pcm").write_bytes(speech())
    with subprocess.Popen(
        command("live", "--device", "3"), cwd=folder, env=environment(server, playing), stdout=subprocess.PIPE
    ) as live:
        assert live.stdout is not None
        first = live.stdout.readline()
        live.send_signal(signal.SIGINT)
        rest = live.stdout.read()
        status = live.wait(timeout=30)

    assert (0, WORDS) == (status, words((first + rest).decode()))


def test_a_microphone_that_stops_ends_the_command(server: RunningServer, folder: Path) -> None:
    playing = module(folder, "sounddevice", PLAYED)
    (folder / "microphone.pcm").write_bytes(speech())
    (folder / "unplugged").touch()

    done = run(server, folder, "live", "--device", "3", more=playing)

    assert (1, WORDS) == (done.returncode, words(done.stdout.decode()))
    assert b"The microphone has stopped" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transcribe", "talk.mp3", "--live", "--diarize"], "--live supports text, srt, vtt"),
        (["transcribe", "talk.mp3", "--live", "--format", "json"], "--live supports text, srt, vtt"),
        (["transcribe", "talk.mp3", "--fast"], "--fast requires --live."),
        (["live", "nothing.mp3"], "'nothing.mp3' does not exist"),
        (["live", "--fast"], "--fast requires a file."),
        (["live", "talk.mp3", "--save-voice", "voice.wav"], "--voice and --save-voice require --to."),
        (["live", "talk.mp3", "--to", "es", "--keyword", "amber"], "--keyword cannot be combined with --to."),
        (["live", "talk.mp3", "--to", ""], "'--to': It is empty."),
        (["live", "talk.mp3", "--format", "vtt"], "transcribe --live has it, for recordings"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(folder: Path, arguments: list[str], message: str) -> None:
    done = call(None, folder, *arguments)

    assert 2 == done.returncode
    assert message in done.stderr.decode()


def test_errors_of_audio_server_and_model_fail_the_command(server: RunningServer, folder: Path) -> None:
    (folder / "bad.wav").write_bytes(b"no sound at all")

    no_sound = call(server, folder, "transcribe", "bad.wav", "talk.mp3", "--live", "--fast")
    no_server = call(None, folder, "live", "-", "--base-url", "http://127.0.0.1:9/v1")
    no_model = call(server, folder, "live", "-", "--model", "no-such-model", given=speech())

    assert [1, 1, 1] == [done.returncode for done in (no_sound, no_server, no_model)]
    assert b"bad.wav: The file is text, not audio." in no_sound.stderr
    assert WORDS == words((folder / "talk.txt").read_text())
    assert not (folder / "bad.txt").exists()
    assert b"start one with `qwen-asr-compat serve`, or use --local" in no_server.stderr
    assert b"no-such-model" in no_model.stderr


@pytest.mark.parametrize("start", [("live",), ("transcribe", "--live", "--quiet", "--out", "-")])
@pytest.mark.parametrize("wrong", [("--model", "no-such-model"), ("--language", "klingon")])
def test_refused_settings_end_the_command(
    server: RunningServer, folder: Path, start: tuple[str, ...], wrong: tuple[str, ...]
) -> None:
    """The session would otherwise go on with other settings than those that were asked for."""
    done = call(server, folder, *start, "talk.mp3", "--fast", *wrong)

    assert (1, b"") == (done.returncode, done.stdout)
    assert wrong[1] in done.stderr.decode()


def test_words_of_an_incomplete_turn_are_kept(server: RunningServer, tmp_path: Path) -> None:
    make("wav", encode(lay(WORDS * 20), rate=24_000), 24_000, 1, tmp_path / "talk.wav")
    with terminal(command("live", "talk.wav"), tmp_path, environment(server)) as shell:
        shell.until(WORDS[3])  # by then the first is no longer tentative
        shell.signal(signal.SIGTERM)
        shown = shell.rest()

    assert (143, True) == (shell.status, shown.startswith(WORDS[0]))


def test_live_can_start_its_own_server(server: RunningServer, folder: Path) -> None:
    service = {
        "DASHSCOPE_API_KEY": "any",
        "DASHSCOPE_BASE_URL": server.service,
        "XDG_STATE_HOME": str(folder / "state"),
    }

    done = run(None, folder, "live", "-", "--local", given=speech(), more=service)

    assert (0, WORDS) == (done.returncode, words(done.stdout.decode())), done.stderr


def test_a_refused_key_fails_the_session(folder: Path) -> None:
    with running_server(Tones(), api_keys=frozenset({"a-key"})) as guarded:
        refused = call(guarded, folder, "live", "-", given=speech())
        taken = call(guarded, folder, "live", "-", given=speech(), more={"OPENAI_API_KEY": "a-key"})

    assert 1 == refused.returncode
    assert b"401 invalid_api_key: " in refused.stderr
    assert (0, WORDS) == (taken.returncode, words(taken.stdout.decode()))
