"""SDP offers as browsers write them."""

from __future__ import annotations

FINGERPRINT = ":".join(["AB"] * 32)
SESSION = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS stream"""
TRANSPORT = f"""a=ice-ufrag:Ab+1
a=ice-pwd:0123456789abcdefghijklmn
a=ice-options:trickle
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass"""
AUDIO = f"""m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
{TRANSPORT}
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:stream track
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:0 PCMU/8000
a=ssrc:2318 cname:x"""
CHANNEL = f"""m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
{TRANSPORT}
a=mid:1
a=sctp-port:5000
a=max-message-size:262144"""
VIDEO = f"""m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
{TRANSPORT}
a=mid:2
a=sendrecv
a=rtcp-mux
a=rtpmap:96 VP8/90000"""


def text(*parts: str) -> str:
    """Return the lines with the ends that SDP has."""
    return "\n".join([*parts, ""]).replace("\n", "\r\n")


CHROMIUM = text(SESSION, AUDIO, CHANNEL)
