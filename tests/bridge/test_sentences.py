"""A growing transcript is cut into sentences."""

from __future__ import annotations

import pytest

from compat.bridge.sentences import Sentences
from tests.bridge.stage import counting


def sentences(pieces: list[str | None]) -> list[str]:
    cutter = Sentences(counting())
    found = [each for piece in pieces for each in cutter.add(piece)]
    assert [ticket for ticket, _ in found] == [f"sentence_{number}" for number in range(1, len(found) + 1)]
    return [sentence for _, sentence in found]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("", []),
        ("   ", []),
        ("no end", ["no end"]),
        ("The first one. The second one.", ["The first one.", "The second one."]),
        ("Really? Yes! Now…", ["Really?", "Yes!", "Now…"]),
        ("She said “the end.” Then she left.", ["She said “the end.”", "Then she left."]),
        ("Dr. Brown is here. It is Mr. Green.", ["Dr. Brown is here.", "It is Mr. Green."]),
        ("It costs 3.50 euros. Really.", ["It costs 3.50 euros.", "Really."]),
        ("你好。今天怎么样？很好！", ["你好。", "今天怎么样？", "很好！"]),
        ("「终于。」他说。", ["「终于。」", "他说。"]),
        ("यह पहला है। यह दूसरा है।", ["यह पहला है।", "यह दूसरा है।"]),
        ("first line\nsecond line", ["first line", "second line"]),
        ("هل أنت بخير؟ نعم.", ["هل أنت بخير؟", "نعم."]),
    ],
)
def test_the_sentences_of_a_turn_whatever_its_pieces(text: str, cut: list[str]) -> None:
    assert sentences([text, None]) == cut
    assert sentences([*text, None]) == cut
    for at in range(len(text)):
        assert sentences([text[:at], text[at:], None]) == cut


def test_the_end_of_a_turn_is_the_end_of_its_last_sentence() -> None:
    assert sentences(["One. Two", None, "three. Four.", None]) == ["One. Two", "three. Four."]
