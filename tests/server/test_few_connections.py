"""A server with a low connection limit, as on a system with a low limit of open files, behind a trusted proxy."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from compat.emulator.app import create_app
from compat.emulator.engines.scripted import Scripted
from tests.processes import server_process
from tests.servers import serve

GREEDY, OTHER = "sk-greedy-key", "sk-other-key"
FEW = 40


def test_one_key_behind_a_proxy_leaves_connections_for_other_keys(tmp_path: Path) -> None:
    settings = {"COMPAT_API_KEYS": f"{GREEDY},{OTHER}", "COMPAT_TRUSTED_PROXIES": "127.0.0.1"}
    with (
        serve(create_app(Scripted(()))) as root,
        server_process(tmp_path, root, COMPAT_MAX_CONNECTIONS=str(FEW), **settings) as running,
        contextlib.ExitStack() as stack,
    ):
        address = urlsplit(running.base_url)
        url = f"ws://{address.netloc}/v1/realtime"

        def session(key: str) -> int:
            try:
                opened = connect(url, additional_headers={"Authorization": f"Bearer {key}"})
            except InvalidStatus as refused:
                return refused.response.status_code
            stack.enter_context(opened).recv()
            return 101

        def upload(key: str) -> None:
            connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=20)
            stack.enter_context(connection).sendall(
                f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
                "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )

        greedy = [session(GREEDY) for _ in range(FEW)]
        for _ in range(FEW):
            upload(GREEDY)

        def models() -> int:
            return httpx2.get(f"{running.base_url}/models", headers={"Authorization": f"Bearer {OTHER}"}).status_code

        while 503 == (other := session(OTHER)):  # until enough of the refused connections are closed
            pass
        while 503 == (listed := models()):
            pass

        assert [101] * 13 + [503] * (FEW - 13) == greedy
        assert (101, 200) == (other, listed)
        assert "26 live sessions and 13 requests" in "".join(running.printed)
