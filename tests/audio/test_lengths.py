"""Durations stated in headers: used only if they cover the whole audio and were known when written. Rare containers are
detected by their headers."""

from __future__ import annotations

import random
import struct
from itertools import accumulate, pairwise
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame

from compat.audio import decode
from compat.audio.probe import header, measure
from compat.transcript import Media
from tests.audio.media import Recipe, frames, silence, tone, write
from tests.audio.odd import CONTAINERS, checked, put, written

SECONDS = 6.0
SHIFTED = ["mkv", "mkv-aac", "webm", "flv", "ogg", "opus", "ogg-flac", "m4a", "wma", "mpegts"]
RARE = {
    "sox": Recipe(".sox", "sox", "pcm_s32le"),
    "ircam": Recipe(".sf", "ircam", "pcm_s16le"),
    "ast": Recipe(".ast", "ast", "pcm_s16be_planar"),
    "nut": Recipe(".nut", "nut", "pcm_s16le"),
    "rm": Recipe(".rm", "rm", "ac3", {"b": "96k"}, rate=44_100),
    "wtv": Recipe(".wtv", "wtv", "ac3", {"b": "96k"}, rate=48_000),
}
SPHERE = (
    b"NIST_1A\n   1024\nsample_count -i %d\nsample_n_bytes -i 2\nchannel_count -i 1\nsample_byte_format -s2 01\n"
    b"sample_rate -i 16000\nsample_coding -s3 pcm\nend_head\n"
)


def made(recipe: Recipe, folder: Path, seconds: float = SECONDS, rate: int = 16_000) -> bytes:
    write(recipe, tone(seconds, rate), rate, 1, str(folder / "made"))
    return (folder / "made").read_bytes()


def probed(data: bytes, folder: Path) -> Media:
    path = folder / "a"
    path.write_bytes(data)
    return header(path) or measure(path)


@pytest.mark.parametrize("name", SHIFTED)
@pytest.mark.parametrize("offset", ["3", "200"])
def test_a_late_start_of_the_timestamps_does_not_shorten_the_audio(tmp_path: Path, name: str, offset: str) -> None:
    recipe = CONTAINERS[name]
    recipe = recipe._replace(muxing={**recipe.muxing, "output_ts_offset": offset})
    media = probed(made(recipe, tmp_path), tmp_path)

    assert media.duration == pytest.approx(SECONDS, abs=0.2)
    assert media.promised is None


@pytest.mark.parametrize("name", ["avi", "ogg-flac", "opus"])
def test_a_late_start_does_not_shorten_long_audio(tmp_path: Path, name: str) -> None:
    recipe = CONTAINERS[name]
    write(recipe, silence(70, rate := recipe.rate or 16_000), rate, 1, str(tmp_path / "late"), late=7)
    media = probed((tmp_path / "late").read_bytes(), tmp_path)

    assert media.duration == pytest.approx(70, abs=0.2)
    assert media.promised is None


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "libmp3lame"])
@pytest.mark.parametrize("pace", [1, 8000, 16_000, 1 << 30])
@pytest.mark.parametrize("keep", [1.0, 0.6])
def test_the_stated_duration_of_compressed_wav_follows_from_its_bytes(
    tmp_path: Path, codec: str, pace: int, keep: float
) -> None:
    """The byte rate in the header is only approximate, so it is not used."""
    data = put(made(Recipe(".wav", "wav", codec), tmp_path, 16.0, 8000), b"fmt ", 12, "<I", pace)
    media = probed(data[: int(len(data) * keep)], tmp_path)

    assert media.duration == pytest.approx(keep * 16, abs=0.2)
    assert media.promised == (None if keep == 1 else pytest.approx(16, abs=0.3))


@pytest.mark.parametrize("seconds", [6, 70])
@pytest.mark.parametrize("missing", [1, 3])
def test_fragments_from_the_middle_of_a_stream_count_as_complete(tmp_path: Path, seconds: int, missing: int) -> None:
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"}
    data = made(CONTAINERS["mp4-fragments"]._replace(muxing=options), tmp_path, seconds)
    parts = data.split(b"moof")
    edges = list(accumulate(len(part) + 4 for part in parts))
    media = probed(data[: edges[0] - 8] + data[edges[missing] - 8 :], tmp_path)

    assert media.duration == pytest.approx(seconds - missing, abs=0.1)
    assert media.promised is None


