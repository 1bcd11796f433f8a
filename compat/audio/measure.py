"""Measuring the duration of a file's decodable audio. For the worker process only.

The duration stated in the header is used if the structure and the last packets of the file agree with it; otherwise the
packets are counted. Short files are decoded, which finds all damage, and so are files in which the count is suspect.
"""

from __future__ import annotations

import array
import itertools
import time
from pathlib import Path
from typing import NamedTuple

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from compat.audio import mp4, sniff, structure
from compat.audio.clock import LEAST_GAP, RECORDERS, began, pauses
from compat.audio.decode import NOTHING, Track, opened, pause
from compat.audio.sniff import ByteSpan, Container
from compat.audio.wav import caf_seconds, placeholder
from compat.errors import BadAudio

_SURE = {"wav", "w64", "aiff", "au", "caf", "mp3", "flac", "ogg", "mov", "matroska", "flv", "tta", "wv", "ape"}
_PCM = {"w64", "aiff", "au", "caf"}
_CODECS = {
    "aac", "mp3", "mp2", "opus", "vorbis", "flac", "alac", "ac3", "eac3", "amr_nb", "amr_wb", "wmav1", "wmav2",
    "wmapro", "wmalossless", "wmavoice",
}  # fmt: skip
_NEAR = 2.0  # seconds before the stated end at which to start looking for the real end
_SHORT = 60.0  # seconds; shorter audio is always decoded
_PATIENCE = 60.0  # seconds of decoding before the count is used instead; a worker call may take twice that
_LEAST = 32  # bytes; a larger packet of zeros only is suspect
_SLACK = 65_536  # bytes of headers and tags
_BESIDE = {"mp3": 0, "aac": 0, "amr": 9}  # bytes outside of packets: AMR's magic
_BOXES = 500_000  # of fragments: two for every 200 ms of the longest audio
_FRAME = 1441  # bytes of the longest MPEG frame; a Xing header is a frame but not a packet


class MeasuredSound(NamedTuple):
    """`duration` is measured, `promised` is stated in the header (0 if it states none), both in seconds. For `lost` and
    `clean` see Media."""

    container: Container
    duration: float
    promised: float
    rate: int
    channels: int
    clean: bool
    lost: float = 0.0


class _Length(NamedTuple):
    """The result of decoding a file: its duration in seconds, and signs of damage.

    `odd` means that something was suspect. `skipped` is the sum of timestamp jumps, `lost` that of damage, in seconds.
    """

    duration: float
    odd: bool = False
    skipped: float = 0.0
    lost: float = 0.0


def measured(path: Path) -> MeasuredSound:
    """Check that a file's audio can be decoded, and measure its duration. Raises BadAudio if it cannot."""
    with opened(path) as track:
        first, silence = next(track.frames(), (None, 0.0))
        if first is None:
            raise BadAudio(NOTHING)
        (container, whole), rate, channels = track.kind(path), first.sample_rate, first.layout.nb_channels
        header, stated, structured = track.place.wave, _stated_duration(path, track), _structured(path, track)
        parts = len(track.links())
        whole = whole and track.alone and structured is not False and parts < 2 and _is_usual(track)
        unknown = _unknown(track, stated)
        believed = (
            _end_by_packets(track, stated) if stated and parts < 2 and (structured or _fills(track, stated)) else None
        )
        late, packet = _lateness(path, track, first, silence), first.samples / first.sample_rate
    if header is not None and header.coding is not None and parts < 2:
        return MeasuredSound(
            container, header.duration, stated, rate, channels, whole and not _differ(stated, header.duration)
        )
    stated, believed = stated and max(0.0, stated - late), believed and believed - late
    duration, odd, skipped, lost = _length(path, believed, stated)
    if parts > 1:  # the first header covers only the first part
        unknown = True
    elif header is not None:  # compressed WAV states bytes; those present give the seconds per byte
        stated = duration * (header.stated or 0) / header.present
    # AVI's header includes the time before an audio track that begins late
    unknown = unknown or bool(container is sniff.AVI and structured and not odd)
    if 0 < stated - duration < packet:
        stated = duration  # the last packet may be shorter
    clean = whole and header is None and not odd and not _differ(stated, duration)
    promised = 0.0 if unknown else max(0.0, stated - max(0.0, skipped))
    promised = max(promised, duration if lost else 0.0)  # as the timestamps state
    return MeasuredSound(container, duration, promised, rate, channels, clean, lost)


def _is_usual(track: Track) -> bool:
    """Return whether the codec is one that every decoder of the container knows."""
    codec = track.stream.codec_context.codec.canonical_name
    return codec in _CODECS or codec.startswith("pcm_")


