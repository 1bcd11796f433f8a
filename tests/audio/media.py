"""Media files in every container, encoded from given PCM with FFmpeg."""

from __future__ import annotations

import array
import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


class Recipe(NamedTuple):
    suffix: str
    muxer: str
    codec: str
    options: Mapping[str, str] = MappingProxyType({})
    rate: int | None = None  # if the codec supports only one
    channels: int | None = None
    sound: bool = True
    picture: bool = False
    muxing: Mapping[str, str] = MappingProxyType({})
    samples: str | None = None  # format, if not the codec's first


RECIPES = {
    "wav": Recipe(".wav", "wav", "pcm_s16le"),
    "wav-24": Recipe(".wav", "wav", "pcm_s24le"),
    "wav-float": Recipe(".wav", "wav", "pcm_f32le"),
    "wav-ulaw": Recipe(".wav", "wav", "pcm_mulaw"),
    "wav-adpcm": Recipe(".wav", "wav", "adpcm_ms"),
    "rf64": Recipe(".wav", "wav", "pcm_s16le", muxing={"rf64": "always"}),
    "w64": Recipe(".w64", "w64", "pcm_s16le"),
    "aiff": Recipe(".aiff", "aiff", "pcm_s16be"),
    "mp3": Recipe(".mp3", "mp3", "libmp3lame", {"b": "64k"}),
    "mp3-vbr": Recipe(".mp3", "mp3", "libmp3lame", {"flags": "+qscale", "global_quality": "590"}),
    "mp3-vbr-bare": Recipe(
        ".mp3", "mp3", "libmp3lame", {"flags": "+qscale", "global_quality": "590"}, muxing={"write_xing": "0"}
    ),
    "mp3-bare": Recipe(".mp3", "mp3", "libmp3lame", {"b": "64k"}, muxing={"write_xing": "0", "id3v2_version": "0"}),
    "m4a": Recipe(".m4a", "ipod", "aac", {"b": "64k"}),
    "m4a-alac": Recipe(".m4a", "ipod", "alac"),
    "m4a-faststart": Recipe(".m4a", "ipod", "aac", {"b": "64k"}, muxing={"movflags": "faststart"}),
    "mp4-fragments": Recipe(".mp4", "mp4", "aac", {"b": "64k"}, muxing={"movflags": "frag_keyframe+empty_moov"}),
    "flac": Recipe(".flac", "flac", "flac"),
    "ogg": Recipe(".ogg", "ogg", "vorbis", {"strict": "experimental"}, channels=2),
    "opus": Recipe(".ogg", "ogg", "libopus", {"b": "32k"}, rate=48_000),
    "ogg-flac": Recipe(".oga", "ogg", "flac"),
    "webm": Recipe(".webm", "webm", "libopus", {"b": "32k"}, rate=48_000),
    "webm-live": Recipe(".webm", "webm", "libopus", {"b": "32k"}, rate=48_000, muxing={"live": "1"}),
    "mkv": Recipe(".mkv", "matroska", "flac"),
    "mp4": Recipe(".mp4", "mp4", "aac", {"b": "64k"}, picture=True),
    "mp4-video": Recipe(".mp4", "mp4", "aac", sound=False, picture=True),
    "aac": Recipe(".aac", "adts", "aac", {"b": "64k"}),
    "amr": Recipe(".amr", "amr", "libopencore_amrnb", {"b": "12200"}, rate=8000, channels=1),
    "wma": Recipe(".wma", "asf", "wmav2", {"b": "64k"}),
    "mpegts": Recipe(".ts", "mpegts", "aac", {"b": "64k"}),
}


def make(container: str, pcm: bytes, rate: int, channels: int, path: Path) -> Path:
    """Write s16le `pcm` to `path` in a container of RECIPES, resampled if the codec supports only one rate."""
    write(RECIPES[container], pcm, rate, channels, str(path))
    return path


