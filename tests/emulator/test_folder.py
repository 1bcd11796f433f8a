"""The emulator's folder: bounded in size, and removed once its process has died, but not before."""

from __future__ import annotations

import stat
import tempfile
import uuid
from pathlib import Path

import pytest

from compat.emulator.folder import PREFIX, Folder, Full, own_folder
from compat.emulator.site import Site
from compat.emulator.state import Limits
from tests.emulator.running import Start, data_uri, wav


def test_the_size_of_the_folder_is_bounded(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "files", most=1000)
    for _ in range(4):
        folder.take(250)
        folder.new().write_bytes(bytes(250))
    with pytest.raises(Full):
        folder.take(1)

    next(folder.path.iterdir()).unlink()
    folder.take(250)
    folder.new().write_bytes(bytes(250))
    with pytest.raises(Full):
        folder.take(1)


def test_existing_files_are_removed(tmp_path: Path) -> None:
    Folder(tmp_path / "files", most=10).new().write_bytes(b"of an engine that was killed")

    assert [] == list(Folder(tmp_path / "files", most=10).path.iterdir())


def test_folders_of_dead_processes_are_removed_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead, other = tmp_path / f"{PREFIX}{uuid.uuid4().hex}", tmp_path / f"{PREFIX}notes"
    for folder in (dead, other):
        (folder / "files").mkdir(parents=True)
    trap = tmp_path / f"{PREFIX}{uuid.uuid4().hex}"
    trap.symlink_to(other)

    with own_folder(1000) as living:
        assert not dead.exists()
        assert (other / "files").exists()
        living.new().write_bytes(b"kept")
        with own_folder(1000):
            assert 1 == len(list(living.path.iterdir()))
        assert 0o700 == stat.S_IMODE(living.path.stat().st_mode) == stat.S_IMODE(living.path.parent.stat().st_mode)
    assert {other, trap} == set(tmp_path.iterdir())


def test_a_full_folder_refuses_uploads_and_audio(start: Start) -> None:
    service = start(limits=Limits(disk_bytes=40_000))
    policy = service.http.get("/api/v1/uploads", params={"action": "getPolicy", "model": "fun-asr"}).json()["data"]
    stored, heard = service.post_form(policy, wav(3)), service.chat(data_uri(wav(3)))

    assert [503, 503] == [stored.status_code, heard.status_code]
    assert "disk_bytes" in heard.json()["error"]["message"]
    assert [] == list(service.emulator.folder.path.iterdir())
    assert 200 == service.chat(data_uri(wav(1))).status_code


def test_a_single_use_upload_is_removed_with_its_task(start: Start) -> None:
    service = start(site=Site(single_use=True))
    url = service.upload(wav(), model="fun-asr")
    service.finished(service.submit("fun-asr", {"file_urls": [url]}).json()["output"]["task_id"])

    assert {} == service.emulator.objects
    assert 1 == len(list(service.emulator.folder.path.iterdir()))  # the result


def test_expired_files_are_removed_unless_a_task_reads_them(start: Start) -> None:
    now = [1_000_000.0]
    service = start(clock=lambda: now[0], limits=Limits(object_seconds=100, result_seconds=100, policy_seconds=1))
    url = service.upload(wav(), model="fun-asr")
    done = service.finished(service.submit("fun-asr", {"file_urls": [url]}).json()["output"]["task_id"])
    kept = set(service.emulator.folder.path.iterdir())
    service.emulator.tidy()
    assert kept == set(service.emulator.folder.path.iterdir())

    task = service.emulator.tasks[done["output"]["task_id"]]
    now[0] += 200
    task.ended = None
    service.emulator.tidy()
    assert kept == set(service.emulator.folder.path.iterdir())

    task.ended = now[0] - 100
    service.emulator.tidy()
    assert ([], {}, {}) == (
        list(service.emulator.folder.path.iterdir()),
        service.emulator.tasks,
        service.emulator.objects,
    )
