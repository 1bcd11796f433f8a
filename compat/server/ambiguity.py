"""Detection of requests that two readers, such as a proxy and this server, could interpret differently."""

from __future__ import annotations

import re
from typing import Final

_HOST: Final = re.compile(rb"([\w.~!$&'()*+;=%-]*|\[[\w:.]*\])(:\d*)?")


def unambiguous(version: str, headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether every reader finds the same host and the same end of the body (RFC 9112, 3.2 and 6.1)."""
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if version not in ("1.0", "1.1") or len(hosts) > 1 or (version == "1.1" and not hosts):
        return False
    return all(_HOST.fullmatch(host) for host in hosts) and (
        not codings or (version == "1.1" and codings == [b"chunked"])
    )
