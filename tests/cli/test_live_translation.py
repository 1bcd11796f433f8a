"""`live --to`: live translation in the terminal, with the emulator behind the server."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from click import ClickException
from openai import AsyncOpenAI

from compat.cli import sound
from compat.cli.interpreting import Languages, interpret
from compat.cli.translated import LONG, Subtitled
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make
from tests.cli.command import call, command, environment, module, run, words
from tests.emulator.livetranslate.talk import said
from tests.running import RunningServer, running_server
from tests.terminal import terminal

WORDS = list(VOCABULARY[:4])
SPEECH = encode(lay(WORDS), rate=24_000) + bytes(48_000)
TRANSLATED = ["[es]", *WORDS]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones()) as opened:
        yield opened


def test_the_translation_is_printed_alone(server: RunningServer, tmp_path: Path) -> None:
    done = call(server, tmp_path, "live", "-", "--to", "Spanish", given=SPEECH)

    assert (0, b"") == (done.returncode, done.stderr)
    assert TRANSLATED == words(done.stdout.decode())


@pytest.mark.parametrize("options", [["--json"], ["--format", "json", "--from", "en"]])
def test_json_lines_have_the_source_and_its_translation(
    server: RunningServer, tmp_path: Path, options: list[str]
) -> None:
    recording = make("flac", SPEECH, 24_000, 1, tmp_path / "talk.flac")

    done = call(server, tmp_path, "live", str(recording.name), "--to", "es", "--fast", *options)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (0, {"talk.flac"}) == (done.returncode, {line["file"] for line in lines})
    assert {"source": WORDS, "translation": TRANSLATED} == {
        kind: words(" ".join(line["text"] for line in lines if line["kind"] == kind))
        for kind in ("source", "translation")
    }


def test_a_terminal_shows_the_source_and_below_it_the_translation(server: RunningServer, tmp_path: Path) -> None:
    make("flac", SPEECH, 24_000, 1, tmp_path / "talk.flac")
    given = command("live", "talk.flac", "--to", "es", "--fast")
    with terminal(given, tmp_path, environment(server, {"NO_COLOR": ""}), columns=150) as shell:
        shown = [words(line) for line in shell.rest().splitlines()]

    assert (0, [WORDS, TRANSLATED]) == (shell.status, shown[:2])
    assert re.search(rb"\x1b\[36m" + WORDS[0].encode(), shell.raw)
    assert re.search(rb"\x1b\[32m\[es\]", shell.raw)
    assert re.search(rb"\x1b\[2;32m\[es\]", shell.raw)  # while it is incomplete


def test_the_voice_is_written_to_a_file(server: RunningServer, tmp_path: Path) -> None:
    given = ["live", "-", "--to", "es", "--save-voice", "voice.wav"]

    done, again = (call(server, tmp_path, *given, given=SPEECH) for _ in range(2))

    assert (0, TRANSLATED) == (done.returncode, words(done.stdout.decode()))
    with wave.open(str(tmp_path / "voice.wav")) as file:
        assert (1, 2, 24_000) == (file.getnchannels(), file.getsampwidth(), file.getframerate())
        assert WORDS == said(file.readframes(file.getnframes()))
    assert (1, "voice.wav already exists: name another file for --save-voice.") == (
        again.returncode,
        again.stderr.decode().strip().removeprefix("Error: "),
    )


LOUDSPEAKER = """
class PortAudioError(Exception): ...

class RawOutputStream:
    def __init__(self, rate, *, channels, dtype):
        assert (24000, 1, "int16") == (rate, channels, dtype)
    def __enter__(self):
        self.file = open("played.pcm", "wb")
    def __exit__(self, *_):
        self.file.close()
    def write(self, pcm):
        self.file.write(pcm)
"""


def test_the_voice_is_played_to_its_end(server: RunningServer, tmp_path: Path) -> None:
    playing = module(tmp_path, "sounddevice", LOUDSPEAKER)

    done = run(server, tmp_path, "live", "-", "--to", "es", "--voice", given=SPEECH, more=playing)

    assert (0, TRANSLATED) == (done.returncode, words(done.stdout.decode())), done.stderr
    assert WORDS == said((tmp_path / "played.pcm").read_bytes())


def test_ctrl_c_ends_the_audio_and_waits_for_the_last_words(server: RunningServer, tmp_path: Path) -> None:
    with subprocess.Popen(
        command("live", "-", "--to", "es", "--json"),
        cwd=tmp_path,
        env=environment(server),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as live:
        assert live.stdin is not None
        assert live.stdout is not None
        live.stdin.write(SPEECH)
        live.stdin.flush()
        first = live.stdout.readline()
        live.send_signal(signal.SIGINT)
        lines = [json.loads(line) for line in [first, *live.stdout.readlines()]]
        status = live.wait(timeout=30)

    assert (0, TRANSLATED) == (
        status,
        words(" ".join(line["text"] for line in lines if line["kind"] == "translation")),
    )


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--to", "tlh"], 1, "does not translate into 'tlh'"),
        (["--to", "es", "--model", "no-such-model"], 1, "no-such-model"),
        (["--to", "es", "--format", "srt"], 2, "A live translation has no times"),
        (["--to", "es", "--save-voice", "voice.mp3"], 2, "name it voice.wav"),
        (["--to", "es", "--save-voice", "nowhere/voice.wav"], 1, "nowhere/voice.wav cannot be written"),
    ],
)
def test_impossible_options_are_refused_in_a_sentence(
    server: RunningServer, tmp_path: Path, options: list[str], status: int, message: str
) -> None:
    done = call(server, tmp_path, "live", "-", *options, given=SPEECH)

    assert (status, b"") == (done.returncode, done.stdout)
    assert message in done.stderr.decode()


def test_a_language_without_a_voice_is_named(server: RunningServer, tmp_path: Path) -> None:
    done = call(server, tmp_path, "live", "-", "--to", "af", "--save-voice", "voice.wav", given=SPEECH)

    assert (0, "There is no voice for af, only text.\n") == (done.returncode, done.stderr.decode())
    assert ["[af]", *WORDS] == words(done.stdout.decode())
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("deltas", "longest"),
    [
        (["[es]", *[f" {word}" for word in VOCABULARY * 30]], LONG + 8),
        (["[es] ", *[f"{word} " for word in VOCABULARY * 30]], LONG + 8),
        ([*" ".join(VOCABULARY * 30)], LONG + 8),
        (["สวัสดีครับ", "ทุกคน"] * 100, LONG + 10),
        ([*"กำลังพูดอยู่นี่เอง" * 30], LONG + 2),
        ([*"今天我们继续说下去" * 60], LONG),
    ],
)
async def test_a_text_without_sentences_becomes_lines_of_whole_words(
    capsys: pytest.CaptureFixture[str], deltas: list[str], longest: int
) -> None:
    shown = Subtitled()
    for delta in deltas:
        shown.translation(delta)
    before = capsys.readouterr().out
    shown.end()
    lines = (before + capsys.readouterr().out).splitlines()

    text = "".join(deltas)
    assert len(before.splitlines()) > 2
    assert all(LONG - 10 <= len(line) <= longest for line in before.splitlines())
    assert (" " if " " in text else "").join(lines) == text.strip()


async def test_an_old_openai_package_is_named() -> None:
    """It has no such sessions."""
    old = cast("AsyncOpenAI", SimpleNamespace(realtime=SimpleNamespace()))

    with pytest.raises(ClickException, match=r"--to needs openai 3\.34 or newer"):
        await interpret(old, sound.microphone(asyncio.Queue(), None), "any", Languages("es"), Subtitled(), (), print)
