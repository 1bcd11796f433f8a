"""Stored vocabularies, with the official package and with plain requests."""

from __future__ import annotations

from typing import Any

import dashscope
import pytest
from dashscope import Client
from dashscope.audio.asr import VocabularyService
from dashscope.audio.asr.vocabulary import VocabularyServiceException

from compat.emulator.faults import Faults, Refuse, Rule
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.running import RunningEmulator, Start

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dashscope.*"),
    pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning"),
    pytest.mark.usefixtures("direct"),
]
PATH = "/api/v1/services/audio/asr/customization"
WORDS = [{"text": "Dickens", "weight": 4, "lang": "en"}, {"text": "狄更斯", "weight": 50}]
MODEL = "qwen-audio-3.1-asr-flash-streaming"


@pytest.fixture
def service(start: Start, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    service = start()
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{service.url}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", "sk-test")
    return service


@pytest.mark.usefixtures("service")
def test_the_classic_class_manages_vocabularies() -> None:
    classic: Any = VocabularyService()
    made = classic.create_vocabulary(target_model=MODEL, prefix="books", vocabulary=WORDS)

    assert made.startswith("vocab-books-")
    found = classic.query_vocabulary(made)
    assert (WORDS, MODEL, "OK") == (found["vocabulary"], found["target_model"], found["status"])
    classic.update_vocabulary(made, WORDS[:1])
    assert WORDS[:1] == classic.query_vocabulary(made)["vocabulary"]
    assert [made] == [one["vocabulary_id"] for one in classic.list_vocabularies(prefix="books")]
    assert [] == classic.list_vocabularies(prefix="films")
    classic.delete_vocabulary(made)
    assert [] == classic.list_vocabularies()
    with pytest.raises(VocabularyServiceException, match="ResourceNotExist"):
        classic.query_vocabulary(made)


def test_the_new_client_manages_vocabularies(service: RunningEmulator) -> None:
    with Client(api_key="sk-test", base_url=f"{service.url}/api/v1") as client:
        vocabularies = client.audio.vocabularies
        made = vocabularies.create(target_model=MODEL, prefix="books", vocabulary=WORDS).vocabulary_id

        assert made is not None
        assert WORDS == vocabularies.get(made).vocabulary
        vocabularies.update(made, vocabulary=WORDS[1:])
        assert [made] == [one["vocabulary_id"] for one in vocabularies.list().vocabularies]
        vocabularies.delete(made)
        assert [] == vocabularies.list().vocabularies
    assert 6 == service.emulator.counts["vocabulary"]


def ask(service: RunningEmulator, action: str, key: str = "sk-test", **given: object) -> Any:  # noqa: ANN401 - JSON
    body = {"model": "speech-biasing", "input": {"action": f"{action}_vocabulary", **given}}
    return service.http.post(PATH, json=body, headers={"authorization": f"Bearer {key}"}).json()


def create(service: RunningEmulator, key: str = "sk-test", **given: Any) -> Any:  # noqa: ANN401 - JSON
    whole = {"target_model": MODEL, "prefix": "books", "vocabulary": WORDS, **given}
    return ask(service, "create", key, **whole)


@pytest.mark.parametrize(
    "given",
    [
        {"prefix": ""},
        {"prefix": "Books"},
        {"prefix": "longprefix"},
        {"target_model": ""},
        {"vocabulary": []},
        {"vocabulary": WORDS * 2},
        {"target_model": "paraformer-v2", "vocabulary": WORDS},
        {"vocabulary": [{"text": "", "weight": 4}]},
        {"vocabulary": [{"text": "one two three four five six seven eight", "weight": 4}]},
        {"vocabulary": [{"text": "一" * 16, "weight": 4}]},
        {"vocabulary": [{"text": "no weight"}]},
    ],
)
def test_invalid_vocabularies_are_refused(start: Start, given: dict[str, Any]) -> None:
    assert (
        "InvalidParameter"
        == create(start(limits=Limits(vocabulary_words=3, vocabulary_words_older=1)), **given)["code"]
    )


def test_weights_are_not_checked(start: Start) -> None:
    assert "output" in create(start(), vocabulary=[{"text": "Dickens", "weight": 51}])


def test_each_account_has_its_own_vocabularies(start: Start) -> None:
    service = start(limits=Limits(vocabularies=1))
    made = create(service)["output"]["vocabulary_id"]

    assert "InvalidParameter" == create(service)["code"]
    assert "output" in create(service, key="sk-other")
    assert "BadRequest.ResourceNotExist" == ask(service, "delete", "sk-other", vocabulary_id=made)["code"]


def test_the_list_has_pages_with_the_status_of_each_vocabulary(start: Start) -> None:
    service = start(readings=Readings(vocabulary_status="UNDEPLOYED"), clock=lambda: 0.0)
    made = [create(service)["output"]["vocabulary_id"] for _ in range(3)]
    page = ask(service, "list", page_index=1, page_size=2)["output"]["vocabulary_list"]

    time = "1970-01-01 08:00:00"
    assert [{"vocabulary_id": made[0], "gmt_create": time, "gmt_modified": time, "status": "UNDEPLOYED"}] == page


def test_another_model_is_refused_and_faults_apply(start: Start) -> None:
    service = start(faults=Faults((Rule("vocabulary", Refuse(429, "Throttling")),)))

    assert "Throttling" == create(service)["code"]
    body = {"model": "qwen9", "input": {"action": "list_vocabulary"}}
    assert 404 == service.http.post(PATH, json=body).status_code
