"""The road an upload takes: which model answers it on which surface, and what that surface is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

from compat.catalogue.models import REGIONS, Model, resolve
from compat.catalogue.options import option
from compat.errors import BadRequest
from compat.transcript import Ask, Media, Option, Request, Surface


class SurfaceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a surface takes and gives: `seconds` of audio, `size` in bytes of the file, containers it is known to read
    (measured by third parties), sentences with times, answers in parts, channels apart. `filipino`: its name for that
    language, which all but Qwen's surfaces call Tagalog."""

    seconds: float
    size: int
    containers: frozenset[str]
    times: bool
    streams: bool
    channels: bool
    filipino: str = "tl"


_READ_AT_ONCE = frozenset({"flac", "m4a", "mp3", "mp4", "ogg", "wav"})
_READ_LATER = _READ_AT_ONCE | {"aac", "amr", "avi", "flv", "mkv", "mov", "mpeg", "webm", "wma"}
# The synchronous surfaces take a data URI of 10 MB, which base64 fills with three quarters of that.
_AT_ONCE = {"seconds": 300.0, "size": 7_490_000, "containers": _READ_AT_ONCE, "streams": True, "channels": False}
_LATER = {"seconds": 43200.0, "size": 1_000_000_000, "containers": _READ_LATER, "streams": False, "channels": True}
LIMITS: dict[Surface, SurfaceLimits] = {
    "chat": msgspec.convert({**_AT_ONCE, "times": False, "filipino": "fil"}, SurfaceLimits),
    "generation": msgspec.convert({**_AT_ONCE, "times": False, "filipino": "fil"}, SurfaceLimits),
    "generation-audio": msgspec.convert({**_AT_ONCE, "times": True}, SurfaceLimits),
    "filetrans": msgspec.convert({**_LATER, "times": True, "filipino": "fil"}, SurfaceLimits),
    "transcription": msgspec.convert({**_LATER, "times": True}, SurfaceLimits),
    "filetrans-3": msgspec.convert({**_LATER, "times": True}, SurfaceLimits),
    # No surface of the service's own: audio that is cut here, each piece sent to one of the first two. FFmpeg reads it.
    "pieces": SurfaceLimits(
        seconds=43200.0, size=1 << 40, containers=frozenset(), times=True, streams=True, channels=False, filipino="fil"
    ),
}
_REENCODED = 6 * 3600.0  # seconds: to encode more may take longer than a worker may
PIECES_BY = "qwen3-asr-flash"
LongRoad = Literal["auto", "filetrans", "pieces"]


class Road(msgspec.Struct, frozen=True, kw_only=True):
    """Which model on which surface answers, and whether the audio has to be re-encoded to fit it. On the surface
    `pieces` the model is the one that hears each of them."""

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
) -> Road:
    """The road for this upload of up to `longest` seconds. `long_road` is the operator's wish; `closed` are surfaces
    that lately could not fetch what was published for them. Raises BadRequest naming a model that can when the one
    that was asked for cannot."""
    if media.duration > longest:
        raise BadRequest(f"The audio lasts {media.duration:.0f} s; {longest:.0f} s is the most.", param="file")
    model, row = resolve(ask.model, aliases)
    if row.surface is None:
        raise BadRequest(
            f"{model} hears live speech only; for files use gpt-transcribe or qwen3-asr-flash.", param="model"
        )
    if row.long and ask.wants_speakers:
        model, row = resolve("gpt-4o-transcribe-diarize", aliases)
    if row.long and region == "us":
        model, row = resolve(f"{model}-us", aliases)
    apart = "channel_id" in ask.extensions
    if row.pieces and not (row.long and apart) and not media.url and _in_pieces(ask, media, row, long_road):
        return Road(model=model, row=row, surface="pieces", refit=False)
    if row.long and (apart or _lacking(ask, media, row)):
        model, row = resolve(row.long, aliases)
    if row.surface in closed and row.surface == "filetrans" and long_road == "auto" and not (apart or media.url):
        model, row = resolve(PIECES_BY, {})
        return Road(model=model, row=row, surface="pieces", refit=False)
    return _checked(ask, media, model, row, region)


def _lacking(ask: Ask, media: Media, row: Model) -> Literal["times", "length"] | None:
    """What a model cannot do of what is needed."""
    limits = LIMITS[row.surface or "chat"]
    if ask.wants_times and not limits.times:
        return "times"
    return "length" if media.duration > limits.seconds or (media.url and limits.streams) else None


def _in_pieces(ask: Ask, media: Media, row: Model, long_road: LongRoad) -> bool:
    """Whether it is wished, or there is no other road, or the words of a long stream would come all at once."""
    lacking = _lacking(ask, media, row)
    if lacking is None or not row.long:
        return lacking is not None
    return long_road == "pieces" or (long_road == "auto" and lacking == "length" and ask.stream)


