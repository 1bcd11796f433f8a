"""Configuration of a LiveTranslate session: flat members (3 and 3.5) or nested ones (3.8)."""

from __future__ import annotations

from typing import Any, Final, Literal, Self, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from compat.emulator.livetranslate import languages
from compat.emulator.realtime.configuration import check_detection
from compat.emulator.realtime.messages import Refused, decode_patch

T = TypeVar("T")
RATE: Final = 16_000
OUTPUT_RATE: Final = 24_000
INPUTS: Final = ("pcm", "pcm16")
OUTPUTS: Final = ("pcm", "pcm16", "pcm24")
PHRASES: Final = 1000
_MODALITIES: Final = (("text",), ("audio", "text"))


class Glossary(msgspec.Struct, frozen=True, omit_defaults=True):
    phrases: dict[str, str] = {}


class Translation(msgspec.Struct, frozen=True, omit_defaults=False):
    language: str | None = "en"
    corpus: Glossary | UnsetType | None = UNSET
    same_language_skip_options: dict[str, Any] | UnsetType | None = UNSET


class SourceTranscription(msgspec.Struct, frozen=True):
    model: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET


class SilenceDetection(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["server_vad"] = "server_vad"
    threshold: float = 0.2
    silence_duration_ms: int = 800


class SpeakerDetection(msgspec.Struct, frozen=True, kw_only=True):
    """Speakers are not told apart here."""

    type: Literal["speaker_detection", "server_vad"] = "speaker_detection"
    threshold: float = 0.5
    silence_duration_ms: int = 800


class FormatPatch(msgspec.Struct, frozen=True):
    type: str | UnsetType = UNSET
    sample_rate: int | UnsetType = UNSET


class InputPatch(msgspec.Struct, frozen=True):
    format: FormatPatch = FormatPatch()
    turn_detection: SpeakerDetection | UnsetType | None = UNSET


class OutputPatch(msgspec.Struct, frozen=True):
    format: FormatPatch = FormatPatch()
    voice: str | UnsetType | None = UNSET


class AudioPatch(msgspec.Struct, frozen=True):
    input: InputPatch = InputPatch()
    output: OutputPatch = OutputPatch()


class _Patch(msgspec.Struct, frozen=True, kw_only=True):
    """Missing members stay unchanged; unknown members are ignored."""

    audio: AudioPatch = AudioPatch()
    translation: Translation | UnsetType | None = UNSET
    input_audio_transcription: SourceTranscription | UnsetType | None = UNSET
    same_language_skip_options: dict[str, Any] | UnsetType | None = UNSET
    enable_voice_clone: bool | UnsetType | None = UNSET
    voice_clone_options: dict[str, Any] | UnsetType | None = UNSET


class FlatPatch(_Patch, frozen=True, kw_only=True):
    modalities: list[str] | UnsetType = UNSET
    voice: str | UnsetType | None = UNSET
    input_audio_format: str | UnsetType = UNSET
    output_audio_format: str | UnsetType = UNSET
    sample_rate: int | UnsetType = UNSET
    turn_detection: SilenceDetection | UnsetType | None = UNSET


class NestedPatch(_Patch, frozen=True, kw_only=True):
    output_modalities: list[str] | UnsetType = UNSET


class _Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """`turn_detection` None: manual commits."""

    model: str
    modalities: tuple[str, ...] = ("text", "audio")
    voice: str | None = None
    input_type: str = "pcm16"
    output_type: str = "pcm24"
    sample_rate: int = RATE
    output_rate: int = OUTPUT_RATE
    translation: Translation = Translation()
    input_audio_transcription: SourceTranscription | None = None
    turn_detection: SilenceDetection | SpeakerDetection | None = None
    options: dict[str, Any] = {}
    """Accepted and shown, without effect: cloned voices, and text or audio that is skipped."""

    @property
    def kind(self) -> str:
        return "pcm"

    @property
    def spoken(self) -> bool:
        return "audio" in self.modalities

    @property
    def target(self) -> str:
        return self.translation.language or "en"

    @property
    def phrases(self) -> dict[str, str]:
        return self.translation.corpus.phrases if self.translation.corpus else {}

    @property
    def language(self) -> str | None:
        """Of the source."""
        source = self.input_audio_transcription
        return source.language or None if source is not None else None


class Flat(_Configuration, frozen=True, kw_only=True):
    voice: str | None = "Cherry"
    turn_detection: SilenceDetection | SpeakerDetection | None = SilenceDetection()

    @property
    def transcribed(self) -> bool:
        """Whether the source's transcript is sent."""
        source = self.input_audio_transcription
        return source is not None and bool(source.model)

    def updated(self, session: dict[str, Any]) -> Self:
        patch = decode_patch(session, FlatPatch)
        sound, said = patch.audio.input.format, patch.audio.output.format
        changed = msgspec.structs.replace(
            self,
            modalities=_new(_tuple(patch.modalities), self.modalities),
            voice=_new(patch.voice, self.voice) or "Cherry",
            input_type=_new(patch.input_audio_format, _new(sound.type, self.input_type)),
            output_type=_new(patch.output_audio_format, _new(said.type, self.output_type)),
            sample_rate=_new(patch.sample_rate, _new(sound.sample_rate, self.sample_rate)),
            output_rate=_new(said.sample_rate, self.output_rate),
            translation=_new(patch.translation, self.translation) or Translation(),
            input_audio_transcription=_new(patch.input_audio_transcription, self.input_audio_transcription),
            turn_detection=_new(patch.turn_detection, self.turn_detection),
            options=_options(self.options, patch),
        )
        _check(changed, "session.modalities", ("session.input_audio_format", "session.output_audio_format"))
        if changed.turn_detection is not None:
            check_detection(changed.turn_detection, "session.turn_detection")
        return changed

    def session(self, session_id: str, model: str) -> dict[str, Any]:
        members = {
            "modalities": self.modalities,
            "voice": self.voice,
            "input_audio_format": self.input_type,
            "output_audio_format": self.output_type,
            "sample_rate": self.sample_rate,
            "input_audio_transcription": self.input_audio_transcription,
            "turn_detection": self.turn_detection,
            "translation": self.translation,
        }
        return _session(session_id, model, members | self.options)


class Nested(_Configuration, frozen=True, kw_only=True):
    input_type: str = "pcm"
    output_type: str = "pcm"
    turn_detection: SilenceDetection | SpeakerDetection | None = SpeakerDetection()

    @property
    def transcribed(self) -> bool:
        return True

    def updated(self, session: dict[str, Any]) -> Self:
        patch = decode_patch(session, NestedPatch)
        source = patch.input_audio_transcription
        if source is None or (source is not UNSET and source.model is None):
            raise Refused("The source's transcript cannot be disabled.", param="session.input_audio_transcription")
        skips = patch.same_language_skip_options
        if skips is not UNSET or (patch.translation and patch.translation.same_language_skip_options is not UNSET):
            name = "session.same_language_skip_options"
            raise Refused("same_language_skip_options is not supported by this model.", param=name)
        sound, said = patch.audio.input, patch.audio.output
        changed = msgspec.structs.replace(
            self,
            modalities=_new(_tuple(patch.output_modalities), self.modalities),
            voice=_new(said.voice, self.voice),
            input_type=_new(sound.format.type, self.input_type),
            output_type=_new(said.format.type, self.output_type),
            sample_rate=_new(sound.format.sample_rate, self.sample_rate),
            output_rate=_new(said.format.sample_rate, self.output_rate),
            translation=_new(patch.translation, self.translation) or Translation(),
            input_audio_transcription=_new(source, self.input_audio_transcription),
            turn_detection=_new(sound.turn_detection, self.turn_detection),
            options=_options(self.options, patch),
        )
        _check(changed, "session.output_modalities", ("session.audio.input.format", "session.audio.output.format"))
        if changed.turn_detection is not None:
            check_detection(changed.turn_detection, "session.audio.input.turn_detection")
        return changed

    def session(self, session_id: str, model: str) -> dict[str, Any]:
        members = {
            "output_modalities": self.modalities,
            "audio": {
                "input": {
                    "format": {"type": self.input_type, "sample_rate": self.sample_rate},
                    "turn_detection": self.turn_detection,
                },
                "output": {
                    "format": {"type": self.output_type, "sample_rate": self.output_rate},
                    "voice": self.voice,
                },
            },
            "translation": self.translation,
        }
        return _session(session_id, model, members | self.options)


TranslationConfiguration: TypeAlias = Flat | Nested


def initial(model: str) -> TranslationConfiguration:
    return Nested(model=model) if languages.is_nested(model) else Flat(model=model)


def _check(configuration: _Configuration, modalities: str, audio: tuple[str, str]) -> None:
    """Raise Refused for invalid settings. `modalities` and `audio` are the names of the parameters."""
    if tuple(sorted(configuration.modalities)) not in _MODALITIES:
        supported = "Supported combinations are: ['text'] and ['audio', 'text']."
        raise Refused(f"Invalid modalities: {[*configuration.modalities]}. {supported}", param=modalities)
    spoken, written = languages.voiced(configuration.model), languages.written(configuration.model)
    if configuration.target not in spoken | written:
        raise Refused(f"Unsupported target language: {configuration.target}.", param="session.translation.language")
    if configuration.spoken and configuration.target not in spoken:
        raise Refused(
            f"No audio is available in language {configuration.target}.", param="session.translation.language"
        )
    if len(configuration.phrases) > PHRASES:
        raise Refused(f"At most {PHRASES} phrases are supported.", param="session.translation.corpus.phrases")
    if configuration.input_type not in INPUTS or configuration.sample_rate != RATE:
        raise Refused("The input format is pcm at 16000 Hz.", param=audio[0])
    if configuration.output_type not in OUTPUTS or configuration.output_rate != OUTPUT_RATE:
        raise Refused("The output format is pcm at 24000 Hz.", param=audio[1])


def _new(given: T | UnsetType, before: T) -> T:
    return before if isinstance(given, UnsetType) else given


def _tuple(given: list[str] | UnsetType) -> tuple[str, ...] | UnsetType:
    return given if isinstance(given, UnsetType) else tuple(given)


def _options(before: dict[str, Any], patch: _Patch) -> dict[str, Any]:
    names = ("same_language_skip_options", "enable_voice_clone", "voice_clone_options")
    return before | {name: value for name in names if (value := getattr(patch, name)) is not UNSET}


def _session(session_id: str, model: str, members: dict[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(members)
    return {"id": session_id, "object": "realtime.session", "model": model} | built
