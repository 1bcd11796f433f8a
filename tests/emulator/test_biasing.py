"""Each model takes context and hot words at its own places, and refuses every other place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.running import ASYNC, CHAT, GENERATION, TRANSCRIPTION, Start, data_uri, wav

TEXT = "Names: Ada."
USER = {"role": "user", "content": [{"type": "input_text", "text": TEXT}]}
PLACES: dict[str, dict[str, Any]] = {  # place → what it adds to the body
    "system message": {"messages": [{"role": "system", "content": [{"type": "text", "text": TEXT}]}]},
    "messages": {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "Hello, Ada."}]}]},
    "input.context": {"input": {"context": [USER]}},
    "context": {"parameters": {"context": [USER]}},
    "corpus": {"parameters": {"corpus": {"text": TEXT}}},
    "vocabulary": {"parameters": {"vocabulary": {"Ada": 4}}},
    "vocabulary_id": {"parameters": {"vocabulary_id": "vocab-1"}},
    "phrase_id": {"parameters": {"phrase_id": "names"}},
    "resources": {"resources": [{"resource_id": "names", "resource_type": "asr_phrase"}]},
}
FILETRANS, FLASH3 = {"input.context", "vocabulary", "vocabulary_id"}, {"messages", "vocabulary", "vocabulary_id"}
MODELS: list[tuple[str, str, set[str]]] = [  # model, its path, the places that it takes
    ("qwen3-asr-flash", CHAT, {"system message"}),
    ("qwen3-asr-flash-2026-02-10", CHAT, {"system message"}),
    ("qwen3-asr-flash", GENERATION, {"system message"}),
    ("qwen3-asr-flash-us", GENERATION, {"system message"}),
    ("qwen-audio-3.1-asr-flash", GENERATION, FLASH3),
    ("qwen-audio-3.0-asr-flash", GENERATION, FLASH3),
    ("fun-asr-flash-2026-06-15", GENERATION, {"messages", "vocabulary_id"}),
    ("qwen3-asr-flash-filetrans", TRANSCRIPTION, {"corpus"}),
    ("qwen-audio-3.1-asr-flash-filetrans", TRANSCRIPTION, FILETRANS),
    ("qwen-audio-3.0-asr-flash-filetrans", TRANSCRIPTION, FILETRANS),
    ("fun-asr", TRANSCRIPTION, {"vocabulary_id"}),
    ("fun-asr-mtl", TRANSCRIPTION, {"vocabulary_id"}),
    ("paraformer-v2", TRANSCRIPTION, {"vocabulary_id"}),
    ("paraformer-8k-v2", TRANSCRIPTION, {"vocabulary_id"}),
    ("paraformer-v1", TRANSCRIPTION, {"resources"}),
    ("paraformer-8k-v1", TRANSCRIPTION, {"resources"}),
    ("paraformer-mtl-v1", TRANSCRIPTION, {"resources"}),
]


def body(model: str, path: str, added: dict[str, Any]) -> dict[str, Any]:
    """A request for `model` with context or hot words at one place."""
    parameters = added.get("parameters", {})
    rest = {name: value for name, value in added.items() if name == "resources"}
    audio = {"type": "input_audio", "input_audio": {"data": data_uri(wav())}}
    if path == CHAT:
        messages = [*added.get("messages", []), {"role": "user", "content": [audio]}]
        return {"model": model, "messages": messages, **parameters, **added.get("input", {}), **rest}
    if path == GENERATION:
        part = {"audio": data_uri(wav())} if model.startswith("qwen3") else audio
        messages = [*added.get("messages", []), {"role": "user", "content": [part]}]
        given = {"messages": messages, **added.get("input", {})}
        return {"model": model, "input": given, "parameters": {"format": "wav", **parameters}, **rest}
    address = "https://a.example/a.wav"
    # file tasks have no messages: those of a careless client stand where the synchronous models have them
    messages_too = {"messages": added["messages"]} if "messages" in added else {}
    given = {"file_url": address, "file_urls": [address], **messages_too, **added.get("input", {})}
    return {"model": model, "input": given, "parameters": parameters, **rest}


@pytest.mark.parametrize(("model", "path", "taken"), MODELS)
def test_a_model_takes_context_and_hot_words_at_its_own_places_only(
    start: Start, model: str, path: str, taken: set[str]
) -> None:
    service = start()
    headers = ASYNC if path == TRANSCRIPTION else {}
    answers = {
        place: service.http.post(path, json=body(model, path, added), headers=headers)
        for place, added in {"": {}, **PLACES}.items()
    }

    assert {"", *taken} == {place for place, answer in answers.items() if answer.status_code == 200}
    assert {200, 400} == {answer.status_code for answer in answers.values()}


@pytest.mark.parametrize("holder", [{"asr_options": {"vocabulary": {"Ada": 4}}}, {"asr_options": {"context": TEXT}}])
def test_the_options_of_qwen3_hold_neither(start: Start, holder: dict[str, Any]) -> None:
    service = start()

    assert 400 == service.chat(**holder).status_code
    assert 400 == service.generate(**holder).status_code
