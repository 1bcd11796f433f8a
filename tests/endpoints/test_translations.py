"""Translations with the official SDK. The emulator's Qwen-MT marks each translated sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import srt
import webvtt
from openai.types.audio import Translation, TranslationVerbose

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Answer, Refuse, Rule
from tests.audio.media import make, silence
from tests.running import RunningServer, running_server

pytestmark = pytest.mark.filterwarnings(
    "ignore:deprecated:DeprecationWarning"
)  # the SDK's notice about OpenAI's own service
ENGLISH = (Sentence(text="Good morning.", begin_ms=0, end_ms=900),)
CHINESE = (
    Sentence(text="早上好。", begin_ms=0, end_ms=900, language="zh"),
    Sentence(text="Fine, thanks.", begin_ms=1000, end_ms=1400, language="en"),
    Sentence(text="再见。", begin_ms=1500, end_ms=2000, language="zh"),
)
PARTS = ["[English] 早上好。", "Fine, thanks.", "[English] 再见。"]
WHOLE = "[English] 早上好。Fine, thanks. [English] 再见。"


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    path = tmp_path_factory.mktemp("a") / "a.wav"
    return ("a.wav", make("wav", silence(2.5), 16000, 1, path).read_bytes())


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(CHINESE)) as opened:
        yield opened


def test_json(server: RunningServer, speech: tuple[str, bytes]) -> None:
    answer = server.client().audio.translations.create(model="whisper-1", file=speech)

    assert isinstance(answer, Translation)
    assert answer.text.startswith("[English] ")


def test_text(server: RunningServer, speech: tuple[str, bytes]) -> None:
    answer: Any = server.client().audio.translations.create(model="whisper-1", file=speech, response_format="text")

    assert answer.startswith("[English] ")


def test_verbose_json_keeps_the_times(server: RunningServer, speech: tuple[str, bytes]) -> None:
    answer = server.client().audio.translations.create(model="whisper-1", file=speech, response_format="verbose_json")

    assert isinstance(answer, TranslationVerbose)
    assert ("english", 2.5, WHOLE) == (answer.language, answer.duration, answer.text)
    assert "translate" == answer.to_dict()["task"]
    assert [(0.0, 0.9), (1.0, 1.4), (1.5, 2.0)] == [(part.start, part.end) for part in answer.segments or ()]
    assert WHOLE == "".join(part.text for part in answer.segments or ()).strip()


def test_captions_keep_the_times(server: RunningServer, speech: tuple[str, bytes]) -> None:
    create = server.client().audio.translations.create
    subrip: Any = create(model="whisper-1", file=speech, response_format="srt")
    captions: Any = create(model="whisper-1", file=speech, response_format="vtt")

    cues = [f"{PARTS[0]}{PARTS[1]}", PARTS[2]]  # the second sentence takes half a second
    assert [0.0, 1.5] == [cue.start.total_seconds() for cue in srt.parse(subrip)]
    assert cues == [cue.content for cue in srt.parse(subrip)]
    assert cues == [cue.text for cue in webvtt.from_string(captions).captions]


@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt", "verbose_json"])
def test_english_speech_is_not_translated(speech: tuple[str, bytes], form: Any) -> None:  # noqa: ANN401
    with running_server(Scripted(ENGLISH)) as server:
        raw = server.client().audio.translations.with_raw_response.create(
            model="whisper-1", file=speech, response_format=form
        )

        assert b"Good morning." in raw.content
        assert 0 == server.dashscope.counts["translate"]


def test_another_language_can_be_asked_for(server: RunningServer, speech: tuple[str, bytes]) -> None:
    answer = server.client().audio.translations.create(
        model="whisper-1", file=speech, response_format="verbose_json", extra_body={"target_language": "fr"}
    )

    assert "french" == answer.to_dict()["language"]
    assert "[French] 早上好。[French] Fine, thanks. [French] 再见。" == answer.text


def test_traditional_chinese_can_be_asked_for_in_chinese(server: RunningServer, speech: tuple[str, bytes]) -> None:
    answer = server.client().audio.translations.create(
        model="whisper-1", file=speech, response_format="verbose_json", extra_body={"target_language": "zh-Hant"}
    )

    assert [f"[Traditional Chinese] {each.text}" for each in CHINESE] == [
        part.text.strip() for part in answer.segments or ()
    ]


def test_an_unsupported_target_language_is_refused_by_name(server: RunningServer, speech: tuple[str, bytes]) -> None:
    with pytest.raises(openai.BadRequestError, match="Unsupported language: Zulu") as raised:
        server.client().audio.translations.create(model="whisper-1", file=speech, extra_body={"target_language": "zu"})

    assert "target_language" == raised.value.param


def test_sentences_are_translated_singly_if_the_model_merges_them(
    server: RunningServer, speech: tuple[str, bytes]
) -> None:
    body = json.dumps({"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Both."}}]})
    server.fail(Rule("translate", Answer(body)))

    answer = server.client().audio.translations.create(model="whisper-1", file=speech, response_format="verbose_json")

    assert WHOLE == answer.text


def test_speech_in_an_unknown_language_is_translated(server: RunningServer, speech: tuple[str, bytes]) -> None:
    answer = server.client().audio.translations.create(model="fun-asr", file=speech, response_format="verbose_json")

    assert WHOLE == answer.text


def test_silence_needs_no_translation(speech: tuple[str, bytes]) -> None:
    with running_server(Scripted(())) as server:
        assert "" == server.client().audio.translations.create(model="whisper-1", file=speech).text
        assert 0 == server.dashscope.counts["translate"]


def test_a_translation_that_fails_is_an_error(server: RunningServer, speech: tuple[str, bytes]) -> None:
    server.fail(Rule("translate", Refuse(400, "DataInspectionFailed"), times=None))

    with pytest.raises(openai.BadRequestError) as raised:
        server.client().audio.translations.create(model="whisper-1", file=speech, response_format="srt")

    assert "content_policy_violation" == raised.value.code


def test_a_translation_shares_the_file_task_of_the_same_audio(speech: tuple[str, bytes]) -> None:
    with running_server(Scripted(CHINESE), job_retention=60.0) as server:
        create = server.client().audio.translations.create
        answers = [create(model="whisper-1", file=speech, response_format="verbose_json") for _ in range(2)]

        assert [WHOLE, WHOLE] == [answer.text for answer in answers]
        assert (1, 2) == (server.dashscope.counts["submit"], server.dashscope.counts["translate"])


def test_the_translation_model_can_be_set(speech: tuple[str, bytes]) -> None:
    with running_server(Scripted(CHINESE), translation_model="qwen-mt-plus") as server:
        server.client().audio.translations.create(model="whisper-1", file=speech)

        assert "qwen-mt-plus" == server.dashscope.requests[-1].model


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"response_format": "diarized_json"}, "response_format"), ({"temperature": 3.0}, "temperature")],
)
def test_bad_input_is_refused_by_name(
    server: RunningServer, speech: tuple[str, bytes], fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        server.client().audio.translations.create(model="whisper-1", file=speech, **fields)

    assert param == raised.value.param


def test_a_translation_shares_the_transcription_s_task(speech: tuple[str, bytes]) -> None:
    with running_server(Scripted(CHINESE), job_retention=60.0) as server:
        client = server.client()
        client.audio.transcriptions.create(model="qwen3-asr-flash-filetrans", file=speech)
        answer = client.audio.translations.create(model="qwen3-asr-flash-filetrans", file=speech)

        assert WHOLE == answer.text
        assert 1 == server.dashscope.counts["submit"]
