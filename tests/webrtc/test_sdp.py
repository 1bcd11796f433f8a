"""Offers and answers; aiortc's parser reads the answers."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from compat.errors import BadRequest
from compat.webrtc import sdp
from tests.webrtc.offers import AUDIO, CHANNEL, CHROMIUM, FINGERPRINT, SESSION, TRANSPORT, VIDEO, text

UNBUNDLED = SESSION.replace("a=group:BUNDLE 0 1\n", "")
LOCAL = sdp.Local(
    session=7,
    fragment="ours",
    password="p" * 32,
    fingerprint=FINGERPRINT,
    candidates=[("udp", ("192.0.2.7", 8189)), ("tcp", ("192.0.2.7", 8189))],
)


def answered(offer: str) -> SessionDescription:
    return SessionDescription.parse(sdp.answer(sdp.parse(offer), LOCAL))


def test_an_offer_of_a_browser() -> None:
    offer = sdp.parse(CHROMIUM)
    assert (offer.payload, offer.fragment, offer.setup) == (111, "Ab+1", "active")
    assert (("sha-256", FINGERPRINT),) == offer.fingerprints
    assert (offer.channel_port, offer.largest_message) == (5000, 262144)


def test_the_answer_takes_the_track_and_the_channel_over_one_transport() -> None:
    answer = answered(CHROMIUM)
    audio, channel = answer.media
    assert [str(group) for group in answer.group] == ["BUNDLE 0 1"]
    assert [(codec.mimeType, codec.payloadType) for codec in audio.rtp.codecs] == [("audio/opus", 111)]
    assert (audio.direction, audio.rtcp_mux) == ("recvonly", True)
    assert [(each.protocol, each.ip, each.port) for each in audio.ice_candidates] == [
        ("udp", "192.0.2.7", 8189),
        ("tcp", "192.0.2.7", 8189),
    ]
    assert audio.ice_candidates[0].priority > audio.ice_candidates[1].priority
    assert channel.sctp_port == 5000
    assert audio.ice is not None
    assert audio.ice.iceLite


def test_a_call_with_a_voice_sends_a_track_too() -> None:
    local = msgspec.structs.replace(LOCAL, voice=77)
    audio = SessionDescription.parse(sdp.answer(sdp.parse(CHROMIUM), local)).media[0]
    assert (audio.direction, audio.msid, [each.ssrc for each in audio.ssrc]) == ("sendrecv", "realtime voice", [77])


@pytest.mark.parametrize(("direction", "hears"), [("sendrecv", True), ("sendonly", False), (None, True)])
def test_whether_the_caller_takes_a_track(direction: str | None, hears: bool) -> None:
    line = "" if direction is None else f"a={direction}\r\n"
    assert hears is sdp.parse(CHROMIUM.replace("a=sendrecv\r\n", line)).hears


@pytest.mark.parametrize(
    ("offered", "role"), [("actpass", "client"), ("active", "server"), ("passive", "client"), (None, "client")]
)
def test_the_role_follows_the_offer(offered: str | None, role: str) -> None:
    line = "" if offered is None else f"a=setup:{offered}"
    dtls = answered(CHROMIUM.replace("a=setup:actpass", line)).media[0].dtls
    assert dtls is not None
    assert role == dtls.role


@pytest.mark.parametrize(
    ("offer", "formats"),
    [
        (text(SESSION, AUDIO, CHANNEL, VIDEO), ["96 VP8"]),
        (
            text(SESSION, VIDEO.replace("a=rtpmap:96", "a=rtpmap:98 H264/90000\na=rtpmap:96"), AUDIO, CHANNEL),
            ["96 VP8"],
        ),
        (text(SESSION, AUDIO, CHANNEL, AUDIO.replace("a=mid:0", "a=mid:3")), ["111 opus", "63 red", "0 PCMU"]),
    ],
)
def test_other_media_are_refused_and_stay_outside_the_bundle(offer: str, formats: list[str]) -> None:
    answer = answered(offer)
    refused = [media for media in answer.media if media.port == 0]
    assert [media.direction for media in refused] == ["inactive"]
    assert formats == [f"{codec.payloadType} {codec.name}" for codec in refused[0].rtp.codecs]  # pion looks them up
    assert [str(group) for group in answer.group] == ["BUNDLE 0 1"]
    assert len(answer.media) == 3
    assert all(media.ice and media.ice.usernameFragment and media.dtls for media in answer.media)  # aiortc needs both


@pytest.mark.parametrize(
    "offer",
    [
        CHROMIUM.replace("\r\n", "\n"),
        text(SESSION.replace("BUNDLE 0 1", "BUNDLE 0"), AUDIO),
        text(UNBUNDLED, AUDIO),
        text(SESSION, TRANSPORT, AUDIO.replace(TRANSPORT, "a=x"), CHANNEL.replace(TRANSPORT, "a=x")),
        CHROMIUM.replace("m=audio 9", "m=audio 0").replace("a=mid:0", "a=bundle-only\r\na=mid:0"),
        CHROMIUM.replace("m=application 9", "m=application 0"),
        CHROMIUM.replace("a=sendrecv", "a=sendonly"),
        CHROMIUM.replace("opus/48000/2", "OPUS/48000/2"),
        CHROMIUM.replace("a=sctp-port:5000\r\n", ""),
        CHROMIUM.replace("sha-256", "SHA-256"),
        CHROMIUM + "a=candidate:1 1 udp 1 x.local 9 typ host\r\n",
    ],
    ids=["LF", "no-channel", "no-bundle", "session-level", "bundle-only", "dead-channel", "sendonly", "OPUS", "no-port",
         "SHA-256", "mDNS"],
)  # fmt: skip
def test_variants_of_an_offer(offer: str) -> None:
    assert "a=recvonly" in sdp.answer(sdp.parse(offer), LOCAL)


INVALID = {
    "": "v=0",
    "hello": "v=0",
    '{"type":"offer"}': "v=0",
    text(SESSION): "no audio",
    text(SESSION, CHANNEL): "no audio",
    text(SESSION, VIDEO): "no audio",
    CHROMIUM.replace("m=audio 9", "m=audio 0"): "no audio",
    CHROMIUM.replace("a=sendrecv", "a=recvonly"): "sends nothing",
    CHROMIUM.replace("a=sendrecv", "a=inactive"): "sends nothing",
    CHROMIUM.replace("a=rtcp-mux", "a=x"): "rtcp-mux",
    CHROMIUM.replace("a=rtpmap:111", "a=rtpmap:112"): "Opus",
    CHROMIUM.replace("opus/48000/2", "ISAC/16000"): "Opus",
    CHROMIUM.replace("a=group", "a=x"): "BUNDLE",
    CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 0"): "BUNDLE",
    CHROMIUM.replace("ice-ufrag", "x"): "ice-ufrag",
    CHROMIUM.replace("ice-pwd", "x"): "ice-pwd",
    CHROMIUM.replace("ufrag:Ab+1", "ufrag:a:b"): "ice-ufrag",
    CHROMIUM.replace("sha-256", "sha-1"): "fingerprint",
    CHROMIUM.replace(FINGERPRINT, "nothing"): "fingerprint",
    CHROMIUM.replace("actpass", "holdconn"): "setup",
    CHROMIUM.replace("sctp-port:5000", "sctp-port:70000"): "sctp-port",
    CHROMIUM.replace("sctp-port:5000", f"sctp-port:{'9' * 5000}"): "sctp-port",
    CHROMIUM.replace("m=audio 9", "m=audio x"): "m=",
    text(SESSION, *[VIDEO] * 33): "sections",
    CHROMIUM + "a=" + "x" * 65536: "characters",
}


@pytest.mark.parametrize(("offer", "reason"), INVALID.items(), ids=range(len(INVALID)))
def test_an_invalid_offer_gets_openais_error_with_the_reason(offer: str, reason: str) -> None:
    with pytest.raises(
        BadRequest, match=r"^Invalid SDP offer\. Please try again with a WHIP-compliant offer"
    ) as caught:
        sdp.parse(offer)
    assert caught.value.code == "invalid_offer"
    assert reason in caught.value.message


@given(st.data())
def test_a_mutated_offer_is_answered_or_refused(data: st.DataObject) -> None:
    lines = CHROMIUM.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "cut", "noise"]))
        if kind == "drop":
            lines[at] = ""
        elif kind == "double":
            lines.insert(data.draw(st.integers(0, len(lines))), lines[at])
        elif kind == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        else:
            lines[at] += data.draw(st.text(max_size=8))
    with contextlib.suppress(BadRequest):
        assert sdp.answer(sdp.parse("\r\n".join(lines)), LOCAL).startswith("v=0\r\n")
