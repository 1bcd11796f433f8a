"""Validation of transcription and translation forms: text fields in, one Ask out.

An invalid field raises BadRequest (400) with its name as `param`. A valid parameter that cannot take effect is listed
in `ignored`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, get_args

from compat import addresses, languages
from compat.errors import BadRequest
from compat.openai_api import context, strategy
from compat.openai_api.fields import Fields, choice, number, switch, unquoted, words
from compat.openai_api.parameters import TRANSLATION
from compat.transcript import LAYOUT_LIMITS, Ask, CaptionFormat, Granularity, LanguageParam, Layout, ResponseFormat
from compat.transcript import context as joined_context

SPEAKERS = 4
USUAL = frozenset(
    (
        "model",
        "language",
        "response_format",
        "stream",
        "temperature",
        "timestamp_granularities[]",
        "timestamp_granularities",
    )
)
"""Fields of forms whose Ask is remembered; prompts and addresses are not."""
LONGEST_USUAL = 64  # characters of such a field
# Deltas have no timestamps, so the other formats are not streamed. OpenAI's whisper-1 does not stream them either.
STREAMED = ("json", "text", "diarized_json")


def ask(fields: Sequence[tuple[str, str]], query: Sequence[tuple[str, str]] = ()) -> Ask:
    """Return the Ask for the text fields of a transcription form; the endpoint handles the file.

    `fields` are in the order sent. Parameters in `query` have no effect and are listed as ignored. Raises BadRequest
    with `param` for values that OpenAI's schema does not allow.
    """
    usual = not query and all(name in USUAL and len(value) <= LONGEST_USUAL for name, value in fields)
    return _remembered(tuple(fields)) if usual else _ask(fields, query)


@functools.lru_cache(256)
def _remembered(fields: tuple[tuple[str, str], ...]) -> Ask:
    """Return the Ask for a form of usual fields, without a prompt or an address. Most clients send the same fields with
    each file."""
    return _ask(fields, ())


def _ask(fields: Sequence[tuple[str, str]], query: Sequence[tuple[str, str]]) -> Ask:
    form = Fields(fields)
    model = _model(form, query, "transcribe")
    response_format = _response_format(form)
    granularities, times_lost = _granularities(form, response_format)
    language, language_param, ignored_languages = _language(form)
    background, webhook_url = _background(form)
    url = _url(form)
    stream = _stream(form) and response_format in STREAMED
    captions, captions_lost = _captions(form, response_format, stream)
    layout, layout_lost = _layout(form, captioned=bool(captions) or response_format in ("srt", "vtt"))
    return Ask(
        model=model,
        response_format=response_format,
        granularities=granularities,
        stream=stream,
        language=language,
        language_param=language_param,
        **_bias(form),
        extensions={name: tuple(values) for name, values in form.extensions.items()},
        ignored=(
            *ignored_languages,
            *(["timestamp_granularities"] if times_lost else []),
            *(["captions"] if captions_lost else []),
            *layout_lost,
            *_ignored(form),
            *_unread(query, fields),
        ),
        background=background,
        webhook_url=webhook_url,
        url=url,
        captions=captions,
        layout=layout,
    )


TRANSLATED: tuple[ResponseFormat, ...] = ("json", "text", "srt", "vtt", "verbose_json")
ENGLISH = "en"


def translation(fields: Sequence[tuple[str, str]], query: Sequence[tuple[str, str]] = ()) -> Ask:
    """Return the Ask for the text fields of a translation form.

    `target_language` and `language`, the language of the speech, are extensions. The other fields of a transcription
    are listed as ignored. Raises BadRequest with `param`.
    """
    form = Fields(fields)
    model = _model(form, query, "translate")
    target = form.extension("target_language")
    url = _url(form)
    language, language_param, ignored_languages = _language(form)
    response_format = choice(form.one("response_format") or "json", TRANSLATED, "response_format")
    layout, layout_lost = _layout(form, captioned=response_format in ("srt", "vtt"))
    known = {row.name for row in TRANSLATION} | {"language", "languages", "keywords"}
    return Ask(
        model=model,
        response_format=response_format,
        language=language,
        language_param=language_param,
        **_bias(form),
        extensions={name: tuple(values) for name, values in form.extensions.items()},
        ignored=(
            *ignored_languages,
            *layout_lost,
            *(["temperature"] if _has_temperature(form) else []),
            *(name for name in form.values if name not in known),
            *_unread(query, fields),
        ),
        target=language_code(target, "target_language", languages.written) if target else ENGLISH,
        url=url,
        layout=layout,
    )


def language_code(text: str, param: str, parse: Callable[[str], str] = languages.parse) -> str:
    """Return DashScope's code of a language. Raises BadRequest for an unknown language."""
    try:
        return parse(text)
    except ValueError as exc:
        raise BadRequest(f"{param}: {exc}", param=param) from exc


def _model(form: Fields, query: Sequence[tuple[str, str]], verb: str) -> str:
    model = form.one("model")
    if model:
        return model
    misplaced = any(name == "model" for name, _ in query)
    advice = "send it as a field of the form, not in the query" if misplaced else f"name the model that should {verb}"
    raise BadRequest(
        f"model is missing: {advice}.",
        param="model",
        code="missing_required_parameter",
    )


def _unread(query: Sequence[tuple[str, str]], fields: Sequence[tuple[str, str]]) -> list[str]:
    """Return the query parameters that the form does not repeat, except Azure's `api-version`."""
    return [name for name, value in query if name != "api-version" and (name, value) not in fields]


