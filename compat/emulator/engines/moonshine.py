"""Engine `moonshine`: offline English speech recognition on the CPU by the tiny model in Moonshine's wheel (0.0.73).

The model returns lines (speech between two pauses) with times, but no word times: those need a second model, which is
not in the wheel. Words, and sentences within a line, are spread over the line by their letters; their times are
accurate to about half a second.

compat.emulator.engines.voices distinguishes speakers at the end of the audio: Moonshine's own method takes fifteen
times as long as the recognition.
"""

from __future__ import annotations

import array
import importlib.util
import itertools
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from compat.emulator.engine import NO_HINTS, Hints, Hypothesis, Sentence, Unusable, Word
from compat.emulator.sound import BYTES_PER_MS, RATE

_PIECE: Final = 5_000 * BYTES_PER_MS  # passed at a time: each call recognises the unfinished line again
_PAUSE_MS: Final = 500
_STREAM_MS: Final = 60_000
_PARTIAL: Final = 750 * BYTES_PER_MS  # live speech between two partial results
_MARKS: Final = ",.;:!?"
_FILES: Final = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
_TWICE: Final = re.compile(r"(?<![.,;:])([.,;:])(?:\s*\1)(?!\s*\1)")  # but not "..."
_COMMA: Final = re.compile(r"[,;:]\s*(?=[.?!])")
_WORD = re.compile(r"(.*?\w)?(\W*)", re.DOTALL)


class _Line(msgspec.Struct, frozen=True):
    text: str
    begin_ms: int
    end_ms: int
    final: bool = True
    speaker: int | None = None


class _NativeStream(Protocol):
    def start(self) -> None: ...
    def add_audio(self, audio_data: list[float], sample_rate: int) -> None: ...
    def update_transcription(self) -> _Transcript: ...
    def stop(self) -> _Transcript: ...
    def close(self) -> None: ...


class _Transcriber(Protocol):
    def create_stream(self, update_interval: float) -> _NativeStream: ...


class _Transcript(Protocol):
    lines: list[Any]


class Moonshine:
    """Thread-safe; the model (100 MB, 0.8 s) is loaded at its first use and used by one call at a time."""

    blocking: Final = True

    def __init__(self) -> None:
        self._model = _Model()

    @property
    def loaded(self) -> bool:
        return self._model.loaded is not None

    def prepare(self) -> None:
        """Load the model and recognise a second of silence, because the first call takes longer."""
        stream = self._model.stream()
        stream.add(bytes(1000 * BYTES_PER_MS))
        stream.end()

    def recognise(
        self,
        sound: Iterable[bytes],
        *,
        speakers: bool = False,
        hints: Hints = NO_HINTS,  # noqa: ARG002 - not used here
    ) -> Iterator[Sentence]:
        for line in _lines_by_speaker(self._model, sound) if speakers else _lines(self._model, sound):
            yield from _sentences(line)

    def listen(self, hints: Hints = NO_HINTS) -> MoonshineListener:  # noqa: ARG002 - not used here
        return MoonshineListener(self._model)


class MoonshineListener:
    """One turn: complete lines are final, the last one may still change. Results do not depend on how the audio is
    split."""

    def __init__(self, model: _Model) -> None:
        self._stream = model.stream()
        self._pending = bytearray()
        self._lines: list[_Line] = []

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:
        self._pending += pcm
        before, size = _partial_result(self._lines), _PARTIAL if partial else _PIECE
        while len(self._pending) >= size:
            self._lines = self._stream.add(bytes(self._pending[:size]))
            del self._pending[:size]
        after = _partial_result(self._lines)
        return after if after != before else None

    def finish(self) -> Hypothesis:
        self._stream.add(bytes(self._pending))
        self._lines = self._stream.end()
        return Hypothesis(_joined(self._lines))

    def words(self) -> tuple[Word, ...]:
        return tuple(word for line in self._lines for word in _words(line))


class _Model:
    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.loaded: _Transcriber | None = None

    def stream(self) -> _Stream:
        with self._lock:
            return _Stream(self._transcriber().create_stream(update_interval=sys.maxsize), self._lock)

    def _transcriber(self) -> _Transcriber:
        if self.loaded is None:
            self.loaded = _load()
        return self.loaded


class _Stream:
    def __init__(self, stream: _NativeStream, lock: threading.RLock) -> None:
        self._stream = stream
        self._lock = lock
        stream.start()

    def __del__(self) -> None:
        """Close an abandoned stream. The lock is re-entrant, because this may run during another stream's call."""
        with self._lock:
            self._stream.close()

    def add(self, pcm: bytes) -> list[_Line]:
        with self._lock:
            self._stream.add_audio(_floats(pcm), RATE)
            return _read(self._stream.update_transcription())

    def end(self) -> list[_Line]:
        with self._lock:
            try:
                return _read(self._stream.stop())
            finally:
                self._stream.close()


