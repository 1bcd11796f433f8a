"""Uses a server process in every way, with valid and invalid requests, then searches its logs, error responses, metrics
and process arguments for every key, prompt and transcript that was used."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import stamina
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from compat.emulator.app import create_app
from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Answer, Break, FailTask, Faults, Refuse, Rule
from compat.emulator.state import Emulator
from tests.audio import media
from tests.endpoints.live import SPEECH
from tests.processes import Server, server_process
from tests.servers import serve

SECRETS = {
    "caller": "sk-caller-Vq3nTz81Lw",
    "filed": "sk-filed-9mXhR2pQ0d",
    "admin": "sk-admin-77bWyK4sEc",
    "wrong": "sk-wrong-Zt5oUj6Gia",
    "service": "sk-service-Hk2fPx9Nre",
    "signing": "signing-Mb8vCq1Ysu",
    "webhooks": base64.b64encode(b"webhooks-Lf4dJw7Oza-thirty-two-b").decode(),
    "webhook": "token-Ug6kSn3Bxe",
    "url": "signature-Ri0cWl5Pmt",
    "name": "quarterly-layoffs",
    "prompt": "zanzibarian",
    "keyword": "quuxophone",
    "hot word": "taradiddle",
    "live prompt": "xylographer",
    "live keyword": "brobdingnag",
    "speaker": "persephone",
    "transcript": "marmaladeous",
    "live transcript": "velocipedic",
    "live delta": "hippogriffin",
    "nonsense": "gobbledygookery",
    "frame": "flibbertigibbet",
    "body": "snickersneeing",
}
SAID = (Sentence(text=f"The {SECRETS['transcript']} protocol.", begin_ms=100, end_ms=900),)
HEARD = [Hypothesis(f"{SECRETS['live delta']} and"), Hypothesis(f"{SECRETS['live transcript']} goodbye")]


class Guest:
    """A client that keeps all error responses."""

    def __init__(self, at: Server, dashscope: Emulator, speech: bytes) -> None:
        self.at = at
        self.dashscope = dashscope
        self.speech = speech
        self.refusals: list[str] = []
        self.ephemeral = ""

    def fail(self, *rules: Rule) -> None:
        self.dashscope.faults.arm(Faults(rules))

    def ask(self, method: str, path: str, key: str = "caller", **options: object) -> httpx2.Response:
        headers = {"authorization": f"Bearer {SECRETS[key]}"}
        answer = httpx2.request(method, self.at.base_url + path, headers=headers, timeout=30, **options)  # type: ignore[arg-type]  # httpx2's own
        if answer.status_code >= 400:
            self.refusals.append(f"{answer.headers} {answer.text}")
        return answer

    def upload(self, path: str = "transcriptions", key: str = "caller", **fields: object) -> httpx2.Response:
        context = {"prompt": f"Say {SECRETS['prompt']}.", "keywords[]": [SECRETS["keyword"]]}
        files = {"file": (f"{SECRETS['name']}.wav", fields.pop("content", self.speech))}
        form = {"model": "whisper-1", **context, **fields}
        return self.ask("POST", f"/audio/{path}", key, data=form, files=files)

    def transcribe(self) -> None:
        for fields in ({}, {"response_format": "verbose_json"}, {"response_format": "srt"}, {"stream": "true"}):
            assert SECRETS["transcript"] in self.upload(**fields).text.lower()
        assert self.upload("translations", response_format="text").status_code == 200
        assert self.upload(key="filed").status_code == 200

    def mistake(self) -> None:
        reference = "data:audio/wav;base64," + base64.b64encode(self.speech).decode()
        speakers = {"known_speaker_names[]": SECRETS["speaker"], "known_speaker_references[]": reference}
        assert [401, 400, 400, 400, 404] == [
            self.upload(key="wrong").status_code,
            self.upload(content=SECRETS["body"].encode() * 100).status_code,
            self.upload(response_format="xml", **speakers).status_code,
            self.upload(temperature="7").status_code,
            self.upload(model="parakeet").status_code,
        ]
        for body in (SECRETS["body"], f"--b\r\n{SECRETS['body']}: {SECRETS['body']}\r\n\r\n", "{" + SECRETS["body"]):
            self.ask("POST", "/audio/transcriptions", content=body)
            self.ask("POST", "/realtime/client_secrets", content=body)
        self.ask("GET", f"/models?api_key={SECRETS['caller']}", "wrong")

    def suffer(self) -> None:
        """Let the service fail with messages that quote secrets."""
        quoted = f"{SECRETS['service']} is no key; see https://files.example/a.wav?{SECRETS['url']}"
        wrong = json.dumps({"choices": SECRETS["nonsense"]})
        self.fail(
            Rule("chat", Refuse(401, "InvalidApiKey", f"Incorrect API key provided: {quoted}")),
            Rule("chat", Answer(f"<html>{SECRETS['nonsense']}</html>"), nth=2),
            Rule("chat", Answer(wrong), nth=3),
            Rule("chat", Break(2), nth=4),
            Rule("submit", FailTask("InternalError.Download", quoted)),
        )
        assert [401, 502, 502] == [self.upload().status_code for _ in range(3)]
        self.upload(stream="true")
        assert self.upload(response_format="srt", language="de").status_code >= 400
        self.fail()

    def leave_work(self) -> None:
        hook = f"https://127.0.0.1:9/{SECRETS['webhook']}"
        job = self.upload(background="true", webhook_url=hook, prompt=SECRETS["prompt"], language="en").json()
        self.ask("GET", f"/audio/transcriptions/{job['id']}", "filed")
        for attempt in stamina.retry_context(on=AssertionError, attempts=100, timeout=15, wait_max=0.1):
            with attempt:
                answer = self.ask("GET", f"/audio/transcriptions/{job['id']}").text
                assert SECRETS["transcript"] in answer.lower()

    def store_words(self) -> None:
        path, word = "/dashscope/vocabularies", SECRETS["hot word"]
        books = {"target_model": "fun-asr", "prefix": "books", "vocabulary": [word]}
        made = self.ask("POST", path, "admin", json=books).json()
        assert [{"text": word, "weight": 4}] == made["vocabulary"]
        self.ask("POST", path, json=books)
        for words in ([{"text": word, "weight": 9}], [{word: 5}], {word: "5"}, [f"{word} " * 8]):
            assert 400 == self.ask("POST", f"{path}/{made['id']}", "admin", json={"vocabulary": words}).status_code
        self.fail(Rule("vocabulary", Refuse(500, "InternalError", "failed"), times=None))
        assert 502 == self.ask("POST", path, "admin", json=books).status_code
        self.fail()

    def talk(self) -> None:
        asked = self.ask("POST", "/realtime/client_secrets", json={"session": {"type": "transcription"}})
        self.ephemeral = asked.json()["value"]
        transcription = {"prompt": SECRETS["live prompt"], "keywords": [SECRETS["live keyword"]]}
        session = {
            "type": "transcription",
            "audio": {"input": {"turn_detection": None, "transcription": transcription}},
        }
        address = self.at.base_url.replace("http", "ws", 1) + "/realtime?intent=transcription"
        subprotocols = ["realtime", f"openai-insecure-api-key.{self.ephemeral}"]
        with connect(address, subprotocols=subprotocols) as caller:  # type: ignore[arg-type]  # websockets' NewType
            for frame in (SECRETS["frame"], '{"type": "no.such"}', '{"type": "response.create"}'):
                caller.send(frame)
            caller.send(json.dumps({"type": "session.update", "session": session}))
            caller.send(
                json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(SPEECH * 3).decode()})
            )
            caller.send('{"type": "input_audio_buffer.commit"}')
            received: list[str] = []
            while not received or '.completed"' not in received[-1]:
                received.append(str(caller.recv(timeout=20)))
        self.refusals += [frame for frame in received if '"type":"error"' in frame]
        assert SECRETS["live transcript"] in received[-1]
        with pytest.raises(InvalidStatus) as refused:
            connect(address, subprotocols=["realtime", f"openai-insecure-api-key.{SECRETS['wrong']}"])  # type: ignore[list-item]  # the same
        self.refusals.append(str(refused.value.response))
        with connect(address, subprotocols=subprotocols) as caller, contextlib.suppress(ConnectionClosed):  # type: ignore[arg-type]  # the same
            caller.send(SECRETS["frame"].encode() * 2_000_000)
            for _ in caller:
                pass

    def break_the_server(self, spool: Path) -> None:
        """Cause an unexpected error: a 500 with a traceback in the log."""
        for folder in spool.glob("qwen-asr-compat-*"):
            shutil.rmtree(folder)
        assert 500 == self.upload(model="fun-asr").status_code


def shown(pid: int) -> str:
    """Return the command lines of a process and its descendants, which other users can read."""
    place = Path(f"/proc/{pid}")
    try:
        children = (place / "task" / str(pid) / "children").read_text().split()
        own = (place / "cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the process has exited
        return ""
    return own + "".join(shown(int(child)) for child in children)


def doctor(environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "compat", "doctor"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    )


def test_no_secret_appears_in_logs_metrics_errors_or_arguments(tmp_path: Path) -> None:
    speech = media.make("wav", media.tone(2.0), 16000, 1, tmp_path / "a.wav").read_bytes()
    (tmp_path / "keys").write_text(f"filed {SECRETS['filed']}\nadmin {SECRETS['admin']} admin\n")
    app = create_app(Scripted(SAID, hypotheses=[HEARD]), keys=frozenset([SECRETS["service"]]))
    settings = {
        "DASHSCOPE_API_KEY": SECRETS["service"],
        "COMPAT_API_KEYS": SECRETS["caller"],
        "COMPAT_API_KEYS_FILE": str(tmp_path / "keys"),
        "COMPAT_SECRET": SECRETS["signing"],
        "COMPAT_WEBHOOK_SECRET": f"whsec_{SECRETS['webhooks']}",
        "COMPAT_ALLOW_PRIVATE_WEBHOOKS": "true",
        "COMPAT_LOG_LEVEL": "debug",
        "COMPAT_ATTEMPTS": "1",
    }
    with serve(app) as root, server_process(tmp_path, root, **settings) as running:
        examining = doctor({**os.environ, **settings, "DASHSCOPE_BASE_URL": root})
        guest = Guest(running, app.state.emulator, speech)
        guest.transcribe()
        guest.mistake()
        report, _ = examining.communicate(timeout=60)  # before faults are armed: the doctor calls the same surfaces
        guest.suffer()
        guest.leave_work()
        guest.store_words()
        guest.talk()
        metrics = guest.ask("GET", "/../metrics", "admin").text
        processes = shown(running.process.pid)
        guest.break_the_server(tmp_path)

    searched = {
        "the log": "".join(running.printed),
        "the metrics": metrics,
        "arguments of processes": processes,
        "the doctor's report": report,
        "refusals": "\n".join(guest.refusals),
    }
    assert "a request failed" in searched["the log"]
    assert "compat_requests_total" in metrics
    assert "chat completions" in report
    assert [] == [
        (name, where)
        for where, text in searched.items()
        for name, secret in {**SECRETS, "ephemeral": guest.ephemeral}.items()
        if secret.lower() in text.lower()
    ]
