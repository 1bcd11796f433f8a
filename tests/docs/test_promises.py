"""Each promise in docs/explain/promises.md names tests, and all of them exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "explain" / "promises.md").read_text()
ROWS = [row for row in re.findall(r"^\| (.+) \| (.+) \|$", PAGE, re.MULTILINE) if row[0] != "promise"]


@pytest.mark.parametrize(("promise", "kept_by"), ROWS, ids=[str(place) for place in range(len(ROWS))])
def test_every_test_named_by_a_promise_exists(promise: str, kept_by: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", kept_by)

    missing = [f"{path}::{name}" for path, name in named if not _exists(ROOT / path, name)]
    assert named, promise
    assert [] == missing


def _exists(path: Path, name: str) -> bool:
    return path.exists() and re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE) is not None
