"""Runs every example as you would, against a server and the emulator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.emulator.livetranslate.talk import said
from tests.emulator.recordings import wav
from tests.polling import until
from tests.running import RunningServer, running_server
from tests.witnesses import free_port, installed, program

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
MODULES = ROOT / "tests" / "clients" / "node_modules"
ABSENT = ROOT / "tests" / "absent"
WORDS = VOCABULARY[:3]
SEPARATE = {"README.md", "fastapi_dictation.py", "whisper_to_this.diff", "microphone.py"}  # other tests run these
SEPARATE |= {"browser.html", "browser_webrtc.html", "browser_translate.html", "browser_translate_webrtc.html"}
SEPARATE |= {"translate_live.py", "open_weights.sh"}
COMMANDS = {".py": [sys.executable], ".sh": ["sh"], ".mjs": ["node"]}
SCRIPTS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_file() and path.name not in SEPARATE)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones(), job_retention=60.0, job_grace=60.0) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wav(tmp_path / "speech.wav", encode(lay(WORDS), rate=24_000), rate=24_000)
    return tmp_path


def environment(server: RunningServer) -> dict[str, str]:
    own = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "none-needed", "PYTHONPATH": str(ABSENT)}
    return {**os.environ, **own}


def run(server: RunningServer, folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(server), capture_output=True, text=True, timeout=60, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def heard(text: str) -> bool:
    return all(word in text.lower() for word in WORDS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_prints_or_writes_the_words(server: RunningServer, folder: Path, name: str) -> None:
    script = EXAMPLES / name
    if script.suffix == ".mjs":
        program("node", "https://nodejs.org")
        (folder / "node_modules").symlink_to(installed(MODULES, "the openai package for Node", "scripts/clients"))
        script = folder / name
        script.write_text((EXAMPLES / name).read_text())
    given = "." if name.startswith("folder") else "speech.wav"

    output = run(server, folder, *COMMANDS[script.suffix], str(script), given)

    assert heard((folder / "speech.srt").read_text() if name.startswith("folder") else output)


def test_words_are_printed_while_the_speech_is_sent(server: RunningServer, folder: Path) -> None:
    """A program that reads no events while it sends prints nothing before the end, and cannot answer pings."""
    wav(folder / "long.wav", encode(lay(WORDS), rate=24_000) + bytes(48_000 * 60), rate=24_000)
    command = [sys.executable, str(EXAMPLES / "realtime.py"), "long.wav"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(server), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        assert program.stdout is not None
        first = program.stdout.read(len(WORDS[0]))
        heard_by_then = server.dashscope.live.sessions[-1].audio_ms
        program.kill()

    assert (WORDS[0], True) == (first, heard_by_then < 60_000)


def test_the_voice_of_a_translation_is_written(server: RunningServer, folder: Path) -> None:
    assert f"[fr] {' '.join(WORDS)}" == run(
        server, folder, sys.executable, str(EXAMPLES / "translate_live.py"), "speech.wav", "fr"
    )
    with wave.open(str(folder / "speech.fr.wav")) as voice:
        assert (24_000, list(WORDS)) == (voice.getframerate(), said(voice.readframes(voice.getnframes())))


def test_a_server_runs_in_front_of_another_recogniser(server: RunningServer, folder: Path) -> None:
    port = free_port()
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PORT": str(port)}
    done = subprocess.run(
        ["sh", str(EXAMPLES / "open_weights.sh"), "speech.wav"],
        cwd=folder,
        env={**os.environ, **own, "COMPAT_ENGINE_URL": server.base_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert heard(done.stdout)
    until(lambda: "Stopping." in (folder / "server.log").read_text())


def test_two_recordings_with_one_name_get_separate_subtitles(server: RunningServer, folder: Path) -> None:
    (folder / "speech.mp3").write_bytes((folder / "speech.wav").read_bytes())

    run(server, folder, sys.executable, str(EXAMPLES / "folder_to_subtitles.py"), ".")

    assert ["speech.mp3.srt", "speech.wav.srt"] == sorted(path.name for path in folder.glob("*.srt"))


def test_the_diff_converts_a_whisper_script(server: RunningServer, folder: Path) -> None:
    lines = (EXAMPLES / "whisper_to_this.diff").read_text().splitlines()[3:]
    (folder / "captions.py").write_text("\n".join(line[1:] for line in lines if not line.startswith("-")))

    assert heard(run(server, folder, sys.executable, "captions.py", "speech.wav"))


SPOKEN = """
import pathlib, threading

sound = pathlib.Path("speech.pcm").read_bytes()

class RawInputStream:
    def __init__(self, rate, *, blocksize, channels, dtype, callback):
        assert (24_000, 1, "int16") == (rate, channels, dtype)
        self.callback, self.step = callback, 2 * blocksize
    def __enter__(self):
        threading.Thread(target=self.speak).start()
    def __exit__(self, *_): ...
    def speak(self):
        for at in range(0, len(sound), self.step):
            self.callback(memoryview(sound)[at:at + self.step], self.step // 2, None, None)
"""


def test_a_microphone_is_captioned(server: RunningServer, folder: Path) -> None:
    (folder / "sounddevice.py").write_text(SPOKEN)  # like PortAudio, it calls back from its own thread
    (folder / "speech.pcm").write_bytes(encode(lay(WORDS), rate=24_000) + bytes(48_000))
    command = [sys.executable, str(EXAMPLES / "microphone.py")]
    with subprocess.Popen(
        command, cwd=folder, env={**environment(server), "PYTHONPATH": "."}, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        output = program.stdout.readline()
        program.send_signal(signal.SIGINT)
        assert 0 == program.wait(timeout=30)

    assert heard(output)


def test_the_dictation_app_transcribes_and_rejects_bad_audio(server: RunningServer, folder: Path) -> None:
    port = str(free_port())
    command = [sys.executable, "-m", "uvicorn", "fastapi_dictation:app", "--app-dir", str(EXAMPLES), "--port", port]
    with subprocess.Popen(command, env=environment(server), stderr=subprocess.PIPE, text=True) as app:
        assert app.stderr is not None
        try:
            assert any("Uvicorn running on" in line for line in app.stderr)
            address = f"http://127.0.0.1:{port}/dictation"
            files = [{"recording": (folder / "speech.wav").read_bytes()}, {"recording": b"no sound"}]
            good, bad = (httpx2.post(address, files=file, timeout=30) for file in files)
        finally:
            app.terminate()

    assert heard(good.json()["text"])
    assert 400 == bad.status_code


def test_every_example_is_short_and_listed() -> None:
    files = {path.name: path.read_text() for path in EXAMPLES.iterdir() if path.is_file()}
    listed = files.pop("README.md")

    lengths = {name: len(text.splitlines()) for name, text in files.items()}

    assert [] == [name for name, length in lengths.items() if length > 45]
    assert [] == [name for name in files if f"[{name}]({name})" not in listed]
