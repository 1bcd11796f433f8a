"""What live translations are billed: metrics, usage and the bound of a key."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.emulator.livetranslate.talk import FLAT, NESTED
from tests.polling import until
from tests.running import RunningServer, running_server

LAID = lay(VOCABULARY[:8], begin_ms=150)
SPEECH = encode(LAID, rate=24_000)
BOUND = 2  # seconds


def translate(server: RunningServer, model: str, pcm: bytes = SPEECH) -> list[dict[str, Any]]:
    """Return the events of a session, which the client ends after the sound if the server has not."""
    connection = server.client("sk-of-a-client").realtime.translations.connect(model=model).enter()
    events: list[dict[str, Any]] = []
    try:
        connection.send({"type": "session.update", "session": {"audio": {"output": {"language": "es"}}}})
        for at in range(0, len(pcm), 9_600):
            audio = base64.b64encode(pcm[at : at + 9_600]).decode()
            connection.send({"type": "session.input_audio_buffer.append", "audio": audio})
        connection.send({"type": "session.close"})
        while not events or events[-1]["type"] != "session.closed":
            events.append(connection.recv().to_dict())
    except ConnectionClosed:
        while events[-1]["type"] != "session.closed":
            events.append(connection.recv().to_dict())
    return events


@pytest.mark.parametrize(("model", "price"), [(FLAT, (0.01,)), (NESTED, (4.0, 6.0)), ("gpt-realtime-translate", None)])
def test_a_translation_counts_its_seconds_and_its_cost(model: str, price: tuple[float, ...] | None) -> None:
    """By the second, by the token, and without a price, which is the default: DashScope's prices are not known."""
    prices = {model: price} if price else {}
    with running_server(Tones(), prices=prices) as server:
        translate(server, model)
        until(lambda: 'compat_sessions_total{code="1000",dialect="translation"} 1.0' in metrics(server))
        [result], text = usage(server), metrics(server)

    seconds, native = len(SPEECH) / 48_000, FLAT if model.startswith("gpt") else model
    cost = result["cost"]["value"]
    assert (native, 1) == (result["model"], result["num_model_requests"])
    assert seconds == pytest.approx(result["seconds"], abs=0.01)
    assert (0 if price else seconds) == pytest.approx(result["unpriced_seconds"], abs=0.01)
    if price is None or len(price) == 1:
        assert (0.01 * seconds if price else 0) == pytest.approx(cost, rel=0.01)
    else:  # the emulator bills 12.5 tokens for a second of audio, and one for a word
        assert 12.5 * seconds * 4.0 / 1e6 <= cost
    assert f'compat_audio_seconds_total{{caller="anyone",model="{native}"}}' in text
    assert 'compat_first_delta_seconds_count{kind="translation"}' in text
    assert 'compat_first_delta_seconds_count{kind="live"}' not in text
    assert bool(price) == (f'compat_cost_dollars_total{{caller="anyone",model="{native}"}}' in text)


def test_the_bound_of_a_key_ends_a_translation(tmp_path: Path) -> None:
    """Speech before it is translated; an error and session.closed precede the close."""
    (tmp_path / "keys").write_text(f"alice sk-of-a-client rest,realtime audio={BOUND}/day\n")
    with running_server(Tones(), api_keys_file=tmp_path / "keys", store=str(tmp_path / "jobs.sqlite")) as server:
        events = translate(server, "gpt-realtime-translate")
        with pytest.raises(InvalidStatus) as refused:
            translate(server, "gpt-realtime-translate")

    said = "".join(event["delta"] for event in events if event["type"] == "session.output_transcript.delta")
    heard = [word.text for word in LAID if word.end_ms <= BOUND * 1000]
    assert ["[es]", *heard] == said.split()
    assert ["insufficient_quota"] == [event["error"]["code"] for event in events if event["type"] == "error"]
    assert ["error", "session.closed"] == [event["type"] for event in events[-2:]]
    assert 429 == refused.value.response.status_code


def metrics(server: RunningServer) -> str:
    return httpx2.get(server.base_url.replace("/v1", "/metrics")).text


def usage(server: RunningServer) -> list[dict[str, Any]]:
    answer = httpx2.get(f"{server.base_url}/dashscope/usage?group_by=model").json()
    return [result for bucket in answer["data"] for result in bucket["results"]]
