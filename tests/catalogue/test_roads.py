from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest

from compat.catalogue import models, roads, translators
from compat.config.parsers import LongRoad
from compat.errors import BadRequest, ModelNotFound
from compat.transcript import Ask, Media, ResponseFormat, Surface
from tests.catalogue.test_models import media

HOUR = 3600.0


STEREO = msgspec.structs.replace(media(), channels=2)


def road(
    model: str, *, form: ResponseFormat = "json", region: str = "beijing", sound: Media | None = None
) -> roads.Road:
    ask = Ask(model=model, response_format=form)
    return roads.road(ask, sound or media(), region=region, aliases={"mine": "fun-asr"}, longest=12 * HOUR)


ROADS = [  # requested model, response format, seconds, region → model, surface
    ("whisper-1", "json", 10, "beijing", "qwen3-asr-flash", "chat"),
    ("whisper-large-v3-turbo", "text", 300, "singapore", "qwen3-asr-flash", "chat"),
    ("openai/whisper-large-v3", "json", 10, "beijing", "qwen3-asr-flash", "chat"),
    ("Systran/faster-whisper-small", "json", 10, "beijing", "qwen3-asr-flash", "chat"),
    ("distil-whisper-large-v3", "json", 10, "beijing", "qwen3-asr-flash", "chat"),
    ("gpt-4o-mini-transcribe-2025-12-15", "json", 10, "beijing", "qwen3-asr-flash", "chat"),
    ("gpt-transcribe", "json", 301, "beijing", "qwen3-asr-flash-filetrans", "filetrans"),
    ("gpt-4o-transcribe", "verbose_json", 10, "custom", "qwen3-asr-flash-filetrans", "filetrans"),
    ("qwen3-asr-flash", "srt", 10, "beijing", "qwen3-asr-flash-filetrans", "filetrans"),
    ("qwen3-asr-flash-2026-02-10", "json", 10, "beijing", "qwen3-asr-flash-2026-02-10", "chat"),
    ("whisper-1", "json", 10, "us", "qwen3-asr-flash-us", "generation"),
    ("qwen3-asr-flash-2025-09-08-us", "json", 10, "us", "qwen3-asr-flash-2025-09-08-us", "generation"),
    ("qwen3-asr-flash-filetrans", "json", 5, "beijing", "qwen3-asr-flash-filetrans", "filetrans"),
    ("mine", "json", 5, "singapore", "fun-asr", "transcription"),
    ("paraformer-v2", "vtt", 5, "beijing", "paraformer-v2", "transcription"),
    ("gpt-4o-transcribe-diarize", "diarized_json", 5, "singapore", "fun-asr", "transcription"),
    ("whisper-1", "diarized_json", 5, "beijing", "fun-asr", "transcription"),
    ("qwen-audio-3.1-asr-flash", "verbose_json", 5, "beijing", "qwen-audio-3.1-asr-flash", "generation-audio"),
    ("qwen-audio-3.0-asr-flash-filetrans", "srt", 5, "beijing", "qwen-audio-3.0-asr-flash-filetrans", "filetrans-3"),
    ("fun-asr-flash-2026-06-15", "json", 5, "beijing", "fun-asr-flash-2026-06-15", "generation-audio"),
]


@pytest.mark.parametrize(("name", "form", "seconds", "region", "model", "surface"), ROADS)
def test_the_road_depends_on_model_length_response_format_and_region(
    name: str, form: ResponseFormat, seconds: float, region: str, model: str, surface: str
) -> None:
    taken = road(name, form=form, region=region, sound=media(seconds=seconds))

    assert (model, surface, False) == (taken.model, taken.surface, taken.refit)


@pytest.mark.parametrize(
    ("seconds", "size", "surface"),
    [(299.95, 8_000_000, "filetrans"), (299.95, 100, "chat"), (299.8, 8_000_000, "chat")],
)
def test_audio_that_re_encoding_could_make_too_long_is_long(seconds: float, size: int, surface: str) -> None:
    assert surface == road("whisper-1", sound=media(seconds=seconds, size=size)).surface


