from __future__ import annotations

import base64
import hashlib
import json
import os
import resource
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from compat.config.principal import Party
from compat.endpoints import upload
from compat.endpoints.bodies import MOST, MOST_ESCAPES
from compat.endpoints.multipart import LONGEST_FIELD, MOST_PARTS
from compat.errors import BadAudio, BadRequest, CompatError, DiskFull, EncodedBody, Overloaded, TooLarge
from compat.transcription.spool import UploadPlace
from compat.upstream.shares import Shares
from tests.endpoints.forms import AUDIO, BOUNDARY, END, FILE, field, part, received

ORDERS = [
    [field("model", "whisper-1"), field("include[]", "logprobs"), FILE],
    [FILE, field("model", "whisper-1"), field("include[]", "logprobs")],
    [field("model", "whisper-1"), FILE, field("include[]", "logprobs")],
    [
        field("model", "whisper-1"),
        part('Content-Type: audio/wav\r\nContent-Disposition: form-data; name="file"', AUDIO),
        field("include[]", "logprobs"),
    ],
]


@pytest.mark.parametrize("parts", ORDERS)
@pytest.mark.parametrize("step", [None, 1, 2, 3, 7, 64])
async def test_parts_are_parsed_in_any_order_and_any_chunks(
    parts: list[bytes], step: int | None, tmp_path: Path
) -> None:
    form = await received(b"".join(parts) + END, tmp_path, step=step)

    assert [("model", "whisper-1"), ("include[]", "logprobs")] == form.fields
    assert AUDIO == form.path.read_bytes()
    assert len(AUDIO) == form.size
    assert 0o600 == form.path.stat().st_mode & 0o777


async def test_a_large_file_is_written_completely(tmp_path: Path) -> None:
    audio = os.urandom(5 << 20)
    body = part('Content-Disposition: form-data; name="file"; filename="a"', audio) + END

    form = await received(body, tmp_path, step=65_521, limit=8 << 20)

    assert audio == form.path.read_bytes()


async def test_a_file_without_a_name_is_a_file(tmp_path: Path) -> None:
    form = await received(field("file", "RIFF\x80") + END, tmp_path, step=7, limit=2048)

    assert "RIFF\x80".encode() == form.path.read_bytes()


NOBODY = part('Content-Disposition: form-data; name="file"; filename=""', b"")
NO_COVER = part('Content-Disposition: form-data; name="cover"; filename=""', b"")
COVER = part('Content-Disposition: form-data; name="cover"; filename="a.png"', b"\x89PNG")
MIXED = part(
    'Content-Type: multipart/mixed; boundary=i\r\nContent-Disposition: form-data; name="file"',
    b"--i\r\nContent-Disposition: attachment; filename=a\r\n\r\n" + AUDIO + b"\r\n--i--",
)


@pytest.mark.parametrize(
    ("parts", "named"),
    [([NOBODY, FILE], []), ([FILE, NOBODY], []), ([NO_COVER, FILE], []), ([COVER, FILE], ["cover"]),
     ([FILE, COVER], ["cover"])],
)  # fmt: skip
async def test_other_files_than_the_audio_are_skipped(parts: list[bytes], named: list[str], tmp_path: Path) -> None:
    form = await received(b"".join(parts) + END, tmp_path, step=3)

    assert (named, AUDIO) == ([name for name, _ in form.fields], form.path.read_bytes())


