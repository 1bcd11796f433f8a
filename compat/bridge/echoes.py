"""Drops transcripts that only repeat the prompt, unless the audio can contain those words."""

from __future__ import annotations

from collections.abc import Callable

from compat import echo
from compat.audio import speechless
from compat.bridge.items import ItemPiece
from compat.bridge.limits import TICKS
from compat.bridge.replay import AudioChunk, ReplayBuffer
from compat.dashscope_api.live.turns import Setup
from compat.echo import Echo


class EchoCheck:
    """`setup` returns the current settings of the service's session."""

    def __init__(self, replay: ReplayBuffer, setup: Callable[[], Setup]) -> None:
        self._replay = replay
        self._setup = setup
        self._context = ""
        self._echo = Echo("")

    def may_be_echo(self, text: str) -> bool:
        """Whether to hold this partial text back, because all of it may be an echo of the prompt."""
        return self._current().so_far(text)

    def accepts(self, piece: ItemPiece, text: str) -> bool:
        """Whether the text can have been spoken. True if its audio is no longer kept."""
        if not self._current().only(text):
            return True
        sounds = self._sounds(piece)
        if not sounds or any(sound.packet for sound in sounds):
            return True
        pcm, rate, item = b"".join(sound.data for sound in sounds), self._setup().rate, piece.item
        seconds = max(len(pcm) / 2 / rate, ((item.end or 0) - (item.start or 0)) / TICKS)
        return speechless.kind(pcm, rate) == "lively" and echo.speakable(text, seconds)

    def _current(self) -> Echo:
        if self._context != self._setup().context:
            self._context = self._setup().context
            self._echo = Echo(self._context)
        return self._echo

    def _sounds(self, piece: ItemPiece) -> list[AudioChunk]:
        sounds = [entry for entry in self._replay.past if isinstance(entry, AudioChunk)]
        if any(sound.piece is piece for sound in sounds):
            return [sound for sound in sounds if sound.piece is piece]
        start, end = piece.item.start or 0, piece.item.end
        return [sound for sound in sounds if sound.end > start and (end is None or sound.tick < end)]
