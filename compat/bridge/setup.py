"""What the service is told of the caller's configuration."""

from __future__ import annotations

import msgspec

from compat.dashscope_api.realtime.turns import Detection, Setup
from compat.openai_api.realtime.session import Session, Vad

SENTENCES = Detection(threshold=0.0, silence_ms=800)
"""How the service finds the sentences of a turn that the caller ends, where that turn is heard while it is spoken: it
gives no text of a turn by hand before the commit."""


class Target(msgspec.Struct, frozen=True):
    """`joins`: what the service finds as turns are sentences of one turn, which the caller ends."""

    setup: Setup
    joins: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether the caller ends its turns."""
        return self.joins or self.setup.detection is None

    def without(self, fields: frozenset[str]) -> Target:
        """The same without what the service refused before."""
        setup = msgspec.structs.replace(
            self.setup,
            context="" if "context" in fields else self.setup.context,
            language=None if "language" in fields else self.setup.language,
        )
        return Target(setup, self.joins)

    def cuts(self, before: Target) -> bool:
        """Whether an open turn has to end: its audio format changes."""
        return (self.setup.format, self.setup.rate) != (before.setup.format, before.setup.rate)


def target(session: Session) -> Target:
    joins = session.vad is None and session.live
    said = setup(session)
    return Target(msgspec.structs.replace(said, detection=SENTENCES) if joins else said, joins)


def setup(session: Session) -> Setup:
    """G.711 goes up as PCM at 8 kHz, every other PCM at 16 kHz, Opus as it is."""
    return Setup(
        model=session.native,
        format="opus" if session.format.encoding == "opus" else "pcm",
        rate=8000 if session.format.encoding in ("ulaw", "alaw") else 16000,
        language=session.spoken,
        context=session.context,
        detection=detection(session.vad),
    )


def detection(vad: Vad | None) -> Detection | None:
    return Detection(threshold(vad.threshold), vad.silence_duration_ms) if vad else None


def threshold(openai: float) -> float:
    """OpenAI's 0…1 on the service's -1…1, piecewise linear: 0.5 is 0.2, the default of either."""
    return round(-1 + openai * 2.4 if openai <= 0.5 else 0.2 + (openai - 0.5) * 1.6, 4)
