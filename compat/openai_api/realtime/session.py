"""Configuration of a realtime session, as an immutable value. An update is applied completely or not at all.

Defaults are OpenAI's (OpenAPI document, 2026-08): pcm16 at 24 kHz and server_vad with a threshold of 0.5, 300 ms of
prefix padding and 500 ms of silence. `gpt-realtime-whisper` and `gpt-live-transcribe` have no server VAD and default to
manual turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from compat import languages
from compat.catalogue import live
from compat.catalogue.nesting import too_deep
from compat.catalogue.vocabularies import HotWord, checked
from compat.errors import BadRequest, CompatError
from compat.openai_api import context
from compat.openai_api.realtime.patch import Extension, Format, NoiseReduction, Patch, Transcription, TurnDetection
from compat.openai_api.realtime.unread import MOST
from compat.transcript import context as joined_context

Encoding = Literal["pcm", "ulaw", "alaw", "opus"]
Eagerness = Literal["low", "medium", "high", "auto"]

SILENCES_MS: dict[str, int] = {"high": 500, "medium": 1000, "auto": 1000, "low": 4000}
"""The silence that ends a turn, in ms, for each eagerness of semantic_vad."""
_SHORTEST_SILENCE_MS, _LONGEST_SILENCE_MS = 200, 6000
_LONGEST_PADDING_MS = 60_000
_SERVER_VAD = ("threshold", "prefix_padding_ms", "silence_duration_ms")
_PCM_RATES = (8000, 16000, 24000, 48000)
_LIVE = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""Models that transcribe during a turn. They have no voice activity detection; the client commits turns."""
_HOT_WORDS = "qwen-audio-3.1-asr-flash-streaming"
"""A model of the only family that takes hot words with a session."""
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
    """`rate` is in Hz. Opus streams declare their own rate; for them it is 16000, the service's timebase."""

    encoding: Encoding = "pcm"
    rate: int = 24000


class Vad(msgspec.Struct, frozen=True, kw_only=True):
    """Turn detection in effect. `threshold` is in OpenAI's range, 0 to 1. `eagerness` is set for semantic_vad only."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    eagerness: Eagerness | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of a session.

    `model` is the client's name of the model, `native` DashScope's. `turns` is UNSET, and `live_deltas` None, until the
    client sets it. `options` are parameters of DashScope. `unread` holds the names of unknown fields with a value.
    `engine` names the engine that replaces DashScope, if any. `track` is the format of the audio of a call by WebRTC,
    which comes beside the events.
    """

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
    vocabulary: dict[str, int] = {}
    vocabulary_id: str = ""
    options: dict[str, Any] = {}
    unread: frozenset[str] = frozenset()
    engine: str = ""
    track: AudioFormat | None = None

    @property
    def sound(self) -> AudioFormat:
        """The format of the audio: that of a call's track, whatever the client requests."""
        return self.track or self.format

    @property
    def live(self) -> bool:
        """Whether a manually committed turn is transcribed before its commit."""
        return self.model in _LIVE if self.live_deltas is None else self.live_deltas

    @property
    def ignored(self) -> frozenset[str]:
        """The names of the fields without effect."""
        known = {
            "transcription.language": self.language is not None and self.language_code is None,
            "transcription.languages": bool(self.languages) and self.language_code is None,
            "transcription.delay": self.delay is not None,
            "noise_reduction": self.noise_reduction is not None,
            "include": bool(self.include),
            "transcription.prompt": bool(self.prompt and not self.guided),
            "transcription.keywords": bool(self.keywords and not self.guided),
        }
        return self.unread | {name for name, given in known.items() if given}

    @property
    def guided(self) -> bool:
        """Whether the engine takes context and hot words."""
        return self.engine not in languages.ENGINES

    @property
    def vad(self) -> Vad | None:
        """Turn detection in effect. None means that the client commits turns."""
        if self.turns is not UNSET:
            return self.turns
        return None if self.model in _LIVE else Vad()

    @property
    def language_code(self) -> str | None:
        """The service's code of the language, if the client names exactly one and the model takes it."""
        named = [self.language] if self.language else list(self.languages)
        code = languages.parse(named[0]) if len(named) == 1 else ""
        row = live.find(self.native)
        taken = row.languages if row is not None and row.hints else frozenset()
        return code if code in languages.sendable(self.engine, taken) else None


def apply(session: Session, patch: Patch, resolve: Callable[[str], str]) -> Session:
    """Return the session after an update.

    `resolve` maps the name of a model to DashScope's. Raises CompatError with the field's path, as the client wrote it,
    as `param`.
    """
    changes: dict[str, Any] = {}
    if patch.type is not None:
        if patch.type not in ("transcription", "realtime"):
            raise BadRequest(
                "session.type should be 'transcription' or 'realtime'. Live translation is at "
                "/v1/realtime/translations.",
                param="session.type",
            )
        changes["transcription"] = patch.type == "transcription"
    if patch.model:
        changes["voice_model"] = patch.model
        if changes.get("transcription", session.transcription):  # only sessions of the type realtime have a model here
            patch = msgspec.structs.replace(patch, unread={**patch.unread, "model": True})
    if patch.include is not UNSET:
        changes["include"] = _include(patch.include)
    if patch.dashscope is not None:
        changes |= _extension(session, patch.dashscope)
    changes |= _input(session, patch, resolve)
    return msgspec.structs.replace(session, **changes)


