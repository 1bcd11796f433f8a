"""What scripts/fuzz runs: bytes in, and nothing out but what is promised."""

import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["compat", "python_multipart"]):
    from starlette.requests import Request

    from compat import keys
    from compat.endpoints.upload import receive
    from compat.errors import CompatError
    from compat.openai_api.realtime import client_events

LOOP = asyncio.new_event_loop()
FOLDER = Path(tempfile.mkdtemp())


def form(data: bytes) -> None:
    """A form or a 4xx, in two pieces."""
    cut = data[0] if data else 0
    chunks = iter([(data[1:cut], True), (data[max(cut, 1) :], True), (b"", False)])

    async def come() -> dict[str, object]:
        body, more = next(chunks)
        return {"type": "http.request", "body": body, "more_body": more}

    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, come)
    try:
        LOOP.run_until_complete(receive(request, FOLDER / "upload", limit=65536))
    except CompatError as exc:
        if exc.status >= 500:
            raise


def key_file(data: bytes) -> None:
    with contextlib.suppress(keys.KeysError):
        keys.parse(data.decode("utf-8", "replace"))


def client_event(data: bytes) -> None:
    try:
        client_events.decode(data)
    except CompatError as exc:
        if exc.status >= 500:
            raise


TARGETS = {"form": form, "keys": key_file, "client_events": client_event}

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
