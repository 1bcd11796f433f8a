"""Forms as client libraries and tools write them, whole and in chunks of several sizes."""

from __future__ import annotations

import base64
import gc
import itertools
import weakref
from typing import Any

import pytest

from compat.endpoints.multipart import PREAMBLE, Parts
from compat.errors import BadRequest

AUDIO = b"RIFF\r\n--b\r\n-\x00\xff\n--b0\r\n" * 3
TEXT = [("model", "whisper-1"), ("prompt", 'Zoë 和 "Q"')]
Part = tuple[list[bytes], bytes]


def read(body: bytes, boundary: bytes = b"b0", step: int = 0) -> tuple[list[tuple[str, str]], bytes, bool]:
    """Return the fields, the file's bytes, and whether the file has a name."""
    taken = bytearray()
    parts = Parts(boundary, taken.extend)
    for start in range(0, len(body), step or len(body)):
        parts.feed(body[start : start + (step or len(body))])
    parts.end()
    assert parts.files == bool(taken)
    return parts.fields, bytes(taken), parts.named


def form(*parts: Part, boundary: bytes = b"b0") -> bytes:
    written = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, b"\r\n".join(head), body) for head, body in parts]
    return b"".join(written) + b"--%b--\r\n" % boundary


def writer(field: str, file: str, *, text: tuple[str, ...] = (), sound: tuple[str, ...] = (), **of: Any) -> list[Part]:  # noqa: ANN401 - of a table
    """Return the parts as one client library writes them.

    `field` and `file` are the Content-Disposition values, with a placeholder {name}; `text` and `sound` are the other
    headers. `charset` encodes the text fields. `first` puts the other headers before Content-Disposition.
    """

    def head(disposition: str, others: tuple[str, ...]) -> list[bytes]:
        lines = [f"Content-Disposition: {disposition}", *others]
        return [line.encode() for line in (lines[1:] + lines[:1] if of.get("first") else lines)]

    texts = [(head(field.format(name=name), text), value.encode(of.get("charset", "utf-8"))) for name, value in TEXT]
    return [*texts, (head(file, sound), AUDIO)]


def default(charset: bytes) -> Part:
    """Return the field that sets the charset of the fields after it."""
    return [b'Content-Disposition: form-data; name="_charset_"'], charset


OCTETS = "Content-Type: application/octet-stream"
UTF8 = "Content-Type: text/plain; charset=utf-8"
WRITERS = {
    # requests, httpx, openai-python, openai-node, browsers, OkHttp: quotes escaped as %22
    "browsers": writer('form-data; name="{name}"', 'form-data; name="file"; filename="é %22x%22.wav"', sound=(OCTETS,)),
    ".NET": writer(
        "form-data; name={name}",
        "form-data; name=file; filename=\"=?utf-8?B?w6kud2F2?=\"; filename*=utf-8''%C3%A9.wav",
        text=(UTF8,),
        first=True,
    ),
    ".NET, ASCII name": writer(
        "form-data; name={name}", "form-data; name=file; filename=a.wav; filename*=utf-8''a.wav"
    ),
    "filename* alone": writer('form-data; name="{name}"', "form-data; name=\"file\"; filename*=UTF-8''%e2%82%ac.wav"),
    "aiohttp": writer(
        'form-data; name="{name}"', 'form-data; name="file"; filename="%C3%A9.wav"', text=(UTF8,), first=True
    ),
    "Go": writer('form-data; name="{name}"', 'form-data; name="file"; filename="C:\\\\a\\"b.wav"', sound=(OCTETS,)),
    "curl, Windows path": writer('form-data; name="{name}"', 'form-data; name="file"; filename="C:\\dir\\a;b.wav"'),
    "Apache HttpClient, Latin-1": writer(
        'form-data; name="{name}"',
        'form-data; name="file"; filename="?.wav"',
        text=("Content-Type: text/plain; charset=UTF-16", "Content-Transfer-Encoding: 8bit"),
        sound=(OCTETS, "Content-Transfer-Encoding: binary"),
        charset="utf-16",
    ),
    "OkHttp": writer(
        'form-data; name="{name}"',
        'form-data; name="file"; filename="a.wav"',
        text=("Content-Length: 9",),
        sound=("Content-Type: audio/wav", f"Content-Length: {len(AUDIO)}"),
    ),
    "Dart": writer(
        'form-data; name="{name}"',
        'form-data; name="file"; filename="a.wav"',
        text=("content-type: text/plain; charset=utf-8", "content-transfer-encoding: binary"),
    ),
    "Unity": writer(
        'form-data; name="{name}"', 'form-data; name="file"; filename="a.wav"',
        text=('Content-Type: text/plain; charset="utf-8"', "Content-Encoding: utf-8"), first=True,
    ),
    "lower case": writer("FORM-DATA;NAME={name}", "form-data;name=file;filename=", sound=("content-type:audio/wav",)),
    "single quotes": writer("form-data; name='{name}'", "form-data; name='file'; filename='a.wav'"),
    "extended names": writer("form-data; name*=utf-8''{name}", "form-data; name*=UTF-8''file; filename*=utf-8''a"),
    "PHP arrays": writer('form-data; name="{name}"', 'form-data; name="file[0]"; filename="a.wav"'),
    "percent-encoded brackets": writer('form-data; name="{name}"', 'form-data; name="file%5B%5D"; filename="a.wav"'),
    "texts as files (requests)": writer(
        'form-data; name="{name}"; filename="{name}"', 'form-data; name="file"; filename="a.wav"'
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_the_form_of_every_client_library_is_parsed(name: str) -> None:
    for order in itertools.permutations(WRITERS[name]):
        fields, audio, named = read(form(*order))

        assert sorted(TEXT) == sorted(fields)
        assert (AUDIO, True) == (audio, named)
    body = form(*WRITERS[name])
    for step in (1, 2, 3, 5, 64):
        assert (TEXT, AUDIO, True) == read(body, step=step)


@pytest.mark.parametrize("boundary", [b"b0", b"--", b"a b", b"=_'()+,-./:=?", b"-" * 26 + b"123", b"x" * 70])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"\r\n", b"\r\n"),
        (b"This is a form.\r\n", b"The end."),
        (b"--\r\n-- no\n--b\r\n", b"--b0\r\n\r\n\0"),
    ],
)
def test_text_before_and_after_the_parts_is_skipped(boundary: bytes, before: bytes, after: bytes) -> None:
    whole = form(*WRITERS["Go"], boundary=boundary)
    for body in (before + whole + after, before + whole.removesuffix(b"\r\n")):
        for step in (0, 1, 7):
            assert (TEXT, AUDIO, True) == read(body, boundary, step)


