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
from compat.openai_api import context
from compat.openai_api.realtime.patch import Format, NoiseReduction, Patch, Transcription, TurnDetection
from compat.openai_api.realtime.unread import MOST

Encoding = Literal["pcm", "ulaw", "alaw", "opus"]
Eagerness = Literal["low", "medium", "high", "auto"]

SILENCES_MS: dict[str, int] = {"high": 500, "medium": 1000, "auto": 1000, "low": 4000}
"""How long a pause ends a turn, by the eagerness of semantic_vad."""
_SHORTEST_SILENCE_MS, _LONGEST_SILENCE_MS = 200, 6000
_LONGEST_PADDING_MS = 60_000
_SERVER_VAD = ("threshold", "prefix_padding_ms", "silence_duration_ms")
_PCM_RATES = (8000, 16000, 24000, 48000)
_LIVE = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""Models that transcribe while a turn is spoken; its caller commits, as they have no voice activity detection."""
_LOGPROBS = "item.input_audio_transcription.logprobs"
_NOISES = ("near_field", "far_field")
_DELAYS = ("minimal", "low", "medium", "high", "xhigh")
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


_LOCAL = frozenset({"en"})


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is the caller's name for it, `native` DashScope's. `turns` is UNSET while the caller has not chosen,
    `live_deltas` None. `unread`: fields with a value that nothing here reads. `engine` answers in DashScope's place,
    knows English alone and takes no context."""

    transcription: bool = True
    voice_model: str | None = None
    model: str | None = None
    native: str
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    delay: str | None = None
    noise_reduction: NoiseReduction | None = None
    include: tuple[str, ...] | None = None
    format: AudioFormat = AudioFormat()
    turns: Vad | UnsetType | None = UNSET
    live_deltas: bool | None = None
    unread: frozenset[str] = frozenset()
    engine: str = ""

    @property
    def live(self) -> bool:
        """Whether a turn that the caller commits is heard while it is spoken."""
        return self.model in _LIVE if self.live_deltas is None else self.live_deltas

    @property
    def ignored(self) -> frozenset[str]:
        """The fields that change nothing here."""
        known = {
            "transcription.language": self.language is not None and self.spoken is None,
            "transcription.languages": bool(self.languages) and self.spoken is None,
            "transcription.delay": self.delay is not None,
            "noise_reduction": self.noise_reduction is not None,
            "include": bool(self.include),
            "transcription.prompt": bool(self.engine and self.prompt),
            "transcription.keywords": bool(self.engine and self.keywords),
        }
        return self.unread | {name for name, given in known.items() if given}

    @property
    def vad(self) -> Vad | None:
        """Turn detection in force; None: the caller commits."""
        if self.turns is not UNSET:
            return self.turns
        return None if self.model in _LIVE else Vad()

    @property
    def context(self) -> str:
        """Prompt and keywords in one text, as the service takes them."""
        return "" if self.engine else context.joined(self.prompt, self.keywords)

    @property
    def spoken(self) -> str | None:
        """The service's code of the one language that the caller names, where the service knows it."""
        named = [self.language] if self.language else list(self.languages)
        code = languages.parse(named[0]) if len(named) == 1 else ""
        return code if code in (_LOCAL if self.engine else languages.QWEN) else None


def apply(session: Session, patch: Patch, resolve: Callable[[str], str]) -> Session:
    """The session after an update. Raises CompatError with the path of the field as the caller wrote it."""
    changes: dict[str, Any] = {}
    if patch.type is not None:
        if patch.type not in ("transcription", "realtime"):
            raise BadRequest("The session's type is 'transcription' or 'realtime'.", param="session.type")
        changes["transcription"] = patch.type == "transcription"
    if patch.model:
        changes["voice_model"] = patch.model
    if patch.include is not UNSET:
        changes["include"] = _include(patch.include)
    if patch.dashscope is not None and patch.dashscope.live_deltas is not UNSET:
        changes["live_deltas"] = patch.dashscope.live_deltas
    return msgspec.structs.replace(session, **changes, **_heard(session, patch, resolve))


