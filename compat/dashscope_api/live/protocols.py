"""The dialect of each live model."""

from __future__ import annotations

from compat.catalogue import live
from compat.dashscope_api.live.live_translate import LiveTranslate
from compat.dashscope_api.live.realtime import RealtimeSession
from compat.dashscope_api.live.run_task import RunTask
from compat.dashscope_api.live.turns import Dialect


def dialect(model: str) -> Dialect:
    """Return a new dialect for one connection to a DashScope model."""
    match live.row(model).protocol:
        case "run-task":
            return RunTask()
        case "livetranslate":
            return LiveTranslate(model)
        case "realtime":
            return RealtimeSession()
