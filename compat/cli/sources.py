"""Which transcript in the folder of `--out` is of which recording, so that the next command does not take the one of
another recording for its own: a line of JSON for each, in a hidden file."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

NAME = ".qwen-asr-compat.jsonl"


class Sources:
    """`folder`: None where transcripts lie beside their recordings, which tells whose they are."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file = None if folder is None else folder / NAME
        self._sources: dict[str, str] = {}
        with contextlib.suppress(OSError):
            for line in self._file.read_bytes().splitlines() if self._file else ():
                with contextlib.suppress(ValueError, LookupError, TypeError):  # cut off
                    told = json.loads(line)
                    self._sources[str(told["transcript"])] = str(told["recording"])

    def transcript(self, recording: Path, suffix: str) -> Path | None:
        """The one that is there, of an earlier command."""
        for name, source in self._sources.items():
            if self._folder and source == _place(recording) and name.endswith(f".{suffix}"):
                target = self._folder / name
                if target.is_file():
                    return target
        return None

    def taken(self, target: Path, recording: Path) -> bool:
        """Whether it is there, and of another recording."""
        source = self._sources.get(self._name(target))
        return source is not None and source != _place(recording) and target.is_file()

    def note(self, target: Path, recording: Path) -> None:
        """A disk that does not take it costs no transcript."""
        name, source = self._name(target), _place(recording)
        if self._file and self._sources.get(name) != source:
            self._sources[name] = source
            with contextlib.suppress(OSError), self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"transcript": name, "recording": source}) + "\n")

    def _name(self, target: Path) -> str:
        return str(target.relative_to(self._folder)) if self._folder else ""


def _place(recording: Path) -> str:
    return str(recording.parent.resolve() / recording.name)
