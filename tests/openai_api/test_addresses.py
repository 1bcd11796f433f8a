from __future__ import annotations

import pytest

from compat.errors import BadRequest
from compat.openai_api.addresses import public_https


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.podcasts.fm/a.mp3",
        "https://cdn.podcasts.fm:8443/a%20b.mp3?sig=1",
        "https://8.8.8.8/a.mp3",
        "https://[2606:4700::1111]/a.mp3",
    ],
)
def test_public_addresses_pass(url: str) -> None:
    assert url == public_https(url, "url")


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.podcasts.fm/a.mp3",
        "ftp://cdn.podcasts.fm/a.mp3",
        "oss://bucket/a.mp3",
        "file:///etc/passwd",
        "a.mp3",
        "https://",
        "https://localhost/a.mp3",
        "https://intranet/a.mp3",
        "https://a.internal/a.mp3",
        "https://127.0.0.1/a.mp3",
        "https://10.0.0.1/a.mp3",
        "https://169.254.169.254/latest",
        "https://[::1]/a.mp3",
        "https://[fd00::1]/a.mp3",
        "https://2130706433/a.mp3",
        "https://127.1/a.mp3",
        "https://0x7f.0x1/a.mp3",
        "https://user:secret@cdn.podcasts.fm/a.mp3",
        "https://cdn.podcasts.fm/a b.mp3",
        "https://cdn.podcasts.fm/ä.mp3",
        "https://cdn.podcasts.fm:port/a.mp3",
        "https://[::1/a.mp3",
    ],
)
def test_all_else_is_refused(url: str) -> None:
    with pytest.raises(BadRequest) as refused:
        public_https(url, "url")

    assert "url" == refused.value.param
