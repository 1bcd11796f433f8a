"""The peers: how each is installed, started and called.

A peer that cannot be installed or started is reported and left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import as_chat, as_form
from benchmarks.processes import FOLDER, Process, free_port, ours, running, stub

DIRECT_FORM = "stub, form"
DIRECT_CHAT = "stub, JSON"
OURS = "this server"
FLOOR = "pass-through"
LITELLM = "LiteLLM"
NGINX = "nginx"


@dataclass(frozen=True)
class Contender:
    """A measured server. `direct` names the baseline: the stub called with the bytes that this contender sends it."""

    name: str
    direct: str
    process: Process
    request: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Field:
    """The contenders, in the order of a round, and the reasons why others are absent."""

    contenders: dict[str, Contender]
    service: Process
    absent: dict[str, str]


@contextlib.contextmanager
def field() -> Iterator[Field]:
    absent: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(stub())
        found = {
            DIRECT_FORM: Contender(DIRECT_FORM, DIRECT_FORM, service, as_form),
            DIRECT_CHAT: Contender(DIRECT_CHAT, DIRECT_CHAT, service, as_chat),
        }
        for name, start in ((NGINX, nginx), (FLOOR, floor), (LITELLM, litellm)):
            try:
                found[name] = Contender(name, DIRECT_FORM, stack.enter_context(start(service.port)), as_form)
            except (OSError, RuntimeError, subprocess.SubprocessError) as exc:
                absent[name] = str(exc)
                print(f"{name} does not take part: {exc}", file=sys.stderr)
        found[OURS] = Contender(OURS, DIRECT_CHAT, stack.enter_context(ours(service.port)), as_form)
        yield Field(found, service, absent)


# --- installing ----------------------------------------------------------------------------------------------------


def environment(name: str, *packages: str) -> Path:
    """Return the Python of an environment in .benchmarks with the newest of these packages, created if missing."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    done = folder / ".installed"
    if not done.exists():
        print(f"Installing {' '.join(packages)} into {folder} …", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        log = FOLDER / "logs" / f"install-{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        with log.open("wb") as output:
            for command in ([sys.executable, "-m", "venv", str(folder)], pip):
                subprocess.run(command, check=True, timeout=900, stdout=output, stderr=output)
        done.touch()
    return python


def version(python: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def nginx_program() -> str:
    """Return the path of nginx; install Debian's package if run as root. Raises RuntimeError if there is none."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["update"], ["install", "-y", "--no-install-recommends", "nginx"]):
            subprocess.run(["apt-get", *command], check=True, timeout=300, stdout=subprocess.DEVNULL)
        found = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if found is None:
        raise RuntimeError("nginx is not installed")
    return found


# --- starting ------------------------------------------------------------------------------------------------------

NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream service {{ server 127.0.0.1:{upstream}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
    }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(upstream: int) -> Iterator[Process]:
    """Start nginx as a plain proxy with one worker and without request buffering."""
    folder, port = FOLDER / "nginx", free_port()
    folder.mkdir(parents=True, exist_ok=True)
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, upstream=upstream, port=port))
    with running("nginx", nginx_program(), "-p", folder, "-e", folder / "error.log", "-c", conf, port=port) as up:
        yield up


@contextlib.contextmanager
def floor(upstream: int, module: str = "passthrough") -> Iterator[Process]:
    port = free_port()
    command = (sys.executable, "-m", f"benchmarks.servers.{module}", str(port), str(upstream))
    with running(module, *command, port=port) as up:
        yield up


@contextlib.contextmanager
def litellm(upstream: int) -> Iterator[Process]:
    """Start LiteLLM's proxy with one worker, without a key and with the price list of the package."""
    python = environment("litellm", "litellm[proxy]")
    port, conf = free_port(), FOLDER / "litellm.json"  # JSON is YAML
    parameters = {"model": "openai/whisper-1", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "k"}
    model = {"model_name": "whisper-1", "litellm_params": parameters, "model_info": {"mode": "audio_transcription"}}
    conf.write_text(json.dumps({"model_list": [model]}))
    command = (python.with_name("litellm"), "--config", conf, "--host", "127.0.0.1", "--port", str(port))
    alone = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    ready = "/health/liveliness"
    with running("litellm", *command, "--num_workers", "1", port=port, wait=180, ready=ready, environment=alone) as up:
        yield up