REFUSED = [  # requested model, response format, seconds, region → parameter, part of the message
    ("qwen3-asr-flash-2026-02-10", "srt", 10, "beijing", "response_format", "qwen3-asr-flash-filetrans"),
    ("qwen3-asr-flash-2026-02-10", "json", 301, "beijing", "model", "qwen3-asr-flash-filetrans"),
    ("qwen3-asr-flash-filetrans", "diarized_json", 10, "beijing", "response_format", "gpt-4o-transcribe-diarize"),
    ("whisper-1", "diarized_json", 10, "us", "model", "Singapore"),
    ("paraformer-v2", "json", 10, "singapore", "model", "qwen3-asr-flash"),
    ("qwen3-asr-flash-realtime", "json", 10, "beijing", "model", "live speech"),
    ("gpt-live-transcribe", "json", 10, "beijing", "model", "'gpt-live-transcribe' is a model for live speech"),
    ("gpt-realtime-translate", "json", 10, "beijing", "model", "'gpt-realtime-translate' is a model for live speech"),
    ("whisper-1", "json", 12 * HOUR + 1, "beijing", "file", "43200 s"),
]


@pytest.mark.parametrize(("name", "form", "seconds", "region", "param", "named"), REFUSED)
def test_an_impossible_request_is_refused_naming_an_alternative(
    name: str, form: ResponseFormat, seconds: float, region: str, param: str, named: str
) -> None:
    with pytest.raises(BadRequest, match=named) as refused:
        road(name, form=form, region=region, sound=media(seconds=seconds))

    assert param == refused.value.param


def test_an_unknown_model_is_refused_listing_the_known_ones() -> None:
    with pytest.raises(ModelNotFound, match=r"whisper-1.*qwen3-asr-flash") as refused:
        road("gpt-5")

    assert ("model", "model_not_found") == (refused.value.param, refused.value.code)


@pytest.mark.parametrize(
    ("model", "container", "size", "refit"),
    [
        ("whisper-1", "wav", 7_000_000, False),
        ("whisper-1", "wav", 8_000_000, True),
        ("whisper-1", "webm", 1000, True),
        ("fun-asr", "webm", 8_000_000, False),
        ("fun-asr", "aiff", 1000, True),
        ("fun-asr", "wav", 1_500_000_000, True),
    ],
)
def test_audio_that_a_surface_cannot_accept_is_re_encoded(model: str, container: str, size: int, refit: bool) -> None:
    assert refit == road(model, sound=media(container=container, size=size)).refit


AUTO: LongRoad = "auto"


CLOSED: tuple[Surface, ...] = ("filetrans",)


