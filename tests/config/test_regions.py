from __future__ import annotations

import pytest

from compat.config import regions

PLACES = [
    (None, None, None, "beijing", "https://dashscope.aliyuncs.com"),
    ("Singapore", None, None, "singapore", "https://dashscope-intl.aliyuncs.com"),
    ("ap-southeast-1", None, None, "singapore", "https://dashscope-intl.aliyuncs.com"),
    ("us", "ws-1", None, "us", "https://ws-1.us-east-1.maas.aliyuncs.com"),
    (None, None, "wss://dashscope-us.aliyuncs.com", "us", "https://dashscope-us.aliyuncs.com"),
    (None, None, "http://127.0.0.1:9/api/v1", "custom", "http://127.0.0.1:9"),
    ("us", None, "http://127.0.0.1:9", "us", "http://127.0.0.1:9"),
]


@pytest.mark.parametrize(("region", "workspace", "address", "short", "root"), PLACES)
def test_the_short_name_and_root_of_a_region(
    region: str | None, workspace: str | None, address: str | None, short: str, root: str
) -> None:
    assert (short, root) == (regions.short(region, address), regions.root(region, workspace, address))


def test_a_region_without_a_shared_host_needs_a_workspace() -> None:
    with pytest.raises(ValueError, match="beijing, singapore, us, cn-hongkong"):
        regions.root("eu-central-1", None, None)
