"""Words coded as tones are decoded exactly from any format; damaged words are not guessed."""

from __future__ import annotations

import random
from pathlib import Path

import av
import pytest

from compat.emulator import sound
from compat.emulator.engine import Hypothesis, Word
from compat.emulator.engines.tones import GAP_MS, SENTENCE_WORDS, UNKNOWN, VOCABULARY, Decoder, Tones, encode, lay
from tests.emulator.recordings import encoded, interleaved, wav

WORDS = lay(VOCABULARY, gap_ms=GAP_MS)
RANDOM = random.Random(1)  # noqa: S311  the same every time
NOISE = RANDOM.randbytes(32_000)


def read_back(pcm: bytes, size: int = 32_000) -> list[Word]:
    decoder = Decoder()
    heard = [word for at in range(0, len(pcm), size) for word in decoder.feed(pcm[at : at + size])]
    return heard + decoder.flush()


def assert_same(heard: list[Word], said: tuple[Word, ...], off_ms: int = 20) -> None:
    assert [word.text for word in heard] == [word.text for word in said]
    for mine, coded in zip(heard, said, strict=True):
        assert mine.begin_ms == pytest.approx(coded.begin_ms, abs=off_ms)
        assert mine.end_ms == pytest.approx(coded.end_ms, abs=off_ms)


@pytest.mark.parametrize("size", [2, 14, 320, 3_200, 31_998, 10_000_000])
def test_every_word_from_pieces_of_any_size(size: int) -> None:
    few = WORDS[:4] if size < 320 else WORDS

    assert_same(read_back(encode(few), size), few, off_ms=2)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_rate_and_layout(tmp_path: Path, rate: int, channels: int) -> None:
    pcm = interleaved(*[encode(WORDS, rate=rate)] * channels)

    heard = read_back(b"".join(sound.read(wav(tmp_path / "a.wav", pcm, rate=rate, channels=channels))))

    assert_same(heard, WORDS, off_ms=5)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "bit_rate"),
    [
        ("ulaw.wav", "pcm_mulaw", 8_000, None),
        ("alaw.wav", "pcm_alaw", 8_000, None),
        ("a.mp3", "libmp3lame", 44_100, 64_000),
        ("low.mp3", "libmp3lame", 16_000, 24_000),
        ("a.m4a", "aac", 44_100, 64_000),
        ("a.mp4", "aac", 48_000, 96_000),
        ("a.flac", "flac", 16_000, None),
        ("a.ogg", "libopus", 48_000, 32_000),
        ("low.ogg", "libopus", 16_000, 16_000),
        ("a.webm", "libopus", 48_000, 64_000),
        ("v.ogg", "vorbis", 44_100, None),
    ],
)
def test_every_codec(tmp_path: Path, name: str, codec: str, rate: int, bit_rate: int | None) -> None:
    source = wav(tmp_path / "source.wav", encode(WORDS))

    assert_same(
        read_back(b"".join(sound.read(encoded(source, tmp_path / name, codec, rate=rate, bit_rate=bit_rate)))), WORDS
    )


