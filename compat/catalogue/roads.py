"""Routing of uploads: select the model and surface for an upload, and build the request for it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, cast

import msgspec

from compat import languages
from compat.catalogue.biasing import hot_words, rounds, shortened
from compat.catalogue.models import DIARIZE, REGIONS, Model, diarizes, resolve, sibling
from compat.catalogue.options import option
from compat.catalogue.vocabularies import instant
from compat.config.parsers import Family, LongRoad
from compat.errors import BadRequest, ModelNotFound
from compat.transcript import Ask, Media, Option, Request, Surface, context


class SurfaceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and features of a surface.

    `seconds` of audio and `size` in bytes are the maximum per file. `containers` are the formats it can read (measured
    by third parties). `times`: it returns timestamps. `streams`: it streams the response. `channels`: it transcribes
    channels separately. `filipino` is its code for Filipino: `fil` on Qwen's surfaces, `tl` (Tagalog) on the others.
    """

    seconds: float
    size: int
    containers: frozenset[str]
    times: bool
    streams: bool
    channels: bool
    filipino: str = "tl"


_READ_AT_ONCE = frozenset({"flac", "m4a", "mp3", "mp4", "ogg", "wav"})
_READ_LATER = _READ_AT_ONCE | {"aac", "amr", "avi", "flv", "mkv", "mov", "mpeg", "webm", "wma"}
# The synchronous surfaces accept a data URI of up to 10 MB, that is 7.5 MB of audio before base64.
_AT_ONCE = {"seconds": 300.0, "size": 7_490_000, "containers": _READ_AT_ONCE, "streams": True, "channels": False}
_LATER = {"seconds": 43200.0, "size": 1_000_000_000, "containers": _READ_LATER, "streams": False, "channels": True}
LIMITS: dict[Surface, SurfaceLimits] = {
    "chat": msgspec.convert({**_AT_ONCE, "times": False, "filipino": "fil"}, SurfaceLimits),
    "generation": msgspec.convert({**_AT_ONCE, "times": False, "filipino": "fil"}, SurfaceLimits),
    "generation-audio": msgspec.convert({**_AT_ONCE, "times": True}, SurfaceLimits),
    "filetrans": msgspec.convert({**_LATER, "times": True, "filipino": "fil"}, SurfaceLimits),
    "transcription": msgspec.convert({**_LATER, "times": True}, SurfaceLimits),
    "filetrans-3": msgspec.convert({**_LATER, "times": True}, SurfaceLimits),
    # Not a surface of DashScope: this server cuts the audio and sends each piece to one of the first three surfaces.
    # FFmpeg decodes the file, so any container and size will do.
    "pieces": SurfaceLimits(
        seconds=43200.0, size=1 << 40, containers=frozenset(), times=True, streams=True, channels=False
    ),
}
_APART = 8  # channels of FLAC
_REENCODED = 6 * 3600.0  # seconds; encoding longer audio may exceed the worker's timeout
PADDING = 0.1  # seconds by which re-encoding may lengthen audio
_ONLY_FILES = frozenset({"channel_id", "diarization_enabled"})  # options that only models for file tasks have
_NEVER_IN_PIECES = _ONLY_FILES | {"vocabulary_id"}  # a vocabulary is made for one model


class Road(msgspec.Struct, frozen=True, kw_only=True):
    """The model and surface for an upload, and whether the audio has to be re-encoded first (`refit`).

    On the surface `pieces`, `model` is the one that transcribes each piece.
    """

    model: str
    row: Model
    surface: Surface
    refit: bool

    @property
    def limits(self) -> SurfaceLimits:
        return LIMITS[self.surface]


def road(
    ask: Ask,
    media: Media,
    *,
    region: str,
    aliases: Mapping[str, str],
    longest: float,
    long_road: LongRoad = "auto",
    closed: Collection[Surface] = (),
    family: Family = "qwen3-asr",
) -> Road:
    """Return the road for an upload.

    `longest` is the maximum duration in seconds. `long_road` and `family` are the operator's settings for long audio
    and for the models behind OpenAI's names. `closed` holds surfaces that recently failed to fetch files published for
    them. Raises ModelNotFound for an unknown model, and BadRequest if the audio is too long or the model cannot do what
    was requested; the message names a model that can.
    """
    if media.duration > longest:
        raise BadRequest(f"The audio lasts {media.duration:.0f} s; the maximum is {longest:.0f} s.", param="file")
    model, row = resolve(ask.model, aliases, family)
    if row.surface is None:
        raise BadRequest(
            f"'{ask.model}' is a model for live speech; for files use gpt-transcribe or qwen3-asr-flash.", param="model"
        )
    if row.long and ask.wants_speakers:
        model, row = _diarizing(model, row, aliases, family)
    if row.us and region == "us":
        model, row = resolve(row.us, aliases)
    apart = row.long and _only_files(ask, model, row)
    if row.pieces and not apart and not media.url and _in_pieces(ask, media, row, long_road):
        return Road(model=model, row=row, surface="pieces", refit=False)
    if row.long and (apart or _lacking(ask, media, row)):
        model, row = sibling(model, aliases)
    if (
        row.surface in closed
        and long_road == "auto"
        and not (media.url or ask.wants_speakers or _NEVER_IN_PIECES & {*ask.extensions})
    ):
        other = _pieces_by(model)
        if other is not None:
            return Road(model=other[0], row=other[1], surface="pieces", refit=False)
    return _checked(ask, media, model, row, region)