LONG: list[tuple[Ask, float, str, LongRoad, bool, str, str]] = [
    # requested, seconds, region, the operator's setting, whether filetrans is closed → model, surface
    (Ask(model="whisper-1"), 301, "beijing", AUTO, False, "qwen3-asr-flash-filetrans", "filetrans"),
    (Ask(model="whisper-1", stream=True), 301, "beijing", AUTO, False, "qwen3-asr-flash", "pieces"),
    (Ask(model="whisper-1", stream=True), 300, "beijing", AUTO, False, "qwen3-asr-flash", "chat"),
    (Ask(model="whisper-1", stream=True), 301, "beijing", "filetrans", False, "qwen3-asr-flash-filetrans", "filetrans"),
    (Ask(model="whisper-1"), 301, "beijing", "pieces", False, "qwen3-asr-flash", "pieces"),
    (Ask(model="whisper-1", response_format="srt"), 10, "beijing", "pieces", False, "qwen3-asr-flash", "pieces"),
    (Ask(model="whisper-1"), 10, "beijing", "pieces", False, "qwen3-asr-flash", "chat"),
    (Ask(model="whisper-1"), 301, "beijing", AUTO, True, "qwen3-asr-flash", "pieces"),
    (Ask(model="whisper-1"), 301, "beijing", "filetrans", True, "qwen3-asr-flash-filetrans", "filetrans"),
    (Ask(model="qwen3-asr-flash-filetrans"), 10, "beijing", AUTO, True, "qwen3-asr-flash", "pieces"),
    (Ask(model="qwen3-asr-flash-filetrans"), 10, "beijing", "pieces", False, "qwen3-asr-flash-filetrans", "filetrans"),
    (Ask(model="whisper-1"), 10, "beijing", AUTO, True, "qwen3-asr-flash", "chat"),
    (Ask(model="whisper-1", response_format="vtt"), 10, "us", AUTO, False, "qwen3-asr-flash-us", "pieces"),
    (Ask(model="whisper-1"), 301, "us", AUTO, False, "qwen3-asr-flash-us", "pieces"),
    (Ask(model="whisper-1"), 301, "us", "filetrans", False, "qwen3-asr-flash-us", "pieces"),
    (Ask(model="qwen3-asr-flash-us"), 3600, "us", AUTO, False, "qwen3-asr-flash-us", "pieces"),
    (Ask(model="fun-asr", stream=True), 3600, "beijing", "pieces", True, "fun-asr", "transcription"),
    (
        Ask(model="whisper-1", response_format="diarized_json", stream=True),
        3600, "beijing", "pieces", True, "fun-asr", "transcription",
    ),
    (
        Ask(model="whisper-1", extensions={"channel_id": ("1",)}),
        3600, "beijing", "pieces", True, "qwen3-asr-flash-filetrans", "filetrans",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "seconds", "region", "long_road", "closed", "model", "surface"), LONG)
def test_the_road_of_long_audio(
    ask: Ask, seconds: float, region: str, long_road: LongRoad, closed: bool, model: str, surface: str
) -> None:
    taken = roads.road(
        ask,
        media(seconds=seconds, container="webm", size=5_000_000_000) if surface == "pieces" else media(seconds=seconds),
        region=region,
        aliases={},
        longest=HOUR,
        long_road=long_road,
        closed=CLOSED if closed else (),
    )

    assert (model, surface, False) == (taken.model, taken.surface, taken.refit)


def remote() -> Media:
    return msgspec.structs.replace(media(seconds=0, size=0, container=""), url="https://example.com/a.mp3")


@pytest.mark.parametrize(
    ("name", "long_road", "model"),
    [
        ("whisper-1", "auto", "qwen3-asr-flash-filetrans"),
        ("whisper-1", "pieces", "qwen3-asr-flash-filetrans"),
        ("fun-asr", "auto", "fun-asr"),
    ],
)
def test_a_url_goes_to_a_model_that_fetches_it(name: str, long_road: LongRoad, model: str) -> None:
    taken = roads.road(
        Ask(model=name), remote(), region="beijing", aliases={}, longest=1, long_road=long_road, closed=CLOSED
    )

    assert (model, False) == (taken.model, taken.refit)


@pytest.mark.parametrize(("name", "region"), [("qwen3-asr-flash-2026-02-10", "beijing"), ("whisper-1", "us")])
def test_a_url_is_refused_if_no_model_can_fetch_it(name: str, region: str) -> None:
    with pytest.raises(BadRequest) as refused:
        road(name, region=region, sound=remote())

    assert "url" == refused.value.param


def test_a_piece_is_requested_like_short_audio() -> None:
    ask = Ask(model="whisper-1", prompt="Bulge", language="fil", granularities=frozenset({"word"}))
    for region, model, surface in (("us", "qwen3-asr-flash-us", "generation"), ("beijing", "qwen3-asr-flash", "chat")):
        taken = roads.road(ask, media(seconds=400), region=region, aliases={}, longest=HOUR, long_road="pieces")
        whole, ignored = roads.request(ask, media(seconds=400), taken)
        piece = roads.piece(whole, media(seconds=100))

        assert (model, surface, "Bulge", "fil", 100) == (
            piece.model, piece.surface, piece.context, piece.language, piece.media.duration,
        )  # fmt: skip
        assert ("timestamp_granularities",) == ignored


