from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from starlette.requests import Request
from websockets.sync.client import ClientConnection, connect

from compat.config.keys import Scope
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.emulator.engines.scripted import Scripted
from compat.endpoints.admission import Admission
from compat.endpoints.auth import Gate
from compat.errors import Forbidden, NotAuthenticated, Overloaded
from compat.observability.entry import RequestEntry
from compat.upstream.shares import Shares
from tests.running import running_server

FILE = "alice sk-alice-1\nalice sk-alice-2\nprom sk-scraper admin\nlive sk-live-key realtime\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(FILE)
    return path


def request(key: str | None) -> Request:
    headers = [(b"authorization", f"Bearer {key}".encode())] if key is not None else []
    return Request({"type": "http", "headers": headers, "state": {"entry": RequestEntry(method="POST")}})


ALLOWED: list[tuple[dict[str, Any], str | None, Scope, str | type[Exception]]] = [
    # settings, key, required scope → the caller's name or the error
    ({}, None, "rest", "anyone"),
    ({}, None, "admin", "anyone"),
    ({"pass_key": True}, "sk-own", "rest", "anyone"),
    ({"pass_key": True}, None, "rest", NotAuthenticated),
    ({"pass_key": True}, "sk-own", "admin", Forbidden),
    ({"api_keys": ("one", "two")}, "two", "rest", "key-2"),
    ({"api_keys": ("one", "two")}, "three", "rest", NotAuthenticated),
    ({"api_keys": ("one", "two")}, None, "rest", NotAuthenticated),
    ({"api_keys": ("one", "two")}, "one", "admin", Forbidden),
    ({"api_keys": ("one",)}, "ek_secret", "rest", NotAuthenticated),
    ({"api_keys": ("ek_key",)}, "ek_key", "rest", "key-1"),
    ({"api_keys_file": "keys"}, "sk-alice-1", "rest", "alice"),
    ({"api_keys_file": "keys"}, "sk-alice-2", "jobs", "alice"),
    ({"api_keys_file": "keys"}, "sk-scraper", "admin", "prom"),
    ({"api_keys_file": "keys"}, "sk-scraper", "rest", Forbidden),
    ({"api_keys_file": "keys"}, "sk-live-key", "realtime", "live"),
    ({"api_keys_file": "keys"}, "sk-live-key", "jobs", Forbidden),
    ({"api_keys_file": "keys", "api_keys": ("one",)}, "one", "rest", "key-1"),
]


@pytest.mark.parametrize(("settings", "key", "scope", "outcome"), ALLOWED)
def test_callers_are_identified_and_limited_to_their_scopes(
    path: Path, settings: dict[str, Any], key: str | None, scope: Scope, outcome: str | type[Exception]
) -> None:
    if "api_keys_file" in settings:
        settings = {**settings, "api_keys_file": path}
    gate = Gate(Settings(**settings))
    incoming = request(key)

    with pytest.raises(outcome) if isinstance(outcome, type) else contextlib.nullcontext():
        assert outcome == gate.caller(incoming, scope).name
        assert outcome == incoming.state.entry.caller


def test_two_keys_of_one_caller_share_their_jobs(path: Path) -> None:
    gate = Gate(Settings(api_keys_file=path))

    first, second, other = (
        gate.caller(request(key), "realtime").tenant for key in ("sk-alice-1", "sk-alice-2", "sk-live-key")
    )

    assert first == second != other


def replace(path: Path, text: str) -> None:
    """Replace the file atomically, as Kubernetes does."""
    (new := path.with_name("new")).write_text(text)
    new.rename(path)


def test_a_changed_key_file_applies_to_the_next_request(path: Path) -> None:
    gate = Gate(Settings(api_keys_file=path))
    replace(path, "alice sk-alice-3\n")

    assert "alice" == gate.caller(request("sk-alice-3")).name
    with pytest.raises(NotAuthenticated):
        gate.caller(request("sk-alice-1"))


