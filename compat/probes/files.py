"""Probes of file tasks, temporary uploads and stored vocabularies."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Mapping
from typing import Any

import msgspec

from compat.catalogue.vocabularies import HotWord
from compat.dashscope_api import filetrans, vocabularies
from compat.dashscope_api.calls import Call, Reply, Wait, ask, json_call
from compat.dashscope_api.inline import context_messages
from compat.dashscope_api.results import Result
from compat.dashscope_api.uploads import RESOLVE, upload
from compat.errors import CompatError
from compat.probes.inline import CLIP, acting
from compat.probes.probe import HALLUCINATED, NAME, Found, Probe, Sound, Trial, amounts, members
from compat.probes.steps import Steps, Unanswered, accepted, decoded, member, refusal
from compat.transcript import Option, Surface

FILETRANS, FUN, PARAFORMER = "qwen3-asr-flash-filetrans", "fun-asr", "paraformer-v2"
AUDIO3_FILES = "qwen-audio-3.1-asr-flash-filetrans"
LONGEST = 180.0  # seconds that a task may take
DOWNLOADS = (
    "FILE_DOWNLOAD_FAILED",
    "InvalidFile.DownloadFailed",
    "FILE_403",
    "FILE_404",
    "MalformedURL",
    "INVALID_FILE_URL",
)
COPIES = 20  # files of the task that is cancelled, so that it still runs when the cancellation arrives
HOUR = 3600.0
BEIJING = 8 * HOUR


class Ended(msgspec.Struct, frozen=True):
    """A task that has ended: the body of the last query, and the time of the query in seconds since 1970."""

    body: dict[str, Any]
    at: float | None

    @property
    def status(self) -> str:
        return str(member(self.body, "output", "task_status"))

    @property
    def code(self) -> str:
        output = self.body.get("output")
        return str(member(output, "code") or member(output, "results", 0, "code") or "")

    @property
    def address(self) -> str | None:
        """The address of the result file."""
        return msgspec.convert(self.body, filetrans.Task).address


def task(
    trial: Trial, model: str, surface: Surface, sound: Sound = "speech", *, context: str = "", **options: Option
) -> Steps[Ended]:
    """Upload a sound, transcribe it with a task and return the task at its end."""
    source = yield from uploaded(trial, model, sound)
    call = filetrans.submit(trial.request(model, surface, sound, context=context, options=options), source)
    return (yield from followed((yield from ask(call))))


def uploaded(trial: Trial, model: str, sound: Sound) -> Steps[str]:
    media = trial.sound(sound)
    try:
        return (yield from upload(model, media, name=f"{trial.token()}{media.suffix}", boundary=trial.token()))
    except CompatError as exc:
        raise Unanswered(f"the upload failed: {exc.message}") from exc


def followed(submitted: Reply) -> Steps[Ended]:
    task_id = member(accepted(submitted), "output", "task_id")
    waited = 0.0
    for seconds in filetrans.delays():
        yield Wait(seconds)
        waited += seconds
        reply = yield from ask(filetrans.query(str(task_id)))
        body = accepted(reply)
        if member(body, "output", "task_status") not in filetrans.UNDER_WAY:
            return Ended(body, date(reply.headers))
        if waited > LONGEST:
            break
    raise Unanswered(f"the task did not end within {LONGEST:.0f} s")


def date(headers: Mapping[str, str]) -> float | None:
    """Return the time of a response in seconds since 1970."""
    try:
        return email.utils.parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return None


def succeeded(ended: Ended) -> str:
    """Return the address of the result. Raises Unanswered for a task without one."""
    if ended.status != "SUCCEEDED" or ended.address is None:
        raise Unanswered(f"the task ended {ended.status} {ended.code}".strip())
    return ended.address


def transcript(address: str) -> Steps[Result]:
    """Fetch a result file, with the key only if it is needed. The driver sends the key to no foreign host."""
    reply = yield from ask(Call(method="GET", url=address, key=False))
    if reply.status in (401, 403):
        reply = yield from ask(Call(method="GET", url=address))
    return msgspec.convert(accepted(reply), Result)


def _policies(_: Trial) -> Steps[Found]:
    reply = yield from ask(Call(method="GET", url=f"/api/v1/uploads?action=getPolicy&model={FILETRANS}"))
    if reply.status >= 500 or reply.status in (401, 429):
        raise Unanswered(refusal(reply))
    data = decoded(reply.body).get("data")
    observed = "no" if data is None else f"yes, files of up to {member(data, 'max_file_size_mb')} MB"
    return Found(readings={"policies": data is not None}, observed=observed, evidence=refusal(reply))


def _filetrans(trial: Trial) -> Steps[Found]:
    ended = yield from task(trial, FILETRANS, "filetrans")
    if ended.status == "FAILED" and any(part in ended.code for part in DOWNLOADS):
        return Found(readings={"oss_for_filetrans": False}, observed="refused", evidence=ended.code)
    text = (yield from transcript(succeeded(ended))).text()
    return Found(
        readings={"oss_for_filetrans": True},
        observed=f"accepted; {amounts(ended.body.get('usage'))}",
        evidence=ended.status,
        heard={FILETRANS: text},
    )


def _corpus(trial: Trial) -> Steps[Found]:
    ended = yield from task(trial, FILETRANS, "filetrans", context=f"Names: {NAME}")
    return acting("parameters.corpus", (yield from transcript(succeeded(ended))).text())


def _contexts(trial: Trial) -> Steps[Found]:
    """`input.context` of the other file tasks. The documents name it for qwen-audio-3 only."""
    seen = []
    for model in (AUDIO3_FILES, FUN):
        source = yield from uploaded(trial, model, "speech")
        given = {"file_urls": [source], "context": context_messages(f"Names: {NAME}")}
        headers = {"x-dashscope-async": "enable", **RESOLVE}
        body = {"model": model, "input": given, "parameters": {}}
        reply = yield from ask(json_call(filetrans.URL, body, headers, repeatable=False, rate=model))
        if reply.status != 200:
            seen.append(f"{model}: refused ({refusal(reply)})")
            continue
        text = (yield from transcript(succeeded((yield from followed(reply))))).text()
        seen.append(acting(f"{model}: it", text).observed)
    return Found(observed="; ".join(seen))


def _fun(trial: Trial) -> Steps[Found]:
    """The result is fetched without the key first, which must not go to other hosts."""
    ended = yield from task(trial, FUN, "transcription")
    address = succeeded(ended)
    reply = yield from ask(Call(method="GET", url=address, key=False))
    needs_key = reply.status in (401, 403)
    if not needs_key:
        accepted(reply)
    submitted = member(ended.body, "output", "submit_time")
    heard = {} if needs_key else {FUN: msgspec.convert(decoded(reply.body), Result).text()}
    return Found(
        readings={"result_needs_key": needs_key, **times_utc(submitted, ended.at)},
        observed=f"result: {refusal(reply)} without the key; {amounts(ended.body.get('usage'))}",
        evidence=f"submit_time {submitted}",
        heard=heard,
    )


def times_utc(stamp: object, now: float | None) -> dict[str, bool]:
    """Return the reading for a task's `submit_time`, if the time of the response is known."""
    try:
        given = datetime.datetime.fromisoformat(str(stamp)).replace(tzinfo=datetime.UTC).timestamp()
    except ValueError:
        return {}
    for zone, utc in ((0.0, True), (BEIJING, False)):
        if now is not None and abs(given - zone - now) < HOUR:
            return {"task_times_utc": utc}
    return {}


