"""Runs the programs shown under "the code for this" unchanged; they get the same transcript as the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.emulator.recordings import wav
from tests.playground.test_live import HEARD
from tests.running import RunningServer, running_server
from tests.servers import serve
from tests.whole.speech import pcm
from tests.witnesses import installed, program

MODULES = Path(__file__).parent.parent / "clients" / "node_modules"
ABSENT = Path(__file__).parent.parent / "absent"
BEGINNING = re.compile(r"ever tried.*ever failed", re.IGNORECASE | re.DOTALL)
SPOKEN = "it was the best of times"
KEY = "sk-of-this-tab"
WORDS = VOCABULARY[:3]


@pytest.fixture
def folder(beginning: Path) -> Path:
    """Return a directory with the recordings that the programs read."""
    wav(beginning.with_name("speech-24k.wav"), pcm()[: 10 * 48_000], rate=24_000)
    return beginning.parent


def curl(_: Path, code: str) -> list[str]:
    return ["sh", "-c", code.replace("curl ", f"{program('curl', 'apt-get install curl')} -s ")]


def python(folder: Path, code: str) -> list[str]:
    (folder / "try.py").write_text(code)
    return ["env", f"PYTHONPATH={ABSENT}", sys.executable, "try.py"]


def node(folder: Path, code: str) -> list[str]:
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(installed(MODULES, "the openai package for Node", "scripts/clients"))
    (folder / "try.mjs").write_text(code)
    return [program("node", "https://nodejs.org"), "try.mjs"]


RUNNERS: dict[str, Callable[[Path, str], list[str]]] = {"curl": curl, "Python": python, "Node": node}


def shown(page: Page, language: str, mode: str) -> str:
    if mode == "live":
        page.get_by_role("tab", name="Live").click()
    else:
        page.locator(f"[name=mode][value={mode}]").check(force=True)
    page.get_by_role("button", name=language, exact=True).click()
    return page.locator("#code").inner_text()


@pytest.mark.parametrize("mode", ["times", "live"])
def test_the_curl_command_quotes_what_was_typed(page: Page, folder: Path, mode: str) -> None:
    page.locator("#model" if mode == "times" else "#live-model").evaluate(
        """(field) => {
          field.value = "it's $(touch made)";
          field.dispatchEvent(new Event("input", { bubbles: true }));
        }"""
    )
    command = curl(folder, shown(page, "curl", mode))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert "it's $(touch made)" in json.loads(done.stdout)["error"]["message"]
    assert not (folder / "made").exists()


@pytest.mark.parametrize("language", ["curl", "Node"])  # Python's strings are written like Node's
def test_a_program_sends_what_was_entered(page: Page, folder: Path, language: str) -> None:
    (folder / "speech.wav").rename(named := folder / 'it\'s a; b, "c".wav')
    page.locator("#file").set_input_files(named)
    page.locator("#more summary").click()
    page.locator("#prompt").fill('@home; it\'s \\ a "test"\nof lines')
    page.locator("#keywords").fill("Beckett, @Godot\nEndgame")
    command = RUNNERS[language](folder, shown(page, language, "times"))

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    assert re.search("ever.*tried", done.stdout, re.IGNORECASE | re.DOTALL)


@pytest.mark.parametrize("mode", ["times", "stream", "speakers", "live"])
@pytest.mark.parametrize("language", ["curl", "Python", "Node"])
def test_a_program_gets_the_transcript(page: Page, folder: Path, language: str, mode: str) -> None:
    command = RUNNERS[language](folder, shown(page, language, mode))

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    if (language, mode) == ("curl", "live"):
        assert '"value":"ek_' in done.stdout
    elif mode == "live":
        assert SPOKEN in done.stdout.lower()
    else:
        assert re.search("ever.*tried", done.stdout, re.IGNORECASE | re.DOTALL)


@pytest.mark.parametrize("language", ["curl", "Python", "Node"])
def test_a_program_gets_captions_with_the_limits_that_were_entered(page: Page, folder: Path, language: str) -> None:
    page.locator("#more summary").click()
    page.locator("#max_line_width").fill("10")
    command = RUNNERS[language](folder, shown(page, language, "times"))

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    text = json.loads(done.stdout)["dashscope"]["captions"]["srt"] if language == "curl" else done.stdout
    lines = [line for line in text.splitlines() if line and not line.isdecimal() and "-->" not in line]
    assert lines
    assert all(len(line) <= 10 or " " not in line for line in lines)


async def bare(_: Request) -> Response:
    return HTMLResponse("<input type=file>")


@pytest.mark.parametrize("mode", ["times", "stream", "speakers"])
def test_a_page_of_another_origin_gets_the_transcript(page: Page, folder: Path, mode: str) -> None:
    code = shown(page, "Browser", mode)
    with serve(Starlette(routes=[Route("/", bare)])) as root:
        other = page.context.new_page()
        other.goto(root)
        other.locator("input").set_input_files(folder / "speech.wav")
        other.add_script_tag(content=code, type="module")

        expect(other.locator("body")).to_contain_text(BEGINNING, timeout=30_000)


CLICKED = """<script>
  AudioContext = class extends AudioContext { suspended = setTimeout(() => console.log("sound")); };
