"""Decoding of untrusted media to 16-bit PCM with FFmpeg's libraries. For the worker process only.

FFmpeg's playlist demuxers open any file or address that the playlist names, so formats and protocols are restricted.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Generator, Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple, cast

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from compat.audio import fragments, joins, mp4, sniff, structure, wav
from compat.audio.clock import Clock, Position, films
from compat.audio.formats import FORMATS
from compat.audio.mistaken import HEAD, MANGLED, mistaken
from compat.audio.mix import Mixer, s16
from compat.audio.sniff import ByteSpan, Container
from compat.audio.wav import Wave, wave
from compat.errors import NO_SPACE, BadAudio, DiskFull

av.logging.set_level(None)

_UNLISTED = ("mpeg", "mpegts")  # no track list: an audio track that begins late needs a longer probe
_FARTHER = {"analyzeduration": "600000000", "probesize": "67108864"}  # microseconds and bytes of that probe
_FAILURES = 10_000  # consecutive packets that fail to decode before reading stops
_STOPS = 20  # demuxer failures before reading stops
_LINKS = 1000  # links of a chained Ogg file, at most
NOTHING = "The file's audio track is empty or cannot be decoded."
ENCRYPTED = "The file's audio is encrypted (DRM), and cannot be decoded without its key."
_HEADERS = {sniff.WAV: wave, sniff.AIFF: wav.aiff, sniff.W64: wav.w64, sniff.CAF: wav.caf}
_PAUSES = {
    "amrnb": (8, 15),
    "amrwb": (9, 14, 15),
}  # frame types without speech (RFC 4867 §4.3.2, 3GPP TS 26.101, 26.201)
_UNKNOWN = (
    "The file is not audio in a known format: convert it to WAV or FLAC first. If it is raw PCM, it has no header that "
    "says how to read it: wrap it, with ffmpeg -f s16le -ar 16000 -ac 1 -i in.pcm out.wav."
)


class Place(NamedTuple):
    """The part of a file that FFmpeg reads. `whole` tells whether the audio begins and ends where every decoder expects
    it. `wave` is the parsed header of a WAV file or a relative of it. `mended` is what to read in place of damaged
    boxes, by offset."""

    span: ByteSpan
    whole: bool
    wave: Wave | None = None
    mended: Mapping[int, bytes] = MappingProxyType({})


class Track:
    """The audio track that is transcribed: FFmpeg's default stream. After the track was read, `damaged` tells whether a
    part could not be decoded, `lost` is the seconds of it that silence replaces, and `skipped` is the sum, in seconds,
    of timestamp jumps that do not count as silence."""

    def __init__(self, path: Path, container: InputContainer, stream: AudioStream, place: Place) -> None:
        self.path = path
        self.container = container
        self.stream = stream
        self.place = place
        self.damaged = False
        self.lost = 0.0
        self.skipped = 0.0

    @property
    def alone(self) -> bool:
        """Return whether the file has no other audio and no video. Cover pictures, subtitles and data do not count."""
        return len(self.container.streams.audio) == 1 and not films(self.container)

    def kind(self, path: Path) -> tuple[Container, bool]:
        """Return the container, and whether it starts at the beginning of the file."""
        with path.open("rb") as file:
            file.seek(self.place.span.start)
            head = file.read(512)
        if self.place.wave is not None:
            return sniff.container_of(head) or sniff.WAV, self.place.whole
        container = sniff.demuxed(self.container.format.name, head)
        return container, self.place.whole and sniff.container_of(head) is container

    def clock(self) -> Clock:
        return Clock(self.container, self.stream)

    def links(self) -> list[int]:
        """Return the offsets of the parts that are complete files: Ogg links or concatenated files."""
        find = joins.links if self.container.format.name == "ogg" else joins.joined
        with self.path.open("rb") as file:
            return list(islice(find(file, self.place.span), _LINKS))

    def packets(self) -> Iterator[Packet[AudioStream]]:
        """Yield all packets. The links of a chained Ogg file and concatenated files are opened one by one, because
        FFmpeg either reads only the first or fails if the next has another codec, rate or number of channels."""
        links = self.links()
        if len(links) < 2:
            yield from self.own_packets()
        for begin, end in pairwise([*links, self.place.span.end] if len(links) > 1 else []):
            try:
                track = _linked(self.path, self.place.span._replace(start=begin, end=end))
            except (av.FFmpegError, BadAudio):
                self.damaged = True
                continue
            with track.container:
                yield from track.own_packets()
            self.damaged = self.damaged or track.damaged

    def own_packets(self) -> Iterator[Packet[AudioStream]]:
        """Yield the packets of this container alone, as far as its demuxer can resume after damage."""
        for _ in range(_STOPS):
            try:
                yield from self.container.demux(self.stream)
            except (av.FFmpegError, IndexError):  # PyAV raises the latter at the end, if streams appeared late
                self.damaged = True
            else:
                return

    def frames(self) -> Iterator[tuple[AudioFrame, float]]:
        """Yield decoded frames, each with the seconds of silence to insert before it for a pause in the recording.
        Damaged packets are skipped. Raises BadAudio after 13 hours."""
        clock, failures, position, alone = self.clock(), 0, self._position(), self.alone
        stream = self.stream
        for packet in self.packets():
            if packet.stream is not stream:
                stream = packet.stream
                clock.restart(cast("InputContainer", stream.container), stream)
            self.damaged = self.damaged or packet.is_corrupt
            if position.jumps(packet) and alone:
                clock.note_loss()
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                if pause(packet):
                    clock.holes = True
                    yield (silent := _silent(packet)), clock.feed(packet.pts, silent.samples / silent.sample_rate)
                    continue
                self.damaged, failures = True, failures + 1
                clock.note_loss()
                if failures > _FAILURES:
                    return
                continue
            failures = 0 if decoded else failures
            most = position.lost(packet) if decoded else 0.0
            for frame in decoded:
                if frame.sample_rate and frame.samples:
                    yield frame, clock.feed(frame.pts, frame.samples / frame.sample_rate, most)
                    self.lost = clock.lost
        self.damaged, self.skipped = self.damaged or clock.holes, clock.skipped

    def _position(self) -> Position:
        """Return the position at the start, with the bytes per second that the header states."""
        length = float((self.stream.duration or 0) * (self.stream.time_base or 0))
        length = length or (self.container.duration or 0) / av.time_base
        place, missing = self.place.span, 0
        if self.container.format.name.startswith("matroska"):
            with self.path.open("rb") as file:
                missing = max(0, (structure.segment_end(file, place) or 0) - place.end)
        return Position((place.end - place.start + missing) / length if length > 0 else 0.0, missing)


def pause(packet: Packet[AudioStream]) -> bool:
    """Return whether an AMR packet marks silence (DTX). It is as long as any other, but FFmpeg cannot decode it."""
    types = _PAUSES.get(packet.stream.codec_context.codec.name, ())
    head = bytes(packet)[0] if packet.size else 0xFF
    return head & 0x83 == 0 and head >> 3 in types


def _silent(packet: Packet[AudioStream]) -> AudioFrame:
    codec = packet.stream.codec_context
    frame = AudioFrame(codec.format.name, codec.layout.name, codec.sample_rate // 50)
    frame.sample_rate = codec.sample_rate
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Track]:
    """Open a file's audio track, wherever in the file it starts. Raises BadAudio if there is none."""
    with translate_full_disk():
        try:
            track = _open(path)
        except av.FFmpegError as exc:
            raise BadAudio(_reason(path)) from exc
        except BadAudio as exc:
            raise BadAudio(ENCRYPTED if _encrypted(path) else exc.message) from exc
    if track.container.format.name.startswith("mov,") and _encrypted(path):
        track.container.close()
        raise BadAudio(ENCRYPTED)
    with track.container:
        yield track


