"""One call: DTLS, SCTP and the data channel by aiortc, the track by `track`, the voice by `voice`.

aiortc's RTCPeerConnection is not used: after a lost packet its jitter buffer throws away packets that arrived, and it
opens random ports. tests/foreign.py and tests/webrtc/test_peer.py check the private names used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import secrets
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import pylibsrtp
from aiortc import InvalidStateError, RTCCertificate, RTCDataChannel, RTCSctpCapabilities, RTCSctpTransport
from aiortc.rtcdtlstransport import (
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
)
from av import AudioFrame, CodecContext, Packet
from av.error import FFmpegError
from OpenSSL import SSL

from compat.audio import quiet
from compat.dashscope_api.live import opus
from compat.webrtc import rtp, sdp, voice
from compat.webrtc.ice import Agent
from compat.webrtc.track import RATE, STEP, CallTrack, Part, Silence
from compat.webrtc.voice import VoiceTrack

CHANNEL: Final = "oai-events"
CONNECTING: Final = 15.0  # seconds from the answer to DTLS
ALIVE: Final = 15.0  # seconds without an authentic datagram after which a call is considered lost
LONGEST: Final = RATE * 120 // 1000  # samples of a packet (RFC 6716, 3.2.5)
TAIL: Final = 2 * RATE // 100  # bytes of the last sound that may be speech
BATCH: Final = 2 * RATE * sdp.PTIME // 1000  # bytes of sound that are handed over together
UNSENT: Final = 64 << 10  # bytes on the data channel above which `send` waits
UNREAD: Final = 1000  # messages on the data channel that wait to be read
CLOSING: Final = 8.0  # seconds for the last messages; SCTP repeats lost ones after 1, 3 and 7 s
HANGUP: Final = 2.0  # seconds for them when the client has asked for the end
BITS: Final = 32_000  # a second, of the voice
DISORDER: Final = 2048  # chunks of SCTP out of order
RENEWAL: Final = datetime.timedelta(days=29)
"""aiortc's certificates are valid for 30 days."""
CIPHERS: Final = b":".join(
    b"ECDHE-%b-%b" % (signature, cipher)
    for cipher in (b"AES128-GCM-SHA256", b"CHACHA20-POLY1305", b"AES128-SHA", b"AES256-SHA")
    for signature in (b"ECDSA", b"RSA")
)
"""Those of aiortc, and the same for callers with RSA certificates, such as GStreamer."""

logging.getLogger("aiortc").setLevel(logging.CRITICAL)  # it reports what callers send


class Lost(Exception):
    """The call has ended: the caller has gone, or `close` was called."""


class CallCertificate(RTCCertificate):
    """A certificate whose handshakes accept callers with RSA certificates."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(CIPHERS)
        return context


class Certificate:
    """The certificate of this process's calls, replaced every day."""

    def __init__(self) -> None:
        self._current: RTCCertificate | None = None

    def current(self) -> RTCCertificate:
        now = datetime.datetime.now(datetime.UTC)
        if self._current is None or self._current.expires < now + RENEWAL:
            self._current = CallCertificate.generateCertificate()
        return self._current


def fingerprint(certificate: RTCCertificate) -> str:
    """Return the SHA-256 fingerprint as it stands in an answer."""
    return next(each.value for each in certificate.getFingerprints() if each.algorithm == "sha-256")


class Decoder:
    """Opus packets to mono s16le at 48 kHz."""

    def __init__(self) -> None:
        self._codec: Any = CodecContext.create("libopus", "r")
        self._codec.format, self._codec.layout, self._codec.sample_rate = "s16", "mono", RATE

    def decode(self, packet: bytes) -> bytes:
        """Return the sound; silence of the same length for a packet that cannot be decoded."""
        try:
            return b"".join(_samples(frame) for frame in self._codec.decode(Packet(packet)))
        except FFmpegError:
            return bytes(2 * min(opus.samples(packet), LONGEST))


def _samples(frame: AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: 2 * frame.samples]


class VoiceEncoder:
    """Pieces of voice to Opus packets, one each. At this bit rate libopus takes CELT for "audio", which costs 0.4 of
    what its speech codec does."""

    def __init__(self) -> None:
        self._codec: Any = CodecContext.create("libopus", "w")
        self._codec.format, self._codec.layout, self._codec.sample_rate = "s16", "mono", voice.RATE
        self._codec.bit_rate, self._codec.time_base = BITS, Fraction(1, voice.RATE)
        self._codec.options = {"application": "audio", "frame_duration": str(sdp.PTIME), "compression_level": "5"}
        self._at = 0

    def encode(self, pcm: bytes) -> bytes:
        frame = AudioFrame("s16", "mono", voice.PIECE)
        frame.planes[0].update(pcm)
        frame.sample_rate, frame.pts = voice.RATE, self._at
        self._at += voice.PIECE
        return b"".join(map(bytes, self._codec.encode(frame)))


