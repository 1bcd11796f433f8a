"""Manual turns, including turns that are longer than the service accepts."""

from __future__ import annotations

import pytest

from tests.bridge.service import Service, heard, silence, word
from tests.bridge.simulation import Simulation
from tests.bridge.stage import (
    NEW,
    SECOND,
    Stage,
    append,
    by_hand,
    commit,
    committed,
    failed,
    final,
    finished,
    later,
    opened,
    play,
    ready,
    text,
)


def speech(seconds: int) -> tuple[bytes, list[str]]:
    """Return speech of four words per second: 160 ms each, with pauses of 90 ms."""
    count = seconds * 4
    return b"".join(word(number) + silence(90) for number in range(1, count + 1)), [
        f"w{number}" for number in range(1, count + 1)
    ]


def test_a_long_turn_is_one_item_and_no_word_is_cut() -> None:
    pcm, words = speech(200)
    for frame in (3200, 32_000, len(pcm)):
        simulation = Simulation(manual=True)
        simulation.connect()
        for at in range(0, len(pcm), frame):
            simulation.append(pcm[at : at + frame])
            simulation.deliver()
        simulation.say("input_audio_buffer.commit")
        simulation.settle()

        simulation.check()
        assert words == simulation.words
        assert 1 == len(simulation.transcripts)
        assert 200.0 == simulation.of(".completed")[0]["usage"]["seconds"]


def test_no_piece_is_longer_than_the_service_accepts() -> None:
    class Strict(Service):
        def take(self, frame: str | bytes) -> None:
            super().take(frame)
            assert len(self._pcm) <= 57 * 32_000

    pcm, words = speech(130)
    simulation = Simulation(manual=True, service=Strict())
    simulation.connect()
    for at in range(0, len(pcm), 8000):
        simulation.append(pcm[at : at + 8000])
        simulation.deliver()
    simulation.say("input_audio_buffer.commit")
    simulation.settle()

    assert words == simulation.words


def test_audio_after_50_s_waits_for_the_cut() -> None:
    stage = by_hand()
    for _ in range(50):
        assert stage.step(append(1000)) == ["> audio 32000"]
    play(
        stage,
        [
            *[(append(1000), [])] * 6,
            (append(1000), ["> audio 32000"] * 6 + ["> audio 31680", "> commit"]),
            (append(1000), []),
            (final("t1", "Hello there."), ["> audio 320", "> audio 32000"]),
            (commit, [*NEW, "< delta item_1 'Hello there.'", "> commit"]),
            (final("t2", "Bye."), ["< delta item_1 ' Bye.'", "< completed item_1 'Hello there. Bye.' 58.0"]),
        ],
    )


def test_a_turn_that_ends_before_the_cut_is_one_piece() -> None:
    stage = by_hand()
    for _ in range(56):
        stage.step(append(1000))

    assert stage.step(commit) == [*NEW, *["> audio 32000"] * 6, "> commit"]


def test_later_pieces_wait_for_those_before_them() -> None:
    stage = by_hand()
    for _ in range(57):
        stage.step(append(1000))
    play(
        stage,
        [
            (commit, NEW),
            (final("t2", "你好"), ["< delta item_1 '你好'", "> audio 320", "> commit"]),
            (final("t3", "世界"), ["< delta item_1 '世界'", "< completed item_1 '你好世界' 57.0"]),
        ],
    )


def test_a_turn_ends_once_when_one_of_its_pieces_fails() -> None:
    stage = by_hand()
    for _ in range(57):
        stage.step(append(1000))
    play(
        stage,
        [
            (commit, NEW),
            (failed("t1", "InternalError"), ["< failed item_1 upstream_error", "> audio 320", "> commit"]),
            (text("t2", "Bye"), []),
            (final("t2", "Bye."), []),
        ],
    )


