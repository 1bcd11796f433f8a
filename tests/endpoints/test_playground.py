from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest

from compat import __version__
from compat.catalogue import translators
from compat.emulator.engines.scripted import Scripted
from compat.endpoints.playground import FOLDER
from compat.errors import CompatError
from compat.languages import DASHSCOPE
from tests.running import running_server

DEFAULT = translators.row(translators.DEFAULT)
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
    text = "".join((FOLDER / name).read_text() for name in FILES if not name.endswith(".mp3"))
    loaded = re.sub(r'<a href="[^"]+" rel="noopener"', "", text)

    assert {"http://www.w3.org/2000/svg"} == set(re.findall(r"(?:https?:)?//[\w.]+\.[\w/]+", loaded))


def test_the_page_names_the_version(root: str) -> None:
    assert f"qwen-asr-compat {__version__}" in httpx2.get(root).text


def names(text: str) -> list[str]:
    return sorted(re.findall(r"(?:^|[{,])\s*(\w+): \"", text, re.MULTILINE))


def test_both_languages_translate_the_same_strings() -> None:
    english, chinese = (FOLDER / "words.js").read_text().split("  zh: {")

    assert names(english) == names(chinese)
    wanted = set(re.findall(r'data-i18n(?:-label|-hint|-empty)?="(\w+)"', (FOLDER / "index.html").read_text()))
    for script in FOLDER.glob("*.js"):
        wanted |= set(re.findall(r'\bsay\("(\w+)"', script.read_text()))
    assert wanted <= set(names(english))


def kinds(base: type[CompatError]) -> Iterator[type[CompatError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


RARE = {
    "method_not_allowed", "unsupported_content_encoding", "request_header_fields_too_large", "method_not_implemented",
}  # fmt: skip


def test_the_page_explains_every_error_code_that_it_can_get() -> None:
    explained = set(re.findall(r"^  (\w+): \[\"", (FOLDER / "errors.js").read_text(), re.MULTILINE))

    assert {kind.default_code for kind in kinds(CompatError)} - RARE <= explained


def test_the_page_offers_the_languages_that_a_model_takes() -> None:
    listed = re.search(r'CODES = "([^"]+)"', (FOLDER / "languages.js").read_text())

    assert listed is not None
    assert DASHSCOPE == set(listed[1].split())


@pytest.mark.parametrize(("name", "codes"), [("VOICED", DEFAULT.spoken), ("WRITTEN", DEFAULT.written)])
def test_the_page_offers_the_languages_that_speech_is_translated_into(name: str, codes: frozenset[str]) -> None:
    listed = re.search(rf'{name} = "([^"]+)"', (FOLDER / "languages.js").read_text())

    assert listed is not None
    assert codes == set(listed[1].split())
