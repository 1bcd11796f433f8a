"""Generated handshake headers and frames to a running server: each gets a response, and none fails the server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.endpoints.live import live_server
from tests.running import RunningServer
from tests.server.test_websocket import WHOLE, exchange

PATIENT = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with live_server("hello") as opened:
        yield opened


HEADERS = {
    b"authorization": [b"Bearer ek_", b"Bearer \xff", b"Basic eDp5", b"Bearer"],
    b"openai-beta": [b"realtime=v1", b"realtime=v2,,", b"="],
    b"origin": [b"http://[", b"http://127.0.0.1", b"null", b"http://a:b:c", b"//", b"http://[::1]:x"],
    b"sec-websocket-protocol": [b"realtime", b"realtime, openai-insecure-api-key.ek_", b"openai-beta.realtime-v1, a"],
    b"x-request-id": [b"my-own", b"\xff", b"a" * 300],
    b"cookie": [b"=;=", b"a" * 3000],
}
noise = st.lists(st.sampled_from([byte for byte in range(256) if byte not in b"\r\n\0"]), max_size=20).map(bytes)
lines = st.sampled_from([(name, value) for name, values in HEADERS.items() for value in values]).map(b": ".join)
lines |= st.tuples(st.sampled_from([*HEADERS]), noise).map(b": ".join)
queries = st.sampled_from(
    [b"", b"?intent=transcription", b"?model=x&model=y", b"?intent=%ff%00", b"?%", b"?" + b"a" * 4000]
)


@given(st.lists(lines, max_size=5), queries)
@example([b"origin: http://["], b"")
@PATIENT
def test_any_upgrade_is_answered(server: RunningServer, headers: list[bytes], query: bytes) -> None:
    port = int(server.base_url.removesuffix("/v1").rpartition(":")[2])

    assert exchange(port, *WHOLE, *headers, path=b"/v1/realtime" + query)[9:12] in (b"101", b"400", b"401", b"403")


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
events = st.dictionaries(st.sampled_from(["type", "session", "audio", "item_id", "event_id"]), scalars)
frames = (events | scalars).map(json.dumps) | st.text(max_size=40) | st.binary(max_size=40)


@given(st.lists(frames, min_size=1, max_size=8))
@PATIENT
def test_any_frames_are_answered_and_the_session_continues(server: RunningServer, sent: list[str | bytes]) -> None:
    with connect(f"{server.base_url.replace('http', 'ws', 1)}/realtime?intent=transcription") as session:
        for frame in sent:
            session.send(frame)
        session.send('{"type": "conversation.item.retrieve", "item_id": "the last one"}')
        try:
            while "the last one" not in str(session.recv(timeout=10)):
                pass
        except ConnectionClosed as closed:
            pytest.fail(f"the session was closed: {closed}")