def _url(form: Fields) -> str | None:
    url = form.extension("url")
    return addresses.check(addresses.encoded(url), "url") if url else None


def _response_format(form: Fields) -> ResponseFormat:
    formats: tuple[ResponseFormat, ...] = get_args(ResponseFormat)
    return choice(form.one("response_format") or "json", formats, "response_format")


def _granularities(form: Fields, response_format: ResponseFormat) -> tuple[frozenset[Granularity], bool]:
    """Return the granularities, and whether they are ignored because the format is not verbose_json."""
    param = "timestamp_granularities"
    granularities: tuple[Granularity, ...] = get_args(Granularity)
    wanted = frozenset([choice(value, granularities, param) for value in form.words(param)])
    if response_format != "verbose_json":
        return frozenset(), bool(wanted)
    return wanted or frozenset({"segment"}), False


def _captions(form: Fields, response_format: ResponseFormat, stream: bool) -> tuple[tuple[CaptionFormat, ...], bool]:
    """Return the formats of the extension `captions`, and whether they are ignored.

    Captions accompany the segments of verbose_json and diarized_json responses that are not streamed.
    """
    formats: tuple[CaptionFormat, ...] = get_args(CaptionFormat)
    names = [word for value in form.extensions.pop("captions", []) for word in words(value)]
    wanted = tuple(dict.fromkeys(choice(word, formats, "captions") for word in names))
    if stream or response_format not in ("verbose_json", "diarized_json"):
        return (), bool(wanted)
    return wanted, False


def _layout(form: Fields, *, captioned: bool) -> tuple[Layout, list[str]]:
    """Return the limits of captions, which are extensions, and their names if they are ignored: without captions."""
    limits = {}
    for name, most in LAYOUT_LIMITS.items():
        text = unquoted(form.extension(name))
        if text and not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= most):
            raise BadRequest(f"{name} {text[:40]!r} is not a whole number from 1 to {most:,}.", param=name)
        if text:
            limits[name] = int(text)
    return (Layout(**limits), []) if captioned else (Layout(), list(limits))


def _stream(form: Fields) -> bool:
    return switch(form.one("stream"), "stream")


def _background(form: Fields) -> tuple[bool, str | None]:
    """Return the extensions for background jobs, `background` and `webhook_url`."""
    background = switch(form.extension("background"), "background")
    webhook_url = addresses.encoded(form.extension("webhook_url")) or None
    if webhook_url and not background:
        raise BadRequest("webhook_url needs background=true.", param="webhook_url")
    if background and _stream(form):
        raise BadRequest("stream and background exclude each other.", param="background")
    return background, webhook_url


def _language(form: Fields) -> tuple[str | None, LanguageParam, tuple[str, ...]]:
    """Return the language of the speech, the parameter that names it, and the parameters that are ignored.

    With several `languages` the service detects the language.
    """
    one = form.one("language")
    words = [text for text in form.words("languages") if text.lower() not in languages.UNDETERMINED]
    several = list(dict.fromkeys(language_code(text, "languages") for text in words))
    param: LanguageParam = "languages" if several else "language"
    codes = several
    if one and one.lower() not in languages.UNDETERMINED:
        param, codes = "language", [language_code(one, "language")]
        if several and codes[0] not in several:
            raise BadRequest(f"language {one!r} is not among the languages given.", param="languages")
    lost = ("languages",) if len(several) > 1 else ()
    if len(codes) != 1:
        return None, "language", lost
    return codes[0], param, lost


def _bias(form: Fields) -> dict[str, Any]:
    """Return `prompt` and `keywords`."""
    prompt, keywords = form.one("prompt") or "", tuple(form.many("keywords"))
    context.check(joined_context(prompt, keywords), "prompt" if prompt else "keywords")
    return {"prompt": prompt, "keywords": keywords}


def _ignored(form: Fields) -> list[str]:
    """Return the valid parameters that no model supports."""
    checks = (
        ("temperature", _has_temperature),
        ("include", _has_include),
        (strategy.PARAM, strategy.given),
        ("stream", lambda form: _stream(form) and (form.one("response_format") or "json") not in STREAMED),
    )
    return [name for name, given in checks if given(form)] + _speakers(form)


def _has_temperature(form: Fields) -> bool:
    text = form.one("temperature")
    value = number(text or "0")
    if value is None or not 0 <= value <= 1:
        raise BadRequest(f"temperature {text[:40]!r} is not a number from 0 to 1.", param="temperature")
    return value != 0


def _has_include(form: Fields) -> bool:
    wanted = [choice(value, ("logprobs",), "include") for value in form.words("include")]
    return bool(wanted)


def _speakers(form: Fields) -> list[str]:
    names, references = form.many("known_speaker_names"), form.many("known_speaker_references")
    for param, values in (("known_speaker_names", names), ("known_speaker_references", references)):
        if len(values) > SPEAKERS:
            raise BadRequest(f"{param} has {len(values)} entries; {SPEAKERS} are allowed.", param=param)
    if len(names) != len(references):
        raise BadRequest(
            f"There are {len(names)} known_speaker_names and {len(references)} known_speaker_references.",
            param="known_speaker_references",
        )
    if not all(reference.startswith("data:") for reference in references):
        raise BadRequest("known_speaker_references are not all data URLs.", param="known_speaker_references")
    return ["known_speaker_names", "known_speaker_references"] if names else []
