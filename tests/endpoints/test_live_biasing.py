"""Context, hot words and DashScope's own parameters of live sessions, as the service receives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from compat.emulator.state import Vocabulary
from tests.endpoints.live import MANUAL, live_client, live_server
from tests.running import RunningServer

LISTED = "vocab-books-1"
PHRASES: dict[str, Any] = {"prompt": "A talk about maps.", "keywords": ["Köln", "Rhein"]}
TERMS = "A talk about maps.\nKöln, Rhein"
WORDS = {"Köln": 4, "Rhein": 4}
VOCABULARY = Vocabulary(
    id=LISTED,
    account="the-server's-key",
    target_model="fun-asr-realtime",
    words=[{"text": "Qwen", "weight": 4}],
    created=0.0,
    modified=0.0,
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    aliases = {"mine": f"fun-asr-realtime?vocabulary_id={LISTED}", "exact": "qwen3-asr-flash?enable_itn=true"}
    with live_server(*["hello there"] * 40, aliases=aliases) as opened:
        opened.dashscope.vocabularies[LISTED] = VOCABULARY
        yield opened


async def heard(
    server: RunningServer, model: str, extension: dict[str, Any] | None = None, **fields: object
) -> tuple[dict[str, Any], list[str]]:
    """Return the payload of run-task for one turn, and the names of the ignored fields."""
    audio = {"input": {**MANUAL["audio"]["input"], "transcription": {"model": model, **fields}}}  # type: ignore[index]
    async with live_client(server) as client:
        await client.send("session.update", session={**MANUAL, "audio": audio, "dashscope": extension or {}})
        updated = (await client.until("session.updated"))[-1]["session"]
        assert await client.turn() == "hello there"
    payload: dict[str, Any] = server.dashscope.live.sessions[-1].updates[-1]
    return payload, updated["dashscope"]["ignored"]


def context(payload: dict[str, Any]) -> str:
    return "\n".join(part["text"] for message in payload["input"].get("context", []) for part in message["content"])


TOO_MANY = ["transcription.keywords", "transcription.prompt"]


@pytest.mark.parametrize(
    ("model", "expected_context", "words", "ignored"),
    [
        ("qwen-audio-3.0-asr-flash-streaming", "A talk about maps.", WORDS, []),
        ("qwen-audio-3.1-asr-flash-streaming", "A talk about maps.", WORDS, []),
        ("qwen-audio-3.1-asr-flash-message", "A talk about maps.", WORDS, []),
        ("fun-asr-realtime", TERMS, None, []),
        ("fun-asr-realtime-2025-11-07", TERMS, None, []),
        ("fun-asr-realtime-2026-02-28", "", None, TOO_MANY),
        ("fun-asr-flash-8k-realtime", "", None, TOO_MANY),
        ("paraformer-realtime-v1", "", None, TOO_MANY),
        ("paraformer-realtime-v2", "", None, TOO_MANY),
        ("paraformer-realtime-8k-v1", "", None, TOO_MANY),
        ("paraformer-realtime-8k-v2", "", None, TOO_MANY),
    ],
)
async def test_context_and_hot_words_go_where_the_model_takes_them(
    server: RunningServer, model: str, expected_context: str, words: dict[str, int] | None, ignored: list[str]
) -> None:
    payload, named = await heard(server, model, **PHRASES)

    assert (expected_context, words, ignored) == (context(payload), payload["parameters"].get("vocabulary"), named)
    assert "corpus" not in payload["input"]


async def test_long_context_is_shortened_and_named(server: RunningServer) -> None:
    payload, named = await heard(server, "fun-asr-realtime", prompt="some words of context " * 150)

    assert ["transcription.prompt.shortened"] == named
    assert 5 == len(payload["input"]["context"])
    assert all(len(message["content"][0]["text"]) <= 400 for message in payload["input"]["context"])


async def test_parameters_of_dashscope_reach_the_models_that_take_them(server: RunningServer) -> None:
    wanted = {"keep_dialect": True, "vocabulary": {"Qwen": 50}, "speech_noise_threshold": 0.2}

    taken, none = await heard(server, "qwen-audio-3.1-asr-flash-streaming", wanted)
    other, named = await heard(server, "paraformer-realtime-v2", wanted)

    assert wanted == {name: taken["parameters"].get(name) for name in wanted}
    assert [] == none
    assert not wanted.keys() & other["parameters"].keys()
    assert [f"dashscope.{name}" for name in sorted(wanted)] == named


@pytest.mark.parametrize(
    ("extension", "param"),
    [
        ({"vocabulary": {"Qwen": 9}}, "session.dashscope.vocabulary"),
        ({"vocabulary": {"one two three four five six seven eight": 3}}, "session.dashscope.vocabulary"),
        ({"speech_noise_threshold": 7}, "session.dashscope.speech_noise_threshold"),
    ],
)
async def test_an_impossible_parameter_is_an_error(
    server: RunningServer, extension: dict[str, Any], param: str
) -> None:
    async with live_client(server) as client:
        await client.send("session.update", session={**MANUAL, "dashscope": extension})
        error = (await client.until("error"))[-1]["error"]

    assert param == error["param"]


@pytest.mark.parametrize("name", ["fun-asr-realtime", "mine"])
async def test_a_stored_vocabulary_is_used(server: RunningServer, name: str) -> None:
    payload, named = await heard(server, name, {} if name == "mine" else {"vocabulary_id": LISTED})

    assert ("fun-asr-realtime", LISTED) == (payload["model"], payload["parameters"]["vocabulary_id"])
    assert [] == named


@pytest.mark.parametrize("name", [None, "gpt-4o-transcribe"])
async def test_openais_names_get_the_stored_vocabulary_of_the_operators_alias(name: str | None) -> None:
    aliases = {"mine": f"fun-asr-realtime?vocabulary_id={LISTED}"}
    with live_server("hello there", aliases=aliases, live_model="mine") as server:
        server.dashscope.vocabularies[LISTED] = VOCABULARY
        async with live_client(server) as client:
            audio = {"input": {"turn_detection": None, **({"transcription": {"model": name}} if name else {})}}
            await client.send("session.update", session={**MANUAL, "audio": audio})
            assert await client.turn() == "hello there"
        payload = server.dashscope.live.sessions[-1].updates[-1]

    assert ("fun-asr-realtime", LISTED) == (payload["model"], payload["parameters"]["vocabulary_id"])


async def test_parameters_of_dashscope_are_reported_as_they_were_set(server: RunningServer) -> None:
    wanted = {"keep_dialect": True, "special_word_filter": {"system_reserved_filter": False}, "vad_model": "near"}

    async with live_client(server) as client:
        await client.send("session.update", session={**MANUAL, "dashscope": wanted})
        reported = (await client.until("session.updated"))[-1]["session"]["dashscope"]

    assert wanted == {name: reported.get(name) for name in wanted}


async def test_options_of_an_alias_that_live_models_lack_are_named(server: RunningServer) -> None:
    async with live_client(server) as client:
        audio = {"input": {"turn_detection": None, "transcription": {"model": "exact"}}}
        await client.send("session.update", session={**MANUAL, "audio": audio})
        updated = (await client.until("session.updated"))[-1]["session"]

    assert ["dashscope.enable_itn"] == updated["dashscope"]["ignored"]


@pytest.mark.parametrize(
    ("model", "listed", "message"),
    [
        ("paraformer-realtime-v2", LISTED, "is for fun-asr-realtime"),
        ("fun-asr-realtime", "vocab-none", "There is no vocabulary"),
    ],
)
async def test_a_vocabulary_that_dashscope_would_ignore_is_an_error(
    server: RunningServer, model: str, listed: str, message: str
) -> None:
    audio = {"input": {"turn_detection": None, "transcription": {"model": model}}}
    async with live_client(server) as client:
        await client.send("session.update", session={**MANUAL, "audio": audio, "dashscope": {"vocabulary_id": listed}})
        error = (await client.until("error"))[-1]["error"]
        ignored = (await client.until("session.updated"))[-1]["session"]["dashscope"]["ignored"]
        assert await client.turn() == "hello there"
    parameters = server.dashscope.live.sessions[-1].updates[-1]["parameters"]

    assert "session.dashscope.vocabulary_id" == error["param"]
    assert message in error["message"]
    assert ["dashscope.vocabulary_id"] == ignored
    assert "vocabulary_id" not in parameters