def _extension(session: Session, sent: Extension) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if sent.live_deltas is not UNSET:
        changes["live_deltas"] = sent.live_deltas
    if sent.vocabulary is not UNSET:
        changes["vocabulary"] = sent.vocabulary or {}
        _check_words(changes["vocabulary"])
    if sent.vocabulary_id is not UNSET:
        changes["vocabulary_id"] = sent.vocabulary_id or ""
    given = session.options | sent.options
    if too_deep(given):
        raise BadRequest("special_word_filter is nested too deeply.", param="session.dashscope.special_word_filter")
    if not -1 <= (given.get("speech_noise_threshold") or 0) <= 1:
        raise BadRequest(
            "speech_noise_threshold should be a number from -1 to 1.", param="session.dashscope.speech_noise_threshold"
        )
    return changes | {"options": {name: value for name, value in given.items() if value is not None}}


def _check_words(words: dict[str, int]) -> None:
    """Raise BadRequest for hot words that no model takes; a model without hot words ignores them all."""
    try:
        if words:
            checked([HotWord(text, weight) for text, weight in words.items()], _HOT_WORDS)
    except BadRequest as error:
        raise BadRequest(error.message, param="session.dashscope.vocabulary") from error


def _input(session: Session, patch: Patch, resolve: Callable[[str], str]) -> dict[str, Any]:
    """Return the changes to the input settings."""
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
        sent, path = fields.transcription or Transcription(), paths["transcription"]
        changes |= _transcription(sent, resolve, path)
        text = joined_context(changes.get("prompt", session.prompt), changes.get("keywords", session.keywords))
        context.check(text, f"{path}.prompt" if sent.prompt else f"{path}.keywords")
    unread = patch.unread
    if "format" in changes:
        unread = unread | _idle(fields.format, patch.sample_rate, changes["format"])
    if fields.turn_detection is not UNSET:
        unread = unread | _unfit(fields.turn_detection, changes["turns"])
    if unread or fields.turn_detection is None:
        changes["unread"] = _unread(session.unread, unread, turns=fields.turn_detection is not None)
    return changes


def _include(sent: list[str] | None) -> tuple[str, ...] | None:
    for index, name in enumerate(sent or ()):
        if name != _LOGPROBS:
            raise BadRequest(f"include should be '{_LOGPROBS}'.", param=f"session.include[{index}]")
    return None if sent is None else tuple(sent)


def _noise_reduction(sent: NoiseReduction | None, path: str) -> NoiseReduction | None:
    if sent is not None and sent.type is not None and sent.type not in _NOISES:
        raise BadRequest(f"noise_reduction.type should be {' or '.join(map(repr, _NOISES))}.", param=f"{path}.type")
    return sent


def _unread(before: frozenset[str], sent: dict[str, bool], *, turns: bool) -> frozenset[str]:
    """Return the unknown fields after an update. Without turn detection, its unknown fields are dropped."""
    kept = {name for name in before if name not in sent and (turns or not name.startswith("turn_detection."))}
    return frozenset(sorted(kept | {name for name, given in sent.items() if given})[:MOST])


def _format(before: AudioFormat, sent: Format | str | UnsetType | None, rate: float | None, path: str) -> AudioFormat:
    """Return the format after an update. An absent rate stays unchanged if the encoding does."""
    if isinstance(sent, Format):
        name, rate = sent.type, sent.rate or rate
    else:
        name = sent if isinstance(sent, str) else None
    at = f"{path}.type" if isinstance(sent, Format) else path
    encoding = before.encoding if name is None and sent is not None else _ENCODINGS.get(name or "pcm")
    if encoding is None:
        known = [text for text in _ENCODINGS if text.startswith("audio/") is isinstance(sent, Format)]
        raise BadRequest(f"The audio format '{name}' is not supported. Use {_either(known)}.", param=at)
    if encoding in ("ulaw", "alaw"):
        return AudioFormat(encoding, 8000)
    if encoding == "opus":
        return AudioFormat(encoding, 16000)
    if rate is not None and rate not in _PCM_RATES:
        raise BadRequest(
            f"PCM at {rate:g} Hz is not supported. Use {_either(_PCM_RATES)} Hz.",
            param=f"{path}.rate" if isinstance(sent, Format) else "session.sample_rate",
        )
    kept = before.rate if encoding == before.encoding and sent is not None else 24000
    return AudioFormat(encoding, int(rate or kept))


def _either(values: Sequence[object]) -> str:
    """Return the values as "a, b or c"."""
    return f"{', '.join(map(str, values[:-1]))} or {values[-1]}"


def _idle(sent: Format | str | UnsetType | None, rate: float | None, form: AudioFormat) -> dict[str, bool]:
    """Map the names of a format's rates to whether a rate is set but has no effect."""
    rates = {"format.rate": sent.rate if isinstance(sent, Format) else None, "sample_rate": rate}
    return {name: form.encoding != "pcm" and given not in (None, form.rate) for name, given in rates.items()}


