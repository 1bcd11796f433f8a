"""Calls of a browser by WebRTC: OpenAI's snippet in a page, over TCP alone, and @openai/agents-realtime."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.routing import Route as Path_
from starlette.staticfiles import StaticFiles

from compat.emulator.engines.tones import Tones
from tests.playground.test_live import HEARD, HURRIED
from tests.playground.test_snippets import shown
from tests.running import RunningServer, running_server
from tests.servers import serve
from tests.witnesses import installed

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = (ROOT / "examples" / "browser_webrtc.html").read_text()
PACKAGE = ROOT / "tests" / "clients" / "node_modules" / "@openai" / "agents-realtime" / "dist" / "bundle"
AGENTS = """<!doctype html><button>Speak</button><button hidden>Done</button><p></p><output></output>
<script type="module">
  import { OpenAIRealtimeWebRTC } from "/package/openai-realtime-agents.mjs";
  const query = new URLSearchParams(location.search), [speak, done] = document.querySelectorAll("button");
  speak.onclick = async () => {
    const issued = await fetch(`${query.get("server")}/v1/realtime/client_secrets`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ session: { type: "transcription" } }),
    });
    const { value } = await issued.json();
    const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${query.get("server")}/v1/realtime/calls` });
    transport.on("*", ({ type, delta, transcript }) => {
      if (type.endsWith("transcription.delta")) document.querySelector("p").append(delta);
      if (type.endsWith("transcription.completed")) document.querySelector("output").append(transcript + " ");
    });
    const turnDetection = query.get("turns") === "manual" ? null : { type: "server_vad", silenceDurationMs: 500 };
    const input = { transcription: { model: "gpt-live-transcribe" }, turnDetection };
    await transport.connect({ apiKey: value, initialSessionConfig: { audio: { input } } });
    document.title = transport.callId;
    done.hidden = false;
    done.onclick = () => transport.sendEvent({ type: "input_audio_buffer.commit" });
  };
</script>"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    installed(PACKAGE / "openai-realtime-agents.mjs", "@openai/agents-realtime", "run scripts/clients")
    pages = {"/example": EXAMPLE, "/agents": AGENTS}
    routes = [Path_(path, lambda _, text=text: HTMLResponse(text)) for path, text in pages.items()]
    with serve(Starlette(routes=[*routes, Mount("/package", StaticFiles(directory=PACKAGE))])) as root:
        yield root


def test_a_browser_calls_over_tcp_alone(tab: Page, server: RunningServer, site: str) -> None:
    def without_udp(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=re.sub(r"a=candidate:\d+ 1 udp [^\r]*\r\n", "", answer.text()))

    tab.route("**/v1/realtime/calls", without_udp)
    tab.goto(f"{site}/example?server={server.base_url.removesuffix('/v1')}")
    tab.get_by_role("button").click()

    expect(tab.locator("p")).to_contain_text(HEARD)


@pytest.mark.parametrize("turns", ["detected", "manual"])
def test_openais_package_for_browsers_calls(tab: Page, server: RunningServer, site: str, turns: str) -> None:
    tab.goto(f"{site}/agents?server={server.base_url.removesuffix('/v1')}&turns={turns}")
    tab.get_by_role("button", name="Speak").click()

    expect(tab.locator("p")).to_contain_text(HEARD)
    expect(tab).to_have_title(re.compile(r"rtc_u1_[0-9a-f]{32}"))
    if turns == "manual":
        # Before the package's settings arrive, the call's turns are detected, so the first words may be a turn.
        expect(tab.locator("output")).not_to_contain_text(re.compile("matter|again|better", re.IGNORECASE))
        tab.get_by_role("button", name="Done").click()
    expect(tab.locator("output")).to_contain_text(HEARD)


def test_the_page_captions_a_call_and_shows_the_code_for_it(page: Page, site: str) -> None:
    page.get_by_role("tab", name="Live").click()
    page.get_by_label("Transport").select_option("WebRTC")
    page.locator("#start").click()
    expect(page.locator("#captions")).to_contain_text(HEARD)
    expect(page.locator("#delay")).to_contain_text("ms")
    page.locator("#stop").click()
    expect(page.locator("#start")).to_be_visible()

    code = shown(page, "Browser", "live")
    other = page.context.new_page()
    other.goto(f"{site}/agents")
    other.add_script_tag(content=code, type="module")
    expect(other.locator("body")).to_contain_text(HEARD)


def test_a_call_whose_packets_do_not_arrive_is_named(page: Page) -> None:
    def unreachable(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=re.sub(r"(a=candidate:.* )\d+( typ )", r"\g<1>9\2", answer.text()))

    page.route("**/v1/realtime/calls", unreachable)
    page.evaluate(HURRIED)
    page.get_by_role("tab", name="Live").click()
    page.get_by_label("Transport").select_option("WebRTC")
    page.locator("#start").click()

    expect(page.locator("#live-error")).to_contain_text("no_call")
    expect(page.locator("#live-error")).to_contain_text("Choose WebSocket as the transport")
    expect(page.locator("#start")).to_be_focused()


def test_a_page_without_calls_offers_no_choice(tab: Page) -> None:
    with running_server(Tones()) as server:
        tab.goto(server.base_url.removesuffix("/v1"))
        tab.get_by_role("tab", name="Live").click()
        expect(tab.locator("#live-spoken")).to_be_visible()
        expect(tab.locator("#live-transport")).to_be_hidden()
