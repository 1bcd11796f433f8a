"""Decodes appended audio to 16 kHz PCM: from PCM at 8 or 16 kHz, or Opus in Ogg or as one raw packet per append.

The documents name `opus` without its packaging; the first bytes decide which it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from compat.emulator.realtime.messages import Refused
from compat.emulator.sound import RATE

if TYPE_CHECKING:
    from av import AudioCodecContext, AudioFrame, AudioResampler

_OGG = b"OggS"
_PAGE = 27  # bytes of an Ogg page header before its segment table
_HEADS = (b"OpusHead", b"OpusTags")


class Intake(Protocol):
    def feed(self, audio: bytes) -> bytes:
        """Return 16 kHz mono 16-bit PCM. Raises Refused for audio of another format."""


def intake(kind: str, rate: int) -> Intake:
    """Return the decoder of a format, pcm or opus."""
    if kind == "opus":
        return _Opus()
    return _Pcm() if rate == RATE else _Resampled(rate)


class _Pcm:
    """Keeps half a sample for the next append."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, audio: bytes) -> bytes:
        whole = self._rest + audio if self._rest else audio
        self._rest = whole[len(whole) // 2 * 2 :]
        return whole[: len(whole) - len(self._rest)]


class _Resampled:
    def __init__(self, rate: int) -> None:
        self._pcm = _Pcm()
        self._rate = rate
        self._resampler = resampler()

    def feed(self, audio: bytes) -> bytes:
        from av import AudioFrame

        pcm = self._pcm.feed(audio)
        if not pcm:
            return b""
        frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.sample_rate = self._rate
        frame.planes[0].update(pcm)
        return resampled(self._resampler, frame)


class _Opus:
    def __init__(self) -> None:
        self._pages = OggPackets()
        self._in_ogg: bool | None = None
        self._first = b""  # too short to decide
        self._resampler = resampler()
        self._decoder = _opus_decoder()

    def feed(self, audio: bytes) -> bytes:
        from av import FFmpegError, Packet

        packets = self._packets(audio)
        try:
            frames = [frame for packet in packets for frame in self._decoder.decode(Packet(packet))]
        except FFmpegError as exc:
            raise Refused("The audio is not Opus.", param="audio") from exc
        return b"".join(resampled(self._resampler, frame) for frame in frames)

    def _packets(self, audio: bytes) -> Iterator[bytes]:
        if self._in_ogg is None:
            audio, self._first = self._first + audio, b""
            if len(audio) < len(_OGG) and _OGG.startswith(audio):
                self._first = audio
                return iter(())
            self._in_ogg = audio.startswith(_OGG)
        return self._pages.feed(audio) if self._in_ogg else iter((audio,) if audio else ())


class OggPackets:
    """The packets of an Ogg stream (RFC 3533), from pieces of any size, without the two Opus headers."""

    def __init__(self) -> None:
        self._held = b""
        self._packet = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        self._held += piece
        while (length := self._length()) is not None:
            page, self._held = self._held[:length], self._held[length:]
            yield from (packet for packet in self._packets(page) if not packet.startswith(_HEADS))

    def _length(self) -> int | None:
        if len(self._held) < _PAGE:
            return None
        if not self._held.startswith(_OGG):
            raise Refused("The audio is not an Ogg stream.", param="audio")
        segments = self._held[26]
        length = _PAGE + segments + sum(self._held[_PAGE : _PAGE + segments])
        return length if len(self._held) >= max(length, _PAGE + segments) else None

    def _packets(self, page: bytes) -> Iterator[bytes]:
        at = _PAGE + page[26]
        for lacing in page[_PAGE:at]:
            self._packet += page[at : at + lacing]
            at += lacing
            if lacing < 255:
                yield self._packet
                self._packet = b""


def resampler() -> AudioResampler:
    from av import AudioResampler

    return AudioResampler(format="s16", layout="mono", rate=RATE)


def _opus_decoder() -> AudioCodecContext:
    from av import AudioCodecContext, CodecContext

    decoder = CodecContext.create("libopus", "r")
    if not isinstance(decoder, AudioCodecContext):
        raise TypeError("FFmpeg's Opus decoder is not an audio decoder")
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    return decoder


def resampled(resampler: AudioResampler, frame: AudioFrame) -> bytes:
    frame.pts = None
    return b"".join(bytes(out.planes[0])[: out.samples * 2] for out in resampler.resample(frame))
