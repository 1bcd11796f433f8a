"""Fuzz targets of scripts/fuzz: each takes bytes and raises only documented errors."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import struct
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ModuleNotFoundError:  # the tests call the targets without it
    atheris = None

watched = atheris.instrument_imports(include=["compat", "python_multipart", "tinytag"]) if atheris else None
with watched or contextlib.nullcontext():
    from starlette.requests import Request

    from compat.audio import probe
    from compat.bridge import Bridge
    from compat.bridge.actions import CloseUpstream, OpenUpstream
    from compat.config import keys
    from compat.endpoints.upload import LoopTurns, receive
    from compat.errors import BadAudio, CompatError, ServiceUnavailable
    from compat.openai_api.realtime.opening import Opening
    from compat.transcription.spool import UploadPlace
    from compat.upstream.shares import Shares


def form(data: bytes) -> None:
    """A form or a 4xx, in two pieces."""
    cut = data[0] if data else 0
    chunks = iter([(data[1:cut], True), (data[max(cut, 1) :], True), (b"", False)])

    async def come() -> dict[str, object]:
        body, more = next(chunks)
        return {"type": "http.request", "body": body, "more_body": more}

    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, come)
    with tempfile.TemporaryDirectory() as folder:
        try:
            place = UploadPlace(Path(folder) / "upload", memory=Shares(cut))
            asyncio.run(receive(request, place, limit=65536, turns=LoopTurns()))
        except CompatError as exc:
            if exc.status >= 500:
                raise


def key_file(data: bytes) -> None:
    with contextlib.suppress(keys.KeysError):
        keys.parse(data.decode("utf-8", "replace"))


def header(data: bytes) -> None:
    """The part of reading audio that this process does itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audio"
        path.write_bytes(data)
        with contextlib.suppress(BadAudio):
            probe.header(path)


def session(data: bytes) -> None:
    """Feed the bridge. Each line is an event: its first byte selects the client, the service or the connection."""
    ids = itertools.count()
    bridge = Bridge(Opening(), resolve=lambda _: "m", ids=lambda kind: f"{kind}_{next(ids)}", expires_at=0)
    now, line = 0.0, ""
    actions = bridge.start(now)
    for what, frame in ((part[:1], part[1:]) for part in data.split(b"\n")):
        for action in actions:
            line = "dialled" if isinstance(action, OpenUpstream) else "" if isinstance(action, CloseUpstream) else line
        if bridge.over:
            return
        now += 0.25
        if what == b"c":
            actions = bridge.from_client(frame.decode("utf-8", "replace"), now)
        elif what == b"s" and line == "open":
            actions = bridge.from_upstream(frame, now)
        elif what == b"o" and line == "dialled":
            line, actions = "open", bridge.upstream_opened(now)
        elif what == b"x" and line:
            line, actions = "", bridge.upstream_lost(ServiceUnavailable("cut"), now)
        elif what == b"d" and line == "open":
            actions = bridge.upstream_drained(now)
        else:
            actions = bridge.tick(now)


APPEND = b'c{"type":"input_audio_buffer.append","audio":"' + b"A" * 640 + b'"}\n'
TALK = [
    b'c{"type":"session.update","session":{"audio":{"input":{"turn_detection":null}}}}\no\ns{"type":"session.created"}\n'
    + APPEND
    + b'c{"type":"input_audio_buffer.commit"}\nd\ns{"type":"input_audio_buffer.committed","item_id":"t"}\n'
    b's{"type":"conversation.item.input_audio_transcription.completed","item_id":"t","transcript":"hi"}\nx\no\n',
    b"o\n" + APPEND + b's{"type":"input_audio_buffer.speech_started","item_id":"t","audio_start_ms":0}\n'
    b's{"type":"conversation.item.input_audio_transcription.text","item_id":"t","text":"a","stash":"b"}\n'
    b's{"type":"input_audio_buffer.speech_stopped","item_id":"t","audio_end_ms":9}\ns{"type":"error","error":{}}\n'
    b'c{"type":"conversation.item.retrieve","item_id":"item_1"}\nc{"type":"input_audio_buffer.clear"}\n',
]
FORMAT = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
WAV = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0" + FORMAT + b"data\x04\0\0\0abcd"
FORM = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n'
TARGETS = {"form": form, "keys": key_file, "header": header, "session": session}
SEEDS = {"form": [b"9" + FORM], "keys": [b"a sk-12345678 rest,jobs 1/minute\n"], "header": [WAV], "session": TALK}

if __name__ == "__main__":
    name = sys.argv.pop(1)
    logging.disable()
    for number, seed in enumerate(SEEDS[name]):
        (Path(sys.argv[1]) / f"seed-{number}").write_bytes(seed)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
