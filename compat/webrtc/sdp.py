"""SDP offers and answers of a call (RFC 8866, 8829, 8841): one Opus track, one data channel, one port.

The answer has the shape of OpenAI's (OpenAPI document, 2026-08): host candidates. The track goes both ways if the call
has a voice, else from the caller only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from compat.errors import BadRequest

LARGEST: Final = 64 << 10  # bytes of an offer
MOST: Final = 32  # media sections
SCTP_PORT: Final = 5000
LARGEST_MESSAGE: Final = 256 << 10  # bytes of a message on the data channel
PTIME: Final = 60  # ms of audio in a packet
_HASHES: Final = ("sha-256", "sha-384", "sha-512")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,256}")
_MEDIA: Final = re.compile(r"([a-z]{1,32}) (\d{1,5})(?:/\d+)? ([A-Za-z0-9/]{1,64}) ([\x20-\x7e]{1,1024})")
_FINGERPRINT: Final = re.compile(r"([A-Za-z0-9-]{1,16}) ((?:[0-9A-Fa-f]{2}:){19,63}[0-9A-Fa-f]{2})")
_FORMAT: Final = re.compile(r"(\d{1,3}) [\x21-\x7e]{1,64}")
_OPUS: Final = re.compile(r"(\d{1,3}) opus/48000/2", re.IGNORECASE)
_ROLES: Final = {"actpass": "active", "active": "passive", "passive": "active"}


def invalid(reason: str) -> BadRequest:
    """Return OpenAI's error for an offer, with the reason."""
    message = f"Invalid SDP offer. Please try again with a WHIP-compliant offer: {reason}"
    return BadRequest(message, code="invalid_offer")


class MediaSection(msgspec.Struct, frozen=True, kw_only=True):
    """A media section. `attributes` are its lines `a=`, without those of the session."""

    kind: str
    port: int
    protocol: str
    formats: str
    attributes: tuple[str, ...]

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute, an empty string for one without a value."""
        return _values(self.attributes, name)

    @property
    def mid(self) -> str:
        return next(iter(self.values("mid")), "")

    @property
    def alive(self) -> bool:
        return self.port != 0 or bool(self.values("bundle-only"))


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a call needs of an offer. `payload` is the type of Opus packets, `setup` the DTLS role of the answer.
    `hears`: whether the caller takes a track too."""

    media: tuple[MediaSection, ...]
    audio: MediaSection
    channel: MediaSection | None
    payload: int
    hears: bool
    fragment: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    channel_port: int
    largest_message: int


class Local(msgspec.Struct, frozen=True, kw_only=True):
    """This end of a call. `candidates` are pairs of "udp" or "tcp" and an address with its port. `voice` is the source
    of the packets that it sends, None without a voice."""

    session: int
    fragment: str
    password: str
    fingerprint: str
    candidates: Sequence[tuple[str, tuple[str, int]]]
    voice: int | None = None


def parse(text: str) -> Offer:
    """Return the offer. Raises BadRequest."""
    if len(text) > LARGEST:
        raise invalid(f"it has more than {LARGEST:,} characters.")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].strip() != "v=0":
        raise invalid("it does not begin with v=0.")
    session, media = _sections(lines)
    audio = next((each for each in media if each.kind == "audio" and each.alive), None)
    if audio is None:
        raise invalid("it has no audio track.")
    if {"recvonly", "inactive"} & set(audio.attributes):
        raise invalid("its audio track sends nothing.")
    if not audio.values("rtcp-mux"):
        raise invalid("its audio track has no a=rtcp-mux.")
    opus = next(filter(None, map(_OPUS.fullmatch, audio.values("rtpmap"))), None)
    if opus is None or opus[1] not in audio.formats.split():
        raise invalid("its audio track does not offer Opus.")
    channel = next((each for each in media if each.kind == "application" and each.alive and _sctp(each)), None)
    bundled = next((text.split()[1:] for text in _values(session, "group") if text.startswith("BUNDLE ")), [])
    if channel is not None and not {audio.mid, channel.mid} <= set(bundled):
        raise invalid("its track and its data channel are not in one a=group:BUNDLE.")
    lookup = [*audio.attributes, *session]
    return Offer(
        media=media,
        audio=audio,
        channel=channel,
        payload=int(opus[1]),
        hears="sendonly" not in audio.attributes,
        fragment=_credentials(lookup),
        fingerprints=_fingerprints(lookup),
        setup=_setup(lookup),
        channel_port=_number(channel, "sctp-port", SCTP_PORT, 65535),
        largest_message=_number(channel, "max-message-size", 65536, 1 << 30),
    )


def _sections(lines: list[str]) -> tuple[list[str], tuple[MediaSection, ...]]:
    """Return the attributes of the session and the media sections."""
    session: list[str] = []
    media: list[tuple[re.Match[str], list[str]]] = []
    for line in lines:
        kind, value = line[:2], line[2:].strip()
        if kind == "m=":
            match = _MEDIA.fullmatch(value)
            if match is None:
                raise invalid("a line m= cannot be read.")
            media.append((match, []))
        elif kind == "a=":
            (media[-1][1] if media else session).append(value)
    if len(media) > MOST:
        raise invalid(f"it has more than {MOST} media sections.")
    return session, tuple(
        MediaSection(
            kind=match[1], port=int(match[2]), protocol=match[3], formats=match[4], attributes=tuple(attributes)
        )
        for match, attributes in media
    )


