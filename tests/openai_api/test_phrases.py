"""Alignment of a text with the spans of speech in its audio."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.openai_api.layout import fits_usual
from compat.openai_api.phrases import Phrase, phrases

Spans = list[tuple[float, float]]

LAID: list[tuple[str, str, Spans, list[Phrase]]] = [
    ("one span gets the whole text", "So it is.", [(1.0, 2.0)], [Phrase("So it is.", 1.0, 2.0)]),
    (
        "a long pause falls between sentences",
        "It rains. We stay at home today.",
        [(0.2, 0.7), (1.9, 3.4)],
        [Phrase("It rains. ", 0.2, 0.7), Phrase("We stay at home today.", 1.9, 3.4)],
    ),
    (
        "a pause at a comma is preferred to an equal share of the text",
        "When it rains, we stay at home and read.",
        [(0.0, 1.2), (2.0, 3.4)],
        [Phrase("When it rains, ", 0.0, 1.2), Phrase("we stay at home and read.", 2.0, 3.4)],
    ),
    (
        "within a clause the lengths decide",
        "one two three four five six",
        [(0.0, 1.0), (2.0, 3.0)],
        [Phrase("one two three ", 0.0, 1.0), Phrase("four five six", 2.0, 3.0)],
    ),
    (
        "phrases with short pauses are merged",
        "When it rains, we stay at home and read.",
        [(0.0, 1.2), (1.4, 2.8)],
        [Phrase("When it rains, we stay at home and read.", 0.0, 2.8)],
    ),
    (
        "a noise gets no text",
        "We stay at home and read all day.",
        [(0.0, 2.5), (4.0, 4.15)],
        [Phrase("We stay at home and read all day.", 0.0, 2.5)],
    ),
    (
        "Chinese is aligned by characters",
        "今天下雨。我们在家看书。",
        [(0.5, 1.5), (2.5, 4.2)],
        [Phrase("今天下雨。", 0.5, 1.5), Phrase("我们在家看书。", 2.5, 4.2)],
    ),
    ("more spans than words", "Well.", [(0.0, 0.1), (1.0, 1.9), (3.0, 3.1)], [Phrase("Well.", 1.0, 1.9)]),
]


@pytest.mark.parametrize(("text", "spans", "laid"), [row[1:] for row in LAID], ids=[row[0] for row in LAID])
def test_phrases_are_aligned_with_spans(text: str, spans: Spans, laid: list[Phrase]) -> None:
    assert laid == phrases(text, spans)


WORDS = st.lists(st.sampled_from(["a", "well", "said,", "extraordinarily", "done.", "雨", "今天。"]), min_size=1)
LENGTHS = st.lists(st.tuples(st.floats(0.08, 5.0), st.floats(0.12, 3.0)), min_size=1, max_size=30)


@given(WORDS, LENGTHS)
def test_phrases_keep_all_text_in_order_and_within_the_spans(
    words: list[str], lengths: list[tuple[float, float]]
) -> None:
    text = " ".join(words)
    edges = list(itertools.accumulate(itertools.chain.from_iterable(lengths), initial=0.0))
    spans = [(edges[at], edges[at + 1]) for at in range(0, len(edges) - 1, 2)]

    laid = phrases(text, spans)

    assert text == "".join(phrase.text for phrase in laid)
    assert all(left.end < right.start for left, right in itertools.pairwise(laid))
    assert {phrase.start for phrase in laid} <= {start for start, _ in spans}
    assert {phrase.end for phrase in laid} <= {end for _, end in spans}
    joined = [phrase for phrase in laid if (phrase.start, phrase.end) not in spans]
    assert all(fits_usual(phrase.text) for phrase in joined)
