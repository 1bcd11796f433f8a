"""Stored vocabularies over HTTP, and transcriptions that use one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dashscope
import httpx2
import openai
import pytest
from openai.pagination import SyncCursorPage

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Cut, Refuse, Rule
from compat.emulator.state import Vocabulary
from compat.endpoints.vocabularies import LARGEST
from tests.running import RunningServer, running_server

AUDIO3 = "qwen-audio-3.1-asr-flash"
pytestmark = pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning")


class Entry(openai.BaseModel):
    id: str
    target_model: str


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    aliases = {"books": "fun-asr?vocabulary_id=vocab-fun-asr", "wrong": "paraformer-v2?vocabulary_id=vocab-fun-asr"}
    with running_server(Scripted((Sentence(text="Hello.", begin_ms=0, end_ms=900),)), aliases=aliases) as opened:
        yield opened


def stored(server: RunningServer, model: str) -> str:
    """Store a vocabulary in DashScope without this server. Return its id."""
    made = Vocabulary(
        id=f"vocab-{model}",
        account="the-server's-key",
        target_model=model,
        words=[{"text": "Qwen", "weight": 4}],
        created=0.0,
        modified=0.0,
    )
    server.dashscope.vocabularies[made.id] = made
    return made.id


def transcribe(server: RunningServer, speech: bytes, model: str, **extra: str) -> str:
    client = server.client()
    answer = client.audio.transcriptions.create(model=model, file=("a.wav", speech), extra_body=extra)
    return answer.text


def sent(server: RunningServer) -> tuple[str | None, str]:
    """Return the model and the vocabulary of the last request that has one."""
    last = next(seen for seen in reversed(server.dashscope.requests) if "vocabulary_id" in seen.parameters)
    return last.model, last.parameters["vocabulary_id"]


@pytest.mark.parametrize("model", ["fun-asr", AUDIO3, "qwen-audio-3.1-asr-flash-filetrans"])
def test_a_vocabulary_of_the_model_is_sent(server: RunningServer, speech: bytes, model: str) -> None:
    made = stored(server, model)

    assert "Hello." == transcribe(server, speech, model, vocabulary_id=made)
    assert (model, made) == sent(server)


def test_a_model_s_alias_selects_a_vocabulary(server: RunningServer, speech: bytes) -> None:
    made = stored(server, "fun-asr")

    assert "Hello." == transcribe(server, speech, "Books")
    assert ("fun-asr", made) == sent(server)
    with pytest.raises(openai.BadRequestError, match="is for fun-asr"):
        transcribe(server, speech, "wrong")


@pytest.mark.parametrize(
    ("target", "model"),
    [("fun-asr", "paraformer-v2"), ("fun-asr", AUDIO3), ("paraformer-v2", "gpt-4o-transcribe-diarize")],
)
def test_a_vocabulary_of_another_model_is_refused(
    server: RunningServer, speech: bytes, target: str, model: str
) -> None:
    made = stored(server, target)
    with pytest.raises(openai.BadRequestError, match=f"is for {target}") as refused:
        transcribe(server, speech, model, vocabulary_id=made)

    assert "vocabulary_id" == refused.value.param


def test_a_changed_vocabulary_makes_a_new_job(speech: bytes) -> None:
    """The stored transcript of the same request was made with other words."""
    with running_server(Scripted(()), job_retention=60.0, job_grace=60.0) as server:
        made = stored(server, "fun-asr")
        tasks = []
        for _ in range(2):
            for _ in range(2):
                transcribe(server, speech, "fun-asr", vocabulary_id=made)
            tasks.append(server.dashscope.counts["submit"])
            server.dashscope.vocabularies[made].modified += 60
            send(server, "POST", f"/{made}", json={"vocabulary": ["Ada"]})

    assert [1, 2] == tasks


def test_an_unknown_vocabulary_is_refused(server: RunningServer, speech: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match="There is no vocabulary 'vocab-x'") as refused:
        transcribe(server, speech, "fun-asr", vocabulary_id="vocab-x")

    assert "vocabulary_id" == refused.value.param


@pytest.mark.parametrize("model", ["whisper-1", "paraformer-v1"])
def test_a_model_without_vocabularies_ignores_one_and_says_so(server: RunningServer, speech: bytes, model: str) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(
        model=model, file=("a.wav", speech), extra_body={"vocabulary_id": "vocab-x"}
    )

    assert "vocabulary_id" == raw.headers["x-compat-ignored"]


def test_a_vocabulary_that_cannot_be_checked_is_an_error(server: RunningServer, speech: bytes) -> None:
    server.fail(Rule("vocabulary", Refuse(403, "AccessDenied")))
    with pytest.raises(openai.PermissionDeniedError):
        transcribe(server, speech, "fun-asr", vocabulary_id="vocab-unseen")


PATH = "/dashscope/vocabularies"
BOOKS = {"target_model": "fun-asr", "prefix": "books", "vocabulary": [{"text": "Qwen", "weight": 5, "lang": "en"}]}


@pytest.fixture
def fresh() -> Iterator[RunningServer]:
    with running_server(Scripted(())) as opened:
        yield opened


def send(server: RunningServer, method: str, path: str = "", key: str = "", **given: Any) -> httpx2.Response:  # noqa: ANN401 - those of httpx2
    headers = {"authorization": f"Bearer {key}"} if key else {}
    address = f"{server.base_url}{PATH}{path}"
    return httpx2.request(method, address, headers=headers, timeout=10, trust_env=False, **given)


def test_vocabularies_are_managed_over_http(fresh: RunningServer) -> None:
    made = send(fresh, "POST", json=BOOKS).json()
    address = f"/{made['id']}"

    assert made["id"].startswith("vocab-books-")
    assert ("dashscope.vocabulary", "fun-asr", "OK") == (made["object"], made["target_model"], made["status"])
    assert (BOOKS["vocabulary"], made["created_at"]) == (made["vocabulary"], made["updated_at"])
    assert abs(time.time() - made["created_at"]) < 60
    assert made == send(fresh, "GET", address).json()

    changed = send(fresh, "POST", address, json={"vocabulary": {"Ada": 1}}).json()
    assert [{"text": "Ada", "weight": 1}] == changed["vocabulary"]

    listed = send(fresh, "GET").json()
    entry = {name: value for name, value in changed.items() if name != "vocabulary"}
    whole = {"object": "list", "data": [entry], "first_id": made["id"], "last_id": made["id"], "has_more": False}
    assert whole == listed

    gone = {"id": made["id"], "object": "dashscope.vocabulary.deleted", "deleted": True}
    assert gone == send(fresh, "DELETE", address).json()
    assert [] == send(fresh, "GET").json()["data"]
    for method in ("GET", "DELETE"):
        missing = send(fresh, method, address)
        assert (404, "not_found") == (missing.status_code, missing.json()["error"]["code"])
    assert 404 == send(fresh, "POST", address, json={"vocabulary": ["Ada"]}).status_code


def test_the_official_packages_of_both_sides_see_the_same_vocabularies(
    fresh: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DashScope's package stores the lists, and OpenAI's follows the pages of this server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with dashscope.Client(api_key="the-server's-key", base_url=f"{fresh.service}/api/v1") as service:
        words = [{"text": "Qwen", "weight": 4}]
        made = [
            service.audio.vocabularies.create(target_model=model, prefix="books", vocabulary=words).vocabulary_id
            for model in ("fun-asr", "paraformer-v2", AUDIO3)
        ]
    client = fresh.client()
    pages = client.get_api_list(
        PATH, page=SyncCursorPage[Entry], model=Entry, options={"params": {"limit": 2, "order": "asc"}}
    )
    found = {entry.id: entry.target_model for entry in pages}

    assert dict(zip(made, ("fun-asr", "paraformer-v2", AUDIO3), strict=True)) == found


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"target_model": "whisper-1"}, "target_model"),
    ({"target_model": "gpt-9"}, "target_model"),
    ({"prefix": "My Books"}, "prefix"),
    ({"vocabulary": []}, "vocabulary"),
    ({"vocabulary": [{"text": "Qwen", "weight": 50}]}, "vocabulary[0].weight"),
    ({"vocabulary": ["一" * 16]}, "vocabulary[0].text"),
]


@pytest.mark.parametrize(("given", "param"), REFUSED)
def test_an_invalid_vocabulary_does_not_reach_dashscope(
    server: RunningServer, given: dict[str, Any], param: str
) -> None:
    before = server.dashscope.counts["vocabulary"]
    answer = send(server, "POST", json={**BOOKS, **given})

    assert (400, param) == (answer.status_code, answer.json()["error"]["param"])
    assert before == server.dashscope.counts["vocabulary"]


def test_clients_do_not_repeat_a_creation_that_may_have_succeeded(fresh: RunningServer) -> None:
    fresh.fail(Rule("vocabulary", Cut(), times=None))
    with pytest.raises(openai.InternalServerError, match="may be stored"):
        fresh.client(max_retries=2).post(PATH, cast_to=dict[str, Any], body=BOOKS)

    assert 1 == fresh.dashscope.counts["vocabulary"]


def test_a_key_needs_the_scope_admin(tmp_path: Path) -> None:
    (keys := tmp_path / "keys").write_text("ops sk-operator admin\nalice sk-alice-1\n")
    with running_server(Scripted(()), api_keys_file=keys) as server:
        made = send(server, "POST", key="sk-operator", json=BOOKS).json()["id"]
        for method, path, given in (
            ("GET", "", {}),
            ("POST", "", {"json": BOOKS}),
            ("GET", f"/{made}", {}),
            ("POST", f"/{made}", {"json": {"vocabulary": ["Ada"]}}),
            ("DELETE", f"/{made}", {}),
        ):
            refused = [send(server, method, path, key, **given).status_code for key in ("", "sk-alice-1")]
            assert [401, 403] == refused
        assert [made] == [entry["id"] for entry in send(server, "GET", key="sk-operator").json()["data"]]


def test_clients_with_accounts_of_their_own_manage_their_own_vocabularies() -> None:
    with running_server(Scripted(()), pass_key=True) as server:
        made = send(server, "POST", key="sk-alice-1", json=BOOKS).json()["id"]

        assert [made] == [entry["id"] for entry in send(server, "GET", key="sk-alice-1").json()["data"]]
        assert [] == send(server, "GET", key="sk-eve-1").json()["data"]
        assert 404 == send(server, "DELETE", f"/{made}", key="sk-eve-1").status_code
        assert 401 == send(server, "GET").status_code


def test_words_are_not_logged(fresh: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    made = send(fresh, "POST", json={**BOOKS, "vocabulary": ["Xanadu"]}).json()["id"]
    send(fresh, "POST", f"/{made}", json={"vocabulary": [{"text": "Xanadu", "weight": 9}]})
    send(fresh, "POST", f"/{made}", json={"vocabulary": [{"Xanadu": 5}]})
    send(fresh, "GET", f"/{made}")

    entries = [str(vars(record)) for record in caplog.records]
    assert any("vocabulary[0].weight" in entry for entry in entries)
    assert not [entry for entry in entries if "Xanadu" in entry]


def test_other_methods_and_long_bodies_are_refused(server: RunningServer) -> None:
    wrong = send(server, "PUT", "/vocab-1", json=BOOKS)

    assert (405, "DELETE, GET, HEAD, POST") == (wrong.status_code, wrong.headers["allow"])
    assert 413 == send(server, "POST", content=b" " * (LARGEST + 1)).status_code
