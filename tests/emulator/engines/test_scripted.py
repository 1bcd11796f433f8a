"""The scripted engine returns the sentences of its script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.scripted import Scripted

ONE = Sentence(text="One.", begin_ms=0, end_ms=100)
TWO = Sentence(text="Two.", begin_ms=100, end_ms=200)


@pytest.mark.parametrize(
    ("turns", "heard"),
    [
        ((), [[], [], []]),
        (((ONE, TWO),), [[ONE, TWO]] * 3),
        (((ONE,), (TWO,)), [[ONE], [TWO], [TWO]]),
        (((ONE,), ()), [[ONE], [], []]),
    ],
)
def test_turns(turns: tuple[tuple[Sentence, ...], ...], heard: list[list[Sentence]]) -> None:
    engine = Scripted(*turns)

    assert [list(engine.recognise([])) for _ in range(3)] == heard


def test_the_audio_is_read_before_the_first_sentence() -> None:
    drained: list[bytes] = []

    def sound() -> Iterator[bytes]:
        for block in (b"a", b"b"):
            drained.append(block)
            yield block

    sentences = Scripted((ONE,)).recognise(sound(), speakers=True)
    assert next(sentences) is ONE
    assert drained == [b"a", b"b"]


def test_before_is_called_for_each_sentence() -> None:
    announced: list[Sentence] = []
    sentences = Scripted((ONE, TWO), before=announced.append).recognise([])

    next(sentences)
    assert announced == [ONE]
    next(sentences)
    assert announced == [ONE, TWO]


@pytest.mark.parametrize(
    ("script", "fed", "final"),
    [
        ([], [None, None], Hypothesis("")),
        ([Hypothesis("One.")], [None, None], Hypothesis("One.")),
        ([Hypothesis("", "on"), Hypothesis("One.")], [Hypothesis("", "on"), None], Hypothesis("One.")),
    ],
)
def test_listening(script: list[Hypothesis], fed: list[Hypothesis | None], final: Hypothesis) -> None:
    listener = Scripted(hypotheses=[script]).listen()

    assert [listener.feed(b"\0\0") for _ in fed] == fed
    assert listener.finish() == final
    assert () == listener.words()