def _checked(ask: Ask, media: Media, model: str, row: Model, region: str) -> Road:
    assert row.surface is not None  # noqa: S101 - models of live speech were refused before
    if ask.wants_speakers and "diarization_enabled" not in row.options:
        raise BadRequest(
            f"{model} does not tell speakers apart; use gpt-4o-transcribe-diarize or fun-asr.",
            param="response_format",
        )
    lacking = _lacking(ask, media, row)
    if lacking == "times":
        raise BadRequest(
            f"{model} gives no times, which response_format={ask.response_format} needs; {_able(region)}",
            param="response_format",
        )
    if media.url and lacking and region == "us":
        raise BadRequest("No model of the region us takes a url: send the file.", param="url")
    if media.url and lacking:
        raise BadRequest(f"{model} takes files, not a url; {_able(region)}", param="url")
    if lacking == "length":
        raise BadRequest(
            f"{model} takes up to 5 minutes and this lasts {media.duration:.0f} s; {_able(region)}", param="model"
        )
    if region in REGIONS and region not in row.regions:
        able = "speakers are told apart in Beijing and Singapore." if ask.wants_speakers else _able(region)
        raise BadRequest(f"{model} is not offered in the region {region}; {able}", param="model")
    refit = not media.url and _refit(ask, media, row)
    return Road(model=model, row=row, surface=row.surface, refit=refit)


def _refit(ask: Ask, media: Media, row: Model) -> bool:
    """What is re-encoded has one channel, so that a file whose channels are asked for goes as it is if it can."""
    limits = LIMITS[row.surface or "chat"]
    odd = not media.clean and media.duration <= _REENCODED and "channel_id" not in ask.extensions
    return odd or media.size > limits.size or media.container not in limits.containers or _mixed(ask, media, row)


def _mixed(ask: Ask, media: Media, row: Model) -> bool:
    """Whether the channels have to be mixed here: a file task hears the first one only, unless channels are named."""
    return media.channels > 1 and "channel_id" in row.options and "channel_id" not in ask.extensions


def unmixed(request: Request) -> bool:
    """Whether the service mixes the channels of the file that it is sent."""
    media = request.media
    return media.channels > 1 and request.surface != "pieces" and "channel_id" not in request.options


def _able(region: str) -> str:
    if region == "us":
        return "use qwen3-asr-flash-us."
    return "use qwen3-asr-flash or qwen3-asr-flash-filetrans."


def request(ask: Ask, media: Media, road: Road) -> tuple[Request, tuple[str, ...]]:
    """What the surface is asked, and the parameters that this model cannot honour."""
    options = dict(road.row.always)
    ignored = list(ask.ignored)
    for name, values in ask.extensions.items():
        if name in road.row.options:
            options[name] = option(name, values, as_text=isinstance(options.get(name), str))
            _check_channels(options, media)
        else:
            ignored.append(name)
    ignored += _contradictions(ask, options)
    if ask.context and not road.row.context:
        ignored += ask.guides
    if road.surface == "pieces" and "word" in ask.granularities:
        ignored.append("timestamp_granularities")
    language = ask.language if ask.language in road.row.languages and "language_hints" not in options else None
    if language != ask.language:
        ignored.append("language")
    return (
        Request(
            model=road.model,
            surface=road.surface,
            media=media,
            language=road.limits.filipino if language == "fil" else language,
            context=ask.context if road.row.context else "",
            words=ask.wants_words and road.surface != "pieces",
            options=options,
        ),
        tuple(dict.fromkeys(ignored)),
    )


def _contradictions(ask: Ask, options: dict[str, Option]) -> list[str]:
    """Settles which of two options holds, and names the other."""
    lost = []
    if ask.wants_speakers:
        if options.get("diarization_enabled") is False:
            lost.append("diarization_enabled")
        options["diarization_enabled"] = True
    if not options.get("diarization_enabled") and options.pop("speaker_count", None) is not None:
        lost.append("speaker_count")
    return lost


def _check_channels(options: Mapping[str, Option], media: Media) -> None:
    """Raises BadRequest for a channel that the file does not have. What the service fetches, it has to judge."""
    wanted = options.get("channel_id")
    if not isinstance(wanted, list) or not media.channels:
        return
    for channel in wanted:
        if int(channel) >= media.channels:
            has = "one channel, 0" if media.channels == 1 else f"the channels 0 to {media.channels - 1}"
            raise BadRequest(f"channel_id names {channel}, and the audio has {has}.", param="channel_id")


def piece(whole: Request, media: Media) -> Request:
    """What is asked of one piece of a request on the surface `pieces`."""
    return msgspec.structs.replace(whole, surface=resolve(whole.model, {})[1].surface, media=media)


def instead(request: Request) -> Request | None:
    """The same by pieces, where a file task failed for want of its file; None where pieces cannot do what it does."""
    if request.surface != "filetrans" or "channel_id" in request.options:
        return None
    options = {name: value for name, value in request.options.items() if name in resolve(PIECES_BY, {})[1].options}
    return msgspec.structs.replace(request, model=PIECES_BY, surface="pieces", words=False, options=options)
