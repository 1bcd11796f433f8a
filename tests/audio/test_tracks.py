"""The choice of the audio track, and samples of any width, rate and number of channels."""

from __future__ import annotations

import array
import struct
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from compat.audio.decode import pcm
from compat.audio.fit import fit
from compat.audio.pieces import split
from compat.audio.probe import header, measure
from compat.emulator import sound
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.errors import BadAudio
from tests.audio.media import frames
from tests.audio.odd import put

RATE = 48_000
WORDS = lay(VOCABULARY[:6])
SAID = [word.text for word in WORDS]
SPEECH, OTHER = encode(WORDS, rate=RATE), encode(lay(VOCABULARY[6:12]), rate=RATE)
SILENCE = bytes(len(SPEECH))
DEFAULT, NONE = Disposition.default, Disposition(0)


def heard(path: Path, read: Callable[[Path], object] = pcm) -> list[str]:
    blocks = read(path)
    return [word.text for sentence in Tones().recognise(blocks) for word in sentence.words]  # type: ignore[arg-type]


def recorded(
    path: Path, muxer: str, codec: str, sounds: list[bytes], default: int | None = None, *, cover: bool = False
) -> Path:
    """Write a file with several audio tracks, one marked as the default, and optionally a cover picture."""
    with av.open(str(path), "w", format=muxer) as output:
        tracks = []
        for number in range(len(sounds)):
            stream = output.add_stream(codec, rate=RATE, layout="mono")
            assert isinstance(stream, AudioStream)
            stream.codec_context.open()
            if default is not None:
                stream.disposition = DEFAULT if number == default else NONE
            tracks.append(stream)
        if cover:
            _paint(output.add_stream("mjpeg", rate=1), output)
        laid = [list(frames(sound, RATE, 1, stream)) for sound, stream in zip(sounds, tracks, strict=True)]
        for number in range(max(map(len, laid))):
            for stream, parts in zip(tracks, laid, strict=True):
                output.mux(stream.encode(parts[number]))
        for stream in tracks:
            output.mux(stream.encode(None))
    return path


def _paint(stream: VideoStream, output: av.container.OutputContainer) -> None:
    stream.width = stream.height = 32
    stream.pix_fmt, stream.disposition = "yuvj420p", Disposition.attached_pic
    picture = VideoFrame(32, 32, "yuvj420p")
    picture.pts = 0
    output.mux([*stream.encode(picture), *stream.encode(None)])


@pytest.mark.parametrize(
    ("muxer", "codec"), [("mp4", "aac"), ("mov", "aac"), ("matroska", "libopus"), ("webm", "libopus")]
)
@pytest.mark.parametrize(("sounds", "default"), [([SILENCE, SPEECH], 1), ([SPEECH, OTHER], 0), ([OTHER, SPEECH], 1)])
def test_the_default_track_is_used_everywhere(
    tmp_path: Path, muxer: str, codec: str, sounds: list[bytes], default: int
) -> None:
    path = recorded(tmp_path / "a", muxer, codec, sounds, default)
    media = measure(path)
    sent = fit(media, tmp_path / "b", max_bytes=1 << 20)
    pieces = list(split(path, tmp_path, longest=60))

    assert not media.clean
    assert SAID == heard(path) == heard(sent.path) == heard(pieces[0].media.path) == heard(path, sound.read)
    assert sound.duration(path) == pytest.approx(media.duration, abs=0.1)


@pytest.mark.parametrize(("muxer", "codec"), [("mpegts", "aac"), ("avi", "libmp3lame"), ("ogg", "libopus")])
def test_without_a_default_track_ffmpegs_choice_is_used_everywhere(tmp_path: Path, muxer: str, codec: str) -> None:
    path = recorded(tmp_path / "a", muxer, codec, [SPEECH, OTHER])

    assert not measure(path).clean
    assert heard(path) == heard(path, sound.read)
    assert heard(path) in (SAID, list(VOCABULARY[6:12]))


@pytest.mark.parametrize(("muxer", "codec"), [("mp3", "libmp3lame"), ("flac", "flac")])
def test_a_cover_picture_does_not_count_as_video(tmp_path: Path, muxer: str, codec: str) -> None:
    path = recorded(tmp_path / "a", muxer, codec, [SPEECH], cover=True)
    media = header(path)

    assert media is not None
    assert media.clean
    assert measure(path).clean
    assert SAID == heard(path)


SCALES: dict[tuple[str, int], Callable[[int], float]] = {
    ("B", 1): lambda sample: (sample >> 8) + 128,
    ("h", 1): lambda sample: sample,
    ("i", 1): lambda sample: sample << 16,
    ("q", 1): lambda sample: sample << 48,
    ("f", 3): lambda sample: sample / 32768,
    ("d", 3): lambda sample: sample / 32768,
}


