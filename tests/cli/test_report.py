"""Progress bars and the message after Ctrl-C."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from compat.cli.outputs import OutputPiece
from compat.cli.report import Report


@pytest.fixture
def pieces(tmp_path: Path) -> list[OutputPiece]:
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).write_bytes(bytes(2_000_000))
    return [OutputPiece(tmp_path / name, name, tmp_path / f"{name}.txt", 30.0) for name in ("one.wav", "two.wav")]


@pytest.mark.parametrize(
    ("read", "finished", "expected"),
    [
        (None, False, "0 of 2, 0:00 of 1:00"),
        (500_000, False, "sending 0.5 of 2.0 MB"),
        (2_000_000, False, "recognising"),
        (2_000_000, True, "1 of 2, 0:30 of 1:00"),
    ],
)
def test_progress_shows_bytes_per_file_and_total_seconds(
    pieces: list[OutputPiece],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    read: int | None,
    finished: bool,
    expected: str,
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "200", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    report = Report(quiet=False, lines=False)
    threads = threading.active_count()

    with report.showing(pieces):
        assert threading.active_count() <= threads  # text and bars are drawn by one thread, in turn
        if read is not None:
            report.begun(pieces[0], 2_000_000)(read)
        if finished:
            report.finished(pieces[0], "done")

    assert expected in capsys.readouterr().err


def test_of_many_recordings_a_terminal_shows_the_sum(
    pieces: list[OutputPiece], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "200", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    report = Report(quiet=False, lines=False)
    report.expected = 21
    for status, seconds in (("done", 30.0), ("exists", None), ("done", 30.0)):
        report.finished(pieces[0], status, seconds=seconds)
    report.finished(pieces[1], "failed", "No such file")
    report.ending()

    shown = capsys.readouterr().err
    assert "one.wav" not in shown
    assert "two.wav: No such file" in shown
    assert "2 done, 1 already there, 1 failed; 1:00 of audio in 0:00" in shown


@pytest.mark.parametrize(
    ("kept", "force", "message"),
    [
        (True, False, "The same command continues with the others."),
        (True, True, "Without --force the same command continues with the others."),
        (False, False, ""),
    ],
)
def test_a_stopped_command_explains_how_to_continue(
    pieces: list[OutputPiece], capsys: pytest.CaptureFixture[str], kept: bool, force: bool, message: str
) -> None:
    report = Report(quiet=False, lines=False)
    report.stopped(3, kept=kept, force=force)
    for piece in pieces:
        report.advanced(piece, {"status": "in_progress", "progress": None})
    report.finished(pieces[0], "failed", "No such file")
    alone = capsys.readouterr().err
    report.stopped(3, kept=kept, force=force)

    assert f"Stopped: 0 of 3 done. {message}".strip() == alone.partition("\none.wav: ")[0].strip()
    begun = "The server completes 1 that it has begun."
    assert f"Stopped: 0 of 3 done. {begun} {message}".strip() == capsys.readouterr().err.strip()
