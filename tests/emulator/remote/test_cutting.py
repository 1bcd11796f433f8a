"""Audio is cut at pauses, completely and independently of how it arrives."""

from __future__ import annotations

import itertools

import pytest

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.remote.cutting import LONGEST_MS, SHORTEST_MS, Piece, pieces

SECOND = 32_000  # bytes


def speech(words: int, gap_ms: int = 150) -> bytes:
    return encode(lay([VOCABULARY[at % len(VOCABULARY)] for at in range(words)], gap_ms=gap_ms))


def spoken(pcm: bytes) -> list[str]:
    return [word.text for sentence in Tones().recognise([pcm]) for word in sentence.words]


def cut(pcm: bytes, size: int = SECOND) -> list[Piece]:
    return list(pieces(pcm[at : at + size] for at in range(0, len(pcm), size)))


@pytest.mark.parametrize("gap_ms", [60, 700])
def test_no_word_is_cut(gap_ms: int) -> None:
    pcm = speech(150, gap_ms)

    found = cut(pcm)

    assert spoken(pcm) == [word for piece in found for word in spoken(piece.pcm)]
    assert all(before.end_ms == after.begin_ms for before, after in itertools.pairwise(found))
    lengths = [piece.end_ms - piece.begin_ms for piece in found]
    assert max(lengths) <= LONGEST_MS
    assert min(lengths[:-1]) >= SHORTEST_MS - 500


def test_the_pieces_do_not_depend_on_the_blocks() -> None:
    pcm = speech(60)

    assert cut(pcm, 3_198) == cut(pcm) == cut(pcm, len(pcm))


def test_a_piece_has_the_spans_of_its_speech() -> None:
    [piece] = cut(bytes(2 * SECOND) + speech(3) + bytes(SECOND) + speech(2))

    (first, second) = piece.spoken
    assert 2_000 <= first[0] <= 2_300
    assert first[1] <= second[0] - 900
    assert second[1] <= piece.end_ms


@pytest.mark.parametrize("sound", [b"", bytes(1), bytes(100 * SECOND), b"\x20\x00\xe0\xff" * 8_000])
def test_silence_is_not_sent(sound: bytes) -> None:
    assert [] == cut(sound)


def test_quiet_speech_is_sent() -> None:
    samples = memoryview(speech(20)).cast("h")
    quiet = memoryview(bytearray(len(samples) * 2)).cast("h")
    for at, sample in enumerate(samples):
        quiet[at] = sample // 64

    assert spoken(bytes(samples)) == [word for piece in cut(quiet.tobytes()) for word in spoken(_louder(piece.pcm))]


def _louder(pcm: bytes) -> bytes:
    out = memoryview(bytearray(pcm)).cast("h")
    for at, sample in enumerate(out):
        out[at] = sample * 64
    return out.tobytes()
