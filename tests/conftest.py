"""Configuration of all tests and of the processes that they start."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.disarming import disarm
from tests.scheduling import ModuleScheduling, rank
from tests.tls import certificate

if TYPE_CHECKING:
    from xdist.remote import Producer

# The same examples in every run, without a deadline. `--hypothesis-profile=default` generates other examples.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


SLOW = (
    # Whole recordings, browsers, other people's programs, child processes, media in every container, random
    # conversations: `scripts/test --quick` leaves them out.
    "audio", "benchmarks", "cli", "deploy", "docs", "emulator", "examples", "faults", "playground", "scripts",
    "transcription", "whole",
    "bridge/test_conversations", "bridge/test_fuzz", "bridge/test_properties", "bridge/test_translation_properties",
    "endpoints/test_admission", "endpoints/test_audio_bounds", "endpoints/test_background_jobs",
    "endpoints/test_health", "endpoints/test_jobs", "endpoints/test_loading", "endpoints/test_origins",
    "endpoints/test_paths", "endpoints/test_realtime_",
    "endpoints/test_trans", "endpoints/test_truncated", "upstream/test_budget", "upstream/test_sockets", "test_foreign",
    "webrtc/test_calls", "webrtc/test_peer",
    "server/test_local_engine", "server/test_shutdown", "server/test_start", "server/test_workers", "test_processes",
    "server/test_own_recogniser",
)  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector, which would take half of the time: whatever is found lives until the end.
    In a fresh clone, the first process of pytest-xdist compiles the tests and what they import, and the others wait.

    Hypothesis runs a first example before: it then looks for references to its random generator, and warns if it finds
    none because the collector has been told to ignore them.
    """

    @given(st.none())
    def example(_: None) -> None:
        pass

    example()
    gc.disable()
    try:
        with compiling():
            return (yield)
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Unless the tests are compiled, hold this file's lock: alone, or together with all that wait for the first."""
    with Path(__file__).open() as file:
        if not any(Path(__file__).parent.glob("__pycache__/test_*")):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(file, fcntl.LOCK_SH)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = tuple(f"tests/{name}" for name in SLOW)
    for item in items:
        if item.nodeid.startswith(slow):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, rank(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ModuleScheduling:
    config.option.loadscopereorder = False  # keep the order above
    return ModuleScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """Let the tests trust one certificate authority, since each HTTP client would load the system's in 20 ms of CPU
    time. Return the file of the authorities that are configured otherwise."""
    configured = os.environ.get("SSL_CERT_FILE")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate(tmp_path_factory.mktemp("authority"), "nobody")[0]))
        yield configured


@pytest.fixture(autouse=True)
def no_faults_left() -> Iterator[None]:
    """End the faults of a server that tests share."""
    yield
    disarm()


# Tests run in parallel. With threads of its own, a recognition would take twice the CPU time and not be faster.
os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")

# In a shell's background or under nohup these signals are ignored, and programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
