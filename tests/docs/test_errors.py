"""Makes every mistake listed in docs/reference/errors.md, and compares the error with the page."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from compat.app import create_app
from compat.config.settings import Settings
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from tests.audio import media
from tests.running import RunningServer, running_server
from tests.servers import serve
from tests.tls import certificate
from tests.witnesses import free_port, program

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text()
LISTED = dict(re.findall(r"^\| ([^|]+) \| (`\d{3} \w+` .+) \|$", PAGE, re.MULTILINE))
UNHEARD = dict(re.findall(r"^\| ([^|]+) \| `(curl: .+)` \|$", PAGE, re.MULTILINE))
SAID = (Sentence(text="hello", begin_ms=0, end_ms=500),)
MP4_WITHOUT_INDEX = b"\0\0\0\x14ftypM4A \0\0\0\0mp42\0\0\1\0mdat" + bytes(100)
KEY = {"authorization": "Bearer sk-of-a-caller"}


@dataclass(frozen=True)
class Place:
    """The servers to test with: one that works, one whose DashScope key is rejected, one without DashScope, one with a
    short body timeout, one with TLS; and a second of audio."""

    server: RunningServer
    refused: str
    alone: str
    hurried: str
    safe: str
    speech: bytes
    path: Path

    def transcribe(self, base: str | None = None, **options: Any) -> httpx2.Response:  # noqa: ANN401 - httpx2's own
        """Send a valid request, changed by `options`."""
        path = options.pop("path", "/audio/transcriptions")
        good: dict[str, Any] = {
            "headers": KEY,
            "files": {"file": ("a.wav", self.speech)},
            "data": {"model": "whisper-1"},
        }
        return httpx2.request(options.pop("method", "POST"), (base or self.server.base_url) + path, **(good | options))

    def form(self, **fields: str) -> httpx2.Response:
        return self.transcribe(data={"model": "whisper-1", **fields})

    def file(self, content: bytes) -> httpx2.Response:
        return self.transcribe(files={"file": ("a.wav", content)})

    def raw(self, body: bytes, kind: str = "multipart/form-data; boundary=b") -> httpx2.Response:
        return httpx2.post(
            f"{self.server.base_url}/audio/transcriptions", content=body, headers={"content-type": kind, **KEY}
        )

    def upgrade(self, path: str, key: str = "sk-of-a-caller", **options: Any) -> Any:  # noqa: ANN401 - a response of httpx2 or websockets
        address = f"{self.server.base_url.replace('http', 'ws', 1).removesuffix('/v1')}{path}"
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers={"authorization": f"Bearer {key}"}, **options)
        return refused.value.response

    def secret(self) -> str:
        answer = httpx2.post(f"{self.server.base_url}/realtime/client_secrets", headers=KEY)
        return str(answer.json()["value"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    path = media.make("wav", media.tone(1.0), 16000, 1, folder / "a.wav")
    speech = path.read_bytes()
    keys = folder / "keys"
    keys.write_text("alice sk-of-a-caller\nlive sk-for-live realtime\nonce sk-seldom rest 1/hour\n")
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(Scripted(SAID), keys=frozenset(["the-server's-key"]), api_keys_file=keys, max_upload=1 << 20)
        )
        wrong = Settings(base_url=server.service, dashscope_api_key="sk-wrong", log_level="error")
        refused = stack.enter_context(serve(create_app(wrong)))
        nowhere = Settings(base_url=f"http://127.0.0.1:{free_port()}", dashscope_api_key="k", attempts=1)
        alone = stack.enter_context(serve(create_app(nowhere)))
        hurried = stack.enter_context(serve(create_app(nowhere), body_timeout=0.1))
        safe = stack.enter_context(serve(create_app(nowhere), *certificate(folder)))
        yield Place(server, f"{refused}/v1", f"{alone}/v1", hurried, safe, speech, path)


def part(name: str, value: str) -> bytes:
    return f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


FILE = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n'
OTHERS = {"origin": "https://other.example"}


def slow(place: Place) -> httpx2.Response:
    host, port = place.hurried.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        kind = b"content-type: multipart/form-data; boundary=b"
        caller.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: [::1]\r\n%s\r\ncontent-length: 9\r\n\r\n" % kind
        )
        head, _, body = b"".join(iter(lambda: caller.recv(65536), b"")).partition(b"\r\n\r\n")
    return httpx2.Response(int(head[9:12]), content=body)


def again(place: Place) -> httpx2.Response:
    headers = {"authorization": "Bearer sk-seldom"}
    place.transcribe(headers=headers)
    return place.transcribe(headers=headers)


MISTAKES: dict[str, Callable[[Place], Any]] = {
    "no key": lambda place: place.transcribe(headers={}),
    "the key without `Bearer`": lambda place: place.transcribe(headers={"authorization": "sk-of-a-caller"}),
    "a wrong key": lambda place: place.transcribe(headers={"authorization": "Bearer sk-nobody"}),
    "a client secret for an upload": lambda place: place.transcribe(
        headers={"authorization": f"Bearer {place.secret()}"}
    ),
    "a key without the scope": lambda place: place.transcribe(headers={"authorization": "Bearer sk-for-live"}),
    "more requests than a key may send": again,
    "the server's own DashScope key is refused": lambda place: place.transcribe(place.refused),
    "DashScope cannot be reached": lambda place: place.transcribe(place.alone),
    "no `/v1`": lambda place: place.transcribe(place.server.base_url.removesuffix("/v1")),
    "`/v1` twice": lambda place: place.transcribe(f"{place.server.base_url}/v1"),
    "another path": lambda place: place.transcribe(path="/audio/speech"),
    "GET instead of POST": lambda place: httpx2.get(f"{place.server.base_url}/audio/transcriptions", headers=KEY),
    "JSON (`-d '{…}'`)": lambda place: place.raw(b'{"model": "whisper-1"}', "application/json"),
    "a form that is not multipart (`-d model=…`)": lambda place: place.raw(
        b"model=whisper-1", "application/x-www-form-urlencoded"
    ),
    "the header Content-Type set by hand": lambda place: place.raw(part("model", "whisper-1"), "multipart/form-data"),
    "a body that is not multipart": lambda place: place.raw(b"nonsense"),
    "a truncated body": lambda place: place.raw(FILE),
    "no file": lambda place: place.raw(part("model", "whisper-1") + b"--b--\r\n"),
    "the file under another name": lambda place: place.transcribe(files={"audio": ("a.wav", place.speech)}),
    "two files": lambda place: place.raw(part("model", "whisper-1") + FILE + FILE + b"--b--\r\n"),
    "no `@` before the file's name": lambda place: place.raw(
        part("model", "whisper-1") + part("file", "speech.wav") + b"--b--\r\n"
    ),
    "an empty file": lambda place: place.file(b""),
    "a file that is not audio, or raw PCM": lambda place: place.file(place.speech[44:]),
    "a text file (the error also recognises web pages, pictures, archives and playlists)": lambda place: place.file(
        b"Dear Sir,"
    ),
    "only the second chunk of a browser's recording": lambda place: place.file(b"\x1f\x43\xb6\x75" + bytes(1000)),
    "an MP4 without its end": lambda place: place.file(MP4_WITHOUT_INDEX),
    "a file whose audio cannot be decoded": lambda place: place.file(b"OggS" + bytes(1000)),
    "a huge file": lambda place: place.file(bytes(2 << 20)),
    "a huge request": lambda place: place.file(bytes(26 << 20)),
    "no model": lambda place: place.transcribe(data={}),
    "an unknown model": lambda place: place.form(model="parakeet"),
    "a wrong `response_format`": lambda place: place.form(response_format="xml"),
    "a wrong `language`": lambda place: place.form(language="klingon"),
    "a wrong `temperature`": lambda place: place.form(temperature="hot"),
    "a wrong `stream`": lambda place: place.form(stream="maybe"),
    "a field twice": lambda place: place.raw(part("model", "a") + part("model", "b") + FILE + b"--b--\r\n"),
    "a prompt that is too long": lambda place: place.form(prompt="word " * 20_000),
    "a `url` that is not https": lambda place: place.raw(
        part("model", "whisper-1") + part("url", "file:///etc/passwd") + b"--b--\r\n"
    ),
    "an unknown job": lambda place: httpx2.get(
        f"{place.server.base_url}/audio/transcriptions/transcription_1", headers=KEY
    ),
    "live speech without an upgrade": lambda place: httpx2.get(f"{place.server.base_url}/realtime", headers=KEY),
    "live speech without `/v1`": lambda place: place.upgrade("/realtime"),
    "live speech from a page of another site": lambda place: place.upgrade("/v1/realtime", origin=OTHERS["origin"]),
    "a server without keys under another name": lambda place: httpx2.get(
        f"{place.alone}/models", headers={"host": "asr.example.com"}
    ),
    "a server without keys from a page of another site": lambda place: httpx2.get(
        f"{place.alone}/models", headers=OTHERS
    ),
    "live speech with a wrong key": lambda place: place.upgrade("/v1/realtime", "sk-nobody"),
    "a wrong configuration for a client secret": lambda place: httpx2.post(
        f"{place.server.base_url}/realtime/client_secrets", headers=KEY, json={"session": {"type": "video"}}
    ),
    "a head of more than 64 KiB": lambda place: place.transcribe(headers={**KEY, "x": "a" * 70_000}),
    "less than 512 bytes a second": slow,
}


def formatted(answer: Any) -> str:  # noqa: ANN401 - a response of httpx2 or websockets
    """Return an error response in the form of the page."""
    response = httpx2.Response(answer.status_code, content=bytes(getattr(answer, "content", None) or answer.body))
    error = response.json()["error"]
    return f"`{response.status_code} {error['code']}` {error['message']}"


def test_every_mistake_on_the_page_is_tested() -> None:
    assert set(LISTED) == set(MISTAKES)
    assert set(UNHEARD) == set(FAILED)
    assert set(CURLED) <= set(LISTED)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_the_error_on_the_page(place: Place, mistake: str) -> None:
    assert matches(LISTED[mistake], formatted(MISTAKES[mistake](place)))


def matches(listed: str, actual: str) -> bool:
    """Return whether `actual` is the listed text; `…` matches any text."""
    return re.fullmatch(".+".join(map(re.escape, listed.split("…"))), actual) is not None


UPLOAD = ["{base}/audio/transcriptions", "-H", "Authorization: Bearer sk-of-a-caller"]
MODEL = ["-F", "model=whisper-1"]
CURLED = {
    "no key": ["{base}/audio/transcriptions", *MODEL, "-F", "file=@{file}"],
    "a wrong key": [UPLOAD[0], "-H", "Authorization: Bearer sk-nobody", *MODEL, "-F", "file=@{file}"],
    "no `/v1`": ["{root}/audio/transcriptions", *UPLOAD[1:], *MODEL, "-F", "file=@{file}"],
    "GET instead of POST": UPLOAD,
    "JSON (`-d '{…}'`)": [*UPLOAD, "-H", "Content-Type: application/json", "-d", '{"model": "whisper-1"}'],
    "a form that is not multipart (`-d model=…`)": [*UPLOAD, "-d", "model=whisper-1"],
    "no file": [*UPLOAD, *MODEL],
    "the file under another name": [*UPLOAD, *MODEL, "-F", "audio=@{file}"],
    "no `@` before the file's name": [*UPLOAD, *MODEL, "-F", "file={file}"],
    "an empty file": [*UPLOAD, *MODEL, "-F", "file=@/dev/null"],
    "a text file (the error also recognises web pages, pictures, archives and playlists)": [
        *UPLOAD,
        *MODEL,
        "-F",
        "file=@{page}",
    ],
    "a huge file": [*UPLOAD, *MODEL, "-F", "file=@{huge}"],
    "a huge request": [*UPLOAD, *MODEL, "-F", "file=@{gigantic}"],
    "no model": [*UPLOAD, "-F", "file=@{file}"],
}
FAILED = {
    "https to a port without TLS": "https://{address}/v1/models",
    "http to a port with TLS": "http://{safe}/v1/models",
    "sent a request to a port without a server": "http://127.0.0.1:{nobody}/v1/models",
}


def curl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("curl", "apt-get install curl"), "-sS", "-m", "20", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def names(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    (huge := folder / "huge").write_bytes(bytes(2 << 20))
    (gigantic := folder / "gigantic").write_bytes(bytes(64 << 20))
    base = place.server.base_url
    return {
        "base": base,
        "root": base.removesuffix("/v1"),
        "address": base.removeprefix("http://").removesuffix("/v1"),
        "safe": place.safe.removeprefix("https://"),
        "nobody": str(free_port()),
        "file": str(place.path),
        "page": str(ROOT / "docs" / "reference" / "errors.md"),
        "huge": str(huge),
        "gigantic": str(gigantic),
    }


def filled(argument: str, names: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], argument)


@pytest.mark.parametrize("mistake", CURLED)
def test_curl_gets_the_error_on_the_page(names: dict[str, str], mistake: str) -> None:
    done = curl("-w", "\n%{http_code}", *(filled(argument, names) for argument in CURLED[mistake]))
    body, _, status = done.stdout.rpartition("\n")

    assert not done.stderr
    assert matches(LISTED[mistake], formatted(httpx2.Response(int(status), text=body)))


@pytest.mark.parametrize("mistake", FAILED)
def test_curl_fails_with_the_message_on_the_page(names: dict[str, str], mistake: str) -> None:
    assert matches(UNHEARD[mistake], curl(filled(FAILED[mistake], names)).stderr.strip())
