"""Form fields in every notation that clients use."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest

from compat.errors import BadRequest
from compat.openai_api.fields import ABSENT, MOST_TEXT, Fields
from compat.openai_api.form import ask
from compat.openai_api.parameters import TRANSCRIPTION
from compat.transcript import Ask, ResponseFormat

Form = list[tuple[str, str]]
MODEL = ("model", "whisper-1")
PLAIN = ask([MODEL])
DATA = "data:audio/wav;base64,AAAA"


def spellings(name: str, entries: list[str]) -> list[Form]:
    """Return a list in each notation: as repeated fields with different names, and as JSON in one field."""
    repeated = [
        [(name, entry) for entry in entries],
        [(f"{name}[]", entry) for entry in entries],
        [(f"{name}[{number}]", entry) for number, entry in enumerate(entries)],
        [(f"{name}%5B%5D", entry) for entry in entries],
    ]
    texts = [json.dumps(entries), json.dumps(entries, separators=(",", ":")), f" {json.dumps(entries)}\n"]
    return repeated + [[(given, text)] for given in (name, f"{name}[]") for text in texts]


def in_one_field(name: str, entries: list[str]) -> list[Form]:
    texts = [",".join(entries), ", ".join(entries), str(entries), f"[{','.join(entries)}]"]
    return [[(given, text)] for given in (name, f"{name}[]") for text in texts]


LISTS: list[tuple[str, list[str], dict[str, Any], Form]] = [
    # field, entries, expected members of Ask, additional fields
    (
        "timestamp_granularities",
        ["word", "segment"],
        {"response_format": "verbose_json", "granularities": frozenset({"word", "segment"})},
        [("response_format", "verbose_json")],
    ),
    (
        "timestamp_granularities",
        ["word"],
        {"response_format": "verbose_json", "granularities": frozenset({"word"})},
        [("response_format", "verbose_json")],
    ),
    ("languages", ["en"], {"language": "en", "language_param": "languages"}, []),
    ("languages", ["en", "fr"], {"ignored": ("languages",)}, []),
    ("include", ["logprobs"], {"ignored": ("include",)}, []),
]


@pytest.mark.parametrize(("name", "entries", "expected", "more"), LISTS)
def test_all_notations_of_a_list_are_equivalent(
    name: str, entries: list[str], expected: dict[str, Any], more: Form
) -> None:
    for form in spellings(name, entries) + in_one_field(name, entries):
        assert msgspec.structs.replace(PLAIN, **expected) == ask([*form, MODEL, *more]), form


def test_entries_that_may_contain_commas_are_not_split() -> None:
    for form in spellings("known_speaker_names", ["Smith, Ann", "Bob"]):
        assert ["Smith, Ann", "Bob"] == Fields(form).many("known_speaker_names"), form
    for form in spellings("known_speaker_references", [DATA, DATA]):
        assert [DATA, DATA] == Fields(form).many("known_speaker_references"), form
    for text in ("['Smith, Ann', \"O'Hara\", None]", "[ 'Smith, Ann','O\\'Hara' ]"):  # printed by Python
        assert ["Smith, Ann", "O'Hara"] == Fields([("keywords", text)]).many("keywords"), text
    for text in ("['a'", "['a' 'b']", "[a, b]", "['a'],['b']", "['a\\']"):
        assert [text] == Fields([("keywords", text)]).many("keywords")
    for form in spellings("keywords", ["null", "Qwen"]):
        assert "null, Qwen" == ask([MODEL, *form]).context, form


@pytest.mark.parametrize("name", ["language_hints", "channel_id", "anything"])
@pytest.mark.parametrize("text", ["[]", " [ ] "])
def test_an_empty_list_of_an_extension_counts_as_absent(name: str, text: str) -> None:
    assert PLAIN == ask([MODEL, (name, text)])


@pytest.mark.parametrize("name", [row.name for row in TRANSCRIPTION if row.many])
@pytest.mark.parametrize("text", ["[]", " [ ] ", '[""]', "[null]", '["", null]'])
@pytest.mark.parametrize("brackets", ["", "[]"])
def test_an_empty_list_counts_as_absent(name: str, text: str, brackets: str) -> None:
    assert PLAIN == ask([MODEL, (name + brackets, text)])


FORMATS: list[ResponseFormat] = ["json", "text", "srt", "vtt", "diarized_json"]


@pytest.mark.parametrize("response_format", FORMATS)
@pytest.mark.parametrize("model", ["gpt-4o-transcribe", "gpt-transcribe", "whisper-1", "fun-asr"])
def test_granularities_are_reported_as_ignored_unless_the_format_has_timestamps(
    model: str, response_format: ResponseFormat
) -> None:
    form = [("model", model), ("response_format", response_format), ("timestamp_granularities[]", "segment")]

    assert Ask(model=model, response_format=response_format, ignored=("timestamp_granularities",)) == ask(form)


@pytest.mark.parametrize("name", [row.name for row in TRANSCRIPTION if row.name not in ("file", "model")])
@pytest.mark.parametrize("brackets", ["", "[]"])
def test_a_field_with_a_null_word_counts_as_absent(name: str, brackets: str) -> None:
    for word in {*ABSENT, "None", "NULL", "  ", "\r\n"}:
        assert ask([MODEL, (name + brackets, word)]) == PLAIN, word
        assert ask([MODEL, ("response_format", "srt"), ("response_format", word)]).response_format == "srt"


@pytest.mark.parametrize("name", ["enable_itn", "speaker_count", "url", "webhook_url", "background"])
def test_an_empty_extension_counts_as_absent(name: str) -> None:
    for word in ABSENT:
        assert ask([MODEL, (name, word)]) == PLAIN, word


YES, NO = ("true", "True", "TRUE", "1", "yes", "on", '"true"'), ("false", "False", "0", "no", "off")


def test_a_boolean_is_accepted_in_many_spellings() -> None:
    for word in YES:
        assert ask([MODEL, ("stream", word)]).stream, word
        assert ask([MODEL, ("background", word)]).background, word
    for word in NO:
        assert PLAIN == ask([MODEL, ("stream", word), ("background", word)]), word


NUMBERS = [("0", ()), ("0.0", ()), ("-0.0", ()), (" 0 ", ()), ("0,0", ()), ("0.2", True), ("0,2", True), ("2e-1", True)]


@pytest.mark.parametrize(("text", "ignored"), NUMBERS)
def test_a_temperature_other_than_zero_is_reported_as_ignored(text: str, ignored: object) -> None:
    assert (("temperature",) if ignored else ()) == ask([MODEL, ("temperature", text)]).ignored


STRATEGIES: list[Form] = [
    [("chunking_strategy", "auto")],
    [("chunking_strategy", "server_vad")],
    [("chunking_strategy", '"server_vad"')],
    [("chunking_strategy", '{"type": "auto"}')],
    [("chunking_strategy", '{"type": "server_vad", "threshold": 0.5, "create_response": false}')],
    [("chunking_strategy", '{"type":"server_vad","silence_duration_ms":500.0,"prefix_padding_ms":3e2}')],
    [("chunking_strategy", "{'type': 'server_vad'}")],
    [("chunking_strategy", "{'type': 'server_vad', 'threshold': 0.5, 'interrupt_response': True, 'x': None}")],
    [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[silence_duration_ms]", "500.0")],
    [("chunking_strategy[type]", "server_vad")],
    [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.5")],
    [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0,5")],
    [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", ".5")],
    [("chunking_strategy[type]", "Server_VAD"), ("chunking_strategy[threshold]", "null")],
    [("chunking_strategy", '{"type": "server_vad", "threshold": null, "silence_duration_ms": "500"}')],
    [("chunking_strategy", "{'type': 'server_vad', 'threshold': None}")],
    [("chunking_strategy%5Btype%5D", "server_vad"), ("chunking_strategy%5Bthreshold%5D", "")],
]


@pytest.mark.parametrize("form", STRATEGIES)
def test_a_valid_chunking_strategy_is_reported_as_ignored(form: Form) -> None:
    assert msgspec.structs.replace(PLAIN, ignored=("chunking_strategy",)) == ask([MODEL, *form])


@pytest.mark.parametrize("row", [row for row in TRANSCRIPTION if not row.many and row.name != "file"])
def test_a_repeated_value_is_accepted_and_a_second_value_is_refused(row: Any) -> None:  # noqa: ANN401 - its id
    first, second = {
        "model": ("whisper-1", "fun-asr"),
        "language": ("en", "fr"),
        "response_format": ("text", "srt"),
        "stream": ("true", "false"),
        "temperature": ("0.1", "0.2"),
        "prompt": ("a", "b"),
        "chunking_strategy": ("auto", "server_vad"),
    }[row.name]
    rest = [] if row.name == "model" else [MODEL]

    assert ask([*rest, (row.name, first)]) == ask([*rest, (row.name, first), (row.name, f" {first}"), (row.name, "")])
    for pair in itertools.permutations([(row.name, first), (row.name, second)]):
        with pytest.raises(BadRequest, match="more than once") as refused:
            ask([*rest, *pair])
        assert row.name == refused.value.param


def test_json_quotes_are_removed_except_from_free_text() -> None:
    sent = [("model", '"whisper-1"'), ("language", '"en"'), ("response_format", '"TEXT"'), ("prompt", '"As it is."')]

    assert '"As it is."' == ask(sent).context
    assert Ask(model="whisper-1", language="en", response_format="text") == ask(sent[:-1])


def test_the_fields_except_voice_samples_have_a_common_bound() -> None:
    sample = ("known_speaker_references[]", "a" * MOST_TEXT)
    half = "b" * (MOST_TEXT // 2)
    Fields([sample, sample, ("prompt", half)])
    for name in ("keywords[]", "anything", "prompt"):
        with pytest.raises(BadRequest) as refused:
            Fields([("model", "whisper-1"), *[(name, half)] * 2])
        assert name == refused.value.param