def _turns(before: Vad | None, sent: TurnDetection | None, path: str) -> Vad | None:
    """Return turn detection after an update.

    An absent field stays as in `before`, unless the type changes. A null field gets its default.
    """
    if sent is None or sent.type == "none":
        return None
    kind = sent.type or ("semantic_vad" if before and before.eagerness else "server_vad")
    if before is None or (before.eagerness is not None) != (kind == "semantic_vad"):
        before = Vad()
    match kind:
        case "server_vad":
            return _server_vad(before, sent, path)
        case "semantic_vad":
            eagerness = (before.eagerness if sent.eagerness is UNSET else sent.eagerness) or "auto"
            if eagerness not in SILENCES_MS:
                raise BadRequest(f"eagerness should be one of {', '.join(SILENCES_MS)}.", param=f"{path}.eagerness")
            return Vad(silence_duration_ms=SILENCES_MS[eagerness], eagerness=eagerness)  # type: ignore[arg-type]
        case _:
            raise BadRequest("turn_detection should be 'server_vad', 'semantic_vad' or null.", param=f"{path}.type")


def _server_vad(before: Vad, sent: TurnDetection, path: str) -> Vad:
    threshold = _first_set(sent.threshold, before.threshold, 0.5)
    padding = _first_set(sent.prefix_padding_ms, before.prefix_padding_ms, 300)
    silence = _first_set(sent.silence_duration_ms, before.silence_duration_ms, 500)
    if not 0 <= threshold <= 1:
        raise BadRequest("threshold should be a number from 0 to 1.", param=f"{path}.threshold")
    if not (0 <= padding <= _LONGEST_PADDING_MS and padding.is_integer()):
        raise BadRequest(
            f"prefix_padding_ms should be a whole number from 0 to {_LONGEST_PADDING_MS}.",
            param=f"{path}.prefix_padding_ms",
        )
    if not (silence >= 0 and silence.is_integer()):
        raise BadRequest("silence_duration_ms should be a whole number from 0.", param=f"{path}.silence_duration_ms")
    return Vad(
        threshold=threshold,
        prefix_padding_ms=int(padding),
        silence_duration_ms=int(min(max(silence, _SHORTEST_SILENCE_MS), _LONGEST_SILENCE_MS)),
    )


def _unfit(sent: TurnDetection | None, vad: Vad | None) -> dict[str, bool]:
    """Map the fields that do not belong to the type of turn detection in effect to whether they have a value."""
    if sent is None:
        return {}
    fit = () if vad is None else _SERVER_VAD if vad.eagerness is None else ("eagerness",)
    unfit = {}
    for name in (*_SERVER_VAD, "eagerness"):
        if name in fit or getattr(sent, name) is not UNSET:
            unfit[f"turn_detection.{name}"] = name not in fit and getattr(sent, name) is not None
    return unfit


def _first_set(sent: float | UnsetType | None, before: float, default: float) -> float:
    if sent is UNSET:
        return float(before)
    return float(default if sent is None else sent)


def _transcription(sent: Transcription, resolve: Callable[[str], str], path: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if sent.model:
        changes |= {"model": sent.model, "native": _named(resolve, sent.model, f"{path}.model")}
    if sent.prompt is not UNSET:
        changes["prompt"] = sent.prompt
    if sent.keywords is not UNSET:
        changes["keywords"] = tuple(sent.keywords or ())
    if sent.delay is not UNSET:
        if sent.delay is not None and sent.delay not in _DELAYS:
            raise BadRequest(f"delay should be one of {', '.join(_DELAYS)}.", param=f"{path}.delay")
        changes["delay"] = sent.delay
    return changes | _languages(sent, path)


def _languages(sent: Transcription, path: str) -> dict[str, Any]:
    """Return the changes to `language` and `languages`, which replace each other. In one update they must agree."""
    changes: dict[str, Any] = {}
    one = _determined(sent.language or None)
    code = _named(languages.parse, one or "en", f"{path}.language")
    if sent.language is not UNSET:
        changes["language"] = one
        if one:
            changes["languages"] = ()
    if sent.languages is not UNSET:
        named = {
            text: f"{path}.languages[{index}]" for index, text in enumerate(sent.languages or ()) if _determined(text)
        }
        codes = [_named(languages.parse, text, where) for text, where in named.items()]
        changes["languages"] = tuple(named)
        if codes and not one:
            changes["language"] = None
        if codes and one and code not in codes:
            raise BadRequest(f"language {one!r} is not among the languages given.", param=f"{path}.languages")
    return changes


def _determined(language: str | None) -> str | None:
    """Return None for the values that clients send to have the language detected."""
    return None if language is None or language.lower() in languages.UNDETERMINED else language


T = TypeVar("T")


def _named(read: Callable[[str], T], text: str, path: str) -> T:
    """Return `read(text)`. Its errors are raised again with the client's field as `param`."""
    try:
        return read(text)
    except CompatError as error:
        raise type(error)(error.message, param=path, code=error.code) from error
    except ValueError as error:
        raise BadRequest(str(error), param=path) from error
