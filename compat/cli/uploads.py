"""`transcribe` without `--live`: upload recordings, a few at a time."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any

from compat.cli import client as server
from compat.cli import running
from compat.cli.outputs import OutputPiece, Wanted, check, put
from compat.cli.report import Report, Unwritable, printable, unread

if TYPE_CHECKING:
    from openai import AsyncOpenAI

AT_ONCE = 4
_REDRAWN_S = 0.25
_MISSING = re.compile(r"(promised|decoded|finish_reason)=([\w.]+)")


def upload(client: AsyncOpenAI, pieces: Sequence[OutputPiece], wanted: Wanted, report: Report) -> None:
    """Upload the recordings. Transcripts are written at once, or printed on standard output in the given order."""

    async def all_of_them() -> None:
        room = asyncio.Semaphore(AT_ONCE)
        printed = [asyncio.Event() for _ in range(len(pieces) + 1)]
        printed[0].set()
        async with client, asyncio.TaskGroup() as group:
            unfinished = {
                group.create_task(_one(client, piece, wanted, report, room, before, after))
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


async def _one(
    client: AsyncOpenAI,
    piece: OutputPiece,
    wanted: Wanted,
    report: Report,
    room: asyncio.Semaphore,
    before: asyncio.Event,
    after: asyncio.Event,
) -> None:
    try:
        async with room:
            check(piece.target)
            text, missing = await _request(client, piece, wanted, report)
        if piece.target is None:
            try:
                await before.wait()
            finally:  # also print a finished transcript after Ctrl-C
                report.transcript(text)
                report.finished(piece, "done", missing=missing)
        else:
            put(piece, piece.target, text, force=wanted.force)
            report.finished(piece, "done", missing=missing)
    except BrokenPipeError:
        raise
    except server.failures() as exc:
        report.finished(piece, "failed", server.reason(exc, str(client.base_url)))
    finally:
        after.set()


async def _request(
    client: AsyncOpenAI, piece: OutputPiece, wanted: Wanted, report: Report
) -> tuple[str, dict[str, float | str]]:
    """Return the transcript and, for a damaged file, the seconds `promised` and `decoded`."""
    shape = "diarized_json" if wanted.diarize and wanted.shape == "text" else wanted.shape
    default = "gpt-4o-transcribe-diarize" if wanted.diarize else "whisper-1"
    with piece.source.open("rb") as file:
        observed = _ProgressFile(file, report.begun(piece, os.fstat(file.fileno()).st_size))
        fields: dict[str, Any] = {"file": (printable(piece.source.name), observed), "model": wanted.model or default}
        fields["response_format"] = shape
        extra: dict[str, Any] = {**wanted.limits}
        if wanted.translate:
            create: Any = client.audio.translations.with_raw_response.create
        else:
            create = client.audio.transcriptions.with_raw_response.create
            fields |= {"language": wanted.language} if wanted.language else {}
            extra |= {"diarization_enabled": "true"} if wanted.diarize else {}
        answer = await create(**fields, extra_body=extra or None)
    said = dict(_MISSING.findall(answer.headers.get("x-compat-truncated", "")))
    missing = {name: value if name == "finish_reason" else float(value) for name, value in said.items()}
    return _with_speakers(answer.text) if shape != wanted.shape else answer.text, missing


def _with_speakers(answer: str) -> str:
    return "".join(f"{part['speaker']}: {part['text'].strip()}\n" for part in json.loads(answer)["segments"])


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
