"""Keys with a bound of audio: what each kind of request is charged, and what happens beyond the bound."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Cut, FailTask, Fault, Hang, Refuse, Rule, Slow, SurfaceName
from tests.audio.media import make
from tests.endpoints.job_requests import HOURS, SENTENCES, finished, look, send, submits
from tests.hangups import hang_up
from tests.polling import until
from tests.running import RunningServer, running_server

DAY = 86400
SHORT, TASK = "qwen3-asr-flash", "qwen3-asr-flash-filetrans"
REFUSED = Refuse(400, "InvalidParameter")
FAILING = Refuse(500, "InternalError")


def key(name: str) -> str:
    return f"sk-{name}-12345"


def keys(**bounds: str) -> str:
    return "".join(f"{name} {key(name)} rest,jobs,realtime {bound}\n" for name, bound in bounds.items())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bounds")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    names = [*(row[0] for row in CHARGES), *(row[0] for row in STREAMS), "joined", "cancelled", "waiting"]
    bounds = dict.fromkeys(names, "audio=10/day")
    more = {
        "url": "audio=10/day,audio=6/request",
        "brief": "audio=2/request",
        "edge": "audio=30/day",
        "small": "audio=2/day",
        "beyond-true": "audio=5/day",
        "beyond-false": "audio=5/day",
    }
    (folder / "keys").write_text(keys(**bounds, **more))
    with running_server(
        Scripted(SENTENCES),
        api_keys_file=folder / "keys",
        store=str(folder / "jobs.sqlite"),
        job_retention=HOURS,
        job_grace=HOURS,
        attempts=2,
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def stereo(folder: Path) -> bytes:
    return make("wav", bytes(range(256)) * 750, 16_000, 2, folder / "two.wav").read_bytes()


CHARGES: list[tuple[str, dict[str, str], list[Rule], int, int]] = [
    # name, fields, faults, status, milliseconds charged for 3 s; fun-asr bills only speech
    ("plain", {"model": SHORT}, [], 200, 3000),
    ("retried", {"model": SHORT}, [Rule("chat", FAILING)], 200, 3000),
    ("refused", {"model": SHORT}, [Rule("chat", REFUSED)], 400, 0),
    ("failed", {"model": SHORT}, [Rule("chat", FAILING, times=None)], 502, 0),
    ("streamed", {"model": SHORT, "stream": "true"}, [], 200, 3000),
    ("cut", {"model": SHORT, "stream": "true"}, [Rule("chat", Cut(), times=None)], 502, 0),
    ("unreadable", {"model": SHORT, "response_format": "no"}, [], 400, 0),
    ("translated", {"model": SHORT, "target_language": "de"}, [], 200, 3000),
    ("task", {"model": TASK}, [], 200, 3000),
    ("untaken", {"model": TASK}, [Rule("submit", REFUSED)], 400, 0),
    ("broken", {"model": TASK}, [Rule("submit", FailTask("InvalidFile.DecodeFailed"))], 400, 0),
    ("background", {"model": TASK, "background": "true"}, [], 200, 3000),
    ("later", {"model": SHORT, "background": "true"}, [], 200, 3000),
    ("lost", {"model": TASK, "background": "true"}, [Rule("submit", FailTask("InternalError"))], 200, 0),
    ("apart", {"model": "fun-asr", "channel_id": "[0, 1]"}, [], 200, 2000),
    ("one", {"model": "fun-asr", "channel_id": "[1]"}, [], 200, 1000),
]


@pytest.mark.parametrize(("name", "fields", "faults", "status", "ms"), CHARGES)
def test_a_request_is_charged_for_the_audio_that_it_used(
    server: RunningServer,
    charged: Callable[[str], int],
    speech: bytes,
    stereo: bytes,
    name: str,
    fields: dict[str, str],
    faults: list[Rule],
    status: int,
    ms: int,
) -> None:
    server.fail(*faults)
    audio = stereo if "channel_id" in fields else speech
    path = "translations" if "target_language" in fields else "transcriptions"
    answer = httpx2.post(
        f"{server.base_url}/audio/{path}",
        data=fields,
        files={"file": ("a.wav", audio)},
        headers={"authorization": f"Bearer {key(name)}", "x-compat-reuse": "never"},
    )
    if answer.status_code == 202:
        answer = finished(server, answer.json()["id"], key=key(name))

    assert status == answer.status_code
    assert ms == charged(name)


STREAMS: list[tuple[str, Fault, SurfaceName]] = [("hung", Hang(), "chat"), ("slow", Slow(seconds=HOURS), "submit")]


@pytest.mark.parametrize(("name", "fault", "surface"), STREAMS)
def test_a_request_whose_client_hangs_up_is_charged_once_it_is_submitted(
    server: RunningServer, charged: Callable[[str], int], speech: bytes, name: str, fault: Fault, surface: SurfaceName
) -> None:
    """A client could otherwise have audio transcribed for nothing, by hanging up before the answer."""
    server.fail(Rule(surface, fault))
    seen = server.counts[surface]
    model = TASK if surface == "submit" else SHORT
    hang_up(
        server.base_url,
        lambda: server.counts.wait_for(lambda: server.counts[surface] > seen),
        api_key=key(name),
        model=model,
        file=("a.wav", speech),
    )
    until(lambda: charged(name) == 3000)


def test_a_request_that_waits_for_another_attempt_is_given_back(
    server: RunningServer, charged: Callable[[str], int], speech: bytes
) -> None:
    """An outage of the service does not use up the bound of clients that give up waiting."""
    server.fail(Rule("chat", Refuse(503, "ServiceUnavailable", retry_after=15), times=None))
    seen = server.counts["chat"]
    hang_up(
        server.base_url,
        lambda: server.counts.wait_for(lambda: server.counts["chat"] > seen),
        api_key=key("waiting"),
        model=SHORT,
        file=("a.wav", speech),
    )
    until(lambda: charged("waiting") == 0)


def test_requests_that_join_a_job_are_charged_once(
    server: RunningServer, charged: Callable[[str], int], speech: bytes
) -> None:
    server.fail(Rule("submit", Slow(polls=2)))
    before = submits(server)
    with ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(send, server, speech, key=key("joined"), model=TASK) for _ in range(8)]
    again = send(server, speech, key=key("joined"), model=TASK)  # 1 s of the bound is left, and none is needed

    assert [200] * 9 == [*(answer.result().status_code for answer in answers), again.status_code]
    assert (before + 1, 3000) == (submits(server), charged("joined"))


@pytest.mark.parametrize("background", ["false", "true"])
def test_requests_that_join_a_job_beyond_the_bound_are_all_refused(
    server: RunningServer, charged: Callable[[str], int], speech: bytes, background: str
) -> None:
    """The first one begins the job, and drops it when it is refused."""
    name = f"beyond-{background}"
    assert 200 == send(server, speech, key=key(name), model=SHORT).status_code
    before = submits(server)
    with ThreadPoolExecutor(12) as clients:
        answers = [
            clients.submit(send, server, speech, key=key(name), model=TASK, background=background) for _ in range(12)
        ]

    assert {429} == {answer.result().status_code for answer in answers}
    assert (before, 3000) == (submits(server), charged(name))


def test_a_cancelled_job_is_charged_once_it_is_submitted(
    server: RunningServer, charged: Callable[[str], int], speech: bytes
) -> None:
    server.fail(Rule("submit", Slow(seconds=HOURS)))
    job = send(server, speech, key=key("cancelled"), model=TASK, background="true").json()["id"]
    until(lambda: look(server, job, key=key("cancelled")).json()["status"] == "in_progress")
    look(server, job, key=key("cancelled"), method="DELETE")
    until(lambda: look(server, job, key=key("cancelled")).json()["status"] == "cancelled")

    assert 3000 == charged("cancelled")


def test_audio_at_an_address_that_cannot_be_fetched_is_given_back(
    server: RunningServer, charged: Callable[[str], int]
) -> None:
    answer = httpx2.post(
        f"{server.base_url}/audio/transcriptions",
        data={"model": TASK, "url": "https://cdn.podcasts.fm/a.mp3"},
        headers={"authorization": f"Bearer {key('url')}"},
    )

    assert (400, 0) == (answer.status_code, charged("url"))


def test_fifty_requests_at_the_edge_of_the_bound(
    server: RunningServer, charged: Callable[[str], int], speech: bytes, folder: Path
) -> None:
    """Two servers share the store; each request is 3 s, and the key may send 30 s."""
    with (
        running_server(Scripted(SENTENCES), api_keys_file=folder / "keys", store=str(folder / "jobs.sqlite")) as other,
        ThreadPoolExecutor(50) as clients,
    ):
        answers = [
            clients.submit(send, (server, other)[number % 2], speech, key=key("edge"), model=SHORT)
            for number in range(50)
        ]
        statuses = [answer.result().status_code for answer in answers]

    assert (10, 40) == (statuses.count(200), statuses.count(429))
    assert 30_000 == charged("edge")


def test_beyond_the_bound_of_a_day_the_sdk_does_not_retry(server: RunningServer, speech: bytes) -> None:
    client = server.client(key("plain"), max_retries=3)
    seen = server.counts["chat"]
    refusals: list[openai.RateLimitError] = []
    while not refusals:
        try:
            client.audio.transcriptions.create(model=SHORT, file=("a.wav", speech))
        except openai.RateLimitError as exc:
            refusals.append(exc)
    headers = refusals[0].response.headers
    reset = time.time() + float(headers["retry-after"])

    assert "insufficient_quota" == refusals[0].code == refusals[0].type
    assert "This key may send 10 s of audio a day (UTC)" in str(refusals[0])
    assert "false" == headers["x-should-retry"]
    assert reset % DAY == pytest.approx(0, abs=5) or reset % DAY == pytest.approx(DAY, abs=5)
    assert server.counts["chat"] <= seen + 3


@pytest.mark.parametrize(("name", "words"), [("brief", "2 s a request"), ("small", "2 s a day")])
@pytest.mark.parametrize("fields", [{"model": SHORT}, {"model": TASK}, {"model": TASK, "background": "true"}])
def test_audio_that_is_longer_than_a_key_may_ever_send(
    server: RunningServer, speech: bytes, charged: Callable[[str], int], name: str, words: str, fields: dict[str, Any]
) -> None:
    answer = send(server, speech, key=key(name), **fields)

    assert (400, "file") == (answer.status_code, answer.json()["error"]["param"])
    assert words in answer.json()["error"]["message"]
    assert 0 == charged(name)
