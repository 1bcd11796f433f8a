"""The configuration of a live session as the caller sees it: one frozen value, changed by whole updates or not at all.

Defaults are OpenAI's (OpenAPI document, 2026-08): pcm16 at 24 kHz, server_vad with threshold 0.5, 300 ms of prefix
padding and 500 ms of silence; `gpt-realtime-whisper` and `gpt-live-transcribe` have no server VAD and default to manual
turns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from compat import languages
from compat.errors import BadRequest, CompatError
from compat.nesting import too_deep
from compat.openai_api.realtime.patch import Format, Patch, Transcription, TurnDetection

Encoding = Literal["pcm", "ulaw", "alaw", "opus"]
Eagerness = Literal["low", "medium", "high", "auto"]

SILENCES_MS: dict[str, int] = {"high": 500, "medium": 1000, "auto": 1000, "low": 4000}
"""How long a pause ends a turn, by the eagerness of semantic_vad."""
_SHORTEST_SILENCE_MS, _LONGEST_SILENCE_MS = 200, 6000
_PCM_RATES = (8000, 16000, 24000, 48000)
_NO_VAD = ("gpt-realtime-whisper", "gpt-live-transcribe")
_ENCODINGS: dict[str, Encoding] = {
    "audio/pcm": "pcm",
    "pcm16": "pcm",
    "pcm": "pcm",
    "audio/pcmu": "ulaw",
    "g711_ulaw": "ulaw",
    "audio/pcma": "alaw",
    "g711_alaw": "alaw",
    "audio/opus": "opus",
    "opus": "opus",
}


class AudioFormat(msgspec.Struct, frozen=True):
    """`rate` in Hz; Opus says its own, so 16000 there is only the service's clock."""

    encoding: Encoding = "pcm"
    rate: int = 24000


class Vad(msgspec.Struct, frozen=True, kw_only=True):
    """Turn detection as applied. `threshold` in OpenAI's 0…1; `eagerness` where the caller asked for semantic_vad."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    eagerness: Eagerness | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is the caller's name for it, `native` DashScope's. `turns` is UNSET while the caller has not chosen."""

    transcription: bool = True
    voice_model: str | None = None
    model: str | None = None
    native: str
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    delay: str | None = None
    noise_reduction: Any = None
    include: tuple[str, ...] | None = None
    format: AudioFormat = AudioFormat()
    turns: Vad | UnsetType | None = UNSET

    @property
    def vad(self) -> Vad | None:
        """Turn detection in force; None: the caller commits."""
        if self.turns is not UNSET:
            return self.turns
        return None if self.model in _NO_VAD else Vad()

    @property
    def context(self) -> str:
        """Prompt and keywords in one text, as the service takes them."""
        return "\n".join(filter(None, [self.prompt, ", ".join(self.keywords)]))

    @property
    def spoken(self) -> str | None:
        """The service's code of the one language that the caller names, where the service knows it."""
        named = [self.language] if self.language else list(self.languages)
        code = languages.parse(named[0]) if len(named) == 1 else ""
        return code if code in languages.QWEN else None


def apply(session: Session, patch: Patch, resolve: Callable[[str], str]) -> Session:
    """The session after an update. Raises CompatError with the path of the field as the caller wrote it."""
    fields, paths = patch.fields()
    changes: dict[str, Any] = {}
    if patch.type is not None:
        if patch.type not in ("transcription", "realtime"):
            raise BadRequest("The session's type is 'transcription' or 'realtime'.", param="session.type")
        changes["transcription"] = patch.type == "transcription"
    if patch.model:
        changes["voice_model"] = patch.model
    if patch.include is not UNSET:
        changes["include"] = None if patch.include is None else tuple(patch.include)
    if fields.noise_reduction is not UNSET:
        if too_deep(fields.noise_reduction):
            raise BadRequest("The noise reduction is nested too deeply.", param=paths["noise_reduction"])
        changes["noise_reduction"] = fields.noise_reduction
    if fields.format is not UNSET or patch.sample_rate is not None:
        changes["format"] = _format(fields.format, patch.sample_rate, paths["format"])
    if fields.turn_detection is not UNSET:
        changes["turns"] = _turns(fields.turn_detection, paths["turn_detection"])
    if fields.transcription is not UNSET:
        changes |= _transcription(fields.transcription or Transcription(), resolve, paths["transcription"])
    return msgspec.structs.replace(session, **changes)


