"""The formats of `transcribe`: which one to request, and how to write the others from its response."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from compat.cli.client import CommandFailed
from compat.cli.outputs import Wanted
from compat.openai_api import captions
from compat.transcript import Layout, Segment, Transcript


class _Timed(msgspec.Struct):
    duration: float | None = None


FORMATS: Final = {
    "text": "txt",
    "srt": "srt",
    "vtt": "vtt",
    "tsv": "tsv",
    "json": "json",
    "verbose_json": "json",
    "diarized_json": "json",
}
"""The formats with the suffixes of their files. All but tsv are response formats of the API."""
ALL: Final = ("text", "srt", "vtt", "tsv", "verbose_json")
ALL_DIARIZED: Final = ("text", "diarized_json")
NAMED: Final = ("text", "verbose_json", "diarized_json")  # have speakers
CAPTIONS: Final = ("srt", "vtt")


def requested(wanted: Wanted) -> str:
    """Return the response format from which all wanted ones can be written."""
    if wanted.diarize and "text" in wanted.shapes:
        return "diarized_json"
    return wanted.shape if len(wanted.shapes) == 1 and wanted.shape != "tsv" else "verbose_json"


def written(answer: str, wanted: Wanted) -> list[str]:
    """Return the transcript in each of the wanted formats, from the response in the format `requested`.

    Raises CommandFailed if the response is not such JSON.
    """
    form = requested(wanted)
    if wanted.shapes == (form,):
        return [answer]
    try:
        body = msgspec.json.decode(answer, type=dict[str, Any])
        str(body["text"])
    except (msgspec.DecodeError, KeyError) as exc:
        raise CommandFailed(f"The server did not answer in the format {form}.") from exc
    return [answer if shape == form else _shaped(body, shape, wanted) for shape in wanted.shapes]


def duration(answer: str) -> float | None:
    """Return the length of the audio in seconds, which only the formats with segments have."""
    try:
        return msgspec.json.decode(answer, type=_Timed).duration
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def _shaped(body: Mapping[str, Any], shape: str, wanted: Wanted) -> str:
    segments = body.get("segments") or []
    match shape:
        case "text" if wanted.diarize:
            return "".join(f"{part['speaker']}: {part['text'].strip()}\n" for part in segments)
        case "text":
            return str(body["text"])
        case "json":
            return json.dumps({"text": body["text"]}, ensure_ascii=False)
        case "tsv":
            rows = [f"{round(part['start'] * 1000)}\t{round(part['end'] * 1000)}\t{_cell(part)}" for part in segments]
            return "\n".join(["start\tend\ttext", *rows])
        case _:
            made = (body.get("dashscope") or {}).get("captions") or {}
            return str(made[shape]) if shape in made else _captions(body, shape, Layout(**wanted.limits))


def _cell(part: Mapping[str, Any]) -> str:
    return " ".join(part["text"].split())


def _captions(body: Mapping[str, Any], shape: str, layout: Layout) -> str:
    """Return captions of a server that does not make them for JSON, from its segments."""
    segments = tuple(
        Segment(text=part["text"].strip(), start=part["start"], end=part["end"]) for part in body.get("segments") or []
    )
    ends = [segment.end for segment in segments]
    transcript = Transcript(text=body["text"], segments=segments, duration=body.get("duration") or max(ends, default=0))
    return {"srt": captions.srt, "vtt": captions.vtt}[shape](transcript, layout)
