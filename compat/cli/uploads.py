"""`transcribe` without `--live` and `--stream`: upload recordings, a few at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from compat.cli import client as server
from compat.cli import following, running
from compat.cli.downloading import download
from compat.cli.outputs import OutputPiece, Wanted, put
from compat.cli.report import Report, Unwritable, printable, unread
from compat.cli.shapes import CAPTIONS, duration, requested, written

if TYPE_CHECKING:
    from openai import AsyncOpenAI

LONG_S: Final = 300.0  # longer recordings are jobs, whose progress is shown
LARGE: Final = 8 << 20  # bytes: as long, if the length is unknown
_REDRAWN_S = 0.25
_MISSING = re.compile(r"(promised|decoded|finish_reason)=([\w.]+)")


def upload(client: AsyncOpenAI, pieces: Sequence[OutputPiece], wanted: Wanted, report: Report) -> None:
    """Upload the recordings. Transcripts are written at once, or printed on standard output in the given order."""

    async def all_of_them() -> None:
        uploads = _Uploads(client, wanted, report)
        printed = [asyncio.Event() for _ in range(len(pieces) + 1)]
        printed[0].set()
        async with client, asyncio.TaskGroup() as group:
            unfinished = {
                group.create_task(uploads.one(piece, before, after))
                for piece, before, after in zip(pieces, printed, printed[1:], strict=False)
            }
            while unfinished:
                _, unfinished = await asyncio.wait(unfinished, timeout=_REDRAWN_S)
                report.redraw()

    try:
        running.run(all_of_them())
    except ExceptionGroup as group:
        if group.subgroup(BrokenPipeError):
            unread()
        if full := group.subgroup(Unwritable):
            raise full.exceptions[0] from None
        raise


class _Answer(NamedTuple):
    """`texts`: the transcript in each format. `seconds`: of the audio, None if the server does not tell. `missing`: see
    the function."""

    texts: list[str]
    seconds: float | None
    missing: dict[str, float | str]


class _Uploads:
    def __init__(self, client: AsyncOpenAI, wanted: Wanted, report: Report) -> None:
        self._client = client
        self._wanted = wanted
        self._report = report
        self._room = asyncio.Semaphore(wanted.at_once)
        self._server = following.JobServer(client)

    async def one(self, piece: OutputPiece, before: asyncio.Event, after: asyncio.Event) -> None:
        """Transcribe a recording. Its transcript is printed after `before`; `after` is set at the end."""
        report = self._report
        try:
            async with self._room:
                await fetch(piece, report)
                answer = await self._request(piece)
            if piece.target is None:
                try:
                    await before.wait()
                finally:  # also print a finished transcript after Ctrl-C
                    report.transcript(answer.texts[0])
                    report.finished(piece, "done", seconds=answer.seconds, missing=answer.missing)
            else:
                put(piece, answer.texts, force=self._wanted.force)
                report.finished(piece, "done", seconds=answer.seconds, missing=answer.missing)
        except BrokenPipeError:
            raise
        except server.failures() as exc:
            report.finished(piece, "failed", server.reason(exc, str(self._client.base_url)))
        finally:
            after.set()

    async def _request(self, piece: OutputPiece) -> _Answer:
        try:
            return await self._requested(piece)
        except following.JobLost:
            return await self._requested(piece)

    async def _requested(self, piece: OutputPiece) -> _Answer:
        wanted, size = self._wanted, piece.source.stat().st_size
        long = piece.seconds > LONG_S or (not piece.seconds and size > LARGE)
        several = len(wanted.shapes) > 1 and not wanted.diarize
        has_jobs = (long or several) and await self._server.jobs()
        with piece.source.open("rb") as file:
            form = fields(piece, wanted, _ProgressFile(file, self._report.begun(piece, size)))
            if has_jobs and several and not wanted.translate:  # a translation has none
                form["extra_body"] |= {"captions": [shape for shape in wanted.shapes if shape in CAPTIONS]}
                form["extra_body"] |= wanted.limits
            if has_jobs and long and not wanted.translate:
                form["extra_body"]["background"] = "true"
            audio = self._client.audio
            create: Any = audio.translations if wanted.translate else audio.transcriptions
            answer = await create.with_raw_response.create(**form)
        self._report.ignored(answer.headers.get("x-compat-ignored", ""))
        if job := following.job_of(answer):
            answer = await following.result(self._client, job, lambda state: self._report.advanced(piece, state))
        seconds = decoded(answer.headers) or duration(answer.text)
        return _Answer(written(answer.text, wanted), seconds, missing(answer.headers))


def decoded(headers: Mapping[str, str]) -> float | None:
    """Return the length of the audio. Only this project's server tells it with every format."""
    value = headers.get("x-compat-audio-seconds")
    return float(value) if value else None


def missing(headers: Mapping[str, str]) -> dict[str, float | str]:
    """Return the seconds `promised` and `decoded` of a damaged file, and the `finish_reason` of an unfinished text."""
    found = dict(_MISSING.findall(headers.get("x-compat-truncated", "")))
    return {name: value if name == "finish_reason" else float(value) for name, value in found.items()}


def fields(piece: OutputPiece, wanted: Wanted, file: object) -> dict[str, Any]:
    """Return the arguments of the openai package's `create`."""
    default = "gpt-4o-transcribe-diarize" if wanted.diarize else "whisper-1"
    name = piece.source.name if piece.url is None else f"download{piece.source.suffix}"
    extra: dict[str, Any] = {**wanted.limits} if requested(wanted) in CAPTIONS else {}
    form: dict[str, Any] = {
        "file": (printable(name), file),
        "model": wanted.model or default,
        "response_format": requested(wanted),
        "extra_body": extra,
        **({"prompt": wanted.prompt} if wanted.prompt else {}),
        **({} if wanted.temperature is None else {"temperature": wanted.temperature}),
    }
    if not wanted.translate:
        form |= {"language": wanted.language} if wanted.language else {}
        form |= {"timestamp_granularities": [*wanted.granularities]} if wanted.granularities else {}
        extra |= {"diarization_enabled": "true"} if wanted.diarize else {}
    extra |= {"keywords": [*wanted.keywords]} if wanted.keywords else {}
    return form


async def fetch(piece: OutputPiece, report: Report) -> None:
    """Download the recording if it is at a URL."""
    if piece.url is not None:
        await download(piece.url, piece.source, report.downloading(piece))


class _ProgressFile:
    """A file that reports its position after each read. The SDK reads it in blocks."""

    def __init__(self, file: IO[bytes], read: Callable[[int], None]) -> None:
        self._file = file
        self._read = read

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._read(self._file.tell())
        return data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the file's own
        return getattr(self._file, name)
