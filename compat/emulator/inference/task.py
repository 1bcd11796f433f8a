"""One recognition task, without I/O: audio in, results out.

A sentence begins with speech. Each partial result has its whole text so far. A final result ends it after
`max_sentence_silence` or at the end of the task (Model Studio, Fun-ASR server events, 2026-08).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias, assert_never

import msgspec

from compat.emulator.engine import Engine, Listener, PatientListener
from compat.emulator.inference.decoding import AudioDecoder, decoder
from compat.emulator.inference.messages import SentenceResult, TaskEvent, TaskFailure, TaskId, finished, generated
from compat.emulator.inference.parameters import TaskSettings
from compat.emulator.inference.utterance import Utterance
from compat.emulator.live_settings import TaskLimits, TaskReadings
from compat.emulator.realtime.connection import Over
from compat.emulator.realtime.vad import SpeechAudio, SpeechBegan, SpeechEnded, Vad, VadChange
from compat.emulator.sound import BYTES_PER_MS
from compat.emulator.text import text_tokens
from compat.emulator.usage import counted

TaskEvents: TypeAlias = Iterator[TaskEvent]
CLOSED = 1000  # after task-failed and after a timeout; the service's own codes are unknown
REVISION = "(revised)"
_PIECE = 100 * BYTES_PER_MS  # bytes passed to the engine at a time


class RecognitionTask:
    """One task. `feed` and `finish` yield its events, and raise TaskFailure if it fails."""

    def __init__(
        self, task_id: TaskId, engine: Engine, settings: TaskSettings, limits: TaskLimits, readings: TaskReadings
    ) -> None:
        self.id = task_id
        self.settings = settings
        self.sentences = 0
        self._engine = engine
        self._limits = limits
        self._readings = readings
        parameters = settings.parameters
        self._decoder: AudioDecoder = decoder(parameters.format, parameters.sample_rate)
        self._vad = Vad(parameters.speech_noise_threshold, settings.silence_ms)
        self._speech: Utterance | None = None
        self._listener: Listener | None = None
        self._bytes = 0  # of 16 kHz PCM
        self._quiet_from = 0  # ms: the end of the last speech or the last heartbeat
        self._silent_from = 0  # ms: the end of the last speech
        self._output_tokens = 0
        self._last: list[TaskEvent] = []  # the last final result, held back for `late_final`

    @property
    def now_ms(self) -> int:
        """The end of the audio received so far."""
        return self._bytes // BYTES_PER_MS

    def feed(self, audio: bytes) -> TaskEvents:
        limit = self._limits.frame_bytes
        if limit is not None and len(audio) > limit:
            raise TaskFailure("InvalidParameter", f"An audio frame may have at most {limit} bytes.")
        yield from self._recognise(self._decoder.feed(audio))
        tokens = self._limits.task_tokens
        if self.settings.model.tokens and tokens is not None and self._used() > tokens:
            raise TaskFailure("InvalidParameter", f"Range of input length should be [1, {tokens}]")

    def _used(self) -> int:
        """Return the input tokens so far."""
        used: int = self._usage(self.now_ms, self.sentences, 0)["input_tokens"]
        return used

    def finish(self) -> TaskEvents:
        """Yield the last results and task-finished."""
        yield from self._recognise(self._decoder.flush())
        for change in self._vad.flush():
            yield from self._changed(change)
        self._check_audio()
        usage = self._usage(self.now_ms, self.sentences, self._output_tokens) if self.sentences else None
        yield finished(self.id, usage)
        yield from self._last

    def stop(self) -> None:
        """Cancel the work of another machine. May be called from any thread."""
        if isinstance(self._listener, PatientListener):
            self._listener.stop()

    def _check_audio(self) -> None:
        if not self._bytes:
            raise TaskFailure("NO_VALID_AUDIO_ERROR", "No valid audio was received.")
        if self.sentences:
            return
        match self._readings.silent_task:
            case "finished":
                return
            case "empty_audio":
                raise TaskFailure("EmptyAudio", "The audio is empty.")
            case "no_valid_audio":
                raise TaskFailure("NO_VALID_AUDIO_ERROR", "No valid audio was received.")
            case _:
                assert_never(self._readings.silent_task)

    def _recognise(self, pcm: bytes) -> TaskEvents:
        for at in range(0, len(pcm), _PIECE):
            piece = pcm[at : at + _PIECE]
            self._bytes += len(piece)
            for change in self._vad.feed(piece):
                yield from self._changed(change)
            yield from self._in_silence()

    def _in_silence(self) -> TaskEvents:
        """Yield heartbeats, or end the task after too much silence."""
        if self._speech is not None:
            return
        limits = self._limits
        if self.settings.parameters.heartbeat:
            while self.now_ms - self._quiet_from >= limits.heartbeat_seconds * 1000:
                self._quiet_from += round(limits.heartbeat_seconds * 1000)
                beat = SentenceResult(begin_time=self._quiet_from, end_time=None, text="", heartbeat=True)
                yield generated(self.id, beat)
        elif limits.silence_seconds is not None and self.now_ms - self._silent_from >= limits.silence_seconds * 1000:
            yield from self._silence_timeout()

    def _silence_timeout(self) -> TaskEvents:
        match self._readings.silence:
            case "failed":
                raise TaskFailure("RequestTimeOut", "Response timeout!")
            case "closed":
                raise Over(CLOSED)
            case "kept":
                yield from ()
            case _:
                assert_never(self._readings.silence)

    def _changed(self, change: VadChange) -> TaskEvents:
        match change:
            case SpeechBegan(at_ms):
                self._listener = self._engine.listen(self.settings.hints)
                self._speech = Utterance(self._listener, at_ms, self.settings)
            case SpeechAudio(pcm):
                if self._speech is not None:
                    yield from self._events(self._speech.feed(pcm))
            case SpeechEnded(at_ms):
                if self._speech is not None:
                    speech, self._speech = self._speech, None
                    self._quiet_from = self._silent_from = at_ms
                    yield from self._events(speech.end(at_ms))
            case _:
                assert_never(change)

    def _events(self, results: Iterator[SentenceResult]) -> TaskEvents:
        for result in results:
            numbered = msgspec.structs.replace(result, sentence_id=self.sentences + 1)
            if result.sentence_end:
                yield from self._final(numbered)
            elif self.settings.partial:
                yield generated(self.id, numbered)

    def _final(self, final: SentenceResult) -> TaskEvents:
        self.sentences += 1
        tokens = text_tokens(final.text)
        self._output_tokens += tokens
        length = (final.end_time or 0) - final.begin_time
        usage = (
            self._usage(self.now_ms, self.sentences, self._output_tokens)
            if self._readings.usage == "cumulative"
            else self._usage(length, 1, tokens)
        )
        yield from self._last
        self._last = [generated(self.id, result, usage) for result in self._finals(final)]
        if not self._readings.late_final:
            yield from self._last
            self._last = []

    def _finals(self, final: SentenceResult) -> Iterator[SentenceResult]:
        """Yield the final result in the form that the readings select."""
        match self._readings.final_sign:
            case "sentence_end":
                final = msgspec.structs.replace(final, end_time=None)
            case "end_time":
                final = msgspec.structs.replace(final, sentence_end=False)
            case "both":
                pass
            case _:
                assert_never(self._readings.final_sign)
        yield final
        if self._readings.finals == "twice":
            yield final
        if self._readings.finals == "revised":
            yield msgspec.structs.replace(final, text=f"{final.text} {REVISION}")

    def _usage(self, ms: int, sentences: int, output_tokens: int) -> dict[str, Any]:
        tokens = self.settings.model.tokens
        return counted(tokens=tokens, ms=ms, sentences=sentences, output_tokens=output_tokens)
