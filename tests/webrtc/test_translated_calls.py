"""Live translation by WebRTC: aiortc sends words as tones, and decodes those of the translation."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from compat.emulator.engines.tones import Tones, encode, lay
from compat.webrtc.port import bind
from tests.emulator.livetranslate.talk import said
from tests.running import running_server
from tests.webrtc.caller import Caller, calling
from tests.webrtc.offers import CHROMIUM

KEYS = ("sk-first-of-the-two-keys", "sk-second-of-the-two-keys")
MODEL = "gpt-realtime-translate"
PAUSE = bytes(96_000)  # a second
SPOKEN = ["amber", "basil", "cedar"]
WORDS = encode(lay(SPOKEN), rate=48_000)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with running_server(Tones(), calls=bind("127.0.0.1", 0, tcp=True), api_keys=KEYS) as opened:
        yield opened.base_url


async def post(base: str, key: str = KEYS[0], body: str = CHROMIUM, **options: Any) -> httpx2.Response:  # noqa: ANN401
    sent = {"params": {"model": MODEL}} | options
    if "files" not in sent:
        sent |= {"content": body, "headers": {"content-type": "application/sdp"} | sent.get("headers", {})}
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}) as client:
        return await client.post(f"{base}/realtime/translations/calls", **sent)


class Listener:
    """Hears a track to its end."""

    def __init__(self, track: MediaStreamTrack) -> None:
        self._pcm: list[bytes] = []
        self._task = asyncio.create_task(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                stereo = (await track.recv()).to_ndarray().reshape(-1, 2)  # type: ignore[union-attr]
                self._pcm.append(stereo[::2, 0].astype(np.int16).tobytes())  # 24 kHz

    @property
    def words(self) -> list[str]:
        return said(b"".join(self._pcm))


@contextlib.asynccontextmanager
async def placed(base: str, pcm: bytes = WORDS + PAUSE, **options: Any) -> AsyncIterator[tuple[Caller, str]]:  # noqa: ANN401
    """Place a call. Yield the caller and the call's id."""
    answers = []

    async def exchange(offer: str) -> str:
        answers.append(await post(base, body=offer, **options))
        assert answers[0].status_code == 201, answers[0].text
        return answers[0].text

    async with calling(pcm, exchange) as caller:
        yield caller, answers[0].headers["location"].rpartition("/")[2]


def text(events: list[dict[str, Any]], kind: str = "output") -> str:
    return "".join(event["delta"] for event in events if event["type"] == f"session.{kind}_transcript.delta")


async def test_every_word_is_heard_and_none_comes_as_an_event(base: str) -> None:
    async with placed(base, PAUSE + WORDS + PAUSE + WORDS + PAUSE) as (caller, _):
        listener = Listener(caller.connection.getReceivers()[0].track)
        await caller.microphone.played.wait()
        caller.send("session.close")
        events = await caller.until("session.closed")
        assert listener.words == SPOKEN * 2  # before the client knows that the session is closed
        await caller.closed.wait()
    assert text(events).split() == SPOKEN * 2
    assert {event["type"] for event in events} == {
        "session.created", "session.output_transcript.delta", "session.closed",
    }  # fmt: skip


async def test_a_client_secret_configures_and_ends_the_call(base: str) -> None:
    session = {"model": MODEL, "audio": {"output": {"language": "de"}, "input": {"transcription": {"model": "any"}}}}
    async with openai.AsyncOpenAI(base_url=base, api_key=KEYS[0], max_retries=0) as client:
        secret = await client.realtime.translations.client_secrets.create(session=session)  # type: ignore[arg-type]
    async with placed(base, key=secret.value, params={}) as (caller, call):
        (created,) = await caller.until("session.created")
        assert created["session"]["audio"]["output"] == {"language": "de"}
        assert text(await caller.until("input_transcript.delta"), "input").startswith("amber")
        async with openai.AsyncOpenAI(base_url=base, api_key=secret.value, max_retries=0) as page:
            await page.realtime.calls.hangup(call)
        await caller.closed.wait()


