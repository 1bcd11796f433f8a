from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from compat.config.principal import Party
from compat.errors import DiskFull, Overloaded, TooLarge
from compat.transcription.spool import FITTED, PIECES, Spool, on_disk
from compat.upstream.shares import Shares
from tests.dashscope_api.support import MEDIA

HOLD = """
import pathlib, sys
from compat.transcription.spool import Spool
spool = Spool(pathlib.Path(sys.argv[1]))
(spool.path / "upload").write_bytes(b"speech")
print(spool.name, flush=True)
sys.stdin.read()
"""


def test_the_folder_of_a_dead_process_is_removed(tmp_path: Path) -> None:
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


def test_two_spools_in_one_process_are_independent(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)

    assert [] == first.sweep()
    second.close()
    assert [first.path] == list(tmp_path.iterdir())
    first.close()


def test_other_folders_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / "qwen-asr-compat-notes").mkdir()
    (tmp_path / "other").mkdir()
    spool = Spool(tmp_path)

    assert [] == spool.sweep()
    assert {"qwen-asr-compat-notes", "other", spool.name} == {path.name for path in tmp_path.iterdir()}
    spool.close()


def test_a_request_s_file_is_deleted_with_the_files_made_from_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert 0o700 == spool.path.stat().st_mode & 0o777
    with spool.place() as place, spool.place() as second:
        first = place.path
        assert first != second.path
        first.write_bytes(b"speech")
        first.with_suffix(FITTED).write_bytes(b"sp")
        first.with_suffix(PIECES).mkdir()
        (first.with_suffix(PIECES) / "1").write_bytes(b"spe")

    assert [] == list(spool.path.iterdir())
    spool.close()


A, B = (Party(name, alone=False) for name in "ab")


def test_a_place_s_bytes_are_counted_until_it_is_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, files=Shares(100))
    with spool.place(A) as first, spool.place(A) as second, spool.place(B) as other:
        first.reserve(file=30, text=10)
        second.reserve(file=20)
        with pytest.raises(Overloaded, match="allows one caller"):
            second.reserve(file=1)
        other.reserve(file=25)
        other.reserve(file=-5)
        assert (70, 10) == (spool.files.used, spool.texts.used)
        first.clear()
        first.reserve(file=50)
        second.reserve(file=20)
        assert (60, 0) == (spool.files.used, spool.texts.used)

    assert (0, 0) == (spool.files.used, spool.texts.used)
    spool.close()


def test_bytes_in_memory_are_counted_until_they_are_forgotten(tmp_path: Path) -> None:
    spool = Spool(tmp_path, files=Shares(1000), memory=Shares(100))
    with spool.place(A) as first, spool.place(A) as second, spool.place(B) as other:
        assert [True, True, False] == [first.keep(30), second.keep(20), second.keep(1)]
        assert [True, False] == [other.keep(25), other.keep(1)]
        first.forget()
        assert second.keep(5)
        assert 50 == spool.memory.used
        other.clear()
        assert not other.keep(1)

    assert (0, 0) == (spool.memory.used, spool.files.used)
    spool.close()


async def test_audio_in_memory_is_written_to_a_private_file_for_other_processes(tmp_path: Path) -> None:
    held = msgspec.structs.replace(MEDIA, path=tmp_path / "a", audio=memoryview(b"speech"))
    written = await on_disk(held)

    assert (None, b"speech") == (written.audio, held.path.read_bytes())
    assert 0o600 == held.path.stat().st_mode & 0o777
    assert written is await on_disk(written)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
async def test_a_disk_without_room_for_audio_in_memory_is_reported() -> None:
    with pytest.raises(DiskFull):
        await on_disk(msgspec.structs.replace(MEDIA, path=Path("/dev/full"), audio=memoryview(b"speech")))


EXPECTED = [(Party(), 100, None), (Party(), 101, TooLarge), (A, 25, None), (A, 26, Overloaded), (A, 51, TooLarge)]


@pytest.mark.parametrize(("party", "size", "refusal"), EXPECTED)
def test_a_body_that_cannot_fit_is_refused_early_and_reserves_nothing(
    tmp_path: Path, party: Party, size: int, refusal: type[Exception] | None
) -> None:
    spool = Spool(tmp_path, files=Shares(100))
    with spool.place(B) as other, spool.place(party) as place:
        if not party.alone:
            other.reserve(file=50)
        for _ in range(9):
            with pytest.raises(refusal) if refusal else contextlib.nullcontext():
                place.expect(size)
    spool.close()
