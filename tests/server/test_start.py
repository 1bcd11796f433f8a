"""Invalid settings are refused before the server starts, in one sentence that names the setting."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.request import getproxies

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from packaging.requirements import Requirement

from compat.app import create_app
from compat.cli.main import main
from compat.config import extras
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.server.local_engine import forget_proxies
from tests import tls

ROOT = Path(__file__).parent.parent.parent
KEY = {"DASHSCOPE_API_KEY": "sk-1"}


def refused(*arguments: str, environment: Mapping[str, str]) -> str:
    clean: dict[str, str | None] = dict.fromkeys(
        name for name in os.environ if name.startswith(("COMPAT", "DASHSCOPE"))
    )
    done = CliRunner().invoke(main, arguments, env=clean | dict(environment))

    assert done.exit_code not in (None, 0)
    assert "" == done.stdout
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    return last


def without(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    for module in extras.MODULES[extra]:
        monkeypatch.setitem(sys.modules, module, None)


NEEDED: list[tuple[str, tuple[str, ...], str]] = [
    ("local", ("serve", "--port", "0"), "No DASHSCOPE_API_KEY is set"),
    ("local", ("serve", "--port", "0", "--engine", "tones"), "No DASHSCOPE_API_KEY is set"),
    ("local", ("emulator", "--port", "0"), "--engine moonshine"),
    ("local", ("sample",), "the speech sample"),
    ("client", ("transcribe", __file__), "This"),
    ("client", ("transcribe", __file__, "--live"), "This"),
    ("client", ("live", "-"), "This"),
    ("microphone", ("live",), "live"),
]


@pytest.mark.parametrize(("extra", "arguments", "what"), NEEDED)
def test_a_command_names_the_missing_extra(
    extra: str, arguments: tuple[str, ...], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, extra)

    message = refused(*arguments, environment={})

    assert what in message
    assert f"needs the {extra} extra: {sys.executable} -m pip install 'qwen-asr-compat[{extra}]'" in message


def test_doctor_reports_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "local")

    done = CliRunner().invoke(main, ["doctor"], env=dict.fromkeys(os.environ))

    assert 1 == done.exit_code
    assert "fault  local engine: " in done.stdout
    assert "needs the local extra" in done.stdout


@pytest.mark.parametrize(
    ("extra", "setting", "value"),
    [
        ("redis", "COMPAT_STORE", "redis://127.0.0.1:6379/0"),
        ("bucket", "COMPAT_BUCKET", "s3://audio?region=eu-west-1"),
    ],
)
def test_a_setting_names_the_missing_extra(
    extra: str, setting: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without(monkeypatch, extra)

    with pytest.raises(SettingsError, match=rf"^{setting}.* needs the {extra} extra: .* -m pip install .*\[{extra}\]"):
        create_app(Settings.read({**KEY, "COMPAT_SPOOL": str(tmp_path), setting: value}))


def test_every_extra_has_its_modules_listed() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert set(declared) == set(extras.MODULES)
    for extra, modules in extras.MODULES.items():
        packages = {Requirement(each).name.replace("-", "_") for each in declared[extra]}
        assert len(packages) == len(modules)
        extras.need(extra, "The test")


OLD = [
    ("redis", "redis", "4.6.0"),
    ("otel", "opentelemetry_sdk", "1.9.1"),
    ("bucket", "obstore", "0.4.0"),
    ("client", "openai", "1.109.1"),
    ("local", "moonshine_voice", "0.0.59"),
]


@pytest.mark.parametrize(("extra", "package", "version"), OLD)
def test_an_extra_of_an_older_release_is_named(
    extra: str, package: str, version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another program in the same environment may have installed the package."""
    (older := tmp_path / f"{package}-{version}.dist-info").mkdir()
    (older / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(
        SettingsError, match=rf"^The test needs {package.replace('_', '-')}\S+ instead of the installed {version}"
    ) as error:
        extras.need(extra, "The test")

    assert f"{sys.executable} -m pip install 'qwen-asr-compat[{extra}]'" in str(error.value)


PLACES = [
    ("COMPAT_STORE", "{folder}"),
    ("COMPAT_STORE", "{file}"),
    ("COMPAT_STORE", "{file}/jobs.sqlite"),
    ("COMPAT_STORE", "/dev/null"),
    ("COMPAT_STORE", "redis://host:6379/0?nonsense=1"),
    ("COMPAT_STORE", "redis://user:hunter2@host?socket_timeout=hunter2"),
    ("COMPAT_SPOOL", "{file}"),
    ("COMPAT_SPOOL", "{folder}/none"),
    ("COMPAT_API_KEYS_FILE", "{file}"),
    ("COMPAT_API_KEYS_FILE", "{folder}"),
    ("COMPAT_API_KEYS_FILE", "{folder}/none"),
    ("COMPAT_MODEL_ALIASES", "mine=nonsense"),
    ("COMPAT_MODEL_ALIASES", "mine=nonsense?vocabulary_id=vocab-1"),
    ("COMPAT_MODEL_ALIASES", "mine=whisper-1?vocabulary_id=vocab-1"),
    ("COMPAT_RATES", "fun-asr-mlt=5/second"),
    ("COMPAT_RATES", "fun-asr=5/second,qwen3-asr-flsh-filetrans=5/second"),
    ("COMPAT_PRICES", "qwen3-asr-flash-realtme=0.00004"),
    ("COMPAT_MODEL_FAMILY", "whisper"),
    ("COMPAT_DIARIZE_MODEL", "nonsense"),
    ("COMPAT_DIARIZE_MODEL", "fun-asr-realtime"),
    ("COMPAT_DIARIZE_MODEL", "qwen3-asr-flash"),
]


@pytest.mark.parametrize(("setting", "value"), PLACES)
def test_an_unusable_value_is_refused_by_its_setting(setting: str, value: str, tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(b"\xffnot what is wanted " * 100)
    mode = tmp_path.stat().st_mode
    given = {"COMPAT_SPOOL": str(tmp_path), setting: value.format(folder=tmp_path, file=file)}

    with pytest.raises(SettingsError, match=f"^{setting}") as caught:
        create_app(Settings.read({**KEY, **given}))

    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert mode == tmp_path.stat().st_mode
    assert [file] == list(tmp_path.glob("[!.]*")) or setting != "COMPAT_STORE"


@pytest.mark.parametrize(("region", "offered"), [("beijing", True), ("singapore", True), ("us", False)])
def test_a_family_that_the_region_lacks_is_refused(region: str, offered: bool, tmp_path: Path) -> None:
    given = {"COMPAT_SPOOL": f"{tmp_path}", "COMPAT_MODEL_FAMILY": "qwen-audio-3.1", "DASHSCOPE_REGION": region}
    if offered:
        create_app(Settings.read({**KEY, **given}))
    else:
        with pytest.raises(SettingsError, match=r"^COMPAT_MODEL_FAMILY=qwen-audio-3\.1 .*us"):
            create_app(Settings.read({**KEY, **given}))


@pytest.mark.parametrize("setting", ["COMPAT_RATES", "COMPAT_PRICES"])
def test_a_rate_or_price_without_effect_is_logged(
    setting: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    value = "1/minute" if setting == "COMPAT_RATES" else "0.1"
    effective = ("qwen3-asr-flash", "qwen3-asr-flash-2031-01-01", "qwen-audio-3.2-asr-flash", "paraformer-v3", "mt-1")
    given = ",".join(f"{name}={value}" for name in (*effective, "whisper-1", "nonsense"))

    create_app(
        Settings.read({**KEY, "COMPAT_SPOOL": f"{tmp_path}", "COMPAT_TRANSLATION_MODEL": "mt-1", setting: given})
    )

    fields = [record.__dict__["fields"] for record in caplog.records if "no effect" in record.message]
    assert [(setting, "nonsense"), (setting, "whisper-1")] == sorted(
        (each["setting"], each["model"]) for each in fields
    )


def test_an_empty_key_file_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (file := tmp_path / "keys").write_text("# name key\n")

    create_app(Settings.read({**KEY, "COMPAT_SPOOL": f"{tmp_path}", "COMPAT_API_KEYS_FILE": f"{file}"}))

    assert ["the file of keys holds none"] == [record.message for record in caplog.records]


def test_redis_addresses_are_accepted(tmp_path: Path) -> None:
    for address in ("redis://localhost", "unix:///run/redis.sock?db=1", "rediss://:p%23ss@host/2?ssl_cert_reqs=none"):
        create_app(Settings.read({**KEY, "COMPAT_SPOOL": str(tmp_path), "COMPAT_STORE": address}))


@pytest.mark.parametrize("command", ["serve", "emulator"])
@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_an_invalid_port_is_refused(command: str, port: str) -> None:
    assert "--port" in refused(command, "--port", port, environment=KEY)


def test_an_unusable_certificate_is_refused(tmp_path: Path) -> None:
    """An encrypted key is refused without a prompt for its password."""
    cert, key = tls.certificate(tmp_path)
    (garbage := tmp_path / "garbage.pem").write_text("garbage")
    (other := tmp_path / "other").mkdir()
    _, strange = tls.certificate(other)
    secret = serialization.load_pem_private_key(key.read_bytes(), None)
    (locked := tmp_path / "locked.pem").write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )

    for pair in ((garbage, garbage), (cert, garbage), (garbage, key), (cert, strange), (cert, locked), (key, cert)):
        message = refused(
            "serve", "--port", "0", "--tls-cert", f"{pair[0]}", "--tls-key", f"{pair[1]}", environment=KEY
        )
        assert all(text in message for text in ("--tls-cert", "--tls-key", "PEM"))


AROUND = [
    ("HTTPS_PROXY", "socks5://user:hunter2@127.0.0.1:7890", "ALL_PROXY names a SOCKS proxy"),
    ("ALL_PROXY", "socks5h://127.0.0.1:7890", "ALL_PROXY names a SOCKS proxy"),
    ("https_proxy", "http://user:hunter2@[::1", "HTTPS_PROXY or ALL_PROXY should be an address"),
    ("HTTPS_PROXY", "http://user:hunter2@host:port", "HTTPS_PROXY or ALL_PROXY should be an address"),
    ("SSL_CERT_FILE", "{folder}/none", "SSL_CERT_FILE should be"),
    ("SSL_CERT_FILE", "{folder}", "SSL_CERT_FILE should be"),
    ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE should be"),
]


@pytest.mark.parametrize(("name", "value", "message"), AROUND)
def test_unusable_environment_variables_of_libraries_are_refused_by_name(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, value.format(folder=tmp_path))
    monkeypatch.setitem(sys.modules, "socksio", None)

    with pytest.raises(SettingsError, match=message) as caught:
        create_app(Settings(dashscope_api_key="sk-1", spool=tmp_path))

    assert "hunter2" not in str(caught.value)


def test_the_local_engine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "https_proxy", "HTTP_PROXY", "wss_proxy", "no_proxy"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:1")

    forget_proxies()

    assert {} == getproxies()
