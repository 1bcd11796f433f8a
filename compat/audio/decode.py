"""Opening hostile media with FFmpeg's libraries, and reading it as 16-bit mono: for the worker process only.

FFmpeg's demuxers of play lists open whatever the list names, other files and addresses: formats and protocols
are limited.
"""

from __future__ import annotations

import contextlib
import errno
import functools
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from compat.audio import forms, mp4, sniff
from compat.audio.clock import Clock, Position, films
from compat.audio.formats import FORMATS
from compat.audio.mix import Mixer, s16
from compat.audio.sniff import ByteSpan, Container
from compat.audio.wav import Wave, wave
from compat.errors import BadAudio, DiskFull

av.logging.set_level(None)

_UNLISTED = ("mpeg", "mpegts")  # films that do not list their tracks: a sound that begins late is found on the way
_FARTHER = {"analyzeduration": "600000000", "probesize": "67108864"}  # microseconds and bytes of it
_FAILURES = 10_000  # packets in a row that cannot be decoded, before the rest is given up
_STOPS = 20  # times that a demuxer may fail on its way
_LINKS = 1000  # of one chained Ogg file
NOTHING = "The file's sound track is empty or cannot be decoded."
_HEADERS = {sniff.WAV: wave, sniff.AIFF: forms.aiff, sniff.W64: forms.w64}
_PAUSES = {
    "amrnb": (8, 15),
    "amrwb": (9, 14, 15),
}  # frame types without speech (RFC 4867 §4.3.2, 3GPP TS 26.101, 26.201)
_UNKNOWN = (
    "The file is not audio in a known format: convert it to WAV or FLAC first. If it is raw PCM, it has no header that "
    "says how to read it: wrap it, with ffmpeg -f s16le -ar 16000 -ac 1 -i in.pcm out.wav."
)


class Place(NamedTuple):
    """The part of a file that FFmpeg reads. `whole`: the audio begins and ends where every decoder expects it. `wave`:
    the header, for WAV."""

    span: ByteSpan
    whole: bool
    wave: Wave | None = None


class Track:
    """The one sound track of a file that is heard: FFmpeg's default stream. `damaged` tells, once it has been read,
    whether a part of it could not be, and `skipped` the seconds that its times leave out and that are not silence."""

    def __init__(self, path: Path, container: InputContainer, stream: AudioStream, place: Place) -> None:
        self.path = path
        self.container = container
        self.stream = stream
        self.place = place
        self.damaged = False
        self.skipped = 0.0

    @property
    def alone(self) -> bool:
        """Whether there is no other track, but for a cover picture, subtitles and data."""
        return len(self.container.streams.audio) == 1 and not films(self.container)

    def kind(self, path: Path) -> tuple[Container, bool]:
        """The container, and whether it begins where the file does."""
        with path.open("rb") as file:
            file.seek(self.place.span.start)
            head = file.read(512)
        if self.place.wave is not None:
            return sniff.container_of(head) or sniff.WAV, self.place.whole
        found = sniff.demuxed(self.container.format.name, head)
        return found, self.place.whole and sniff.container_of(head) is found

    def clock(self) -> Clock:
        return Clock(self.container, self.stream)

    def links(self) -> list[int]:
        """Where the parts begin that are files by themselves."""
        find = sniff.links if self.container.format.name == "ogg" else sniff.joined
        with self.path.open("rb") as file:
            return list(islice(find(file, self.place.span), _LINKS))

    def packets(self) -> Iterator[Packet[AudioStream]]:
        """All packets. The links of a chained Ogg file, and the files that were joined to one, are opened one by one:
        FFmpeg fails where the next one differs in its codec, rate or channels, or reads the first one only."""
        links = self.links()
        if len(links) < 2:
            yield from self.own()
        for begin, end in pairwise([*links, self.place.span.end] if len(links) > 1 else []):
            try:
                track = _linked(self.path, self.place.span._replace(start=begin, end=end))
            except (av.FFmpegError, BadAudio):
                self.damaged = True
                continue
            with track.container:
                yield from track.own()
            self.damaged = self.damaged or track.damaged

    def own(self) -> Iterator[Packet[AudioStream]]:
        """The packets of this container, as far as its demuxer finds its way behind what is damaged."""
        for _ in range(_STOPS):
            try:
                yield from self.container.demux(self.stream)
            except av.FFmpegError:
                self.damaged = True
            else:
                return

    def frames(self) -> Iterator[tuple[AudioFrame, float]]:
        """Decoded frames, each with the seconds of silence before it that a recorder left out. What is damaged is
        stepped over. Raises BadAudio for more than 13 hours."""
        clock, failures, position, alone = self.clock(), 0, Position(), self.alone
        for packet in self.packets():
            self.damaged = self.damaged or packet.is_corrupt
            if position.jumps(packet) and alone:
                clock.lost()
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                if pause(packet):
                    clock.holes = True
                    yield (silent := _silent(packet)), clock.feed(packet.pts, silent.samples / silent.sample_rate)
                    continue
                self.damaged, failures = True, failures + 1
                clock.lost()
                if failures > _FAILURES:
                    return
                continue
            failures = 0 if decoded else failures
            for frame in decoded:
                if frame.sample_rate and frame.samples:
                    yield frame, clock.feed(frame.pts, frame.samples / frame.sample_rate)
        self.damaged, self.skipped = self.damaged or clock.holes, clock.skipped


