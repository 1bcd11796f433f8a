"""What the service is told of the caller's configuration."""

from __future__ import annotations

from compat.dashscope_api.realtime.turns import Detection, Setup
from compat.openai_api.realtime.session import Session, Vad


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
    """OpenAI's 0…1 on the service's -1…1: the ends meet the ends, the default 0.5 the default 0.2."""
    return round(-1 + openai * 2.4 if openai <= 0.5 else 0.2 + (openai - 0.5) * 1.6, 4)
