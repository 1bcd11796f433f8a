"""What the page shows under "the code for this" is run as it stands there, and hears what the page hears."""

from __future__ import annotations

import re
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.emulator.recordings import wav
from tests.house import House
from tests.playground.test_page import HEARD
from tests.servers import serve
from tests.whole.speech import pcm
from tests.witnesses import installed, program

pytestmark = pytest.mark.xdist_group("chromium")
MODULES = Path(__file__).parent.parent / "clients" / "node_modules"
BEGINNING = re.compile(r"ever tried.*ever failed", re.IGNORECASE | re.DOTALL)
SPOKEN = "it was the best of times"


@pytest.fixture
def folder(tmp_path: Path, speech: Path) -> Path:
    """Where a person would try it: with a recording, and with the npm packages that the code imports."""
    with wave.open(str(speech)) as source:
        rate = source.getframerate()
        wav(tmp_path / "speech.wav", source.readframes(3 * rate), rate=rate)
    wav(tmp_path / "speech-24k.wav", pcm()[: 10 * 48_000], rate=24_000)
    return tmp_path


def curl(_: Path, code: str) -> list[str]:
    return ["sh", "-c", code.replace("curl ", f"{program('curl', 'apt-get install curl')} -s ")]


def python(folder: Path, code: str) -> list[str]:
    (folder / "try.py").write_text(code)
    return [sys.executable, "try.py"]


def node(folder: Path, code: str) -> list[str]:
    (folder / "node_modules").symlink_to(installed(MODULES, "the openai package for Node", "scripts/clients"))
    (folder / "try.mjs").write_text(code)
    return [program("node", "https://nodejs.org"), "try.mjs"]


RUNNERS: dict[str, Callable[[Path, str], list[str]]] = {"curl": curl, "Python": python, "Node": node}


def shown(page: Page, language: str, mode: str) -> str:
    if mode == "live":
        page.get_by_role("tab", name="Microphone").click()
    else:
        page.locator(f"[name=mode][value={mode}]").check(force=True)
    page.get_by_role("button", name=language, exact=True).click()
    return page.locator("#code").inner_text()


@pytest.mark.parametrize("mode", ["times", "stream", "speakers", "live"])
@pytest.mark.parametrize("language", ["curl", "Python", "Node"])
def test_a_program_hears_what_the_page_hears(page: Page, folder: Path, language: str, mode: str) -> None:
    command = RUNNERS[language](folder, shown(page, language, mode))

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    if (language, mode) == ("curl", "live"):
        assert '"value":"ek_' in done.stdout
    elif mode == "live":
        assert SPOKEN in done.stdout.lower()
    else:
        assert re.search("ever.*tried", done.stdout, re.IGNORECASE | re.DOTALL)


async def bare(_: Request) -> Response:
    return HTMLResponse("<input type=file>")


@pytest.mark.parametrize("mode", ["times", "stream", "speakers", "live"])
def test_a_page_of_another_origin_hears_it_too(page: Page, chromium: Browser, folder: Path, mode: str) -> None:
    code = shown(page, "Browser", mode)
    with (
        serve(Starlette(routes=[Route("/", bare)])) as root,
        chromium.new_context(permissions=["microphone"]) as context,
    ):
        other = context.new_page()
        other.goto(root)
        other.locator("input").set_input_files(folder / "speech.wav")
        other.add_script_tag(content=code, type="module")

        expect(other.locator("body")).to_contain_text(HEARD if mode == "live" else BEGINNING, timeout=30_000)


def test_a_key_in_the_tab_makes_the_code_ask_the_environment(page: Page) -> None:
    page.evaluate("sessionStorage.setItem('key', 'sk-mine')")
    page.reload()

    for mode in ("times", "live"):
        for language in ("curl", "Node"):
            code = shown(page, language, mode)
            assert "none-needed" not in code
            assert "sk-mine" not in code


def test_the_example_page_shows_captions(chromium: Browser, home: House) -> None:
    async def example(_: Request) -> Response:
        return HTMLResponse((Path(__file__).parent.parent.parent / "examples" / "browser.html").read_text())

    with (
        serve(Starlette(routes=[Route("/", example)])) as root,
        chromium.new_context(permissions=["microphone"]) as context,
    ):
        page = context.new_page()
        page.goto(f"{root}/?server={home.base_url.removesuffix('/v1')}")
        page.get_by_role("button").click()

        expect(page.locator("p")).to_contain_text(HEARD, timeout=30_000)
