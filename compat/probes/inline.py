"""Probes of the synchronous surfaces: chat, generation, generation-audio, and translation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from compat.dashscope_api import chat, filetrans, generation, generation_audio
from compat.dashscope_api.calls import Reply, ask, json_call
from compat.dashscope_api.sse import Events
from compat.probes.probe import NAME, Found, Probe, Trial, Value, amounts, members, named
from compat.probes.steps import Steps, Unanswered, accepted, decoded, member, refusal

CHAT, AUDIO3, AUDIO3_OLD, MT = (
    "qwen3-asr-flash",
    "qwen-audio-3.1-asr-flash",
    "qwen-audio-3.0-asr-flash",
    "qwen-mt-flash",
)
CLIP = 8.0  # seconds of the bundled speech, rounded up
LIMITS = ("ratelimit", "rate-limit", "retry-after", "quota")
UNKNOWN = "tlh"  # Klingon, a valid code of ISO 639


def _chat(trial: Trial) -> Steps[Found]:
    request = trial.request(CHAT, "chat")
    reply = yield from ask(chat.call(request, stream=False))
    body = accepted(reply)
    message, usage = member(body, "choices", 0, "message"), body.get("usage")
    return Found(
        readings=chat_readings(body),
        observed=f"message: {members(message)}; {amounts(usage)}; {rate_headers(reply.headers)}",
        evidence=f"HTTP {reply.status}",
        heard={CHAT: chat.transcript(request, reply).text},
    )


def chat_readings(body: Mapping[str, Any]) -> dict[str, Value]:
    message, usage = member(body, "choices", 0, "message"), body.get("usage")
    return {"annotations": bool(member(message, "annotations")), "seconds": member(usage, "seconds") is not None}


def rate_headers(headers: Mapping[str, str]) -> str:
    found = sorted(name for name in headers if any(part in name for part in LIMITS))
    return f"rate headers: {' '.join(found) or 'none'}"


def _language(trial: Trial) -> Steps[Found]:
    """The reading is that of chat. The file task has an empty address, and costs nothing."""
    reply = yield from ask(chat.call(trial.request(CHAT, "chat", language=UNKNOWN), stream=False))
    if reply.status not in (200, 400):
        raise Unanswered(refusal(reply))
    native = yield from ask(generation.call(trial.request(CHAT, "generation", language=UNKNOWN), stream=False))
    submit = filetrans.submit(trial.request("qwen3-asr-flash-filetrans", "filetrans", language=UNKNOWN), "")
    task = yield from ask(submit)
    replies = {"chat": reply, "native": native, "file task": task}
    return Found(
        readings={"refuse_unknown_language": reply.status == 400},
        observed="; ".join(
            f"{name}: {'refused' if reply.status == 400 else 'ignored'}" for name, reply in replies.items()
        ),
        evidence="; ".join(map(refusal, replies.values())),
    )


def _identification(trial: Trial) -> Steps[Found]:
    """The option `enable_lid`, on and off."""
    seen = []
    for given in (True, False):
        request = trial.request(CHAT, "chat", options={"enable_lid": given})
        body = accepted((yield from ask(chat.call(request, stream=False))))
        language = member(body, "choices", 0, "message", "annotations", 0, "language")
        seen.append(f"{str(given).lower()}: language {language or 'none'}")
    return Found(observed="; ".join(seen))


def _context(trial: Trial) -> Steps[Found]:
    request = trial.request(CHAT, "chat", context=f"Names: {NAME}")
    reply = yield from ask(chat.call(request, stream=False))
    accepted(reply)
    return acting("the system message", chat.transcript(request, reply).text)


def acting(place: str, text: str) -> Found:
    """Return what a transcript shows about a hint to spell the name differently."""
    return Found(observed=f"{place} {'acts' if named(text) else 'did not change the spelling of a name'}")


def _stream(trial: Trial) -> Steps[Found]:
    request = trial.request(trial.generation_model, "generation")
    reply = yield from ask(generation.call(request, stream=True))
    accepted(reply)
    text = reply.body.decode(errors="replace")
    reasons = [member(frame, "output", "choices", 0, "finish_reason") for frame in frames(reply)]
    return Found(
        readings={"status_line": status_line(text.splitlines()), **unfinished(reasons)},
        observed=f"status line: {status_line(text.splitlines())}; {len(reasons)} frames",
        evidence=f"finish_reason {' '.join(sorted(set(map(repr, reasons))))}",
    )


def frames(reply: Reply) -> list[dict[str, Any]]:
    events = Events()
    return [decoded(event.data) for event in [*events.feed(reply.body), *events.flush()]]


def status_line(lines: Iterable[str]) -> str:
    for line in lines:
        if line.startswith(":HTTP_STATUS"):
            return "comment"
        if line.startswith("status:"):
            return "field"
    return "absent"


def unfinished(reasons: list[str | None]) -> dict[str, Value]:
    """Return the reading for the reasons of all frames. A single frame decides nothing."""
    return {"finish_reason_string": "null" in reasons} if reasons[:-1] else {}


def _silence(trial: Trial) -> Steps[Found]:
    request = trial.request(trial.generation_model, "generation", "silence")
    body = accepted((yield from ask(generation.call(request, stream=False))))
    content = member(body, "output", "choices", 0, "message", "content")
    if content not in ([], [{"text": ""}]):
        raise Unanswered(f"content is {type(content).__name__}, and has text" if content else "no content")
    return Found(readings={"silence_content_empty_list": content == []}, observed=f"content: {content}")


def _refused_stream(trial: Trial) -> Steps[Found]:
    """A stream of a request without audio. It costs nothing."""
    body = {"model": trial.generation_model, "input": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}}
    reply = yield from ask(json_call(generation.URL, body, generation.STREAMED))
    if reply.status >= 500 or reply.status in (401, 403, 404, 429):
        raise Unanswered(refusal(reply))
    inside = reply.status == 200
    if inside and b"event:error" not in reply.body.replace(b": ", b":"):
        raise Unanswered("a request without audio was accepted")
    observed = "event:error" if inside else "an error status"
    return Found(readings={"refusal_in_stream": inside}, observed=observed, evidence=refusal(reply))


def _audio3(trial: Trial) -> Steps[Found]:
    request = trial.request(AUDIO3, "generation-audio")
    reply = yield from ask(generation_audio.call(request, stream=False))
    body = accepted(reply)
    shape = audio3_shape(body)
    if shape is None:
        raise Unanswered(f"no text in {members(body)}")
    return Found(
        readings={"audio3_shape": shape},
        observed=f"the result is at: {shape}; {amounts(body.get('usage'))}",
        heard={AUDIO3: generation_audio.transcript(request, reply).text},
    )


def audio3_shape(body: Mapping[str, Any]) -> str | None:
    """Return where the text of a result is."""
    places = {"output": ("output", "text"), "nested": ("output", "output", "text"), "top": ("text",)}
    return next((shape for shape, path in places.items() if member(body, *path) is not None), None)


def _audio3_old(trial: Trial) -> Steps[Found]:
    request = trial.request(AUDIO3_OLD, "generation-audio")
    reply = yield from ask(generation_audio.call(request, stream=False))
    usage = accepted(reply).get("usage")
    text = generation_audio.transcript(request, reply).text
    return Found(observed=amounts(usage), heard={AUDIO3_OLD: text})


def _hints(trial: Trial) -> Steps[Found]:
    """Hot words and context of qwen-audio-3, one request each."""
    seen = []
    vocabulary: dict[str, Any] = dict.fromkeys(NAME.split(), 5)
    for place, request in (
        ("parameters.vocabulary", trial.request(AUDIO3, "generation-audio", options={"vocabulary": vocabulary})),
        ("input.messages", trial.request(AUDIO3, "generation-audio", context=f"Names: {NAME}")),
    ):
        reply = yield from ask(generation_audio.call(request, stream=False))
        if reply.status == 200:
            seen.append(acting(place, generation_audio.transcript(request, reply).text).observed)
        else:
            seen.append(f"{place} is refused ({refusal(reply)})")
    return Found(observed="; ".join(seen))


def _limits(trial: Trial) -> Steps[Found]:
    """Audio just beyond the documented limits of 300 s, and of 10 MB as a data URI."""
    seen = []
    for what, request in (
        ("305 s", trial.request(CHAT, "chat", "long")),
        ("a data URI of 10.7 MB", trial.request(CHAT, "chat", "large")),
    ):
        reply = yield from ask(chat.call(request, stream=False))
        seen.append(f"{what}: {'accepted' if reply.status == 200 else refusal(reply)}")
    return Found(observed="; ".join(seen))


def _mt(_: Trial) -> Steps[Found]:
    body = {
        "model": MT,
        "stream": True,
        "messages": [{"role": "user", "content": "The river was quiet, and seven small boats were waiting."}],
        "translation_options": {"source_lang": "English", "target_lang": "French"},
    }
    reply = yield from ask(json_call(chat.URL, body))
    accepted(reply)
    texts = [text for frame in frames(reply) if (text := member(frame, "choices", 0, "delta", "content"))]
    return Found(readings=cumulative(texts), observed=f"{len(texts)} chunks with text")


def cumulative(texts: list[str]) -> dict[str, Value]:
    """Return the reading for the texts of all chunks. A single chunk decides nothing."""
    if len(texts) < 2:
        return {}
    return {"mt_flash_cumulative": all(after.startswith(before) for before, after in pairwise(texts))}


PROBES = (
    Probe(
        name="chat",
        question="Does chat return annotations, usage.seconds and rate headers?",
        readings=("annotations", "seconds"),
        model=CHAT,
        seconds=CLIP,
        run=_chat,
    ),
    Probe(
        name="chat-language",
        question="Is an unsupported language refused or ignored?",
        readings=("refuse_unknown_language",),
        model=CHAT,
        seconds=2 * CLIP,
        run=_language,
    ),
    Probe(
        name="chat-identification",
        question="Does enable_lid change the language that chat returns?",
        model=CHAT,
        seconds=2 * CLIP,
        run=_identification,
    ),
    Probe(
        name="chat-context",
        question="Does a system message act as context?",
        model=CHAT,
        seconds=CLIP,
        run=_context,
    ),
    Probe(
        name="sync-limits",
        question="What happens just beyond the limits of 300 s and 10 MB?",
        model=CHAT,
        seconds=390.0,
        run=_limits,
    ),
    Probe(
        name="native-stream",
        question="How do native streams mark the status and the end?",
        readings=("status_line", "finish_reason_string"),
        model=CHAT,
        seconds=CLIP,
        everywhere=True,
        run=_stream,
    ),
    Probe(
        name="native-silence",
        question="What is the content of a native response to silence?",
        readings=("silence_content_empty_list",),
        model=CHAT,
        seconds=2.0,
        everywhere=True,
        run=_silence,
    ),
    Probe(
        name="native-refusal",
        question="Is a refused native stream an event or an error status?",
        readings=("refusal_in_stream",),
        run=_refused_stream,
    ),
    Probe(
        name="audio3",
        question="Where does qwen-audio-3.1 return its result, and in which unit the usage?",
        readings=("audio3_shape",),
        model=AUDIO3,
        seconds=CLIP,
        run=_audio3,
    ),
    Probe(
        name="audio3.0",
        question="Does qwen-audio-3.0 answer, and in which unit is its usage?",
        model=AUDIO3_OLD,
        seconds=CLIP,
        run=_audio3_old,
    ),
    Probe(
        name="audio3-hints",
        question="Do hot words and context act on qwen-audio-3.1?",
        model=AUDIO3,
        seconds=2 * CLIP,
        run=_hints,
    ),
    Probe(
        name="translation-stream",
        question="Do the chunks of qwen-mt-flash repeat the text so far?",
        readings=("mt_flash_cumulative",),
        model=MT,
        seconds=1.0,
        run=_mt,
    ),
)