def _reason(path: Path) -> str:
    """Return the error message for a file that FFmpeg cannot open."""
    with path.open("rb") as file:
        container, place = sniff.sniff(file, path.stat().st_size)
        file.seek(0)
        mistake = mistaken(file.read(HEAD))
        if container is None or mistake == MANGLED:
            return mistake or _UNKNOWN
        indexed = container not in (sniff.M4A, sniff.MP4, sniff.MOV) or mp4.indexed(file, place)
    return (None if indexed else mistake) or "The file is damaged or truncated: " + (
        "no audio in it can be decoded."
        if indexed
        else "its index (moov) is missing, and MP4 cannot be read without it."
    )


def _encrypted(path: Path) -> bool:
    with path.open("rb") as file:
        _, place = sniff.sniff(file, path.stat().st_size)
        return mp4.encrypted(file, place)


@contextlib.contextmanager
def translate_full_disk() -> Iterator[None]:
    """Raise DiskFull in place of FFmpeg's error for a full disk."""
    try:
        yield
    except av.FFmpegError as exc:
        if exc.errno in NO_SPACE:
            raise DiskFull("The disk is full.") from exc
        raise


def _open(path: Path) -> Track:
    """Open the track between the tags, or else after any junk that precedes it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place = _place(file, sniff.span(file, size), whole=True)
        try:
            return _track(path, place)
        except (av.FFmpegError, BadAudio):
            first = list(islice(joins.joined(file, place.span), 2))
            if len(first) == 2:  # FFmpeg reads into the second one
                return _track(path, place, first[1])
            start = sniff.buried(file, place.span.start + 1, place.span.end)
            if start is None:
                raise
            buried = _place(file, place.span._replace(start=start), whole=False)
    return _track(path, buried)


def _linked(path: Path, span: ByteSpan) -> Track:
    with path.open("rb") as file:
        place = _place(file, span, whole=False)
    return _track(path, place)


def _place(file: BinaryIO, span: ByteSpan, *, whole: bool) -> Place:
    file.seek(span.start)
    container = sniff.container_of(file.read(64))
    read = _HEADERS.get(container) if container else None
    header = read(file, span.start, span.end) if read else None
    exact = header.exact if header else container is not sniff.WAV
    mended = fragments.mended(file, span) if container in (sniff.M4A, sniff.MP4, sniff.MOV) else {}
    return Place(span, whole and span.usual and exact and not mended, header, mended)


def _track(path: Path, place: Place, end: int | None = None) -> Track:
    """Open the audio of a place, or what precedes `end`."""
    options = {"protocol_whitelist": "file,subfile"}
    demuxer, start, end = None, place.span.start, end or place.span.end
    if place.wave is not None:
        end = place.wave.data + place.wave.present
        if place.wave.coding is None:  # FFmpeg parses the header of compressed audio, but not beyond `end`
            options["ignore_length"] = "1"
        else:
            demuxer, start = place.wave.coding, place.wave.data
            options |= {"sample_rate": str(place.wave.rate), "ch_layout": layout(place.wave.channels, place.wave.mask)}
    address = _part(path, start, end)
    if place.wave is not None and place.wave.parts:
        address = "concat:" + "|".join(_part(path, *part) for part in place.wave.parts)
        options["protocol_whitelist"] += ",concat"
    if (start, end) == (0, path.stat().st_size):
        address = f"file:{path}"
    if demuxer is None:
        options["format_whitelist"] = ",".join(FORMATS)
    if start >= end:
        raise BadAudio("The file contains no audio.")
    reopen = functools.partial(_container, path, place, address, demuxer)
    container = reopen(options)
    if container.format.name in _UNLISTED and container.streams.best("audio") is None:
        options |= _FARTHER
        container.close()
        container = reopen(options)
    try:
        number = _best(container)
        if len(container.streams.audio) > 1:  # _best may have read packets
            container.close()
            container = reopen(options)
        stream = container.streams[number]
        assert isinstance(stream, AudioStream)  # noqa: S101 - for mypy: _best returns an audio stream
        stream.codec_context.thread_count = 1
        return Track(path, container, stream, place)
    except BadAudio:
        container.close()
        raise


def _container(path: Path, place: Place, address: str, demuxer: str | None, options: dict[str, str]) -> InputContainer:
    file = fragments.Patched(path, place.span, place.mended) if place.mended else address
    return av.open(file, "r", format=demuxer, metadata_errors="ignore", options=options)


def _part(path: Path, start: int, end: int) -> str:
    """Return FFmpeg's address of a part of a file."""
    return f"subfile,,start,{start},end,{end},,:file:{path}"


