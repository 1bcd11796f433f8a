"""Error messages for files that are often uploaded instead of audio, recognised by their first bytes."""

from __future__ import annotations

import re

HEAD = 2048  # number of bytes examined

_BEGUN = "The file begins in the middle of a {} recording, whose header is missing: send {} in front of it."
_WEBM = _BEGUN.format("WebM or Matroska", "the recording's first chunk")
_MP4 = _BEGUN.format("fragmented MP4", "the initialisation segment (moov)")
_PICTURE = "The file is a picture, not audio."
_ARCHIVE = "The file is an archive or compressed, not audio: unpack it and send the audio inside."
_CODEC = "The file is a recording in {}, which FFmpeg cannot decode: convert it to WAV first with {}."
_KINDS = (
    (rb"\x02?#!SILK_V3", _CODEC.format("SILK (a voice message of WeChat or QQ)", "a SILK decoder")),
    (rb"MS_VOICE", _CODEC.format("Sony's DVF or MSV", "Sony's player")),
    (rb"\x03ds2|\x03enc", _CODEC.format("DS2", "Olympus' or Philips' player")),
    (rb"#!EVS", _CODEC.format("EVS", "3GPP's decoder")),
    (rb"MThd", "The file is MIDI: notes, not audio."),
    (rb"\x1f\x43\xb6\x75|\xa3(?:[\x81-\xfe]|[\x40-\x7f].)\x81..[\0\x80]", _WEBM),
    (rb".{4}(?:styp|moof|sidx)", _MP4),
    (rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF.{4}WEBP|.{4}ftyp(?:hei[cfsx]|hev[cx]|mif1|msf1|avif|avis)", _PICTURE),
    (rb"%PDF-", "The file is a PDF, not audio."),
    (rb"PK\x03\x04|\x1f\x8b\x08|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|BZh[1-9]1AY|\xfd7zXZ\0|\x28\xb5\x2f\xfd", _ARCHIVE),
    (
        rb"\x00\x05\x16[\x00\x07]",
        "The file is metadata that macOS stores beside a file (._name): send the file itself.",
    ),
    (
        rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|\?xml|head|body)",
        "The file is a web page or XML, not audio: the download probably failed.",
    ),
    (rb"#EXTM3U|\[playlist\]|ffconcat version", "The file is a playlist, not audio: send the audio that it names."),
    (
        rb"(?:data:[\w/+.;=-]*,)?[A-Za-z0-9+/\r\n]{256,}={0,2}\s*\Z",
        "The file is base64, not audio: decode it first, or send it as a data URL in url.",
    ),
)
_PATTERNS = [(re.compile(pattern, re.DOTALL | re.IGNORECASE), message) for pattern, message in _KINDS]
_REPLACED = b"\xef\xbf\xbd"  # U+FFFD, with which UTF-8 decoders replace invalid bytes
MANGLED = "The file was read as text before it was sent, which destroys audio: read and send it as bytes."
_TEXT = "The file is text, not audio."


def mistaken(head: bytes) -> str | None:
    """Return the error message for a file that FFmpeg does not recognise, or None if its kind is unknown.

    `head` is its first `HEAD` bytes.
    """
    for pattern, message in _PATTERNS:
        if pattern.match(head):
            return message
    if head.count(_REPLACED) > 3:
        return MANGLED
    return _TEXT if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8") if len(head) < HEAD else head.decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return False
    if len(head) >= HEAD and len(text.encode()) < len(head) - 3:  # a character may be cut at the end
        return False
    return bool(text) and all(letter.isprintable() or letter.isspace() for letter in text)
