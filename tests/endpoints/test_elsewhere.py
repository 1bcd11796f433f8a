from __future__ import annotations

import pytest

from compat.endpoints.elsewhere import unknown

HINTS = [
    ("/audio/transcriptions", "/v1/audio/transcriptions"),
    ("/v1/v1/audio/translations", "/v1/audio/translations"),
    ("/openai/v1/audio/transcriptions/", "/v1/audio/transcriptions"),
    ("/models/whisper-1", "/v1/models/whisper-1"),
    ("/v2/realtime", "/v1/realtime"),
    ("/realtime/client_secrets", "/v1/realtime/client_secrets"),
]


@pytest.mark.parametrize(("path", "meant"), HINTS)
def test_what_was_probably_meant_is_told(path: str, meant: str) -> None:
    assert f"There is no GET {path} here, but {meant}: base addresses end in /v1." == unknown("GET", path).message


@pytest.mark.parametrize("path", ["/", "/v1/chat/completions", "/audio", "/v1/audio/transcriptions", "/v1/models"])
def test_nothing_is_guessed(path: str) -> None:
    assert f"There is no GET {path} here." == unknown("GET", path).message


def test_a_long_path_is_not_told_whole() -> None:
    assert len(unknown("GET", "/" + "a" * 9000 + "/models").message) < 500