def _silence(trial: Trial) -> Steps[Found]:
    ended = yield from task(trial, FUN, "transcription", "silence")
    codes = {"SUCCESS_WITH_NO_VALID_FRAGMENT": "no_fragment", "ASR_RESPONSE_HAVE_NO_WORDS": "no_words"}
    outcome = codes.get(ended.code)
    if outcome is None:
        if (yield from transcript(succeeded(ended))).text():
            raise Unanswered(HALLUCINATED)
        outcome = "empty"
    return Found(readings={"silence_task": outcome}, observed=outcome, evidence=f"{ended.status} {ended.code}".strip())


def _paraformer(trial: Trial) -> Steps[Found]:
    ended = yield from task(trial, PARAFORMER, "transcription")
    result = yield from transcript(succeeded(ended))
    segments = result.segments()
    if not segments:
        raise Unanswered("the result has no sentence")
    timed = any(segment.end > 0 or segment.words for segment in segments)
    return Found(
        readings={"paraformer_always_timed": timed},
        observed="times without timestamp_alignment_enabled" if timed else "no times",
        evidence=f"{len(segments)} sentences",
        heard={PARAFORMER: result.text()},
    )


def _audio3_files(trial: Trial) -> Steps[Found]:
    ended = yield from task(trial, AUDIO3_FILES, "filetrans-3")
    address = succeeded(ended)
    output = ended.body.get("output")
    places = {"nested": ("output",), "single": ("result",), "list": ("results",)}
    shape = next((shape for shape, path in places.items() if member(output, *path) is not None), None)
    if shape is None:
        raise Unanswered(f"no result in {members(output)}")
    return Found(
        readings={"audio3_files": shape},
        observed=f"{shape}; {amounts(ended.body.get('usage'))}",
        evidence=f"output: {members(output)}",
        heard={AUDIO3_FILES: (yield from transcript(address)).text()},
    )