def test_the_preamble_is_bounded() -> None:
    with pytest.raises(BadRequest, match="does not contain the boundary"):
        read(b"x" * (PREAMBLE + 1))
    with pytest.raises(BadRequest, match="does not contain the boundary"):
        read(b"no boundary at all")


LINES = base64.encodebytes(AUDIO * 9)
HEAD = [b'Content-Disposition: form-data; name="file"; filename="a"', b"Content-Transfer-Encoding: Base64"]
PROMPT = b'Content-Disposition: form-data; name="prompt"'


@pytest.mark.parametrize("coded", [LINES, LINES.replace(b"\n", b"\r\n"), base64.b64encode(AUDIO * 9)])
@pytest.mark.parametrize("step", [0, 1, 3, 64])
def test_base64_is_decoded(coded: bytes, step: int) -> None:
    body = form((HEAD, coded), ([PROMPT, HEAD[1]], base64.b64encode("Zoë".encode())))

    assert ([("prompt", "Zoë")], AUDIO * 9, True) == read(body, step=step)


def test_a_quoted_printable_text_is_decoded() -> None:
    body = form(([PROMPT, b"Content-Transfer-Encoding: quoted-printable"], b"Zo=C3=AB =\r\nand"))

    assert [("prompt", "Zoë and")] == read(body)[0]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (b"text/plain; charset=iso-8859-1", b"Zo\xeb", "Zoë"),
        (b"text/plain; charset=GBK", "你好".encode("gbk"), "你好"),
        (b"text/plain", "Zoë".encode(), "Zoë"),
        (b"application/json", b'"a \\"b\\""', 'a "b"'),
        (b"application/json; charset=utf-8", b'["a"]', '["a"]'),
        (b"text/plain", b'"a"', '"a"'),
    ],
)
def test_a_text_field_is_decoded_according_to_its_content_type(kind: bytes, value: bytes, text: str) -> None:
    assert [("prompt", text)] == read(form(([PROMPT, b"Content-Type: " + kind], value)))[0]


CHARSETS = [
    "ascii", "UTF8", "utf_16", "utf-16le", "utf-32", "latin1", "ISO_8859-1:1987", "iso-8859-15", "windows-1252",
    "cp1251", "gb2312", "GB18030", "big5", "Big5-HKSCS", "Shift_JIS", "windows-31j", "ms932", "euc-jp",
    "iso-2022-jp", "euc-kr", "ks_c_5601-1987", "koi8-r", "macintosh", "tis-620",
]  # fmt: skip


