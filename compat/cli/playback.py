"""`transcribe --live`: stream recordings one after the other, with captions, and write their transcripts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from compat.cli import client as server
from compat.cli import running, sound
from compat.cli.captions import Kind, captions
from compat.cli.listening import MODEL, Turn, listen
from compat.cli.outputs import OutputPiece, Wanted, put
from compat.cli.report import Report, unread
from compat.cli.uploads import fetch
from compat.openai_api import captions as files
from compat.transcript import Layout, Segment, Transcript

if TYPE_CHECKING:
    from openai import AsyncOpenAI

SHAPES = ("text", "srt", "vtt")


def play(
    client: AsyncOpenAI,
    base: str,
    pieces: Sequence[OutputPiece],
    wanted: Wanted,
    kind: Kind,
    report: Report,
    *,
    fast: bool,
) -> None:
    """Stream the recordings in real time or, with `fast`, as fast as the server accepts them."""

    async def all_of_them() -> None:
        async with client:
            for piece in pieces:
                try:
                    await fetch(piece, report)
                    seconds = await _one(client, piece, wanted, kind, fast, report)
                except BrokenPipeError:
                    unread()
                except server.failures() as exc:
                    report.finished(piece, "failed", server.reason(exc, base))
                else:
                    missing = await asyncio.to_thread(sound.missing, piece.source)
                    report.finished(piece, "done", seconds=seconds, missing=missing)

    running.run(all_of_them())


async def _one(
    client: AsyncOpenAI, piece: OutputPiece, wanted: Wanted, kind: Kind, fast: bool, report: Report
) -> float:
    """Caption a recording, and return its length in seconds."""
    faults: list[str] = []
    sizes: list[int] = []
    spoken = _measured(sound.recording(piece.source, fast=fast), sizes)
    with captions(piece.name, _display(kind, piece, wanted.shape), piece.seconds) as shown:
        turns = await listen(
            client,
            spoken,
            wanted.model or MODEL,
            wanted.language,
            shown,
            faults.append,
            prompt=wanted.prompt,
            keywords=wanted.keywords,
        )
    if faults:
        raise server.CommandFailed(faults[0])
    if piece.target is not None:
        put(piece, [_written(turns, shape, wanted) for shape in wanted.shapes], force=wanted.force)
    elif wanted.shape != "text":
        report.transcript(_written(turns, wanted.shape, wanted))
    return sum(sizes) / sound.SECOND


async def _measured(blocks: AsyncGenerator[bytes, None], sizes: list[int]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(blocks):
        async for block in blocks:
            sizes.append(len(block))
            yield block


def _display(kind: Kind, piece: OutputPiece, shape: str) -> Kind:
    """Return the kind of captions. A transcript on standard output excludes others, unless they are its own lines."""
    if piece.target is not None:
        return kind
    if shape != "text":
        return "silent"
    return "lines" if kind == "silent" else kind


def _written(turns: Sequence[Turn], shape: str, wanted: Wanted) -> str:
    text = "\n".join(turn.text for turn in turns)
    segments = tuple(Segment(text=turn.text, start=turn.start, end=turn.end) for turn in turns)
    transcript = Transcript(text=text, segments=segments, duration=segments[-1].end if segments else 0.0)
    if shape == "text":
        return text
    return {"srt": files.srt, "vtt": files.vtt}[shape](transcript, Layout(**wanted.limits))
