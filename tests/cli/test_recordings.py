"""Which recordings the arguments name, and which targets their transcripts get."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from compat.cli.outputs import plan, put
from compat.cli.recordings import UnreadablePath, find
from compat.cli.sources import NAME

FILES = (
    "a.wav",
    "b.MP3",
    "day1/one.wav",
    "day1/one.mp3",
    "day1/notes.txt",
    "day1/sub/deep.opus",
    "day2/one.wav",
    "day3/one.wav",
    "day2/[1] x.ogg",
    "day2/.hidden.wav",
    ".trash/gone.wav",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create FILES below `talks`, a circular link, a link to another folder and a broken link."""
    for name in FILES:
        (path := tmp_path / "talks" / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "talks" / "day1" / "up").symlink_to("..")
    (tmp_path / "elsewhere" / "void").mkdir(parents=True)
    (tmp_path / "elsewhere" / "far.flac").write_bytes(b"")
    (tmp_path / "talks" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "talks" / "broken.m4a").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    return tmp_path


HEADS = {
    "recording": b"OggS\0\x02",
    "film.bin": b"\0\0\0\x18ftypisom",
    "memo.backup": b"ID3\x04",
    "utf16": "\ufeffwords".encode("utf-16-le"),
    "photo.heic": b"\0\0\0\x18ftypheic",
    "photo": b"\xff\xd8\xff\xe0",
    "essay": b"The free software",
    "caption.json": b"OggS",
    "picture.webp": b"RIFF\0\0\0\0WEBPVP8 ",
}


def test_files_without_a_media_suffix_are_recognised_by_their_first_bytes(folder: Path) -> None:
    (folder / "heads").mkdir()
    for name, head in HEADS.items():
        (folder / "heads" / name).write_bytes(head)

    for pattern in ("heads", "heads/*"):
        names = [Path(one.path or "").name for one in find([pattern]) if not isinstance(one, UnreadablePath)]
        assert ["film.bin", "memo.backup", "recording"] == names


ALL = [
    "talks/a.wav",
    "talks/b.MP3",
    "talks/broken.m4a: No such file or directory",
    "talks/day1/one.mp3",
    "talks/day1/one.wav",
    "talks/day1/sub/deep.opus",
    "talks/day2/[1] x.ogg",
    "talks/day2/one.wav",
    "talks/day3/one.wav",
    "talks/linked/far.flac",
]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["talks"], ALL),
        (["talks/", "./talks", "talks/day1/one.wav"], ALL),
        (["talks/day2/[1] x.ogg"], ["talks/day2/[1] x.ogg"]),
        (["talks/d*"], [name for name in ALL if "/day" in name]),
        (["talks/day?/*.wav"], ["talks/day1/one.wav", "talks/day2/one.wav", "talks/day3/one.wav"]),
        (["talks/day1/*.*"], ["talks/day1/one.mp3", "talks/day1/one.wav"]),
        (["talks/day1/notes.txt"], ["talks/day1/notes.txt"]),
        (["none.wav", "talks/a.wav"], ["none.wav: No such file or directory", "talks/a.wav"]),
        (["none*"], ["none*: No recording matches"]),
        (["talks/day1/*.txt"], ["talks/day1/*.txt: No recording matches"]),
        (["elsewhere/void", "talks/a.wav"], ["elsewhere/void: The folder has no recordings", "talks/a.wav"]),
        (["talks/.trash"], ["talks/.trash/gone.wav"]),
        ([""], ["'': The file name is empty"]),
        (["talks/a.wav/x"], ["talks/a.wav/x: Not a directory"]),
        (["/dev/null"], ["/dev/null: Not a file"]),
        (["-"], ["-"]),
        (["https://a.fm/a.mp3", "https://a.fm/a.mp3"], ["https://a.fm/a.mp3"]),
        (
            ["http://[::1", "http://"],
            [f"{url}: This is not the URL of a recording" for url in ("http://[::1", "http://")],
        ),
        (["HTTPS://a.fm/a.mp3"], ["HTTPS://a.fm/a.mp3"]),
        (
            ["file:///tmp/a.mp3", "s3://a/b.mp3"],
            [
                f"{url}: Only http:// and https:// addresses are downloaded"
                for url in ("file:///tmp/a.mp3", "s3://a/b.mp3")
            ],
        ),
        (["pipe"], ["pipe: This is a pipe: use … | qwen-asr-compat transcribe -"]),
    ],
)
def test_files_folders_and_patterns(names: list[str], found: list[str]) -> None:
    met = [
        f"{one.name}: {one.why}" if isinstance(one, UnreadablePath) else str(one.path or one.url or "-")
        for one in find(names)
    ]

    assert found == met


def test_a_pattern_yields_each_file_once() -> None:
    paths = [one for one in find(["talks/**", "talks/**/*.wav"]) if not isinstance(one, UnreadablePath)]

    assert [name for name in ALL if ": " not in name] == sorted(str(one.path) for one in paths)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_reported(folder: Path) -> None:
    (folder / "talks" / "day1").chmod(0)
    found = list(find(["talks"]))
    (folder / "talks" / "day1").chmod(0o700)

    assert UnreadablePath("talks/day1", "Permission denied") in found


def targets(names: Sequence[str], out: str | None) -> list[str]:
    with ExitStack() as stack:
        pieces, _ = plan(names, out, ["srt"], stack)
    return [str(piece.target) for piece in pieces]


