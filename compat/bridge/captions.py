"""Snapshots that may be rewritten become deltas that are never taken back."""

from __future__ import annotations

from compat.bridge.graphemes import settled


class Captions:
    """One item's text as its caller hears it. `said` is all deltas joined; `stash` is what may follow it."""

    def __init__(self) -> None:
        self.said = ""
        self.stash = ""

    def grow(self, text: str, stash: str) -> str:
        """The next delta after a snapshot, empty where nothing new is settled. Space at the end of what is settled
        waits for a word: where none comes, the final text does without it."""
        end = len(text[: settled(text, stash)].rstrip())
        delta = text[len(self.said) : end] if text.startswith(self.said) else ""
        self.said += delta
        preview = text + stash
        self.stash = preview[len(self.said) :] if preview.startswith(self.said) else stash
        return delta

    def end(self, transcript: str) -> tuple[str, bool]:
        """The last delta, and whether the deltas now joined are the transcript: a final text that contradicts what
        was said is left to the completed event."""
        self.stash = ""
        if not transcript.startswith(self.said):
            return "", False
        delta, self.said = transcript[len(self.said) :], transcript
        return delta, True
