"""Two scripted sentences, and the upload that the scripted engine answers with them."""

from __future__ import annotations

from compat.emulator.engine import Sentence, Word

SENTENCES = (
    Sentence(
        text="It was the best of times,",
        begin_ms=100,
        end_ms=1900,
        words=(
            Word("It", 100, 300),
            Word("was", 300, 600),
            Word("the", 600, 800),
            Word("best", 800, 1200),
            Word("of", 1200, 1400),
            Word("times", 1400, 1900, ","),
        ),
    ),
    Sentence(
        text="it was the worst.",
        begin_ms=2000,
        end_ms=2900,
        words=(
            Word("it", 2000, 2200),
            Word("was", 2200, 2400),
            Word("the", 2400, 2500),
            Word("worst", 2500, 2900, "."),
        ),
    ),
)
TEXT = "It was the best of times, it was the worst."


def upload(audio: bytes) -> tuple[str, bytes]:
    """Return `audio` as a named file for the SDK."""
    return ("speech.wav", audio)
