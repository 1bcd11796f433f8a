"""WebSocket endpoint `/api-ws/v1/realtime?model=…`: checks the upgrade, then runs one session of transcription or
translation."""

from __future__ import annotations

import re
import uuid
from functools import partial

from starlette.routing import BaseRoute
from starlette.websockets import WebSocket

from compat.emulator.engine import DistantEngine
from compat.emulator.faults import SurfaceName
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import LiveLimits
from compat.emulator.livetranslate import languages
from compat.emulator.livetranslate.session import TranslationSession
from compat.emulator.livetranslate.wire import TranslationWire
from compat.emulator.realtime.connection import LiveConnection, LiveMachine, accept, socket_routes
from compat.emulator.realtime.messages import ServerEvent
from compat.emulator.realtime.session import Session
from compat.emulator.realtime.wire import RealtimeWire
from compat.emulator.refusals import Refusal
from compat.emulator.state import Emulator, RequestRecord
from compat.emulator.surface import own_headers, unauthorised

PATH = "/api-ws/v1/realtime"
MODEL = re.compile(r"qwen3-asr-flash-realtime(-\d{4}-\d{2}-\d{2})?")


def routes(emulator: Emulator) -> list[BaseRoute]:
    return socket_routes(PATH, partial(_serve, emulator))


async def _serve(emulator: Emulator, socket: WebSocket) -> None:
    model = socket.query_params.get("model", "")
    translates = languages.MODEL.fullmatch(model) is not None
    surface: SurfaceName = "livetranslate" if translates else "realtime"
    headers = own_headers(socket)
    refusal = unauthorised(socket, emulator.keys)
    if refusal is None:
        emulator.requests.append(RequestRecord(surface=surface, model=model, headers=headers))
    if refusal is None and model in emulator.readings.retired:
        refusal = Refusal(403, "AccessDenied", "Access denied.")
    faults = await accept(emulator, socket, surface, refusal)
    if faults is None:
        return
    if not translates and not MODEL.fullmatch(model):
        await socket.close(1007, "Model not found")
        return
    record = LiveRecord(id=f"sess_{uuid.uuid4().hex[:20]}", model=model, headers=headers)
    limits = emulator.limits.livetranslate if translates else emulator.limits.live
    connection = LiveConnection(
        socket,
        _session(emulator, record, limits, translates=translates),
        record,
        faults,
        TranslationWire() if translates else RealtimeWire(),
        # A session waits for no turn that another machine works on.
        threaded=emulator.engine.blocking and not isinstance(emulator.engine, DistantEngine),
        session_seconds=limits.session_seconds,
    )
    with emulator.live.opened(record):
        await connection.run()


def _session(
    emulator: Emulator, record: LiveRecord, limits: LiveLimits, *, translates: bool
) -> LiveMachine[ServerEvent]:
    keep_sound = emulator.live.keep_sound
    if translates:
        readings = emulator.readings.livetranslate
        return TranslationSession(emulator.engine, record, limits=limits, readings=readings, keep_sound=keep_sound)
    return Session(emulator.engine, record, limits=limits, readings=emulator.readings.live, keep_sound=keep_sound)
