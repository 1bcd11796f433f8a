"""The ways to publish a file for a task: this server's public address, DashScope's temporary storage, and `url`."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from compat.audio.worker import Worker
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.dashscope_api.calls import Call, Flow, Reply, Submitted, Wait
from compat.emulator.app import create_app as create_emulator
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.faults import Answer, FailTask, Faults, Rule
from compat.emulator.readings import Readings
from compat.emulator.state import Emulator
from compat.errors import BadRequest, RateLimited, TaskLost
from compat.transcript import Ask
from compat.transcription.file_tasks import drive
from compat.transcription.recogniser import Recogniser
from compat.upstream.http import Account, Service
from tests.audio.media import make
from tests.running import RunningServer, running_server
from tests.servers import serve
from tests.upstream.test_fallback import REJECTED, Notes
from tests.upstream.test_http import ASK, OK, SUBMIT, peer

SPOKEN = lay(itertools.islice(itertools.cycle(VOCABULARY), 30))
WORDS = [word.text for word in SPOKEN]


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("wav", encode(SPOKEN), 16000, 1, tmp_path_factory.mktemp("audio") / "speech.wav")


class Outside:
    """A proxy at the server's public address, which forwards requests to the server and records their paths."""

    def __init__(self) -> None:
        self.server = ""
        self.fetched: list[str] = []

    async def get(self, request: Request) -> Response:
        self.fetched.append(request.url.path)
        async with httpx2.AsyncClient() as client:
            answer = await client.get(self.server + request.url.path)
        return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])


@contextlib.contextmanager
def public_house() -> Iterator[tuple[RunningServer, Outside]]:
    outside = Outside()
    with (
        serve(Starlette(routes=[Route("/{path:path}", outside.get)])) as address,
        running_server(Tones(), public_url=address) as server,
    ):
        outside.server = server.base_url.removesuffix("/v1")
        yield server, outside


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr", "qwen-audio-3.1-asr-flash-filetrans"])
def test_the_service_fetches_the_file_from_the_public_address(speech: Path, model: str) -> None:
    with public_house() as (server, outside):
        answer = server.client().audio.transcriptions.create(model=model, file=speech, response_format="verbose_json")

        assert WORDS == answer.text.split()
        assert (1, 0, 0) == tuple(server.dashscope.counts[name] for name in ("submit", "policy", "store"))
        assert ["/files"] == [path.rpartition("/")[0] for path in outside.fetched]
        assert 404 == httpx2.get(outside.server + outside.fetched[0]).status_code


def test_an_unreachable_public_address_is_replaced_by_temporary_storage(speech: Path) -> None:
    with running_server(Tones(), public_url="http://127.0.0.1:1") as server:
        for submitted in (2, 3):  # the second request skips the failed way
            answer = server.client().audio.transcriptions.create(
                model="whisper-1", file=speech, response_format="verbose_json"
            )

            assert WORDS == answer.text.split()
            assert submitted == server.dashscope.counts["submit"]


def test_pieces_are_sent_if_every_way_to_publish_the_file_fails(speech: Path) -> None:
    with running_server(Tones(), public_url="http://127.0.0.1:1", readings=Readings(oss_for_filetrans=False)) as server:
        for _ in range(2):
            raw = server.client().audio.transcriptions.with_raw_response.create(
                model="whisper-1", file=speech, response_format="srt"
            )

            assert "pieces" == raw.headers["x-compat-road"]
            assert 2 == server.dashscope.counts["submit"]


@pytest.mark.parametrize("reading", ["oss_for_filetrans", "policies"])
def test_a_file_is_not_published_in_a_way_that_verify_found_refused(speech: Path, reading: str, tmp_path: Path) -> None:
    observed = tmp_path / "observed.json"
    observed.write_text(json.dumps({"readings": {reading: False, "status_line": "field"}, "probes": []}))
    known = Settings.read({"COMPAT_READINGS": str(observed)}).observed
    with running_server(Tones(), readings=msgspec.convert({reading: False}, Readings), observed=known) as server:
        raw = server.client().audio.transcriptions.with_raw_response.create(
            model="whisper-1", file=speech, response_format="srt"
        )

        assert "pieces" == raw.headers["x-compat-road"]
        assert {"chat"} == set(server.dashscope.counts)