@pytest.mark.parametrize("name", ["wav", "rf64", "w64", "aiff", "au", "caf"])
def test_a_truncated_pcm_file_reports_its_stated_duration(tmp_path: Path, name: str) -> None:
    data = written(name, tone(SECONDS), 16_000, tmp_path)
    media = probed(data[: len(data) // 2], tmp_path)

    assert media.duration == pytest.approx(SECONDS / 2, abs=0.01)
    assert media.promised == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_a_truncated_dsf_reports_its_stated_duration(tmp_path: Path, keep: float) -> None:
    rate, size = 2_822_400, 4096 * 172  # two seconds
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate, 1, 8 * size, 4096, 0)
    data = form + struct.pack("<4sQ", b"data", 12 + size) + b"\x69" * size
    whole = struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(data), 0) + data
    media = probed(whole[: int(len(whole) * keep)], tmp_path)

    assert media.duration == pytest.approx(2 * keep, abs=0.02)
    assert media.promised == (None if keep == 1 else pytest.approx(2, abs=0.01))


@pytest.mark.parametrize("keep", [0.4, 0.7])
def test_a_truncated_avi_reports_its_stated_duration(tmp_path: Path, keep: float) -> None:
    data = made(CONTAINERS["avi"], tmp_path)
    media = probed(data[: int(len(data) * keep)], tmp_path)

    assert media.promised == pytest.approx(SECONDS, abs=0.2)