class Dtls(RTCDtlsTransport):
    """aiortc's SCTP sends in tasks of its own, also when the call has ended: asyncio would log their exceptions."""

    async def _send_data(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, SSL.Error):
            await super()._send_data(data)


class Peer:
    """The caller's end of one call. `agent` has to be on the port before the caller gets the answer."""

    def __init__(
        self,
        offer: sdp.Offer,
        certificate: RTCCertificate,
        *,
        speaks: bool = False,
        connecting: float = CONNECTING,
        alive: float = ALIVE,
    ) -> None:
        """`speaks`: the call has a voice, if the caller takes one. `connecting`: seconds for the caller to connect.
        `alive`: seconds without a datagram before it is lost."""
        self._connecting, self._alive = connecting, alive
        self._loop = asyncio.get_running_loop()
        self._offer = offer
        self.agent = Agent(offer.fragment, self._media, self._loop.time())
        self._dtls = Dtls(self.agent, [certificate])  # type: ignore[arg-type]
        self._dtls._set_role("client" if offer.setup == "active" else "server")  # noqa: SLF001
        self._dtls.on("statechange", self._on_state)
        self._sctp: RTCSctpTransport | None = None
        self._channel: RTCDataChannel | None = None
        self._events: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None
        self._track, self._decoder = CallTrack(self._speaking), Decoder()
        self._last = b""
        self._hear: Callable[[bytes], object] | None = None
        self._sound: list[bytes] = []
        self._size = 0
        self._ready = self.closed = False
        self.source = secrets.randbelow(1 << 32) if speaks and offer.hears else None
        """The source of the packets of the voice; None without one."""
        self._voice = VoiceTrack(secrets.randbelow(1 << 16), secrets.randbelow(1 << 32))
        self._encoder: VoiceEncoder | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._silent = asyncio.Event()
        self._silent.set()

    @property
    def figures(self) -> dict[str, float]:
        """Return the numbers of lost packets of the track, and of those that came too late or twice; with a voice, the
        seconds of it that were not sent."""
        figures: dict[str, float] = {"lost_packets": self._track.lost, "late_packets": self._track.late}
        return figures if self.source is None else {**figures, "skipped_seconds": round(self._voice.skipped, 3)}

    async def open(self) -> None:
        """Wait for the caller, and return when the call is encrypted. Raises Lost."""
        prints = [RTCDtlsFingerprint(name, value) for name, value in self._offer.fingerprints]
        try:
            async with asyncio.timeout(self._connecting):
                await self.agent.found.wait()
                await self._dtls.start(RTCDtlsParameters(fingerprints=prints))
        except (TimeoutError, ConnectionError) as exc:
            raise Lost from exc
        if self._dtls.state != "connected":
            raise Lost
        self._ready = True
        self._sctp = RTCSctpTransport(self._dtls, sdp.SCTP_PORT)
        self._sctp.on("datachannel", self._on_channel)
        if self._offer.channel is not None:
            with contextlib.suppress(ConnectionError):
                await self._sctp.start(RTCSctpCapabilities(self._offer.largest_message), self._offer.channel_port)
        self._ticking = asyncio.create_task(self._tick())

    def listen(self, hear: Callable[[bytes], object]) -> None:
        """Call `hear` with the sound of the track from its beginning: mono s16le at 48 kHz."""
        self._hear = hear
        self.flush()

    async def receive(self) -> str | bytes:
        """Return the next message on the data channel. Raises Lost."""
        message = await self._events.get()
        if message is None:
            self._events.put_nowait(None)
            raise Lost
        return message

    async def send(self, text: str) -> None:
        """Send a message when the data channel is open and has room. Raises Lost."""
        if self._offer.channel is None:
            return
        await self._writable.wait()
        if self.closed or self._channel is None:
            raise Lost
        try:
            self._channel.send(text)
        except (InvalidStateError, ValueError) as exc:  # closing, or longer than the caller takes
            raise Lost from exc
        if self._channel.bufferedAmount > UNSENT:
            self._writable.clear()

    async def close(self, patience: float = CLOSING) -> None:
        """Send what is still to be sent, for at most `patience` seconds, and end the call."""
        if self._channel is not None and not self.closed:
            gone = asyncio.Event()
            self._channel.on("close", gone.set)
            self._channel.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await gone.wait()
        if self._ticking is not None:
            self._ticking.cancel()
        if self._sctp is not None:
            await self._sctp.stop()
        await self._dtls.stop()
        self._end()

    def _end(self) -> None:
        if not self.closed:
            self.closed = True
            self.flush()
            self._hush()
            self._events.put_nowait(None)
            self._writable.set()

    # --- the data channel -------------------------------------------------------------------------------------------

    def _on_state(self) -> None:
        if self._dtls.state in ("closed", "failed"):
            self._end()

    def _on_channel(self, channel: RTCDataChannel) -> None:
        """Take the channel of OpenAI's name, and close others."""
        if channel.label != CHANNEL or self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = UNSENT // 2
        channel.on("message", self.deliver)
        channel.on("bufferedamountlow", self._writable.set)
        channel.on("close", self._end)
        self._writable.set()

    def deliver(self, message: str | bytes) -> None:
        """Take a message of the caller."""
        self.flush()  # a commit comes after the sound before it
        if self._events.qsize() < UNREAD:
            self._events.put_nowait(message)
        else:
            self._end()

    # --- the track --------------------------------------------------------------------------------------------------

    def _media(self, data: bytes) -> None:
        """Take a datagram of SRTP."""
        if not self._ready or self.closed or not rtp.is_rtp(data):
            return
        try:
            packet = rtp.read(self._dtls._rx_srtp.unprotect(data), self._offer.payload)  # noqa: SLF001
        except pylibsrtp.Error:  # forged, or twice
            return
        now = self.agent.heard_at = self._loop.time()
        if packet is not None:
            self._play(self._track.feed(packet, now))

    def _play(self, parts: list[Part]) -> None:
        for part in parts:
            sound = bytes(2 * part.samples) if isinstance(part, Silence) else self._decoder.decode(part)
            self._last = sound[-TAIL:]
            self._sound.append(sound)
            self._size += len(sound)
        if self._size >= BATCH:
            self.flush()

    def _speaking(self) -> bool:
        return quiet.loud(self._last)

    def flush(self) -> None:
        """Hand over the sound so far."""
        if self._hear is not None and self._sound:
            sound, self._sound, self._size = b"".join(self._sound), [], 0
            self._hear(sound)

    async def _tick(self) -> None:
        while not self.closed:
            await asyncio.sleep(STEP)
            now = self._loop.time()
            self._play(self._track.tick(now))
            self.flush()
            if now > self.agent.heard_at + self._alive or self._disordered:
                self._end()

    @property
    def _disordered(self) -> bool:
        """Whether the caller has sent more data out of order than SCTP's window allows."""
        sctp = self._sctp
        if sctp is None:
            return False
        return min(sctp._advertised_rwnd, DISORDER - len(sctp._sack_misordered)) < 0  # noqa: SLF001

    # --- the voice --------------------------------------------------------------------------------------------------

    def play(self, pcm: bytes) -> None:
        """Let the caller hear this after what it has to hear: mono s16le at `voice.RATE`."""
        if self.source is None or self.closed or not self._ready:
            return
        self._voice.put(pcm, self._loop.time())
        if self._timer is None:
            self._set_timer()

    @property
    def unheard(self) -> float:
        """Seconds of voice that wait to be heard, at most `voice.MOST`."""
        return self._voice.waiting

    async def played(self) -> None:
        """Wait for the end of the voice, or of the call."""
        await self._silent.wait()

    def _set_timer(self) -> None:
        due = self._voice.due
        if due is None:
            self._hush()
        else:
            self._silent.clear()
            self._timer = self._loop.call_at(due, self._speak)

    def _hush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._silent.set()

    def _speak(self) -> None:
        """Send what is due."""
        self._encoder = self._encoder or VoiceEncoder()
        assert self.source is not None  # noqa: S101 - see `play`
        for piece in self._voice.take(self._loop.time()):
            packet = rtp.Packet(piece.number, piece.stamp, self.source, self._encoder.encode(piece.pcm))
            data = rtp.write(packet, self._offer.payload, first=piece.first)
            self.agent.send(self._dtls._tx_srtp.protect(data))  # noqa: SLF001
        self._set_timer()
