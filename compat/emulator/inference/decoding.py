"""Audio decoding for run-task: frames of any size in, 16 kHz PCM out.

The formats are pcm, wav, mp3, aac (ADTS), amr, and opus and speex in Ogg. Damaged frames are skipped. (Model Studio,
Fun-ASR client events, 2026-08.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from compat.emulator.inference.messages import TaskFailure
from compat.emulator.realtime.audio_input import Intake, OggPackets, intake, resampled, resampler
from compat.emulator.realtime.messages import Refused

if TYPE_CHECKING:
    from av import AudioCodecContext, AudioFrame, AudioStream, Packet

_CODECS = {"mp3": "mp3", "aac": "aac", "amr": "amrnb"}
_AMR = b"#!AMR\n"
_OGG = b"OggS"
_SPEEX = b"Speex   "
_SPEEX_HEADERS = 2  # packets before the audio of a Speex stream: the header and the comments
_PCM_TAGS = (1, 0xFFFE)  # WAVE_FORMAT_PCM and WAVE_FORMAT_EXTENSIBLE
_LONGEST_HEADER = 1 << 16  # maximum number of bytes before the data of a WAV


class AudioDecoder(Protocol):
    """A streaming decoder. Its methods raise TaskFailure for audio that cannot be decoded."""

    def feed(self, audio: bytes) -> bytes: ...

    def flush(self) -> bytes:
        """Return the remaining PCM at the end of the audio."""


def decoder(kind: str, rate: int) -> AudioDecoder:
    """Return a decoder for `kind`, one of parameters.FORMATS.

    `rate` is the sample rate of `pcm` in Hz; the other formats state their own.
    """
    match kind:
        case "pcm":
            return _PlainPcm(rate)
        case "wav":
            return _Wav()
        case "opus":
            return _OggOpus()
        case "speex":
            return _OggSpeex()
        case _:
            return _Frames(_CODECS[kind], _AMR if kind == "amr" else b"")


def _undecodable() -> TaskFailure:
    return TaskFailure("UNSUPPORTED_FORMAT", "Failed to decode audio")


class _PlainPcm:
    def __init__(self, rate: int) -> None:
        self._intake = intake("pcm", rate)

    def feed(self, audio: bytes) -> bytes:
        return self._intake.feed(audio)

    def flush(self) -> bytes:
        return b""


class _Wav:
    """16-bit mono PCM after a RIFF header. The sizes in the header are ignored: a live stream cannot know them."""

    def __init__(self) -> None:
        self._head = b""
        self._intake: Intake | None = None

    def feed(self, audio: bytes) -> bytes:
        if self._intake is not None:
            return self._intake.feed(audio)
        self._head += audio
        rate, at = _wav_header(self._head)
        if at is None:
            return b""
        self._intake = intake("pcm", rate)
        return self._intake.feed(self._head[at:])

    def flush(self) -> bytes:
        return b""


def _wav_header(head: bytes) -> tuple[int, int | None]:
    """Return the sample rate and the offset of the data; the offset is None while the header is incomplete."""
    if head[:4] != b"RIFF"[: len(head)] or head[8:12] != b"WAVE"[: len(head[8:12])] or len(head) > _LONGEST_HEADER:
        raise _undecodable()
    rate, at = 0, 12
    while len(head) >= at + 8:
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"data":
            if not rate:
                raise _undecodable()
            return rate, at + 8
        if name == b"fmt " and len(head) >= at + 24:
            tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, at + 8)
            if tag not in _PCM_TAGS or (channels, bits) != (1, 16):
                raise _undecodable()
        at += 8 + size + size % 2
    return rate, None


class _Frames:
    """A codec whose frame boundaries the parser finds. `magic` is the signature of the stream, empty for none."""

    def __init__(self, codec: str, magic: bytes) -> None:
        self._codec = _codec(codec)
        self._resampler = resampler()
        self._magic = magic

    def feed(self, audio: bytes) -> bytes:
        if self._magic:
            matching = min(len(self._magic), len(audio))
            if self._magic[:matching] != audio[:matching]:
                raise _undecodable()
            audio, self._magic = audio[matching:], self._magic[matching:]
        return self._decoded(self._codec.parse(audio)) if audio else b""

    def flush(self) -> bytes:
        return self._decoded([*self._codec.parse(None), None])

    def _decoded(self, packets: Iterable[Packet[AudioStream] | None]) -> bytes:
        return b"".join(resampled(self._resampler, frame) for frame in _frames(self._codec, packets))


class _OggOpus:
    def __init__(self) -> None:
        self._ogg = _SignatureCheck(_OGG)
        self._intake = intake("opus", 0)

    def feed(self, audio: bytes) -> bytes:
        try:
            return self._intake.feed(self._ogg.feed(audio))
        except Refused as exc:
            raise _undecodable() from exc

    def flush(self) -> bytes:
        return b""


class _OggSpeex:
    def __init__(self) -> None:
        self._ogg = _SignatureCheck(_OGG)
        self._packets = OggPackets()
        self._seen = 0
        self._codec = _codec("speex")
        self._resampler = resampler()

    def feed(self, audio: bytes) -> bytes:
        try:
            packets = list(self._packets.feed(self._ogg.feed(audio)))
        except Refused as exc:
            raise _undecodable() from exc
        headers = max(0, _SPEEX_HEADERS - self._seen)
        for packet in packets[:headers]:
            self._read_header(packet)
        self._seen += len(packets)
        frames = _frames(self._codec, packets[headers:])
        return b"".join(resampled(self._resampler, frame) for frame in frames)

    def _read_header(self, packet: bytes) -> None:
        if packet.startswith(_SPEEX):
            self._codec.extradata = packet
            self._codec.sample_rate = int.from_bytes(packet[36:40], "little")
            self._codec.layout = "mono"
        elif not self._codec.extradata:
            raise _undecodable()

    def flush(self) -> bytes:
        return b""


class _SignatureCheck:
    """Holds the first bytes of a stream back until they are known to start with `magic`."""

    def __init__(self, magic: bytes) -> None:
        self._magic = magic
        self._held: bytes | None = b""

    def feed(self, audio: bytes) -> bytes:
        if self._held is None:
            return audio
        self._held += audio
        if self._held[: len(self._magic)] != self._magic[: len(self._held)]:
            raise _undecodable()
        if len(self._held) < len(self._magic):
            return b""
        held, self._held = self._held, None
        return held


def _frames(codec: AudioCodecContext, packets: Iterable[Packet[AudioStream] | bytes | None]) -> Iterator[AudioFrame]:
    from av import FFmpegError, Packet

    for packet in packets:
        try:
            decoded = codec.decode(Packet(packet) if isinstance(packet, bytes) else packet)
        except FFmpegError:
            continue
        yield from decoded


def _codec(name: str) -> AudioCodecContext:
    from av import AudioCodecContext, CodecContext

    codec = CodecContext.create(name, "r")
    if not isinstance(codec, AudioCodecContext):
        raise TypeError(f"FFmpeg's {name} is not an audio decoder")
    if name == "amrnb":
        codec.sample_rate, codec.layout = 8_000, "mono"
    return codec
