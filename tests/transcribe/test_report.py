from __future__ import annotations

from pathlib import Path

import pytest

from compat.transcribe.plan import Piece
from compat.transcribe.report import Report


@pytest.fixture
def pieces(tmp_path: Path) -> list[Piece]:
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).write_bytes(bytes(2_000_000))
    return [Piece(tmp_path / name, name, tmp_path / f"{name}.txt", 30.0) for name in ("one.wav", "two.wav")]


def test_a_terminal_is_shown_each_file_s_bytes_and_the_seconds_of_all(
    pieces: list[Piece], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "200", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    report = Report(quiet=False, lines=False)

    for done in range(4):
        with report.showing(pieces):
            if done == 1:
                report.read(pieces[0])(500_000)
            if done == 2:
                report.read(pieces[0])(2_000_000)
            if done == 3:
                report.told(pieces[0], "done")
        lines = capsys.readouterr().err.splitlines()
        shown = "\n".join(line for line in lines if "wav" in line or "all" in line)
        expected = ["waiting", "sending 0.5 of 2.0 MB", "recognising", "30 of 60 s of audio"][done]
        assert expected in shown