def _heard(session: Session, patch: Patch, resolve: Callable[[str], str]) -> dict[str, Any]:
    """What changes of how the caller's sound is heard."""
    fields, paths = patch.fields()
    changes: dict[str, Any] = {}
    if fields.noise_reduction is not UNSET:
        changes["noise_reduction"] = _noise_reduction(fields.noise_reduction, paths["noise_reduction"])
    if fields.format is not UNSET or patch.sample_rate is not None:
        changes["format"] = _format(session.format, fields.format, patch.sample_rate, paths["format"])
    if fields.turn_detection is not UNSET:
        before = session.turns or (session.vad if session.turns is UNSET else None)
        changes["turns"] = _turns(before, fields.turn_detection, paths["turn_detection"])
    if fields.transcription is not UNSET:
        said, path = fields.transcription or Transcription(), paths["transcription"]
        changes |= _transcription(said, resolve, path)
        text = context.joined(changes.get("prompt", session.prompt), changes.get("keywords", session.keywords))
        context.check(text, f"{path}.prompt" if said.prompt else f"{path}.keywords")
    unread = patch.unread
    if "format" in changes:
        unread = unread | _idle(fields.format, patch.sample_rate, changes["format"])
    if fields.turn_detection is not UNSET:
        unread = unread | _unfit(fields.turn_detection, changes["turns"])
    if unread or fields.turn_detection is None:
        changes["unread"] = _unread(session.unread, unread, turns=fields.turn_detection is not None)
    return changes


def _include(said: list[str] | None) -> tuple[str, ...] | None:
    for index, name in enumerate(said or ()):
        if name != _LOGPROBS:
            raise BadRequest(f"include should be '{_LOGPROBS}'.", param=f"session.include[{index}]")
    return None if said is None else tuple(said)


def _noise_reduction(said: NoiseReduction | None, path: str) -> NoiseReduction | None:
    if said is not None and said.type is not None and said.type not in _NOISES:
        raise BadRequest(
            f"The type of noise_reduction should be {' or '.join(map(repr, _NOISES))}.", param=f"{path}.type"
        )
    return said


def _unread(before: frozenset[str], said: dict[str, bool], *, turns: bool) -> frozenset[str]:
    """What an update names replaces what was said of it before; without turn detection nothing is said of it."""
    kept = {name for name in before if name not in said and (turns or not name.startswith("turn_detection."))}
    return frozenset(sorted(kept | {name for name, given in said.items() if given})[:MOST])


def _format(before: AudioFormat, said: Format | str | UnsetType | None, rate: float | None, path: str) -> AudioFormat:
    """A rate that is absent stays where the encoding does."""
    if isinstance(said, Format):
        name, rate = said.type, said.rate or rate
    else:
        name = said if isinstance(said, str) else None
    at = f"{path}.type" if isinstance(said, Format) else path
    encoding = before.encoding if name is None and said is not None else _ENCODINGS.get(name or "pcm")
    if encoding is None:
        raise BadRequest(f"The audio format '{name}' is not supported: pcm16, g711_ulaw, g711_alaw, opus.", param=at)
    if encoding in ("ulaw", "alaw"):
        return AudioFormat(encoding, 8000)
    if encoding == "opus":
        return AudioFormat(encoding, 16000)
    if rate is not None and rate not in _PCM_RATES:
        raise BadRequest(
            f"PCM at {rate:g} Hz is not supported: 8000, 16000, 24000 or 48000.",
            param=f"{path}.rate" if isinstance(said, Format) else "session.sample_rate",
        )
    kept = before.rate if encoding == before.encoding and said is not None else 24000
    return AudioFormat(encoding, int(rate or kept))


def _idle(said: Format | str | UnsetType | None, rate: float | None, form: AudioFormat) -> dict[str, bool]:
    """The rates of a format: True where one is given and is not how the sound is read."""
    rates = {"format.rate": said.rate if isinstance(said, Format) else None, "sample_rate": rate}
    return {name: form.encoding != "pcm" and given not in (None, form.rate) for name, given in rates.items()}