@pytest.mark.parametrize("invalid", ["alice short", None, b"\xff\xfe"])
def test_an_invalid_key_file_leaves_the_previous_keys_valid(path: Path, invalid: str | bytes | None) -> None:
    gate = Gate(Settings(api_keys_file=path))
    if invalid is None:
        path.unlink()
    else:
        path.write_bytes(invalid.encode() if isinstance(invalid, str) else invalid)

    assert "alice" == gate.caller(request("sk-alice-1")).name

    replace(path, "bob sk-bob-12345\n")
    assert "bob" == gate.caller(request("sk-bob-12345")).name


@pytest.mark.parametrize("text", ["alice short", "alice sha256:short", "a sk-short-1\nb sk-short-1", None])
def test_a_server_does_not_start_with_an_invalid_key_file(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(SettingsError, match="COMPAT_API_KEYS_FILE cannot be used") as caught:
        Gate(Settings(api_keys_file=path))

    assert "short" not in str(caught.value)
    assert os.fspath(path) not in str(caught.value)


@pytest.fixture
def clients(path: Path) -> Iterator[dict[str, openai.OpenAI]]:
    with running_server(Scripted(()), api_keys_file=path) as server:
        yield {key: server.client(key) for key in ("sk-alice-1", "sk-scraper", "nobody's")}


def test_the_sdk_raises_its_own_errors_for_keys_and_scopes(clients: dict[str, openai.OpenAI]) -> None:
    clients["sk-alice-1"].models.list()
    with pytest.raises(openai.PermissionDeniedError, match="lacks the scope rest"):
        clients["sk-scraper"].models.list()
    with pytest.raises(openai.AuthenticationError):
        clients["nobody's"].models.list()


ODD = [
    [],
    ["Bearer"],
    ["bearer a"],
    ["a"],
    ["Basic YTpi"],
    ["Bearer \xe9"],
    ["Bearer \xff\xfe"],
    ["Bearer a b"],
    ["Bearer a\tb"],
    ["Bearer a", "Bearer b"],
    ["Bearer ek_\xe9.\xe9"],
    ["Bearer ek_a.b.c"],
    ["Bearer ek_"],
    ["Bearer " + "a" * 8000],
    ["\xe9 \xe9"],
]


@pytest.fixture(scope="module")
def clients_by_kind() -> Iterator[dict[str, httpx2.Client]]:
    """Return clients of three servers: one passes keys on, one has a key, and one is open."""
    with (
        running_server(Scripted(()), pass_key=True) as passing,
        running_server(Scripted(()), api_keys=("the-only-key-here",)) as keyed,
        running_server(Scripted(())) as open_to_all,
        contextlib.ExitStack() as clients,
    ):
        homes = {"passing": passing, "keyed": keyed, "open": open_to_all}
        yield {
            name: clients.enter_context(httpx2.Client(base_url=server.base_url, verify=False))
            for name, server in homes.items()
        }


@pytest.mark.parametrize("authorization", ODD)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models"),
        ("POST", "/audio/transcriptions"),
        ("POST", "/audio/translations"),
        ("POST", "/realtime/client_secrets"),
        ("GET", "/audio/transcriptions/transcription_1"),
    ],
)
def test_an_odd_authorization_header_is_never_a_server_error(
    clients_by_kind: dict[str, httpx2.Client], authorization: list[str], method: str, path: str
) -> None:
    headers = [(b"authorization", value.encode("latin-1")) for value in authorization]
    for name, client in clients_by_kind.items():
        answer = client.request(method, path, headers=headers)

        assert answer.status_code < 500
        if name == "keyed":
            assert 401 == answer.status_code
        if answer.status_code == 401:
            assert "Bearer" == answer.headers["www-authenticate"]
            assert "invalid_api_key" == answer.json()["error"]["code"]


@pytest.mark.parametrize("header", ["api-key", "Api-Key"])
def test_azure_s_header_carries_a_key(clients_by_kind: dict[str, httpx2.Client], header: str) -> None:
    answer = clients_by_kind["keyed"].get("/models", headers={header: "the-only-key-here"})

    assert 200 == answer.status_code


FILES = [
    FILE.replace("\n", "\r\n"),
    FILE.replace("\n", "\r"),
    "\ufeff" + FILE,
    FILE.replace(" ", "\t").rstrip("\n"),
    "\n\n# all\n" + FILE.replace("\n", "  \n \n") + "\x0c\n",
]


