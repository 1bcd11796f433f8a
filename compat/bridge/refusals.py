"""What to do without, when the service refuses a message."""

from __future__ import annotations

from compat.bridge.caller import CallerSide
from compat.bridge.link import Link
from compat.bridge.settings import Configuration, Target
from compat.bridge.states import LinkState
from compat.bridge.turns import TurnBinder
from compat.dashscope_api.live import turns


class Refusals:
    def __init__(self, config: Configuration, binder: TurnBinder, link: Link, caller: CallerSide) -> None:
        self._config = config
        self._binder = binder
        self._link = link
        self._caller = caller

    def handle(self, refused: turns.Refused, now: float) -> bool:
        """Leave out what the service refused, where that is possible. False if the session cannot go on."""
        about, setup = refused.about or "", self._link.setup
        if refused.concerns("commit"):
            piece = self._link.refused(about)
            if piece is not None:
                self._binder.silent(piece)
        elif setup.context and refused.concerns("context"):
            self.leave_out("context", now)
        elif setup.language and refused.concerns("language"):
            self.leave_out("language", now)
        elif about.startswith("setup"):
            return False
        elif self._link.state is LinkState.FINISHING and refused.concerns("finish"):
            self._link.finished(now)
        return True

    def leave_out(self, field: turns.Field, now: float) -> None:
        """Begin a new session of the service without this field of a Setup."""
        self._caller.refuse(field)
        self._link.restart(self._config.takeable(Target(self._link.setup)).setup, now)
