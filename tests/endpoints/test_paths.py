"""Every path in the spellings that clients produce, against a running server."""

from __future__ import annotations

import base64
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.scripted import Scripted
from compat.endpoints.paths import canonical
from tests.endpoints.live import SPEECH
from tests.running import RunningServer, running_server
from tests.witnesses import installed

ROOT = Path(__file__).parent.parent.parent
KEY = "a-key-of-a-caller"
BEARER = {"authorization": f"Bearer {KEY}"}
SENTENCES = (Sentence(text="hello", begin_ms=0, end_ms=500),)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(
        Scripted(SENTENCES, hypotheses=[[Hypothesis("hello")]]), api_keys=(KEY,), aliases={"my-dictation": "whisper-1"}
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def root(server: RunningServer) -> str:
    return server.base_url.removesuffix("/v1")


@pytest.fixture(scope="module")
def web() -> Iterator[httpx2.Client]:
    with httpx2.Client(verify=False) as client:
        yield client


CANONICAL = [
    ("/", "/", None),
    ("//", "/", None),
    ("/v1/models/", "/v1/models", None),
    ("/v1//models///a//b/", "/v1/models/a/b", None),
    ("/openai/v1/audio/transcriptions", "/v1/audio/transcriptions", None),
    ("//openai//v1//models/", "/v1/models", None),
    ("/openai/deployments/a/audio/transcriptions", "/v1/audio/transcriptions", "a"),
    ("/openai/deployments/a/b c/audio/translations/", "/v1/audio/translations", "a/b c"),
    ("/openai/deployments/audio/audio/translations", "/v1/audio/translations", "audio"),
    ("/openai/deployments/a/v1/audio/transcriptions", "/v1/audio/transcriptions", "a"),
    ("/openai/deployments/a/models", "/v1/models", "a"),
    ("/openai/deployments/a/chat/completions", "/v1/chat/completions", "a"),
    ("/openai/models", "/v1/models", None),
    ("/openai/realtime", "/v1/realtime", None),
    ("/openai/v1/realtime/client_secrets", "/v1/realtime/client_secrets", None),
    ("/openai", "/openai", None),
    ("/v1/v1/models", "/v1/v1/models", None),
]


@pytest.mark.parametrize(("path", "meant", "deployment"), CANONICAL)
def test_a_path_has_one_canonical_form(path: str, meant: str, deployment: str | None) -> None:
    assert (meant, deployment) == canonical(path)


GETS = ["/v1/models", "/v1/models/whisper-1", "/healthz", "/health", "/readyz", "/"]


def test_a_long_path_is_normalised_in_linear_time() -> None:
    path, _ = canonical("/openai/deployments" + "/audio/b" * 100_000 + "\n")  # 60 KB took 1.9 s, in quadratic time

    assert path.startswith("/v1/audio/b/audio/b")


def spellings(path: str) -> list[str]:
    doubled = path.replace("/v1/", "/v1//", 1)
    return [path, f"{path}/", f"{path}//", f"/{path}", doubled, f"{doubled}/", f"{path}?", f"{path}/?a=b"]


@pytest.mark.parametrize("path", GETS)
def test_a_get_path_may_have_extra_slashes(web: httpx2.Client, root: str, path: str) -> None:
    plain = web.get(root + path, headers=BEARER)
    for spelling in spellings(path):
        got = web.get(root + spelling, headers=BEARER)
        probed = web.head(root + spelling, headers=BEARER)

        assert (plain.status_code, plain.content) == (got.status_code, got.content), spelling
        assert (200, b"") == (probed.status_code, probed.content), spelling


POSTS = ["/v1/audio/transcriptions", "/v1/audio/translations"]


@pytest.mark.parametrize("path", POSTS)
def test_an_upload_s_path_may_have_extra_slashes(web: httpx2.Client, root: str, speech: bytes, path: str) -> None:
    for spelling in spellings(path):
        answer = web.post(
            root + spelling, headers=BEARER, data={"model": "whisper-1"}, files={"file": ("a.wav", speech)}
        )
        assert (200, "hello") == (answer.status_code, answer.json()["text"]), spelling


ALLOWED = [
    ("/v1/audio/transcriptions", "POST"),
    ("/v1/audio/translations", "POST"),
    ("/v1/audio/transcriptions/transcription_1", "DELETE, GET, HEAD"),
    ("/v1/models", "GET, HEAD"),
    ("/v1/models/a/b", "GET, HEAD"),
    ("/v1/realtime", "GET, HEAD, POST"),
    ("/v1/realtime/client_secrets", "POST"),
    ("/health", "GET, HEAD"),
]


@pytest.mark.parametrize(("path", "allowed"), ALLOWED)
def test_the_methods_of_a_path_are_listed(web: httpx2.Client, root: str, path: str, allowed: str) -> None:
    for spelling in (path, f"{path}/"):
        refused = web.put(root + spelling)
        options = web.options(root + spelling)

        assert (405, "method_not_allowed") == (refused.status_code, refused.json()["error"]["code"])
        assert (204, b"") == (options.status_code, options.content)
        assert allowed == refused.headers["allow"] == options.headers["allow"]
        assert "access-control-allow-origin" not in options.headers


@pytest.mark.parametrize(
    ("method", "answer"), [(b"OPTIONS", b"HTTP/1.1 204 No Content"), (b"GET", b"HTTP/1.1 404 Not Found")]
)
def test_options_for_the_whole_server_lists_all_methods(root: str, method: bytes, answer: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(root.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(method + b" * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        expected = b"".join(iter(lambda: connection.recv(65536), b""))

    assert expected.startswith(answer)
    assert (b"allow: DELETE, GET, HEAD, OPTIONS, POST" in expected) == (method == b"OPTIONS")


def test_a_get_on_an_upload_path_is_not_allowed(web: httpx2.Client, root: str) -> None:
    for method in ("GET", "HEAD"):
        answer = web.request(method, f"{root}/v1/audio/transcriptions/")
        assert (405, "POST") == (answer.status_code, answer.headers["allow"])


def azure(root: str, api_key: str = KEY, deployment: str | None = None) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(
        azure_endpoint=root,
        azure_deployment=deployment,
        api_version="2025-03-01-preview",
        api_key=api_key,
        max_retries=0,
    )


DEPLOYMENTS = [
    # Azure's deployment, the form's model → status
    (None, "my-dictation", 200),
    (None, "whisper", 200),
    ("my-dictation", "whatever", 200),
    ("prod-asr", "whisper-1", 200),
    ("prod-asr", "prod-asr", 404),
]


@pytest.mark.parametrize(("deployment", "model", "status"), DEPLOYMENTS)
def test_azure_s_class_works(root: str, speech: bytes, deployment: str | None, model: str, status: int) -> None:
    with azure(root, deployment=deployment) as client:
        create = client.audio.transcriptions.create
        if status == 200:
            assert "hello" == create(model=model, file=("a.wav", speech)).text
            assert "my-dictation" == client.models.list().data[0].id
            return
        with pytest.raises(openai.NotFoundError, match="COMPAT_MODEL_ALIASES=prod-asr=") as refused:
            create(model=model, file=("a.wav", speech))
        assert "model_not_found" == refused.value.code


def test_a_deployment_needs_no_model_in_the_form(web: httpx2.Client, root: str, speech: bytes) -> None:
    address = f"{root}/openai/deployments/my-dictation/audio/transcriptions?api-version=2024-06-01"
    answer = web.post(address, headers={"api-key": KEY}, files={"file": ("a.wav", speech)})

    assert (200, "hello") == (answer.status_code, answer.json()["text"])


@pytest.mark.parametrize("prefix", ["/openai/v1", "/openai/v1/"])
def test_the_prefix_of_azure_v1_and_groq_works(root: str, speech: bytes, prefix: str) -> None:
    with openai.OpenAI(base_url=root + prefix, api_key=KEY, max_retries=0) as client:
        text = client.audio.transcriptions.create(
            model="whisper-large-v3-turbo", file=("a.wav", speech), response_format="text"
        )
    assert "hello\n" == text


@pytest.mark.parametrize("form", ["json", "verbose_json"])
@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
def test_responses_below_groq_s_prefix_contain_the_request_id(
    web: httpx2.Client, root: str, speech: bytes, kind: str, form: str
) -> None:
    for prefix in ("/openai/v1", "//openai/v1/", "/v1", "/openai/deployments/my-dictation"):
        answer = web.post(
            f"{root}{prefix}/audio/{kind}",
            headers=BEARER,
            data={"model": "whisper-large-v3", "response_format": form},
            files={"file": ("a.wav", speech)},
        )
        groq = {"id": answer.headers["x-request-id"]} if "/openai/v1" in prefix else None
        assert groq == answer.json().get("x_groq"), prefix


def test_a_wrong_key_is_an_error_for_azure_s_class_too(root: str) -> None:
    with azure(root, api_key="wrong") as client, pytest.raises(openai.AuthenticationError) as refused:
        client.models.list()
    assert "Bearer" == refused.value.response.headers["www-authenticate"]


SOCKETS = [
    ("/v1/realtime/", BEARER),
    ("//v1//realtime?model=gpt-live-transcribe", BEARER),
    ("/openai/realtime?api-version=2025-04-01-preview&deployment=whisper", {"api-key": KEY}),
    ("/openai/v1/realtime?model=gpt-live-transcribe", {"api-key": KEY}),
    (f"/openai/realtime?api-version=2025-04-01-preview&deployment=whisper&api-key={KEY}", {}),
]


@pytest.mark.parametrize(("path", "headers"), SOCKETS)
def test_a_session_opens_at_every_spelling_of_the_path(root: str, path: str, headers: dict[str, str]) -> None:
    with connect(root.replace("http", "ws", 1) + path, additional_headers=headers) as live:
        assert '"session.created"' in str(live.recv(timeout=10))


def test_a_session_at_an_unknown_path_is_refused(root: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(root.replace("http", "ws", 1) + "/v1/v1/realtime", additional_headers=BEARER)
    assert b"/v1/realtime: base addresses end in /v1" in refused.value.response.body


@pytest.mark.parametrize("target", [b"//v1/models/", b"http://a/v1//models/", b"/v1/models/?x=//", b"/%2Fv1/models"])
def test_absolute_targets_reach_the_same_routes(root: str, target: bytes) -> None:
    port = int(root.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(
            b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %b\r\n\r\n"
            % (target, KEY.encode())
        )
        assert b"HTTP/1.1 200" in connection.recv(65536)


@pytest.mark.parametrize("version", ["2025-04-01-preview", "2024-10-01-preview"])
async def test_azure_s_class_opens_live_sessions(root: str, version: str) -> None:
    plain = f"{root.replace('http', 'ws', 1)}/openai"  # otherwise it connects with wss
    client = openai.AsyncAzureOpenAI(
        azure_endpoint=root, websocket_base_url=plain, api_version=version, api_key=KEY, max_retries=0
    )
    audio: Any = {"input": {"turn_detection": None, "transcription": {"model": "my-dictation"}}}
    async with client, client.realtime.connect(model="my-dictation") as live:
        await live.session.update(session={"type": "transcription", "audio": audio})
        await live.input_audio_buffer.append(audio=base64.b64encode(SPEECH).decode())
        await live.input_audio_buffer.commit()
        async for event in live:
            if event.type == "conversation.item.input_audio_transcription.completed":
                assert "hello" == event.transcript
                break


GROQ = """
import sys, groq
with groq.Groq(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0) as client:
    answer = client.audio.transcriptions.create(
        model="whisper-large-v3-turbo", file=("a.wav", open(sys.argv[3], "rb")), response_format="verbose_json",
        timestamp_granularities=["word", "segment"], language="en", temperature=0.0,
    )
    text = client.audio.translations.create(model="whisper-large-v3", file=("a.wav", open(sys.argv[3], "rb"))).text
    print(answer.text, text, len(client.models.list().data) > 0)
"""


def test_groq_s_own_package_works(root: str, speech: bytes, tmp_path: Path) -> None:
    python = installed(ROOT / ".venv-newest" / "bin" / "python", "the groq package", "run scripts/clients")
    path = tmp_path / "a.wav"
    path.write_bytes(speech)

    done = subprocess.run(
        [str(python), "-c", GROQ, root, KEY, str(path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert ("hello hello True\n", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize(("key", "expected"), [(KEY, b"HTTP/1.1 100 Continue\r\n\r\n"), ("wrong", b"HTTP/1.1 401")])
def test_expect_100_continue_is_answered_before_the_body(root: str, speech: bytes, key: str, expected: bytes) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + speech + b"\r\n--b\r\n"
    form += b"Content-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--b--\r\n"
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {len(form)}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(root.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(expected)
        if key == KEY:
            connection.sendall(form)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