def test_results_of_a_finished_session_for_the_next_turn_are_ignored() -> None:
    play(
        by_hand(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (committed("t1"), []),
            (append(500), ["> audio 16000"]),
            (text("t2", "", "t"), []),
            (later(3.1), ["> finish"]),
            (append(500), []),
            (final("t1", "one"), ["< delta item_1 'one'", "< completed item_1 'one' 1.0"]),
            (text("t2", "too"), []),
            (final("t2", "too"), []),
            (finished, ["close", "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 16000", "> audio 16000"]),
            (commit, [*SECOND, "> commit"]),
            (final("n1", "two"), ["< delta item_2 'two'", "< completed item_2 'two' 1.0"]),
        ],
    )


LOUD = (1000).to_bytes(2, "little") * 16_000


@pytest.mark.parametrize("sounds", [[1000], [LOUD], [LOUD, 1000]], ids=["silence", "noise", "both"])
def test_an_unacknowledged_commit_soon_finishes_the_session_of_the_service(sounds: list[int | bytes]) -> None:
    stage = by_hand()
    for sound in sounds:
        stage.step(append(sound))
    play(
        stage,
        [
            (commit, [*NEW, "> commit"]),
            (append(LOUD), []),
            (commit, SECOND),
            (later(0.4), []),
            (later(0.2), ["> finish"]),
            (finished, [f"< completed item_1 '' {len(sounds)}.0", "close", "open"]),
            (opened, ["> setup pcm/16000 manual", "> audio 32000", "> commit"]),
        ],
    )


def test_an_unacknowledged_commit_of_opus_soon_finishes_it_too() -> None:
    stage = ready(Stage(), format={"type": "audio/opus"}, turn_detection=None)
    for _ in range(5):
        stage.step(append(b"\x78\1\2\3"))

    play(stage, [(commit, [*NEW, "> commit"]), (later(0.4), []), (later(0.2), ["> finish"])])


@pytest.mark.parametrize(("took", "waits"), [(0.1, 0.5), (0.4, 0.8), (1.0, 2.0), (9.0, 3.0)])
def test_a_slow_acknowledgement_extends_the_timeout_of_the_next(took: float, waits: float) -> None:
    stage = by_hand()
    for step in (append(LOUD), commit, later(took), committed("t1"), final("t1", "one"), finished, opened):
        stage.step(step)

    for step in (append(LOUD), opened, commit):
        heard = stage.step(step)
    assert "> commit" in heard
    play(stage, [(later(waits - 0.1), []), (later(0.2), ["> finish"])])


def test_an_acknowledged_turn_has_a_longer_timeout() -> None:
    play(
        by_hand(),
        [
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (committed("t1"), []),
            (later(2.9), []),
            (later(0.2), ["> finish"]),
        ],
    )


def test_speech_after_silent_turns_is_answered_within_the_grace_period() -> None:
    simulation = Simulation(manual=True)
    simulation.connect()
    for sound in [silence(1500)] * 4 + [word(2000)]:
        simulation.append(sound)
        simulation.say("input_audio_buffer.commit")
    simulation.stop(4.0)
    for _ in range(40):
        simulation.connect()
        while simulation.deliver():
            pass
        simulation.wait(0.1)

    assert ["", "", "", "", "w2000"] == simulation.transcripts


def test_a_long_turn_with_lost_connections() -> None:
    pcm, words = speech(180)
    simulation = Simulation(manual=True)
    for index, at in enumerate(range(0, len(pcm), 16_000)):
        simulation.append(pcm[at : at + 16_000])
        simulation.connect()
        if index % 7 == 3:
            simulation.cut()
        elif index % 5 == 0:
            simulation.deliver()
    simulation.say("input_audio_buffer.commit")
    simulation.cut()
    simulation.settle()

    simulation.check()
    assert words == simulation.words


def test_the_simulated_service_recognises_the_words_that_it_is_sent() -> None:
    assert ["w1", "w2"] == heard(silence(10) + word(1) + silence(10) + word(2))
    assert ["w1/640"] == heard(word(1)[:640])
