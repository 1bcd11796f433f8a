from __future__ import annotations

import pytest

from compat.config import networks, parsers

TRUSTED = parsers.proxies("10.0.0.0/8, 192.168.1.1, fd00::/8")
FORWARDED: list[tuple[str, list[str], str]] = [
    # the peer, X-Forwarded-For, the client
    ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
    ("10.0.0.1", ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
    ("10.0.0.1", ["6.6.6.6", " 203.0.113.7 ", " 192.168.1.1", "10.9.9.9"], "203.0.113.7"),
    ("10.0.0.1", ["10.1.1.1", "10.2.2.2"], "10.1.1.1"),
    ("10.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
    ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
    ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
    ("10.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
    ("10.0.0.1", ["6.6.6.6", "unknown"], "10.0.0.1"),
    ("10.0.0.1", ["6.6.6.6", "_hidden", "10.2.2.2"], "10.2.2.2"),
    ("10.0.0.1", [""], "10.0.0.1"),
    ("10.0.0.1", ["203.0.113.7", ""], "10.0.0.1"),
    ("fd00::1", ['"203.0.113.7"'], "fd00::1"),
]


@pytest.mark.parametrize(("peer", "forwarded", "client"), FORWARDED)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert client == networks.caller(peer, forwarded, TRUSTED)


def test_if_all_proxies_are_trusted_the_first_address_is_the_client() -> None:
    assert "6.6.6.6" == networks.caller("10.0.0.1", ["6.6.6.6", "203.0.113.7"], parsers.proxies("*"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("fd12::1%eth0", True), ("11.0.0.1", False), ("", False)],
)
def test_every_form_of_an_address_is_matched_against_ranges(text: str, expected: bool) -> None:
    assert expected is networks.within(text, TRUSTED)


def test_ipv6_addresses_of_one_64_prefix_are_counted_together() -> None:
    names = {
        networks.client_network(parsed)
        for text in ("2001:db8::1", "2001:db8::2:1")
        if (parsed := networks.address(text))
    }

    assert {"2001:db8::/64"} == names