def _values(attributes: Sequence[str], name: str) -> list[str]:
    start = f"{name}:"
    return [text.removeprefix(start) for text in attributes if text == name or text.startswith(start)]


def _sctp(media: MediaSection) -> bool:
    return media.protocol in ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP")


def _credentials(lookup: Sequence[str]) -> str:
    fragment = next(iter(_values(lookup, "ice-ufrag")), "")
    if not _TOKEN.fullmatch(fragment) or ":" in fragment or not _values(lookup, "ice-pwd"):
        raise invalid("it has no a=ice-ufrag and a=ice-pwd.")
    return fragment


def _fingerprints(lookup: Sequence[str]) -> tuple[tuple[str, str], ...]:
    matches = filter(None, map(_FINGERPRINT.fullmatch, _values(lookup, "fingerprint")))
    found = tuple((match[1].lower(), match[2].upper()) for match in matches)
    if not any(name in _HASHES for name, _ in found):
        raise invalid("it has no a=fingerprint with SHA-256, SHA-384 or SHA-512.")
    return found


def _setup(lookup: Sequence[str]) -> str:
    offered = next(iter(_values(lookup, "setup")), "actpass")
    if offered not in _ROLES:
        raise invalid("its a=setup is none of actpass, active and passive.")
    return _ROLES[offered]


def _number(media: MediaSection | None, name: str, default: int, most: int) -> int:
    text = next(iter(media.values(name)), "") if media else ""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and int(text[:12]) <= most):
        raise invalid(f"its a={name} is not a number up to {most}.")
    return int(text)


def answer(offer: Offer, local: Local) -> str:
    """Return the answer to an offer."""
    return "".join(f"{line}\r\n" for line in _lines(offer, local))


def _transport(offer: Offer, local: Local) -> Iterator[str]:
    yield f"a=ice-ufrag:{local.fragment}"
    yield f"a=ice-pwd:{local.password}"
    yield f"a=fingerprint:sha-256 {local.fingerprint}"
    yield f"a=setup:{offer.setup}"


def _lines(offer: Offer, local: Local) -> Iterator[str]:
    taken = [offer.audio] if offer.channel is None else [offer.audio, offer.channel]
    mids = [media.mid for media in offer.media if media in taken]
    yield from ("v=0", f"o=- {local.session} 2 IN IP4 0.0.0.0", "s=-", "t=0 0")
    if all(mids):
        yield f"a=group:BUNDLE {' '.join(mids)}"
    yield "a=ice-lite"
    first = True
    for media in offer.media:
        if media not in taken:
            yield f"m={media.kind} 0 {media.protocol} {media.formats}"
            yield "c=IN IP4 0.0.0.0"
            yield from _mid(media)
            yield "a=inactive"
            yield from _formats(media)  # pion refuses an answer without them
            yield from _transport(offer, local)  # aiortc refuses an answer without it
            continue
        yield from _track(offer, local.voice) if media is offer.audio else _channel(media)
        yield from _transport(offer, local)
        if first:
            yield from _candidates(local)
        first = False


def _mid(media: MediaSection) -> Iterator[str]:
    if media.mid:
        yield f"a=mid:{media.mid}"


def _formats(media: MediaSection) -> Iterator[str]:
    """Yield the names of the formats, as they are in the offer."""
    matches = filter(None, map(_FORMAT.fullmatch, media.values("rtpmap")))
    formats = media.formats.split()
    yield from (f"a=rtpmap:{match[0]}" for match in matches if match[1] in formats)


def _track(offer: Offer, voice: int | None) -> Iterator[str]:
    payload = offer.payload
    yield f"m=audio 9 {offer.audio.protocol} {payload}"
    yield "c=IN IP4 0.0.0.0"
    yield from _mid(offer.audio)
    if voice is None:
        yield "a=recvonly"
    else:
        yield from ("a=sendrecv", "a=msid:realtime voice", f"a=ssrc:{voice} cname:realtime")
    yield "a=rtcp-mux"
    yield f"a=rtpmap:{payload} opus/48000/2"
    yield f"a=fmtp:{payload} minptime=10;useinbandfec=1"
    yield f"a=ptime:{PTIME}"


def _channel(media: MediaSection) -> Iterator[str]:
    yield f"m=application 9 {media.protocol} webrtc-datachannel"
    yield "c=IN IP4 0.0.0.0"
    yield from _mid(media)
    yield f"a=sctp-port:{SCTP_PORT}"
    yield f"a=max-message-size:{LARGEST_MESSAGE}"


def _candidates(local: Local) -> Iterator[str]:
    """Yield the candidates, UDP before TCP (RFC 8445, 5.1.2; RFC 6544, 4.2)."""
    for index, (protocol, (address, port)) in enumerate(local.candidates):
        priority = (126 << 24) + ((65535 if protocol == "udp" else 32767) - index << 8) + 255
        passive = " tcptype passive" if protocol == "tcp" else ""
        yield f"a=candidate:{index + 1} 1 {protocol} {priority} {address} {port} typ host{passive}"
    yield "a=end-of-candidates"
