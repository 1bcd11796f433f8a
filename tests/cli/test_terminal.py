"""The contents of a real terminal after progress bars have ended, and after Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import VOCABULARY, encode, lay
from compat.emulator.faults import Hang, Rule
from tests.audio.media import make
from tests.cli.command import command, environment
from tests.running import RunningServer, running_server
from tests.terminal import CTRL_C, terminal

ENGLISH = "It was the age of foolishness, it was the epoch of belief, it was the epoch of incredulity. "
CHINESE = "那是最好的时代，那是最坏的时代，那是智慧的时代，那是愚昧的时代。"
SAID = (ENGLISH * 8 + CHINESE * 8).strip()


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted([Sentence(text=SAID, begin_ms=0, end_ms=900)])) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("one.wav", "[red]two.wav", "three.wav")):
        make("wav", encode(lay(VOCABULARY[number : number + 3])), 16000, 1, tmp_path / name)
    return tmp_path


def letters(text: str) -> str:
    """Return the text without white space, since a terminal's line breaks replace spaces."""
    return "".join(text.split())


STOPPED = "Stopped: 1 of 3 done. Without --force the same command continues with the others"
NAMES = ("one.wav", "[red]two.wav", "three.wav")
SCREENS: list[tuple[dict[str, str], int, int]] = [
    ({}, 80, 24),
    ({"NO_COLOR": "1"}, 19, 5),
]


@pytest.mark.parametrize(("more", "columns", "rows"), SCREENS)
def test_progress_bars_do_not_overwrite_the_transcript(
    server: RunningServer, folder: Path, more: Mapping[str, str], columns: int, rows: int
) -> None:
    given = command("transcribe", *NAMES, "--out", "-")
    with terminal(given, folder, environment(server, more), columns=columns, rows=rows) as shell:
        shown = shell.rest()

    assert (0, letters(SAID) * 3) == (shell.status, letters(shown))
    assert (b" of 0:0" in shell.raw) == (columns >= 40)


def test_progress_bars_are_redrawn_while_the_server_works(server: RunningServer, folder: Path) -> None:
    server.fail(Rule("chat", Hang(), times=None))
    with terminal(command("transcribe", "one.wav"), folder, environment(server)) as shell:
        shell.until("recognising")


def test_a_pipe_gets_the_exact_transcript(server: RunningServer, folder: Path) -> None:
    given = command("transcribe", "one.wav", "--out", "-")
    with (folder / "piped").open("wb") as pipe, terminal(given, folder, environment(server), stdout=pipe) as shell:
        shown = shell.rest()

    assert (0, f"{SAID}\n", "") == (shell.status, (folder / "piped").read_text(), shown)


def test_a_dumb_terminal_shows_the_whole_transcript(server: RunningServer, folder: Path) -> None:
    with (
        (folder / "one.wav").open("rb") as source,
        (folder / "errors").open("wb") as errors,
        terminal(
            command("transcribe", "-"), folder, environment(server, {"TERM": "dumb"}), stdin=source, stderr=errors
        ) as shell,
    ):
        shown = shell.rest()

    assert (0, letters(SAID), "") == (shell.status, letters(shown), (folder / "errors").read_text())


def test_bars_of_long_names_show_the_state_and_are_erased_after_ctrl_c(server: RunningServer, folder: Path) -> None:
    server.fail(Rule("chat", Hang(), times=None))
    name = f"{'a very long name ' * 9}录音.wav"
    (folder / "one.wav").rename(folder / name)
    with terminal(command("transcribe", name), folder, environment(server), columns=60, rows=12) as shell:
        shell.until("录音.wav recognising")
        shell.type(CTRL_C)
        shown = shell.rest()

    assert (130, "Stopped: 0 of 1 done.") == (shell.status, shown.removeprefix("^C").strip()[:21])


@pytest.mark.parametrize(("end", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stopped_command_keeps_finished_transcripts(
    server: RunningServer, folder: Path, end: signal.Signals, status: int
) -> None:
    server.fail(Rule("chat", Hang(), nth=2, times=None))
    (folder / "three.txt").write_text("from before")
    with terminal(command("transcribe", *NAMES, "--force"), folder, environment(server)) as shell:
        shell.until("done")
        shell.type(CTRL_C) if end == signal.SIGINT else shell.signal(end)
        shown = shell.rest()

    kept = [path for path in folder.glob("*.txt") if letters(path.read_text()) == letters(SAID)]
    assert (status, 1) == (shell.status, len(kept))
    assert [] == list(folder.glob(".*"))
    assert (folder / "three.txt") in kept or (folder / "three.txt").read_text() == "from before"
    assert (end == signal.SIGINT) == (STOPPED in shown)