def _lateness(path: Path, track: Track, first: AudioFrame, silence: float) -> float:
    """Return by how many seconds the audio, including silence before it, begins after its track; negative if before."""
    if track.container.format.name == "ogg" and track.stream.codec_context.codec.name == "flac":
        return _ogg_flac_begin(path)
    if first.pts is None or first.time_base is None:
        return 0.0
    late = float(first.pts * first.time_base) - silence - began(track.stream)
    return late if abs(late) > LEAST_GAP else 0.0


def _ogg_flac_begin(path: Path) -> float:
    """Return the start time of FLAC in Ogg, from its first page: FFmpeg reports 0 even if the recording of a stream
    began in its middle."""
    with opened(path) as track:
        packets = track.own_packets()
        first = next(packets)
        page = [first, *itertools.takewhile(lambda packet: packet.pos == first.pos, packets)]
        length = sum(packet.duration or 0 for packet in page)
        place, base = track.place.span.start + (first.pos or 0), float(track.stream.time_base or 0)
    with path.open("rb") as file:
        file.seek(place)
        return max(0.0, structure.ogg_time(file.read(14)) - length) * base


def _length(path: Path, believed: float | None, stated: float) -> _Length:
    odd = believed is not None and believed >= _SHORT and _paused(path)
    if believed is not None and believed >= _SHORT and not odd:
        return _Length(believed)
    duration, odd = _counted_duration(path, stated) if believed is None else (believed, odd)
    if odd or duration < _SHORT or _differ(stated, duration):
        length = _decoded(path, duration)
        return length._replace(odd=odd or length.odd)
    return _Length(duration, odd)


def _differ(stated: float, measured: float) -> bool:
    """Return whether two durations differ by more than rounding and codec padding; False if the header states none."""
    return bool(stated) and abs(stated - measured) > max(0.1, stated / 100)


def _stated_duration(path: Path, track: Track) -> float:
    """Return the duration stated in the header, 0 if FFmpeg would guess it from the bit rate."""
    container, stream, place = track.container, track.stream, track.place
    if place.wave is not None:
        return place.wave.promised
    with path.open("rb") as file:
        file.seek(place.span.start)
        head = file.read(8192)
        fragments = container.format.name.startswith("mov,") and mp4.fragmented(file, place.span)
        caf = caf_seconds(file, place.span.start) if container.format.name == "caf" else 0.0
    names = set(container.format.name.split(","))
    if caf:
        return caf
    if "dsf" in names:
        return structure.dsf_seconds(head)
    if "avi" in names:
        return structure.avi_seconds(head)
    if "asf" in names:  # states the duration of the whole file, also with video
        return _from_start(track, structure.asf_seconds(head)) if track.alone else 0.0
    if ("mp3" in names and not _counts_all(head, place.span)) or not names & _SURE:
        return 0.0
    if stream.duration is not None and stream.time_base is not None:
        length = float(stream.duration * stream.time_base)
        # FFmpeg subtracts the start from the last page's time, except for Opus and for fragments
        opus = "ogg" in names and stream.codec_context.name == "opus"
        if opus:  # the last page's time includes the pre-skip (RFC 7845 §4.2)
            head = (stream.codec_context.extradata or b"").ljust(12, b"\0")
            length = max(0.0, length - int.from_bytes(head[10:12], "little") / 48_000)
        return _from_start(track, length) if opus or fragments else length
    if len(container.streams) > 1 or container.duration is None:
        return 0.0
    # Matroska's Duration element (RFC 9559 §5.1.2.10) precedes the first cluster
    length = container.duration / av.time_base if "flv" in names or b"\x44\x89" in head else 0.0
    return length if "flv" in names else _from_start(track, length)


def _from_start(track: Track, end: float) -> float:
    """Return the duration of audio that ends at `end`. If the audio begins later, `end` already is a duration."""
    begin = began(track.stream)
    return end - begin if end > begin else end


def _counts_all(head: bytes, span: ByteSpan) -> bool:
    """Return whether the Xing header of an MP3 covers all frames. For concatenated files it does not, and FFmpeg
    guesses the duration from the bit rate of the first."""
    counted = structure.xing(head[:256])
    if counted is None:
        return any(mark in head[:192] for mark in (b"Xing", b"Info", b"VBRI"))
    return span.end - span.start <= counted.bytes + counted.own + _FRAME


def _unknown(track: Track, stated: float) -> bool:
    """Return whether a PCM header states a placeholder instead of a length."""
    rate, span = (track.stream.codec_context.bit_rate or 0) / 8, track.place.span
    return track.container.format.name in _PCM and placeholder(int(stated * rate), span.end - span.start)


