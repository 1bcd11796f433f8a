"""Captions that the page downloads: the server's for a file, and its own for live turns."""

from __future__ import annotations

import itertools
from pathlib import Path

import srt
from playwright.sync_api import Page, expect

from compat.openai_api.layout import width
from tests.playground.test_page import SAID, downloaded, transcribe
from tests.running import RunningServer


def test_captions_equal_the_server_s(page: Page, server: RunningServer, speech: Path) -> None:
    transcribe(page, speech, "Times and subtitles")
    expect(page.locator("#transcript")).to_contain_text(SAID)

    for name in ("srt", "vtt"):
        own = server.client().audio.transcriptions.create(model="whisper-1", file=speech, response_format=name)
        assert own == downloaded(page, name)
    assert "captions" not in downloaded(page, "json")


def test_captions_have_the_limits_that_were_entered(page: Page, server: RunningServer, speech: Path) -> None:
    page.locator("#more summary").click()
    page.get_by_label("Subtitles: columns per line").fill("20")
    page.get_by_label("Lines per subtitle").fill("1")
    transcribe(page, speech, "Times and subtitles")
    expect(page.locator("#transcript")).to_contain_text(SAID)

    own = server.client().audio.transcriptions.create(
        model="whisper-1",
        file=speech,
        response_format="srt",
        extra_body={"max_line_width": 20, "max_line_count": 1},
    )
    assert own == downloaded(page, "srt")
    assert all(len(cue.content) <= 20 for cue in srt.parse(own))

    page.get_by_text("Words as they come").click()
    expect(page.get_by_label("Lines per subtitle")).to_be_hidden()


TURNS = [
    [{"text": "One. " * 60, "start": 0.5, "end": 9.0}, {"text": " two", "start": 8.5, "end": 8.6}],
    [{"text": "那是最好的时代，" * 30, "start": 0, "end": 40}, {"text": "あ" * 200, "start": 40, "end": 40}],
    [
        {"text": "late", "start": 5, "end": 65},
        {"text": "early", "start": 1, "end": 4},
        {"text": " ", "start": 2, "end": 3},
    ],
    [{"text": "มันเป็นช่วงเวลาที่ดีที่สุด" * 9, "start": 0, "end": 20}, {"text": "x" * 500, "start": 20, "end": 21}],
    [{"text": f"turn {n} --> of many", "start": 0, "end": 0} for n in range(50)],
    [],
]


def test_captions_of_live_turns_are_readable(page: Page) -> None:
    for turns in TURNS:
        written = page.evaluate("async turns => (await import('/playground/captions.js')).srt(turns)", turns)
        cues = list(srt.parse(written))

        ordered = sorted(turns, key=lambda turn: float(str(turn["start"])))
        assert "".join("".join(str(turn["text"]).replace("-->", "->").split()) for turn in ordered) == "".join(
            "".join(cue.content.split()) for cue in cues
        )
        assert all(cue.start < cue.end and (cue.end - cue.start).total_seconds() <= 7.001 for cue in cues)
        assert all(before.end <= after.start for before, after in itertools.pairwise(cues))
        lines = [line for cue in cues for line in cue.content.split("\n")]
        assert all(len(cue.content.split("\n")) <= 2 for cue in cues)
        assert all(width(line) <= 42 or " " not in line for line in lines)