def write(
    recipe: Recipe, pcm: bytes, rate: int, channels: int, target: str | BinaryIO, late: int = 0, silent: int = 0
) -> None:
    """Write s16le `pcm`. With video, the audio begins `late` seconds after it and ends `silent` seconds before it."""
    with av.open(target, "w", format=recipe.muxer, options=dict(recipe.muxing)) as output:
        video = _video(output) if recipe.picture else None
        audio = _audio(output, recipe, rate, channels) if recipe.sound else None
        if video is not None:
            _paint(output, video, late + silent + len(pcm) / 2 / channels / rate)
        if audio is not None:
            for frame in frames(pcm, rate, channels, audio):
                frame.pts = (frame.pts or 0) + late * audio.codec_context.sample_rate
                output.mux(audio.encode(frame))
            output.mux(audio.encode(None))


@functools.cache
def _sine(rate: int, hertz: float, level: float) -> list[int]:
    """Return the samples of a second."""
    return [round(32767 * level * math.sin(2 * math.pi * hertz * n / rate)) for n in range(rate)]


def tone(seconds: float, rate: int = 16_000, channels: int = 1, *, hertz: float = 440, level: float = 0.3) -> bytes:
    """Return a sine as s16le, the same on every channel."""
    period = _sine(rate, hertz, level)
    whole, rest = divmod(round(seconds * rate), rate)
    mono = array.array("h", period * whole + period[:rest])
    sound = array.array("h", bytes(2 * channels * len(mono)))
    for channel in range(channels):
        sound[channel::channels] = mono
    return sound.tobytes()


def silence(seconds: float, rate: int = 16_000, channels: int = 1) -> bytes:
    return bytes(2 * channels * round(seconds * rate))


def samples(path: Path, rate: int = 16_000) -> array.array[int]:
    """Return a file's audio as mono samples at `rate` Hz, decoded independently of the code under test."""
    decoded = array.array("h")
    resampler = AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(str(path)) as container:
        for frame in [*container.decode(audio=0), None]:
            for piece in resampler.resample(frame):
                decoded.frombytes(bytes(piece.planes[0])[: 2 * piece.samples])
    return decoded


def _audio(output: OutputContainer, recipe: Recipe, rate: int, channels: int) -> AudioStream:
    layout = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1"}[recipe.channels or channels]
    stream = output.add_stream(recipe.codec, rate=recipe.rate or rate, options=dict(recipe.options), layout=layout)
    assert isinstance(stream, AudioStream)
    if recipe.samples:
        stream.format = recipe.samples
    stream.codec_context.open()
    return stream


def frames(pcm: bytes, rate: int, channels: int, stream: AudioStream) -> Iterator[AudioFrame]:
    context = stream.codec_context
    fixed = 0 if "variable" in str(context.codec.capabilities) else context.frame_size
    resampler = AudioResampler(context.format, context.layout, context.sample_rate, frame_size=fixed or 1024)
    block = 2 * channels * 4800
    written = 0
    for frame in [*(_frame(pcm[at : at + block], rate, channels) for at in range(0, len(pcm), block)), None]:
        for piece in resampler.resample(frame):
            piece.pts, written = written, written + piece.samples
            yield piece


def _frame(pcm: bytes, rate: int, channels: int) -> AudioFrame:
    layout = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1"}[channels]
    frame = AudioFrame(format="s16", layout=layout, samples=len(pcm) // 2 // channels)
    frame.planes[0].update(pcm)
    frame.sample_rate = rate
    return frame


def _video(output: OutputContainer) -> VideoStream:
    stream = output.add_stream("mpeg4", rate=5)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    return stream


def _paint(output: OutputContainer, stream: VideoStream, seconds: float) -> None:
    for number in range(max(1, round(seconds * 5))):
        frame = VideoFrame(64, 48, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([number % 200]) * plane.buffer_size)
        frame.pts = number
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))