def layout(channels: int, mask: int = 0) -> str:
    """Return FFmpeg's name of the channel layout (av_channel_layout_from_string)."""
    return hex(mask) if mask else {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")


def _best(container: InputContainer) -> int:
    """Return the index of FFmpeg's default audio stream, or of the next one if the default cannot be decoded. Raises
    BadAudio."""
    default = container.streams.best("audio")
    if not isinstance(default, AudioStream):
        video = container.streams.video
        raise BadAudio("The file is a video without an audio track." if video else "The file contains no audio track.")
    ordered = sorted(container.streams.audio, key=lambda stream: stream.index != default.index)
    known = [
        stream for stream in ordered if cast("object", stream.codec_context)
    ]  # may be None, contrary to PyAV's stub
    if not known:
        raise BadAudio("The file's audio is in an unknown codec: convert it first.")
    sounding: set[int] = set()
    with contextlib.suppress(av.FFmpegError, IndexError):
        for packet in container.demux(known) if len(known) > 1 else ():
            if packet.stream_index not in sounding:
                with contextlib.suppress(av.FFmpegError):
                    sounding |= {packet.stream_index} if packet.decode() else set()
            if known[0].index in sounding:
                break
    return next((stream.index for stream in known if stream.index in sounding), known[0].index)


def pcm(path: Path, rate: int = 16_000) -> Generator[bytes, None, float]:
    """Yield a file's audio as mono s16le at `rate` Hz, all channels mixed, a few milliseconds to a second at a time.

    Pauses in the recording, and audio that was lost to damage, become silence, so that times match the container's.
    Returns the seconds of lost audio. Raises BadAudio.
    """
    with opened(path) as track:
        mixer, frame = Mixer(rate), None
        for frame, gap in track.frames():
            yield from _silence(gap, rate)
            yield from mixer.feed(frame)
        if frame is None:
            raise BadAudio(NOTHING)
        yield from mixer.flush()
        return track.lost


def channels(path: Path, rate: int) -> Generator[tuple[bytes, int], None, float]:
    """Yield a file's audio unmixed: interleaved s16le at `rate` Hz, and the number of channels. Returns the seconds of
    lost audio. Raises BadAudio."""
    with opened(path) as track:
        swr, count = AudioResampler(format="s16", rate=rate), 0
        kind: tuple[object, ...] = ()
        for frame, gap in track.frames():
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind and now != kind:
                yield from ((part, count) for part in s16(swr.resample(None), count))
                swr = AudioResampler(format="s16", rate=rate)
            kind, count, frame.pts = now, frame.layout.nb_channels, None
            yield from ((part, 1) for part in _silence(gap, rate))
            yield from ((part, count) for part in s16(swr.resample(frame), count))
        if not count:
            raise BadAudio(NOTHING)
        yield from ((part, count) for part in s16(swr.resample(None), count))
        return track.lost


def _silence(seconds: float, rate: int) -> Iterator[bytes]:
    whole = round(seconds * rate)
    return (bytes(2 * min(rate, whole - at)) for at in range(0, whole, rate))
