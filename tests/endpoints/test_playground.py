from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest

from compat.emulator.engines.scripted import Scripted
from compat.endpoints.playground import FOLDER
from tests.running import running_server

FILES = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    with running_server(Scripted(())) as server:
        yield server.base_url.removesuffix("/v1")


@pytest.mark.parametrize("path", ["/", *(f"/playground/{name}" for name in FILES)])
def test_every_file_has_security_headers(root: str, path: str) -> None:
    answer = httpx2.get(root + path)

    assert 200 == answer.status_code
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")


OTHERS = ["/playground/", "/playground/none.js", "/playground/..%2fapp.py", f"/playground/{'a/%2e%2e/' * 50}app.js"]


@pytest.mark.parametrize("path", OTHERS)
def test_other_paths_are_not_served(root: str, path: str) -> None:
    answer = httpx2.get(root + path)

    assert (404, "unknown_url") == (answer.status_code, answer.json()["error"]["code"])


def test_the_playground_can_be_disabled() -> None:
    with running_server(Scripted(()), playground=False) as server:
        root = server.base_url.removesuffix("/v1")
        answers = [httpx2.get(root + path).status_code for path in ("/", "/playground/app.js")]

    assert [404, 404] == answers


def test_the_page_loads_no_external_resources() -> None:
    text = "".join((FOLDER / name).read_text() for name in FILES)

    assert {"http://www.w3.org/2000/svg"} == set(re.findall(r"(?:https?:)?//[\w.]+\.[\w/]+", text))


def test_both_languages_translate_the_same_strings() -> None:
    english, chinese = (FOLDER / "i18n.js").read_text().split("  zh: {")
    names = re.compile(r"(?:^|[{,])\s*(\w+): [\"{]", re.MULTILINE)

    assert sorted(names.findall(english.partition("  en: {")[2])) == sorted(names.findall(chinese.partition("\n};")[0]))
    wanted = set(re.findall(r'data-i18n(?:-label|-hint)?="(\w+)"', (FOLDER / "index.html").read_text()))
    assert wanted <= set(names.findall(english))


def test_common_errors_have_advice() -> None:
    advised = set(re.findall(r"^      (\w+): \"", (FOLDER / "i18n.js").read_text(), re.MULTILINE))

    assert {"invalid_api_key", "rate_limit_exceeded", "insufficient_quota", "upstream_error", "other"} <= advised