def test_a_request_for_a_file_task_can_move_to_pieces() -> None:
    ask = Ask(model="qwen3-asr-flash-filetrans", response_format="srt", extensions={"enable_itn": ("true",)})
    taken = roads.road(ask, media(), region="beijing", aliases={}, longest=HOUR)
    request, _ = roads.request(ask, media(), taken)

    other = roads.instead(request)

    assert other is not None
    assert ("qwen3-asr-flash", "pieces", False, {"enable_itn": True}) == (
        other.model, other.surface, other.words, other.options,
    )  # fmt: skip
    for option in ("channel_id", "diarization_enabled", "vocabulary_id"):
        assert roads.instead(msgspec.structs.replace(request, options={option: True})) is None
    for model in ("fun-asr", "qwen3-asr-flash", "other-filetrans"):
        assert roads.instead(msgspec.structs.replace(request, model=model)) is None


@pytest.mark.parametrize("region", ["beijing", "singapore", "us"])
def test_a_region_lists_the_models_it_offers(region: str) -> None:
    names = models.names({"mine": "fun-asr"}, region)
    offered = set()
    for name in models.names({"mine": "fun-asr"}):
        with contextlib.suppress(BadRequest):
            models.live(name, region=region, aliases={"mine": "fun-asr"})
            offered |= {name}
        with contextlib.suppress(BadRequest):
            models.translator(name, region=region, aliases={"mine": "fun-asr"}, preferred=translators.DEFAULT)
            offered |= {name}
        with contextlib.suppress(BadRequest):
            ask = Ask(model=name)
            roads.road(ask, media(seconds=10), region=region, aliases={"mine": "fun-asr"}, longest=12 * HOUR)
            offered |= {name}

    assert offered == set(names)


CONTRADICTIONS: list[tuple[Ask, dict[str, Any], tuple[str, ...]]] = [
    # request → options for the service, ignored parameters
    (
        Ask(model="fun-asr", language="en", extensions={"language_hints": ("ja",)}),
        {"language_hints": ["ja"]},
        ("language",),
    ),
    (
        Ask(model="fun-asr", language="en", language_param="languages", extensions={"language_hints": ("ja",)}),
        {"language_hints": ["ja"]},
        ("languages",),
    ),
    (Ask(model="fun-asr", extensions={"speaker_count": ("2",)}), {}, ("speaker_count",)),
    (
        Ask(model="fun-asr", extensions={"speaker_count": ("2",), "diarization_enabled": ("true",)}),
        {"speaker_count": 2, "diarization_enabled": True},
        (),
    ),
    (
        Ask(model="fun-asr", response_format="diarized_json", extensions={"diarization_enabled": ("false",)}),
        {"diarization_enabled": True},
        ("diarization_enabled",),
    ),
    (
        Ask(model="fun-asr", response_format="diarized_json", extensions={"speaker_count": ("2",)}),
        {"diarization_enabled": True, "speaker_count": 2},
        (),
    ),
]


