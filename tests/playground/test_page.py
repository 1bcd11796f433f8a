"""The playground page in a real browser, with a real engine."""

from __future__ import annotations

import json
import re
import wave
from pathlib import Path

import srt
from playwright.sync_api import Browser, Download, Page, Route, expect

from compat.emulator.faults import Hang, Rule
from tests.audio.media import make
from tests.cli.test_main import started
from tests.emulator.recordings import wav
from tests.running import RunningServer, running_server
from tests.whole.speech import remembering

SAID = re.compile(r"ever tried[\W\d]+ever failed[\W\d]+no matter[\W\d]+try again", re.IGNORECASE)


def transcribe(page: Page, file: Path, mode: str) -> None:
    page.locator("#file").set_input_files(file)
    page.get_by_text(mode, exact=True).click()
    page.locator("#go").click()


def downloaded(page: Page, name: str) -> str:
    page.locator("#views").get_by_role("tab", name=name, exact=True).click()
    with page.expect_download() as started:
        page.locator("#download").click()
    file: Download = started.value
    return Path(file.path()).read_text()


def test_a_file_is_transcribed_with_word_times(page: Page, speech: Path) -> None:
    transcribe(page, speech, "Times and subtitles")

    expect(page.locator("#transcript")).to_contain_text(SAID)
    assert page.locator(".word").count() > 10
    expect(page.locator("#tags")).to_contain_text("qwen3-asr-flash-filetrans")
    expect(page.locator("#tagline")).to_contain_text("answered by Qwen on Alibaba Model Studio")
    assert SAID.search(" ".join(cue.content for cue in srt.parse(downloaded(page, "srt"))))
    assert downloaded(page, "vtt").startswith("WEBVTT\n\n00:00:")
    assert json.loads(downloaded(page, "json"))["words"]
    page.get_by_role("tab", name="Text").click()
    expect(page.locator("#transcript")).to_have_text(SAID)
    page.locator("#copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert SAID.search(page.evaluate("navigator.clipboard.readText()"))
    page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(); document.execCommand = () => false }"
    )
    page.locator("#copy").click()
    expect(page.get_by_role("status")).to_contain_text("did not copy it")
    assert page.evaluate(
        """() => {
          const [box, range] = [document.getElementById("transcript"), document.createRange()];
          box.textContent = "مرحبا";
          range.selectNodeContents(box);
          return range.getBoundingClientRect().left > box.getBoundingClientRect().left + box.clientWidth / 2;
        }"""
    ), "Arabic is at the right"


def test_choosing_another_file_clears_the_previous_result(
    page: Page, server: RunningServer, speech: Path, beginning: Path
) -> None:
    transcribe(page, speech, "Times and subtitles")
    expect(page.locator("#transcript")).to_contain_text(SAID)
    page.locator(".word").nth(6).click()
    page.locator("#file").set_input_files(beginning)
    expect(page.locator("#result")).to_be_hidden()
    assert ("", True) == (
        page.locator("#transcript").inner_text(),
        page.evaluate("document.getElementById('audio').paused"),
    )

    server.fail(Rule("chat", Hang()))  # a pending request is cancelled
    transcribe(page, beginning, "Words as they come")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.locator("#file").set_input_files(speech)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(page.locator("#progress")).to_be_hidden()
    server.fail()
    page.get_by_role("button", name="Transcribe").click()
    expect(page.locator("#transcript")).to_contain_text(SAID)

    page.locator("#model").fill("no-such-model")  # an error is cleared too
    page.get_by_role("button", name="Transcribe").click()
    expect(page.locator("#file-error")).to_be_visible()
    page.locator("#file").set_input_files(beginning)
    expect(page.locator("#file-error")).to_be_hidden()
    assert [] == page.evaluate("Object.keys(localStorage).concat(Object.keys(sessionStorage))")


