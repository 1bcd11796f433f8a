"""The table of containers against FFmpeg's own."""

from __future__ import annotations

import pytest
from av.format import ContainerFormat

from compat.audio.formats import FORMATS, SUFFIXES

ELSEWHERE = {"avif", "heic", "heif", "psp", "mks", "mac", "apl"}  # pictures, subtitles, indexes


@pytest.mark.parametrize("name", FORMATS)
def test_ffmpeg_reads_it_and_knows_no_other_suffix(name: str) -> None:
    known = {f".{suffix}" for suffix in ContainerFormat(name, "r").extensions - ELSEWHERE}

    assert known <= SUFFIXES
