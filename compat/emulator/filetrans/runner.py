"""Runs a file task: fetches and recognises each file and writes its result file. Failures become task codes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from compat.emulator import sound
from compat.emulator.engine import Sentence
from compat.emulator.families import Family
from compat.emulator.faults import FailFile, FailTask, Slow
from compat.emulator.fetching import NO_REDIRECTS, RULE
from compat.emulator.filetrans import documents, masking
from compat.emulator.filetrans.documents import Channel, FileProperties, FileTranscript
from compat.emulator.media import MediaTrouble, Sound, Source, Trouble, fetch
from compat.emulator.readings import Readings
from compat.emulator.recognition import Recognition
from compat.emulator.refusals import Refusal
from compat.emulator.sound import BadSound
from compat.emulator.state import Emulator
from compat.emulator.tasks import Failure, FileWork, Status, Task
from compat.emulator.text import billed_seconds, joined_text, text_tokens

# Model Studio's error codes page, "task-level" (2026-10); fun-asr and paraformer have their own code for downloads.
CODES: dict[Trouble, tuple[str, str]] = {
    Trouble.MALFORMED: ("InvalidParameter.MalformedURL", "A valid file URL is required"),
    Trouble.URI_TOO_LARGE: ("InvalidParameter.MalformedURL", "A valid file URL is required"),
    Trouble.UNRESOLVED: ("FILE_DOWNLOAD_FAILED", "FILE_DOWNLOAD_FAILED"),
    Trouble.FAILED: ("FILE_DOWNLOAD_FAILED", "FILE_DOWNLOAD_FAILED"),
    Trouble.OFF_LIMITS: ("FILE_DOWNLOAD_FAILED", f"FILE_DOWNLOAD_FAILED. {RULE}"),
    Trouble.REDIRECTED: ("FILE_DOWNLOAD_FAILED", f"FILE_DOWNLOAD_FAILED. {NO_REDIRECTS}"),
    Trouble.FULL: ("SERVER_ERROR", "SERVER_ERROR: the emulator's folder is full (the limit disk_bytes)."),
    Trouble.FORBIDDEN: ("FILE_403_FORBIDDEN", "FILE_403_FORBIDDEN"),
    Trouble.MISSING: ("FILE_404_NOT_FOUND", "FILE_404_NOT_FOUND"),
    Trouble.NO_LENGTH: ("CONTENT_LENGTH_CHECK_FAILED", "CONTENT_LENGTH_CHECK_FAILED"),
    Trouble.TOO_LARGE: ("FILE_TOO_LARGE", "FILE_TOO_LARGE"),
    Trouble.EMPTY: ("NO_VALID_AUDIO_ERROR", "NO_VALID_AUDIO_ERROR"),
    Trouble.ILLEGAL: ("DECODE_ERROR", "DECODE_ERROR"),
    Trouble.TOO_LONG: ("AUDIO_DURATION_TOO_LONG", "AUDIO_DURATION_TOO_LONG"),
}
RULES = {Trouble.OFF_LIMITS: RULE, Trouble.REDIRECTED: NO_REDIRECTS}
DOWNLOADS = {Trouble.UNRESOLVED, Trouble.FAILED, Trouble.FORBIDDEN, Trouble.MISSING, *RULES}


class NoSpeech(Exception):
    """The audio has no speech."""


async def run(emulator: Emulator, task: Task) -> None:
    """Run a task from PENDING to its end. Raises nothing but CancelledError."""
    task.status, task.scheduled = Status.RUNNING, emulator.clock()
    for file in task.files:
        file.failure = await _failure(emulator, task, file)
    if emulator.site.single_use:
        emulator.drop(file.url.removeprefix("oss://") for file in task.files)
    _strike(task)
    task.ended = emulator.clock()
    task.status = Status.SUCCEEDED if task.failure is None else Status.FAILED


def _strike(task: Task) -> None:
    """Apply faults. A task fails if all of its files fail; in filetrans, which has one file, also if that one fails."""
    match task.fault:
        case FailTask(code, message):
            for file in task.files:
                file.failure = Failure(code, message)
        case FailFile(code, message):
            task.files[0].failure = Failure(code, message)
            if task.family is not Family.FILETRANS:
                return
        case Slow() | None:
            pass
    if all(file.failure is not None for file in task.files):
        task.failure = task.files[0].failure


async def _failure(emulator: Emulator, task: Task, file: FileWork) -> Failure | None:
    try:
        await _transcribe(emulator, task, file)
    except MediaTrouble as exc:
        return failure(task.family, exc.trouble)
    except BadSound as exc:
        return Failure("DECODE_ERROR", str(exc))
    except Refusal as exc:  # of an engine on another machine
        return Failure(exc.code, exc.message)
    except NoSpeech:
        code = "ASR_RESPONSE_HAVE_NO_WORDS"
        if emulator.readings.silence_task == "no_fragment":
            code = "SUCCESS_WITH_NO_VALID_FRAGMENT"
        return Failure(code, code)
    except Exception:  # noqa: BLE001 - an engine may raise anything, and the task must end
        return Failure("SERVER_ERROR", "SERVER_ERROR")
    return None


def failure(family: Family, trouble: Trouble) -> Failure:
    if trouble in DOWNLOADS:
        match family:
            case Family.AUDIO3_FILES if trouble is Trouble.UNRESOLVED:
                return Failure("SERVER_ERROR", "SERVER_ERROR")  # measured by third parties, after about 47 s
            case Family.FUN | Family.PARAFORMER:
                rule = f" {RULES[trouble]}" if trouble in RULES else ""
                return Failure("InvalidFile.DownloadFailed", f"The audio file cannot be downloaded.{rule}")
            case _:
                pass
    return Failure(*CODES[trouble])


async def _transcribe(emulator: Emulator, task: Task, file: FileWork) -> None:
    if task.family is Family.FILETRANS and file.url.startswith("oss:") and not emulator.readings.oss_for_filetrans:
        raise MediaTrouble(Trouble.FAILED)
    source = Source(
        url=file.url,
        model=task.model,
        account=task.account,
        resolve=task.resolve,
        inline=False,
        max_bytes=emulator.limits.file_bytes,
        max_seconds=emulator.limits.file_seconds,
    )
    sound = await fetch(emulator, source)
    try:
        transcript = await _recognised(emulator, task, file.url, sound)
    finally:
        sound.close()
    spoken = any(channel.sentences for channel in transcript.transcripts)
    if not spoken and emulator.readings.silence_task != "empty":
        raise NoSpeech
    file.billed = _billed(task, transcript)
    file.output_tokens = sum(text_tokens(joined_text(list(each.sentences))) for each in transcript.transcripts)
    written = msgspec.json.encode(document(task, transcript, emulator.readings))
    emulator.folder.take(len(written))
    file.result = emulator.folder.new()
    await asyncio.to_thread(file.result.write_bytes, written)


async def _recognised(emulator: Emulator, task: Task, url: str, sound: Sound) -> FileTranscript:
    recognition = Recognition(emulator, sound, task.hints)
    kind = await asyncio.to_thread(properties, sound.path)
    speakers = task.parameters.diarization_enabled and task.family is not Family.FILETRANS
    transcripts = []
    for channel in task.parameters.channels:
        found = recognition.sentences(channel=channel, speakers=speakers)
        transcripts.append(Channel(channel, tuple([_masked(task, sentence) async for sentence in found])))
    return FileTranscript(url=url, seconds=sound.seconds, transcripts=tuple(transcripts), kind=kind)


def _masked(task: Task, sentence: Sentence) -> Sentence:
    if task.family not in {Family.FUN, Family.PARAFORMER}:
        return sentence
    return masking.masked(sentence, masking.read(task.parameters.special_word_filter))


def properties(path: Path) -> FileProperties:
    """Return the container, the codec and the recorded sample rate, by FFmpeg's names."""
    with sound.opened(path) as (container, stream):
        codec = stream.codec_context.codec.canonical_name  # `name` is the decoder's: mp3float
        return FileProperties(container=container.format.name, codec=codec, sample_rate=stream.rate or 0)


def _billed(task: Task, transcript: FileTranscript) -> int:
    """Return the billed seconds: of the audio of all channels, or for fun-asr and paraformer of their speech."""
    if task.family in {Family.FUN, Family.PARAFORMER}:
        spoken = sum(documents.spoken_ms(channel.sentences) for channel in transcript.transcripts)
        return billed_seconds(spoken / 1000)
    return billed_seconds(transcript.seconds) * len(transcript.transcripts)


def document(task: Task, transcript: FileTranscript, readings: Readings) -> dict[str, Any]:
    call = task.parameters
    match task.family:
        case Family.FILETRANS:
            return documents.filetrans(transcript, words=call.enable_words, language=call.language)
        case Family.PARAFORMER:
            timed = call.timestamp_alignment_enabled or readings.paraformer_always_timed
            return documents.fun(transcript, speakers=call.diarization_enabled, times=timed, confidence=False)
        case _:
            sure = task.family is Family.AUDIO3_FILES
            return documents.fun(transcript, speakers=call.diarization_enabled, times=True, confidence=sure)
