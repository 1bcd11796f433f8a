"""Names of other packages that this package overrides or uses exist in the installed releases."""

from __future__ import annotations

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from tests.foreign import missing


def test_every_overridden_or_used_name_exists() -> None:
    assert [] == missing()


def test_names_removed_by_an_upgrade_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(WebSocketsSansIOProtocol, "keepalive_timeout")
    monkeypatch.setattr(HttpToolsProtocol, "data_received", HttpToolsProtocol.on_header)

    listed = "\n".join(missing())

    assert "compat.server.websocket.WebSocketProtocol.keepalive_timeout overrides nothing" in listed
    assert "compat.server.http.HttpProtocol.data_received takes ['self', 'data'], and" in listed
