"""Jobs that outlive their client and their server process: servers are killed, on a real store."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest

from compat.emulator.app import create_app
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.faults import Faults, Hang, Rule, Slow, SurfaceName
from compat.emulator.state import Emulator
from tests.audio.media import make
from tests.counts import Counts, counted
from tests.faults.watch import figures
from tests.hangups import hang_up
from tests.polling import until
from tests.processes import Server, server_process
from tests.servers import serve
from tests.witnesses import redis_server

WORDS = VOCABULARY[:8]
HOURS = 3600.0


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("audio") / "speech.wav"
    return make("wav", encode(lay(WORDS)), 16000, 1, path).read_bytes()


@pytest.fixture
def dashscope() -> Iterator[tuple[Emulator, str]]:
    app = create_app(Tones())
    counted(app.state.emulator)
    with serve(app) as root:
        yield app.state.emulator, root


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "jobs.sqlite")
        return
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as url:
        yield url


def asked(emulator: Emulator, what: str) -> None:
    """Wait until the service has received a request of this kind."""
    assert isinstance(emulator.counts, Counts)
    emulator.counts.wait_for(lambda: emulator.counts[what])


def transcribe(at: Server, speech: bytes, timeout: float = 60.0, max_retries: int = 0) -> str:
    with at.client(timeout, max_retries) as client:
        answer = client.audio.transcriptions.create(model="qwen3-asr-flash-filetrans", file=("speech.wav", speech))
    return answer.text


def words(text: str) -> list[str]:
    return text.lower().replace(".", "").replace(",", "").split()


def slow(emulator: Emulator) -> None:
    """Make tasks run until `finish`."""
    emulator.faults.arm(Faults((Rule("submit", Slow(seconds=HOURS), times=None),)))


def finish(emulator: Emulator) -> None:
    for task in emulator.tasks.values():
        task.fault = None


def test_the_successor_of_a_killed_server_continues_the_same_task(
    dashscope: tuple[Emulator, str], store: str, speech: bytes, tmp_path: Path
) -> None:
    emulator, root = dashscope
    slow(emulator)
    with ThreadPoolExecutor(1) as threads, server_process(tmp_path, root, COMPAT_STORE=store) as first:
        asking = threads.submit(transcribe, first, speech)
        asked(emulator, "query")
        first.kill()
        with pytest.raises(openai.APIConnectionError):
            asking.result(timeout=30)
        assert 1 == len(list(tmp_path.glob("qwen-asr-compat-*")))

    finish(emulator)
    with server_process(tmp_path, root, COMPAT_STORE=store) as second:
        assert list(WORDS) == words(transcribe(second, speech))
        assert 1 == len(list(tmp_path.glob("qwen-asr-compat-*")))  # the files of the first server are deleted

        assert list(WORDS) == words(transcribe(second, speech))  # from the store
    assert 1 == emulator.counts["submit"]
    assert [] == list(tmp_path.glob("qwen-asr-compat-*"))


def test_the_upload_of_a_killed_server_is_deleted_and_repeated(
    dashscope: tuple[Emulator, str], store: str, speech: bytes, tmp_path: Path
) -> None:
    emulator, root = dashscope
    emulator.faults.arm(Faults((Rule("store", Hang()),)))
    with ThreadPoolExecutor(1) as threads, server_process(tmp_path, root, COMPAT_STORE=store) as first:
        asking = threads.submit(transcribe, first, speech)
        asked(emulator, "store")
        first.kill()
        with pytest.raises(openai.APIConnectionError):
            asking.result(timeout=30)

    with server_process(tmp_path, root, COMPAT_STORE=store) as second:
        assert list(WORDS) == words(transcribe(second, speech))
    assert 1 == emulator.counts["submit"]


def test_a_stopped_server_leaves_its_jobs_to_the_next(
    dashscope: tuple[Emulator, str], store: str, speech: bytes, tmp_path: Path
) -> None:
    emulator, root = dashscope
    slow(emulator)
    with server_process(tmp_path, root, COMPAT_STORE=store) as first:
        file = ("speech.wav", speech)
        hang_up(first.base_url, lambda: asked(emulator, "query"), model="qwen3-asr-flash-filetrans", file=file)

    finish(emulator)
    with server_process(tmp_path, root, COMPAT_STORE=store) as second:
        assert list(WORDS) == words(transcribe(second, speech))
    assert (1, 0) == (emulator.counts["submit"], emulator.counts["cancel"])


def test_a_job_with_the_client_s_own_key_continues_when_the_client_retries(
    dashscope: tuple[Emulator, str], speech: bytes, tmp_path: Path
) -> None:
    emulator, root = dashscope
    slow(emulator)
    with ThreadPoolExecutor(1) as threads, server_process(tmp_path, root, COMPAT_PASS_KEY="true") as first:
        asking = threads.submit(transcribe, first, speech)
        asked(emulator, "query")
        first.kill()
        with pytest.raises(openai.APIConnectionError):
            asking.result(timeout=30)

    finish(emulator)
    with server_process(tmp_path, root, COMPAT_PASS_KEY="true") as second:
        assert list(WORDS) == words(transcribe(second, speech))
    assert 1 == emulator.counts["submit"]


@pytest.mark.parametrize("own_key", ["false", "true"])
def test_a_background_job_continues_in_the_next_server(
    dashscope: tuple[Emulator, str], speech: bytes, tmp_path: Path, own_key: str
) -> None:
    emulator, root = dashscope
    headers = {"authorization": "Bearer the-client's-key"}
    slow(emulator)
    with server_process(tmp_path, root, COMPAT_PASS_KEY=own_key) as first:
        job = httpx2.post(
            f"{first.base_url}/audio/transcriptions",
            headers=headers,
            data={"model": "qwen3-asr-flash-filetrans", "background": "true", "response_format": "text"},
            files={"file": ("speech.wav", speech)},
        ).json()["id"]
        asked(emulator, "query")
        first.kill()

    finish(emulator)
    with server_process(tmp_path, root, COMPAT_PASS_KEY=own_key) as second:
        address = f"{second.base_url}/audio/transcriptions/{job}"
        until(lambda: httpx2.get(address, headers=headers).status_code == 200, 60.0)
        assert list(WORDS) == words(httpx2.get(address, headers=headers).text)
    assert 1 == emulator.counts["submit"]


@pytest.mark.parametrize(("surface", "road"), [("store", "filetrans"), ("chat", "pieces")])
def test_a_stopping_server_finishes_a_job_that_no_other_could_continue(
    dashscope: tuple[Emulator, str], speech: bytes, tmp_path: Path, surface: SurfaceName, road: str
) -> None:
    emulator, root = dashscope
    emulator.faults.arm(Faults((Rule(surface, Hang(1.0)),)))
    with server_process(tmp_path, root, COMPAT_LONG_ROAD=road) as first:
        job = httpx2.post(
            f"{first.base_url}/audio/transcriptions",
            data={"model": "whisper-1", "background": "true", "response_format": "srt"},
            files={"file": ("speech.wav", speech)},
        ).json()["id"]
        asked(emulator, surface)

    with server_process(tmp_path, root, COMPAT_LONG_ROAD=road) as second:
        address = f"{second.base_url}/audio/transcriptions/{job}"
        until(lambda: httpx2.get(address).status_code == 200, 60.0)
        assert WORDS[0] in httpx2.get(address).text.lower()
    assert 1 == emulator.counts["submit"] + emulator.counts["chat"]


def test_a_second_signal_ends_the_wait_for_a_job(
    dashscope: tuple[Emulator, str], speech: bytes, tmp_path: Path
) -> None:
    emulator, root = dashscope
    emulator.faults.arm(Faults((Rule("store", Hang()),)))
    with server_process(tmp_path, root) as running:
        form = {"model": "whisper-1", "background": "true", "response_format": "srt"}
        httpx2.post(f"{running.base_url}/audio/transcriptions", data=form, files={"file": ("speech.wav", speech)})
        asked(emulator, "store")
        running.process.send_signal(signal.SIGTERM)
        until(lambda: "Stopping.\n" in running.printed)
        running.process.send_signal(signal.SIGINT)

        assert running.process.wait(timeout=20) in (0, -signal.SIGTERM)


def test_a_running_job_survives_the_loss_of_its_store(
    dashscope: tuple[Emulator, str], speech: bytes, tmp_path: Path
) -> None:
    emulator, root = dashscope
    slow(emulator)
    with (
        redis_server(tmp_path) as url,
        server_process(tmp_path, root, COMPAT_STORE=url) as alone,
        ThreadPoolExecutor() as threads,
    ):
        asking = threads.submit(transcribe, alone, speech)
        asked(emulator, "query")
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2].removesuffix("/0")))) as redis:
            redis.sendall(b"SHUTDOWN NOSAVE\r\n")
            assert b"" == redis.recv(1)
        finish(emulator)

        assert list(WORDS) == words(asking.result(timeout=30))


def test_two_servers_on_one_redis_share_fifty_requests(
    dashscope: tuple[Emulator, str], speech: bytes, tmp_path: Path
) -> None:
    emulator, root = dashscope
    slow(emulator)
    with redis_server(tmp_path) as url:
        options = {"COMPAT_STORE": url, "COMPAT_JOB_RETENTION": "0"}
        with (
            server_process(tmp_path, root, **options) as one,
            server_process(tmp_path, root, **options) as two,
            ThreadPoolExecutor(50) as threads,
        ):
            asking = [threads.submit(transcribe, one if n % 2 else two, speech) for n in range(50)]
            until(lambda: 50 == sum(figures(at.base_url)["requests_under_way"] for at in (one, two)), 60.0)
            finish(emulator)
            texts = [each.result() for each in asking]

    assert [list(WORDS)] * 50 == [words(text) for text in texts]
    assert 1 == emulator.counts["submit"]


def test_the_sdk_s_retries_join_the_task_of_the_first_attempt(
    dashscope: tuple[Emulator, str], speech: bytes, tmp_path: Path
) -> None:
    emulator, root = dashscope
    emulator.faults.arm(Faults((Rule("submit", Slow(seconds=10)),)))
    with server_process(tmp_path, root) as alone:
        assert list(WORDS) == words(transcribe(alone, speech, timeout=2.0, max_retries=5))
    assert 1 == emulator.counts["submit"]