@pytest.mark.parametrize("text", FILES)
def test_a_key_file_may_have_any_line_endings(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    gate = Gate(Settings(api_keys_file=path))

    assert ["alice", "alice", "live"] == [
        gate.caller(request(key), "realtime").name for key in ("sk-alice-1", "sk-alice-2", "sk-live-key")
    ]


def test_a_session_ends_when_its_key_is_removed_and_others_continue(path: Path) -> None:
    def session(key: str) -> ClientConnection:
        return connect(f"{server.base_url.replace('http', 'ws')}/realtime", additional_headers=bearer(key))

    def bearer(key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    with running_server(Scripted(()), api_keys_file=path) as server, contextlib.ExitStack() as stack:
        made = server.client("sk-alice-2").realtime.client_secrets.create()
        gone = [stack.enter_context(session(key)) for key in ("sk-alice-1", "sk-live-key")]
        stay = [stack.enter_context(session(key)) for key in ("sk-alice-2", made.value)]
        replace(path, "alice sk-alice-2 rest,realtime 60/minute\nother sk-other-key\n")
        for each in gone:
            events = [json.loads(event) for event in each]  # until the session is closed
            assert ("session.created", "invalid_api_key") == (events[0]["type"], events[-1]["error"]["code"])
        for each in stay:
            each.send('{"type": "input_audio_buffer.clear"}')
        received = [[json.loads(each.recv())["type"] for _ in range(2)] for each in stay]
        with pytest.raises(openai.AuthenticationError):
            server.client("sk-alice-1").models.list()

    assert {(1001, "The key that opened this session was removed.")} == {
        (each.close_code, each.close_reason) for each in gone
    }
    assert [["session.created", "input_audio_buffer.cleared"]] * 2 == received


PARTIES: list[tuple[dict[str, Any], list[tuple[str, str]], list[str]]] = [
    # settings, (address, key) of clients that connect in this order → the part of nine requests that each gets
    ({}, [("127.0.0.1", "a"), ("::1", "b"), ("::ffff:127.0.0.1", "c")], ["all", "none", "none"]),
    ({}, [("10.0.0.1", "a"), ("10.0.0.1", "b"), ("10.0.0.2", "a")], ["half", "none", "half"]),
    ({}, [("2001:db8::1", "a"), ("2001:db8::2:2", "b"), ("2001:db8:0:1::1", "a")], ["half", "none", "half"]),
    ({"pass_key": True}, [("10.0.0.1", "a"), ("10.0.0.2", "a"), ("10.0.0.1", "b")], ["half", "none", "half"]),
    ({"api_keys": ("a",)}, [("10.0.0.1", "a"), ("10.0.0.2", "a")], ["all", "none"]),
    ({"api_keys": ("a", "b")}, [("10.0.0.1", "a"), ("10.0.0.2", "a"), ("10.0.0.1", "b")], ["half", "none", "half"]),
]


@pytest.mark.parametrize(("settings", "callers", "shares"), PARTIES)
def test_requests_count_against_the_share_of_their_key_or_address(
    settings: dict[str, Any], callers: list[tuple[str, str]], shares: list[str]
) -> None:
    admission = Admission(requests=Shares(9), sessions=Shares(9))
    gate = Gate(Settings(**settings), admission=admission)

    def share(address: str, key: str) -> str:
        headers, before = [(b"authorization", f"Bearer {key}".encode())], admission.requests.used
        scope = {
            "type": "http",
            "headers": headers,
            "client": (address, 1),
            "state": {"entry": RequestEntry(method="POST")},
        }
        with contextlib.suppress(Overloaded):
            while True:
                incoming = Request(
                    {**scope, "state": {"entry": RequestEntry(method="POST"), "stay": contextlib.ExitStack()}}
                )
                gate.enter(incoming, gate.caller(incoming))
        got, left = admission.requests.used - before, 9 - before
        return "none" if not got else "all" if got == left else "half"

    assert shares == [share(*caller) for caller in callers]
