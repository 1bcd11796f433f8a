"""The text that `serve` prints when it is ready, with a curl command and a Python program to copy."""

from __future__ import annotations

import contextlib
import shlex
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from compat import __version__, processes
from compat.catalogue import models as catalogue
from compat.config.settings import Settings

MODEL, LIVE_MODEL = "gpt-transcribe", "gpt-live-transcribe"
DOCS = processes.HOME / "docs"
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the address for clients on this machine


def root(host: str, port: int, *, tls: bool = False) -> str:
    """Return the root URL, for clients on this machine, of a server that listens on the name or IP address `host`."""
    reached = ANY.get(host, host)
    return f"http{'s' if tls else ''}://{f'[{reached}]' if ':' in reached else reached}:{port}"


def facts(settings: Settings, base: str, *, local: str | None, everywhere: bool, workers: int) -> dict[str, str]:
    """Return what to know about the server, by title. `local` is the name of the engine on this machine, if it answers.

    Raises ModelNotFound for a model of the settings that is not known.
    """
    rows = {"Page": f"{base.removesuffix('/v1')}/"} if settings.playground else {}
    if DOCS.is_dir() and (processes.HOME / "mkdocs.yml").is_file():  # a checkout
        rows["Docs"] = str(DOCS)
    if local == "openai":
        host = urlsplit(settings.engine_url or "").netloc
        rows["Model"] = f"{settings.engine_model or 'the speech model'} of {host}, in place of DashScope"
    elif local:
        rows["Model"] = f"{local} on this machine, for English: DASHSCOPE_API_KEY is not set"
    else:
        names, family, region = settings.every_alias, settings.model_family, settings.short_region
        live = catalogue.live(LIVE_MODEL, region="custom", aliases=names, preferred=settings.live_model)
        rows["Model"] = f"{catalogue.resolve(MODEL, names, family)[0]}, live: {live}"
        rows["Region"] = f"{region}, {urlsplit(settings.root).hostname}"
    keys = required(settings)
    near = (urlsplit(base).hostname or "").startswith(("127.", "::1", "localhost")) and not everywhere
    anyone = "everyone on this machine" if near else "everyone who reaches it"
    rows["Clients"] = f"{keys}; the examples read it from OPENAI_API_KEY" if keys else f"{anyone}, without a key"
    if everywhere:
        rows["Network"] = "other machines use this machine's name or address"
    if workers > 1:
        rows["Workers"] = str(workers)
    return rows


def required(settings: Settings) -> str | None:
    """Return a description of the keys that clients need, or None if they need none."""
    if settings.pass_key:
        return "your DashScope key"
    if settings.api_keys:
        return "one of COMPAT_API_KEYS"
    return f"a key of {settings.api_keys_file}" if settings.api_keys_file else None


def banner(
    base: str, rows: Mapping[str, str], *, keys: bool, cert: Path | None, sample: Path, colours: bool = False
) -> str:
    """Return the text. `rows` are those of `facts`; `keys` tells whether clients need a key.

    Keys themselves are not printed: the examples read OPENAI_API_KEY.
    """
    bold, dim, plain = ("\033[1m", "\033[2m", "\033[0m") if colours else ("", "", "")
    lines = [f"{bold}qwen-asr-compat {__version__}{plain} serves OpenAI's audio API at {bold}{base}{plain}"]
    lines += [f"  {dim}{name:7}{plain}  {text}" for name, text in rows.items()]
    return "\n".join([*lines, "", _curl(base, keys, cert, sample), "", *_python(base, keys, cert, sample), ""])


def _curl(base: str, keys: bool, cert: Path | None, sample: Path) -> str:
    trusted = f" --cacert {shlex.quote(str(cert))}" if cert else ""
    header = ' -H "Authorization: Bearer $OPENAI_API_KEY"' if keys else ""
    name = str(sample)
    if set(';,"') & set(name):  # special characters in curl's -F
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    url = shlex.quote(f"{base}/audio/transcriptions")  # zsh treats the brackets of an IPv6 address as a pattern
    return f"curl{trusted} {url}{header} -F model={MODEL} -F {shlex.quote('file=@' + name)}"


def _python(base: str, keys: bool, cert: Path | None, sample: Path) -> list[str]:
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
