from __future__ import annotations

import re
from pathlib import Path

import pytest

from compat import errors
from compat.catalogue import models
from compat.config.settings import Settings

ROOT = Path(__file__).parent.parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("README*.md"))]
each = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@each
def test_linked_files_and_pictures_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())

    assert [] == [link for link in links if not (page.parent / link).exists()]


@each
def test_every_named_setting_exists(page: Path) -> None:
    known = {name for variable in Settings.variables().values() for name in variable.names}

    assert set() == set(re.findall(r"\bCOMPAT_[A-Z_]+\b", page.read_text())) - known - {"COMPAT_API_KEY"}


def test_every_recommended_model_exists() -> None:
    page = (ROOT / "docs" / "reference" / "models.md").read_text()
    named = set(re.findall(r"`((?:qwen|fun-asr|paraformer|whisper|gpt)[\w.-]*)`", page)) - {"qwen-mt-flash"}

    assert named
    for name in named - {"qwen-asr-compat"}:
        models.resolve(name, {})


def test_every_error_in_the_troubleshooting_exists() -> None:
    page = (ROOT / "docs" / "run" / "troubleshooting.md").read_text()
    listed = {f"{status} {code}" for status, code in re.findall(r"`(\d{3}) (\w+)`", page)}

    assert {"401 invalid_api_key", "429 insufficient_quota", "507 insufficient_storage"} <= listed
    every = {
        f"{error.status} {error.default_code}"
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.CompatError)
    }
    more = {"400 missing_required_parameter", "400 invalid_http", "400 invalid_handshake", "400 websocket_required"}
    assert set() == listed - every - more - {"404 unknown_url", "404 unsupported_endpoint"}


@pytest.mark.parametrize(
    "page", ["README.md", "README.zh-CN.md", "docs/reference/models.md", "docs/guides/moving-from-openai.md"]
)
def test_openai_s_shutdown_date_is_stated_and_examples_use_no_retired_model(page: str) -> None:
    text = (ROOT / page).read_text()

    assert "2027-02-26" in text
    assert not re.search(r"model\W{1,3}(whisper-1|gpt-4o)", text)


@pytest.mark.parametrize(
    "path", [*(ROOT / "examples").glob("*.*"), *(ROOT / "compat" / "playground").glob("*.*")], ids=str
)
def test_no_example_uses_a_retired_model(path: Path) -> None:
    if path.suffix in (".py", ".mjs", ".sh", ".html", ".js"):
        text = path.read_text()
        assert not re.search(r"whisper-1|gpt-4o-(mini-)?transcribe(?!-diarize)", text)
