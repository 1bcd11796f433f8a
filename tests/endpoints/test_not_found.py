from __future__ import annotations

import pytest

from compat.endpoints.not_found import ABSENT, unknown
from compat.endpoints.paths import canonical

HINTS = [
    ("/audio/transcriptions", "/v1/audio/transcriptions"),
    ("/v1/v1/audio/translations", "/v1/audio/translations"),
    ("/api/v1/audio/transcriptions/", "/v1/audio/transcriptions"),
    ("/v1/audio/transcriptions/audio/transcriptions", "/v1/audio/transcriptions"),
    ("/v1/audio/transcriptions/v1/audio/translations", "/v1/audio/translations"),
    ("/v1/audio/translations/v1/models", "/v1/models"),
    ("/v1/chat/completions/audio/transcriptions", "/v1/audio/transcriptions"),
    ("/v1/models/realtime", "/v1/realtime"),
    ("/V1/Audio/Transcriptions", "/v1/audio/transcriptions"),
    ("/models/whisper-1", "/v1/models/whisper-1"),
    ("/v2/realtime", "/v1/realtime"),
    ("/realtime/client_secrets", "/v1/realtime/client_secrets"),
]


@pytest.mark.parametrize(("path", "meant"), HINTS)
def test_the_error_suggests_the_intended_path(path: str, meant: str) -> None:
    assert f"There is no GET {path} here, but {meant}: base addresses end in /v1." == unknown("GET", path).message


NEAR = [
    *("/v1/audio/transcription", "/v1/audio/transcribe", "/v1/transcriptions", "/transcriptions", "/v1/transcribe"),
    *("/inference", "/asr", "/v1/asr", "/api/v1/transcribe", "/v1/v1/audio/transcription", "/stt", "/ASR"),
]


@pytest.mark.parametrize("path", NEAR)
def test_the_error_suggests_transcriptions_for_similar_paths(path: str) -> None:
    assert f"There is no POST {path} here, but /v1/audio/transcriptions." == unknown("POST", path).message


@pytest.mark.parametrize("path", ["/v1/audio/translation", "/v1/translate", "/translations"])
def test_the_error_suggests_translations_for_similar_paths(path: str) -> None:
    assert f"There is no POST {path} here, but /v1/audio/translations." == unknown("POST", path).message


@pytest.mark.parametrize("sent", ["/openai/deployments/whisper/asr", "/openai/v1/chat/completions", "//v1/nothing/"])
def test_the_path_is_named_as_it_was_sent(sent: str) -> None:
    path, _ = canonical(sent)

    assert sent in unknown("POST", path, sent).message


@pytest.mark.parametrize(
    "sent", ["/openai/deployments//audio/transcriptions", "/openai/deployments/audio/translations"]
)
def test_the_error_points_out_a_missing_deployment_name(sent: str) -> None:
    path, _ = canonical(sent)

    assert f"{sent} has no deployment name: insert it before /audio." == unknown("POST", path, sent).message


@pytest.mark.parametrize("path", ["/", "/v1", "/audio", "/v1/audio/transcriptions", "/v1/models"])
def test_other_paths_get_no_suggestion(path: str) -> None:
    assert f"There is no GET {path} here." == unknown("GET", path).message


@pytest.mark.parametrize("call", ["/calls/rtc_1", "/calls/rtc_1/hangup"])
def test_a_call_that_translates_has_the_path_of_all_calls(call: str) -> None:
    sent = f"/v1/realtime/translations{call}"
    assert unknown("POST", sent).message == f"There is no POST {sent} here, but /v1/realtime{call}."


def test_a_long_path_is_truncated_in_the_error() -> None:
    assert len(unknown("GET", "/" + "a" * 9000 + "/models").message) < 500


@pytest.mark.parametrize("start", ABSENT)
@pytest.mark.parametrize("before", ["/v1", ""])
@pytest.mark.parametrize("after", ["", "/x_123/y"])
def test_the_error_names_an_unsupported_feature_of_openai(before: str, start: str, after: str) -> None:
    refused = unknown("POST", before + start + after)

    assert "unsupported_endpoint" == refused.code
    assert f"{before}{start}{after} is not offered" in refused.message
    assert refused.message.endswith(f"has no {ABSENT[start]}.")


@pytest.mark.parametrize("path", ["/v1/filesystem", "/v1/audio/speeches", "/v1/audio"])
def test_a_path_that_only_starts_like_an_unsupported_one_is_unknown(path: str) -> None:
    assert "unknown_url" == unknown("POST", path).code