def test_a_file_that_the_browser_cannot_play_is_transcribed(page: Page, tmp_path: Path, beginning: Path) -> None:
    name = f"{'a very long name ' * 12}.aiff"
    with wave.open(str(beginning)) as source:
        sound = make("aiff", source.readframes(source.getnframes()), source.getframerate(), 1, tmp_path / name)
    transcribe(page, sound, "Times and subtitles")
    expect(page.locator("#transcript")).to_contain_text("tried")

    page.locator(".word").first.click()
    expect(page.locator("#player")).to_be_hidden()
    expect(page.locator("#result")).to_contain_text("This browser cannot play this file.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_recording_without_speech_says_so(page: Page, tmp_path: Path) -> None:
    wav(tmp_path / "silence.wav", bytes(64_000), rate=16_000)
    transcribe(page, tmp_path / "silence.wav", "Words as they come")

    expect(page.locator("#transcript")).to_have_text("No speech was heard.")


def test_a_click_on_a_word_plays_from_there_and_highlights_it(page: Page, speech: Path) -> None:
    transcribe(page, speech, "Times and subtitles")
    word = page.locator(".word").nth(6)
    word.click()

    expect(page.locator(".word.now")).not_to_have_count(0)
    expect(page.locator(".segment.current")).not_to_have_count(0)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_words_are_streamed(page: Page, speech: Path) -> None:
    transcribe(page, speech, "Words as they come")

    expect(page.locator("#transcript")).to_contain_text(SAID)
    expect(page.locator("#tags")).to_contain_text("chat")
    assert SAID.search(downloaded(page, "Text"))
    expect(page.get_by_role("tab", name="srt")).to_be_disabled()


def test_speakers_are_coloured(page: Page, beginning: Path) -> None:
    transcribe(page, beginning, "Who said what")

    expect(page.locator(".segment .speaker-0").first).to_be_visible(timeout=120_000)
    expect(page.locator(".segment p").first).to_have_text(re.compile(r"^A: \w"))
    expect(page.locator("#tags")).not_to_contain_text("chunking_strategy")


def test_long_files_are_listed_in_every_tab(tab: Page, speech: Path, beginning: Path) -> None:
    with running_server(remembering(), job_retention=60.0) as server:  # a job is opened after another tab has read it
        tab.goto(server.base_url.removesuffix("/v1"))
        server.fail(Rule("submit", Hang()))
        submitted = server.counts["submit"]
        tab.add_init_script("Object.defineProperty(HTMLMediaElement.prototype, 'duration', {get: () => 301})")
        tab.evaluate("localStorage.setItem('jobs', 'of another program')")
        tab.reload()
        transcribe(tab, beginning, "Times and subtitles")
        expect(tab.get_by_role("listitem")).to_contain_text(re.compile(r"speech\.wav.*(waiting|transcribing) · \d+ s"))
        tab.context.set_offline(True)
        expect(tab.get_by_role("listitem")).to_contain_text("the server does not answer")
        tab.context.set_offline(False)
        expect(tab.get_by_role("listitem")).not_to_contain_text("the server does not answer")
        expect(tab.get_by_role("button", name="Transcribe")).to_be_enabled()
        server.counts.wait_for(lambda: server.counts["submit"] > submitted)
        transcribe(tab, speech, "Times and subtitles")
        expect(tab.get_by_role("listitem")).to_have_count(2)
        tab.reload()
        expect(tab.get_by_role("listitem")).to_have_count(2)

        other = tab.context.new_page()
        other.goto(tab.url)
        other.get_by_role("button", name="Cancel speech.wav").click()
        expect(other.get_by_role("status")).to_have_text("speech.wav: Cancelled")
        expect(tab.get_by_role("listitem")).to_have_count(1)
        other.close()

        tab.get_by_role("button", name="Open beckett.wav").click()
        expect(tab.locator("#transcript")).to_contain_text(SAID)
        expect(tab.locator("#result")).to_contain_text("This tab does not have the recording")
        tab.get_by_role("button", name="Remove beckett.wav").click()
        expect(tab.get_by_role("list")).to_be_hidden()
        assert tab.evaluate("localStorage.getItem('jobs')") is None


def test_a_long_file_shows_its_progress(tab: Page, speech: Path) -> None:
    with running_server(remembering(), long_road="pieces", piece_seconds=5) as server:
        server.fail(Rule("chat", Hang(seconds=4), nth=2))
        tab.add_init_script("Object.defineProperty(HTMLMediaElement.prototype, 'duration', {get: () => 301})")
        tab.goto(server.base_url.removesuffix("/v1"))
        transcribe(tab, speech, "Times and subtitles")
        expect(tab.get_by_role("listitem")).to_contain_text(re.compile(r"0:0[1-9] of 0:10 · pieces done: \d · \d+ s"))
        assert 0 < tab.get_by_role("listitem").get_by_role("progressbar").evaluate("bar => bar.value") < 1


def test_the_progress_in_a_stream_s_comments_is_read(page: Page) -> None:
    stream = (
        ': progress {"progress":0.5,"seconds_done":30.0,"seconds_total":60.0,"pieces_done":null}\n\n: \n\ndata: {}\n\n'
    )
    assert [
        {"type": "progress", "progress": 0.5, "seconds_done": 30, "seconds_total": 60, "pieces_done": None},
        {},
    ] == page.evaluate("async text => new (await import('/playground/api.js')).Events().feed(text)", stream)


def test_a_file_is_translated(page: Page, beginning: Path) -> None:
    page.get_by_text("Translate to English", exact=True).click()
    expect(page.get_by_text("Words as they come")).to_be_hidden()
    page.locator("#file").set_input_files(beginning)
    page.get_by_role("button", name="Translate").click()
    expect(page.locator("#transcript")).to_contain_text("tried")
    assert [cue.content for cue in srt.parse(downloaded(page, "srt"))]
    expect(page.locator("#code")).to_contain_text("/v1/audio/translations")


def test_the_whole_area_takes_a_click(page: Page, speech: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#drop").click(position={"x": 8, "y": 8})
    chooser.value.set_files(speech)
    expect(page.locator("#file-name")).to_contain_text("beckett.wav")
    expect(page.locator("#code")).to_contain_text("file=@beckett.wav")


def test_a_recording_can_be_transcribed_like_a_file(page: Page) -> None:
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#record")).to_contain_text("4 s")
    page.get_by_role("button", name="Stop recording").click()
    expect(page.locator("#file-name")).to_contain_text("Recording.webm")
    page.get_by_role("button", name="Transcribe").click()

    expect(page.locator("#transcript")).to_contain_text("tried")


def test_a_file_can_be_dropped(page: Page) -> None:
    data = page.evaluate_handle(
        "() => { const d = new DataTransfer();"
        " for (const name of ['talk.wav', 'other.wav']) d.items.add(new File(['x'], name)); return d }"
    )
    page.get_by_role("tab", name="Live").click()
    page.locator("#code").dispatch_event("drop", {"dataTransfer": data})  # anywhere on the page

    expect(page.locator("#file-name")).to_contain_text(re.compile("talk.wav.*the first was taken"))
    expect(page.get_by_role("status")).to_contain_text("the first was taken")
    expect(page.get_by_role("button", name="Transcribe")).to_be_enabled()
    assert page.evaluate(
        "() => ['dragover', 'drop'].every(name => ['Files', 'text/plain'].every(type => {"
        " const data = new DataTransfer();"
        " type === 'Files' ? data.items.add(new File(['x'], 'a.wav')) : data.setData(type, 'x');"
        " const event = new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true });"
        " document.getElementById('model').dispatchEvent(event);"
        " return event.defaultPrevented === (type === 'Files') }))"
    )


def test_a_file_can_be_pasted(page: Page) -> None:
    page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File(["x".repeat(1500)], "copied.wav"));
          document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }"""
    )
    expect(page.locator("#file-name")).to_have_text("copied.wav · 2 KB")

    page.locator("#more summary").click()
    page.get_by_label("Subtitles: columns per line").fill("0")
    page.locator("#more summary").click()
    page.get_by_role("button", name="Transcribe").click()
    expect(page.get_by_label("Subtitles: columns per line")).to_be_focused()


def test_the_name_of_the_chosen_file_stays_visible(page: Page, speech: Path) -> None:
    page.locator("#file").set_input_files(speech)
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#file-name")).to_contain_text("beckett.wav")
    page.get_by_role("button", name="English").click()

    page.locator("#key-open").click()
    page.locator("#key").fill("ключ“")
    page.locator("#key").press("Enter")
    expect(page.locator("#file-name")).to_contain_text("beckett.wav")
    for mode in ("Words as they come", "Times and subtitles"):
        page.get_by_text(mode, exact=True).click()
        page.get_by_role("button", name="Transcribe").click()
        expect(page.locator("#file-error")).to_contain_text("A key has no spaces and no other signs than ASCII.")
        expect(page.locator("#result")).to_be_hidden()


def test_the_page_is_in_chinese_in_a_chinese_browser(chromium: Browser, server: RunningServer, speech: Path) -> None:
    with chromium.new_context(locale="zh-CN") as context:
        page = context.new_page()
        page.goto(server.base_url.removesuffix("/v1"))
        expect(page.get_by_role("tab", name="实时")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        page.locator("#model").fill("no-such-model")
        transcribe(page, speech, "边识别边显示")
        expect(page.locator("#file-error p").first).to_have_text("没有这个模型：请从列表中选一个，或清空此栏。")
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("tab", name="Live")).to_be_visible()
        expect(page.locator("#file-error p").first).to_contain_text("Choose one of the models")


def test_a_demo_engine_is_labelled_once_the_key_is_entered(tab: Page, beginning: Path) -> None:
    page, command = tab, started("serve", "--port", "0", "--engine", "tones", COMPAT_API_KEYS="sk-of-a-caller")
    with command as (_, said):
        page.goto(said[0].split()[-1].removesuffix("/v1"))
        expect(page.get_by_role("dialog")).to_contain_text("This server asks for a key")  # after a 401
        expect(page.locator("#tagline")).to_have_text("Speech to text over OpenAI's audio API")
        expect(page.get_by_role("note")).to_be_hidden()
        page.locator("#key").fill("sk-of-a-caller")
        page.locator("#key").press("Enter")
        expect(page.get_by_role("note")).to_contain_text("English demo: the engine “tones”")
        expect(page.get_by_role("note")).to_contain_text("Set DASHSCOPE_API_KEY on the server")
        expect(page.locator("#tagline")).to_contain_text("answered by a demo engine")
        expect(page.locator("header")).not_to_contain_text("Qwen on")

        page.locator("#spoken").select_option("zh")
        transcribe(page, beginning, "Words as they come")
        expect(page.locator("#tags")).to_contain_text("ignored: language")
        expect(page.locator("#tags")).to_contain_text("tones")
        expect(page.locator("#tags")).not_to_contain_text("zh")


def test_another_recogniser_is_not_said_to_mark_translations(page: Page) -> None:
    def own(route: Route) -> None:  # as with COMPAT_ENGINE=openai
        route.fulfill(json={"object": "list", "data": [], "dashscope": {"engine": "openai"}})

    page.route("**/v1/models", own)
    page.reload()
    page.get_by_role("tab", name="Translate").click()
    expect(page.get_by_role("note")).to_contain_text("does not translate live speech")


def test_the_page_works_with_the_keyboard(page: Page) -> None:
    tab = page.get_by_role("tab", name="File")
    tab.focus()
    tab.press("ArrowRight")
    expect(page.get_by_role("tab", name="Live")).to_be_focused()
    expect(page.locator("#panel-live")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    expect(page.locator("#file")).to_be_focused()


def test_start_has_the_focus_after_another_key_was_entered(page: Page) -> None:
    refusal = {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}
    page.route("**/client_secrets", lambda route: route.fulfill(status=401, json=refusal))
    page.get_by_role("tab", name="Live").click()
    page.locator("#start").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.locator("#key").fill("sk-entered")
    page.locator("#key").press("Enter")

    expect(page.locator("#start")).to_be_focused()


def test_escape_and_a_click_elsewhere_close_the_key_dialog(page: Page) -> None:
    page.locator("#key-open").click()
    page.locator("#key").fill("sk-entered")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#key-open")).to_be_focused()
    expect(page.locator("#key-state")).to_be_visible()
    assert "sk-entered" == page.evaluate("sessionStorage.getItem('key')")
    page.locator("#key-open").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.mouse.click(5, 5)

    expect(page.get_by_role("dialog")).to_be_hidden()


def test_dark_and_light(page: Page) -> None:
    meter = "() => document.getElementById('level').getContext('2d').getImageData(2, 13, 1, 1).data[0]"  # its red
    light = page.evaluate(meter)
    page.get_by_role("button", name="Light or dark").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(meter) < light


def test_a_key_is_kept_in_its_tab_and_not_shown_in_the_code(page: Page) -> None:
    page.locator("#key-open").click()
    page.locator("#key").fill("sk-secret-of-mine")
    page.locator("#key").press("Enter")
    expect(page.locator("#key-state")).to_be_visible()

    assert "sk-secret-of-mine" == page.evaluate("sessionStorage.getItem('key')")
    assert [] == page.evaluate("Object.keys(localStorage)")
    expect(page.locator("#code")).to_contain_text("Bearer $OPENAI_API_KEY")
    expect(page.locator("#code")).not_to_contain_text("sk-secret")