def _cancel(trial: Trial) -> Steps[Found]:
    source = yield from uploaded(trial, FUN, "speech")
    body = {"model": FUN, "input": {"file_urls": [source] * COPIES}, "parameters": {}}
    headers = {"x-dashscope-async": "enable", **RESOLVE}
    submitted = yield from ask(json_call(filetrans.URL, body, headers, repeatable=False, rate=FUN))
    task_id = str(member(accepted(submitted), "output", "task_id"))
    status = "PENDING"
    for _ in range(200):
        status = str(member(accepted((yield from ask(filetrans.query(task_id)))), "output", "task_status"))
        if status != "PENDING":
            break
        yield Wait(0.25)
    if status != "RUNNING":
        raise Unanswered(f"the task was {status} before it could be cancelled")
    reply = yield from ask(filetrans.cancel(task_id))
    return Found(
        readings={"cancel_running": reply.status == 200},
        observed="cancelled" if reply.status == 200 else "refused",
        evidence=refusal(reply),
    )


def _synchronous_model(_: Trial) -> Steps[Found]:
    """A synchronous model on the task surface, with an empty address. It costs nothing."""
    body = {"model": "qwen3-asr-flash", "input": {"file_url": ""}, "parameters": {}}
    reply = yield from ask(json_call(filetrans.URL, body, {"x-dashscope-async": "enable"}, repeatable=False))
    if reply.status not in (400, 403):
        raise Unanswered(refusal(reply))
    denied = reply.status == 403
    return Found(readings={"sync_on_async_denied": denied}, observed=refusal(reply))


def _vocabulary(_: Trial) -> Steps[Found]:
    """Create a vocabulary, read its status, and delete it. It costs nothing."""
    words = [HotWord(name, 4) for name in NAME.split()]
    created = accepted((yield from ask(vocabularies.create(FUN, "verify", words))))
    vocabulary_id = str(member(created, "output", "vocabulary_id"))
    status = None
    for seconds in (0.0, 2.0, 5.0, 10.0):
        yield Wait(seconds)
        reply = yield from ask(vocabularies.query(vocabulary_id))
        status = member(decoded(reply.body), "output", "status")
        if status == "OK":
            break
    yield from ask(vocabularies.delete(vocabulary_id))
    if status not in ("OK", "UNDEPLOYED"):
        raise Unanswered(f"the status is {status}")
    return Found(readings={"vocabulary_status": status}, observed=status)


PROBES = (
    Probe(
        name="upload-policy",
        question="Does this host give upload policies?",
        readings=("policies",),
        run=_policies,
    ),
    Probe(
        name="filetrans-oss",
        question="Does qwen3-asr-flash-filetrans read oss:// uploads?",
        readings=("oss_for_filetrans",),
        model=FILETRANS,
        seconds=CLIP,
        waits=10.0,
        run=_filetrans,
    ),
    Probe(
        name="filetrans-corpus",
        question="Does corpus act as context of file tasks?",
        model=FILETRANS,
        seconds=CLIP,
        waits=10.0,
        run=_corpus,
    ),
    Probe(
        name="task-context",
        question="Does input.context act as context of other file tasks?",
        model=FUN,
        seconds=2 * CLIP,
        waits=20.0,
        run=_contexts,
    ),
    Probe(
        name="task-result",
        question="Is a result file public, and in which time zone are the times of a task?",
        readings=("result_needs_key", "task_times_utc"),
        model=FUN,
        seconds=CLIP,
        waits=10.0,
        run=_fun,
    ),
    Probe(
        name="task-silence",
        question="How does a file task without speech end?",
        readings=("silence_task",),
        model=FUN,
        seconds=2.0,
        waits=10.0,
        run=_silence,
    ),
    Probe(
        name="paraformer-times",
        question="Does paraformer-v2 return times that were not requested?",
        readings=("paraformer_always_timed",),
        model=PARAFORMER,
        seconds=CLIP,
        waits=10.0,
        run=_paraformer,
    ),
    Probe(
        name="audio3-files",
        question="Where do qwen-audio-3.1 file tasks return their result?",
        readings=("audio3_files",),
        model=AUDIO3_FILES,
        seconds=CLIP,
        waits=10.0,
        run=_audio3_files,
    ),
    Probe(
        name="task-cancel",
        question="Can a running task be cancelled?",
        readings=("cancel_running",),
        model=FUN,
        seconds=COPIES * CLIP,
        run=_cancel,
    ),
    Probe(
        name="task-model",
        question="How is a synchronous model refused as a file task?",
        readings=("sync_on_async_denied",),
        run=_synchronous_model,
    ),
    Probe(
        name="vocabulary",
        question="Is a stored vocabulary in force soon after it was created?",
        readings=("vocabulary_status",),
        run=_vocabulary,
    ),
)
