"""Streaming resampling: the same samples however the input is split, without a delay."""

from __future__ import annotations

import array
import math
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.audio.resample import Resampler

RATES = [8000, 16_000, 24_000, 44_100, 48_000]
NOISE = random.Random(7).randbytes(60_000)  # noqa: S311 - no secret


def resampled(rate: int, pieces: list[bytes]) -> bytes:
    resampler = Resampler(rate, 16_000)
    return b"".join([*(resampler.feed(piece) for piece in pieces), resampler.flush()])


@given(rate=st.sampled_from(RATES), size=st.integers(0, 30_000), places=st.lists(st.integers(0, 60_000), max_size=30))
def test_any_split_gives_the_same_samples(rate: int, size: int, places: list[int]) -> None:
    pcm = NOISE[: 2 * size]
    bounds = [0, *sorted(min(place, len(pcm)) for place in places), len(pcm)]

    assert resampled(rate, [pcm]) == resampled(rate, [pcm[start:end] for start, end in pairwise(bounds)])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 17])
def test_small_frames_of_odd_lengths(rate: int, size: int) -> None:
    pcm = NOISE[:9000]

    assert resampled(rate, [pcm]) == resampled(rate, [pcm[at : at + size] for at in range(0, len(pcm), size)])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", [1, 79, 2399, 2400, 28_000])
def test_the_length_is_right(rate: int, samples: int) -> None:
    assert abs(len(resampled(rate, [NOISE[: 2 * samples]])) / 2 - samples * 16_000 / rate) <= 1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("second", [0.01, 0.5, 0.99])
def test_a_click_stays_where_it_was(rate: int, second: float) -> None:
    pcm = array.array("h", bytes(2 * rate))
    pcm[round(second * rate)] = 30_000
    heard = array.array("h", resampled(rate, [pcm.tobytes()]))

    assert abs(max(range(len(heard)), key=lambda at: abs(heard[at])) - second * 16_000) <= 1


@pytest.mark.parametrize("rate", [8000, 24_000, 48_000])
def test_a_long_piece_comes_out_at_once(rate: int) -> None:
    assert abs(len(Resampler(rate, 16_000).feed(bytes(2 * rate * 60))) / 2 / 16_000 - 60) < 0.005


@pytest.mark.parametrize("rate", [8000, 24_000, 44_100, 48_000])
def test_streams_that_share_a_filter_do_not_affect_each_other(rate: int) -> None:
    loud = array.array("h", [32_767, -32_768] * rate).tobytes()
    quiet, shouting = Resampler(rate, 16_000), Resampler(rate, 16_000)
    output = []
    for at in range(0, len(NOISE), 1002):
        shouting.feed(loud[: rate // 5])
        output.append(quiet.feed(NOISE[at : at + 1002]))
        shouting.feed(loud[2:903])
    shouting.flush()

    assert resampled(rate, [NOISE]) == b"".join([*output, quiet.flush()])


@pytest.mark.parametrize(
    ("rate", "hertz", "least", "most"),
    [
        (8000, 1000, -0.1, 0.1),
        (8000, 3400, -0.1, 0.1),
        (24_000, 100, -0.1, 0.1),
        (24_000, 6500, -0.1, 0.1),
        (24_000, 9000, -99, -60),
        (24_000, 11_000, -99, -90),
        (48_000, 6500, -0.1, 0.1),
        (48_000, 9000, -99, -60),
        (48_000, 20_000, -99, -90),
    ],
)
def test_frequencies_below_8_khz_keep_their_level_and_higher_ones_are_removed(
    rate: int, hertz: int, least: float, most: float
) -> None:
    sine = [round(20_000 * math.sin(2 * math.pi * hertz * at / rate)) for at in range(rate)]
    output = array.array("h", resampled(rate, [array.array("h", sine).tobytes()]))[400:-400]
    power = sum(sample * sample for sample in output) / len(output) / (20_000**2 / 2)

    assert least <= 10 * math.log10(max(power, 1e-9)) <= most


def test_equal_rates_pass_through_and_a_trailing_half_sample_is_dropped() -> None:
    resampler = Resampler(16_000, 16_000)

    assert [b"", b"ab", b"", b"cd"] == [resampler.feed(piece) for piece in (b"a", b"b", b"c", b"d")]
    assert [b"", b""] == [resampler.feed(b"e"), resampler.flush()]


def test_silence_and_constant_level_are_kept() -> None:
    assert not any(resampled(24_000, [bytes(4800)]))
    heard = array.array("h", resampled(24_000, [array.array("h", [1000] * 24_000).tobytes()]))
    assert {1000} == set(heard[100:-100])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in Linux's /proc")
def test_resamplers_start_no_threads() -> None:
    before = len(list(Path("/proc/self/task").iterdir()))
    resamplers = [Resampler(24_000, 16_000) for _ in range(8)]
    for resampler in resamplers:
        resampler.feed(NOISE)

    assert before == len(list(Path("/proc/self/task").iterdir()))
