"""Recordings as uploads, some at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import IO, TYPE_CHECKING, Any

from compat.transcribe import server
from compat.transcribe.plan import Piece, Wanted, put
from compat.transcribe.report import Report

if TYPE_CHECKING:
    from openai import OpenAI

AT_ONCE = 4


def upload(client: OpenAI, pieces: Sequence[Piece], wanted: Wanted, report: Report) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(_one, client, piece, wanted, report.read(piece)): piece for piece in pieces}
        for done in as_completed(running):
            piece = running[done]
            try:
                text = done.result()
                put(piece.target, text, force=wanted.force)
            except server.failures() as exc:
                report.told(piece, "failed", server.reason(exc, str(client.base_url)))
            else:
                report.told(piece, "done")


def _one(client: OpenAI, piece: Piece, wanted: Wanted, read: Callable[[int], None]) -> str:
    shape = "diarized_json" if wanted.diarize and wanted.shape == "text" else wanted.shape
    default = "gpt-4o-transcribe-diarize" if wanted.diarize else "whisper-1"
    with piece.source.open("rb") as file:
        fields: dict[str, Any] = {"file": (piece.name, _Watched(file, read)), "model": wanted.model or default}
        fields["response_format"] = shape
        if wanted.translate:
            create: Any = client.audio.translations.with_raw_response.create
        else:
            create = client.audio.transcriptions.with_raw_response.create
            fields |= {"language": wanted.language} if wanted.language else {}
            fields |= {"extra_body": {"diarization_enabled": "true"}} if wanted.diarize else {}
        answer: str = create(**fields).text
    return _spoken(answer) if shape != wanted.shape else answer


def _spoken(answer: str) -> str:
    return "".join(f"{part['speaker']}: {part['text'].strip()}\n" for part in json.loads(answer)["segments"])


class _Watched:
    """A file that tells how much of it has been read; the SDK asks for nothing but these."""

    def __init__(self, file: IO[bytes], read: Callable[[int], None]) -> None:
        self._file = file
        self._read = read

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._read(self._file.tell())
        return data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the file's own
        return getattr(self._file, name)