def _turns(before: Vad | None, said: TurnDetection | None, path: str) -> Vad | None:
    """`before`: what is absent stays as it was, unless the type changes. Null is the default."""
    if said is None or said.type == "none":
        return None
    kind = said.type or ("semantic_vad" if before and before.eagerness else "server_vad")
    if before is None or (before.eagerness is not None) != (kind == "semantic_vad"):
        before = Vad()
    match kind:
        case "server_vad":
            return _server_vad(before, said, path)
        case "semantic_vad":
            eagerness = (before.eagerness if said.eagerness is UNSET else said.eagerness) or "auto"
            if eagerness not in SILENCES_MS:
                raise BadRequest(f"Eagerness is one of {', '.join(SILENCES_MS)}.", param=f"{path}.eagerness")
            return Vad(silence_duration_ms=SILENCES_MS[eagerness], eagerness=eagerness)  # type: ignore[arg-type]
        case _:
            raise BadRequest("Turn detection is 'server_vad', 'semantic_vad' or null.", param=f"{path}.type")


def _server_vad(before: Vad, said: TurnDetection, path: str) -> Vad:
    threshold = _or(said.threshold, before.threshold, 0.5)
    padding = _or(said.prefix_padding_ms, before.prefix_padding_ms, 300)
    silence = _or(said.silence_duration_ms, before.silence_duration_ms, 500)
    if not 0 <= threshold <= 1:
        raise BadRequest("The threshold is a number from 0 to 1.", param=f"{path}.threshold")
    if not (0 <= padding <= _LONGEST_PADDING_MS and padding.is_integer()):
        raise BadRequest(
            f"The prefix padding is a whole number of ms from 0 to {_LONGEST_PADDING_MS}.",
            param=f"{path}.prefix_padding_ms",
        )
    if not (silence >= 0 and silence.is_integer()):
        raise BadRequest("The silence is a whole number of ms, 0 or more.", param=f"{path}.silence_duration_ms")
    return Vad(
        threshold=threshold,
        prefix_padding_ms=int(padding),
        silence_duration_ms=int(min(max(silence, _SHORTEST_SILENCE_MS), _LONGEST_SILENCE_MS)),
    )


def _unfit(said: TurnDetection | None, vad: Vad | None) -> dict[str, bool]:
    """The fields of turn detection that belong to another type of it than the one in force: True where given."""
    if said is None:
        return {}
    fit = () if vad is None else _SERVER_VAD if vad.eagerness is None else ("eagerness",)
    found = {}
    for name in (*_SERVER_VAD, "eagerness"):
        if name in fit or getattr(said, name) is not UNSET:
            found[f"turn_detection.{name}"] = name not in fit and getattr(said, name) is not None
    return found


def _or(said: float | UnsetType | None, before: float, default: float) -> float:
    if said is UNSET:
        return float(before)
    return float(default if said is None else said)


def _transcription(said: Transcription, resolve: Callable[[str], str], path: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if said.model:
        changes |= {"model": said.model, "native": _named(resolve, said.model, f"{path}.model")}
    if said.prompt is not UNSET:
        changes["prompt"] = said.prompt
    if said.keywords is not UNSET:
        changes["keywords"] = tuple(said.keywords or ())
    if said.delay is not UNSET:
        if said.delay is not None and said.delay not in _DELAYS:
            raise BadRequest(f"delay should be one of {', '.join(_DELAYS)}.", param=f"{path}.delay")
        changes["delay"] = said.delay
    return changes | _languages(said, path)


def _languages(said: Transcription, path: str) -> dict[str, Any]:
    """`language` and `languages` replace each other."""
    changes: dict[str, Any] = {}
    if said.language is not UNSET:
        changes["language"] = said.language or None
        _named(languages.parse, said.language or "en", f"{path}.language")
        if said.language:
            changes["languages"] = ()
    if said.languages is not UNSET:
        changes["languages"] = tuple(said.languages or ())
        if said.languages and not said.language:
            changes["language"] = None
        for index, language in enumerate(said.languages or ()):
            _named(languages.parse, language, f"{path}.languages[{index}]")
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