@pytest.mark.parametrize("fields", [{}, {"stream": "true"}, {"timestamp_granularities[]": "word"}], ids=str)
def test_a_file_that_cannot_be_fetched_any_more_is_sent_in_pieces_at_the_next_request(
    speech: Path, fields: dict[str, str]
) -> None:
    """After a first success the audio is deleted once its task is submitted, so the client has to send it again."""
    with running_server(Tones()) as server:

        def answer(audio: bytes) -> httpx2.Response:
            data = {"model": "whisper-1", "response_format": "verbose_json"} | fields
            return httpx2.post(f"{server.base_url}/audio/transcriptions", data=data, files={"file": audio})

        whole = speech.read_bytes()
        assert "filetrans" == answer(make_other(whole)).headers["x-compat-road"]
        server.fail(Rule("submit", FailTask("FILE_403_FORBIDDEN"), times=None))
        refused = answer(whole)
        assert (503, "true", "1") == (
            refused.status_code,
            refused.headers["x-should-retry"],
            refused.headers["retry-after"],
        )
        again = answer(whole)

    assert (200, "pieces") == (again.status_code, again.headers["x-compat-road"])
    if "stream" not in fields:
        assert again.json()["segments"]


def make_other(audio: bytes) -> bytes:
    """Return another file with the same sound, which gets its own job."""
    return audio + bytes(2)


def test_the_header_names_the_road_that_was_taken_in_the_end(speech: Path) -> None:
    with running_server(Tones()) as server:
        server.fail(Rule("submit", FailTask("FILE_403_FORBIDDEN"), times=None))
        answer = httpx2.post(
            f"{server.base_url}/audio/transcriptions",
            data={"model": "whisper-1", "response_format": "verbose_json"},
            files={"file": speech.read_bytes()},
        )

    assert ("pieces", "pieces") == (answer.headers["x-compat-road"], answer.json()["dashscope"]["surface"])


def test_a_task_that_fails_for_another_reason_is_not_repeated(speech: Path) -> None:
    with running_server(Tones()) as server:
        server.fail(Rule("submit", FailTask("DECODE_ERROR"), times=None))
        answer = httpx2.post(
            f"{server.base_url}/audio/transcriptions",
            data={"model": "whisper-1", "response_format": "srt"},
            files={"file": speech.read_bytes()},
        )

        assert (400, 1) == (answer.status_code, server.dashscope.counts["submit"])


BAD = [
    ({"url": "http://cdn.podcasts.fm/a.mp3"}, "url"),
    ({"url": "https://10.1.2.3/a.mp3"}, "url"),
    ({"url": "https://cdn.podcasts.fm/a.mp3"}, "url"),  # the emulator does not fetch from the internet
    ({"url": "https://cdn.podcasts.fm/a.mp3", "model": "qwen-audio-3.1-asr-flash"}, "url"),
    ({"url": ""}, "file"),
]


@pytest.mark.parametrize(("fields", "param"), BAD)
@pytest.mark.parametrize("endpoint", ["transcriptions", "translations"])
def test_an_unusable_url_is_refused_with_its_param(endpoint: str, fields: dict[str, str], param: str) -> None:
    with running_server(Tones()) as server:
        form = {name: (None, value) for name, value in ({"model": "whisper-1"} | fields).items()}
        answer = httpx2.post(f"{server.base_url}/audio/{endpoint}", files=form)

    assert (400, param) == (answer.status_code, answer.json()["error"]["param"])
    assert "podcasts" not in answer.text


def test_file_and_url_are_mutually_exclusive(speech: Path) -> None:
    with running_server(Tones()) as server:
        answer = httpx2.post(
            f"{server.base_url}/audio/transcriptions",
            data={"model": "whisper-1", "url": "https://cdn.podcasts.fm/a.mp3"},
            files={"file": speech.read_bytes()},
        )

    assert (400, "url") == (answer.status_code, answer.json()["error"]["param"])


@contextlib.asynccontextmanager
async def recognising(engine: str, *rules: Rule) -> AsyncIterator[tuple[Recogniser, Emulator]]:
    app = create_emulator(Tones(), faults=Faults(rules))
    with serve(app) as root:
        settings = Settings(base_url=root, dashscope_api_key="k")
        service, worker = Service(root, connect_timeout=5, answer_timeout=30, attempts=1), Worker()
        try:
            yield Recogniser(settings, service, worker, engine=engine), app.state.emulator
        finally:
            await worker.close()
            await service.close()