def model() -> Path:
    """Return the folder of the model. Raises Unusable when it is missing or incomplete."""
    found = importlib.util.find_spec("moonshine_voice")
    if found is None or found.origin is None:
        raise Unusable("The moonshine engine needs the local extra: pip install 'qwen-asr-compat[local]'.")
    folder = Path(found.origin).parent / "assets" / "tiny-en"
    if not all((folder / name).is_file() for name in _FILES):
        raise Unusable(
            "The installed moonshine-voice package lacks its model (assets/tiny-en): "
            "pip install --force-reinstall 'qwen-asr-compat[local]'."
        )
    return folder


def _load() -> _Transcriber:
    folder = model()
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber

    options = {"return_audio_data": "false"}
    transcriber: _Transcriber = Transcriber(str(folder), ModelArch.TINY, options=options)
    return transcriber


def _floats(pcm: bytes) -> list[float]:
    values = array.array("h", pcm)
    if sys.byteorder == "big":
        values.byteswap()
    return [value / 32768 for value in values]


def tidy(text: str) -> str:
    """Remove doubled marks and commas before a full stop, which appear where the model joins pieces of a line, and
    marks at the beginning of a line that continues after a pause."""
    text = _TWICE.sub(r"\1", _COMMA.sub("", text))
    return text.strip().lstrip(_MARKS).lstrip()


def _read(transcript: _Transcript) -> list[_Line]:
    return [
        _Line(
            text=tidy(line.text),
            begin_ms=round(line.start_time * 1000),
            end_ms=round((line.start_time + line.duration) * 1000),
            final=line.is_complete,
        )
        for line in transcript.lines
        if tidy(line.text)
    ]


def _lines(model: _Model, sound: Iterable[bytes]) -> Iterator[_Line]:
    """Yield lines as soon as they are complete. A stream keeps all its audio, so a new one begins in a pause."""
    stream, begin_ms, now_ms, given = model.stream(), 0, 0, 0
    try:
        for piece in _pieces(sound):
            lines = stream.add(piece)
            now_ms += len(piece) // BYTES_PER_MS
            over = list(itertools.takewhile(lambda line: line.final, lines))
            yield from _shifted(over[given:], begin_ms)
            given = len(over)
            if now_ms - begin_ms > _STREAM_MS and _pausing(lines, now_ms - begin_ms):
                stream.end()
                stream, begin_ms, given = model.stream(), now_ms - _PAUSE_MS, 0
                stream.add(piece[-_PAUSE_MS * BYTES_PER_MS :])
    finally:
        rest = stream.end()
    yield from _shifted(rest[given:], begin_ms)


def _lines_by_speaker(model: _Model, sound: Iterable[bytes]) -> Iterator[_Line]:
    from compat.emulator.engines.voices import Voices  # numpy is in the local extra

    voices, lines = Voices(), []
    for line in _lines(model, voices.listen_to(sound)):
        voices.line(line.begin_ms, line.end_ms)
        lines.append(line)
    for line, speaker in zip(lines, voices.speakers(), strict=True):
        yield msgspec.structs.replace(line, speaker=speaker)


def _pieces(sound: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for block in sound:
        held += block
        if len(held) >= _PIECE:
            yield held
            held = b""
    if held:
        yield held


def _pausing(lines: list[_Line], now_ms: int) -> bool:
    return not lines or (lines[-1].final and now_ms - lines[-1].end_ms >= _PAUSE_MS)


def _shifted(lines: list[_Line], by_ms: int) -> list[_Line]:
    return [msgspec.structs.replace(line, begin_ms=line.begin_ms + by_ms, end_ms=line.end_ms + by_ms) for line in lines]


def _partial_result(lines: list[_Line]) -> Hypothesis:
    final = [line for line in lines if line.final]
    return Hypothesis(_joined(final), _joined(lines[len(final) :]))


def _joined(lines: Iterable[_Line]) -> str:
    return " ".join(line.text for line in lines)


def _words(line: _Line) -> tuple[Word, ...]:
    tokens = line.text.split()
    ends = list(itertools.accumulate((len(token) + 1 for token in tokens), initial=0))
    times = [line.begin_ms + (line.end_ms - line.begin_ms) * end // ends[-1] for end in ends]
    return tuple(_word(token, *span) for token, span in zip(tokens, itertools.pairwise(times), strict=True))


def _word(token: str, begin_ms: int, end_ms: int) -> Word:
    found = _WORD.fullmatch(token)
    text, punctuation = found.groups() if found else (token, "")
    return Word(text or "", begin_ms, end_ms, punctuation)


def _sentences(line: _Line) -> Iterator[Sentence]:
    words = _words(line)
    sentence: list[Word] = []
    for word in words:
        sentence.append(word)
        if word.punctuation.endswith((".", "?", "!")) or word is words[-1]:
            yield Sentence.of(sentence, line.speaker)
            sentence = []
