"""The parts of a release: the image's files and locks, the release notes, the workflows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from compat import __version__

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
IMAGES = ["bucket", "local", "otel", "webrtc"]


def pins(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z][\w.-]*==\S+)", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_contains_the_tested_versions(image: str) -> None:
    lock = f"requirements/image-{image}.lock"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["redis"]
    wanted += project["optional-dependencies"][image]
    names = {re.split(r"[\[>=<;]", name)[0] for name in wanted}

    assert pins(lock) <= pins("requirements/dev.lock")
    assert names <= {pin.partition("==")[0] for pin in pins(lock)}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_the_sdist_contains_every_tracked_file() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"][
        "include"
    ]

    assert included == sorted({f"/{path.split('/')[0]}" for path in listed.splitlines()})


def test_files_copied_by_the_dockerfile_exist_and_are_in_the_build_context() -> None:
    sources = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    copied = [source.replace("$WITH", image) for line in sources for source in line for image in IMAGES]
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert any(Path(source).match(pattern) for pattern in allowed), source


def named(pattern: str, files: str) -> list[str]:
    """Return the matches of `pattern` in the files, without images and actions of this repository."""
    names = [name for path in ROOT.glob(files) for name in re.findall(pattern, path.read_text(), re.MULTILINE)]
    return [name for name in names if not name.startswith(("./", "qwen-asr-compat", "build"))]


def test_actions_are_pinned_by_commit_and_images_by_digest() -> None:
    actions = named(r"\buses: *(.+)$", ".github/workflows/*.yml")
    files = (".github/workflows/*.yml", "compose.yaml", "deploy/**/*.yaml")
    images = [name for each in files for name in named(r"^(?: |-)*(?:container|image): *([^\s{]+)", each)]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) + re.findall(r"--from=(\w+[:/]\S+)", DOCKERFILE)

    assert len(actions) > 5
    assert len(images) > 4
    assert [] == [action for action in actions if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+(\.\d+)+", action)]
    assert [] == [image for image in images if not re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("scripts/notes", "compat/__init__.py", "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def notes(checkout: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "scripts" / "notes"), version]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_release_notes_are_taken_from_the_changelog(checkout: Path) -> None:
    newer = f"# Changelog\n\n## 9.9.9 — unreleased\n\n- Later.\n\n## {__version__} — 2026-12-01\n\n- New.\n- Old.\n"
    (checkout / "CHANGELOG.md").write_text(f"{newer}\n## 0.0.1 — 2026-01-01\n\n- First.\n")

    done = notes(checkout, f"v{__version__}")

    assert (0, "- New.\n- Old.\n", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("changelog", "version", "message"),
    [
        (f"## {__version__} — unreleased\n\n- New.\n", __version__, "give it its date"),
        ("# Changelog\n", __version__, "says nothing of"),
        (f"## {__version__} — 2026-12-01\n\n## 0.0.1 — 2026-01-01\n", __version__, "says nothing of"),
        ("# Changelog\n", "9.9.9", "not 9.9.9"),
    ],
)
def test_an_unreleased_version_has_no_notes(checkout: Path, changelog: str, version: str, message: str) -> None:
    (checkout / "CHANGELOG.md").write_text(changelog)

    done = notes(checkout, version)

    assert 1 == done.returncode
    assert message in done.stderr


def test_the_readme_of_a_release_has_no_relative_links(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/addresses", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)

    command = [sys.executable, str(tmp_path / "scripts" / "addresses"), "https://git.example/a/b", "v1.0.0"]
    subprocess.run(command, check=True)
    text = (tmp_path / "README.md").read_text()

    assert [] == re.findall(r"\]\((?!https://)[^)]+\)", text)
    assert "(https://git.example/a/b/raw/v1.0.0/docs/pictures/file.png)" in text
    assert "(https://git.example/a/b/blob/v1.0.0/docs/run/README.md)" in text


def test_the_changelog_starts_with_the_current_version() -> None:
    first = re.search(r"^## (\S+) — ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert first is not None
    assert __version__ == first[1]


@pytest.mark.parametrize("name", ["ci", "release"])
def test_the_scripts_of_a_workflow_exist(name: str) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job.get("steps", ())]
    called = {path for step in steps for path in re.findall(r"(?:^|\s)((?:scripts|\.ci)/[\w-]+)", step)}

    assert called
    assert set() == {path for path in called if not (ROOT / path).exists()}


def test_a_release_has_one_image_for_all_architectures() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    build, merge = jobs["image"], jobs["manifest"]
    matrix, options = build["strategy"]["matrix"], build["steps"][-1]["with"]
    suffixes = {each["with"]: each["suffix"] for each in matrix["include"] if "with" in each}
    runners = {each["arch"]: each["os"] for each in matrix["include"] if "arch" in each}
    command = merge["steps"][-1]["run"]

    assert {"amd64", "arm64"} == set(matrix["arch"]) == set(runners)
    assert [*suffixes.values()] == merge["strategy"]["matrix"]["suffix"]
    assert options["tags"].endswith(":${{ github.ref_name }}${{ matrix.suffix }}-${{ matrix.arch }}")
    assert [f'"$image-{arch}"' for arch in matrix["arch"]] == re.findall(r'"\$image-\w+"', command)
    assert (True, "mode=max") == (options["sbom"], options["provenance"])
