"""DashScope's hosts: a region's shared host, a workspace's own host, or a custom address.

Sources: DashScope's API reference for the hosts, the package dashscope 2.0.2 for short and long region names.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import urlsplit

SHARED_HOSTS = {
    "beijing": "dashscope.aliyuncs.com",
    "singapore": "dashscope-intl.aliyuncs.com",
    "us": "dashscope-us.aliyuncs.com",
    "cn-hongkong": "cn-hongkong.dashscope.aliyuncs.com",
}
REGION_IDS = {"beijing": "cn-beijing", "singapore": "ap-southeast-1", "us": "us-east-1"}
SHORT_REGIONS = {region: short for short, region in REGION_IDS.items()}


def region_id(short: str) -> str:
    """Return the id of a short region: `cn-beijing`."""
    return REGION_IDS.get(short, short)


@functools.cache
def short(region: str | None, base_url: str | None) -> str:
    """Return `beijing`, `singapore`, `us`, another region's id, or `custom` for an address of no known region."""
    if region or not base_url:
        named = (region or "beijing").lower()
        return SHORT_REGIONS.get(named, named)
    host = urlsplit(base_url).hostname or ""
    for name, shared in SHARED_HOSTS.items():
        if host == shared or f".{REGION_IDS.get(name, name)}." in host:
            return name
    return "custom"


def root(region: str | None, workspace_id: str | None, base_url: str | None) -> str:
    """Return the HTTP root, without a path. Raises ValueError, listing the known regions, if a workspace is needed."""
    if base_url:
        bare = re.sub(r"/(api|compatible-mode)/v1$", "", base_url)
        return re.sub(r"^ws", "http", bare)
    name = short(region, None)
    if workspace_id:
        return f"https://{workspace_id}.{REGION_IDS.get(name, name)}.maas.aliyuncs.com"
    if name not in SHARED_HOSTS:
        raise ValueError(", ".join(SHARED_HOSTS))
    return f"https://{SHARED_HOSTS[name]}"


def live_root(address: str) -> str:
    """Return the WebSocket root of an HTTP root or of a live API's address."""
    return re.sub(r"^http", "ws", re.sub(r"/api-ws/v1(/(realtime|inference))?$", "", address))
