"""Audio decoding for run-task: every format, in frames of any size."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat.emulator.engines.tones import Decoder
from compat.emulator.inference.decoding import AudioDecoder, decoder
from compat.emulator.inference.messages import TaskFailure
from compat.emulator.inference.parameters import FORMATS
from tests.audio.odd import speex
from tests.emulator.realtime.talk import spoken
from tests.emulator.recordings import encoded, wav

WORDS = ["amber", "river", "garnet"]
CODECS = {"mp3": "libmp3lame", "aac": "aac", "amr": "libopencore_amrnb", "opus": "libopus"}
SUFFIX = {"opus": "ogg", "aac": "aac"}


def pcm(decoding: AudioDecoder, audio: bytes, size: int) -> bytes:
    return b"".join(decoding.feed(audio[at : at + size]) for at in range(0, len(audio), size)) + decoding.flush()


def words(sound: bytes) -> list[str]:
    listener = Decoder()
    return [word.text for word in [*listener.feed(sound), *listener.flush()]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("formats")
    source = wav(folder / "a.wav", spoken(*WORDS))
    made = {"wav": source.read_bytes(), "pcm": spoken(*WORDS)}
    for name, codec in CODECS.items():
        path = folder / f"a.{SUFFIX.get(name, name)}"
        rates = {"rate": 8_000, "bit_rate": 12_200} if name == "amr" else {"rate": 16_000}
        made[name] = encoded(source, path, codec, **rates).read_bytes()
    return made


@pytest.mark.parametrize("size", [7, 1_920, 1_000_000])
@pytest.mark.parametrize("kind", ["pcm", "wav", *CODECS])
def test_every_format_is_decoded(files: dict[str, bytes], kind: str, size: int) -> None:
    decoded = pcm(decoder(kind, 16_000), files[kind], size)

    assert WORDS == words(decoded)
    assert len(spoken(*WORDS)) // 32 == pytest.approx(len(decoded) // 32, abs=150)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_every_sample_rate_is_resampled(rate: int, tmp_path: Path) -> None:
    sound = spoken(*WORDS, rate=rate)

    assert WORDS == words(pcm(decoder("pcm", rate), sound, 3_200))
    assert WORDS == words(pcm(decoder("wav", 16_000), wav(tmp_path / "a.wav", sound, rate=rate).read_bytes(), 3_200))


@pytest.mark.parametrize("size", [7, 1_000_000])
def test_speex_is_decoded(size: int) -> None:
    assert 32_000 == pytest.approx(len(pcm(decoder("speex", 16_000), speex(1.0), size)), abs=2_000)


@pytest.mark.parametrize("kind", ["wav", "opus", "speex", "amr"])
def test_a_wrong_format_is_refused(kind: str) -> None:
    with pytest.raises(TaskFailure) as failure:
        decoder(kind, 16_000).feed(b"\x01\x02" * 100)

    assert ("UNSUPPORTED_FORMAT", "Failed to decode audio") == (failure.value.code, failure.value.message)


@pytest.mark.parametrize("kind", ["mp3", "aac"])
def test_data_without_frames_decodes_to_nothing(kind: str) -> None:
    assert b"" == pcm(decoder(kind, 16_000), b"\x01\x02" * 1_000, 1_920)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_data_decodes_to_nothing(kind: str) -> None:
    assert b"" == pcm(decoder(kind, 16_000), b"", 1)


def test_stereo_is_refused(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", spoken("amber"), channels=2)

    with pytest.raises(TaskFailure):
        pcm(decoder("wav", 16_000), path.read_bytes(), 100)