@pytest.mark.parametrize(
    ("names", "out", "expected"),
    [
        (["talks/a.wav"], None, ["talks/a.srt"]),
        (["talks/day1/one.wav", "talks/day1/one.mp3"], None, ["talks/day1/one.wav.srt", "talks/day1/one.mp3.srt"]),
        (["talks/day1"], "to", ["to/one.mp3.srt", "to/one.wav.srt", "to/sub/deep.srt"]),
        (["talks/day1/*.wav", "talks/day2/*.wav"], "to", ["to/one.wav.srt", "to/one.srt"]),
        (["talks/day2/one.wav", "talks/day3/one.wav"], "to", ["to/day2/one.srt", "to/day3/one.srt"]),
        (["talks/day1/sub/deep.opus"], "to", ["to/deep.srt"]),
        (["talks/**/*.opus"], "to", ["to/day1/sub/deep.srt"]),
        (["talks/a.wav"], "-", ["None"]),
    ],
)
def test_transcripts_have_unique_targets(names: list[str], out: str | None, expected: list[str]) -> None:
    assert expected == targets(names, out)


def test_a_command_does_not_reuse_the_transcript_of_another_recording(folder: Path) -> None:
    """Each call of `transcribe` below is a command of its own, which writes its transcripts."""

    def transcribe(*names: str, suffix: str = "srt") -> list[str]:
        with ExitStack() as stack:
            pieces, _ = plan([f"talks/{name}" for name in names], "to", [suffix], stack)
        for piece in pieces:
            assert piece.target
            put(piece, [piece.name], force=True)
        return [piece.target.name for piece in pieces if piece.target]

    for _ in range(2):
        assert ["one.srt"] == transcribe("day2/one.wav")
        assert ["one.2.srt"] == transcribe("day3/one.wav")
        assert ["one.txt"] == transcribe("day3/one.wav", suffix="txt")
        assert ["one.2.srt", "one.srt"] == transcribe("day3", "day2/one.wav")
        assert ["a.srt"] == transcribe("a.wav")
        with (folder / "to" / NAME).open("a") as file:
            file.write('{"transcript": "a.srt", "rec\n[]\n7\n')
    assert "talks/day2/one.wav\n" == (folder / "to" / "one.srt").read_text()

    (folder / "to" / "one.srt").unlink()
    assert ["one.2.srt", "one.srt"] == transcribe("day3/one.wav", "day1/one.wav")[:1] + transcribe("day2/one.wav")


def test_recordings_at_two_urls_never_share_a_transcript(folder: Path) -> None:
    def transcribe(url: str) -> str:
        with ExitStack() as stack:
            [piece], _ = plan([url], "to", ["txt"], stack)
        put(piece, [url], force=True)
        assert piece.target
        return piece.target.name

    for _ in range(2):
        assert "a.txt" == transcribe("https://one.fm/a.mp3?signature=1")
        assert "a.2.txt" == transcribe("https://two.fm/a.mp3")
        assert "get.txt" == transcribe("https://one.fm/get?id=1")
        assert "get.2.txt" == transcribe("https://one.fm/get?id=2")
    assert "a.txt" == transcribe("https://one.fm/a.mp3?signature=2")
    assert "one.fm" not in (folder / "to" / NAME).read_text()


def test_transcripts_matched_by_a_shell_pattern_are_not_sent(folder: Path) -> None:
    for name in ("a.txt", "a.wav.srt", "b.json", "alone.txt"):
        (folder / "talks" / name).write_text("written before")
    names = [str(path.relative_to(folder)) for path in sorted((folder / "talks").iterdir()) if path.is_file()]

    assert ["talks/a.srt", "talks/alone.txt.srt", "talks/b.srt"] == targets(names, None)


NEIGHBOURS = [
    "a.wav",
    "a.mp3",
    "A.flac",
    "b.ogg",
    "b",
    "c.wav",
    "c.wav.mp3",
    "d.2024",
    "d.mp3",
    "e.dat",
    "e.bin",
    "f.wav",
]


def test_the_name_of_a_transcript_does_not_depend_on_other_arguments(folder: Path) -> None:
    (folder / "near" / "f.mp3").mkdir(parents=True)
    names = [f"near/{name}" for name in NEIGHBOURS]
    for name in names:
        Path(name).write_bytes(b"")
    together = targets(names, None)

    assert together == [target for name in names for target in targets([name], None)]
    assert len(names) == len(set(together))
    assert ["near/c.srt", "near/c.wav.mp3.srt", "near/d.2024.srt", "near/d.srt"] == together[5:9]
    assert ["near/e.dat.srt", "near/e.bin.srt", "near/f.srt"] == together[9:]


def test_a_pattern_does_not_follow_links_upwards_or_in_circles(folder: Path) -> None:
    (folder / "private.wav").write_bytes(b"")
    (folder / "talks" / "day1" / "top").symlink_to(folder)
    (folder / "talks" / "day2" / "again").symlink_to("../day1")
    (folder / "talks" / "day1" / "other").symlink_to("../day2")

    for pattern in ("talks/**/*.wav", "talks/**", "talks/**/one.*", "**/one.wav", "talks/*/**/*.wav"):
        paths = [one.path for one in find([pattern]) if not isinstance(one, UnreadablePath) and one.path]
        assert len(paths) == len({path.resolve() for path in paths})
        assert folder / "private.wav" not in [path.resolve() for path in paths]
    linked = [one.path for one in find(["talks/linked/*.flac"]) if not isinstance(one, UnreadablePath)]
    assert [Path("talks/linked/far.flac")] == linked