</script>"""


def test_a_page_of_another_origin_gets_live_speech_after_a_click(page: Page) -> None:
    code = shown(page, "Browser", "live")

    async def itself(_: Request) -> Response:  # Playwright's own calls count as clicks
        return HTMLResponse(f"{CLICKED}<p>Click here</p><script type=module>{code}</script>")

    with serve(Starlette(routes=[Route("/", itself)])) as root:
        other = page.context.new_page()
        with other.expect_console_message(lambda entry: entry.text == "sound"):
            other.goto(root)
        other.mouse.click(100, 30)

        expect(other.locator("body")).to_contain_text(HEARD, timeout=30_000)


@pytest.fixture(scope="module")
def guarded() -> Iterator[RunningServer]:
    with running_server(Tones(), api_keys=frozenset({KEY}), cors_origins=("*",)) as opened:
        yield opened


@pytest.fixture
def keyed(tab: Page, guarded: RunningServer) -> Page:
    """Return the page of a server that requires a key, with the key entered and a language chosen."""
    tab.goto(guarded.base_url.removesuffix("/v1"))
    tab.evaluate("key => sessionStorage.setItem('key', key)", KEY)
    tab.reload()
    for box in ("#spoken", "#live-spoken"):
        tab.locator(box).evaluate("box => { box.value = 'en'; box.dispatchEvent(new Event('input', {bubbles: true})) }")
    return tab


def spoken(folder: Path) -> None:
    for name in ("speech.wav", "speech-24k.wav"):
        wav(folder / name, encode(lay(WORDS), rate=24_000), rate=24_000)


@pytest.mark.parametrize("language", ["curl", "Python", "Node"])
def test_the_programs_read_the_key_from_the_environment(keyed: Page, tmp_path: Path, language: str) -> None:
    spoken(tmp_path)
    for mode in ("times", "stream", "speakers", "live"):
        code = shown(keyed, language, mode)
        command, environment = RUNNERS[language](tmp_path, code), {**os.environ, "OPENAI_API_KEY": KEY}

        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

        assert KEY not in code
        assert "none-needed" not in code
        assert (0, "") == (done.returncode, done.stderr)
        assert '"en"' in code or "language=en" in code
        issued = (language, mode) == ("curl", "live")
        assert '"value":"ek_' in done.stdout if issued else all(word in done.stdout.lower() for word in WORDS)


@pytest.mark.parametrize("mode", ["times", "stream", "speakers", "live"])
def test_the_code_for_a_page_uses_the_key_that_the_page_provides(keyed: Page, tmp_path: Path, mode: str) -> None:
    spoken(tmp_path)
    code = shown(keyed, "Browser", mode)
    with serve(Starlette(routes=[Route("/", bare)])) as root:
        other = keyed.context.new_page()
        other.goto(root)
        other.locator("input").set_input_files(tmp_path / "speech.wav")
        other.evaluate("key => { globalThis.key = key }", KEY)
        if (
            mode == "live"
        ):  # the fake microphone plays no tones; the WebSocket opens with a client secret issued for the key
            with other.expect_websocket(lambda socket: socket.url.endswith("/v1/realtime?intent=transcription")):
                other.add_script_tag(content=code, type="module")
        else:
            other.add_script_tag(content=code, type="module")
            expect(other.locator("body")).to_contain_text(re.compile(WORDS[0], re.IGNORECASE), timeout=30_000)


@pytest.mark.parametrize("name", ["browser.html", "browser_webrtc.html"])
def test_the_example_page_shows_captions(tab: Page, server: RunningServer, name: str) -> None:
    async def example(_: Request) -> Response:
        return HTMLResponse((Path(__file__).parent.parent.parent / "examples" / name).read_text())

    with serve(Starlette(routes=[Route("/", example)])) as root:
        tab.goto(f"{root}/?server={server.base_url.removesuffix('/v1')}")
        tab.get_by_role("button").click()
        expect(tab.get_by_role("button")).to_be_hidden()  # a second call would write into the same text

        expect(tab.locator("p")).to_contain_text(HEARD, timeout=30_000)
        assert not re.search(r"[.?!][A-Z]", tab.locator("p").inner_text())  # turns are apart
