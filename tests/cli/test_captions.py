"""Live captions on a terminal and as JSON lines."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from rich.live import Live

from compat.cli.captions import JsonCaptions, Screen
from compat.cli.listening import OpenTurn, Turn
from compat.cli.report import harmless

ORDERS = "\x1b[31mred\x9b2J\x07\r"
DIM, PLAIN = "\x1b[2m", "\x1b[0m"


@pytest.mark.parametrize(
    ("settled", "stash", "shown"),
    [
        ("Ever tried", " ever", f"Ever tried{DIM} ever{PLAIN}"),
        ("Ever tried.", "Ever", f"Ever tried. {DIM}Ever{PLAIN}"),
        ("试过。", "失败", f"试过。{DIM}失败{PLAIN}"),
        ("Ever tried.", "", "Ever tried."),
    ],
)
def test_tentative_words_are_dim(settled: str, stash: str, shown: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system="standard", legacy_windows=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        screen = Screen("talk.mp3", live, 10.0)
        screen.sent(2.5)
        screen.pending([OpenTurn(settled, stash)])
        screen.pending([])
        screen.settled(Turn("Ever tried. Ever failed.", 0.0, 3.0))

    lines = out.getvalue().splitlines()
    assert any(line.endswith(shown) for line in lines)
    assert any(line.endswith(f"{DIM}talk.mp3: 2 of 10 s{PLAIN}") for line in lines)
    assert any(line.endswith("Ever tried. Ever failed.") for line in lines)


@pytest.mark.parametrize("height", [2, 4])
def test_the_newest_rows_of_a_long_turn_are_shown(height: int) -> None:
    out, words = io.StringIO(), [f"word{number:02}" for number in range(30)]  # two in a row
    console = Console(file=out, force_terminal=True, width=16, height=height, color_system=None, legacy_windows=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        Screen("talk.mp3", live, 0.0).pending([OpenTurn(" ".join(words[:-1]), f" {words[-1]}")])

    newest = words[-2 * (height - 1) :]
    assert newest == [word for word in words if word in out.getvalue()]


def test_control_characters_in_captions_are_removed() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None, legacy_windows=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        screen = Screen(f"{ORDERS}.mp3", live, 10.0)
        screen.pending([OpenTurn(ORDERS, ORDERS)])
        screen.sent(1.0)
        screen.settled(Turn(ORDERS, 0.0, 3.0))

    assert "\x1b[31m" not in out.getvalue()
    assert "\x9b" not in out.getvalue()


def test_json_lines_escape_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    JsonCaptions("talk.mp3").settled(Turn(ORDERS, 0.0, 3.0))

    line = capsys.readouterr().out
    assert ORDERS == json.loads(line)["text"]
    assert line.removesuffix("\n").isprintable()


@pytest.mark.parametrize("kept", ["a\nb\tc\n", "می\u200cخواهم", "👩\u200d👧 \u200fعربي", "试过。"])
def test_joiners_direction_marks_and_line_breaks_are_kept(kept: str) -> None:
    assert kept == harmless(kept)
