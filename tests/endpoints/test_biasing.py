"""Where `prompt` and `keywords[]` of a request arrive at DashScope, for every model for files, and what is left out.

The emulator refuses context and hot words at any place where a model does not take them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from compat.catalogue import models
from compat.emulator.engines.scripted import Scripted
from tests.endpoints.dickens import SENTENCES, TEXT, upload
from tests.running import RunningServer, running_server

PROMPT, KEYWORDS = "A talk by Ada.", ["Qwen", "通义千问", "a b c d e f g h"]
WHOLE, REST = "A talk by Ada.\nQwen, 通义千问, a b c d e f g h", "A talk by Ada.\na b c d e f g h"
HOT = {"vocabulary": {"Qwen": 4, "通义千问": 4}}
CORPUS = {"corpus": {"text": WHOLE}}
NEITHER = {"prompt", "keywords"}
ROWS: list[tuple[str, str | None, dict[str, Any], str, set[str]]] = [
    # model → context in messages, parameters, a language that the model lacks, what is ignored besides that
    ("qwen3-asr-flash", WHOLE, {}, "nl", set()),
    ("qwen3-asr-flash-us", WHOLE, {}, "nl", set()),
    ("qwen3-asr-flash-filetrans", None, CORPUS, "nl", set()),
    ("qwen-audio-3.1-asr-flash", REST, HOT, "yue", set()),
    ("qwen-audio-3.0-asr-flash", REST, HOT, "yue", set()),
    ("qwen-audio-3.1-asr-flash-filetrans", REST, HOT, "yue", set()),
    ("qwen-audio-3.0-asr-flash-filetrans", REST, HOT, "yue", set()),
    ("fun-asr-flash-2026-06-15", WHOLE, {}, "tr", set()),
    ("fun-asr", None, {}, "tr", NEITHER),
    ("fun-asr-mtl", None, {}, "tr", NEITHER),
    ("paraformer-v2", None, {}, "es", NEITHER),
    ("paraformer-8k-v2", None, {}, "es", NEITHER),
    ("paraformer-v1", None, {}, "zh", NEITHER),
    ("paraformer-8k-v1", None, {}, "zh", NEITHER),
    ("paraformer-mtl-v1", None, {}, "zh", NEITHER),
]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(SENTENCES)) as opened:
        yield opened


def received(server: RunningServer) -> tuple[str | None, dict[str, Any]]:
    """Return the context and the hot words of the last request for a transcript."""
    surfaces = ("chat", "generation", "submit")
    seen = next(each for each in reversed(server.dashscope.requests) if each.surface in surfaces)
    names = {"context", "corpus", "vocabulary", "vocabulary_id", "resources"}
    return seen.context, {name: value for name, value in seen.parameters.items() if name in names}


def test_every_model_for_files_has_a_row() -> None:
    assert {row[0] for row in ROWS} == {name for row in models.MODELS if row.surface for name in row.known}


@pytest.mark.parametrize(("model", "context", "parameters", "lacking", "ignored"), ROWS)
def test_prompt_and_keywords_arrive_where_the_model_takes_them(
    server: RunningServer,
    speech: bytes,
    model: str,
    context: str | None,
    parameters: dict[str, Any],
    lacking: str,
    ignored: set[str],
) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(
        model=model, file=upload(speech), prompt=PROMPT, language=lacking, extra_body={"keywords": KEYWORDS}
    )

    assert TEXT == raw.parse().text
    assert (context, parameters) == received(server)
    assert {"language", *ignored} == set(raw.headers["x-compat-ignored"].split(","))


LONG = "Ada wrote it. " * 200
SHORTENED: list[tuple[str, dict[str, Any], set[str]]] = [  # model, parameters → what is named
    ("qwen-audio-3.1-asr-flash", {"prompt": LONG}, {"prompt.shortened"}),
    ("qwen-audio-3.1-asr-flash-filetrans", {"prompt": LONG}, {"prompt.shortened"}),
    ("fun-asr-flash-2026-06-15", {"prompt": LONG}, {"prompt.shortened"}),
    ("fun-asr-flash-2026-06-15", {"extra_body": {"keywords": ["Ada Lovelace"] * 200}}, {"keywords.shortened"}),
]


@pytest.mark.parametrize(("model", "sent", "named"), SHORTENED)
def test_a_long_context_is_cut_at_a_word_or_an_entry_and_named(
    server: RunningServer, speech: bytes, model: str, sent: dict[str, Any], named: set[str]
) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(model=model, file=upload(speech), **sent)
    context = received(server)[0] or ""

    assert named == set(raw.headers["x-compat-ignored"].split(","))
    assert 1900 < len(context) <= 2004
    assert context.startswith(("Ada wrote it. ", "Ada Lovelace, "))
    assert all(line.endswith(("Ada wrote it.", "Ada Lovelace")) for line in context.splitlines())


@pytest.mark.parametrize("model", ["whisper-1", "qwen-audio-3.1-asr-flash", "fun-asr"])
def test_more_than_10_000_tokens_are_refused(server: RunningServer, speech: bytes, model: str) -> None:
    before = server.dashscope.counts.total()

    with pytest.raises(openai.BadRequestError, match="10,000") as refused:
        server.client().audio.transcriptions.create(model=model, file=upload(speech), prompt="字" * 10_001)

    assert "prompt" == refused.value.param
    assert before == server.dashscope.counts.total()