def pause(packet: Packet[AudioStream]) -> bool:
    """Whether an AMR packet says that nobody speaks (DTX): it lasts as long as any, and FFmpeg cannot decode it."""
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
    """Open a file's sound track, wherever in the file it lies. Raises BadAudio when there is none."""
    with full_disk_told():
        try:
            track = _found(path)
        except av.FFmpegError as exc:
            raise BadAudio(_unheard(path)) from exc
    with track.container:
        yield track


def _unheard(path: Path) -> str:
    with path.open("rb") as file:
        container, place = sniff.sniff(file, path.stat().st_size)
        if container is None:
            return _UNKNOWN
        indexed = container not in (sniff.M4A, sniff.MP4, sniff.MOV) or mp4.indexed(file, place)
    return "The file is damaged or cut: " + (
        "no sound in it can be decoded."
        if indexed
        else "its index (moov) is missing, without which no MP4 can be read."
    )


@contextlib.contextmanager
def full_disk_told() -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as exc:
        if exc.errno == errno.ENOSPC:
            raise DiskFull("The disk is full.") from exc
        raise


def _found(path: Path) -> Track:
    """The track between the tags, or behind junk in front of it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place = _place(file, sniff.span(file, size), whole=True)
        try:
            return _track(path, place)
        except (av.FFmpegError, BadAudio):
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
    found = read(file, span.start, span.end) if read else None
    exact = found.exact if found else container is not sniff.WAV
    return Place(span, whole and span.usual and exact, found)


def _track(path: Path, place: Place) -> Track:
    options = {"protocol_whitelist": "file,subfile"}
    demuxer, (start, end, _) = None, place.span
    if place.wave is not None:
        end = place.wave.data + place.wave.present
        if place.wave.coding is None:  # FFmpeg reads compressed sound, up to where it ends here
            options["ignore_length"] = "1"
        else:
            demuxer, start = place.wave.coding, place.wave.data
            options |= {"sample_rate": str(place.wave.rate), "ch_layout": _layout(place.wave)}
    address = _part(path, start, end)
    if place.wave is not None and place.wave.parts:
        address = "concat:" + "|".join(_part(path, *part) for part in place.wave.parts)
        options["protocol_whitelist"] += ",concat"
    if (start, end) == (0, path.stat().st_size):
        address = f"file:{path}"
    if demuxer is None:
        options["format_whitelist"] = ",".join(FORMATS)
    if start >= end:
        raise BadAudio("The file holds no sound.")
    again = functools.partial(av.open, address, "r", format=demuxer, metadata_errors="ignore")
    container = again(options=options)
    if container.format.name in _UNLISTED and container.streams.best("audio") is None:
        options |= _FARTHER
        container.close()
        container = again(options=options)
    try:
        number = _best(container)
        if len(container.streams.audio) > 1:  # some of which may have been read
            container.close()
            container = again(options=options)
        stream = container.streams[number]
        assert isinstance(stream, AudioStream)  # noqa: S101 - it was before
        stream.codec_context.thread_count = 1
        return Track(path, container, stream, place)
    except BadAudio:
        container.close()
        raise


def _part(path: Path, start: int, end: int) -> str:
    """FFmpeg's address of a part of a file."""
    return f"subfile,,start,{start},end,{end},,:file:{path}"


def _layout(header: Wave) -> str:
    """In FFmpeg's words (av_channel_layout_from_string)."""
    if header.mask:
        return hex(header.mask)
    return {1: "mono", 2: "stereo"}.get(header.channels, f"{header.channels} channels")


def _best(container: InputContainer) -> int:
    """The number of FFmpeg's default; of the next track where nothing in that can be decoded."""
    default = container.streams.best("audio")
    if not isinstance(default, AudioStream):
        video = container.streams.video
        raise BadAudio("The file is a video without a sound track." if video else "The file holds no sound track.")
    ordered = sorted(container.streams.audio, key=lambda stream: stream.index != default.index)
    known = [stream for stream in ordered if cast("object", stream.codec_context)]  # None, whatever its stub says
    if not known:
        raise BadAudio("The file's audio is in an unknown codec: convert it first.")
    sounding: set[int] = set()
    with contextlib.suppress(av.FFmpegError):
        for packet in container.demux(known) if len(known) > 1 else ():
            if packet.stream_index not in sounding:
                with contextlib.suppress(av.FFmpegError):
                    sounding |= {packet.stream_index} if packet.decode() else set()
            if known[0].index in sounding:
                break
    return next((stream.index for stream in known if stream.index in sounding), known[0].index)


def pcm(path: Path, rate: int = 16_000) -> Iterator[bytes]:
    """Yield a file's sound as mono s16le at `rate`, all channels mixed, a few milliseconds to a second at a time.

    What a recorder left out is silence, so that times stay the container's. Raises BadAudio.
    """
    with opened(path) as track:
        mixer, frame = Mixer(rate), None
        for frame, gap in track.frames():
            yield from _silence(gap, rate)
            yield from mixer.feed(frame)
        if frame is None:
            raise BadAudio(NOTHING)
        yield from mixer.flush()


def channels(path: Path, rate: int) -> Iterator[tuple[bytes, int]]:
    """Yield the same unmixed: s16le with the channels interleaved, and how many there are. Raises BadAudio."""
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


def _silence(seconds: float, rate: int) -> Iterator[bytes]:
    whole = round(seconds * rate)
    return (bytes(2 * min(rate, whole - at)) for at in range(0, whole, rate))
