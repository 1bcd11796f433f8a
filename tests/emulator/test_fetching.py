"""Networks from which audio may be fetched: every kind of address, DNS rebinding, and `--fetch`."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from compat.emulator.fetching import OffLimits, get, reach
from compat.emulator.site import Reach, Site
from tests.emulator.running import TEXT, Start
from tests.emulator.test_media import SERVER
from tests.servers import serve

ADDRESSES: list[tuple[Reach, str]] = [
    ("loopback", "127.0.0.1 127.9.9.9 0.0.0.0 ::1 :: ::ffff:127.0.0.1 ::127.0.0.1 ::ffff:0:127.0.0.1"),
    ("loopback", "64:ff9b::7f00:1 2002:7f00:1:: fe80::5efe:127.0.0.1 2001:db8::200:5efe:7f00:1"),
    ("private", "10.0.0.1 192.168.0.1 172.16.0.1 100.64.0.1 169.254.169.254 168.63.129.16 224.0.0.1 255.255.255.255"),
    ("private", "fe80::1 fc00::1 fec0::1 ff02::1 64:ff9b:1::808:808 2001:db8::1 ::ffff:10.0.0.1 64:ff9b::a00:1"),
    ("private", "2002:a00:1:: ::10.0.0.1 2001:0:0:0:0:0:f5ff:fffe"),
    ("public", "8.8.8.8 2600::1 ::ffff:8.8.8.8 64:ff9b::808:808"),
]


@pytest.mark.parametrize(("where", "address"), [(where, one) for where, many in ADDRESSES for one in many.split()])
def test_the_network_of_an_address(where: Reach, address: str) -> None:
    assert where == reach(ipaddress.ip_address(address))


REFUSED: list[tuple[str, frozenset[Reach]]] = [
    ("http://127.0.0.1:1/", frozenset({"public", "private"})),
    ("http://[::ffff:127.0.0.1]:1/", frozenset({"public"})),
    ("http://2130706433:1/", frozenset({"public"})),
    ("http://0177.1:1/", frozenset({"public"})),
    ("http://10.0.0.1/", frozenset({"loopback", "public"})),
    ("http://169.254.169.254/latest", frozenset({"loopback", "public"})),
    ("http://8.8.8.8/", frozenset({"loopback", "private"})),
    ("https://nowhere.invalid/a.wav", frozenset({"loopback"})),
    ("https://nowhere.invalid/a.wav", frozenset()),
    ("http://127.1:1/", frozenset({"loopback"})),  # not the loopback that a program spells
]


@pytest.mark.parametrize(("url", "allowed"), REFUSED)
def test_addresses_outside_the_allowed_networks_are_refused(url: str, allowed: frozenset[Reach]) -> None:
    async def fetched() -> None:
        async with get(url, allowed):
            pass

    with pytest.raises(OffLimits):
        asyncio.run(fetched())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_flag_allows(start: Start, host: str) -> None:
    with serve(SERVER) as url:
        address = f"{url}/sound".replace("127.0.0.1", host)
        assert TEXT == start().chat(address).json()["choices"][0]["message"]["content"]
        refused = start(site=Site(reach=frozenset())).chat(address).json()["error"]["message"]

    assert "The emulator's own rule" in refused


@pytest.mark.parametrize(
    ("model", "given", "code"),
    [
        ("qwen3-asr-flash-filetrans", {"file_url": "http://10.0.0.1/a.wav"}, "FILE_DOWNLOAD_FAILED"),
        ("fun-asr", {"file_urls": ["http://10.0.0.1/a.wav"]}, "InvalidFile.DownloadFailed"),
    ],
)
def test_a_task_names_the_emulator_s_rule(start: Start, model: str, given: dict[str, object], code: str) -> None:
    service = start()
    output = service.finished(service.submit(model, given).json()["output"]["task_id"])["output"]

    assert code == output["code"]
    assert "--fetch" in output["message"]
