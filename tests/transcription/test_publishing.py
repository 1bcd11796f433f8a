"""Publishing in a bucket, against moto's S3 server. Links are fetched over HTTP, as DashScope does."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.errors import FileNotFetched
from compat.transcription.publishing import Bucket, config
from tests.audio.media import make
from tests.catalogue.test_models import media
from tests.running import running_server
from tests.witnesses import free_port, installed

KEY = ("AKID", "secret")
AUDIO = bytes(range(256)) * 80_000  # 20 MB: several parts
SPOKEN = lay(itertools.islice(itertools.cycle(VOCABULARY), 30))


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Start an S3 server with the bucket `audio` and yield its address."""
    program = installed(Path(sys.executable).with_name("moto_server"), "moto", "scripts/install dev")
    port = free_port()
    command = [str(program), "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        try:
            assert any("Running on" in line for line in process.stderr)
            root = f"http://127.0.0.1:{port}"
            assert 200 == httpx2.put(f"{root}/audio").status_code
            yield root
        finally:
            process.kill()


def objects(root: str) -> list[str]:
    return re.findall("<Key>(.+?)</Key>", httpx2.get(f"{root}/audio").text)


async def test_a_file_can_be_fetched_by_a_signed_link_until_it_is_deleted(s3: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(AUDIO)
    file = msgspec.structs.replace(media(size=len(AUDIO)), path=tmp_path / "upload")
    bucket = Bucket(f"s3://audio/in/here?region=us-east-1&endpoint={s3}", KEY, seconds=1e9)

    async with bucket.published(file) as link:
        answer = httpx2.get(link)
        names = objects(s3)

    assert AUDIO == answer.content
    assert str(len(AUDIO)) == answer.headers["content-length"]
    assert 1 == len(names)
    assert re.fullmatch(r"in/here/[0-9a-f]{32}\.wav", names[0])
    assert {"X-Amz-Signature=", "X-Amz-Expires=604800"} <= set(re.findall(r"X-Amz-(?:Signature=|Expires=\d+)", link))
    assert "secret" not in link
    assert [] == objects(s3)


async def test_a_missing_bucket_raises_file_not_fetched(s3: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"audio")
    file = msgspec.structs.replace(media(size=5), path=tmp_path / "upload")

    with pytest.raises(FileNotFetched, match="bucket"):
        async with Bucket(f"s3://nowhere?region=us-east-1&endpoint={s3}", KEY, seconds=60).published(file):
            pass


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("wav", encode(SPOKEN), 16000, 1, tmp_path_factory.mktemp("audio") / "speech.wav")


@pytest.mark.parametrize(("name", "policies"), [("audio", 0), ("nowhere", 1)])
def test_the_service_fetches_from_the_bucket_or_its_own_storage(
    s3: str, speech: Path, name: str, policies: int
) -> None:
    with running_server(Tones(), bucket=f"s3://{name}?region=us-east-1&endpoint={s3}", bucket_key=KEY) as server:
        answer = server.client().audio.transcriptions.create(
            model="whisper-1", file=speech, response_format="verbose_json"
        )

        assert [word.text for word in SPOKEN] == answer.text.split()
        assert (1, policies) == (server.dashscope.counts["submit"], server.dashscope.counts["policy"])
        assert [] == objects(s3)


CONFIGS: list[tuple[str, tuple[str, str] | None, tuple[str, str, dict[str, Any]]]] = [
    ("s3://a?region=eu-west-1", None, ("a", "", {"region": "eu-west-1"})),
    (
        "s3://a/b/c/?region=x&endpoint=https://minio.example:9000",
        KEY,
        ("a", "b/c/", {"region": "x", "endpoint": "https://minio.example:9000"}),
    ),
    (
        "oss://a/b?region=cn-beijing",
        KEY,
        (
            "a",
            "b/",
            {
                "region": "cn-beijing",
                "endpoint": "https://a.s3.oss-cn-beijing.aliyuncs.com",
                "virtual_hosted_style_request": True,
            },
        ),
    ),
]


@pytest.mark.parametrize(("address", "key", "expected"), CONFIGS)
def test_addresses_of_buckets_are_parsed(
    address: str, key: tuple[str, str] | None, expected: tuple[str, str, dict[str, Any]]
) -> None:
    name, prefix, options = expected
    if key is not None:
        options = options | {"access_key_id": "AKID", "secret_access_key": "secret"}

    assert (name, prefix, options) == config(address, key)
