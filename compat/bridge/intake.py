"""Converts the client's audio to a format that the service accepts, and counts its time on one clock."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import assert_never

import msgspec

from compat.audio import g711
from compat.audio.resample import Resampler
from compat.audio.wav import wave
from compat.bridge.limits import TICKS, TICKS_A_MS
from compat.dashscope_api.live import opus
from compat.errors import BadRequest
from compat.openai_api.realtime.session import AudioFormat

OPUS_PIECE = 1 << 16
"""Bytes of an append that are read in one turn of the event loop; every packet fits."""
OGG_PIECE = 1 << 12
"""The same of an Ogg stream, in which a packet may be a single byte."""
LONGEST_PAGE = 60.0
"""Seconds of an Ogg page, whose packets are all read when its last byte comes."""
LONGEST_PACKET = 120 * TICKS_A_MS
OPUS_FRAME = 1275 + 2
"""Bytes of one frame and its length (RFC 6716, 3.2.1): more would be padding, which takes memory and has no sound."""
_OGG, _PAGE = b"OggS", 27
_HEADS = (b"OpusHead", b"OpusTags")
_FILES = {b"\x1a\x45\xdf\xa3": "WebM or Matroska", b"RIFF": "WAV", b"ID3": "MP3", b"fLaC": "FLAC"}
_CODINGS = {"pcm": "s16le", "ulaw": "mulaw", "alaw": "alaw"}  # compat.audio.wav's names


class Sound(msgspec.Struct, frozen=True):
    """Audio of a call's track, in its format."""

    pcm: bytes
    event_id: str | None = None


