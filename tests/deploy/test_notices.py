"""THIRD-PARTY-NOTICES.md names every library that the images contain beside Python's, and comes with the wheel."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from av import _core

ROOT = Path(__file__).parent.parent.parent
NOTICES = (ROOT / "THIRD-PARTY-NOTICES.md").read_text()


def libraries(package: str) -> set[str]:
    """Return the names of the shared libraries in a package's wheel: `libopus`."""
    files = importlib.metadata.files(package) or []
    paths = [file for file in files if file.parts[0].endswith(".libs") or file.name == "libmoonshine.so"]
    return {re.split(r"[-.]\d|-[0-9a-f]{8}|\.so", file.name)[0] for file in paths}


@pytest.mark.parametrize("package", ["av", "moonshine-voice", "numpy"])
def test_every_library_of_a_wheel_is_named(package: str) -> None:
    named = {name.removesuffix("…") for name in re.findall(r"`(lib[\w…-]+)`", NOTICES)}
    stand_ins = {"libonnxruntime": "ONNX Runtime", "libmoonshine": "moonshine-voice", "libscipy_openblas": "OpenBLAS"}
    runtime = {"libgfortran", "libquadmath", "libgcc_s"} if "runtime libraries of GCC" in NOTICES else set()
    found = libraries(package)

    assert found
    assert [] == [
        name
        for name in sorted(found - runtime)
        if not any(name.startswith(known) for known in named)
        and not any(name.startswith(known) and text in NOTICES for known, text in stand_ins.items())
    ]


def test_the_licence_of_ffmpeg_is_the_one_it_was_built_with() -> None:
    licences = {library["license"] for library in _core.library_meta.values()}

    assert {"LGPL version 3 or later"} == licences
    assert "| FFmpeg's libraries `libav…`, `libsw…` | LGPL-3.0-or-later, as they were built |" in NOTICES


def test_the_notices_come_with_the_wheel_and_the_images() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert ["LICENSE", "THIRD-PARTY-NOTICES.md"] == project["license-files"]
    assert re.search(r"^COPY .*THIRD-PARTY-NOTICES\.md", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