@pytest.mark.parametrize("files", [True, False])
async def test_a_form_configures_the_call(base: str, files: bool) -> None:
    session = {"model": MODEL, "type": "translation", "audio": {"output": {"language": "ja"}}, "beside": 1}
    name = "blob" if files else None

    async def exchange(offer: str) -> str:
        form = {"sdp": (name, offer, "application/sdp"), "session": (name, json.dumps(session), "application/json")}
        return (await post(base, params={}, files=form)).text

    async with calling(b"", exchange) as caller:
        (created,) = await caller.until("session.created")
    assert created["session"]["audio"]["output"] == {"language": "ja"}
    assert created["session"]["dashscope"]["ignored"] == ["beside"]


async def test_a_caller_that_takes_no_track_gets_text(base: str) -> None:
    answers = []

    async def exchange(offer: str) -> str:
        answers.append((await post(base, body=offer.replace("a=sendrecv", "a=sendonly"))).text)
        return answers[0]

    async with calling(WORDS + PAUSE, exchange) as caller:
        (created,) = await caller.until("session.created")
        assert created["session"]["dashscope"]["output_modalities"] == ["text"]
        assert text(await caller.until("output_transcript.delta")).startswith("amber")
    assert "a=recvonly" in answers[0]
    assert "a=ssrc" not in answers[0]


async def test_the_channel_takes_settings_and_no_audio(base: str) -> None:
    async with placed(base, PAUSE) as (caller, call):
        await caller.until("session.created")
        caller.send("session.input_audio_buffer.append", audio="AAAA", event_id="mine")
        (refused,) = await caller.until("error")
        assert (refused["error"]["code"], refused["error"]["event_id"]) == ("unsupported_event", "mine")
        caller.send("session.update", session={"audio": {"output": {"language": "fr"}}})
        (updated,) = await caller.until("session.updated")
        assert updated["session"]["audio"]["output"] == {"language": "fr"}
        async with (
            openai.AsyncOpenAI(base_url=base, api_key=KEYS[0], max_retries=0) as client,
            client.realtime.connect(call_id=call) as joined,
        ):
            assert [(await joined.recv()).type for _ in range(2)] == ["session.created", "session.updated"]


FORM = {"sdp": (None, CHROMIUM), "session": (None, '{"model":"gpt-realtime-translate","audio":{"output":1}}')}
REFUSED: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "a wrong key": ({"key": "sk-x"}, 401, None),
    "no model": ({"params": {}}, 400, "model"),
    "an unknown model": ({"params": {"model": "gpt-x"}}, 404, "model"),
    "an intent": ({"params": {"intent": "transcription", "model": MODEL}}, 400, "intent"),
    "no offer": ({"body": ""}, 400, None),
    "a foreign page": ({"headers": {"origin": "https://example.com"}}, 403, None),
    "a wrong session": ({"files": FORM}, 400, "session.audio.output"),
    "no session in the form": ({"files": {"session": (None, "{}")}}, 400, "sdp"),
}


@pytest.mark.parametrize(("request_", "status", "param"), REFUSED.values(), ids=REFUSED)
async def test_refused_offers(base: str, request_: dict[str, Any], status: int, param: str | None) -> None:
    response = await post(base, **request_)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text


async def test_a_client_secret_is_for_one_of_both_kinds(base: str) -> None:
    async with httpx2.AsyncClient(base_url=base, headers={"authorization": f"Bearer {KEYS[0]}"}) as client:
        other = (await client.post("/realtime/client_secrets", json={})).json()["value"]
        asked = {"session": {"model": MODEL}}
        ours = (await client.post("/realtime/translations/client_secrets", json=asked)).json()["value"]
        headers = {"content-type": "application/sdp", "authorization": f"Bearer {ours}"}
        refused = await client.post("/realtime/calls", content=CHROMIUM, headers=headers)
    assert refused.status_code == (await post(base, other)).status_code == 403
