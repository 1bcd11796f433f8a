"""Long live speech coded in tones: encoding in every input format, and a client that collects the turns."""

from __future__ import annotations

import array
import asyncio
import base64
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from av import CodecContext
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from websockets.asyncio.client import ClientConnection, connect

from compat.emulator.engine import Word
from compat.emulator.engines.tones import VOCABULARY, encode, lay
from tests.whole.cutting import Breaks, Wire

FORMATS = ("pcm-8000", "pcm-16000", "pcm-24000", "pcm-48000", "ulaw", "alaw", "opus")
PAUSE_MS = 1200
SILENCE_MS = 500
LOOKAHEAD = 312  # samples at 48 kHz of libopus's delay (its `initial_padding`), which players drop
COMMIT = '{"type":"input_audio_buffer.commit"}'


class Turn(msgspec.Struct, frozen=True):
    """A turn. `begin_ms` is the start of its first word; at `end_ms`, the silence after its last word ends the turn."""

    text: str
    begin_ms: int
    end_ms: int


class Recording(msgspec.Struct, frozen=True):
    words: tuple[Word, ...]
    turns: tuple[Turn, ...]
    length_ms: int


def make_recording(seconds: float, pause_ms: int = PAUSE_MS) -> Recording:
    """Return about `seconds` of turns of three to nine words, with pauses between them."""
    words: list[Word] = []
    turns: list[Turn] = []
    vocabulary, sizes, at = itertools.cycle(VOCABULARY), itertools.cycle((5, 9, 3, 7, 4)), 600
    while at < seconds * 1000:
        turn = lay(itertools.islice(vocabulary, next(sizes)), begin_ms=at)
        words += turn
        turns.append(Turn(" ".join(word.text for word in turn), at, turn[-1].end_ms + SILENCE_MS))
        at = turn[-1].end_ms + pause_ms
    return Recording(tuple(words), tuple(turns), at)


def frames(recording: Recording, form: str) -> Iterator[tuple[int, bytes]]:
    """Yield frames of 100 ms (packets of 20 ms for Opus), each with its start in milliseconds."""
    if form == "opus":
        yield from _packets(encode(recording.words, rate=48_000, length_ms=recording.length_ms))
        return
    rate = 8000 if form in ("ulaw", "alaw") else int(form.removeprefix("pcm-"))
    sound = encode(recording.words, rate=rate, length_ms=recording.length_ms)
    if form in ("ulaw", "alaw"):
        sound = _coded(sound, "pcm_mulaw" if form == "ulaw" else "pcm_alaw")
    step = rate // 10 * (1 if form in ("ulaw", "alaw") else 2)
    for number, at in enumerate(range(0, len(sound), step)):
        yield number * 100, sound[at : at + step]


def _coded(pcm: bytes, codec: str) -> bytes:
    encoder = _encoder(codec, 8000)
    return b"".join(bytes(packet) for packet in encoder.encode(_frame(pcm, 8000)))


def _packets(pcm: bytes) -> Iterator[tuple[int, bytes]]:
    encoder, size = _encoder("libopus", 48_000), 960 * 2
    packets = (
        bytes(packet)
        for at in range(2 * LOOKAHEAD, len(pcm) // size * size, size)
        for packet in encoder.encode(_frame(pcm[at : at + size], 48_000))
    )
    for number, packet in enumerate(packets):
        yield number * 20, packet


def _encoder(codec: str, rate: int) -> AudioCodecContext:
    encoder = CodecContext.create(codec, "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate = rate
    encoder.format = "s16"
    encoder.layout = "mono"
    return encoder


def _frame(pcm: bytes, rate: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.planes[0].update(array.array("h", pcm).tobytes())
    frame.sample_rate = rate
    return frame


def session(form: str, mode: str, silence_ms: int = SILENCE_MS, model: str | None = None) -> dict[str, Any]:
    kind, _, rate = form.partition("-")
    name = {"pcm": "audio/pcm", "ulaw": "audio/pcmu", "alaw": "audio/pcma", "opus": "audio/opus"}[kind]
    vad = {"type": "server_vad", "prefix_padding_ms": 0, "silence_duration_ms": silence_ms}
    audio = {
        "format": {"type": name, **({"rate": int(rate)} if rate else {})},
        "turn_detection": vad if mode == "vad" else None,
        **({"transcription": {"model": model}} if model else {}),
    }
    return {"type": "transcription", "audio": {"input": audio}}


async def stream(
    base_url: str, recording: Recording, form: str, mode: str, breaks: Breaks, model: str | None = None
) -> list[Turn]:
    """Stream a recording; return the turns in the order of their transcripts. Mode `commits` commits in each pause."""
    commits = [turn.end_ms for turn in recording.turns] if mode == "commits" else []
    collector = TurnCollector(len(recording.turns))
    configuration = session(form, mode, model=model)
    return await stream_frames(base_url, configuration, frames(recording, form), commits, collector, breaks)


async def stream_frames(
    base_url: str,
    session: dict[str, Any],
    frames: Iterable[tuple[int, bytes]],
    commits: list[int],
    collector: TurnCollector,
    breaks: Breaks,
) -> list[Turn]:
    """Stream the frames, with commits at these times in milliseconds; return the turns."""
    address = base_url.replace("http", "ws", 1) + "/realtime?intent=transcription"
    async with connect(address, compression=None, proxy=None, ping_interval=None) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": session}))
        async with asyncio.TaskGroup() as group:
            group.create_task(collector.listen(socket, breaks.wire))
            for now, frame in frames:
                while commits and now >= commits[0]:
                    commits.pop(0)
                    await socket.send(COMMIT)
                await breaks.reach(now)
                audio = base64.b64encode(frame).decode()
                await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            for _ in commits:
                await socket.send(COMMIT)
        return collector.turns


class TurnCollector:
    """Collects turns until `expected` have arrived or, without a number, until one ends after `until_ms`."""

    def __init__(self, expected: int | None = None, until_ms: float = float("inf")) -> None:
        self.turns: list[Turn] = []
        self._expected = expected
        self._until_ms = until_ms
        self._begins: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._deltas: dict[str, str] = {}

    async def listen(self, socket: ClientConnection, wire: Wire) -> None:
        while len(self.turns) != self._expected and not (self.turns and self.turns[-1].end_ms > self._until_ms):
            before = len(self.turns)
            self._take(json.loads(await socket.recv()))
            if len(self.turns) > before:
                wire.heard()

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"].rpartition(".")[2]:
            case "error" | "failed":
                raise AssertionError(event)
            case "speech_started":
                self._begins[event["item_id"]] = event["audio_start_ms"]
            case "speech_stopped":
                self._ends[event["item_id"]] = event["audio_end_ms"]
            case "delta":
                self._deltas[event["item_id"]] = self._deltas.get(event["item_id"], "") + event["delta"]
            case "completed":
                item, text = event["item_id"], event["transcript"]
                assert text == self._deltas.get(item, "")
                self.turns.append(Turn(text, self._begins.get(item, -1), self._ends.get(item, -1)))
            case _:
                pass
