"""Where audio may go: files that are kept out of DashScope's temporary storage."""

from __future__ import annotations

from typing import Any

import httpx2

from compat.emulator.engines.scripted import Scripted
from tests.endpoints.job_requests import SENTENCES, send
from tests.running import running_server

UPLOADS: list[tuple[dict[str, Any], int, str]] = [
    # fields, status, road
    ({"model": "qwen3-asr-flash"}, 200, "chat"),
    ({"model": "qwen3-asr-flash-filetrans"}, 200, "pieces"),
    ({"model": "fun-asr"}, 400, ""),
    ({"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}, 400, ""),
    ({"model": "fun-asr", "background": "true"}, 400, ""),
    ({"model": "fun-asr", "stream": "true"}, 400, ""),
]


def test_without_temporary_storage_only_what_needs_it_is_refused(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), temporary_storage=False) as server:
        answers = [send(server, speech, **fields) for fields, _, _ in UPLOADS]
        fetched = httpx2.post(
            f"{server.base_url}/audio/transcriptions",
            data={"model": "fun-asr", "url": "https://cdn.podcasts.fm/a.mp3"},
        )
        policies = server.counts["policy"]

    assert [(status, road) for _, status, road in UPLOADS] == [
        (answer.status_code, answer.headers.get("x-compat-road", "")) for answer in answers
    ]
    refusals = [answer.json()["error"] for answer in answers if answer.status_code == 400]
    assert {("model", "storage_disabled")} == {(refusal["param"], refusal["code"]) for refusal in refusals}
    assert all("COMPAT_TEMPORARY_STORAGE=false" in refusal["message"] for refusal in refusals)
    assert "url" == fetched.json()["error"]["param"]  # DashScope fetches it from the client's address
    assert 0 == policies
