"""The text that `serve` prints when it is ready, with a curl command and a Python program to copy."""

from __future__ import annotations

import contextlib
import shlex
import ssl
from collections.abc import Iterable
from pathlib import Path

MODEL = "gpt-transcribe"
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the address for clients on this machine


def root(host: str, port: int, *, tls: bool = False) -> str:
    """Return the root URL, for clients on this machine, of a server that listens on the name or IP address `host`."""
    reached = ANY.get(host, host)
    return f"http{'s' if tls else ''}://{f'[{reached}]' if ':' in reached else reached}:{port}"


def banner(base: str, *, everywhere: bool, local: bool, keys: str | None, cert: Path | None, sample: Path) -> str:
    """Return the text. `keys` describes the keys that clients need, or is None if they need none.

    Keys themselves are not printed: the examples read OPENAI_API_KEY.
    """
    lines = [f"Serving OpenAI's audio API at {base}"]
    if everywhere:
        lines.append("Other machines use this machine's name or address in its place.")
    if local:
        lines.append("No DASHSCOPE_API_KEY is set, so a speech engine on this machine answers: local, English only.")
    if keys:
        lines.append(f"Clients need a key. The examples below read it from OPENAI_API_KEY: {keys}.")
    return "\n".join([*lines, "", _curl(base, keys, cert, sample), "", *_python(base, keys, cert, sample), ""])


def _curl(base: str, keys: str | None, cert: Path | None, sample: Path) -> str:
    trusted = f" --cacert {shlex.quote(str(cert))}" if cert else ""
    header = ' -H "Authorization: Bearer $OPENAI_API_KEY"' if keys else ""
    name = str(sample)
    if set(';,"') & set(name):  # special characters in curl's -F
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    url = shlex.quote(f"{base}/audio/transcriptions")  # zsh treats the brackets of an IPv6 address as a pattern
    return f"curl{trusted} {url}{header} -F model={MODEL} -F {shlex.quote('file=@' + name)}"


def _python(base: str, keys: str | None, cert: Path | None, sample: Path) -> list[str]:
    given = [f'base_url="{base}"', *([] if keys else ['api_key="none-needed"'])]
    lines = ["from openai import OpenAI"]
    if cert:
        lines = [
            "import ssl",
            "from openai import DefaultHttpxClient, OpenAI",
            "trusted = ssl.create_default_context()",
        ]
        lines.append(f"trusted.load_verify_locations({str(cert)!r})")
        given.append("http_client=DefaultHttpxClient(verify=trusted)")
    return [
        *lines,
        f"client = OpenAI({', '.join(given)})",
        f'print(client.audio.transcriptions.create(model="{MODEL}", file=open({str(sample)!r}, "rb")).text)',
    ]


def certified(hosts: Iterable[str], served: ssl.SSLContext, cert: Path) -> str | None:
    """Return the first host that the certificate is valid for, found by TLS handshakes in memory, or None."""
    return next((host for host in hosts if _shakes_hands(host, served, cert)), None)


def _shakes_hands(host: str, served: ssl.SSLContext, cert: Path) -> bool:
    trusting = ssl.create_default_context(cafile=str(cert))
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(down, up, server_hostname=host)
    server = served.wrap_bio(up, down, server_side=True)
    try:
        for side in (client, server) * 2:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLError:
        return False
    return True
