"""Live sessions of keys with a bound of audio."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

import pytest
from websockets.exceptions import InvalidStatus

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.faults import Live, Rule
from compat.emulator.live_faults import Sever
from tests.endpoints.live import LiveClient, live_client
from tests.polling import until
from tests.running import RunningServer, running_server

WORDS = VOCABULARY[:14]
LAID = lay(WORDS, begin_ms=150)
HEARD = " ".join(word.text for word in LAID if word.end_ms <= 2000)
Connect: TypeAlias = Callable[[str], AbstractAsyncContextManager[LiveClient]]
NAMES = [f"{turns}-{pace}" for turns in ("vad", "manual") for pace in ("frames", "once")]
KEYS = [
    *(f"{name} audio=2/day" for name in NAMES),
    "once-only audio=2/request",
    "several audio=40/day",
    "severed audio=60/day",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bounds")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    lines = (line.split() for line in KEYS)
    (folder / "keys").write_text("".join(f"{name} sk-{name}-123 rest,realtime {bound}\n" for name, bound in lines))
    with running_server(Tones(), api_keys_file=folder / "keys", store=str(folder / "jobs.sqlite")) as opened:
        yield opened


@pytest.fixture
def session(server: RunningServer) -> Connect:
    """Return a function that opens a session with the key of this name."""
    return lambda name: live_client(server, additional_headers={"authorization": f"Bearer sk-{name}-123"})


async def configure(client: LiveClient, turns: str) -> None:
    audio = {"turn_detection": None} if turns == "manual" else {}
    await client.send("session.update", session={"type": "transcription", "audio": {"input": audio}})


@pytest.mark.parametrize("name", [*NAMES, "once-only"])
async def test_speech_before_the_bound_is_answered(session: Connect, charged: Callable[[str], int], name: str) -> None:
    """The bound comes amid a turn, in small frames and in one large append."""
    turns, pace = name.split("-")
    async with session(name) as client:
        await configure(client, turns)
        with contextlib.suppress(ConnectionError):
            await client.append(encode(LAID, rate=24_000), 4_800 if pace == "frames" else 1 << 20)
        events, close = await client.until_closed()
    completed = [event["transcript"] for event in events if event["type"].endswith("transcription.completed")]
    errors = [event["error"]["code"] for event in events if event["type"] == "error"]

    assert HEARD == " ".join(completed)
    assert (1001, ["session_expired" if name == "once-only" else "insufficient_quota"]) == (close.code, errors)
    until(lambda: charged(name) == (0 if name == "once-only" else 2000))


async def test_sessions_share_the_bound_and_give_back_what_they_do_not_use(
    session: Connect, charged: Callable[[str], int]
) -> None:
    async with session("several") as first:
        async with session("several") as second:
            with pytest.raises(InvalidStatus) as caught:
                await session("several").__aenter__()
            for client in (first, second):
                await configure(client, "manual")
                assert " ".join(WORDS) == await client.turn(encode(LAID, rate=24_000))
        until(lambda: charged("several") < 40_000)
        async with session("several"):
            pass
    seconds = 2 * len(encode(LAID, rate=24_000)) / 48_000

    assert 429 == caught.value.response.status_code
    assert b"insufficient_quota" in (caught.value.response.body or b"")
    assert int(caught.value.response.headers["retry-after"]) > 0
    until(lambda: charged("several") == pytest.approx(seconds * 1000, abs=2))


async def test_sound_that_is_sent_again_after_a_reconnect_is_charged_once(
    server: RunningServer, session: Connect, charged: Callable[[str], int]
) -> None:
    server.fail(Rule("realtime", Live((Sever(2),))))
    async with session("severed") as client:
        await configure(client, "manual")
        assert " ".join(WORDS) == await client.turn(encode(LAID, rate=24_000))

    until(lambda: charged("severed") == pytest.approx(len(encode(LAID, rate=24_000)) / 48, abs=2))