WHOLE = FILE + field("model", "whisper-1") + END
SEMICOLONS = ";" * 3000
NAMED = 'Content-Disposition: form-data; name="a"'
BAD: list[tuple[bytes, dict[str, str], type[CompatError], str | None]] = [
    (field("model", "whisper-1") + END, {}, BadAudio, "file"),
    (part('Content-Disposition: form-data; name="file"; filename="a"', b"") + END, {}, BadAudio, "file"),
    (field("file", "speech.wav") + END, {}, BadAudio, "file"),
    (FILE + FILE + END, {}, BadRequest, "file"),
    (part('Content-Disposition: form-data; name="audio"; filename="a"', AUDIO) + END, {}, BadRequest, "audio"),
    (COVER + field("model", "x") + END, {}, BadRequest, "cover"),
    (MIXED + END, {}, BadRequest, "file"),
    (field("file", "DATA:audio/wav;base64," + "A" * 300) + END, {}, BadAudio, "file"),
    (b'{"file": "data:audio/wav;base64,AAAA"}', {"content_type": "application/json"}, BadAudio, "file"),
    (part('Content-Disposition: form-data;\r\n name="model"', b"x") + FILE + END, {}, BadRequest, None),
    (field("keywords[]", "x") * (MOST_PARTS + 1) + FILE + END, {}, BadRequest, "keywords"),
    (part("Content-Type: audio/wav", AUDIO) + END, {}, BadRequest, None),
    (part('Content-Disposition: form-data; name="model"', b"\xff\xfe") + FILE + END, {}, BadRequest, "model"),
    (b"no form at all", {}, BadRequest, None),
    (b"", {}, BadRequest, None),
    (WHOLE[: -len(END)], {}, BadRequest, None),
    (FILE[:-30], {}, BadRequest, None),
    (WHOLE, {"content_type": "application/json"}, BadRequest, None),
    (WHOLE, {"content_type": "audio/wav"}, BadRequest, "file"),
    (WHOLE, {"content_type": "multipart/form-data"}, BadRequest, "file"),
    (WHOLE, {"content_type": f"multipart/form-data; boundary={'b' * 300}"}, BadRequest, None),
    (field("model", "x" * (LONGEST_FIELD + 1)) + FILE + END, {}, BadRequest, "model"),
    (part('Content-Disposition: form-data; name="file"', b"x" * 4096) + END, {}, TooLarge, "file"),
    (part(f"Content-Disposition: form-data; name*=x{SEMICOLONS}", b"x") + FILE + END, {}, BadRequest, None),
    (part(f"{NAMED}\r\nContent-Type: text/plain{SEMICOLONS}", b"x") + FILE + END, {}, BadRequest, None),
    (WHOLE, {"content_type": f"multipart/form-data; boundary={BOUNDARY}{SEMICOLONS}"}, BadRequest, None),
]


@pytest.mark.parametrize(("body", "headers", "error", "param"), BAD)
async def test_a_bad_form_is_refused_by_name(
    body: bytes, headers: dict[str, str], error: type[CompatError], param: str | None, tmp_path: Path
) -> None:
    with pytest.raises(error) as refused:
        await received(body, tmp_path, step=1000, limit=2048, **headers)

    assert param == refused.value.param


@pytest.mark.parametrize("content_type", [f"multipart/form-data; boundary={BOUNDARY}", "application/json"])
async def test_a_body_without_a_length_is_refused(content_type: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="neither Content-Length nor Transfer-Encoding"):
        await received(b"", tmp_path, content_type=content_type)


