"""Deployment settings: host names, control routes, fetching and the folder of files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

Reach = Literal["loopback", "private", "public"]
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SERVICE = "aliyuncs.com"  # programs with a hard-coded host arrive by this name, through /etc/hosts or a proxy


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """`public_url`: the URL behind a proxy. `hosts`: accepted host names, against DNS rebinding; None for all.
    `control`: whether the test routes exist. `reach`: networks from which audio is fetched. `folder`: for files; None
    for a temporary one. `single_use`: an upload is removed as soon as the task that reads it has ended."""

    public_url: str | None = None
    hosts: frozenset[str] | None = None
    control: bool = True
    reach: frozenset[Reach] = frozenset({"loopback"})
    folder: Path | None = None
    single_use: bool = False

    def known(self, host: str) -> bool:
        """Whether a request's `Host` is accepted."""
        if self.hosts is None:
            return True
        name = hostname(host)
        return name in self.hosts or (SERVICE in self.hosts and name.endswith(f".{SERVICE}"))


def hostname(host: str) -> str:
    """Return `Host` without its port and brackets, in lower case."""
    name = host.rpartition(":")[0] if host.rpartition("]")[2].count(":") == 1 else host
    return name.strip("[]").lower()