def _format(said: Format | str | UnsetType | None, rate: int | None, path: str) -> AudioFormat:
    if isinstance(said, Format):
        name, rate, path = said.type, said.rate or rate, f"{path}.type"
    else:
        name = said if isinstance(said, str) else "pcm16"
    encoding = _ENCODINGS.get(name)
    if encoding is None:
        raise BadRequest(f"The audio format '{name}' is not supported: pcm16, g711_ulaw, g711_alaw, opus.", param=path)
    if encoding in ("ulaw", "alaw"):
        return AudioFormat(encoding, 8000)
    if encoding == "opus":
        return AudioFormat(encoding, 16000)
    if rate is not None and rate not in _PCM_RATES:
        raise BadRequest(
            f"PCM at {rate} Hz is not supported: 8000, 16000, 24000 or 48000.",
            param=path.removesuffix(".type") + ".rate" if isinstance(said, Format) else "session.sample_rate",
        )
    return AudioFormat(encoding, rate or 24000)


def _turns(said: TurnDetection | None, path: str) -> Vad | None:
    if said is None or said.type == "none":
        return None
    match said.type:
        case None | "server_vad":
            return _server_vad(said, path)
        case "semantic_vad":
            eagerness = said.eagerness or "auto"
            if eagerness not in SILENCES_MS:
                raise BadRequest(f"Eagerness is one of {', '.join(SILENCES_MS)}.", param=f"{path}.eagerness")
            return Vad(silence_duration_ms=SILENCES_MS[eagerness], eagerness=eagerness)  # type: ignore[arg-type]
        case _:
            raise BadRequest("Turn detection is 'server_vad', 'semantic_vad' or null.", param=f"{path}.type")


def _server_vad(said: TurnDetection, path: str) -> Vad:
    threshold = 0.5 if said.threshold is None else said.threshold
    padding = 300 if said.prefix_padding_ms is None else said.prefix_padding_ms
    silence = 500 if said.silence_duration_ms is None else said.silence_duration_ms
    if not 0 <= threshold <= 1:
        raise BadRequest("The threshold is a number from 0 to 1.", param=f"{path}.threshold")
    if padding < 0:
        raise BadRequest("The prefix padding is 0 ms or more.", param=f"{path}.prefix_padding_ms")
    if silence < 0:
        raise BadRequest("The silence is 0 ms or more.", param=f"{path}.silence_duration_ms")
    return Vad(
        threshold=threshold,
        prefix_padding_ms=padding,
        silence_duration_ms=min(max(silence, _SHORTEST_SILENCE_MS), _LONGEST_SILENCE_MS),
    )


def _transcription(said: Transcription, resolve: Callable[[str], str], path: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if said.model:
        changes |= {"model": said.model, "native": _named(resolve, said.model, f"{path}.model")}
    if said.language is not UNSET:
        changes["language"] = said.language or None
        _named(languages.parse, said.language or "en", f"{path}.language")
    if said.languages is not UNSET:
        changes["languages"] = tuple(said.languages or ())
        for index, language in enumerate(said.languages or ()):
            _named(languages.parse, language, f"{path}.languages[{index}]")
    if said.prompt is not UNSET:
        changes["prompt"] = said.prompt
    if said.keywords is not UNSET:
        changes["keywords"] = tuple(said.keywords or ())
    if said.delay is not UNSET:
        changes["delay"] = said.delay
    return changes


T = TypeVar("T")


def _named(read: Callable[[str], T], text: str, path: str) -> T:
    """What a name stands for. The error of a name that stands for nothing points at the caller's field."""
    try:
        return read(text)
    except CompatError as error:
        raise type(error)(error.message, param=path, code=error.code) from error
    except ValueError as error:
        raise BadRequest(str(error), param=path) from error
