"""Continues without what the service refuses."""

from __future__ import annotations

from compat.bridge.caller import CallerSide
from compat.bridge.link import Link
from compat.bridge.outbox import Outbox
from compat.bridge.settings import Configuration, Target
from compat.bridge.states import LinkState
from compat.bridge.turns import TurnBinder
from compat.dashscope_api.live import turns
from compat.errors import CompatError


class Refusals:
    def __init__(
        self, config: Configuration, outbox: Outbox, binder: TurnBinder, link: Link, caller: CallerSide
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._binder = binder
        self._link = link
        self._caller = caller

    def handle(self, refused: turns.Refused, now: float) -> bool:
        """Leave out what the service refused. Return False if the session cannot continue without it."""
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
            return self._revert(refused.error, now)
        elif self._link.state is LinkState.FINISHING and refused.concerns("finish"):
            self._link.finished(now)
        return True

    def leave_out(self, field: turns.Field, now: float) -> None:
        """Begin a new session of the service without this field of a Setup."""
        self._caller.refuse(field)
        self._link.restart(self._config.takeable(Target(self._link.setup)).setup, now)

    def _revert(self, error: CompatError, now: float) -> bool:
        """Go back to the settings before the last update of a session that translates."""
        if not self._outbox.face.revert():
            return False
        self._outbox.error(type(error)(error.message, param="session", code=error.code))
        self._config.tell()
        self._caller.renew(self._config.target)
        self._link.restart(self._config.target.setup, now)
        return True