@pytest.mark.parametrize(
    ("engine", "losses", "submits", "error"),
    [
        ("tones", 2, 3, None),
        ("tones", None, 3, "The local engine ended while it was transcribing this file"),
        ("", 1, 1, "DashScope does not know the task"),
    ],
)
async def test_a_task_that_was_lost_with_the_local_engine_is_submitted_again(
    speech: Path, engine: str, losses: int | None, submits: int, error: str | None
) -> None:
    unknown = Answer('{"output":{"task_status":"UNKNOWN"}}')
    async with recognising(engine, Rule("query", unknown, times=losses)) as (recogniser, emulator):
        work = await recogniser.prepare(Ask(model="whisper-1", response_format="srt"), speech, Principal("k"))
        with pytest.raises(TaskLost, match=error) if error else contextlib.nullcontext():
            assert WORDS == (await recogniser.transcript(work, Notes())).text.split()

        assert recogniser.needs_audio_again(work)
        assert submits == emulator.counts["submit"]


@pytest.fixture
async def recogniser() -> AsyncIterator[Recogniser]:
    async with recognising("") as (recogniser, _):
        yield recogniser


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr"])
async def test_a_url_is_passed_to_the_service(recogniser: Recogniser, speech: Path, model: str) -> None:
    async def file(_: Request) -> Response:
        return FileResponse(speech)

    with serve(Starlette(routes=[Route("/a.wav", file)])) as root:
        ask = Ask(model=model, url=f"{root}/a.wav", response_format="verbose_json")
        work = await recogniser.prepare(ask, Path("nothing"), Principal("k"))
        transcript = await recogniser.transcript(work, Notes())

    assert WORDS == transcript.text.split()
    assert transcript.duration == pytest.approx(SPOKEN[-1].end_ms / 1000, abs=1.0)
    assert not recogniser.needs_audio_again(work)


async def test_a_url_that_cannot_be_fetched_is_a_client_error(recogniser: Recogniser) -> None:
    ask = Ask(model="whisper-1", url="http://127.0.0.1:1/a.wav")
    work = await recogniser.prepare(ask, Path("nothing"), Principal("k"))

    with pytest.raises(BadRequest) as refused:
        await recogniser.transcript(work, Notes())

    assert "url" == refused.value.param


async def test_the_file_is_kept_until_its_way_has_worked_once(recogniser: Recogniser, speech: Path) -> None:
    work = await recogniser.prepare(Ask(model="whisper-1", response_format="srt"), speech, Principal("k"))

    assert recogniser.needs_audio_again(work)
    await recogniser.transcript(work, Notes())
    assert not recogniser.needs_audio_again(work)


def flow(*steps: Call | Wait | Submitted) -> Flow[list[Reply | str | None]]:
    replies: list[Reply | str | None] = []
    for step in steps:
        try:
            replies.append((yield step))
        except BadRequest as exc:
            replies.append(exc.code)
    return replies


async def test_a_flow_receives_replies_and_errors() -> None:
    notes = Notes()
    async with peer(OK, REJECTED, OK) as (_, service):
        steps = flow(ASK, Wait(0.0), ASK, SUBMIT, Submitted("t1"))
        replies = await drive(steps, Account(service, Principal("k"), "mark:"), notes)

    assert [Reply, type(None), str, Reply, type(None)] == [type(reply) for reply in replies]
    assert ["submitting", "mark:t1"] == notes.calls


LIMITED = b"HTTP/1.1 429 Too Many\r\nretry-after: 0.01\r\ncontent-length: 21\r\n\r\n" + b'{"code":"Throttling"}'
RATES = [
    # whether a client waits, whether no other account is tried next → the error, the number of requests
    (True, True, RateLimited, 3),
    (False, False, RateLimited, 3),
    (False, True, None, 8),
]


@pytest.mark.parametrize(("awaited", "last", "error", "asked"), RATES)
async def test_a_background_job_waits_for_the_rate(
    awaited: bool, last: bool, error: type[RateLimited] | None, asked: int
) -> None:
    async with peer(*[LIMITED] * 7, OK) as (upstream, service):
        steps = drive(flow(SUBMIT), Account(service, Principal("k"), last=last), Notes(awaited=awaited))
        with pytest.raises(error) if error else contextlib.nullcontext():
            await steps

    assert asked == len(upstream.requests)
