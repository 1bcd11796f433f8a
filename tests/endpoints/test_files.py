"""Links to the audio of running jobs, downloaded as DashScope does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from compat.endpoints.files import Files
from compat.errors import NotFound
from compat.observability.entry import RequestEntry
from compat.transcription.publishing import Links
from tests.catalogue.test_models import media
from tests.servers import serve

AUDIO = bytes(range(256)) * 40


@pytest.fixture
def served() -> Iterator[tuple[Links, str]]:
    links = Links("https://speech.example.org")
    app = Starlette(
        routes=[Route("/files/{token}", Files(links).get)],
        exception_handlers={NotFound: lambda _, exc: Response(status_code=exc.status)},
    )

    async def recording(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["entry"] = RequestEntry(method="GET")
        await app(scope, receive, send)

    with serve(recording) as root:
        yield links, root


def test_a_file_can_be_downloaded_only_while_it_is_published(served: tuple[Links, str], tmp_path: Path) -> None:
    links, root = served
    (tmp_path / "upload").write_bytes(AUDIO)
    file = msgspec.structs.replace(media(container="wav", size=len(AUDIO)), path=tmp_path / "upload")

    with links.published(file) as url:
        path = url.removeprefix("https://speech.example.org")
        assert path.startswith("/files/")
        assert path.endswith(".wav")
        assert len(path) > 48
        whole = httpx2.get(root + path)
        head = httpx2.head(root + path)
        part = httpx2.get(root + path, headers={"range": "bytes=100-199"})
        beyond = httpx2.get(root + path, headers={"range": "bytes=99999-"})
    after = httpx2.get(root + path)

    assert (200, AUDIO, "audio/wav") == (whole.status_code, whole.content, whole.headers["content-type"])
    assert str(len(AUDIO)) == whole.headers["content-length"] == head.headers["content-length"]
    assert (206, AUDIO[100:200]) == (part.status_code, part.content)
    assert f"bytes 100-199/{len(AUDIO)}" == part.headers["content-range"]
    assert (416, 404) == (beyond.status_code, after.status_code)


def test_links_are_unique(served: tuple[Links, str]) -> None:
    links, _ = served
    with links.published(media()) as one, links.published(media()) as other:
        assert one != other


def test_links_of_one_worker_are_served_by_the_others(tmp_path: Path) -> None:
    (folder := tmp_path / "links").mkdir()
    (tmp_path / "upload").write_bytes(AUDIO)
    (tmp_path / "other").write_bytes(b"none of theirs")
    file = msgspec.structs.replace(media(container="wav", size=len(AUDIO)), path=tmp_path / "upload")
    one, other = (Links("https://speech.example.org", folder) for _ in range(2))

    with one.published(file) as url:
        token = url.rpartition("/")[2]
        found = other.find(token)
        assert found == one.find(token)
        assert found is not None
        assert (str(file.path), "audio/wav") == (found.path, found.mime)
        assert [None] * 3 == [other.find(name) for name in ("../other", "..%2fother", token[:-4])]
    assert (None, []) == (other.find(token), list(folder.iterdir()))