@pytest.mark.parametrize("charset", CHARSETS)
def test_charsets_are_known_by_their_names_in_the_registry_and_in_browsers(charset: str) -> None:
    octets = "word".encode("utf-16le" if charset == "utf-16le" else "utf-16" if charset == "utf_16" else "ascii")
    octets = "word".encode("utf-32") if charset == "utf-32" else octets

    assert [("prompt", "word")] == read(
        form(([PROMPT, f"Content-Type: text/plain; charset={charset}".encode()], octets))
    )[0]
    assert [("prompt", "word")] == read(form(default(charset.encode()), ([PROMPT], octets)))[0]


def test_a_charset_field_applies_to_the_fields_after_it() -> None:
    own = [PROMPT, b"Content-Type: text/plain; charset=utf-8"]

    body = form(default(b"gbk"), ([PROMPT], "你好".encode("gbk")), (own, "你好".encode()))

    assert [("prompt", "你好")] * 2 == read(body)[0]


# Python codecs that are not charsets, and names that are no codecs
NO_CHARSETS = [
    *(b"punycode idna undefined unicode_escape raw_unicode_escape utf-7 mbcs oem palmos".split()),
    *(b"base64 hex rot13 zlib bz2 quopri uu string_escape klingon a\0b __init__ aliases".split()),
    "ütf-8".encode(),
    b"x" * 300,
    b"-",
]


@pytest.mark.parametrize("charset", NO_CHARSETS)
@pytest.mark.parametrize("octets", [b"a", b"+2AA-", b"\\ud800", b"a-" * 50_000])
def test_an_unknown_charset_is_refused_wherever_it_is_given(charset: bytes, octets: bytes) -> None:
    named = b"Content-Disposition: form-data; name*=%b''prompt" % charset
    for parts in (
        [([PROMPT, b'Content-Type: text/plain; charset="%b"' % charset], octets)],
        [default(charset), ([PROMPT], octets)],
        [([named], octets)],
    ):
        with pytest.raises(BadRequest) as refused:
            read(form(*parts))
        assert refused.value.param in ("prompt", None)


@pytest.mark.parametrize("charset", [b"utf-8", b"utf-16le", b"utf-32le"])
def test_a_lone_surrogate_in_a_text_field_is_refused(charset: bytes) -> None:
    octets = "\ud800".encode(charset.decode(), "surrogatepass")
    with pytest.raises(BadRequest, match="prompt is not"):
        read(form(([PROMPT, b"Content-Type: text/plain; charset=" + charset], octets)))


REFUSED = [
    (form(([PROMPT, b"Content-Type: text/plain; charset=klingon"], b"a")), "prompt", "'klingon'"),
    (form(([PROMPT], b"\xff")), "prompt", "UTF-8"),
    (form(([PROMPT, HEAD[1]], b"a")), "prompt", "base64"),
    (form((HEAD, b"abcde")), "file", "base64"),
    (form(([HEAD[0], b"Content-Transfer-Encoding: quoted-printable"], b"a")), "file", "quoted-printable"),
    (form(([b'Content-Disposition: form-data; name="audio"; filename="a"'], b"a")), "audio", "send the audio as file"),
    (form(([b'Content-Disposition: form-data; filename="a"'], b"a")), None, "has no name"),
    (form(*WRITERS["Go"]).replace(b"\r\n", b"\n"), None, "CR LF"),
    (form(*WRITERS["Go"]).replace(b"--b0\r\n", b"--b0 \r\n"), None, "followed by spaces"),
    (form(([HEAD[0], *[b"X-Trace: a"] * 8], b"a")), None, "too many headers"),
    (form(([HEAD[0], b"X-Trace: " + b"a" * 5000], b"a")), None, "header is too long"),
    (form(([HEAD[0], b" folded"], b"a")), None, "several lines"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "reason"), REFUSED)
@pytest.mark.parametrize("step", [0, 1])
def test_an_invalid_part_is_refused_by_name(body: bytes, param: str | None, reason: str, step: int) -> None:
    with pytest.raises(BadRequest, match=reason) as refused:
        read(body, step=step)

    assert param == refused.value.param


def test_a_parser_is_freed_without_garbage_collection() -> None:
    parts = Parts(b"b0", lambda _: None)
    parts.feed(form(([b"Content-Disposition: form-data; name=prompt"], b"x" * 1000))[:-10])
    gone = weakref.ref(parts)
    gc.disable()
    try:
        del parts
        assert gone() is None
    finally:
        gc.enable()
