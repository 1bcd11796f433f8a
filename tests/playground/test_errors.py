"""Errors that the page shows for files: what they mean, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.playground.test_page import transcribe


def test_an_api_error_is_shown_with_advice(page: Page, speech: Path) -> None:
    page.locator("#model").fill("no-such-model")
    transcribe(page, speech, "Words as they come")

    alert = page.locator("#file-error")
    expect(alert).to_contain_text("HTTP 404 · model_not_found · model")
    expect(alert).to_contain_text("Choose one of the models offered in the list")
    expect(alert).to_contain_text(re.compile("Request id: req_[0-9a-f]{32}"))
    expect(page.locator("#result")).to_be_hidden()
    expect(page.get_by_role("status")).to_have_text("", timeout=2000)


def test_a_file_that_was_changed_after_its_choice_is_not_a_network_error(page: Page, beginning: Path) -> None:
    page.locator("#file").set_input_files(beginning)
    expect(page.get_by_role("button", name="Transcribe")).to_be_enabled()
    beginning.write_bytes(b"another recording")
    page.get_by_role("button", name="Transcribe").click()

    expect(page.locator("#file-error")).to_contain_text("file_changed")
    expect(page.locator("#file-error")).to_contain_text("choose it again")


@pytest.mark.parametrize(
    ("status", "advice"), [(413, "client_max_body_size"), (502, "A proxy in front of this server")]
)
def test_an_answer_of_a_proxy_is_not_taken_for_the_server_s(
    page: Page, beginning: Path, status: int, advice: str
) -> None:
    page.route("**/transcriptions", lambda route: route.fulfill(status=status, body="<h1>nginx</h1>"))
    transcribe(page, beginning, "Words as they come")

    expect(page.locator("#file-error")).to_contain_text(advice)
    expect(page.locator("#file-error")).not_to_contain_text("request id")


def test_the_sample_without_a_network_gets_an_error(page: Page) -> None:
    page.context.set_offline(True)
    page.get_by_role("button", name="Use the sample").click()

    expect(page.locator("#file-error")).to_contain_text("The server did not answer")
