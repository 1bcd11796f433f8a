"""How the emulator is reached: its host names, whether it has control routes, and where it fetches audio."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

Reach = Literal["loopback", "private", "public"]
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SERVICE = "aliyuncs.com"  # under this name programs with a hard-coded host arrive, by way of /etc/hosts or a proxy


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """`public_url`: its own address behind a proxy. `hosts`: names under which requests are answered, as
    a page may have any name of its own lead here; None for all. `control`: whether tests may set faults and see counts.
    `reach`: from where audio is fetched. `folder`: where its files go; None for a folder of its own. `single_use`: an
    upload goes as soon as the task that was asked to read it has ended."""

    public_url: str | None = None
    hosts: frozenset[str] | None = None
    control: bool = True
    reach: frozenset[Reach] = frozenset({"loopback"})
    folder: Path | None = None
    single_use: bool = False

    def known(self, host: str) -> bool:
        """Whether a request's `Host` is one of ours."""
        if self.hosts is None:
            return True
        name = hostname(host)
        return name in self.hosts or (SERVICE in self.hosts and name.endswith(f".{SERVICE}"))


def hostname(host: str) -> str:
    """`Host` without its port and brackets, in lower case."""
    name = host.rpartition(":")[0] if host.rpartition("]")[2].count(":") == 1 else host
    return name.strip("[]").lower()
