"""An index of the transcripts in the folder of `--out`: a hidden file with a line of JSON for each.

It records which recording a transcript belongs to, by `Recording.identity`. A later command can then tell its own
transcripts from those of other recordings with the same name.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

NAME = ".qwen-asr-compat.jsonl"


class Sources:
    """The index of `folder`. Without a folder it stays empty: transcripts beside their recordings need none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file = None if folder is None else folder / NAME
        self._sources: dict[str, str] = {}
        with contextlib.suppress(OSError):
            for line in self._file.read_bytes().splitlines() if self._file else ():
                with contextlib.suppress(ValueError, LookupError, TypeError):  # an incomplete line
                    entry = json.loads(line)
                    self._sources[str(entry["transcript"])] = str(entry["recording"])

    def transcript(self, identity: str, suffix: str) -> Path | None:
        """Return the transcript that an earlier command wrote for the recording, or None."""
        for name, source in self._sources.items():
            if self._folder and source == identity and name.endswith(f".{suffix}"):
                target = self._folder / name
                if target.is_file():
                    return target
        return None

    def taken(self, target: Path, identity: str) -> bool:
        """Return whether the target is the transcript of another recording."""
        source = self._sources.get(self._name(target))
        return source is not None and source != identity and target.is_file()

    def note(self, target: Path, identity: str) -> None:
        """Record that `target` is the transcript of a recording. Errors of the disk are ignored."""
        name = self._name(target)
        if self._file and self._sources.get(name) != identity:
            self._sources[name] = identity
            with contextlib.suppress(OSError), self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"transcript": name, "recording": identity}) + "\n")

    def _name(self, target: Path) -> str:
        return str(target.relative_to(self._folder)) if self._folder else ""
