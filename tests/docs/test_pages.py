from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Route, WebSocketRoute

from compat import errors
from compat.app import EXPOSED, create_app
from compat.catalogue import models
from compat.catalogue.options import OPTIONS
from compat.config.settings import Settings
from compat.errors import CompatError, EngineMisconfigured, FileNotFetched
from compat.openai_api.render import Dashscope
from compat.transcript import LAYOUT_LIMITS

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


@pytest.mark.parametrize(
    "page", [ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.zh.md"))], ids=lambda page: page.name
)
def test_a_translation_has_the_headings_and_programs_of_the_original(page: Path) -> None:
    original = page.with_name(re.sub(r"\.zh(-CN)?\.md", ".md", page.name))

    assert outline(original.read_text()) == outline(page.read_text())


def outline(text: str) -> tuple[list[str], list[int], list[str]]:
    """Return the levels of the headings, the lengths of the tables, and the programs without their comments."""
    programs = re.findall(r"^```\w*\n.*?^```", text, re.MULTILINE | re.DOTALL)
    levels = re.findall(r"^##+(?= )", text, re.MULTILINE)
    tables = [table.count("\n") for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    return levels, tables, [re.sub(r"\s*(#|//) .*", "", program) for program in programs]


def test_every_recommended_model_exists() -> None:
    page = (ROOT / "docs" / "reference" / "models.md").read_text()
    named = set(re.findall(r"`((?:qwen|fun-asr|paraformer|whisper|gpt)[\w.-]*)`", page)) - {"qwen-mt-flash"}

    assert named
    for name in named - {"qwen-asr-compat"}:
        models.resolve(name, {})


def test_every_error_is_on_its_page() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    rows = re.findall(r"^\| `(\d{3} \w+)` \| [^|]+ \| (?:`(true|false)`.*)? ?\|$", page, re.MULTILINE)
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CompatError)]
    named = {
        code
        for path in sorted((ROOT / "compat").rglob("*.py"))
        if "emulator" not in path.parts
        for code in re.findall(r"\bcode=\"(\w+)\"", path.read_text())
    }

    assert {f"{kind.status} {kind.default_code}" for kind in classes} == {row for row, _ in rows}
    retried = dict(rows)
    sent = {kind: kind("").headers().get("x-should-retry", "") for kind in classes}
    others = [kind for kind in classes if sent[kind] != retried[f"{kind.status} {kind.default_code}"]]
    assert [EngineMisconfigured, FileNotFetched] == others
    assert set() == {code for code in named if not re.search(rf"`(\d{{3}} )?{code}`", page)}


def test_every_error_in_the_troubleshooting_is_on_the_page_of_errors() -> None:
    listed = set(re.findall(r"`(\d{3} \w+)`", (ROOT / "docs" / "run" / "troubleshooting.md").read_text()))

    assert {"401 invalid_api_key", "429 insufficient_quota", "507 insufficient_storage"} <= listed
    assert set() == listed - set(re.findall(r"`(\d{3} \w+)`", (ROOT / "docs" / "reference" / "errors.md").read_text()))


def test_the_page_of_headers_lists_those_of_responses() -> None:
    page = (ROOT / "docs" / "reference" / "headers.md").read_text()
    rows = re.findall(r"^\| (`.+`) \|", page[: page.index("| request header")], re.MULTILINE)

    assert sorted(EXPOSED) == sorted(name for row in rows for name in re.findall(r"`([\w-]+)`", row))


def test_the_page_of_parameters_lists_the_extensions_and_the_members_of_dashscope() -> None:
    page = (ROOT / "docs" / "reference" / "parameters.md").read_text()
    parts = re.split(r"^\|---\|.*\n", page, flags=re.MULTILINE)[1:]
    _, own, options, members = (
        [name for row in re.findall(r"^\| (`.+?`) \|", part, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
        for part in parts
    )

    assert set(own) == {"background", "webhook_url", "url", "captions", "target_language", *LAYOUT_LIMITS}
    assert options == list(OPTIONS)
    assert set(members) == set(Dashscope.__struct_fields__)


def test_the_page_of_endpoints_lists_every_route() -> None:
    page = (ROOT / "docs" / "reference" / "endpoints.md").read_text()
    app = create_app(Settings(dashscope_api_key="k"))
    paths = {route.path for route in app.routes if isinstance(route, Route | WebSocketRoute)}
    listed = set(re.findall(r"`(?:\w+ )?(/[\w/{}]*)`", page))

    assert paths - listed == {"/{path:path}", "/v1/models/{model:path}", "/v1/dashscope/vocabularies/{id}"}


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
