"""Three real servers behind a real nginx as deploy/ sets it: one is stopped, one is killed, nobody notices."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import openai
import pytest
import stamina

from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from tests.audio import media
from tests.processes import Server, server
from tests.servers import serve
from tests.witnesses import free_port, program

SAID = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=1500),)
CONFIGURATION = Path(__file__).parent.parent.parent / "deploy" / "nginx.conf"
CALLERS = 6


@contextlib.contextmanager
def nginx(folder: Path, servers: Sequence[Server]) -> Iterator[str]:
    """Gives the address under which OpenAI's SDK finds the servers."""
    path, port = program("nginx", "apt-get install nginx"), free_port()
    addresses = [one.base_url.removeprefix("http://").removesuffix("/v1") for one in servers]
    text = CONFIGURATION.read_text().replace("listen 80;", f"listen 127.0.0.1:{port};")
    for place, address in enumerate(addresses, 1):
        text = text.replace(f"asr-{place}:8000", address)
    own = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {\n", f"http {{\n  access_log off;\n{own}")
    assert not re.search(r"asr-\d", text)
    (configuration := folder / "nginx.conf").write_text(f"daemon off;\nuser root;\npid {folder}/pid;\n{text}")
    command = [path, "-c", str(configuration), "-p", str(folder), "-e", str(folder / "errors")]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


class Load:
    """Callers who ask again and again, and what they were told."""

    def __init__(self, base_url: str, speech: bytes) -> None:
        self.answers: list[str] = []
        self._base_url = base_url
        self._speech = speech

    def during(self, event: Callable[[], object], *, retries: int) -> list[str]:
        """The answers that callers got before, while and after `event` took place."""
        over, began = threading.Event(), threading.Semaphore(0)
        told: list[str] = []

        def ask() -> None:
            with openai.OpenAI(base_url=self._base_url, api_key="any", max_retries=retries) as client:
                last = False
                while not last:
                    last = over.is_set()
                    try:
                        file = ("a.wav", self._speech)
                        told.append(client.audio.transcriptions.create(model="whisper-1", file=file).text)
                    except openai.OpenAIError as exc:
                        told.append(repr(exc))
                    began.release()

        callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for _ in range(2 * CALLERS):
            began.acquire()
        event()
        for _ in range(2 * CALLERS):
            began.acquire()
        over.set()
        for caller in callers:
            caller.join()
        return told


def test_a_server_that_stops_and_one_that_is_killed_cost_no_request(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    speech = media.make("wav", media.tone(2.0), 16000, 1, tmp_path / "a.wav").read_bytes()
    with serve(create_emulator(Scripted(SAID))) as root, contextlib.ExitStack() as stack:
        folders = [tmp_path_factory.mktemp("server") for _ in range(3)]
        servers = [stack.enter_context(server(folder, root)) for folder in folders]
        base_url = stack.enter_context(nginx(tmp_path, servers))
        for attempt in stamina.retry_context(on=openai.APIConnectionError, attempts=50, wait_max=0.1):
            with attempt, openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
                client.models.list()
        load = Load(base_url, speech)

        def stop() -> None:
            servers[0].process.send_signal(signal.SIGTERM)
            servers[0].process.wait(timeout=20)

        assert {"It was the best of times."} == set(load.during(stop, retries=0))
        assert {"It was the best of times."} == set(load.during(servers[1].kill, retries=2))
