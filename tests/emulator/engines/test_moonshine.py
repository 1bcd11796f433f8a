"""Real speech through the real model: words, times, early sentences, speakers, and revised partial results."""

from __future__ import annotations

import difflib
import itertools
import re
import threading
from collections.abc import Iterator

import pytest

from compat.emulator import sample, sound
from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.moonshine import Moonshine, tidy

SPOKEN = """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of
light, it was the season of darkness, it was the spring of hope, it was the winter of despair, we
had everything before us, we had nothing before us, we were all going direct to heaven, we were all
going direct the other way. In short, the period was so far like the present period, that some of
its noisiest authorities insisted on its being received, for good or for evil, in the superlative
degree of comparison only."""


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def likeness(heard: str) -> float:
    return difflib.SequenceMatcher(None, words(heard), words(SPOKEN), autojunk=False).ratio()


@pytest.fixture(scope="module")
def moonshine() -> Moonshine:
    return Moonshine()


@pytest.fixture(scope="module")
def blocks() -> list[bytes]:
    return list(sound.read(sample.path()))


@pytest.fixture(scope="module")
def sentences(moonshine: Moonshine, blocks: list[bytes]) -> list[Sentence]:
    return list(moonshine.recognise(blocks))


def test_the_sample_is_understood(sentences: list[Sentence]) -> None:
    assert likeness(" ".join(sentence.text for sentence in sentences)) > 0.9


def test_words_make_up_their_sentence_and_lie_within_it(sentences: list[Sentence]) -> None:
    for sentence in sentences:
        assert " ".join(word.text + word.punctuation for word in sentence.words) == sentence.text
        assert sentence.words[0].begin_ms == sentence.begin_ms
        assert sentence.words[-1].end_ms == sentence.end_ms
        assert all(word.begin_ms < word.end_ms for word in sentence.words)
        assert all(not word.text.endswith((",", ".")) for word in sentence.words)


def test_sentences_end_where_the_text_has_a_full_stop(sentences: list[Sentence]) -> None:
    assert not [word for sentence in sentences for word in sentence.words[:-1] if word.punctuation.endswith(".")]


def test_times_are_those_of_the_sound(sentences: list[Sentence]) -> None:
    assert sentences[0].begin_ms == pytest.approx(1_000, abs=300)
    assert sentences[-1].end_ms == pytest.approx(42_000, abs=500)
    assert [sentence.begin_ms for sentence in sentences] == sorted(sentence.begin_ms for sentence in sentences)


def test_sentences_are_returned_before_the_end_of_the_audio(moonshine: Moonshine, blocks: list[bytes]) -> None:
    unheard: Iterator[bytes] = iter(blocks)

    first = next(moonshine.recognise(unheard))

    assert first.text.startswith("It was the best of times")
    assert len(list(unheard)) > 30


def test_a_loop_has_the_times_of_the_first_round_shifted(moonshine: Moonshine, blocks: list[bytes]) -> None:
    round_ms = 17_000  # a pause

    heard = [word for sentence in moonshine.recognise(blocks[:17] * 2) for word in sentence.words]

    first = [word for word in heard if word.begin_ms < round_ms]
    second = heard[len(first) :]
    same = difflib.SequenceMatcher(None, [w.text for w in first], [w.text for w in second], autojunk=False)
    assert same.ratio() > 0.9
    for a, b, size in same.get_matching_blocks():
        for one, other in zip(first[a : a + size], second[b : b + size], strict=True):
            assert other.begin_ms - round_ms == pytest.approx(one.begin_ms, abs=500)


def test_a_new_stream_in_a_pause_loses_and_repeats_nothing(moonshine: Moonshine, blocks: list[bytes]) -> None:
    pause = [bytes(32_000)] * 12
    short = blocks[:9]

    heard = [sentence.text for sentence in moonshine.recognise([*short, *pause] * 4)]

    assert len([text for text in heard if text.startswith("It was the best of times")]) == 4
    assert len(words(" ".join(heard))) == pytest.approx(4 * 24, abs=5)


@pytest.mark.parametrize("seconds", [0, 1, 130])
def test_silence_is_no_sentence(moonshine: Moonshine, seconds: int) -> None:
    assert list(moonshine.recognise([bytes(32_000)] * seconds)) == []


def test_concurrent_recognitions_do_not_mix(moonshine: Moonshine, blocks: list[bytes]) -> None:
    heard: dict[int, str] = {}

    def hear(begin: int) -> None:
        heard[begin] = " ".join(sentence.text for sentence in moonshine.recognise(blocks[begin : begin + 7]))

    threads = [threading.Thread(target=hear, args=(begin,)) for begin in (0, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert "best of times" in heard[0]
    assert "nothing before us" in heard[20]


def test_speakers_are_distinguished_by_voice(moonshine: Moonshine) -> None:
    dialogue = list(sound.read(sample.path().with_name("endgame_nagg_nell.wav")))[8:17]

    sentences = list(moonshine.recognise(dialogue, speakers=True))

    assert {sentence.speaker for sentence in sentences} == {0, 1}
    assert all(sentence.text for sentence in sentences)


def test_each_recording_has_its_own_speakers(moonshine: Moonshine, blocks: list[bytes]) -> None:
    """Whoever was heard before, and in whatever recording."""
    for _ in range(2):
        assert {0} == {sentence.speaker for sentence in moonshine.recognise(blocks[:12], speakers=True)}


def test_a_prepared_model_is_loaded() -> None:
    moonshine = Moonshine()
    moonshine.prepare()

    assert moonshine.loaded


@pytest.mark.parametrize(
    ("said", "tidied"),
    [
        ("In short,, the period", "In short, the period"),
        ("a, , b;; c:: d.. e", "a, b; c: d. e"),
        ("wait... what?! no!!", "wait... what?! no!!"),
        ("the end,. Then,?", "the end. Then?"),
        (", the period", "the period"),
        (" . ", ""),
        ("3.5, 1,000 etc., and so on.", "3.5, 1,000 etc., and so on."),
    ],
)
def test_no_punctuation_is_doubled(said: str, tidied: str) -> None:
    assert tidied == tidy(said)


def test_a_listener_revises_tentative_text_only(moonshine: Moonshine, blocks: list[bytes]) -> None:
    pcm = b"".join(blocks[:14])
    listener = moonshine.listen()

    fed = [listener.feed(pcm[at : at + 3_200]) for at in range(0, len(pcm), 3_200)]
    final = listener.finish()

    beliefs: list[Hypothesis] = [belief for belief in fed if belief is not None]
    settled = [belief.text for belief in beliefs]
    assert len(beliefs) > 8
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(settled))
    assert any(not b.stash.startswith(a.stash) for a, b in itertools.pairwise(beliefs) if a.text == b.text)
    assert final.stash == ""
    assert final.text.startswith(settled[-1])
    assert "best of times" in final.text
    assert final.text == " ".join(word.text + word.punctuation for word in listener.words())
    assert all(word.begin_ms <= word.end_ms <= 14_000 for word in listener.words())


def test_without_partial_results_all_text_comes_at_the_end(moonshine: Moonshine, blocks: list[bytes]) -> None:
    listener = moonshine.listen()

    assert [None] * 4 == [listener.feed(block, partial=False) for block in blocks[:4]]
    assert "best of times" in listener.finish().text