async def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_read(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        await received(b"", tmp_path, limit=1024, content_length=str(1 << 40))


async def test_a_file_that_does_not_fit_on_disk_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(DiskFull) as refused:
        await received(b"", tmp_path, limit=1 << 60, content_length=str(1 << 55))

    assert (507, "60") == (refused.value.status, refused.value.headers()["retry-after"])
    assert not (tmp_path / "upload").exists()


ADDRESS = [("model", "whisper-1"), ("url", "https://a.fm/a.mp3")]
ALONE: list[tuple[str, bytes]] = [
    ("application/json", b'{"model": "whisper-1", "url": "https://a.fm/a.mp3", "prompt": null}'),
    ("application/json", b'\xef\xbb\xbf{"model": "whisper-1", "url": "https://a.fm/a.mp3"}'),
    ("Application/JSON; charset=utf-8", b'{"model": "whisper-1", "url": "https://a.fm/a.mp3"}'),
    ("application/x-www-form-urlencoded", b"model=whisper-1&url=https%3A%2F%2Fa.fm%2Fa.mp3"),
    (
        f"multipart/form-data; boundary={BOUNDARY}",
        field("model", "whisper-1") + part('Content-Disposition: form-data; name="file"; filename=""', b"")
        + field("url", "https://a.fm/a.mp3") + END,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), ALONE)
async def test_a_url_can_be_sent_without_a_multipart_form(kind: str, body: bytes, tmp_path: Path) -> None:
    form = await received(body, tmp_path, step=5, content_type=kind)

    assert ADDRESS == form.fields


SOUND = bytes(range(256)) * 3 + b"\xff\xfe"
CODED = base64.b64encode(SOUND).decode()
EMBEDDED = [
    f"data:audio/wav;base64,{CODED}",
    f" DATA:audio/wav;codecs=1;BASE64,{CODED.rstrip('=')}",
    f"data:;base64,{base64.urlsafe_b64encode(SOUND).decode()}",
    f"data:audio/wav;base64,{quote(CODED, safe='')}",
    "data:audio/wav;base64," + base64.encodebytes(SOUND).decode(),
]


@pytest.mark.parametrize("url", EMBEDDED)
@pytest.mark.parametrize("kind", ["json", "web form", "form"])
async def test_a_data_url_may_contain_the_audio(kind: str, url: str, tmp_path: Path) -> None:
    fields = {"model": "whisper-1", "url": url}
    body, content_type = {
        "json": (json.dumps(fields).encode(), "application/json"),
        "web form": (urlencode(fields).encode(), "application/x-www-form-urlencoded"),
        "form": (field("model", "whisper-1") + field("url", url) + END, f"multipart/form-data; boundary={BOUNDARY}"),
    }[kind]

    form = await received(body, tmp_path, content_type=content_type)

    assert ([("model", "whisper-1")], SOUND) == (form.fields, form.path.read_bytes())
    assert hashlib.sha256(SOUND).hexdigest() == form.content()


BROKEN = ["data:audio/wav,abc", "data:audio/wav;base64,a", "data:audio/wav;base64,ab!d", "data:audio/wav;base64,ab d"]


@pytest.mark.parametrize(
    "url", [*BROKEN, pytest.param("data:audio/wav;base64," + "%41" * (MOST_ESCAPES + 1), id="many escapes")]
)
async def test_a_broken_data_url_is_refused_by_name(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="base64") as refused:
        await received(json.dumps({"url": url}).encode(), tmp_path, content_type="application/json")

    assert ("url", "invalid_value") == (refused.value.param, refused.value.code)


async def test_audio_in_a_data_url_has_the_size_limit_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        await received(
            json.dumps({"url": EMBEDDED[0]}).encode(), tmp_path, content_type="application/json", limit=len(SOUND) - 1
        )


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"url": "u",}', " (it breaks at byte 12)"),
        (b"{'url': 'u'}", " (it breaks at byte 1)"),
        (b'{"url": "u"', ""),
        (b"[]", ""),
        ('{"url": "u"}'.encode("utf-16"), ""),
    ],
)
async def test_malformed_json_is_refused_with_its_place(body: bytes, place: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as refused:
        await received(body, tmp_path, content_type="application/json")

    assert refused.value.message.startswith(f"The body is not a well-formed JSON object in UTF-8{place}: ")


async def test_json_values_become_fields(tmp_path: Path) -> None:
    body = b'{"url": "u", "stream": true, "temperature": 0.2, "languages": ["en", "fr"], "count": 2, "o": {"a": 1}}'

    form = await received(body, tmp_path, content_type="application/json")

    assert [
        ("url", "u"), ("stream", "true"), ("temperature", "0.2"), ("languages", "en"), ("languages", "fr"),
        ("count", "2"), ("o", '{"a":1}'),
    ] == form.fields  # fmt: skip


async def test_json_with_a_lone_surrogate_is_parsed(tmp_path: Path) -> None:
    """JavaScript writes one for a string that was cut inside an emoji."""
    body = rb'{"url": "u", "prompt": "a\ud83d \ud83d\ude00 \\ud83d"}'

    form = await received(body, tmp_path, content_type="application/json")

    assert [("url", "u"), ("prompt", "a\N{REPLACEMENT CHARACTER} \N{GRINNING FACE} \\ud83d")] == form.fields


CROWDED: list[tuple[str, bytes]] = [
    ("application/json", b'{"url": "u", "a": [%b]}' % b",".join([b"[]"] * (MOST // 2 + 1))),
    ("application/json", b'{"url": "u", "a": [%b]}' % b",".join([b'""'] * (MOST + 1))),
    ("application/json", b'{"url": "u", %b}' % b",".join([b'"a": {}'] * (MOST // 2 + 1))),
    ("application/x-www-form-urlencoded", b"url=u" + b"&a=" * (MOST + 1)),
    ("application/x-www-form-urlencoded", b"url=u&a=" + b"%41" * (MOST_ESCAPES + 1)),
    ("application/x-www-form-urlencoded", b"url=u&a=" + "%41ü".encode() * (MOST + 1)),
]


@pytest.mark.parametrize(("kind", "body"), CROWDED)
async def test_a_body_with_too_many_values_is_refused_before_parsing(kind: str, body: bytes, tmp_path: Path) -> None:
    """Parsing 4 MiB of them would block the event loop for seconds."""
    with pytest.raises(BadRequest, match="too many values or escapes"):
        await received(body, tmp_path, content_type=kind)


WITHOUT: list[tuple[str, bytes, str]] = [
    ("application/json", b'{"model": "whisper-1", "file": "/tmp/a.wav"}', "missing_required_parameter"),
    ("application/x-www-form-urlencoded", b"model=whisper-1&file=%40a.wav", "missing_required_parameter"),
    ("application/json", b"[]", "invalid_value"),
    ("application/json", b'{"a":' * 9000, "invalid_value"),
    ("application/json", b"\xff" * (5 << 20), "invalid_value"),
    ("application/x-www-form-urlencoded", b"\xff", "invalid_value"),
    ("application/x-www-form-urlencoded", b"&=" * 9000, "missing_required_parameter"),
]


@pytest.mark.parametrize(("kind", "body", "code"), WITHOUT)
async def test_a_body_without_audio_says_what_to_send(kind: str, body: bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="multipart/form-data") as refused:
        await received(body, tmp_path, content_type=kind)

    assert code == refused.value.code


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "a" * 9000])
async def test_a_compressed_body_is_refused_by_its_encoding(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(EncodedBody, match=encoding[:40]) as refused:
        await received(WHOLE, tmp_path, content_encoding=encoding)

    assert (415, "identity") == (refused.value.status, refused.value.headers()["accept-encoding"])
    assert len(refused.value.message) < 200


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
async def test_an_identity_encoding_changes_nothing(encoding: str, tmp_path: Path) -> None:
    assert len(AUDIO) == (await received(WHOLE, tmp_path, content_encoding=encoding)).size


async def test_a_url_may_replace_the_file(tmp_path: Path) -> None:
    form = await received(field("model", "whisper-1") + field("url", "https://a.fm/a.mp3") + END, tmp_path)

    assert [("model", "whisper-1"), ("url", "https://a.fm/a.mp3")] == form.fields
    assert 0 == form.size


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize(("space", "text"), [(10, 100), (100, 5)])
async def test_a_file_beyond_the_spool_bound_is_refused_while_it_arrives(
    tmp_path: Path, space: int, text: int, step: int | None
) -> None:
    """Without a declared length, received bytes are counted until the place is cleared."""
    files, texts = Shares(space), Shares(text)
    place = UploadPlace(tmp_path / "upload", Party(), files, texts)
    with pytest.raises(Overloaded):
        await received(field("prompt", "six...") + FILE + END, place, step=step)

    assert files.used <= space
    place.clear()
    assert ([], 0, 0) == (os.listdir(tmp_path), files.used, texts.used)  # noqa: PTH208 - a test's own folder


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
async def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    (tmp_path / "upload").symlink_to("/dev/full")

    with pytest.raises(DiskFull):
        await received(WHOLE, tmp_path, limit=2048)


async def test_a_limit_of_file_sizes_is_reported_as_a_full_disk(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with pytest.raises(DiskFull):
            await received(WHOLE, tmp_path, limit=2048)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


SIZES = [
    # audio, bytes per chunk of the body
    (AUDIO, 300_000),
    (AUDIO * 60_000, 300_000),
    (AUDIO * 60_000, upload.SCRAP - 1),
    (b"\r\n--b0undar" * 200_000, 300_000),  # near boundaries, which the parser passes on in very small pieces
    (bytes(upload.HASHED_MEANWHILE + upload.BLOCK), 1 << 20),
]


@pytest.mark.parametrize(
    ("audio", "step"), SIZES, ids=["one block", "several", "in scraps", "near boundaries", "hashed meanwhile"]
)
async def test_the_hash_matches_the_sent_file(audio: bytes, step: int, tmp_path: Path) -> None:
    body = part('Content-Disposition: form-data; name="file"; filename="a"', audio) + END

    form = await received(body, tmp_path, step=step, limit=1 << 27)

    assert hashlib.sha256(audio).hexdigest() == form.content() == form.content()
    assert audio == form.path.read_bytes()
    assert [] == form.pending


def test_small_pieces_are_joined(tmp_path: Path) -> None:
    form = upload.Upload(UploadPlace(tmp_path / "upload"), 1 << 20)
    for piece in (b"a", b"b", b"c" * upload.SCRAP, b"d", b"e"):
        form.add(memoryview(piece))

    assert [b"ab", b"c" * upload.SCRAP, b"de"] == [bytes(piece) for piece in form.pending]
    assert (upload.SCRAP + 4, upload.SCRAP + 4) == (form.size, form.waiting)
