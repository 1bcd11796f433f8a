"""Real speech recognition on the CPU, offline: Moonshine's English tiny model, as its wheel carries it (0.0.73).

The model gives lines (what lies between two pauses) with their times, and no word times: that needs a second model
which the wheel does not carry. So words, and sentences where a line holds several, are spread over their line by
their letters; within a line they are right to about half a second.

Telling speakers apart costs about ten times the recognition, and speakers are only settled when all was heard.
"""

from __future__ import annotations

import array
import itertools
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

import msgspec

from compat.emulator.engine import Hypothesis, Sentence, Word
from compat.emulator.sound import BYTES_PER_MS, RATE

_PIECE: Final = 5_000 * BYTES_PER_MS  # heard at a time: each time the unfinished line is recognised anew
_PAUSE_MS: Final = 500
_STREAM_MS: Final = 60_000
_PARTIAL: Final = 750 * BYTES_PER_MS  # live speech between two beliefs
_WORD = re.compile(r"(.*?\w)?(\W*)", re.DOTALL)


class _Line(msgspec.Struct, frozen=True):
    text: str
    begin_ms: int
    end_ms: int
    settled: bool = True
    spans: tuple[tuple[int, int], ...] = ()  # (from when, who), where speakers are told apart


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
    """Thread-safe; the model (100 MB, 0.8 s) is loaded once, when first needed, and used by one call at a time."""

    blocking: Final = True

    def __init__(self) -> None:
        self._plain = _Model({})
        self._knowing = _Model({"identify_speakers": "true", "word_timestamps": "false"})

    def prepare(self) -> None:
        """Loads the model, and has it hear a second of silence: its first second takes longer than others."""
        self._plain.whole([bytes(1000 * BYTES_PER_MS)])

    def recognise(self, sound: Iterable[bytes], *, speakers: bool = False) -> Iterator[Sentence]:
        lines = self._knowing.whole(sound) if speakers else _lines(self._plain, sound)
        for line in lines:
            for part in _speaking(line):
                yield from _sentences(part)

    def listen(self) -> _Listener:
        return _Listener(self._plain)


class _Listener:
    """One turn: lines that are over are settled, the last one is still believed anew as more is heard. What is believed
    does not depend on how the sound was cut."""

    def __init__(self, model: _Model) -> None:
        self._stream = model.stream()
        self._unheard = bytearray()
        self._belief = Hypothesis("")

    def feed(self, pcm: bytes) -> Hypothesis | None:
        self._unheard += pcm
        before = self._belief
        while len(self._unheard) >= _PARTIAL:
            self._belief = _belief(self._stream.hear(bytes(self._unheard[:_PARTIAL])))
            del self._unheard[:_PARTIAL]
        return self._belief if self._belief != before else None

    def finish(self) -> Hypothesis:
        self._stream.hear(bytes(self._unheard))
        return Hypothesis(_joined(self._stream.end()))


class _Model:
    def __init__(self, options: dict[str, str]) -> None:
        self._options = options | {"return_audio_data": "false"}
        self._lock = threading.RLock()
        self._loaded: _Transcriber | None = None

    def whole(self, sound: Iterable[bytes]) -> list[_Line]:
        """All of it in one stream, for what is only known at the end."""
        stream = self.stream()
        for block in sound:
            stream.hear(block)
        return stream.end()

    def stream(self) -> _Stream:
        with self._lock:
            return _Stream(self._transcriber().create_stream(update_interval=sys.maxsize), self._lock)

    def _transcriber(self) -> _Transcriber:
        if self._loaded is None:
            self._loaded = _load(self._options)
        return self._loaded


class _Stream:
    def __init__(self, stream: _NativeStream, lock: threading.RLock) -> None:
        self._stream = stream
        self._lock = lock
        stream.start()

    def __del__(self) -> None:
        """A turn that was given up; re-entrant, as this may come in the middle of another's call."""
        with self._lock:
            self._stream.close()

    def hear(self, pcm: bytes) -> list[_Line]:
        with self._lock:
            self._stream.add_audio(_floats(pcm), RATE)
            return _read(self._stream.update_transcription())

    def end(self) -> list[_Line]:
        with self._lock:
            try:
                return _read(self._stream.stop())
            finally:
                self._stream.close()