def _diarizing(model: str, row: Model, aliases: Mapping[str, str], family: Family) -> tuple[str, Model]:
    """Return the model for speaker diarization: the operator's, the model's own sibling, or the family's."""
    if DIARIZE in aliases or not diarizes(model, row):
        model, row = resolve(DIARIZE, aliases, family)
    return sibling(model, aliases) if row.long else (model, row)


def _only_files(ask: Ask, model: str, row: Model) -> bool:
    """Whether the request has an option that only the sibling takes."""
    return any(name in ask.extensions for name in _ONLY_FILES & (sibling(model, {})[1].options - row.options))


def _pieces_by(model: str) -> tuple[str, Model] | None:
    """Return the model, and its row, that can transcribe in pieces what a model for file tasks could not fetch."""
    plain = model.partition("-filetrans")[0]
    if model == plain:
        return None
    try:
        model, row = resolve(plain, {})
    except ModelNotFound:
        return None
    return (model, row) if row.pieces else None


def _lacking(ask: Ask, media: Media, row: Model) -> Literal["times", "length"] | None:
    """Return which requirement the model does not meet, if any: timestamps, or the length of the audio.

    "length" also covers audio at a url on a synchronous surface, which does not fetch urls.
    """
    limits = LIMITS[row.surface or "chat"]
    if ask.wants_times and not limits.times:
        return "times"
    padded = (row.long or row.pieces) and _refit(ask, media, row)
    longest = limits.seconds - (PADDING if padded else 0.0)
    return "length" if media.duration > longest or (media.url and limits.streams) else None


def _in_pieces(ask: Ask, media: Media, row: Model, long_road: LongRoad) -> bool:
    """Whether to cut the audio into pieces.

    This is so if the operator prefers pieces, if the model has no other road for long audio, if the client streams long
    audio, which a file task would return all at once, or if it uses a vocabulary, which another model would ignore.
    """
    lacking = _lacking(ask, media, row)
    if lacking is None or not row.long:
        return lacking is not None
    return long_road == "pieces" or (
        long_road == "auto"
        and lacking == "length"
        and (ask.stream or "vocabulary_id" in row.options & {*ask.extensions})
    )


def _checked(ask: Ask, media: Media, model: str, row: Model, region: str) -> Road:
    assert row.surface is not None  # noqa: S101 - road() has refused realtime models
    if ask.wants_speakers and "diarization_enabled" not in row.options:
        raise BadRequest(
            f"{model} does not support speaker diarization; use gpt-4o-transcribe-diarize or fun-asr.",
            param="response_format",
        )
    lacking = _lacking(ask, media, row)
    if lacking == "times":
        raise BadRequest(
            f"{model} returns no timestamps, which response_format={ask.response_format} needs; {_alternative(region)}",
            param="response_format",
        )
    if media.url and lacking and region == "us":
        raise BadRequest("No model in the region us accepts a url: upload the file.", param="url")
    if media.url and lacking:
        raise BadRequest(f"{model} accepts files, not a url; {_alternative(region)}", param="url")
    if lacking == "length":
        raise BadRequest(
            f"{model} accepts up to 300 s of audio and this lasts {media.duration:.0f} s; {_alternative(region)}",
            param="model",
        )
    if region in REGIONS and region not in row.regions:
        diarization = "speaker diarization is available in Beijing and Singapore."
        alternative = diarization if ask.wants_speakers else _alternative(region)
        raise BadRequest(f"{model} is not offered in the region {region}; {alternative}", param="model")
    refit = not media.url and _refit(ask, media, row)
    return Road(model=model, row=row, surface=row.surface, refit=refit)


def _refit(ask: Ask, media: Media, row: Model) -> bool:
    """Whether to re-encode the file. Files of many channels are not if the request names channels."""
    limits = LIMITS[row.surface or "chat"]
    named = "channel_id" in ask.extensions
    odd = not media.clean and media.duration <= _REENCODED and not (named and media.channels > _APART)
    return odd or media.size > limits.size or media.container not in limits.containers or _mixed(ask, media, row)


def kept_channels(request: Request) -> int:
    """Return the number of channels that re-encoding keeps apart: up to the last one that the request names, 2 to 8; 1
    for a mix of all."""
    wanted = request.options.get("channel_id")
    named = [int(channel) for channel in wanted] if isinstance(wanted, list) else []
    return min(_APART, max(2, *(channel + 1 for channel in named))) if named and request.media.channels > 1 else 1


def counted_seconds(request: Request) -> float:
    """Return the seconds of audio that a request counts as, 0 if the length is unknown. Each channel that it names is
    transcribed, and billed, on its own."""
    named = request.options.get("channel_id")
    apart = isinstance(named, list) and LIMITS[request.surface].channels and len({*named})
    return math.ceil(request.media.duration) * (apart or 1)