@pytest.mark.parametrize(("ask", "options", "ignored"), CONTRADICTIONS)
def test_one_of_two_contradicting_options_is_reported_as_ignored(
    ask: Ask, options: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    taken = roads.road(ask, media(seconds=10), region="beijing", aliases={}, longest=12 * HOUR)
    request, named = roads.request(ask, media(seconds=10), taken)

    sent = {name: value for name, value in request.options.items() if name != "special_word_filter"}
    assert (options, ignored, None) == (sent, named, request.language)


def test_options_are_typed_and_unsupported_parameters_are_reported() -> None:
    ask = Ask(
        model="paraformer-v2",
        language="de",
        keywords=("Bulge", "Bracket"),
        extensions={
            "enable_itn": ("true",),
            "disfluency_removal_enabled": ("True",),
            "channel_id": ("0", "1"),
            "language_hints": ('["zh", "en"]',),
            "diarization_enabled": ("1",),
            "speaker_count": ("2",),
            "vocabulary_id": ("vocab-1",),
        },
        ignored=("temperature",),
    )
    taken = roads.road(ask, STEREO, region="beijing", aliases={}, longest=HOUR)

    request, ignored = roads.request(ask, STEREO, taken)

    assert ("temperature", "enable_itn", "keywords", "language") == ignored
    assert (None, "") == (request.language, request.context)
    assert {
        "timestamp_alignment_enabled": True,
        "special_word_filter": '{"system_reserved_filter":false}',
        "disfluency_removal_enabled": True,
        "channel_id": [0, 1],
        "language_hints": ["zh", "en"],
        "diarization_enabled": True,
        "speaker_count": 2,
        "vocabulary_id": "vocab-1",
    } == request.options


@pytest.mark.parametrize(
    ("model", "language", "sent", "ignored"),
    [
        ("whisper-1", "zh", "zh", ()),
        ("whisper-1", "fil", "fil", ()),
        ("whisper-1", "nl", None, ("language",)),
        ("fun-asr", "nl", "nl", ()),
        ("fun-asr", "fil", "tl", ()),
        ("fun-asr", "tr", None, ("language",)),
        ("qwen-audio-3.1-asr-flash", "yue", None, ("language",)),
        ("qwen-audio-3.1-asr-flash-filetrans", "cs", "cs", ()),
        ("paraformer-v2", "yue", "yue", ()),
        ("paraformer-v1", "zh", None, ("language",)),
        ("paraformer-v2", "sv", None, ("language",)),
    ],
)
def test_a_language_is_sent_as_the_surface_s_own_code(
    model: str, language: str, sent: str | None, ignored: tuple[str, ...]
) -> None:
    ask = Ask(model=model, language=language)
    taken = roads.road(ask, media(), region="beijing", aliases={}, longest=HOUR)

    request, named = roads.request(ask, media(), taken)

    assert (sent, ignored) == (request.language, named)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("disfluency_removal_enabled", "perhaps"),
        ("channel_id", "left"),
        ("speaker_count", "two"),
        ("special_word_filter", "[]"),
    ],
)
def test_an_option_of_the_wrong_type_is_refused(name: str, value: str) -> None:
    ask = Ask(model="paraformer-v2", extensions={name: (value,)})
    taken = roads.road(ask, media(), region="beijing", aliases={}, longest=HOUR)

    with pytest.raises(BadRequest) as refused:
        roads.request(ask, media(), taken)

    assert name == refused.value.param


@pytest.mark.parametrize(
    ("model", "seconds", "extensions", "taken"),
    [
        ("qwen-audio-3.1-asr-flash", 400, {"vocabulary_id": ("v",)}, ("qwen-audio-3.1-asr-flash", "pieces")),
        ("qwen-audio-3.1-asr-flash", 400, {}, ("qwen-audio-3.1-asr-flash-filetrans", "filetrans-3")),
        ("qwen-audio-3.1-asr-flash", 40, {"vocabulary_id": ("v",)}, ("qwen-audio-3.1-asr-flash", "generation-audio")),
        ("whisper-1", 400, {"vocabulary_id": ("v",)}, ("qwen3-asr-flash-filetrans", "filetrans")),
    ],
)
def test_a_vocabulary_keeps_long_audio_at_its_model(
    model: str, seconds: float, extensions: dict[str, tuple[str, ...]], taken: tuple[str, str]
) -> None:
    """A vocabulary is made for one model."""
    ask = Ask(model=model, extensions=extensions)
    found = roads.road(ask, media(seconds=seconds), region="beijing", aliases={}, longest=HOUR)

    assert taken == (found.model, found.surface)