def _load(options: dict[str, str]) -> _Transcriber:
    try:
        from moonshine_voice.moonshine_api import ModelArch
        from moonshine_voice.transcriber import Transcriber
        from moonshine_voice.utils import get_model_path
    except ImportError as exc:
        raise ImportError("the moonshine engine needs the local extra: pip install 'qwen-asr-compat[local]'") from exc
    transcriber: _Transcriber = Transcriber(str(get_model_path("tiny-en")), ModelArch.TINY, options=options)
    return transcriber


def _floats(pcm: bytes) -> list[float]:
    values = array.array("h", pcm)
    if sys.byteorder == "big":
        values.byteswap()
    return [value / 32768 for value in values]


def _read(transcript: _Transcript) -> list[_Line]:
    return [
        _Line(
            text=line.text.strip(),
            begin_ms=round(line.start_time * 1000),
            end_ms=round((line.start_time + line.duration) * 1000),
            settled=line.is_complete,
            spans=tuple((round(span.start_time * 1000), span.speaker_index) for span in line.speaker_spans or ()),
        )
        for line in transcript.lines
        if line.text.strip()
    ]


def _lines(model: _Model, sound: Iterable[bytes]) -> Iterator[_Line]:
    """Lines as soon as they are over. A stream remembers all it heard, so a fresh one takes over in a pause."""
    stream, begin_ms, now_ms, given = model.stream(), 0, 0, 0
    try:
        for piece in _pieces(sound):
            lines = stream.hear(piece)
            now_ms += len(piece) // BYTES_PER_MS
            over = list(itertools.takewhile(lambda line: line.settled, lines))
            yield from _shifted(over[given:], begin_ms)
            given = len(over)
            if now_ms - begin_ms > _STREAM_MS and _pausing(lines, now_ms - begin_ms):
                stream.end()
                stream, begin_ms, given = model.stream(), now_ms - _PAUSE_MS, 0
                stream.hear(piece[-_PAUSE_MS * BYTES_PER_MS :])
    finally:
        rest = stream.end()
    yield from _shifted(rest[given:], begin_ms)


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
    return not lines or (lines[-1].settled and now_ms - lines[-1].end_ms >= _PAUSE_MS)


def _shifted(lines: list[_Line], by_ms: int) -> list[_Line]:
    return [msgspec.structs.replace(line, begin_ms=line.begin_ms + by_ms, end_ms=line.end_ms + by_ms) for line in lines]


def _belief(lines: list[_Line]) -> Hypothesis:
    settled = [line for line in lines if line.settled]
    return Hypothesis(_joined(settled), _joined(lines[len(settled) :]))


def _joined(lines: Iterable[_Line]) -> str:
    return " ".join(line.text for line in lines)


def _speaking(line: _Line) -> list[tuple[tuple[Word, ...], int | None]]:
    """The words of a line, in one run a speaker: each goes to whoever spoke at its middle."""
    words = _words(line)
    if not line.spans:
        return [(words, None)]
    runs = itertools.groupby(words, key=lambda word: _speaker(line, (word.begin_ms + word.end_ms) // 2))
    return [(tuple(run), speaker) for speaker, run in runs]


def _speaker(line: _Line, at_ms: int) -> int:
    begun = [speaker for begin, speaker in line.spans if begin <= at_ms]
    return begun[-1] if begun else line.spans[0][1]


def _words(line: _Line) -> tuple[Word, ...]:
    tokens = line.text.split()
    ends = list(itertools.accumulate((len(token) + 1 for token in tokens), initial=0))
    times = [line.begin_ms + (line.end_ms - line.begin_ms) * end // ends[-1] for end in ends]
    return tuple(_word(token, *span) for token, span in zip(tokens, itertools.pairwise(times), strict=True))


def _word(token: str, begin_ms: int, end_ms: int) -> Word:
    found = _WORD.fullmatch(token)
    text, punctuation = found.groups() if found else (token, "")
    return Word(text or "", begin_ms, end_ms, punctuation)


def _sentences(part: tuple[tuple[Word, ...], int | None]) -> Iterator[Sentence]:
    words, speaker = part
    sentence: list[Word] = []
    for word in words:
        sentence.append(word)
        if word.punctuation.endswith((".", "?", "!")) or word is words[-1]:
            yield _sentence(sentence, speaker)
            sentence = []


def _sentence(words: list[Word], speaker: int | None) -> Sentence:
    return Sentence(
        text=" ".join(word.text + word.punctuation for word in words),
        begin_ms=words[0].begin_ms,
        end_ms=words[-1].end_ms,
        words=tuple(words),
        speaker=speaker,
    )
