"""Random speech and random schedules of events for the property tests of the bridge."""

from __future__ import annotations

import itertools
import os
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.bridge.service import RATE, WORD_MS, silence, word
from tests.bridge.simulation import Simulation

LANGUAGES = ("en", "de", "fr", "ja")
tens = st.integers(2, 30).map(lambda tenths: tenths * 10)
_pauses = st.integers(60, 120).map(lambda tenths: tenths * 10)


def conversations(examples: int) -> settings:
    """Return settings of Hypothesis for this number of fixed examples.

    `EXAMPLES` in the environment sets another number; the examples then differ in each run.
    """
    wanted = os.environ.get("EXAMPLES")
    return settings(
        max_examples=int(wanted or examples),
        derandomize=wanted is None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@dataclass(frozen=True)
class Speech:
    """Speech. `plan` has for each turn the pause before it and the pauses after its words, in milliseconds. `first`:
    the number of its first word. Words from 256 on are loud."""

    plan: list[tuple[int, list[int]]]
    first: int = 1

    @property
    def pcm(self) -> bytes:
        numbers = itertools.count(self.first)
        turns = [
            silence(before) + b"".join(word(next(numbers)) + silence(ms) for ms in gaps) for before, gaps in self.plan
        ]
        return b"".join(turns)

    @property
    def turns(self) -> list[list[str]]:
        numbers = itertools.count(self.first)
        return [[f"w{next(numbers)}" for _ in gaps] for _, gaps in self.plan]

    @property
    def starts(self) -> list[int]:
        """The start of each turn in milliseconds."""
        spans = [(before, sum(gaps) + WORD_MS * len(gaps)) for before, gaps in self.plan]
        return [before + sum(map(sum, spans[:index])) for index, (before, _) in enumerate(spans)]

    @property
    def positions(self) -> list[tuple[int, str]]:
        """The offset of each word in bytes, and the word."""
        return [(self.pcm.index(word(int(name[1:]))), name) for name in self.words]

    @property
    def times(self) -> list[tuple[str, float, float]]:
        """Each word with its start and end in seconds."""
        spans = [(at // 2 / RATE, name) for at, name in self.positions]
        return [(name, round(at, 3), round(at + WORD_MS / 1000, 3)) for at, name in spans]

    @property
    def words(self) -> list[str]:
        return [word for turn in self.turns for word in turn]


def speeches(fewest: int, most: int) -> st.SearchStrategy[Speech]:
    """Generate speech of `fewest` to `most` turns."""
    turn = st.tuples(_pauses, st.lists(tens, min_size=1, max_size=4))
    return st.lists(turn, min_size=fewest, max_size=most).map(Speech)


def traits(*, splits: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Generate fields of a simulated service. With `splits`, it may end turns earlier than requested."""
    return st.fixed_dictionaries(
        {
            "late": st.integers(0, 2),
            "settles": st.booleans(),
            "habits": st.integers(0, 3),
            "own_silence_ms": st.sampled_from([None, None, 400]) if splits else st.none(),
        }
    )


@dataclass(frozen=True)
class Outcome:
    """The offset of the last clear, and the offset and language of each update, in bytes."""

    cleared: int = 0
    chosen: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Schedule:
    """Random events between the client's frames, reproducible by `seed`.

    `pace` is the speed of the audio relative to real time; None for random pauses. Commits and clears are only sent
    between two samples, because they drop half a sample.
    """

    seed: int
    chunk: int
    cuts: float = 0.0
    delivery: int = 3
    commits: float = 0.0
    clears: float = 0.0
    stalls: float = 0.0
    updates: float = 0.0
    pace: float | None = None

    def run(self, simulation: Simulation, pcm: bytes, end: int | None = None) -> Outcome:
        """Run the schedule. `end` is the offset, in bytes, at which the server shuts down."""
        chance, languages = random.Random(self.seed), itertools.cycle(LANGUAGES)  # noqa: S311
        cleared, chosen = 0, [(0, "")]
        for at in range(0, len(pcm), self.chunk):
            after = at + self.chunk
            if end is not None and at <= end < after:
                simulation.stop(60.0)
            simulation.append(pcm[at:after])
            if chance.random() < 0.7:
                simulation.connect()
            for _ in range(chance.randint(0, self.delivery)):
                simulation.deliver()
            if chance.random() < self.cuts:
                simulation.cut()
            if self.updates and chance.random() < self.updates:
                chosen.append((after, next(languages)))
                update = {"transcription": {"language": chosen[-1][1]}}
                simulation.say("session.update", session={"audio": {"input": update}})
            if chance.random() < self.commits and not after % 2:
                simulation.say("input_audio_buffer.commit")
            if chance.random() < self.clears and not after % 2:
                simulation.say("input_audio_buffer.clear")
                cleared = after
            simulation.wait(self._pause(chance))
        return Outcome(cleared, chosen)

    def _pause(self, chance: random.Random) -> float:
        if self.pace is not None:
            return self.pace * self.chunk / (2 * RATE)
        return 4.0 if chance.random() < self.stalls else chance.choice([0.0, 0.1, 0.1, 0.5])
