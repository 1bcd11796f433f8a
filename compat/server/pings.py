"""The WebSocket protocol without pongs. The emulator uses it for its reading `pongs=false`."""

from __future__ import annotations

from compat.server.websocket import WebSocketProtocol


class Unanswering(WebSocketProtocol):
    def handle_ping(self) -> None:
        """Drop the pong that websockets has queued; all other output has been sent when a ping is handled."""
        self.conn.data_to_send()