def _structured(path: Path, track: Track) -> bool | None:
    """Return whether the structure of the whole file is valid; None if the container has no structure to check."""
    names, place = set(track.container.format.name.split(",")), track.place.span
    with path.open("rb") as file:
        if "ogg" in names:
            return structure.ogg_runs(file, place)
        if "mov" in names:
            whole = mp4.fit(file, place, fragments=_BOXES) and not mp4.edited(file, place)
            return whole and not mp4.hollow(file, place)
        if "avi" in names:
            pcm = track.stream.codec_context.name.startswith("pcm_")  # its silence is zeros
            return structure.avi_fits(file, place) and (pcm or not structure.avi_hollow(file, place))
        return structure.segment_fits(file, place) if "matroska" in names else None


def _fills(track: Track, stated: float) -> bool:
    """Return whether PCM of this duration has the size of the file."""
    span, rate = track.place.span, (track.stream.codec_context.bit_rate or 0) / 8
    return track.container.format.name in _PCM and abs(stated * rate - (span.end - span.start)) < _SLACK + stated


def _end_by_packets(track: Track, stated: float) -> float | None:
    """Return the end of the audio according to the packets near the stated end; None if it disagrees."""
    end = _end(track, stated)
    return None if end is None or _differ(stated, end) else end


def _end(track: Track, stated: float) -> float | None:
    """Return the end of the last packet, found by seeking to the last seconds; None if there is none."""
    stream = track.stream
    if stream.time_base is None:
        return None
    start = max(stream.start_time or 0, 0)
    try:
        track.container.seek(start + int(max(stated - _NEAR, 0) / stream.time_base), stream=stream)
    except av.FFmpegError:
        return None
    ends = [packet.pts + (packet.duration or 0) for packet in track.own_packets() if packet.pts is not None]
    return float((max(ends) - start) * stream.time_base) if ends and not track.damaged else None


def _counted_duration(path: Path, stated: float) -> tuple[float, bool]:
    """Return the total duration of all packets, without decoding them, and whether anything was suspect."""
    with opened(path) as track:
        clock, size, odd, rates = track.clock(), 0, bool(track.place.mended), set()
        base = float(track.stream.time_base or 0)
        for packet in track.packets():
            size += packet.size
            rates.add(_rate(packet))
            odd = odd or packet.is_corrupt or pause(packet) or (packet.size > _LEAST and not any(bytes(packet)))
            odd = odd or bool(packet.size and clock.seconds and not packet.duration)
            if not packet.is_discard:
                clock.feed(packet.pts, (packet.duration or 0) * base)
        span, beside = track.place.span, _BESIDE.get(track.container.format.name)
        unheard = beside is not None and span.end - span.start - size - beside > (_FRAME if stated else 0)
        odd = odd or len(rates - {None}) > 1  # FFmpeg takes the first one for all packets
        return clock.seconds, odd or unheard or clock.holes or track.damaged


def _rate(packet: Packet[AudioStream]) -> int | None:
    """Return the index of the sample rate in an AAC packet's own header: ADTS, or LATM with a configuration (ISO/IEC
    14496-3 §1.7.3, §1.A.3). None if it has neither."""
    head = bytes(memoryview(packet)[:7]) if packet.stream.codec_context.name in ("aac", "aac_latm") else b""
    if len(head) == 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return head[2] >> 2 & 15
    if len(head) == 7 and head[0] == 0x56 and head[1] & 0xE0 == 0xE0 and head[3] & 0xC0 == 0:
        return head[5] << 1 & 14 | head[6] >> 7
    return None


def _paused(path: Path) -> bool:
    """Return whether the recording has pauses, by its time table or the timestamps of all packets."""
    with opened(path) as track:
        name, place = track.container.format.name, track.place.span
        if not name.startswith(RECORDERS):
            return False
        with path.open("rb") as file:
            known = mp4.paused(file, place) if name.startswith("mov,") else None
        if known is not None:
            return known
        times, lengths = array.array("q"), array.array("q")
        for packet in track.packets():
            if packet.pts is not None and packet.duration is not None:
                times.append(packet.pts)
                lengths.append(packet.duration)
        base, rate = float(track.stream.time_base or 0), track.stream.codec_context.sample_rate
        return pauses(times, lengths, base, rate, padded=name.startswith("mov,"))


def _decoded(path: Path, counted: float) -> _Length:
    """Decode the whole file. After a minute the result is at least `counted`."""
    start, seconds = time.monotonic(), 0.0
    with opened(path) as track:
        for frame, gap in track.frames():
            seconds += gap + frame.samples / frame.sample_rate
            if time.monotonic() - start > _PATIENCE:
                return _Length(max(seconds, counted), odd=True, lost=track.lost)
        return _Length(seconds, track.damaged, track.skipped, track.lost)
