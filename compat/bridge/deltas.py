"""The text of one item as deltas."""

from __future__ import annotations

from compat.text import rest, settled


class ItemDeltas:
    """Converts the snapshots of one item, which the service may revise, into deltas, which are final.

    `said` is the text of all deltas. `base` is the text that the next delta continues: `said`, unless a result
    contradicted it. `stash` is the text after the deltas that may still change.
    """

    def __init__(self) -> None:
        self.said = ""
        self.base = ""
        self.stash = ""
        self._final = ""

    def grow(self, text: str, stash: str, final: str = "") -> str:
        """Return the next delta after a snapshot, empty if no new text is settled.

        A delta has no trailing space, because the final text may not have it either. `final` is the beginning of `text`
        that has its result. If a new result contradicts the deltas, the next delta continues after that result.
        """
        if len(final) > len(self._final) and final.startswith(self._final):
            self._final = final
            self.base = self.base if final.startswith(self.base) else final
        end = len(text[: settled(text, stash)].rstrip())
        delta = text[len(self.base) : end] if text.startswith(self.base) else ""
        self.said += delta
        self.base += delta
        preview = text + stash
        self.stash = preview[len(self.base) :] if preview.startswith(self.base) else stash
        return delta

    def end(self, transcript: str) -> tuple[str, bool]:
        """Return the last delta, and whether all deltas together are the transcript.

        If the result contradicts the deltas, the last delta is empty; only the completed event has the correct text.
        """
        self.stash = ""
        delta = transcript[len(self.base) :] if transcript.startswith(self.base) else ""
        self.said += delta
        return delta, self.said == transcript

    def complete(self, text: str) -> str:
        """Return the last delta for a client that gets deltas only: if they contradict the result, what follows the
        part of it that resembles them."""
        delta = rest(self.said, text)
        self.said, self.base, self.stash = self.said + delta, text, ""
        return delta