@pytest.mark.parametrize("name", ["mkv", "ogg", "opus", "wma"])
def test_a_truncated_file_with_a_late_start_reports_its_stated_duration(tmp_path: Path, name: str) -> None:
    recipe = CONTAINERS[name]
    recipe = recipe._replace(muxing={**recipe.muxing, "output_ts_offset": "30"})
    data = made(recipe, tmp_path)
    media = probed(data[: len(data) * 6 // 10], tmp_path)

    assert 1 < media.duration < 5
    assert media.promised == (None if "ogg" in CONTAINERS[name].muxer else pytest.approx(SECONDS, abs=0.2))


@pytest.mark.parametrize("rates", [(64, 192), (192, 64), (64, 64)])
@pytest.mark.parametrize("hertz", [(16_000, 16_000), (22_050, 44_100), (44_100, 22_050)])
def test_the_first_header_of_concatenated_mp3s_states_no_duration_for_all(
    tmp_path: Path, rates: tuple[int, int], hertz: tuple[int, int]
) -> None:
    parts = [
        made(Recipe(".mp3", "mp3", "libmp3lame", {"b": f"{rate}k"}), tmp_path, 3.0, each)
        for rate, each in zip(rates, hertz, strict=True)
    ]
    media = probed(b"".join(parts), tmp_path)

    assert media.duration == pytest.approx(SECONDS, abs=0.3)
    assert media.promised is None
    assert not media.clean


@pytest.mark.parametrize("frames", [0x3F800000, 0x7F000000, 0x7FFFFFFF])
def test_an_aiff_from_a_pipe_states_no_duration(tmp_path: Path, frames: int) -> None:
    data = put(made(CONTAINERS["aiff"], tmp_path), b"COMM", 6, ">I", frames)
    media = probed(put(data, b"SSND", 0, ">I", 0x7F000008), tmp_path)

    assert media.duration == pytest.approx(SECONDS, abs=0.01)
    assert (media.promised, media.clean) == (None, False)


def chunk(name: bytes, body: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}4sI", name, len(body)) + body + bytes(len(body) % 2)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("width", "channels"), [(1, 1), (2, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("cuts", [(600,), (300, 900), (606, 612)])
def test_every_data_chunk_of_a_wav_is_decoded(
    tmp_path: Path, order: str, width: int, channels: int, cuts: tuple[int, ...]
) -> None:
    """Several chunks decode to the same samples as one, whatever lies between them."""
    block = width * channels
    pcm = random.Random(3).randbytes(16_000 * block)  # noqa: S311 - no secret
    form = struct.pack(f"{order}HHIIHH", 1, channels, 16_000, 16_000 * block, block, 8 * width)
    edges = [0, *(cut * block for cut in cuts), len(pcm)]
    pieces = [chunk(b"data", pcm[begin:end], order) for begin, end in pairwise(edges)]
    decoded = []
    for number, data in enumerate((chunk(b"data", pcm, order), chunk(b"LIST", b"odd", order).join(pieces))):
        path = tmp_path / str(number)
        body = b"WAVE" + chunk(b"fmt ", form, order) + data
        path.write_bytes(struct.pack(f"{order}4sI", b"RIFF" if order == "<" else b"RIFX", len(body)) + body)
        decoded.append(b"".join(decode.pcm(path)))
        media = probed(path.read_bytes(), tmp_path)
        assert (1.0, None) == (media.duration, media.promised)

    assert not media.clean
    assert decoded[0] == decoded[1]


@pytest.mark.parametrize("name", RARE)
def test_rare_containers_are_decoded(tmp_path: Path, name: str) -> None:
    media = probed(made(RARE[name], tmp_path), tmp_path)

    assert media.container == name
    assert media.duration == pytest.approx(SECONDS, abs=0.1)
    assert not media.clean  # must be re-encoded


def test_camcorder_dv_is_decoded(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.dv"), "w", format="dv") as output:
        pictures, sound = output.add_stream("dvvideo", rate=25), output.add_stream("pcm_s16le", 48_000, layout="stereo")
        pictures.width, pictures.height, pictures.pix_fmt = 720, 576, "yuv420p"
        sound.codec_context.open()
        for frame in frames(tone(1, 48_000, 2), 48_000, 2, sound):
            output.mux(sound.encode(frame))
        for number in range(25):
            picture = VideoFrame(720, 576, "yuv420p")
            picture.pts = number
            output.mux(pictures.encode(picture))
        output.mux(pictures.encode(None))
    media = measure(tmp_path / "a.dv")

    assert ("dv", 1.0, None) == (media.container, media.duration, media.promised)


def test_nist_sphere_is_decoded(tmp_path: Path) -> None:
    pcm = tone(SECONDS)
    media = probed((SPHERE % (len(pcm) // 2)).ljust(1024) + pcm, tmp_path)

    assert ("nistsphere", SECONDS, False) == (media.container, media.duration, media.clean)


@pytest.mark.parametrize("seconds", [6, 70])
@pytest.mark.parametrize("name", ["m4a-faststart", "m4a-alac", "mov"])
def test_an_mp4_that_ends_in_zeros_reports_its_stated_duration(tmp_path: Path, name: str, seconds: int) -> None:
    """An incomplete download into preallocated space ends in zeros."""
    recipe = CONTAINERS[name]._replace(muxing={"movflags": "faststart"})
    write(recipe, random.Random(1).randbytes(32_000 * seconds), 16_000, 1, str(tmp_path / "whole"))  # noqa: S311
    data = (tmp_path / "whole").read_bytes()
    media = probed(data[: len(data) // 2].ljust(len(data), b"\0"), tmp_path)

    assert media.duration == pytest.approx(seconds / 2, rel=0.1)
    assert media.promised == pytest.approx(seconds, abs=0.2)


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_a_short_last_packet_is_not_reported_as_missing(tmp_path: Path, rate: int) -> None:
    """FFmpeg 5 writes the last packet of an ALAC CAF as if it had the full length."""
    data = made(Recipe(".caf", "caf", "alac"), tmp_path, 2.6, rate)
    packets = struct.unpack_from(">q", data, data.index(b"pakt") + 12)[0]
    media = probed(put(data, b"pakt", 16, ">qii", 4096 * packets, 0, 0), tmp_path)

    assert media.duration == pytest.approx(2.6, abs=0.01)
    assert media.promised is None


@pytest.mark.parametrize("skip", [312, 48_000])
def test_skipped_opus_samples_are_not_reported_as_missing(tmp_path: Path, skip: int) -> None:
    """RFC 7845 §4.2: a large pre-skip crops the audio."""
    data = made(CONTAINERS["opus"], tmp_path, 2.6)
    end = data.index(b"OggS", 1)
    media = probed(checked(put(data[:end], b"OpusHead", 2, "<H", skip)) + data[end:], tmp_path)

    assert media.duration == pytest.approx(2.6 - skip / 48_000, abs=0.03)
    assert media.promised is None
