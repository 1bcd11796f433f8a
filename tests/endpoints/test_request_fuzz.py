"""Generated requests to a running server: no response is a 5xx, and every error has OpenAI's shape."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compat.catalogue.options import OPTIONS
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.openai_api.parameters import TRANSCRIPTION
from tests.audio.media import make, tone
from tests.running import running_server

PATIENT = settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
SENTENCES = (Sentence(text="hello", begin_ms=0, end_ms=500),)

names = st.sampled_from(
    [*(row.name for row in TRANSCRIPTION), *OPTIONS, "url", "background", "webhook_url", "user", "é"]
)
suffixes = st.sampled_from(["", "", "[]", "[0]", "[type]", "[a][b]", "%5B%5D", "[", "]"])
values = st.sampled_from(
    [
        "", "null", "undefined", "None", "true", "yes", "0", "1", "-1", "0,5", "1e999", "nan", "auto", "server_vad",
        "en",
        "zh-CN", "klingon", "json", "VERBOSE_JSON", "srt", "vtt", "diarized_json", "word", "segment", "logprobs",
        "[", "{",
        '["word"]', "word,segment", '{"type":"server_vad"}', '{"a":' * 9000,
        "whisper-1", "fun-asr", "gpt-4o-transcribe",
        "https://example.com/a.mp3", "data:audio/wav;base64,AA==", "\x00", "\ud7ff" * 9, "x" * 5000,
    ]
) | st.text(max_size=20)  # fmt: skip
fields = st.lists(st.tuples(st.builds(str.__add__, names, suffixes), values), max_size=6)
dispositions = st.sampled_from(
    [
        'form-data; name="{}"', "form-data; name={}", "form-data; name*=utf-8''{}",
        'form-data; name="{}"; filename="a.wav"',
        "form-data; name=\"{}\"; filename*=utf-8''%e2%82",
        "form-data", "", 'attachment; name="{}"', 'form-data; name="{}',
    ]
)  # fmt: skip
part_headers = st.lists(
    st.sampled_from(
        [
            "Content-Type: text/plain; charset=utf-16", "Content-Type: application/json", "Content-Type: ;",
            "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable", "X: y", "Content-Type:",
        ]
    ),
    max_size=2,
)  # fmt: skip
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "Authorization",
                "api-key",
                "Content-Encoding",
                "X-Request-Id",
                "Accept",
                "OpenAI-Beta",
                "traceparent",
                "Range",
            ]
        ),
        st.sampled_from(
            [b"", b"Bearer a", b"bearer", b"Basic YQ==", b"\xe9", b"Bearer \xe9", b"gzip", b"identity", b"*/*"]
        ),
    ),
    max_size=3,
)
paths = st.sampled_from(
    ["/v1/audio/transcriptions", "/v1/audio/translations",
     "/v1//audio/transcriptions/", "/openai/v1/audio/translations",
     "/openai/deployments/a%2Fb/audio/transcriptions?api-version=x", "/openai/deployments/whisper/audio/transcriptions",
     "/v1/realtime/client_secrets", "/v1/models/%00", "/v1/audio/transcriptions/transcription_%E9", "/%FF"]
)  # fmt: skip
kinds = st.sampled_from(["application/json", "text/plain", "multipart/form-data", ""])
methods = st.sampled_from(["GET", "PUT"])
T = TypeVar("T")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running_server(Scripted(SENTENCES)) as server:
        yield int(server.base_url.removesuffix("/v1").rpartition(":")[2])


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make("wav", tone(0.3), 16_000, 1, tmp_path_factory.mktemp("speech") / "a.wav").read_bytes()


def seldom(strategy: st.SearchStrategy[T], plain: T) -> st.SearchStrategy[T]:
    """Draw `plain` five times out of six, so that most requests get as far as the form's fields."""
    return st.integers(0, 5).flatmap(lambda number: st.just(plain) if number else strategy)


@PATIENT
@given(data=st.data())
def test_no_request_causes_a_server_error(port: int, speech: bytes, data: st.DataObject) -> None:
    sound = data.draw(seldom(st.sampled_from([speech[:50], b"", b"RIFF"]), speech))
    parts = [("file", sound), *((name, value.encode()) for name, value in data.draw(fields))]
    parts[1:1] = data.draw(seldom(st.just([]), [("model", b"whisper-1")]))
    body = data.draw(seldom(st.sampled_from([b"\r\n", b"before\r\n"]), b""))
    for name, value in parts:
        disposition = data.draw(seldom(dispositions, 'form-data; name="{}"')).replace("{}", name)
        lines = [f"Content-Disposition: {disposition}", *data.draw(seldom(part_headers, []))]
        body += b"--b\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + value + b"\r\n"
    body += data.draw(seldom(st.sampled_from([b"--b--", b"", b"--b"]), b"--b--\r\n"))
    method, path = data.draw(seldom(methods, "POST")), data.draw(seldom(paths, "/v1/audio/transcriptions"))
    kind = data.draw(seldom(kinds, "multipart/form-data; boundary=b"))

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path)
    for header, content in [("Content-Type", kind.encode()), *data.draw(seldom(headers, []))]:
        connection.putheader(header, content)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    with connection.getresponse() as answer:
        reply = answer.read()
    connection.close()

    assert answer.status < 500, reply
    if answer.status >= 400:
        assert {"message", "type", "param", "code"} == json.loads(reply)["error"].keys()
