"""Faults of the server's own storage: Redis stops and comes back, the disk is full and has room again."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from compat.catalogue.rates import Rate
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.upstream.budget import Limiter
from compat.upstream.windows import Windows
from tests.audio import media
from tests.faults.watch import figures, nothing_is_left
from tests.polling import until
from tests.running import RunningServer, running_server
from tests.witnesses import free_port, redis_server

SENTENCES = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=1500),)
SPACE = 6 << 20  # bytes of the small disk


def short(server: RunningServer, speech: bytes) -> str:
    return server.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text


def long(server: RunningServer, speech: bytes) -> str:
    client = server.client()
    return client.audio.transcriptions.create(model="qwen3-asr-flash-filetrans", file=("a.wav", speech)).text


def ready(server: RunningServer) -> int:
    return httpx2.get(f"{server.base_url.removesuffix('/v1')}/readyz").status_code


def test_without_redis_only_long_jobs_are_refused(tmp_path: Path, speech: bytes) -> None:
    port, spool = free_port(), tmp_path / "spool"
    spool.mkdir()
    with running_server(Scripted(SENTENCES), spool=spool, store=f"redis://127.0.0.1:{port}/0") as server:
        with redis_server(tmp_path, port):
            assert SENTENCES[0].text == long(server, speech)
            before = figures(server.base_url)

        with pytest.raises(openai.InternalServerError) as caught:
            long(server, speech)
        assert (503, "job_store_unreachable") == (caught.value.status_code, caught.value.code)
        assert "retry-after" in caught.value.response.headers
        assert (SENTENCES[0].text, 200) == (short(server, speech), ready(server))
        nothing_is_left(server.base_url, spool, before, server.service)

        with redis_server(tmp_path, port):
            assert (SENTENCES[0].text, SENTENCES[0].text, 200) == (
                long(server, speech),
                short(server, speech),
                ready(server),
            )
            nothing_is_left(server.base_url, spool, before, server.service)
    assert 2 == server.dashscope.counts["submit"]


async def test_a_budget_is_shared_again_when_redis_is_back(tmp_path: Path) -> None:
    port, rate = free_port(), Rate(2, 60)
    one, other = (Limiter(f"redis://127.0.0.1:{port}/0", Windows(), alone=0.0) for _ in range(2))
    with redis_server(tmp_path, port):
        assert [True, True, False] == [await limiter.spend(rate, "a") for limiter in (one, other, one)]
    assert [True, True, False] == [await one.spend(rate, "a") for _ in range(3)]
    assert [True] == [await other.spend(rate, "a")]
    with redis_server(tmp_path, port):
        assert [True, True, False] == [await limiter.spend(rate, "a") for limiter in (one, other, one)]
        await one.close()
        await other.close()


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """Mount a small disk at `folder`. Skip the test if this user may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return an MP3 of 0.2 MB with two channels, which is mixed to a file of 0.6 MB for a task."""
    pcm = random.Random(1).randbytes(2 * 2 * 16_000 * 20)  # noqa: S311 - sound
    return media.make("mp3", pcm, 16000, 2, tmp_path_factory.mktemp("noise") / "a.mp3").read_bytes()


def undeclared(server: RunningServer, file: bytes) -> httpx2.Response:
    """Send a form without a content-length."""
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    parts = iter([head, *(file[at : at + 65536] for at in range(0, len(file), 65536)), b"\r\n--b--\r\n"])
    return httpx2.post(f"{server.base_url}/audio/transcriptions", content=parts, headers=headers)


def test_requests_fail_only_while_the_disk_is_full(tmp_path: Path, speech: bytes, noise: bytes) -> None:
    with (
        disk(tmp_path / "spool") as spool,
        running_server(Scripted(SENTENCES), spool=spool, long_road="filetrans") as server,
    ):
        assert SENTENCES[0].text == short(server, speech)
        before, filler = figures(server.base_url), tmp_path / "spool" / "filler"
        free = shutil.disk_usage(spool).free

        assert (507, "insufficient_storage") == refusal(lambda: short(server, bytes(SPACE)))
        answer = undeclared(server, bytes(SPACE + 1))
        assert (507, "insufficient_storage") == (answer.status_code, answer.json()["error"]["code"])
        nothing_is_left(server.base_url, spool, before, server.service)

        filler.write_bytes(bytes(SPACE - len(noise) - (256 << 10)))
        assert (507, "insufficient_storage") == refusal(lambda: long(server, noise))
        filler.unlink()
        nothing_is_left(server.base_url, spool, before, server.service)
        until(lambda: shutil.disk_usage(spool).free >= free)  # a process may still hold the deleted upload open
        filler.write_bytes(bytes(shutil.disk_usage(spool).free))
        assert (507, "insufficient_storage") == refusal(lambda: short(server, noise))  # a process reads it
        assert SENTENCES[0].text == short(server, speech)  # it stays in memory
        filler.unlink()
        nothing_is_left(server.base_url, spool, before, server.service)
        assert [SENTENCES[0].text] * 2 == [short(server, speech), long(server, noise)]


def refusal(ask: Callable[[], object]) -> tuple[int, str | None]:
    with pytest.raises(openai.InternalServerError) as caught:
        ask()
    return caught.value.status_code, caught.value.code
