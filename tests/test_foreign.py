"""An upgrade that removes names this package depends on fails here, with a list."""

from __future__ import annotations

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from tests.foreign import missing


def test_all_that_is_overridden_or_reached_into_is_there() -> None:
    assert [] == missing()


def test_what_an_upgrade_takes_away_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(WebSocketsSansIOProtocol, "keepalive_timeout")
    monkeypatch.setattr(HttpToolsProtocol, "data_received", HttpToolsProtocol.on_header)

    listed = "\n".join(missing())

    assert "compat.server.websocket.WebSocketProtocol.keepalive_timeout overrides nothing" in listed
    assert "compat.server.http.HttpProtocol.data_received takes ['self', 'data'], and" in listed