def wav(pcm: bytes, kind: str, *, rate: int = 16_000, channels: int = 1, tag: int = 1) -> bytes:
    """Return a WAV with 16-bit samples converted to another width, the same on all channels."""
    scale = SCALES[kind, tag]
    data = array.array(kind, [scale(sample) for sample in array.array("h", pcm) for _ in range(channels)])
    width, body = data.itemsize, data.tobytes()
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, 8 * width)
    size = struct.pack("<I", len(body))
    return b"RIFF" + struct.pack("<I", 36 + len(body)) + b"WAVEfmt \x10\0\0\0" + form + b"data" + size + body


@pytest.mark.parametrize(("kind", "tag", "clean"), [(*kind, kind not in (("q", 1), ("d", 3))) for kind in SCALES])
def test_any_width(tmp_path: Path, kind: str, tag: int, clean: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(wav(encode(WORDS), kind, tag=tag))

    assert (1.96, clean) == (measure(path).duration, measure(path).clean)
    assert SAID == heard(path)


@pytest.mark.parametrize(
    ("rate", "clean"), [(7350, False), (11_025, True), (96_000, True), (192_000, True), (384_000, False)]
)
def test_any_rate(tmp_path: Path, rate: int, clean: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(wav(encode(WORDS, rate=rate), "h", rate=rate))
    media = header(path)

    assert media is not None
    assert (rate, clean) == (media.rate, media.clean)
    assert media.duration == pytest.approx(1.96, abs=0.001)
    assert SAID == heard(path)


@pytest.mark.parametrize(
    ("channels", "clean"), [(2, True), (3, False), (8, False), (12, False), (24, False), (64, False)]
)
def test_any_number_of_channels(tmp_path: Path, channels: int, clean: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(wav(encode(WORDS), "h", channels=channels))

    assert (channels, 1.96, clean) == (measure(path).channels, measure(path).duration, measure(path).clean)
    assert SAID == heard(path)


@pytest.mark.parametrize(("samples", "seconds"), [(1, 1 / 16_000), (16_000, 1.0)])
def test_silence_counts_as_audio(tmp_path: Path, samples: int, seconds: float) -> None:
    path = tmp_path / "a"
    path.write_bytes(wav(bytes(2 * samples), "h"))

    assert seconds == measure(path).duration == header(path).duration  # type: ignore[union-attr]


@pytest.mark.parametrize("rest", [b"", b"LIST\x04\0\0\0INFO"])
def test_a_file_without_samples_is_rejected(tmp_path: Path, rest: bytes) -> None:
    (tmp_path / "a").write_bytes(wav(b"", "h") + rest)

    with pytest.raises(BadAudio, match="contains no audio"):
        header(tmp_path / "a")


@pytest.mark.parametrize(("begin", "length", "words"), [(0, 1960, 6), (0, 1000, 3), (560, 1000, 4), (1120, 840, 3)])
def test_an_edit_list_determines_what_is_played(tmp_path: Path, begin: int, length: int, words: int) -> None:
    """Times are in milliseconds; the encoder delay of 1,024 samples comes first."""
    whole = recorded(tmp_path / "whole", "ipod", "aac", [SPEECH]).read_bytes()
    path = tmp_path / "a"
    path.write_bytes(put(whole, b"elst", 8, ">Ii", length, begin * 48 + 1024))
    media = header(path) or measure(path)

    assert (begin, length) == (0, 1960) or not media.clean
    assert media.duration == pytest.approx(length / 1000, abs=0.1)
    assert sound.duration(path) == pytest.approx(length / 1000, abs=0.1)
    assert words - 1 <= len(heard(path)) <= words


@pytest.mark.parametrize("empty", [0, 1])
def test_a_default_track_without_samples_is_replaced_by_the_next(tmp_path: Path, empty: int) -> None:
    sounds = [SPEECH, SPEECH]
    path = recorded(tmp_path / "a", "matroska", "libopus", sounds, empty)
    with av.open(str(path)) as whole, av.open(str(tmp_path / "b"), "w", format="matroska") as output:
        tracks = {stream.index: output.add_stream_from_template(stream) for stream in whole.streams.audio}
        for stream in whole.streams.audio:
            tracks[stream.index].disposition = DEFAULT if stream.index == empty else NONE
        for packet in whole.demux():
            if packet.stream_index != empty and packet.dts is not None:
                packet.stream = tracks[packet.stream_index]
                output.mux(packet)

    assert SAID == heard(tmp_path / "b")
    assert measure(tmp_path / "b").duration == pytest.approx(1.96, abs=0.1)


def test_a_default_track_in_an_unknown_codec_is_replaced_by_the_next(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a", "matroska", "libopus", [OTHER, SPEECH], 0)
    path.write_bytes(path.read_bytes().replace(b"A_OPUS", b"A_ZZZZ", 1))

    assert SAID == heard(path)


@pytest.mark.parametrize(("codec", "clean"), [("wavpack", False), ("tta", False), ("flac", True), ("libmp3lame", True)])
def test_a_rare_codec_in_a_common_container_is_re_encoded(tmp_path: Path, codec: str, clean: bool) -> None:
    assert measure(recorded(tmp_path / "a", "matroska", codec, [SPEECH])).clean is clean
