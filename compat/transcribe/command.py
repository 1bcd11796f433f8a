"""qwen-asr-compat transcribe: recordings to text and subtitles, through any server that speaks OpenAI's audio API.

Exit status: 0 when every recording has its transcript, now or from before; 1 when some failed; 2 for a wrong command.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from compat.transcribe.plan import STANDARD, Piece, plan
from compat.transcribe.report import Report

if TYPE_CHECKING:
    from openai import OpenAI

FORMATS = {"text": "txt", "srt": "srt", "vtt": "vtt", "json": "json", "verbose_json": "json", "diarized_json": "json"}
AT_ONCE = 4


@dataclass(frozen=True)
class Wanted:
    shape: str
    model: str
    language: str | None
    diarize: bool
    translate: bool


@click.command()
@click.argument("files", metavar="FILE_OR_GLOB...", nargs=-1, required=True)
@click.option("--format", "shape", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option("--out", help="Folder for the transcripts, or - for standard output. Default: beside each recording.")
@click.option("--model", help="Model to ask for; whisper-1, or gpt-4o-transcribe-diarize with --diarize.")
@click.option("--language", help="Language spoken, where it is known.")
@click.option("--diarize", is_flag=True, help="Say who speaks.")
@click.option("--to", "to", type=click.Choice(["english"]), help="Translate.")
@click.option("--base-url", envvar="OPENAI_BASE_URL", default="http://127.0.0.1:8000/v1", show_default=True)
@click.option("--api-key", envvar="OPENAI_API_KEY", default="none-needed", help="Key; better in OPENAI_API_KEY.")
@click.option("--local", is_flag=True, help="Start a server for this call, in place of --base-url.")
@click.option("--force", is_flag=True, help="Transcribe anew what has a transcript, and overwrite it.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--json", "lines", is_flag=True, help="Print a JSON line for each recording when it is done.")
def transcribe(
    files: tuple[str, ...],
    shape: str,
    out: str | None,
    model: str | None,
    language: str | None,
    diarize: bool,
    to: str | None,
    base_url: str,
    api_key: str,
    local: bool,
    force: bool,
    quiet: bool,
    lines: bool,
) -> None:
    """Transcribe recordings: paths, patterns such as 'talks/*.mp3', or - for standard input.

    What has its transcript is left alone, so that the same command resumes where it was stopped.
    """
    if diarize and to:
        raise click.UsageError("--diarize and --to exclude each other.")
    if lines and (out == STANDARD or (out is None and STANDARD in files)):
        raise click.UsageError("--json and transcripts cannot share standard output: name a folder with --out.")
    wanted = Wanted(
        shape, model or ("gpt-4o-transcribe-diarize" if diarize else "whisper-1"), language, diarize, bool(to)
    )
    report = Report(quiet=quiet, lines=lines)
    with contextlib.ExitStack() as stack:
        pieces = plan(files, out, FORMATS[shape], stack)
        waiting = [piece for piece in pieces if force or piece.target is None or not piece.target.exists()]
        for piece in pieces:
            if piece not in waiting:
                report.told(piece, "exists")
        if waiting:
            base = stack.enter_context(_server()) if local else base_url
            client = stack.enter_context(_client(base, api_key))
            stack.enter_context(report.showing(waiting))
            _run(client, waiting, wanted, report, force)
    raise SystemExit(1 if report.failed else 0)


def _client(base_url: str, api_key: str) -> OpenAI:
    try:
        from openai import OpenAI
    except ImportError as exc:
        raise click.ClickException("transcribe needs the client extra: pip install 'qwen-asr-compat[client]'.") from exc
    return OpenAI(base_url=base_url, api_key=api_key, timeout=4 * 3600)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """A server of this program's own on a free port; gives its address."""
    command = [sys.executable, "-u", "-m", "compat", "serve", "--port", "0"]
    server = subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None  # noqa: S101 - it is a pipe
    try:
        found = next((found for line in server.stdout if (found := re.search(r"http://\S+/v1$", line.strip()))), None)
        if found is None:
            raise click.ClickException("The server did not start; `qwen-asr-compat serve` says why.")
        yield found[0]
    finally:
        server.terminate()
        server.communicate()


def _run(client: OpenAI, pieces: Sequence[Piece], wanted: Wanted, report: Report, force: bool) -> None:
    from openai import OpenAIError

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(_one, client, piece, wanted, report.read(piece)): piece for piece in pieces}
        for done in as_completed(running):
            piece = running[done]
            try:
                text = done.result()
                _put(piece.target, text, force)
            except (OpenAIError, OSError) as exc:
                report.told(piece, "failed", _reason(exc, str(client.base_url)))
            else:
                report.told(piece, "done")


def _one(client: OpenAI, piece: Piece, wanted: Wanted, read: Callable[[int], None]) -> str:
    shape = "diarized_json" if wanted.diarize and wanted.shape == "text" else wanted.shape
    with piece.source.open("rb") as file:
        fields: dict[str, Any] = {"file": (piece.name, _Watched(file, read)), "model": wanted.model}
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


def _put(target: Path | None, text: str, force: bool) -> None:
    """Whole or not at all."""
    text = text if text.endswith("\n") else f"{text}\n"
    if target is None:
        click.echo(text, nl=False)
        return
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, encoding="utf-8")
    if target.exists() and not force:
        part.unlink()
        raise FileExistsError(f"{target} has come into being meanwhile; --force overwrites it.")
    part.replace(target)


def _reason(exc: Exception, base_url: str) -> str:
    from openai import APIConnectionError, APIStatusError

    if isinstance(exc, APIStatusError) and isinstance(exc.body, dict):
        return f"{exc.status_code} {exc.code}: {exc.body.get('message', exc.message)}"
    if isinstance(exc, APIConnectionError):
        return f"No server answers at {base_url}: start one with `qwen-asr-compat serve`, or say --local."
    return str(exc)


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
