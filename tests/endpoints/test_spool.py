from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from compat.endpoints.spool import FITTED, PIECES, Spool

HOLD = """
import pathlib, sys
from compat.endpoints.spool import Spool
spool = Spool(pathlib.Path(sys.argv[1]))
(spool.path / "upload").write_bytes(b"speech")
print(spool.name, flush=True)
sys.stdin.read()
"""


def test_a_folder_lives_as_long_as_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        spool = Spool(tmp_path)

        assert [] == spool.sweep()
        assert (tmp_path / name / "upload").exists()

        other.kill()
        other.wait()
        assert [name] == spool.sweep()
        assert [spool.path] == list(tmp_path.iterdir())
        spool.close()

    assert [] == list(tmp_path.iterdir())


def test_two_in_one_process_are_two(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)

    assert [] == first.sweep()
    second.close()
    assert [first.path] == list(tmp_path.iterdir())
    first.close()


def test_what_is_not_a_spool_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "qwen-asr-compat-notes").mkdir()
    (tmp_path / "other").mkdir()
    spool = Spool(tmp_path)

    assert [] == spool.sweep()
    assert {"qwen-asr-compat-notes", "other", spool.name} == {path.name for path in tmp_path.iterdir()}
    spool.close()


def test_a_request_s_file_goes_with_all_that_was_made_of_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert 0o700 == spool.path.stat().st_mode & 0o777
    with spool.place() as first, spool.place() as second:
        assert first != second
        first.write_bytes(b"speech")
        first.with_suffix(FITTED).write_bytes(b"sp")
        first.with_suffix(PIECES).mkdir()
        (first.with_suffix(PIECES) / "1").write_bytes(b"spe")

    assert [] == list(spool.path.iterdir())
    spool.close()
