"""The README's figures and the links of all documentation pages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_benchmark_figures_are_those_of_the_results() -> None:
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    tables = [re.findall(r"^\| (this server|LiteLLM) \| (.+) \|$", part, re.MULTILINE) for part in sections(results)]
    added = {name: f"{float(cells.split(' | ')[2]):.1f} ms" for name, cells in tables[0]}
    rate = {name: cells.split(" | ")[4] for name, cells in tables[1]}

    assert [added["this server"], added["LiteLLM"]] == re.findall(r"\d+\.\d ms", README)
    assert f"handles {rate['this server']} of them per second, LiteLLM {rate['LiteLLM']}\n" in README


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_badges_are_true(name: str) -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))

    assert pyproject["tool"]["mypy"]["strict"]
    assert re.findall(r"img\.shields\.io/badge/([^)]+)-\w+\)", (ROOT / name).read_text()) == [
        f"python-{'%20%7C%20'.join(versions)}",
        f"licence-{project['license'].replace('-', '--')}",
        "mypy-strict",
    ]


def sections(results: str) -> list[str]:
    return [re.split(r"^### ", results, flags=re.MULTILINE)[number] for number in (1, 2)]


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
