"""Re-encoding: same audio, fewer bytes."""

from __future__ import annotations

import array
import math
from pathlib import Path

import pytest

from compat.audio.fit import fit
from compat.audio.probe import measure
from compat.errors import BadAudio
from tests.audio.media import RECIPES, make, samples, silence, tone


def loudness(pcm: array.array[int]) -> float:
    return math.sqrt(sum(sample * sample for sample in pcm) / len(pcm)) if pcm else 0.0


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.sound])
def test_every_container_is_re_encoded_to_flac(tmp_path: Path, name: str) -> None:
    rate = 8000 if name == "amr" else 48_000
    media = measure(make(name, silence(1, rate) + tone(2, rate) + silence(1, rate), rate, 1, tmp_path / "a"))
    fitted = fit(media, tmp_path / "b", max_bytes=1 << 20)
    decoded = samples(fitted.path)

    assert ("flac", "audio/flac", ".flac", 16_000, 1) == (
        fitted.container, fitted.mime, fitted.suffix, fitted.rate, fitted.channels,
    )  # fmt: skip
    assert measure(tmp_path / "b") == fitted
    assert fitted.duration == pytest.approx(4.0, abs=0.15)
    assert loudness(decoded[18_000:46_000]) == pytest.approx(0.3 * 32767 / math.sqrt(2), rel=0.35)
    assert loudness(decoded[:14_000]) < 300


@pytest.mark.parametrize(("max_bytes", "container"), [(200_000, "flac"), (60_000, "ogg"), (20_000, "ogg")])
def test_opus_is_used_if_flac_is_too_large(tmp_path: Path, max_bytes: int, container: str) -> None:
    pcm = array.array("h", (round(9000 * math.sin(n * n / 3e5)) for n in range(16_000 * 12))).tobytes()
    media = measure(make("wav", pcm, 16_000, 1, tmp_path / "a"))
    fitted = fit(media, tmp_path / "b", max_bytes=max_bytes)

    assert container == fitted.container
    assert fitted.size == (tmp_path / "b").stat().st_size <= max_bytes
    assert fitted.duration == pytest.approx(12.0, abs=0.01)
    assert measure(tmp_path / "b").container == container
    assert loudness(samples(tmp_path / "b")) == pytest.approx(9000 / math.sqrt(2), rel=0.2)


def test_audio_too_long_for_the_limit_is_rejected(tmp_path: Path) -> None:
    media = measure(make("wav", tone(20), 16_000, 1, tmp_path / "a"))

    with pytest.raises(BadAudio, match="too long to fit into 5000 bytes"):
        fit(media, tmp_path / "b", max_bytes=5000)


@pytest.mark.parametrize("channels", [2, 4, 6])
@pytest.mark.parametrize("channel", [0, 1, 3])
def test_every_channel_is_mixed_in(tmp_path: Path, channels: int, channel: int) -> None:
    pcm = array.array("h", bytes(2 * channels * 48_000))
    pcm[channel % channels :: channels] = array.array("h", tone(1, 48_000))
    media = measure(make("wav", pcm.tobytes(), 48_000, channels, tmp_path / "a"))
    decoded = samples(fit(media, tmp_path / "b", max_bytes=1 << 20).path)

    assert loudness(decoded) > 500
    assert 32_767 > max(decoded)


def test_full_scale_on_both_channels_does_not_clip(tmp_path: Path) -> None:
    media = measure(make("wav", tone(1, 44_100, 2, level=0.99), 44_100, 2, tmp_path / "a"))

    assert loudness(samples(fit(media, tmp_path / "b", max_bytes=1 << 20).path)) == pytest.approx(22_900, rel=0.02)


def test_damage_in_the_middle_is_skipped(tmp_path: Path) -> None:
    path = make("mp3", tone(6), 16_000, 1, tmp_path / "a")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 1500] = b"\x55" * 1500
    path.write_bytes(data)

    assert fit(measure(path), tmp_path / "b", max_bytes=1 << 20).duration == pytest.approx(6.0, abs=0.5)


def test_a_file_that_is_not_audio_is_rejected(tmp_path: Path) -> None:
    media = measure(make("wav", tone(1), 16_000, 1, tmp_path / "a"))
    media.path.write_bytes(b"no audio at all")

    with pytest.raises(BadAudio):
        fit(media, tmp_path / "b", max_bytes=1 << 20)
