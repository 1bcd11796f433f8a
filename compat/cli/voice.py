"""Where the voice of a live translation goes: a loudspeaker, or a WAV file."""

from __future__ import annotations

import contextlib
import queue
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from compat.cli.sound import RATE, portaudio


class Loudspeaker:
    """Plays the voice. Leaving the context waits until all of it is played, except after an exception."""

    def __init__(self) -> None:
        sounddevice = portaudio("--voice", "--save-voice FILE.wav writes the voice to a file instead.")
        self._failure = sounddevice.PortAudioError
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._playing = threading.Thread(target=self._play, daemon=True)
        try:
            self._stream: Any = sounddevice.RawOutputStream(RATE, channels=1, dtype="int16")
        except self._failure as exc:
            raise click.ClickException(
                f"The loudspeaker cannot be opened ({exc}). --save-voice FILE.wav writes the voice to a file instead."
            ) from exc

    def say(self, pcm: bytes) -> None:
        self._said.put(pcm)

    def __enter__(self) -> Loudspeaker:
        self._playing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._said.put(b"")
        if kind is None:
            self._playing.join()

    def _play(self) -> None:
        with contextlib.suppress(self._failure), self._stream:  # e.g. unplugged: the text goes on
            while pcm := self._said.get():
                self._stream.write(pcm)


class WavFile:
    """Appends the voice to a WAV file, without pauses."""

    def __init__(self, file: wave.Wave_write) -> None:
        self._file = file

    def say(self, pcm: bytes) -> None:
        self._file.writeframes(pcm)


@contextlib.contextmanager
def saved(path: Path) -> Iterator[WavFile]:
    """Create the file, and remove it if there was no voice. Raises click.ClickException if it cannot be written."""
    try:
        raw = path.open("xb")
    except FileExistsError:
        raise click.ClickException(f"{path} already exists: name another file for --save-voice.") from None
    except OSError as exc:
        raise click.ClickException(f"{path} cannot be written: {exc.strerror}.") from exc
    with raw, wave.open(raw, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        try:
            yield WavFile(file)
        finally:
            if not file.tell():
                path.unlink(missing_ok=True)