@pytest.mark.parametrize("rate", [8_000, 24_000])
def test_resampled_frame_by_frame(rate: int) -> None:
    """As a live bridge does it: 100 ms frames through one resampler."""
    pcm = encode(WORDS, rate=rate)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    heard = b""
    for at in range(0, len(pcm), rate // 5):
        piece = pcm[at : at + rate // 5]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(piece) // 2)
        frame.sample_rate = rate
        frame.planes[0].update(piece)
        heard += b"".join(bytes(out.planes[0])[: out.samples * 2] for out in resampler.resample(frame))

    assert_same(read_back(heard), WORDS, off_ms=5)


def test_a_quieter_recording_reads_the_same() -> None:
    values = memoryview(encode(WORDS)).cast("h")
    quiet = memoryview(bytearray(len(values) * 2)).cast("h")
    for at, value in enumerate(values):
        quiet[at] = value // 6

    assert_same(read_back(quiet.tobytes()), WORDS, off_ms=5)


ONE = lay(["river"], begin_ms=1000)
PCM = encode(ONE, length_ms=2000)


def cut(from_ms: int, to_ms: int) -> bytes:
    return PCM[: from_ms * 32] + PCM[to_ms * 32 :]


def at_rate(played: int) -> bytes:
    return encode(ONE, rate=played, length_ms=2000)


@pytest.mark.parametrize(
    ("name", "pcm", "heard"),
    [
        ("whole", PCM, ["river"]),
        ("silence", bytes(64_000), []),
        ("nothing", b"", []),
        ("hum too quiet to matter", bytes([100, 0, 156, 255]) * 16_000, []),
        ("its first half lost", cut(900, 1080), [UNKNOWN]),
        ("its last half lost", cut(1080, 1200), [UNKNOWN]),
        ("its middle lost", cut(1060, 1100), [UNKNOWN]),
        ("its first half doubled", PCM[: 1080 * 32] + PCM[1000 * 32 :], [UNKNOWN]),
        ("torn apart", PCM[: 1080 * 32] + bytes(3_200) + PCM[1080 * 32 :], [UNKNOWN, UNKNOWN]),
        ("ended in the middle", PCM[: 1080 * 32], [UNKNOWN]),
        ("doubled whole", PCM[: 1300 * 32] + PCM[900 * 32 :], ["river", "river"]),
        ("a click", PCM[:3200] + b"\xff\x7f" * 8 + PCM[3216:], [UNKNOWN, "river"]),
        ("a step", bytes(16_000) + b"\x00\x30" * 300 + bytes(16_000), [UNKNOWN]),
        ("a byte lost, all later ones swapped", PCM[: 1050 * 32 + 1] + PCM[1050 * 32 + 2 :], [UNKNOWN]),
        ("24 kHz taken for 16", at_rate(24_000), [UNKNOWN]),
        ("8 kHz taken for 16", at_rate(8_000), [UNKNOWN]),
        ("48 kHz taken for 16", at_rate(48_000), [UNKNOWN]),
        ("44.1 kHz taken for 48", at_rate(14_700), [UNKNOWN]),
        ("two words at once", encode((*ONE, Word("noble", 1060, 1220))), [UNKNOWN]),
        ("noise", NOISE[:6_400], [UNKNOWN]),
    ],
)
def test_damaged_words_are_not_guessed(name: str, pcm: bytes, heard: list[str]) -> None:
    del name
    whole = pcm[: len(pcm) // 2 * 2]

    assert [word.text for word in read_back(whole)] == heard


@pytest.mark.parametrize("word", VOCABULARY)
@pytest.mark.parametrize("rate", [8_000, 14_700, 17_415, 24_000, 32_000, 44_100, 48_000])
def test_no_word_at_a_wrong_rate_is_another_word(word: str, rate: int) -> None:
    assert {word.text for word in read_back(encode(lay([word]), rate=rate))} <= {UNKNOWN}


def test_memory_is_bounded_for_endless_noise() -> None:
    decoder = Decoder()

    heard = [word.text for _ in range(30) for word in decoder.feed(NOISE)]

    assert set(heard) == {UNKNOWN}
    assert 20 <= len(heard) <= 31
    assert decoder.now_ms == 30_000


def blocks(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + 32_000] for at in range(0, len(pcm), 32_000)]


def test_sentences_end_at_long_gaps_and_at_twelve_words() -> None:
    first, second = lay(VOCABULARY[:3]), lay(VOCABULARY[3:20], begin_ms=2000)

    sentences = list(Tones().recognise(blocks(encode((*first, *second)))))

    assert [len(sentence.words) for sentence in sentences] == [3, SENTENCE_WORDS, 5]
    assert sentences[0].text == "amber basil cedar"
    assert (sentences[1].begin_ms, sentences[1].end_ms) == (2000, 2000 + 12 * 280 - 120)


def test_sentences_of_tones_are_returned_before_the_end_of_the_audio() -> None:
    unheard = iter(blocks(encode((*lay(["amber"]), *lay(["basil"], begin_ms=5_000)))))

    assert next(Tones().recognise(unheard)).text == "amber"
    assert len(list(unheard)) >= 3


def test_a_quarter_of_an_hour_word_for_word() -> None:
    said = lay(RANDOM.choices(VOCABULARY, k=3_000), gap_ms=140)

    heard = [word for sentence in Tones().recognise(blocks(encode(said))) for word in sentence.words]

    assert_same(heard, said, off_ms=2)


def test_the_last_words_of_a_partial_result_are_tentative() -> None:
    pcm = encode(lay(["amber", "basil", "cedar", "dusty", "ember"]))
    listener = Tones().listen()

    beliefs = [listener.feed(pcm[at : at + 3_200]) for at in range(0, len(pcm), 3_200)]

    assert [belief for belief in beliefs if belief is not None] == [
        Hypothesis("", "amber"),
        Hypothesis("", "amber basil"),
        Hypothesis("amber", "basil basil"),
        Hypothesis("amber basil", "cedar dusty"),
        Hypothesis("amber basil cedar", "dusty ember"),
    ]
    assert listener.finish() == Hypothesis("amber basil cedar dusty ember")


def test_the_word_in_progress_at_the_end_is_recognised() -> None:
    listener = Tones().listen()
    listener.feed(PCM[: 1162 * 32])

    assert listener.finish() == Hypothesis("river")


def test_a_listener_times_the_words_of_its_hypothesis() -> None:
    laid = lay(["amber", "basil", "cedar"])
    pcm = encode(laid)
    listener = Tones().listen()

    assert () == listener.words()
    listener.feed(pcm)
    assert [(word.text, word.begin_ms) for word in listener.words()] == [
        *((word.text, word.begin_ms) for word in laid[:2]),
        ("basil", laid[2].begin_ms),  # to be corrected
    ]
    listener.finish()
    assert laid == listener.words()
