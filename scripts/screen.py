"""Draw docs/pictures/terminal.svg: a terminal in which `transcribe` works on a folder. Needs scripts/install dev."""

from __future__ import annotations

import io
import itertools
import os
import re
import sys
import tempfile
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay  # noqa: E402 - from this checkout
from tests.audio.media import make  # noqa: E402
from tests.running import running_server  # noqa: E402
from tests.terminal import terminal  # noqa: E402

PICTURE = ROOT / "docs" / "pictures" / "terminal.svg"
COLUMNS, ROWS = 92, 14
TYPED = "qwen-asr-compat transcribe talks -f srt -f text -o subtitles"
RECORDINGS = {"talks/monday/welcome.mp3": 40, "talks/monday/questions.mp3": 1200, "talks/friday/keynote.flac": 4000}


def colour(name: str) -> str | None:
    """Return rich's name for a colour of pyte."""
    if name == "default":
        return None
    if len(name) == 6 and not set(name) - set("0123456789abcdef"):
        return f"#{name}"
    return name.replace("bright", "bright_").replace("brown", "yellow")


def text(screen: pyte.Screen) -> Text:
    """Return the contents of a screen with their colours."""
    lines = []
    for row in range(screen.lines):
        line = Text()
        cells = [screen.buffer[row][column] for column in range(screen.columns)]
        for (name, bold), run in itertools.groupby(cells, lambda cell: (cell.fg, cell.bold)):
            line.append("".join(cell.data for cell in run), Style(color=colour(name), bold=bold))
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1].plain:
        lines.pop()
    return Text("\n").join(lines)


def main() -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    with (
        tempfile.TemporaryDirectory() as place,
        running_server(Tones(), long_road="pieces", piece_seconds=30.0) as server,
    ):
        folder = Path(place)
        for name, count in RECORDINGS.items():
            (path := folder / name).parent.mkdir(parents=True, exist_ok=True)
            sound = encode(lay(itertools.islice(itertools.cycle(VOCABULARY), count), gap_ms=150))
            make(path.suffix[1:], sound, 16_000, 1, path)
        command = [sys.executable, "-m", "compat", *TYPED.split()[1:]]
        settings = {**os.environ, "OPENAI_BASE_URL": server.base_url, "PYTHONPATH": str(ROOT)}
        with terminal(command, folder, settings, rows=ROWS, columns=COLUMNS) as shell:
            shell.until_match(r"welcome(.|\n)*keynote.* [3-9]\d%")
            console.print(Text(f"$ {TYPED}", "bold"))
            console.print(text(shell.screen), soft_wrap=True)
            shell.rest()
    svg = console.export_svg(title="qwen-asr-compat")
    PICTURE.write_text(re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL))


if __name__ == "__main__":
    main()
