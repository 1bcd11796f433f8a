"""The README's parameter table and the links of all documentation pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compat.openai_api.parameters import TRANSCRIPTION

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_parameter_table_matches_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)(\[\])?` \| (same|mapped|ignored) \| (.+) \|$", README, re.MULTILINE)

    assert [(row.name, row.many, row.treatment, row.note) for row in TRANSCRIPTION] == [
        (name, bool(many), treatment, note) for name, many, treatment, note in rows
    ]


PAGES = sorted(path for depth in ("", "docs/**/", "examples/", "benchmarks/") for path in ROOT.glob(f"{depth}*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_have_targets(page: Path) -> None:
    for link, anchor in re.findall(r"\]\((?!https?://|#)([^)#]+)(?:#([^)]+))?\)", page.read_text()):
        there = page.parent / link
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text()), link


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub generates for the headings."""
    headings: list[str] = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
