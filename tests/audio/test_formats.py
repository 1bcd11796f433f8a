"""The table of containers, compared with FFmpeg's."""

from __future__ import annotations

import pytest
from av.format import ContainerFormat

from compat.audio.formats import FORMATS, SUFFIXES

NOT_AUDIO = {"avif", "heic", "heif", "psp", "mks", "mac", "apl"}  # images, subtitles, indexes


@pytest.mark.parametrize("name", FORMATS)
def test_ffmpeg_has_the_demuxer_and_all_its_suffixes_are_listed(name: str) -> None:
    known = {f".{suffix}" for suffix in ContainerFormat(name, "r").extensions - NOT_AUDIO}

    assert known <= SUFFIXES


@pytest.mark.parametrize("suffix", [".3ga", ".qta", ".insv", ".lrv", ".ogm", ".tp", ".trp"])
def test_suffixes_that_recorders_and_cameras_use_are_listed(suffix: str) -> None:
    assert suffix in SUFFIXES
