"""Which addresses and URLs count as public, and the encoding of URLs."""

from __future__ import annotations

import ipaddress

import pytest

from compat.addresses import check, encoded, public
from compat.errors import BadRequest

PUBLIC = ["93.184.216.34", "192.0.1.1", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808", "::ffff:8.8.8.8"]
PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba Cloud's metadata
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",  # Azure's host
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",  # Oracle Cloud's metadata
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",  # site-local
    "fd00::1",
    "fd00:ec2::254",  # AWS's metadata
    "fd20:ce::254",  # Google Cloud's
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "2001:2::1",
    "2001:10::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2001:0:7f00:1::",  # Teredo
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo, whose client is 127.0.0.1
    "64:ff9b:1::7f00:1",  # a network's own NAT64
    "64:ff9b:1::808:808",
    "2606:4700::5efe:10.0.0.1",  # ISATAP
    "2606:4700::200:5efe:10.0.0.1",
]
# IPv6 addresses that embed an IPv4 address
CARRIERS = ["::{}", "::ffff:{}", "::ffff:0:{}", "64:ff9b::{}", "64:ff9b:1::{}", "fe80::5efe:{}"]
PRIVATE += [carrier.format(inner) for carrier in CARRIERS for inner in PRIVATE if "." in inner and ":" not in inner]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_recognised(address: str) -> None:
    assert public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_urls_with_special_addresses_are_refused(address: str) -> None:
    with pytest.raises(BadRequest, match="not on the public internet"):
        check(f"https://[{address}]/" if ":" in address else f"https://{address}/", "url")


ALLOWED = [
    "https://cdn.podcasts.fm/a.mp3",
    "https://cdn.podcasts.fm:8443/a%20b.mp3?sig=1",
    "https://cdn.podcasts.fm./a.mp3",
    "https://my_bucket.s3.amazonaws.com/a.mp3",
    "https://xn--mnchen-3ya.de/a.mp3",
    "https://8.8.8.8/a.mp3",
    "https://[2606:4700::1111]/a.mp3",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_public_urls_are_accepted(url: str) -> None:
    assert url == check(url, "url")


NOT_PUBLIC = "not on the public internet"
REFUSED = [
    ("http://cdn.podcasts.fm/a.mp3", "not an https address"),
    ("ftp://cdn.podcasts.fm/a.mp3", "not an https address"),
    ("oss://bucket/a.mp3", "not an https address"),
    ("file:///etc/passwd", "not an https address"),
    ("a.mp3", "not an https address"),
    ("https://", "not an https address"),
    ("https:///a.mp3", "not an https address"),
    ("https://cdn.podcasts.fm:port/a.mp3", "not an address"),
    ("https://cdn.podcasts.fm:99999/a.mp3", "not an address"),
    ("https://[::1/a.mp3", "not an address"),
    ("https://user:secret@cdn.podcasts.fm/a.mp3", "a user name or a password"),
    ("https://@cdn.podcasts.fm/a.mp3", "a user name or a password"),
    ("https://cdn.podcasts.fm\\@127.0.0.1/a.mp3", "not an address"),
    ("https://cdn.podcasts.fm/a b.mp3", "percent-encode"),
    ("https://cdn.podcasts.fm/a\r\nb.mp3", "percent-encode"),
    ("https://cdn.podcasts.fm/ä.mp3", "percent-encode"),
    ("https://127。0。0。1/", "Punycode"),
    ("https://①②⑦.⓪.⓪.①/", "Punycode"),
    ("https://１２７.0.0.1/", "Punycode"),
    ("https://127%2e0%2e0%2e1/", NOT_PUBLIC),
    ("https://localhost/a.mp3", NOT_PUBLIC),
    ("https://LOCALHOST./a.mp3", NOT_PUBLIC),
    ("https://a.localhost/a.mp3", NOT_PUBLIC),
    ("https://intranet/a.mp3", NOT_PUBLIC),
    ("https://metadata.google.internal/", NOT_PUBLIC),
    ("https://127.0.0.1./a.mp3", NOT_PUBLIC),
    ("https://2130706433/a.mp3", NOT_PUBLIC),
    ("https://127.1/a.mp3", NOT_PUBLIC),
    ("https://0177.0.0.1/a.mp3", NOT_PUBLIC),
    ("https://0x7f.0x1/a.mp3", NOT_PUBLIC),
    ("https://0x7f000001/a.mp3", NOT_PUBLIC),
    ("https://8.8.8.08/a.mp3", NOT_PUBLIC),
    ("https://[fe80::1%25eth0]/a.mp3", NOT_PUBLIC),
    ("https://a..b/", NOT_PUBLIC),
]


@pytest.mark.parametrize(("url", "reason"), REFUSED)
def test_urls_that_cannot_be_public_are_refused(url: str, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason) as refused:
        check(url, "url")

    assert "url" == refused.value.param
    assert url not in refused.value.message


def test_plain_http_and_private_addresses_can_be_allowed() -> None:
    check("http://cdn.podcasts.fm/done", "webhook_url", http=True)
    check("https://localhost/done", "webhook_url", private=True)
    check("http://127.0.0.1:9/done", "webhook_url", http=True, private=True)


ENCODED = [
    (
        "https://例え.jp/会议 1.mp3?q=é&a=%20#ä",
        "https://xn--r8jz45g.jp/%E4%BC%9A%E8%AE%AE%201.mp3?q=%C3%A9&a=%20#%C3%A4",
    ),
    ("https://bücher.fm:8443/a.mp3", "https://xn--bcher-kva.fm:8443/a.mp3"),
    ("https://cdn.podcasts.fm/a%20b.mp3?x=[1]", "https://cdn.podcasts.fm/a%20b.mp3?x=[1]"),
    ("https://１２７.0.0.1/é", "https://127.0.0.1/%C3%A9"),
    ("https://user:pass@bücher.fm/", "https://user:pass@bücher.fm/"),
    ("https://a..é/", "https://a..é/"),
    ("https://[::1/é", "https://[::1/é"),
    (f"https://{'é' * 300}.fm/", f"https://{'é' * 300}.fm/"),
    ("", ""),
]


@pytest.mark.parametrize(("url", "sent"), ENCODED)
def test_a_url_is_encoded_as_a_browser_does(url: str, sent: str) -> None:
    assert sent == encoded(url)


@pytest.mark.parametrize("end", ["", ".fm/a.mp3"])
def test_a_long_host_is_refused_at_once(end: str) -> None:
    url = encoded("https://a" + "\u0300\u0316" * 100_000 + end)  # one normalisation of it takes 20 s

    with pytest.raises(BadRequest, match="longer than 4096 characters"):
        check(url, "url")


@pytest.mark.parametrize("host", ["127。0。0。1", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "ｌocalhost"])
def test_an_encoded_url_is_checked_in_its_encoded_form(host: str) -> None:
    with pytest.raises(BadRequest):
        check(encoded(f"https://{host}/é"), "url")