def _mixed(ask: Ask, media: Media, row: Model) -> bool:
    """Whether to mix the channels: a file task transcribes only the first one, unless the request names channels."""
    return media.channels > 1 and "channel_id" in row.options and "channel_id" not in ask.extensions


def unmixed(request: Request) -> bool:
    """Whether the file goes out with several channels, which the service mixes."""
    media = request.media
    return media.channels > 1 and request.surface != "pieces" and "channel_id" not in request.options


def _alternative(region: str) -> str:
    if region == "us":
        return "use qwen3-asr-flash-us."
    return "use qwen3-asr-flash or qwen3-asr-flash-filetrans."


def request(ask: Ask, media: Media, road: Road) -> tuple[Request, tuple[str, ...]]:
    """Return the request for the road's surface, and the names of the parameters that the model ignores.

    Raises BadRequest for an option of the wrong type or a channel that the file lacks.
    """
    options = dict(road.row.always)
    ignored = list(ask.ignored)
    for name, values in ask.extensions.items():
        if name in road.row.options:
            options[name] = option(name, values, as_text=isinstance(options.get(name), str))
            if name == "vocabulary":
                options[name] = instant(cast("dict[str, object]", options[name]), road.model)
            _check_channels(options, media)
        else:
            ignored.append(name)
    ignored += _contradictions(ask, options)
    text, lost = _bias(ask, road.row, options)
    ignored += lost
    if road.surface == "pieces" and "word" in ask.granularities and not _timed(road.row):
        ignored.append("timestamp_granularities")
    takes = languages.sendable(ask.engine, road.row.languages)
    language = ask.language if ask.language in takes and "language_hints" not in options else None
    if language != ask.language:
        ignored.append(ask.language_param)
    return (
        Request(
            model=road.model,
            surface=road.surface,
            media=media,
            language=LIMITS[road.row.surface or road.surface].filipino if language == "fil" else language,
            context=text,
            words=ask.wants_words and road.surface != "pieces",
            options=options,
        ),
        tuple(dict.fromkeys(ignored)),
    )


def _bias(ask: Ask, row: Model, options: dict[str, Option]) -> tuple[str, list[str]]:
    """Return the context, and the names of the parameters that the model does not take or takes only a part of. Puts
    hot words into `options` in place. Their weights can be sent as the option `vocabulary`."""
    if row.context is None:
        return "", [*ask.guides]
    keywords: Iterable[str] = ask.keywords
    if "vocabulary" in row.options and ask.keywords:
        given = options.get("vocabulary")
        weighted = given if isinstance(given, dict) else {}
        words, keywords = hot_words(ask.keywords, known=weighted)
        options["vocabulary"] = {**words, **weighted}
    text = context(ask.prompt, keywords)
    if row.context == "text" or not shortened(text):
        return text, []
    cut = ["prompt"] if shortened(ask.prompt) else []
    return "\n".join(rounds(text)), [f"{name}.shortened" for name in cut or ["keywords"]]


def _contradictions(ask: Ask, options: dict[str, Option]) -> list[str]:
    """Resolve contradicting options in place and return the names of those dropped."""
    lost = []
    if ask.wants_speakers:
        if options.get("diarization_enabled") is False:
            lost.append("diarization_enabled")
        options["diarization_enabled"] = True
    if not options.get("diarization_enabled") and options.pop("speaker_count", None) is not None:
        lost.append("speaker_count")
    return lost


def _check_channels(options: Mapping[str, Option], media: Media) -> None:
    """Raise BadRequest for a channel that the file does not have.

    The channels of audio at a url are unknown here; the service checks those.
    """
    wanted = options.get("channel_id")
    if not isinstance(wanted, list) or not media.channels:
        return
    for channel in wanted:
        if int(channel) >= media.channels:
            has = "one channel, 0" if media.channels == 1 else f"channels 0 to {media.channels - 1}"
            raise BadRequest(f"channel_id {channel} does not exist: the audio has {has}.", param="channel_id")


def piece(whole: Request, media: Media) -> Request:
    """Return the request for one piece, `media`, of a request on the surface `pieces`."""
    return msgspec.structs.replace(whole, surface=resolve(whole.model, {})[1].surface, media=media)


def timed(whole: Request) -> bool:
    """Return whether the service gives the times in each piece of a request on the surface `pieces`."""
    return _timed(resolve(whole.model, {})[1])


def _timed(row: Model) -> bool:
    return row.surface is not None and LIMITS[row.surface].times


def instead(request: Request) -> Request | None:
    """Return the same request on the surface `pieces`, for use when a file task could not fetch its file.

    Returns None if no model transcribes it in pieces, or if the request names channels or a vocabulary or distinguishes
    speakers.
    """
    other = None if _NEVER_IN_PIECES & {*request.options} else _pieces_by(request.model)
    if other is None:
        return None
    model, row = other
    options = {name: value for name, value in request.options.items() if name in row.options}
    return msgspec.structs.replace(request, model=model, surface="pieces", words=False, options=options)
