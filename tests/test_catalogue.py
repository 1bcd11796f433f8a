from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compat import catalogue
from compat.errors import BadRequest, ModelNotFound
from compat.transcript import Ask, Media, ResponseFormat, Surface

MINUTE, HOUR = 60.0, 3600.0


def media(*, seconds: float = 10.0, size: int = 1000, container: str = "wav") -> Media:
    return Media(
        path=Path("upload"),
        size=size,
        container=container,
        mime=f"audio/{container}",
        suffix=f".{container}",
        duration=seconds,
        rate=16000,
        channels=1,
    )


STEREO = msgspec.structs.replace(media(), channels=2)


def road(
    model: str, *, form: ResponseFormat = "json", region: str = "beijing", sound: Media | None = None
) -> catalogue.Road:
    ask = Ask(model=model, response_format=form)
    return catalogue.road(ask, sound or media(), region=region, aliases={"mine": "fun-asr"}, longest=12 * HOUR)


ROADS = [  # asked for, answer, seconds, region → model, surface
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
def test_the_road_follows_model_length_answer_and_region(
    name: str, form: ResponseFormat, seconds: float, region: str, model: str, surface: str
) -> None:
    taken = road(name, form=form, region=region, sound=media(seconds=seconds))

    assert (model, surface, False) == (taken.model, taken.surface, taken.refit)


WHISPERS = """
whisper whisper-1 Whisper-1 whisper-1-hd openai/whisper-1 azure/whisper whisper-large-v3 whisper-v3
whisper-large-v3-turbo whisper-large-v3-turbo-q5_0
openai/whisper-large-v3 openai/whisper-tiny.en Systran/faster-whisper-large-v3
Systran/faster-whisper-tiny.en Systran/faster-distil-whisper-large-v3 guillaumekln/faster-whisper-base
deepdml/faster-whisper-large-v3-turbo-ct2 distil-whisper/distil-large-v3 distil-whisper-large-v3-en distil-large-v3.5
distil-small.en distil-medium.en mlx-community/whisper-large-v3-mlx KBLab/kb-whisper-large my-whisper-deployment
tiny tiny.en base base.en small medium medium.en large large-v1 large-v2 large-v3 large-v3-turbo turbo
openai/gpt-4o-transcribe gpt-4o-transcribe-2025-03-20 gpt-4o-mini-transcribe-2025-12-15 gpt-transcribe GPT-Transcribe
qwen3-asr Qwen3-ASR Qwen/Qwen3-ASR-1.7B Qwen/Qwen3-ASR-0.6B qwen3-asr-1.7b qwen3-asr:0.6b Qwen/Qwen3-ASR-1.7B-hf
mlx-community/Qwen3-ASR-0.6B-8bit qwen/qwen3-asr-flash dashscope/qwen3-asr-flash
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", WHISPERS)
def test_names_of_other_servers_are_understood_for_files_and_live(name: str) -> None:
    assert "qwen3-asr-flash" == catalogue.resolve(name, {})[0]
    assert "qwen3-asr-flash-realtime" == catalogue.live(name, region="beijing", aliases={})


OTHERS = [
    ("gpt-4o-transcribe-diarize-2025-10-15", "fun-asr"),
    ("openai/gpt-4o-transcribe-diarize", "fun-asr"),
    ("gpt-realtime-whisper-2026-08-01", "qwen3-asr-flash-realtime"),
    ("gpt-live-transcribe-2026-08-01", "qwen3-asr-flash-realtime"),
    ("qwen3-asr-flash-2026-02-10", "qwen3-asr-flash-2026-02-10"),
    ("base", "paraformer-v2"),
]


@pytest.mark.parametrize(("name", "model"), OTHERS)
def test_what_looks_alike_is_kept_apart_and_the_operator_decides(name: str, model: str) -> None:
    assert model == catalogue.resolve(name, {"base": "paraformer-v2"})[0]


@pytest.mark.parametrize(
    "name", ["gpt-4o", "basement", "larger", "qwen3", "qwen3-asr-toolkit", "nvidia/parakeet", "", "/"]
)
def test_what_is_no_such_name_is_not_known(name: str) -> None:
    with pytest.raises(ModelNotFound, match="COMPAT_MODEL_ALIASES"):
        catalogue.resolve(name, {})


def test_a_deployment_is_the_model_where_it_is_known() -> None:
    aliases = {"mine": "fun-asr"}

    assert "mine" == catalogue.deployed("mine", ["whisper-1"], aliases)
    assert "whisper-1" == catalogue.deployed("prod", ["prod", "whisper-1"], aliases)
    with pytest.raises(ModelNotFound, match=r"COMPAT_MODEL_ALIASES=prod=qwen3-asr-flash"):
        catalogue.deployed("prod", ["gpt-5"], aliases)


REFUSED = [  # asked for, answer, seconds, region → parameter, what the message names
    ("qwen3-asr-flash-2026-02-10", "srt", 10, "beijing", "response_format", "qwen3-asr-flash-filetrans"),
    ("qwen3-asr-flash-2026-02-10", "json", 301, "beijing", "model", "qwen3-asr-flash-filetrans"),
    ("qwen3-asr-flash-filetrans", "diarized_json", 10, "beijing", "response_format", "gpt-4o-transcribe-diarize"),
    ("whisper-1", "diarized_json", 10, "us", "model", "Singapore"),
    ("paraformer-v2", "json", 10, "singapore", "model", "qwen3-asr-flash"),
    ("qwen3-asr-flash-realtime", "json", 10, "beijing", "model", "live speech"),
    ("whisper-1", "json", 12 * HOUR + 1, "beijing", "file", "43200 s"),
]


@pytest.mark.parametrize(("name", "form", "seconds", "region", "param", "named"), REFUSED)
def test_what_cannot_be_done_is_refused_naming_what_can(
    name: str, form: ResponseFormat, seconds: float, region: str, param: str, named: str
) -> None:
    with pytest.raises(BadRequest, match=named) as refused:
        road(name, form=form, region=region, sound=media(seconds=seconds))

    assert param == refused.value.param


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
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
def test_audio_that_a_surface_cannot_take_as_it_is_is_re_encoded(
    model: str, container: str, size: int, refit: bool
) -> None:
    assert refit == road(model, sound=media(container=container, size=size)).refit


AUTO: catalogue.LongRoad = "auto"
CLOSED: tuple[Surface, ...] = ("filetrans",)
LONG: list[tuple[Ask, float, str, catalogue.LongRoad, bool, str, str]] = [
    # asked, seconds, region, the operator's wish, whether filetrans is closed → model, surface
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


@pytest.mark.parametrize(("ask", "seconds", "region", "wish", "closed", "model", "surface"), LONG)
def test_the_road_of_long_audio(
    ask: Ask, seconds: float, region: str, wish: catalogue.LongRoad, closed: bool, model: str, surface: str
) -> None:
    taken = catalogue.road(
        ask,
        media(seconds=seconds, container="webm", size=5_000_000_000) if surface == "pieces" else media(seconds=seconds),
        region=region,
        aliases={},
        longest=HOUR,
        long_road=wish,
        closed=CLOSED if closed else (),
    )

    assert (model, surface, False) == (taken.model, taken.surface, taken.refit)


def remote() -> Media:
    return msgspec.structs.replace(media(seconds=0, size=0, container=""), url="https://example.com/a.mp3")


@pytest.mark.parametrize(
    ("name", "wish", "model"),
    [
        ("whisper-1", "auto", "qwen3-asr-flash-filetrans"),
        ("whisper-1", "pieces", "qwen3-asr-flash-filetrans"),
        ("fun-asr", "auto", "fun-asr"),
    ],
)
def test_an_address_goes_to_a_model_that_fetches(name: str, wish: catalogue.LongRoad, model: str) -> None:
    taken = catalogue.road(
        Ask(model=name), remote(), region="beijing", aliases={}, longest=1, long_road=wish, closed=CLOSED
    )

    assert (model, False) == (taken.model, taken.refit)


@pytest.mark.parametrize(("name", "region"), [("qwen3-asr-flash-2026-02-10", "beijing"), ("whisper-1", "us")])
def test_an_address_is_refused_where_no_model_fetches(name: str, region: str) -> None:
    with pytest.raises(BadRequest) as refused:
        road(name, region=region, sound=remote())

    assert "url" == refused.value.param


def test_a_piece_is_asked_for_as_short_audio_is() -> None:
    ask = Ask(model="whisper-1", context="Bulge", language="fil", granularities=frozenset({"word"}))
    for region, model, surface in (("us", "qwen3-asr-flash-us", "generation"), ("beijing", "qwen3-asr-flash", "chat")):
        taken = catalogue.road(ask, media(seconds=400), region=region, aliases={}, longest=HOUR, long_road="pieces")
        whole, ignored = catalogue.request(ask, media(seconds=400), taken)
        piece = catalogue.piece(whole, media(seconds=100))

        assert (model, surface, "Bulge", "fil", 100) == (
            piece.model, piece.surface, piece.context, piece.language, piece.media.duration,
        )  # fmt: skip
        assert ("timestamp_granularities",) == ignored


def test_what_a_file_task_was_asked_can_be_asked_of_pieces() -> None:
    ask = Ask(model="qwen3-asr-flash-filetrans", response_format="srt", extensions={"enable_itn": ("true",)})
    taken = catalogue.road(ask, media(), region="beijing", aliases={}, longest=HOUR)
    request, _ = catalogue.request(ask, media(), taken)

    other = catalogue.instead(request)

    assert other is not None
    assert ("qwen3-asr-flash", "pieces", False, {"enable_itn": True}) == (
        other.model, other.surface, other.words, other.options,
    )  # fmt: skip
    assert catalogue.instead(msgspec.structs.replace(request, options={"channel_id": [1]})) is None
    assert catalogue.instead(msgspec.structs.replace(request, surface="transcription")) is None


@pytest.mark.parametrize("name", catalogue.names({"mine": "fun-asr"}))
def test_every_listed_name_is_known(name: str) -> None:
    model, row = catalogue.resolve(name, {"mine": "fun-asr"})

    assert model
    assert row in catalogue.MODELS


def test_options_are_typed_and_what_a_model_lacks_is_named() -> None:
    ask = Ask(
        model="paraformer-v2",
        language="de",
        context="Bulge, Bracket",
        guides=("keywords",),
        extensions={
            "enable_itn": ("true",),
            "disfluency_removal_enabled": ("True",),
            "channel_id": ("0", "1"),
            "language_hints": ('["zh", "en"]',),
            "speaker_count": ("2",),
            "vocabulary_id": ("vocab-1",),
        },
        ignored=("temperature",),
    )
    taken = catalogue.road(ask, STEREO, region="beijing", aliases={}, longest=HOUR)

    request, ignored = catalogue.request(ask, STEREO, taken)

    assert ("temperature", "enable_itn", "keywords") == ignored
    assert ("de", "") == (request.language, request.context)
    assert {
        "timestamp_alignment_enabled": True,
        "special_word_filter": '{"system_reserved_filter":false}',
        "disfluency_removal_enabled": True,
        "channel_id": [0, 1],
        "language_hints": ["zh", "en"],
        "speaker_count": 2,
        "vocabulary_id": "vocab-1",
    } == request.options


@pytest.mark.parametrize(
    ("model", "language", "asked", "ignored"),
    [
        ("whisper-1", "zh", "zh", ()),
        ("whisper-1", "fil", "fil", ()),
        ("whisper-1", "nl", None, ("language",)),
        ("fun-asr", "nl", "nl", ()),
        ("fun-asr", "fil", "tl", ()),
        ("paraformer-v2", "sv", None, ("language",)),
    ],
)
def test_a_language_is_asked_for_by_the_model_s_own_code(
    model: str, language: str, asked: str | None, ignored: tuple[str, ...]
) -> None:
    ask = Ask(model=model, language=language)
    taken = catalogue.road(ask, media(), region="beijing", aliases={}, longest=HOUR)

    request, named = catalogue.request(ask, media(), taken)

    assert (asked, ignored) == (request.language, named)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("disfluency_removal_enabled", "perhaps"),
        ("channel_id", "left"),
        ("speaker_count", "two"),
        ("special_word_filter", "[]"),
    ],
)
def test_an_option_of_the_wrong_kind_is_refused(name: str, value: str) -> None:
    ask = Ask(model="paraformer-v2", extensions={name: (value,)})
    taken = catalogue.road(ask, media(), region="beijing", aliases={}, longest=HOUR)

    with pytest.raises(BadRequest) as refused:
        catalogue.request(ask, media(), taken)

    assert name == refused.value.param


LIVE = [  # asked for → model
    ("whisper-1", "qwen3-asr-flash-realtime"),
    ("gpt-4o-transcribe", "qwen3-asr-flash-realtime"),
    ("gpt-realtime-whisper", "qwen3-asr-flash-realtime"),
    ("gpt-live-transcribe", "qwen3-asr-flash-realtime"),
    ("qwen3-asr-flash", "qwen3-asr-flash-realtime"),
    ("qwen3-asr-flash-realtime-2026-02-10", "qwen3-asr-flash-realtime-2026-02-10"),
    ("captions", "qwen3-asr-flash-realtime"),
]


@pytest.mark.parametrize(("name", "model"), LIVE)
def test_who_hears_live_speech(name: str, model: str) -> None:
    assert model == catalogue.live(name, region="singapore", aliases={"captions": "whisper-1"})


@pytest.mark.parametrize(
    ("name", "region", "message"),
    [
        ("fun-asr", "beijing", "use gpt-live-transcribe or qwen3-asr-flash-realtime"),
        ("paraformer-realtime-v2", "beijing", "use gpt-live-transcribe or qwen3-asr-flash-realtime"),
        ("qwen3-asr-flash-filetrans", "beijing", "use gpt-live-transcribe or qwen3-asr-flash-realtime"),
        ("whisper-1", "us", "use Beijing or Singapore"),
    ],
)
def test_who_does_not_is_told_who_does(name: str, region: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        catalogue.live(name, region=region, aliases={})


def test_an_unknown_live_model_is_not_found() -> None:
    with pytest.raises(ModelNotFound):
        catalogue.live("gpt-9", region="beijing", aliases={})
