"""The sockets for calls by WebRTC, bound before the server starts."""

from __future__ import annotations

import socket

from compat.config import extras, networks
from compat.config.settings import Settings
from compat.config.variables import SettingsError


def bound(settings: Settings, host: str, *, demo: bool, workers: int) -> list[socket.socket]:
    """Return the sockets, none if calls are off. Raises SettingsError.

    `host` is the server's own address. `demo`: without COMPAT_WEBRTC_PORT, calls are on if their extra is installed.
    """
    if settings.webrtc_port is None and not (demo and workers == 1 and extras.installed("webrtc")):
        return []
    extras.need("webrtc", "COMPAT_WEBRTC_PORT")
    if workers > 1:
        raise SettingsError(
            "COMPAT_WEBRTC_PORT needs one worker: a call belongs to one process. Run more servers instead, each with a "
            "port of its own."
        )
    from compat.webrtc import port as ports

    number, found = settings.webrtc_port or 0, list[socket.socket]()
    for address in _hosts(settings.webrtc_host or host, ports.interface()):
        try:
            found += ports.bind(address, number, tcp=settings.webrtc_tcp)
        except OSError as exc:
            for each in found:
                each.close()
            raise SettingsError(
                f"COMPAT_WEBRTC_PORT cannot be used: {address}:{number} ({exc.strerror}). Choose another port, or set "
                "COMPAT_WEBRTC_HOST to an address of this machine."
            ) from exc
        number = found[0].getsockname()[1]
    return found


def _hosts(host: str, interface: list[str]) -> list[str]:
    """Return the addresses to bind.

    A server on loopback also binds an address of the network, because Firefox does not use loopback. On every address,
    only callers with the credentials of an SDP answer get a response.
    """
    address = networks.address("127.0.0.1" if host == "localhost" else host)
    if address is not None and address.is_loopback:
        return [str(address), *interface]
    return [host]
