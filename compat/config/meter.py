"""The meter of a piece of work: the seconds of audio that it has used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from compat.errors import CompatError


class AudioMeter:
    """`used`: the seconds that were used. `sent`: whether the audio was submitted to the service."""

    def __init__(self) -> None:
        self.used = 0.0
        self.sent = False

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Note that the audio is submitted, unless that fails."""
        self.sent = True
        try:
            yield
        except CompatError:
            self.sent = False
            raise

    @contextlib.contextmanager
    def call(self, seconds: float) -> Iterator[AudioMeter]:
        """Meter a call for `seconds` of audio within this work, with a meter of its own.

        A call that succeeds uses what is written to `used`. One that fails uses nothing. One that is cancelled uses all
        of its audio if it was submitted, because the service goes on, and bills it.
        """
        call = AudioMeter()
        try:
            yield call
        except CompatError:
            raise
        except BaseException:
            self.used += seconds if call.sent else 0.0
            raise
        self.used += call.used
