"""The sounds of the probes, as files in a temporary folder: bundled speech, and silence of several lengths."""

from __future__ import annotations

import functools
import io
import wave
from pathlib import Path

import av
import msgspec

from compat.probes.probe import Sound
from compat.transcript import Media

RATE = 16_000
SPEECH = Path(__file__).with_name("speech.ogg")
SPOKEN = "The river was quiet, and seven small boats were waiting for the morning. Caitlin Smith opened the window."


class Shape(msgspec.Struct, frozen=True):
    """Silence: its length in seconds and its sample rate in Hz."""

    seconds: float
    rate: int = RATE


SILENCES = {"silence": Shape(2.0), "long": Shape(305.0, 8_000), "large": Shape(84.0, 48_000)}


class Sounds:
    """Creates files in `folder` when they are first needed. `speech` is 16 kHz mono PCM with the text `spoken`."""

    def __init__(self, folder: Path, speech: bytes, spoken: str) -> None:
        self.spoken = spoken
        self._folder = folder
        self._speech = speech

    def pcm(self, sound: Sound) -> bytes:
        shape = SILENCES.get(sound)
        return self._speech if shape is None else bytes(round(shape.seconds * shape.rate) * 2)

    def media(self, sound: Sound) -> Media:
        rate = SILENCES[sound].rate if sound in SILENCES else RATE
        pcm = self.pcm(sound)
        path = self._folder / f"{sound}.wav"
        if not path.exists():
            path.write_bytes(wav(pcm, rate))
        return Media(
            path=path,
            size=path.stat().st_size,
            container="wav",
            mime="audio/wav",
            suffix=".wav",
            duration=len(pcm) / 2 / rate,
            rate=rate,
            channels=1,
        )


def wav(pcm: bytes, rate: int) -> bytes:
    whole = io.BytesIO()
    with wave.open(whole, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return whole.getvalue()


@functools.cache
def speech() -> bytes:
    """Return the bundled speech as 16 kHz mono PCM."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    whole = bytearray()
    with av.open(str(SPEECH)) as container:
        for frame in [*container.decode(audio=0), None]:
            for resampled in resampler.resample(frame):
                whole += bytes(resampled.planes[0])[: resampled.samples * 2]
    return bytes(whole)