class Intake:
    """`rate`: the sample rate of its output in Hz. `position` is the client's clock: ticks of everything appended since
    the session began. `converted`: ticks of everything converted, which is a little behind because of the resampler's
    delay."""

    def __init__(self, form: AudioFormat, rate: int, start: int = 0, packets: OpusPackets | None = None) -> None:
        self.form = form
        self.packets = packets or OpusPackets()
        self.rate = rate
        self._start = start
        self._samples = 0
        self.converted = start
        self._odd = b""
        self._file = ""
        self._begun = False
        self._resampler = self._new()

    @property
    def position(self) -> int:
        return self._start + self._samples * TICKS // self.form.rate

    def parts(self, piece: bytes) -> list[bytes]:
        """Split a piece of an append into units for `feed`: Opus into packets. Raises BadRequest if it is something
        else."""
        return self.packets.feed(piece) if self.form.encoding == "opus" else [self._samples_of(piece)]

    def _samples_of(self, piece: bytes) -> bytes:
        """The piece without the header of a WAV file whose samples are in the format. Other files, whose parts would be
        noise, are known by their first bytes."""
        first, self._begun = not self._begun, self._begun or bool(piece)
        kind = self._file
        if piece.startswith(b"RIFF") and piece[8:12] == b"WAVE":
            kind, found = "a WAV file", wave(io.BytesIO(piece), 0, len(piece))
            if found is not None:
                if (found.coding, found.rate, found.channels) == (_CODINGS[self.form.encoding], self.form.rate, 1):
                    self._file = ""
                    return piece[found.data :]
                coding = found.coding or "compressed samples"
                channels = "mono" if found.channels == 1 else f"{found.channels} channels"
                self._file = kind = f"a WAV file ({coding}, {found.rate} Hz, {channels})"
        elif first:
            self._file = kind = _file(piece)
        if kind:
            form = "16-bit PCM" if self.form.encoding == "pcm" else f"G.711 ({self.form.encoding})"
            raise BadRequest(
                f"The audio is {kind}. Decode it, and send mono {form} at {self.form.rate} Hz without a header.",
                param="audio",
            )
        return piece

    def fitting(self, part: bytes, until: int) -> bytes:
        """Return the beginning of a part that ends at the tick `until`, or before; an Opus packet is not divided."""
        ticks = until - self.position
        if self.form.encoding == "opus":
            return part if opus_ticks(part) <= ticks else b""
        return part[: max(0, ticks * self.form.rate // TICKS) * (2 if self.form.encoding == "pcm" else 1)]

    def most(self, size: int) -> float:
        """Return an upper bound of the seconds in `size` bytes of an append; for Opus, of what clients send."""
        if self.form.encoding == "opus":
            return LONGEST_PAGE
        return size / self.form.rate / (2 if self.form.encoding == "pcm" else 1)

    def feed(self, data: bytes) -> bytes:
        """Returns what is ready to be sent; the resampler keeps its last millisecond until more comes or `flush`."""
        out = self._convert(data)
        self.converted += self.ticks(out)
        return out

    def _convert(self, data: bytes) -> bytes:
        match self.form.encoding:
            case "pcm":
                return self._resample(data)
            case "ulaw":
                self._samples += len(data)
                return self._resampler.feed(g711.from_ulaw(data))
            case "alaw":
                self._samples += len(data)
                return self._resampler.feed(g711.from_alaw(data))
            case "opus":
                self._samples += opus_ticks(data)
                return data
            case _:
                assert_never(self.form.encoding)

    def flush(self) -> bytes:
        """Returns the rest of the turn, without half a sample. The next sound begins a new stream."""
        self._odd = b""
        rest = self._resampler.flush()
        self._resampler = self._new()
        self.converted = self.position
        return rest

    def ticks(self, data: bytes) -> int:
        """The duration of something that `feed` returned."""
        return opus_ticks(data) if self.form.encoding == "opus" else len(data) // 2 * (TICKS // self.rate)

    def _new(self) -> Resampler:
        return Resampler(self.form.rate, self.rate)

    def _resample(self, data: bytes) -> bytes:
        if self._odd:
            data = self._odd + data
        self._odd = b""
        if len(data) % 2:
            data, self._odd = data[:-1], data[-1:]
        self._samples += len(data) // 2
        return self._resampler.feed(data)


class OpusPackets:
    """Splits the client's Opus into packets (RFC 6716): one bare packet in each append, or an Ogg stream in any pieces
    (RFC 3533, 7845). An Ogg stream goes on until the client sets the format again; bytes between two pages are
    skipped."""

    def __init__(self) -> None:
        self._ogg = False
        self._file = ""
        self._begun = False
        self._held = b""
        self._packet = b""

    def most(self, rest: bytes | memoryview) -> int:
        """How many bytes of this to feed in one turn of the event loop."""
        return OGG_PIECE if self._ogg or self._held or rest[: len(_OGG)] == _OGG else OPUS_PIECE

    def feed(self, piece: bytes) -> list[bytes]:
        """Returns the packets. Raises BadRequest if it is neither form; never in an Ogg stream that has begun."""
        piece, self._held = self._held + piece, b""
        self._ogg = self._ogg or piece.startswith(_OGG)
        if self._ogg or _OGG.startswith(piece):  # no such beginning is a packet
            self._held = piece
            return [packet for page in self._pages() for packet in self._laced(page) if is_opus(packet)]
        if not self._begun:
            self._file = next((name for magic, name in _FILES.items() if piece.startswith(magic)), "")
        self._begun = True
        if self._file or not is_opus(piece):
            what = f"a {self._file} file" if self._file else "no Opus packet"
            raise BadRequest(
                f"The audio is {what}: audio/opus takes bare Opus packets, one in each append, or an Ogg stream. Send "
                "PCM, or upload the file to /v1/audio/transcriptions.",
                param="audio",
            )
        return [piece]

    def _pages(self) -> Iterator[bytes]:
        while (at := self._held.find(_OGG)) >= 0:
            self._held = self._held[at:]
            laced = _PAGE + (self._held[_PAGE - 1] if len(self._held) >= _PAGE else 1)
            length = laced + sum(self._held[_PAGE:laced])
            if len(self._held) < length:
                return
            page, self._held = self._held[:length], self._held[length:]
            yield page
        self._held = self._held[-len(_OGG) + 1 :]

    def _laced(self, page: bytes) -> Iterator[bytes]:
        """The packets that end on this page."""
        at = _PAGE + page[_PAGE - 1]
        for lace in page[_PAGE:at]:
            self._packet += page[at : at + lace]
            at += lace
            if lace < 255:
                yield self._packet
                self._packet = b""
            elif len(self._packet) > OPUS_PIECE:
                self._packet = b""


def _file(beginning: bytes) -> str:
    """What kind of file begins like this, or an empty string."""
    if beginning[4:8] == b"ftyp":
        return "an MP4 file"
    return next(
        (f"a file in {name}" for magic, name in (_FILES | {_OGG: "Ogg"}).items() if beginning.startswith(magic)), ""
    )


def is_opus(packet: bytes) -> bool:
    """Whether it can be an Opus packet with sound in it."""
    fits = len(packet) <= 2 + opus.frames(packet) * OPUS_FRAME
    return fits and 0 < opus_ticks(packet) <= LONGEST_PACKET and not packet.startswith(_HEADS)


def opus_ticks(packet: bytes) -> int:
    """The duration of one Opus packet."""
    return opus.samples(packet) * TICKS // opus.RATE
