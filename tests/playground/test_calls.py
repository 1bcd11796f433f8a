"""Calls of a browser by WebRTC: OpenAI's snippet in a page, over TCP alone, and @openai/agents-realtime."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.routing import Route as Path_
from starlette.staticfiles import StaticFiles

from tests.playground.test_live import HEARD
from tests.running import RunningServer
from tests.servers import serve
from tests.witnesses import installed

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = (ROOT / "examples" / "browser_webrtc.html").read_text()
PACKAGE = ROOT / "tests" / "clients" / "node_modules" / "@openai" / "agents-realtime" / "dist" / "bundle"
AGENTS = """<!doctype html><button>Speak</button><p></p><script type="module">
  import { OpenAIRealtimeWebRTC } from "/package/openai-realtime-agents.mjs";
  const server = new URLSearchParams(location.search).get("server");
  document.querySelector("button").onclick = async () => {
    const issued = await fetch(`${server}/v1/realtime/client_secrets`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ session: { type: "transcription" } }),
    });
    const { value } = await issued.json();
    const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${server}/v1/realtime/calls` });
    transport.on("*", (event) => {
      if (event.type.endsWith("transcription.completed")) document.querySelector("p").append(event.transcript + " ");
    });
    await transport.connect({
      apiKey: value,
      initialSessionConfig: { audio: { input: { turnDetection: { type: "server_vad", silenceDurationMs: 500 } } } },
    });
    document.title = transport.callId;
  };
</script>"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    installed(PACKAGE / "openai-realtime-agents.mjs", "@openai/agents-realtime", "run scripts/clients")
    pages = {"/example": EXAMPLE, "/agents": AGENTS}
    routes = [Path_(path, lambda _, text=text: HTMLResponse(text)) for path, text in pages.items()]
    with serve(Starlette(routes=[*routes, Mount("/package", StaticFiles(directory=PACKAGE))])) as root:
        yield root


@pytest.fixture
def visited(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(permissions=["microphone"]) as context:
        yield context.new_page()


def test_a_browser_calls_over_tcp_alone(visited: Page, server: RunningServer, site: str) -> None:
    def without_udp(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=re.sub(r"a=candidate:\d+ 1 udp [^\r]*\r\n", "", answer.text()))

    visited.route("**/v1/realtime/calls", without_udp)
    visited.goto(f"{site}/example?server={server.base_url.removesuffix('/v1')}")
    visited.get_by_role("button").click()

    expect(visited.locator("p")).to_contain_text(HEARD)


def test_openais_package_for_browsers_calls(visited: Page, server: RunningServer, site: str) -> None:
    visited.goto(f"{site}/agents?server={server.base_url.removesuffix('/v1')}")
    visited.get_by_role("button").click()

    expect(visited.locator("p")).to_contain_text(HEARD)
    expect(visited).to_have_title(re.compile(r"rtc_u1_[0-9a-f]{32}"))
