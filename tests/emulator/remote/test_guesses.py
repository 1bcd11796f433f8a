"""Words are settled when two results in a row agree on them."""

from __future__ import annotations

import pytest

from compat.emulator.remote.guesses import Guesses


@pytest.mark.parametrize(
    ("results", "settled", "tentative"),
    [
        ([], "", ""),
        (["It was"], "", "It was"),
        (["It was", "It was the best"], "It was", " the best"),
        (["It was the", "It was the"], "It was", " the"),  # the last word may be cut off
        (["It was.", "It was the best of"], "It", " was the best of"),
        (["It was the best", "It is the worst thing"], "It", " is the worst thing"),
        (["It was the", "It was the best of", "I was the best of times"], "It was the", ""),
        (["It was the", "It was the best of", "I was", "It was the best of times"], "It was the", " best of times"),
        (["你好", "你好，世界", "你好，世界和平"], "你好，世界", "和平"),
        (["It was", ""], "", ""),
    ],
)
def test_words_are_settled_by_agreement(results: list[str], settled: str, tentative: str) -> None:
    guesses = Guesses()
    for result in results:
        guesses.take(result)

    assert (settled, tentative) == (guesses.settled, guesses.tentative)
